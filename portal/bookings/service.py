"""Acts on plans and bookings."""

from datetime import UTC, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy.dialects.postgresql import Range

from portal import clock, db
from portal.accounts.models import User
from portal.audit import service as audit
from portal.audit.rules import Action, Actor
from portal.billing.service import payments
from portal.bookings import queries
from portal.bookings.models import Booking, Plan
from portal.bookings.rules import BookingStatus, check_start
from portal.bookings.schemas import BookForm, CheckoutIn, PlanForm, PlanIn
from portal.errors import Conflict, Invalid, NotEnabled, NotFound
from portal.orgs import service as orgs
from portal.orgs.models import Organization
from portal.providers import queries as providers


def create_plan(data: PlanIn | PlanForm, *, organization: Organization, actor: Actor) -> Plan:
    """Adds a plan to an organization's catalogue.

    Raises:
        Invalid: ``CONSULTANT_UNKNOWN``: the consultant that it names isn't a verified one.
    """
    orgs.lock_open(organization.id)
    consultant_id = data.consultant_id if isinstance(data, PlanIn) else None
    if consultant_id is not None:
        _require_consultant(consultant_id)
    plan = Plan(
        organization_id=organization.id,
        consultant_id=consultant_id,
        plan_type=data.plan_type,
        title=data.title,
        description=data.description,
        price=data.price,
        duration_minutes=data.duration_minutes,
        created_at=clock.now(),
    )
    db.session.add(plan)
    db.session.flush()
    after = {"title": plan.title, "price": plan.price, "planType": plan.plan_type}
    audit.record(actor, Action.PLAN_CREATED, audit.Subject("plan", plan.id, plan.title), organization_id=organization.id, after=after)
    return plan


def retire_plan(plan_id: str, *, organization: Organization, actor: Actor) -> Plan:
    """Takes a plan out of the catalogue; its bookings stay. Harmless when it is out already.

    Raises:
        NotFound: The organization has no such plan.
    """
    orgs.lock_open(organization.id)
    plan = queries.plan(plan_id)
    if plan is None or plan.organization_id != organization.id:
        raise NotFound("There is no such plan.", code="PLAN_NOT_FOUND")
    if plan.is_active:
        plan.is_active = False
        audit.record(actor, Action.PLAN_RETIRED, audit.Subject("plan", plan.id, plan.title), organization_id=organization.id)
        db.session.flush()
    return plan


def book_from_page(data: BookForm, *, organization: Organization, learner: User, actor: Actor) -> Booking:
    """As ``checkout``, with a time that was typed in the organization's zone."""
    local = data.starts_at if data.starts_at.tzinfo else data.starts_at.replace(tzinfo=ZoneInfo(organization.time_zone))
    checked = CheckoutIn(plan_id=data.plan_id, starts_at=local, organization_id=organization.id, consultant_id=data.consultant_id)
    return checkout(checked, organization=organization, learner=learner, actor=actor)


def checkout(data: CheckoutIn, *, organization: Organization | None, learner: User, actor: Actor) -> Booking:
    """Books a session and covers its price.

    Raises:
        NotFound: ``PLAN_NOT_FOUND``.
        Invalid: The time is refused, or the plan needs a consultant and none (or an unknown one) was named.
        Conflict: ``SLOT_TAKEN``: the consultant has another consultation then.
        NotEnabled: This way of paying isn't open in this portal.
    """
    if organization is None:
        raise NotEnabled("Personal bookings by card are not open in this portal yet. Nothing was booked.", code="CARD_NOT_ENABLED")
    plan = queries.plan(data.plan_id)
    if plan is None or not plan.is_active or plan.organization_id not in {None, organization.id}:
        raise NotFound("There is no such plan, or it can't be booked any more.", code="PLAN_NOT_FOUND")
    starts_at = check_start(data.starts_at, now=clock.now()).astimezone(UTC)
    consultant_id = plan.consultant_id or data.consultant_id
    if consultant_id is None:
        raise _consultant_unknown("Choose who gives the session.")
    consultant = _require_consultant(consultant_id)
    purchase = payments.Purchase(
        price=plan.price,
        learner_name=learner.name,
        consultant_name=consultant,
        plan_type=plan.plan_type,
        plan_title=plan.title,
        sac_code=plan.plan_type.sac_code,
        session_starts_at=starts_at,
    )
    payment = payments.charge_to_organization(organization, payer=learner, purchase=purchase)
    booking = Booking(
        plan_id=plan.id,
        plan_type=plan.plan_type,
        learner_id=learner.id,
        consultant_id=consultant_id,
        organization_id=organization.id,
        payment_id=payment.id,
        starts_at=starts_at,
        during=Range(starts_at, starts_at + timedelta(minutes=plan.duration_minutes)),
        status=BookingStatus.CONFIRMED,
        created_at=clock.now(),
    )
    booking.plan, booking.payment = plan, payment
    with db.refused_by({"ex_bookings_slot": _slot_taken(consultant)}):
        db.session.add(booking)
    after = {"plan": plan.title, "startsAt": starts_at.isoformat(), "amount": payment.amount, "paymentMethod": payment.payment_method}
    about = audit.Subject("booking", booking.id, plan.title)
    audit.record(actor, Action.BOOKING_MADE, about, organization_id=organization.id, after=after)
    return booking


def _require_consultant(consultant_id: str) -> str:
    consultant = providers.consultant(consultant_id)
    if consultant is None or consultant.verified_at is None:
        raise _consultant_unknown("Choose one of the consultants.")
    return queries.consultant_name(consultant_id)


def _consultant_unknown(sentence: str) -> Invalid:
    return Invalid(sentence, code="CONSULTANT_UNKNOWN", details={"consultant_id": [sentence]})


def _slot_taken(consultant: str) -> Conflict:
    sentence = f"{consultant} has another session at that time. Choose another time."
    return Conflict(sentence, code="SLOT_TAKEN", details={"starts_at": [sentence]})
