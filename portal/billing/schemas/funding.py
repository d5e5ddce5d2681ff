"""How payments, refunds and credits look, in JSON and in forms. Amounts are paise."""

from datetime import datetime
from typing import Annotated

from pydantic import BeforeValidator, Field, StringConstraints

from portal.billing.models import GatewayOrder
from portal.billing.rules import GatewayOrderStatus, LedgerReason, PaymentMethod, PaymentStatus, PurchaseStatus, RefundStatus
from portal.web.schema import In, Out, PagedQuery, from_rupees

HIGHEST_AMOUNT = 100_000_000_000
LEAST_CREDITS = 100_00
MOST_CREDITS = 100_000_000_00


class GatewayOut(Out):
    """Where a payment by card is paid."""

    provider: str
    order_id: str
    pay_url: str

    @classmethod
    def of(cls, order: GatewayOrder | None) -> "GatewayOut | None":
        """The open order as JSON shows it; None while the provider hasn't answered, and once the order is over."""
        if order is None or order.status is not GatewayOrderStatus.OPEN or order.order_id is None or order.pay_url is None:
            return None
        return cls(provider=order.provider, order_id=order.order_id, pay_url=order.pay_url)


class PaymentOut(Out):
    """A payment; ``gateway`` says where to pay it while it is PENDING by card."""

    id: str
    amount: int
    original_amount: int
    currency: str
    payment_method: PaymentMethod
    status: PaymentStatus
    organization_id: str | None
    host_organization_id: str | None
    billable_to_org_invoice_id: str | None
    refunded_amount: int
    created_at: datetime
    gateway: GatewayOut | None = None

    @classmethod
    def of(cls, payment: object, order: GatewayOrder | None = None) -> "PaymentOut":
        """The payment as JSON shows it, with the order that it is paid by."""
        return cls.model_validate(payment).model_copy(update={"gateway": GatewayOut.of(order)})


class RefundIn(In):
    """What is to be given back: all that is left, or an amount in paise."""

    payment_id: str
    amount: Annotated[int, Field(strict=True, ge=1, le=HIGHEST_AMOUNT)] | None = None
    reason: Annotated[str, StringConstraints(min_length=3, max_length=500)] | None = None
    force_refund: bool = False


class RefundsQuery(PagedQuery):
    """Filters of the list of refunds."""

    status: RefundStatus | None = None


class RefundOut(Out):
    """A refund; the amount is paise."""

    id: str
    payment_id: str
    amount: int
    status: RefundStatus
    reason: str | None
    created_at: datetime

    @classmethod
    def of(cls, refund: object) -> "RefundOut":
        """The refund as JSON shows it."""
        return cls.model_validate(refund)


class PoolOut(Out):
    """A credit pool, in paise."""

    balance: int
    total_purchased: int


class LedgerRowOut(Out):
    """A movement of credits, in paise."""

    id: str
    position: int
    delta: int
    reason: LedgerReason
    balance_after: int
    payment_id: str | None
    member_id: str | None
    created_at: datetime


class PurchaseIn(In):
    """How many credits are bought, in paise before GST."""

    amount: Annotated[int, Field(strict=True, ge=LEAST_CREDITS, le=MOST_CREDITS)]


class PurchaseForm(In):
    """As ``PurchaseIn``, typed in rupees."""

    amount: Annotated[int, Field(ge=LEAST_CREDITS, le=MOST_CREDITS), BeforeValidator(from_rupees)]


class PurchaseOut(Out):
    """Credits that are bought: ``payable`` is charged, ``amount`` goes into the pool. Paise."""

    id: str
    amount: int
    tax_amount: int
    payable: int
    status: PurchaseStatus
    created_at: datetime
    gateway: GatewayOut | None = None

    @classmethod
    def of(cls, purchase: object, order: GatewayOrder | None) -> "PurchaseOut":
        """The purchase as JSON shows it, with the order that it is paid by."""
        return cls.model_validate(purchase).model_copy(update={"gateway": GatewayOut.of(order)})


class LedgerPageQuery(In):
    """From where on the page shows the ledger."""

    before: Annotated[int, Field(ge=1)] | None = None


class RefundForm(In):
    """A refund from the page: the amount is typed in rupees, and a reason is wanted."""

    payment_id: str
    amount: Annotated[int, Field(ge=1, le=HIGHEST_AMOUNT), BeforeValidator(from_rupees)] | None = None
    reason: Annotated[str, StringConstraints(min_length=3, max_length=500)]
    force_refund: bool = False

    def as_refund(self) -> RefundIn:
        """The same as an API client says it."""
        return RefundIn(payment_id=self.payment_id, amount=self.amount, reason=self.reason, force_refund=self.force_refund)


class RefundsPageQuery(PagedQuery):
    """Which payments are searched for, and from where on refunds are shown."""

    q: Annotated[str, StringConstraints(max_length=100)] = ""


class LedgerQuery(In):
    """How much of the ledger is wanted, and from where on."""

    limit: Annotated[int, Field(ge=1, le=200)] = 50
    before: Annotated[int, Field(ge=1)] | None = None


class CreditsOut(Out):
    """An organization's credits, with the newest movements first."""

    pool: PoolOut
    ledger: list[LedgerRowOut]
