"""How payments and invoices look in JSON; what filters the billing page takes. Amounts are paise."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, StringConstraints

from portal.billing.models import GatewayOrder, Invoice, InvoiceLine
from portal.billing.rules import (
    DisplayStatus,
    GatewayOrderStatus,
    InvoiceStatus,
    LedgerReason,
    PaymentMethod,
    PaymentStatus,
    PurchaseStatus,
    RefundStatus,
    display_status,
)
from portal.orgs.rules import BillingMode
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
    host_organization_id: str | None = None
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

    def as_refund(self) -> RefundIn:
        """The same as an API client says it."""
        return RefundIn(payment_id=self.payment_id, amount=self.amount, reason=self.reason)


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


class InvoiceLineOut(Out):
    """A line of an invoice."""

    id: str
    payment_id: str | None
    description: str
    sac_code: str
    quantity: int
    unit_price: int
    taxable_amount: int
    session_date: date


class InvoiceOut(Out):
    """An invoice; ``status`` is what follows from the sums and the date."""

    type: Literal["INVOICE"] = "INVOICE"
    id: str
    invoice_number: str | None
    status: DisplayStatus
    currency: str
    taxable_amount: int
    cgst: int
    sgst: int
    igst: int
    tax_amount: int
    amount: int
    outstanding: int
    billing_cycle_start: datetime | None
    billing_cycle_end: datetime | None
    issue_date: date | None
    due_date: date | None
    issued_at: datetime | None
    place_of_supply: str
    auto_generated: bool
    pdf_url: str
    items: list[InvoiceLineOut] | None = None

    @classmethod
    def of(cls, invoice: Invoice, *, today: date, pdf_url: str, lines: Sequence[InvoiceLine] | None = None) -> "InvoiceOut":
        """The invoice as JSON shows it, with its lines when they are given."""
        outstanding = invoice.amount if invoice.status is InvoiceStatus.SENT else 0
        derived = {
            "invoice_number": invoice.number,
            "status": display_status(invoice.status, outstanding, invoice.due_date, today),
            "outstanding": outstanding,
            "pdf_url": pdf_url,
            "items": None if lines is None else [InvoiceLineOut.model_validate(line) for line in lines],
        }
        columns = {name: getattr(invoice, name) for name in cls.model_fields if name not in derived and name != "type"}
        return cls(**columns, **derived)


class InvoicesQuery(In):
    """Filters of the list of documents."""

    q: Annotated[str, StringConstraints(max_length=60)] = ""
    since: Annotated[date | None, Field(alias="from")] = None
    until: Annotated[date | None, Field(alias="to")] = None
    page: Annotated[int, Field(ge=1, le=100_000)] = 1


class MonthToDateOut(Out):
    """Succeeded payments since the 1st of the month (UTC), before GST, in paise."""

    gross: int
    payment_count: int


class OutstandingOut(Out):
    """What is owed on issued invoices, in paise."""

    amount: int
    invoice_count: int


class PendingChargesOut(Out):
    """What no invoice has billed yet, before GST, in paise."""

    amount: int
    payment_count: int


class SummaryOut(Out):
    """An organization's money now, in paise; ``pendingCharges`` is there under INVOICED_MONTHLY only."""

    billing_mode: BillingMode | None
    month_to_date: MonthToDateOut
    outstanding: OutstandingOut
    open_credit: int
    net_balance: int
    pending_charges: PendingChargesOut | None
    exposure: int
    credit_limit: int | None
    credit_balance: int | None
    payment_terms_days: int
    contract_start: date | None
    contract_end: date | None
