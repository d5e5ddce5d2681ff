"""Reading plans and bookings."""

from collections.abc import Sequence

from sqlalchemy import func, select
from sqlalchemy.orm import contains_eager

from portal import db
from portal.accounts.models import User
from portal.bookings.models import Booking, Plan


def plans_of_organization(organization_id: str, *, with_retired: bool = False) -> Sequence[Plan]:
    """The organization's own catalogue, by title."""
    statement = select(Plan).where(Plan.organization_id == organization_id)
    if not with_retired:
        statement = statement.where(Plan.is_active)
    return db.session.scalars(statement.order_by(Plan.is_active.desc(), func.lower(Plan.title), Plan.id)).all()


def plan(plan_id: str) -> Plan | None:
    """A plan by its id, retired or not."""
    return db.session.get(Plan, plan_id) if db.is_id(plan_id) else None


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
