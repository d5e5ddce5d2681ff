"""Payments: what a booking costs and how it is covered."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from portal import clock, db
from portal.accounts.models import User
from portal.accounts.rules import PlatformRole
from portal.billing import queries
from portal.billing.models import Payment
from portal.billing.rules import METHODS, LedgerReason, PaymentMethod, PaymentStatus, check_contract, check_limit, with_tax
from portal.billing.service import credits as pool
from portal.errors import Conflict
from portal.orgs import queries as members
from portal.orgs import service as orgs
from portal.orgs.models import Organization
from portal.orgs.rules import MembershipStatus, Role
from portal.orgs.rules.rates import Rates
from portal.providers.rules import Terms
from portal.providers.service import earnings

STAFF = frozenset({PlatformRole.STAFF, PlatformRole.ADMIN})


@dataclass(frozen=True, slots=True)
class Purchase:
    """What is bought, as its invoice line will print it. ``price`` is paise before GST."""

    price: int
    learner_name: str
    consultant_id: str
    consultant_name: str
    plan_type: str
    plan_title: str
    sac_code: str
    session_starts_at: datetime


def charge_to_organization(organization_id: str, *, payer: User, purchase: Purchase) -> Payment:
    """Charges a booking to an organization by its billing mode, which the first payment makes immutable.

    By card it is PENDING until its order is paid. Credits are drawn by ``draw`` later in the same transaction, so that bookings
    on one pool wait for each other briefly.

    Raises:
        Conflict: ``ORGANIZATION_NOT_ACTIVE``, or ``BILLING_MODE_MISSING``.
        PaymentRequired: ``CREDIT_LIMIT_REACHED`` or ``CONTRACT_EXPIRED``.
    """
    organization = orgs.lock_to_charge(organization_id)
    if organization.billing_mode is None:
        sentence = f"{organization.name} sponsors no sessions. Nothing was booked."
        raise Conflict(sentence, code="BILLING_MODE_MISSING")
    method = METHODS[organization.billing_mode]
    if method is PaymentMethod.ORG_INVOICED:
        _require_room(organization, price=purchase.price)
    if method is PaymentMethod.ORG_PREPAID:
        check_contract(start=organization.contract_start, end=organization.contract_end, now=clock.now(), time_zone=organization.time_zone)
    return _pay(method, payer=payer, purchase=purchase, organization_id=organization.id)


def charge_to_card(*, payer: User, purchase: Purchase) -> Payment:
    """Charges a personal booking to its learner's card; it is PENDING until its order is paid."""
    return _pay(PaymentMethod.CARD, payer=payer, purchase=purchase, organization_id=None)


def _pay(method: PaymentMethod, *, payer: User, purchase: Purchase, organization_id: str | None) -> Payment:
    at = clock.now()
    by_card = method is PaymentMethod.CARD
    terms = earnings.terms_for(purchase.consultant_id)
    payment = Payment(
        payer_id=payer.id,
        organization_id=organization_id,
        amount=0 if method is PaymentMethod.ORG_PREPAID else purchase.price,
        original_amount=purchase.price,
        payment_method=method,
        status=PaymentStatus.PENDING if by_card else PaymentStatus.SUCCEEDED,
        created_at=at,
        succeeded_at=None if by_card else at,
        learner_name=purchase.learner_name,
        consultant_name=purchase.consultant_name,
        plan_type=purchase.plan_type,
        plan_title=purchase.plan_title,
        sac_code=purchase.sac_code,
        session_starts_at=purchase.session_starts_at,
        consultant_id=purchase.consultant_id,
        host_organization_id=terms.host_organization_id,
        platform_rate=terms.rates.platform,
        organization_rate=terms.rates.organization,
        consultant_rate=terms.rates.consultant,
        earnings_recipient=terms.recipient,
    )
    db.session.add(payment)
    db.session.flush()
    if not by_card:
        _share_out(payment, at=at)
    return payment


def succeed(payment: Payment) -> None:
    """Says that a payment by card, which the caller has locked, came in; whoever gives and hosts the session earns by it."""
    payment.status, payment.succeeded_at = PaymentStatus.SUCCEEDED, clock.now()
    db.session.flush()
    _share_out(payment, at=payment.succeeded_at)


def _share_out(payment: Payment, *, at: datetime) -> None:
    """Shares a payment out by the rates that it was booked at; one that was booked before there were any has none."""
    if payment.consultant_id is None or payment.platform_rate is None or payment.earnings_recipient is None:
        return
    rates = Rates(payment.platform_rate, payment.organization_rate or 0, payment.consultant_rate or 0)
    sold = earnings.Sold(
        payment_id=payment.id,
        consultant_id=payment.consultant_id,
        gross=payment.original_amount,
        plan_type=payment.plan_type,
        title=payment.plan_title,
        at=at,
    )
    earnings.earn(sold, Terms(rates, payment.host_organization_id, payment.earnings_recipient))


def locked(payment_id: str) -> Payment | None:
    """A payment, locked until the transaction ends and as it is now."""
    if not db.is_id(payment_id):
        return None
    statement = select(Payment).where(Payment.id == payment_id).with_for_update().execution_options(populate_existing=True)
    return db.session.scalar(statement)


def is_visible(payment: Payment, user: User) -> bool:
    """Whether somebody may look at a payment: who paid, managers of its organization, and the platform's staff."""
    if payment.payer_id == user.id or user.platform_role in STAFF:
        return True
    membership = members.membership(payment.organization_id, user.id) if payment.organization_id else None
    if membership is None or membership.status is not MembershipStatus.ACTIVE:
        return False
    return membership.role.rank >= Role.ORG_MANAGER.rank


def draw(payment: Payment, *, member_id: str | None) -> None:
    """Draws a payment by credits from its organization's pool, as the last step before the commit.

    Raises:
        PaymentRequired: ``INSUFFICIENT_CREDITS``.
    """
    if payment.payment_method is PaymentMethod.ORG_CREDIT and payment.organization_id is not None and payment.amount:
        pool.move(payment.organization_id, -payment.amount, reason=LedgerReason.BOOKING, payment_id=payment.id, member_id=member_id)


def _require_room(organization: Organization, *, price: int) -> None:
    if organization.credit_limit is None:
        return
    now = queries.exposure(organization)
    after = now.owed + with_tax(now.unbilled + price, queries.place_of(organization))
    check_limit(limit=organization.credit_limit, exposure=now.total, after=after)
