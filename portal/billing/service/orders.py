"""Money asked for at a payment provider: opened, asked about until it is over, and handed to what it pays for.

The provider is called with no transaction open, by the id of our row, so that every call can be made again after a crash. What it
says is recorded under the order's lock in a second transaction. An outcome that isn't known stays as it is and is asked for again.
"""

from dataclasses import dataclass
from datetime import timedelta

import structlog
from sqlalchemy import select

from portal import clock, db, queue
from portal.accounts.models import User
from portal.audit.rules import Actor
from portal.billing import queries
from portal.billing.models import CreditPurchase, GatewayOrder, Invoice, Payment
from portal.billing.rules import HELD_FOR, GatewayOrderStatus
from portal.billing.service import allocations, purchases
from portal.db import Json
from portal.gateways import payments as gateways
from portal.gateways.payments import (
    GatewayRefused,
    GatewayUnavailable,
    Opened,
    Order,
    OrderState,
    OrderStatus,
    PaymentGateway,
)
from portal.money import Paise
from portal.orgs.models import Organization

log = structlog.get_logger()

CURRENCY = "INR"
ASK_AGAIN = timedelta(minutes=2)
MOST_AT_ONCE = 200

_OUTCOMES = {
    OrderStatus.OPEN: GatewayOrderStatus.OPEN,
    OrderStatus.PAID: GatewayOrderStatus.PAID,
    OrderStatus.FAILED: GatewayOrderStatus.FAILED,
    OrderStatus.EXPIRED: GatewayOrderStatus.EXPIRED,
}


@dataclass(frozen=True, slots=True)
class Asked:
    """What the payer reads, and where the browser goes afterwards. ``amount`` is what is charged, paise."""

    amount: Paise
    description: str
    payer_email: str
    return_url: str


@dataclass(frozen=True, slots=True)
class _Answer:
    """What the provider said; all empty when it couldn't be reached."""

    opened: Opened | None = None
    state: OrderState | None = None
    refusal: str = ""


def prepare(
    asked: Asked, *, payment: Payment | None = None, purchase: CreditPurchase | None = None, invoice: Invoice | None = None
) -> GatewayOrder:
    """Writes the order that ``open_now`` opens after the commit; the sweep does it when this process dies before."""
    at = clock.now()
    row = GatewayOrder(
        payment_id=payment.id if payment else None,
        purchase_id=purchase.id if purchase else None,
        invoice_id=invoice.id if invoice else None,
        provider=gateways.current().provider.value,
        description=asked.description,
        payer_email=asked.payer_email,
        return_url=asked.return_url,
        amount=asked.amount,
        currency=CURRENCY,
        status=GatewayOrderStatus.NEW,
        created_at=at,
        expires_at=at + HELD_FOR,
        ask_at=at + ASK_AGAIN,
    )
    db.session.add(row)
    db.session.flush()
    return row


def order_credits(
    amount: Paise, *, organization: Organization, buyer: User, actor: Actor, return_url: str
) -> tuple[CreditPurchase, GatewayOrder]:
    """Begins a purchase of credits with the order that it is paid by; call ``open_now`` next.

    Raises:
        Conflict: As ``purchases.begin``.
    """
    purchase = purchases.begin(amount, organization=organization, buyer=buyer, actor=actor)
    description = f"Credits for {organization.name}, with GST"
    asked = Asked(amount=purchase.payable, description=description, payer_email=buyer.email, return_url=return_url)
    return purchase, prepare(asked, purchase=purchase)


def order_invoice(invoice: Invoice, wanted: Paise | None, *, payer: User, return_url: str) -> GatewayOrder:
    """Asks for money for an invoice online, all that is outstanding unless less is wanted; call ``open_now`` next.

    Raises:
        Conflict: As ``allocations.payable``.
    """
    amount = allocations.payable(invoice, wanted)
    asked = Asked(amount=amount, description=f"Invoice {invoice.number}", payer_email=payer.email, return_url=return_url)
    return prepare(asked, invoice=invoice)


def open_now(order: GatewayOrder) -> None:
    """Commits, opens the order at the provider, and records where to pay. When the provider doesn't answer, the sweep asks again."""
    _record(order.id, _ask(order))


def ask(order_id: str) -> bool:
    """Asks the provider how an order stands, opens it when that is still to be done, and ends it when its time is over.

    Returns:
        Whether that is known now; when it isn't, the provider has to be asked again.
    """
    order = db.session.get(GatewayOrder, order_id) if db.is_id(order_id) else None
    if order is None or order.status is GatewayOrderStatus.PAID:
        return True
    answer = _ask(order)
    _record(order.id, answer)
    return answer != _Answer()


def end_stale(*, for_purchases: bool) -> Json:
    """Ends orders that nobody paid in time. The provider is asked first, because the money may be there.

    Returns:
        ``{done, skipped}``: how many are over now, and how many aren't because the provider didn't answer.
    """
    done = waiting = 0
    for order_id in queries.orders_past_their_time(clock.now(), for_purchases=for_purchases, limit=MOST_AT_ONCE):
        ask(order_id)
        is_over = db.session.get_one(GatewayOrder, order_id).status.is_over
        done, waiting = done + is_over, waiting + (not is_over)
        db.checkpoint()
    return {"done": done, "skipped": {"unanswered": waiting} if waiting else {}}


def _ask(order: GatewayOrder) -> _Answer:
    wanted, provider = _wanted(order), order.provider
    is_new, provider_id, is_late = order.status is GatewayOrderStatus.NEW, order.order_id, order.expires_at <= clock.now()
    opened, state, refusal = None, None, ""
    with db.outside():
        try:
            gateway = gateways.by_name(provider)
            if is_new:
                opened = gateway.open(wanted)
                provider_id = opened.order_id
            if provider_id is not None and (is_late or not is_new):
                state = _state(gateway, provider_id, is_late=is_late)
        except GatewayRefused as error:
            refusal = str(error) or "The provider refused."
        except GatewayUnavailable as error:
            log.warning("gateway.unavailable", order=wanted.key, error=str(error))
    return _Answer(opened, state, refusal)


def _state(gateway: PaymentGateway, provider_id: str, *, is_late: bool) -> OrderState:
    return gateway.cancel(provider_id) if is_late else gateway.order_state(provider_id)


def _wanted(order: GatewayOrder) -> Order:
    return Order(
        key=order.id,
        amount=order.amount,
        currency=order.currency,
        description=order.description,
        payer_email=order.payer_email,
        return_url=order.return_url,
        expires_at=order.expires_at,
    )


def _record(row_id: str, answer: _Answer) -> None:
    statement = select(GatewayOrder).where(GatewayOrder.id == row_id).with_for_update().execution_options(populate_existing=True)
    order = db.session.scalars(statement).one()
    order.ask_at = clock.now() + ASK_AGAIN
    if order.status is GatewayOrderStatus.PAID:
        return
    if answer.opened is not None and order.status is GatewayOrderStatus.NEW:
        order.order_id, order.pay_url, order.status = answer.opened.order_id, answer.opened.pay_url, GatewayOrderStatus.OPEN
    if answer.refusal and order.status is GatewayOrderStatus.NEW:
        order.status, order.failure = GatewayOrderStatus.FAILED, answer.refusal[:500]
    if answer.state is not None:
        _believe(order, answer.state)
    db.session.flush()
    if order.status.is_over:
        _hand_on(order)


def _believe(order: GatewayOrder, state: OrderState) -> None:
    if state.status is OrderStatus.PAID and (state.amount, state.currency) != (order.amount, order.currency):
        order.failure = f"The provider says that {state.amount} {state.currency} was paid."
        log.error("gateway.amount_differs", order=order.id, asked=order.amount, paid=state.amount, currency=state.currency)
        if order.expires_at <= clock.now():
            order.status = GatewayOrderStatus.FAILED  # what it was for is free again; people sort out what was paid
        return
    if order.status.is_over and state.status is not OrderStatus.PAID:
        return  # an answer that was overtaken on its way
    order.status = _OUTCOMES[state.status]
    order.payment_ref = state.payment_ref or order.payment_ref


def _hand_on(order: GatewayOrder) -> None:
    if order.purchase_id is not None:
        purchases.settle(order)
    elif order.invoice_id is not None:
        allocations.settle(order)
    else:
        queue.enqueue("bookings-settle-payment", str(order.payment_id))
