"""The sandbox: a provider that moves no money and otherwise behaves like one, with books of its own in our database.

It writes them on a connection of its own, so that nothing of it is part of a transaction of the portal. Amounts that end in
certain paise behave badly on purpose, as real sandboxes' test cards do (``REFUND_FAILS``, ``REFUND_IS_SLOW``).
"""

import secrets
from collections.abc import Mapping
from urllib.parse import urlsplit

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from portal import clock, db
from portal.gateways.guard import refuse_inside_transaction
from portal.gateways.payments import sandbox_webhooks
from portal.gateways.payments.contract import (
    Event,
    GatewayRefused,
    Opened,
    Order,
    OrderState,
    OrderStatus,
    Provider,
    RefundOrder,
    RefundState,
    RefundStatus,
    asking,
)
from portal.gateways.payments.sandbox_models import SandboxOrder, SandboxRefund
from portal.money import PAISE_IN_RUPEE

REFUND_FAILS = 13
REFUND_IS_SLOW = 17
LARGEST = 10**13  # a lakh crore of paise: nobody pays that by card, and sums of it stay within 64 bits


class Sandbox:
    """The provider's API; ``settle`` and ``order`` are for its page."""

    provider = Provider.SANDBOX

    def __init__(self, *, base_url: str) -> None:
        self._base_url = base_url

    def open(self, order: Order) -> Opened:
        """Makes the order, or finds the one that an earlier call with this key has made."""
        refuse_inside_transaction()
        if not 0 < order.amount <= LARGEST:
            raise GatewayRefused("The sandbox takes amounts from 1 paisa on, up to a lakh crore.")
        if order.currency != "INR":
            raise GatewayRefused("The sandbox takes rupees (INR) only.")
        if urlsplit(order.return_url).scheme not in {"http", "https"}:
            raise GatewayRefused("The sandbox can lead payers back to http and https addresses only.")
        values = {
            "id": f"sbx_{secrets.token_hex(16)}",
            "key": order.key,
            "amount": order.amount,
            "currency": order.currency,
            "description": order.description,
            "payer_email": order.payer_email,
            "return_url": order.return_url,
            "status": OrderStatus.OPEN,
            "created_at": clock.now(),
            "expires_at": order.expires_at,
        }
        with db.apart() as books:
            books.execute(insert(SandboxOrder).values(values).on_conflict_do_nothing(index_elements=["key"]))
            row = books.scalars(select(SandboxOrder).where(SandboxOrder.key == order.key)).one()
        if (row.amount, row.currency) != (order.amount, order.currency):
            raise GatewayRefused("This key belongs to an order of another amount.")
        return Opened(row.id, f"{self._base_url}/sandbox/pay/{row.id}")

    def order_state(self, order_id: str) -> OrderState:
        """How the order stands."""
        refuse_inside_transaction()
        with asking(), db.apart() as books:
            return _state(_locked(books, order_id))

    def cancel(self, order_id: str) -> OrderState:
        """Ends an order so that nobody can pay it any more, unless it was paid before."""
        refuse_inside_transaction()
        with db.apart() as books:
            row = _locked(books, order_id)
            if row.status is OrderStatus.OPEN:
                row.status = OrderStatus.EXPIRED
                sandbox_webhooks.tell(books, row.id, "order.expired")
        return _state(row)

    def refund(self, order: RefundOrder) -> RefundState:
        """Sends money back, once for each key."""
        refuse_inside_transaction()
        with db.apart() as books:
            paid = _locked(books, order.order_id)
            row = _refund_by_key(books, order)
            if row is None:
                row = _new_refund(books, paid, order)
            else:
                _be_asked_again(books, row)
        return _refund_state(row)

    def refund_state(self, order: RefundOrder, ref: str | None) -> RefundState:  # noqa: ARG002 - its own key is enough to find it
        """How a refund stands."""
        refuse_inside_transaction()
        with asking(), db.apart() as books:
            _locked(books, order.order_id)
            row = _refund_by_key(books, order)
            if row is None:
                return RefundState(RefundStatus.PENDING, None, "")
            _be_asked_again(books, row)
        return _refund_state(row)

    def event(self, headers: Mapping[str, str], body: bytes) -> Event:
        """Reads a webhook after checking its signature; no older than five minutes."""
        return sandbox_webhooks.read(headers, body)

    def order(self, order_id: str) -> SandboxOrder | None:
        """An order, for the page."""
        with db.apart() as books:
            return books.get(SandboxOrder, order_id)

    def settle(self, order_id: str, *, succeeded: bool) -> str | None:
        """Somebody paid or declined: returns the event to tell, or None when the order has ended before and nothing happened.

        Raises:
            GatewayRefused: There is no such order.
        """
        with db.apart() as books:
            row = _locked(books, order_id)
            if current_status(row) is not OrderStatus.OPEN:
                return None
            if not succeeded:
                row.status = OrderStatus.FAILED
                return sandbox_webhooks.tell(books, row.id, "order.failed")
            row.status = OrderStatus.PAID
            row.paid_at = clock.now()
            row.payment_ref = f"pay_{secrets.token_hex(12)}"
            return sandbox_webhooks.tell(books, row.id, "order.paid")


def current_status(row: SandboxOrder) -> OrderStatus:
    """Where an order stands now: an open one ends with its time."""
    if row.status is OrderStatus.OPEN and row.expires_at <= clock.now():
        return OrderStatus.EXPIRED
    return row.status


def _state(row: SandboxOrder) -> OrderState:
    return OrderState(row.id, current_status(row), row.amount, row.currency, row.payment_ref)


def _locked(books: Session, order_id: str) -> SandboxOrder:
    row = books.get(SandboxOrder, order_id, with_for_update=True)
    if row is None:
        raise GatewayRefused("The sandbox has no such order.")
    return row


def _refund_by_key(books: Session, order: RefundOrder) -> SandboxRefund | None:
    row = books.scalar(select(SandboxRefund).where(SandboxRefund.key == order.key))
    if row is not None and (row.order_id, row.amount) != (order.order_id, order.amount):
        raise GatewayRefused("This key belongs to a refund of another amount or payment.")
    return row


def _new_refund(books: Session, paid: SandboxOrder, order: RefundOrder) -> SandboxRefund:
    given = (SandboxRefund.order_id == paid.id, SandboxRefund.status != RefundStatus.FAILED)
    already = books.scalar(select(func.coalesce(func.sum(SandboxRefund.amount), 0)).where(*given))
    if paid.status is not OrderStatus.PAID or (paid.payment_ref, paid.currency) != (order.payment_ref, order.currency):
        raise GatewayRefused("The sandbox has no such payment.")
    if not 0 < order.amount <= paid.amount - int(already or 0):
        raise GatewayRefused("The refund is more than what is left of the payment.")
    behaviour = {REFUND_FAILS: RefundStatus.FAILED, REFUND_IS_SLOW: RefundStatus.PENDING}
    row = SandboxRefund(
        id=f"rfd_{secrets.token_hex(12)}",
        key=order.key,
        order_id=paid.id,
        amount=order.amount,
        status=behaviour.get(paid.amount % PAISE_IN_RUPEE, RefundStatus.SUCCEEDED),
        created_at=clock.now(),
    )
    books.add(row)
    if row.status is not RefundStatus.PENDING:
        _tell_of_refund(books, row)
    return row


def _be_asked_again(books: Session, row: SandboxRefund) -> None:
    """A slow refund succeeds when it is asked for the second time."""
    if row.status is RefundStatus.PENDING:
        row.status = RefundStatus.SUCCEEDED
        _tell_of_refund(books, row)


def _tell_of_refund(books: Session, row: SandboxRefund) -> None:
    sandbox_webhooks.tell(books, row.order_id, f"refund.{row.status.lower()}", refund_key=row.key)


def _refund_state(row: SandboxRefund) -> RefundState:
    reason = "The payer's bank didn't take the money back." if row.status is RefundStatus.FAILED else ""
    return RefundState(row.status, row.id, reason)
