"""Stripe, by its official client: Checkout Sessions on Stripe's own page, in paise (INR's smallest unit).

An order is a session, its ``payment_ref`` the payment intent. Stripe keeps an idempotency key for a day; what is asked for later is
found by the key that we put into the refund's metadata, and a session can't outlive a day anyway.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import stripe

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
from portal.gateways.payments.signing import content, header, text_at

if TYPE_CHECKING:
    from stripe.params.checkout import SessionCreateParams

CONNECT_SECONDS = 5
READ_SECONDS = 20
TOLERANCE_SECONDS = 300
MARGIN = timedelta(minutes=30)  # Stripe takes no session that ends within half an hour of being made
LONGEST_NAME = 250
NOT_AN_ANSWER = {
    HTTPStatus.UNAUTHORIZED,  # of our keys, not of the payment: see GatewayRefused
    HTTPStatus.FORBIDDEN,
    HTTPStatus.REQUEST_TIMEOUT,
    HTTPStatus.CONFLICT,
    HTTPStatus.TOO_EARLY,
    HTTPStatus.TOO_MANY_REQUESTS,
}
REFUND_STATUSES = {
    "succeeded": RefundStatus.SUCCEEDED,
    "failed": RefundStatus.FAILED,
    "canceled": RefundStatus.FAILED,
}


class Stripe:
    """The adapter; nothing is called until it is used."""

    provider = Provider.STRIPE

    def __init__(self, *, secret_key: str, webhook_secret: str, api_base: str, read_seconds: float = READ_SECONDS) -> None:
        stripe.enable_telemetry = False
        self._webhook_secret = webhook_secret
        self._http = stripe.RequestsClient(timeout=(CONNECT_SECONDS, read_seconds))  # a connection a thread
        self._client = stripe.StripeClient(
            secret_key,
            base_addresses={"api": api_base},
            http_client=self._http,
            max_network_retries=0,  # the caller asks again, from a row that says so
        )

    def open(self, order: Order) -> Opened:
        """Makes the session; the same key with the same order is the same session."""
        refuse_inside_transaction()
        name = order.description[:LONGEST_NAME]
        params: SessionCreateParams = {
            "mode": "payment",
            "allowed_payment_method_types": ["card"],  # others may say yes or no days later
            "line_items": [
                {
                    "quantity": 1,
                    "price_data": {
                        "currency": order.currency.lower(),
                        "unit_amount": order.amount,
                        "product_data": {"name": name},
                    },
                }
            ],
            "client_reference_id": order.key,
            "metadata": {"key": order.key},
            "payment_intent_data": {"description": name, "metadata": {"key": order.key}},
            "success_url": order.return_url,
            "cancel_url": order.return_url,
            # Of the order alone, not of the hour: a second call must say the same as the first.
            "expires_at": int((order.expires_at + MARGIN).timestamp()),
        }
        if order.payer_email:
            params["customer_email"] = order.payer_email
        with answering():
            session = self._client.v1.checkout.sessions.create(params, {"idempotency_key": f"order-{order.key}"})
        if not session.url:
            raise GatewayRefused("Stripe says that this order has ended.")
        return Opened(session.id, session.url)

    def order_state(self, order_id: str) -> OrderState:
        """How the session stands."""
        refuse_inside_transaction()
        with asking(), answering():
            return _state(self._client.v1.checkout.sessions.retrieve(order_id))

    def cancel(self, order_id: str) -> OrderState:
        """Expires the session; Stripe refuses to when it has ended before, so then it is asked how."""
        refuse_inside_transaction()
        try:
            with answering():
                return _state(self._client.v1.checkout.sessions.expire(order_id))
        except GatewayRefused:
            state = self.order_state(order_id)
            if state.status is OrderStatus.OPEN:
                raise
            return state

    def refund(self, order: RefundOrder) -> RefundState:
        """Refunds the payment intent, unless a refund with our key is there already."""
        refuse_inside_transaction()
        found = self._refund_by_key(order)
        if found is not None:
            return _refund_state(found)
        with answering():
            return _refund_state(
                self._client.v1.refunds.create(
                    {"payment_intent": order.payment_ref, "amount": order.amount, "metadata": {"key": order.key}},
                    {"idempotency_key": f"refund-{order.key}"},
                )
            )

    def refund_state(self, order: RefundOrder, ref: str | None) -> RefundState:
        """How the refund stands."""
        refuse_inside_transaction()
        with asking(), answering():
            found = self._refund_by_key(order) if ref is None else self._client.v1.refunds.retrieve(ref)
        return RefundState(RefundStatus.PENDING, None, "") if found is None else _refund_state(found)

    def event(self, headers: Mapping[str, str], body: bytes) -> Event:
        """Reads a webhook after Stripe's own check of its signature; no older than five minutes."""
        try:
            stripe.WebhookSignature.verify_header(body, header(headers, "Stripe-Signature"), self._webhook_secret, TOLERANCE_SECONDS)
        except (stripe.SignatureVerificationError, ValueError, TypeError) as error:  # bytes that are no text, odd characters
            raise SignatureInvalid("The signature isn't Stripe's, or too old.") from error
        told = content(body)
        event_id, kind = text_at(told, "id"), text_at(told, "type")
        if not event_id or not kind:
            raise SignatureInvalid("The webhook names no event.")
        about = text_at(told, "data", "object", "object")
        order_id = text_at(told, "data", "object", "id") if about == "checkout.session" else None
        refund_key = text_at(told, "data", "object", "metadata", "key") if about == "refund" else None
        return Event(id=event_id, type=kind, order_id=order_id, refund_key=refund_key)

    def _refund_by_key(self, order: RefundOrder) -> stripe.Refund | None:
        with answering():
            refunds = self._client.v1.refunds.list({"payment_intent": order.payment_ref, "limit": 100}).auto_paging_iter()
            return next((refund for refund in refunds if refund.metadata and refund.metadata.to_dict().get("key") == order.key), None)


@contextmanager
def answering() -> Iterator[None]:
    """Stripe's errors in the words of the contract."""
    try:
        yield
    except stripe.StripeError as error:
        status = error.http_status or 0
        is_refusal = HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR and status not in NOT_AN_ANSWER
        if is_refusal and not isinstance(error, stripe.RateLimitError):
            raise GatewayRefused(error.user_message or f"Stripe answered {status}.") from error
        raise GatewayUnavailable(f"{type(error).__name__}: {error}"[:500]) from error


def _state(session: Any) -> OrderState:  # noqa: ANN401 - stripe types it under a name that exists for checkers only
    if session.status == "complete" and session.payment_status == "paid":
        status = OrderStatus.PAID
    else:
        status = OrderStatus.EXPIRED if session.status == "expired" else OrderStatus.OPEN
    intent = session.payment_intent
    ref = intent if isinstance(intent, str) or intent is None else intent.id
    currency = str(session.currency or "").upper()
    return OrderState(session.id, status, session.amount_total or 0, currency, ref if status is OrderStatus.PAID else None)


def _refund_state(refund: stripe.Refund) -> RefundState:
    status = REFUND_STATUSES.get(refund.status or "", RefundStatus.PENDING)
    return RefundState(status, refund.id, getattr(refund, "failure_reason", None) or "")
