"""Acts on plans and bookings."""

from datetime import UTC, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy.dialects.postgresql import Range

from portal import clock, config, db
from portal.accounts.models import User
from portal.audit import service as audit
from portal.audit.rules import SYSTEM, Action, Actor
from portal.billing import queries as billing
from portal.billing.models import GatewayOrder, Payment
from portal.billing.rules import GatewayOrderStatus, PaymentStatus
from portal.billing.service import orders, payments, refunds
from portal.bookings import queries
from portal.bookings.models import Booking, Plan
from portal.bookings.rules import BookingStatus, check_start
from portal.bookings.schemas import BookForm, CheckoutIn, OwnPlanForm, OwnPlanIn, PlanForm, PlanIn, PlanPatch
from portal.errors import Conflict, Forbidden, Invalid, NotFound
from portal.orgs import queries as members
from portal.orgs import service as orgs
from portal.orgs.models import Organization
from portal.orgs.rules import MembershipStatus, Status
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


def create_own_plan(data: OwnPlanIn | OwnPlanForm, *, consultant: User, actor: Actor) -> Plan:
    """Adds a plan of a consultant's own, which anybody may book.

    Raises:
        Forbidden: ``CONSULTANT_NOT_VERIFIED``.
    """
    found = providers.consultant(consultant.id)
    if found is None or found.verified_at is None:
        sentence = "Only verified consultants offer plans. Make a consultant's profile first, and wait until the platform has verified it."
        raise Forbidden(sentence, code="CONSULTANT_NOT_VERIFIED")
    plan = Plan(
        organization_id=None,
        consultant_id=consultant.id,
        plan_type=data.plan_type,
        title=data.title,
        description=data.description,
        price=data.price,
        duration_minutes=data.duration_minutes,
        created_at=clock.now(),
    )
    db.session.add(plan)
    db.session.flush()
    audit.record(actor, Action.PLAN_CREATED, audit.Subject("plan", plan.id, plan.title), after={"title": plan.title, "price": plan.price})
    return plan


def retire_own_plan(plan_id: str, *, consultant: User, actor: Actor) -> Plan:
    """Takes a consultant's own plan out of their offer; its bookings stay. Harmless when it is out already.

    Raises:
        NotFound: They have no such plan.
    """
    plan = queries.plan(plan_id)
    if plan is None or plan.organization_id is not None or plan.consultant_id != consultant.id:
        raise NotFound("There is no such plan.", code="PLAN_NOT_FOUND")
    if plan.is_active:
        plan.is_active = False
        audit.record(actor, Action.PLAN_RETIRED, audit.Subject("plan", plan.id, plan.title))
        db.session.flush()
    return plan


def change_plan(plan_id: str, data: PlanPatch, *, organization: Organization, actor: Actor) -> Plan:
    """Changes a plan of the catalogue; what is booked keeps its price.

    Raises:
        NotFound: The organization has no such plan.
        Invalid: ``CONSULTANT_UNKNOWN``.
    """
    orgs.lock_open(organization.id)
    plan = queries.plan(plan_id)
    if plan is None or plan.organization_id != organization.id:
        raise NotFound("There is no such plan.", code="PLAN_NOT_FOUND")
    if data.consultant_id is not None:
        _require_consultant(data.consultant_id)
    wanted = data.model_dump(exclude_unset=True)
    changes = {name: value for name, value in wanted.items() if value != getattr(plan, name)}
    before = {name: getattr(plan, name) for name in changes}
    for name, value in changes.items():
        setattr(plan, name, value)
    db.session.flush()
    if not changes:
        return plan
    audit.record(
        actor,
        Action.PLAN_CHANGED,
        audit.Subject("plan", plan.id, plan.title),
        organization_id=organization.id,
        before=before,
        after=changes,
    )
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
    """As ``checkout``, with a time that was typed in the organization's zone, on the organization or personally."""
    local = data.starts_at if data.starts_at.tzinfo else data.starts_at.replace(tzinfo=ZoneInfo(organization.time_zone))
    checked = CheckoutIn(plan_id=data.plan_id, starts_at=local, consultant_id=data.consultant_id)
    return checkout(checked, organization=None if data.payer == "self" else organization, learner=learner, actor=actor)


def checkout(data: CheckoutIn, *, organization: Organization | None, learner: User, actor: Actor) -> Booking:
    """Books a session and covers its price; by card the slot is held until ``open_payment`` and the payer have done their part.

    Raises:
        NotFound: ``PLAN_NOT_FOUND``.
        Invalid: The time is refused, or the plan needs a consultant and none (or an unknown one) was named.
        Conflict: ``SLOT_TAKEN``: the consultant has another consultation then.
        PaymentRequired: The organization's credits, limit or contract don't cover it.
    """
    plan = queries.plan(data.plan_id)
    if plan is None or not plan.is_active or not _is_offered(plan, organization, learner) or not queries.may_sell(plan):
        raise NotFound("There is no such plan, or it can't be booked any more.", code="PLAN_NOT_FOUND")
    starts_at = check_start(data.starts_at, now=clock.now()).astimezone(UTC)
    consultant_id = plan.consultant_id or data.consultant_id
    if consultant_id is None:
        raise _consultant_unknown("Choose who gives the session.")
    consultant = _require_consultant(consultant_id)
    purchase = payments.Purchase(
        price=plan.price,
        learner_name=learner.name,
        consultant_id=consultant_id,
        consultant_name=consultant,
        plan_type=plan.plan_type,
        plan_title=plan.title,
        sac_code=plan.plan_type.sac_code,
        session_starts_at=starts_at,
    )
    if organization is None:
        payment = payments.charge_to_card(payer=learner, purchase=purchase)
    else:
        payment = payments.charge_to_organization(organization.id, payer=learner, purchase=purchase)
    booking = Booking(
        plan_id=plan.id,
        plan_type=plan.plan_type,
        learner_id=learner.id,
        consultant_id=consultant_id,
        organization_id=organization.id if organization else None,
        payment_id=payment.id,
        starts_at=starts_at,
        during=Range(starts_at, starts_at + timedelta(minutes=plan.duration_minutes)),
        status=BookingStatus.CONFIRMED if payment.status is PaymentStatus.SUCCEEDED else BookingStatus.HELD,
        created_at=clock.now(),
    )
    booking.plan, booking.payment = plan, payment
    with db.refused_by({"ex_bookings_slot": _slot_taken(consultant)}):
        db.session.add(booking)
    after = {"plan": plan.title, "startsAt": starts_at.isoformat(), "amount": payment.amount, "paymentMethod": payment.payment_method}
    audit.record(actor, Action.BOOKING_MADE, _subject(booking), organization_id=booking.organization_id, after=after)
    member = members.membership(organization.id, learner.id) if organization else None
    payments.draw(payment, member_id=member.id if member else None)
    if payment.status is PaymentStatus.PENDING:
        url = f"{config.current().base_url}/bookings/{booking.id}"
        asked = orders.Asked(amount=payment.amount, description=plan.title, payer_email=learner.email, return_url=url)
        orders.prepare(asked, payment=payment)
    return booking


def open_payment(booking: Booking) -> GatewayOrder | None:
    """Opens the order of a booking by card at the provider, after the commit; None when it isn't paid by card.

    When the provider doesn't answer, the booking stays held, and the sweep asks again.
    """
    order = billing.order_of_payment(booking.payment_id)
    if order is not None and order.status is GatewayOrderStatus.NEW:
        orders.open_now(order)
    return order


def settle_payment(payment_id: str) -> bool:
    """Confirms the booking of a payment by card that came in, or releases it when none will come; returns whether it did now.

    Money that comes after the release takes the slot again when it is still free; otherwise it is given back.
    """
    payment = payments.locked(payment_id)
    order = billing.order_of_payment(payment_id)
    if payment is None or order is None or payment.status is PaymentStatus.SUCCEEDED or not order.status.is_over:
        return False
    booking = queries.locked_booking_of(payment_id)
    if order.status is GatewayOrderStatus.PAID:
        payments.succeed(payment)
        _confirm(booking, payment)
        return True
    if payment.status is PaymentStatus.FAILED:
        return False
    payment.status = PaymentStatus.FAILED
    booking.status = BookingStatus.RELEASED
    db.session.flush()
    audit.record(SYSTEM, Action.BOOKING_RELEASED, _subject(booking), organization_id=booking.organization_id)
    return True


def _confirm(booking: Booking, payment: Payment) -> None:
    if booking.status is BookingStatus.RELEASED and (booking.starts_at <= clock.now() or not queries.is_free(booking)):
        refunds.give_back(payment, reason="The payment came after the slot had been released.")
        return
    taken = Conflict("The slot was taken at this very moment.", code="SLOT_TAKEN")
    with db.refused_by({"ex_bookings_slot": taken}):  # the job is tried again, and finds the slot taken
        booking.status = BookingStatus.CONFIRMED
    audit.record(SYSTEM, Action.BOOKING_CONFIRMED, _subject(booking), organization_id=booking.organization_id)


def _subject(booking: Booking) -> audit.Subject:
    return audit.Subject("booking", booking.id, booking.plan.title)


def _is_offered(plan: Plan, organization: Organization | None, learner: User) -> bool:
    """Whether a plan is there for them: a consultant's own for everybody, an organization's for its people, a provider's for all."""
    if plan.organization_id is None or (organization is not None and plan.organization_id == organization.id):
        return True
    seller = members.by_id(plan.organization_id)
    if seller is None or seller.status is not Status.ACTIVE:
        return False
    membership = members.membership(seller.id, learner.id)
    is_own = membership is not None and membership.status is MembershipStatus.ACTIVE and organization is None
    return is_own or (seller.kind.provides and config.current().enable_provider_orgs)


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
