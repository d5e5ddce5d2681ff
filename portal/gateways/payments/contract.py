"""What the portal asks of a provider of payments, and what it may be told. Amounts are paise, instants UTC."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol


class Provider(StrEnum):
    """Who takes the money."""

    SANDBOX = "sandbox"
    STRIPE = "stripe"
    RAZORPAY = "razorpay"


class GatewayUnavailable(Exception):
    """No answer that could be understood: whether the provider did it is unknown. Ask again later, with the same key."""


class GatewayNotConfigured(GatewayUnavailable):
    """Nobody can be asked: the provider's keys aren't set here (any more)."""


class GatewayRefused(Exception):
    """A definite no to an act: the provider didn't do it and won't; the message is its reason.

    Never for a question, nor when our keys aren't accepted: then it isn't known what was done before, and money must not be given twice.
    """


class SignatureInvalid(Exception):
    """What arrived doesn't come from the provider, was changed on the way, or is too old."""


@dataclass(frozen=True, slots=True)
class Order:
    """Money that somebody is to pay on the provider's page.

    Attributes:
        key: The id of our row: the same key is the same order.
        amount: Paise.
        currency: Three letters, upper case.
        description: What the payer reads.
        payer_email: Filled in on the provider's page, or empty.
        return_url: Where the browser goes afterwards, whatever happened; it proves nothing.
        expires_at: From here on nobody should be able to pay. The sandbox keeps it to the second; Stripe and Razorpay take
            orders of a minimal length only and get a margin, so ``cancel`` what has expired. At most 23 hours ahead.
    """

    key: str
    amount: int
    currency: str
    description: str
    payer_email: str
    return_url: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Opened:
    """An order that can be paid: the provider's id of it, and the page to lead the payer to."""

    order_id: str
    pay_url: str


class OrderStatus(StrEnum):
    """Where an order stands. OPEN may still become any of the others, which are final."""

    OPEN = "OPEN"
    PAID = "PAID"
    FAILED = "FAILED"
    EXPIRED = "EXPIRED"  # ended unpaid, by time or by us


@dataclass(frozen=True, slots=True)
class OrderState:
    """What the provider says of an order now.

    Attributes:
        order_id: The provider's id of it.
        status: Where it stands.
        amount: Paise received when PAID, asked otherwise. Compare it with your own row.
        currency: Three letters, upper case. Compare it, too.
        payment_ref: What a refund names; None unless PAID.
    """

    order_id: str
    status: OrderStatus
    amount: int
    currency: str
    payment_ref: str | None


@dataclass(frozen=True, slots=True)
class RefundOrder:
    """Money that is to go back.

    Attributes:
        key: The id of our refund's row: the same key is the same refund.
        order_id: The provider's id of the order.
        payment_ref: As ``OrderState`` gave it.
        amount: Paise, a part of the payment or all of it.
        currency: Three letters, upper case.
    """

    key: str
    order_id: str
    payment_ref: str
    amount: int
    currency: str


class RefundStatus(StrEnum):
    """Where a refund stands."""

    PENDING = "PENDING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"


@dataclass(frozen=True, slots=True)
class RefundState:
    """What the provider says of a refund now.

    Attributes:
        status: Where it stands.
        ref: The provider's id of it. PENDING without one: the provider hasn't heard of it, so ask for it again by ``refund``.
        reason: Why it failed, as far as the provider says, or empty.
    """

    status: RefundStatus
    ref: str | None
    reason: str


@dataclass(frozen=True, slots=True)
class Event:
    """A webhook whose signature was right. It says only where to look: ask ``order_state`` or ``refund_state`` what happened.

    Attributes:
        id: The provider's id of the event: one that comes twice has the same.
        type: The provider's own name for what happened.
        order_id: The order that it is about, or None.
        refund_key: The ``key`` of the refund that it is about, or None.
    """

    id: str
    type: str
    order_id: str | None
    refund_key: str | None


class PaymentGateway(Protocol):
    """A provider. All but ``event`` call the outside world and refuse to inside a transaction that has written.

    All but ``event`` raise ``GatewayUnavailable`` when the outcome is unknown; ``open``, ``cancel`` and ``refund`` raise
    ``GatewayRefused`` for a definite no.
    """

    @property
    def provider(self) -> Provider:
        """Which one it is."""

    def open(self, order: Order) -> Opened:
        """Makes the order, or finds the one that an earlier call with this key has made."""

    def order_state(self, order_id: str) -> OrderState:
        """How the order stands."""

    def cancel(self, order_id: str) -> OrderState:
        """Ends an order so that nobody can pay it any more, and returns how it stands: PAID when the payer was quicker."""

    def refund(self, order: RefundOrder) -> RefundState:
        """Sends money back, once for each key."""

    def refund_state(self, order: RefundOrder, ref: str | None) -> RefundState:
        """How a refund stands; without its ``ref`` (the answer got lost) it is looked up by its key."""

    def event(self, headers: Mapping[str, str], body: bytes) -> Event:
        """Reads a webhook after checking its signature over the body as it came, in constant time.

        Args:
            headers: The request's, in whatever case.
            body: The raw bytes, before anything parsed them.

        Raises:
            SignatureInvalid: It isn't the provider's, was changed, is too old, or lacks what a webhook has.
        """


@contextmanager
def asking() -> Iterator[None]:
    """Around a question: a provider that doesn't answer it, for whatever reason, leaves the outcome unknown.

    Raises:
        GatewayUnavailable: In place of a refusal.
    """
    try:
        yield
    except GatewayRefused as error:
        raise GatewayUnavailable(str(error)) from error
