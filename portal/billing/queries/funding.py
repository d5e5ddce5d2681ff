"""Payments by gateway, credits and refunds. Amounts are paise."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import and_, or_, select
from sqlalchemy.orm import contains_eager

from portal import db
from portal.billing.models import CreditPool, CreditPurchase, GatewayEvent, GatewayOrder, GatewayReturn, LedgerRow, Payment, Refund
from portal.billing.rules import GatewayOrderStatus, PaymentStatus, RefundStatus, refundable
from portal.money import Paise
from portal.orgs.models import Organization


def pool(organization_id: str) -> CreditPool:
    """An organization's credits; an empty pool when it never had any."""
    found = db.session.get(CreditPool, organization_id)
    return found or CreditPool(organization_id=organization_id, balance=0, total_purchased=0, entries=0)


def ledger(organization_id: str, *, limit: int, before: int | None = None) -> Sequence[LedgerRow]:
    """The movements of credits, newest first; ``before`` is the position of the last row of the page before."""
    statement = select(LedgerRow).where(LedgerRow.organization_id == organization_id)
    if before is not None:
        statement = statement.where(LedgerRow.position < before)
    return db.session.scalars(statement.order_by(LedgerRow.position.desc()).limit(limit)).all()


def payment(payment_id: str) -> Payment | None:
    """A payment by its id."""
    return db.session.get(Payment, payment_id) if db.is_id(payment_id) else None


def order_of_payment(payment_id: str) -> GatewayOrder | None:
    """The order that a payment by card is paid with."""
    return db.session.scalar(select(GatewayOrder).where(GatewayOrder.payment_id == payment_id))


def orders_of(payment_ids: Sequence[str]) -> dict[str, GatewayOrder]:
    """Payment → its order, for those by card."""
    found = db.session.scalars(select(GatewayOrder).where(GatewayOrder.payment_id.in_(payment_ids)))
    return {str(order.payment_id): order for order in found}


def orders_to_ask(at: datetime, *, limit: int) -> Sequence[str]:
    """Ids of orders that aren't over and are due to be asked about, for the sweep."""
    statement = (
        select(GatewayOrder.id)
        .where(GatewayOrder.status.in_((GatewayOrderStatus.NEW, GatewayOrderStatus.OPEN)), GatewayOrder.ask_at <= at)
        .order_by(GatewayOrder.ask_at)
        .limit(limit)
    )
    return db.session.scalars(statement).all()


def orders_past_their_time(at: datetime, *, for_purchases: bool, limit: int) -> Sequence[str]:
    """Ids of orders that nobody paid in time, for purchases of credits or for payments, for the jobs that end them."""
    subject = GatewayOrder.purchase_id if for_purchases else GatewayOrder.payment_id
    is_open = GatewayOrder.status.in_((GatewayOrderStatus.NEW, GatewayOrderStatus.OPEN))
    statement = (
        select(GatewayOrder.id)
        .where(is_open, GatewayOrder.expires_at <= at, subject.is_not(None))
        .order_by(GatewayOrder.expires_at)
        .limit(limit)
    )
    return db.session.scalars(statement).all()


def payments_to_settle(*, limit: int) -> Sequence[str]:
    """Ids of payments by card that are PENDING although their order is over, for the sweep; and of late ones, paid after they failed."""
    is_over = (GatewayOrderStatus.PAID, GatewayOrderStatus.FAILED, GatewayOrderStatus.EXPIRED)
    waits = and_(Payment.status == PaymentStatus.PENDING, GatewayOrder.status.in_(is_over))
    is_late = and_(Payment.status == PaymentStatus.FAILED, GatewayOrder.status == GatewayOrderStatus.PAID)
    statement = select(Payment.id).join(GatewayOrder, GatewayOrder.payment_id == Payment.id).where(or_(waits, is_late)).limit(limit)
    return db.session.scalars(statement).all()


def refunds_to_move(at: datetime, *, limit: int) -> Sequence[str]:
    """Ids of refunds by card whose money hasn't moved, for the sweep."""
    statement = select(Refund.id).where(Refund.status == RefundStatus.PENDING, Refund.due_at <= at).order_by(Refund.due_at).limit(limit)
    return db.session.scalars(statement).all()


def returns_to_move(at: datetime, *, limit: int) -> Sequence[str]:
    """Ids of money to be given back of invoices' online payments that hasn't moved, for the sweep."""
    is_due = GatewayReturn.due_at <= at
    statement = select(GatewayReturn.id).where(GatewayReturn.status == RefundStatus.PENDING, is_due).order_by(GatewayReturn.due_at)
    return db.session.scalars(statement.limit(limit)).all()


def events_to_handle(before: datetime, *, limit: int) -> Sequence[str]:
    """Ids of webhooks that nobody has acted on, for the sweep."""
    statement = (
        select(GatewayEvent.id)
        .where(GatewayEvent.handled_at.is_(None), GatewayEvent.received_at < before)
        .order_by(GatewayEvent.received_at)
        .limit(limit)
    )
    return db.session.scalars(statement).all()


def purchases_of(organization_id: str, *, limit: int, cursor: str | None = None) -> Sequence[tuple[CreditPurchase, GatewayOrder]]:
    """What an organization bought, newest first, each with its order."""
    statement = (
        select(CreditPurchase, GatewayOrder)
        .join(GatewayOrder, GatewayOrder.purchase_id == CreditPurchase.id)
        .where(CreditPurchase.organization_id == organization_id)
    )
    if cursor is not None:
        statement = statement.where(CreditPurchase.id < cursor)
    rows = db.session.execute(statement.order_by(CreditPurchase.id.desc()).limit(limit))
    return [(purchase, order) for purchase, order in rows]


def payments_by_id(payment_ids: Sequence[str]) -> dict[str, Payment]:
    """Some payments by their ids."""
    return {row.id: row for row in db.session.scalars(select(Payment).where(Payment.id.in_(payment_ids)))} if payment_ids else {}


def payments_found(words: str, *, limit: int) -> Sequence[tuple[Payment, str | None, Paise]]:
    """Payments by id, learner, plan or organization, newest first, each with the organization's name and what can be refunded."""
    statement = select(Payment, Organization.name).outerjoin(Organization, Organization.id == Payment.organization_id)
    if db.is_id(words):
        statement = statement.where(Payment.id == words)
    else:
        pattern = db.containing(words)
        columns = (Payment.learner_name, Payment.plan_title, Organization.name)
        statement = statement.where(or_(*(column.ilike(pattern) for column in columns)))
    rows = db.session.execute(statement.order_by(Payment.created_at.desc(), Payment.id.desc()).limit(limit))
    return [
        (payment, name, refundable(payment.payment_method, payment.amount, payment.original_amount) - payment.claimed_amount)
        for payment, name in rows
    ]


def refunds(*, status: RefundStatus | None = None, limit: int, cursor: str | None = None) -> Sequence[Refund]:
    """Refunds with their payments, newest first; ``cursor`` is the last id of the page before."""
    statement = select(Refund).join(Refund.payment).options(contains_eager(Refund.payment))
    if status is not None:
        statement = statement.where(Refund.status == status)
    if cursor is not None:
        statement = statement.where(Refund.id < cursor)
    return db.session.scalars(statement.order_by(Refund.id.desc()).limit(limit)).all()


def refunds_of(payment_ids: Sequence[str]) -> Sequence[Refund]:
    """All refunds of some payments, oldest first."""
    return db.session.scalars(select(Refund).where(Refund.payment_id.in_(payment_ids)).order_by(Refund.id)).all()
