"""Reading plans and bookings."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, exists, func, literal, select
from sqlalchemy.orm import contains_eager

from portal import config, db
from portal.accounts.models import User
from portal.bookings.models import Booking, Plan
from portal.bookings.rules import BookingStatus, PlanType
from portal.orgs.models import Membership, Organization
from portal.orgs.rules import Kind, MembershipStatus, Role, Status
from portal.providers.models import Consultant


def plans_of_organization(organization_id: str, *, with_retired: bool = False) -> Sequence[Plan]:
    """The organization's own catalogue, by title."""
    statement = select(Plan).where(Plan.organization_id == organization_id)
    if not with_retired:
        statement = statement.where(Plan.is_active)
    return db.session.scalars(statement.order_by(Plan.is_active.desc(), func.lower(Plan.title), Plan.id)).all()


def plan(plan_id: str) -> Plan | None:
    """A plan by its id, retired or not."""
    return db.session.get(Plan, plan_id) if db.is_id(plan_id) else None


def plans_of_consultant(consultant_id: str, *, with_retired: bool = False) -> Sequence[Plan]:
    """A consultant's own plans, by title."""
    if not db.is_id(consultant_id):
        return []
    statement = select(Plan).where(Plan.consultant_id == consultant_id, Plan.organization_id.is_(None))
    if not with_retired:
        statement = statement.where(Plan.is_active)
    return db.session.scalars(statement.order_by(Plan.is_active.desc(), func.lower(Plan.title), Plan.id)).all()


def plans_for_sale(*, limit: int) -> Sequence[tuple[Plan, str]]:
    """Plans of verified consultants' own with the consultant's name, by that; without those that their organization hides."""
    statement = (
        select(Plan, User.name)
        .join(Consultant, Consultant.user_id == Plan.consultant_id)
        .join(User, User.id == Consultant.user_id)
        .where(Plan.organization_id.is_(None), Plan.is_active, Consultant.verified_at.is_not(None))
        .order_by(func.lower(User.name), func.lower(Plan.title), Plan.id)
        .limit(limit)
    )
    if config.current().enable_provider_orgs:
        statement = statement.where(~_is_bound(Plan.consultant_id))
    return [(plan, name) for plan, name in db.session.execute(statement)]


def may_sell(plan: Plan) -> bool:
    """Whether a plan may be booked at all: an organization may keep its consultants from selling plans of their own."""
    if plan.organization_id is not None or not config.current().enable_provider_orgs:
        return True
    return not db.session.scalar(select(_is_bound(literal(plan.consultant_id, Plan.consultant_id.type))))


def _is_bound(consultant_id: Any) -> ColumnElement[bool]:  # noqa: ANN401 - a column, or a value
    return exists().where(
        Membership.user_id == consultant_id,
        Membership.role == Role.ORG_CONSULTANT,
        Membership.status == MembershipStatus.ACTIVE,
        Organization.id == Membership.organization_id,
        Organization.status == Status.ACTIVE,
        Organization.kind.in_((Kind.PROVIDER, Kind.HYBRID)),
        Organization.enforce_organization_plans,
    )


def booking(booking_id: str) -> Booking | None:
    """A booking by its id, with its plan and payment."""
    if not db.is_id(booking_id):
        return None
    statement = (
        select(Booking)
        .join(Booking.plan)
        .join(Booking.payment)
        .options(contains_eager(Booking.plan), contains_eager(Booking.payment))
        .where(Booking.id == booking_id)
    )
    return db.session.scalar(statement)


def locked_booking_of(payment_id: str) -> Booking:
    """The booking that a payment pays for, locked and as it is now, with its plan."""
    statement = (
        select(Booking)
        .join(Booking.plan)
        .options(contains_eager(Booking.plan))
        .where(Booking.payment_id == payment_id)
        .with_for_update(of=Booking)
        .execution_options(populate_existing=True)
    )
    return db.session.scalars(statement).one()


def is_free(booking: Booking) -> bool:
    """Whether no other booking has the consultant at that time; only consultations exclude each other."""
    if booking.plan_type is not PlanType.CONSULTATION:
        return True
    other = exists().where(
        Booking.consultant_id == booking.consultant_id,
        Booking.id != booking.id,
        Booking.plan_type == PlanType.CONSULTATION,
        Booking.status.in_((BookingStatus.HELD, BookingStatus.CONFIRMED)),
        Booking.during.op("&&")(booking.during),
    )
    return not db.session.scalar(select(other))


def bookings_of(learner_id: str, *, organization_id: str | None = None, limit: int) -> Sequence[Booking]:
    """A learner's bookings, latest session first, with plan, payment and consultant's name on the payment."""
    statement = (
        select(Booking)
        .join(Booking.plan)
        .join(Booking.payment)
        .options(contains_eager(Booking.plan), contains_eager(Booking.payment))
        .where(Booking.learner_id == learner_id)
    )
    if organization_id is not None:
        statement = statement.where(Booking.organization_id == organization_id)
    return db.session.scalars(statement.order_by(Booking.starts_at.desc(), Booking.id).limit(limit)).all()


def consultant_name(consultant_id: str) -> str:
    """What a consultant is called."""
    return db.session.scalars(select(User.name).where(User.id == consultant_id)).one()
