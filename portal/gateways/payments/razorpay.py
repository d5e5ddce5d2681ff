"""Razorpay, by its official client: Payment Links on Razorpay's own page, in paise.

An order is a link, its ``payment_ref`` the payment. Links have no idempotency key but a unique ``reference_id``: a second one is refused,
and the first is looked up. Refunds have the header ``X-Refund-Idempotency``, and our key in their receipt to find them by later.
"""

from collections.abc import Mapping
from datetime import timedelta
from http import HTTPStatus
from typing import Any

import razorpay
import requests

from portal import clock
from portal.gateways.guard import refuse_inside_transaction
from portal.gateways.payments.contract import (
    Event,
    GatewayRefused,
    GatewayUnavailable,
    Opened,
    Order,
    OrderState,
    OrderStatus,
    Provider,
    RefundOrder,
    RefundState,
    RefundStatus,
    SignatureInvalid,
    asking,
)
from portal.gateways.payments.signing import content, header, is_signed, text_at

CONNECT_SECONDS = 5
READ_SECONDS = 20
SHORTEST = timedelta(minutes=16)  # Razorpay takes no link that ends within a quarter of an hour
LONGEST_DESCRIPTION = 2048
AT_ONCE = 100
NOT_AN_ANSWER = {
    HTTPStatus.UNAUTHORIZED,  # of our keys, not of the payment: see GatewayRefused
    HTTPStatus.FORBIDDEN,
    HTTPStatus.REQUEST_TIMEOUT,
    HTTPStatus.CONFLICT,
    HTTPStatus.TOO_EARLY,
    HTTPStatus.TOO_MANY_REQUESTS,
}
ORDER_STATUSES = {"paid": OrderStatus.PAID, "cancelled": OrderStatus.EXPIRED, "expired": OrderStatus.EXPIRED}
RECEIVED = {"captured", "refunded"}
REFUND_STATUSES = {"processed": RefundStatus.SUCCEEDED, "failed": RefundStatus.FAILED}


class Razorpay:
    """The adapter; nothing is called until it is used."""

    provider = Provider.RAZORPAY

    def __init__(self, *, key_id: str, key_secret: str, webhook_secret: str, api_base: str, read_seconds: float = READ_SECONDS) -> None:
        self._auth = (key_id, key_secret)
        self._webhook_secret = webhook_secret
        self._api_base = api_base
        self._timeout = (CONNECT_SECONDS, read_seconds)

    def open(self, order: Order) -> Opened:
        """Makes the link, or finds the one that an earlier call with this key has made."""
        refuse_inside_transaction()
        asked = {
            "amount": order.amount,
            "currency": order.currency,
            "accept_partial": False,
            "description": order.description[:LONGEST_DESCRIPTION],
            "reference_id": order.key,
            "expire_by": int(max(order.expires_at, clock.wall() + SHORTEST).timestamp()),
            "customer": {"email": order.payer_email} if order.payer_email else {},
            "notify": {"sms": False, "email": False},
            "reminder_enable": False,
            "notes": {"key": order.key},
            "callback_url": order.return_url,
            "callback_method": "get",
        }
        with Client(self._auth, self._api_base, self._timeout) as client:
            try:
                link = client.payment_link.create(asked)
            except GatewayRefused:  # its words for a reference that exists aren't documented: look, whatever it said
                links = client.payment_link.all({"reference_id": order.key}).get("payment_links") or []
                link = next((each for each in links if each.get("reference_id") == order.key), None)
                if link is None:
                    raise
            return Opened(link["id"], link["short_url"])

    def order_state(self, order_id: str) -> OrderState:
        """How the link stands."""
        refuse_inside_transaction()
        with asking(), Client(self._auth, self._api_base, self._timeout) as client:
            return _state(client, client.payment_link.fetch(order_id))

    def cancel(self, order_id: str) -> OrderState:
        """Cancels the link; Razorpay refuses to when it has ended before, so then it is asked how."""
        refuse_inside_transaction()
        with Client(self._auth, self._api_base, self._timeout) as client:
            try:
                return _state(client, client.payment_link.cancel(order_id))
            except GatewayRefused:
                with asking():
                    state = _state(client, client.payment_link.fetch(order_id))
                if state.status is OrderStatus.OPEN:
                    raise
                return state

    def refund(self, order: RefundOrder) -> RefundState:
        """Refunds the payment, unless a refund with our key is there already."""
        refuse_inside_transaction()
        asked = {"amount": order.amount, "speed": "normal", "receipt": order.key, "notes": {"key": order.key}}
        with Client(self._auth, self._api_base, self._timeout) as client:
            found = _refund_by_key(client, order)
            if found is None:
                found = client.payment.refund(order.payment_ref, asked, headers={"X-Refund-Idempotency": order.key})
            return _refund_state(found)

    def refund_state(self, order: RefundOrder, ref: str | None) -> RefundState:
        """How the refund stands."""
        refuse_inside_transaction()
        with asking(), Client(self._auth, self._api_base, self._timeout) as client:
            found = _refund_by_key(client, order) if ref is None else client.refund.fetch(ref)
            return RefundState(RefundStatus.PENDING, None, "") if found is None else _refund_state(found)

    def event(self, headers: Mapping[str, str], body: bytes) -> Event:
        """Reads a webhook after checking its signature.

        Razorpay signs no time and repeats what was refused for a day, so age is no reason to refuse; nor is the id in the header signed.
        Both are harmless, because an event only says where to look.
        """
        if not is_signed(self._webhook_secret, body, header(headers, "X-Razorpay-Signature")):
            raise SignatureInvalid("The signature isn't Razorpay's.")
        event_id = header(headers, "X-Razorpay-Event-Id")
        told = content(body)
        kind = text_at(told, "event")
        if not kind:
            raise SignatureInvalid("The webhook names no event.")
        refund = ("payload", "refund", "entity")
        return Event(
            id=event_id,
            type=kind,
            order_id=text_at(told, "payload", "payment_link", "entity", "id"),
            refund_key=text_at(told, *refund, "notes", "key") or text_at(told, *refund, "receipt"),
        )


class _Session(requests.Session):
    """The client's HTTP: with a timeout, and with the contract's errors.

    The client itself knows no timeout, tells errors apart by a word in the body instead of the status, prints to the standard output
    when a connection fails, and trusts a list of authorities that is as old as its release.
    """

    def __init__(self, timeout: tuple[float, float]) -> None:
        super().__init__()
        self._timeout = timeout

    def request(self, *args: Any, **kwargs: Any) -> requests.Response:  # noqa: ANN401 - the signature of requests
        """Returns an answer that says yes.

        Raises:
            GatewayRefused: It says no.
            GatewayUnavailable: There is none that could be understood.
        """
        try:
            response = super().request(*args, **(kwargs | {"timeout": self._timeout, "verify": True}))
            answer = response.json()
        except (requests.RequestException, ValueError) as error:
            raise GatewayUnavailable(f"{type(error).__name__}: {error}"[:500]) from error
        status = response.status_code
        if response.ok and isinstance(answer, dict):
            return response
        if HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR and status not in NOT_AN_ANSWER and isinstance(answer, dict):
            raise GatewayRefused(text_at(answer, "error", "description") or f"Razorpay answered {status}.")
        raise GatewayUnavailable(f"Razorpay answered {status}.")


class Client:
    """Razorpay's client for one act: its connections are closed afterwards, and no two threads share them."""

    def __init__(self, auth: tuple[str, str], api_base: str, timeout: tuple[float, float]) -> None:
        self._session = _Session(timeout)
        self._client = razorpay.Client(session=self._session, auth=auth, base_url=api_base)

    def __enter__(self) -> Any:  # noqa: ANN401 - razorpay publishes no types
        return self._client

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        self._session.close()
        if isinstance(error, (LookupError, TypeError)):
            raise GatewayUnavailable("Razorpay's answer lacks what it should have.") from error


def _state(client: Any, link: dict[str, Any]) -> OrderState:  # noqa: ANN401 - as above
    status = ORDER_STATUSES.get(link["status"], OrderStatus.OPEN)
    if status is not OrderStatus.PAID:
        return OrderState(link["id"], status, link["amount"], link["currency"], None)
    payments = link.get("payments") or []
    ref = next((each["payment_id"] for each in payments if each.get("status") in RECEIVED), None)
    if ref is None and link.get("order_id"):
        payments = client.order.payments(link["order_id"]).get("items") or []
        ref = next((each["id"] for each in payments if each.get("status") in RECEIVED), None)
    if ref is None:
        raise GatewayUnavailable("Razorpay says that the link is paid, and doesn't say yet by which payment.")
    return OrderState(link["id"], status, link["amount_paid"], link["currency"], ref)


def _refund_by_key(client: Any, order: RefundOrder) -> dict[str, Any] | None:  # noqa: ANN401 - as above
    skip = 0
    while True:
        refunds: list[dict[str, Any]] = client.payment.fetch_multiple_refund(order.payment_ref, {"count": AT_ONCE, "skip": skip})["items"]
        for refund in refunds:
            if refund.get("receipt") == order.key or text_at(refund, "notes", "key") == order.key:
                return refund
        if len(refunds) < AT_ONCE:
            return None
        skip += AT_ONCE


def _refund_state(refund: dict[str, Any]) -> RefundState:
    return RefundState(REFUND_STATUSES.get(refund["status"], RefundStatus.PENDING), refund["id"], "")
