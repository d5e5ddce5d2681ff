"""How payments and invoices look in JSON; what filters the billing page takes. Amounts are paise."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from portal.billing.models import Invoice, InvoiceLine
from portal.billing.rules import DisplayStatus, InvoiceStatus, PaymentMethod, PaymentStatus, display_status
from portal.orgs.rules import BillingMode
from portal.web.schema import In, Out


class PaymentOut(Out):
    """A payment."""

    id: str
    amount: int
    original_amount: int
    currency: str
    payment_method: PaymentMethod
    status: PaymentStatus
    organization_id: str | None
    billable_to_org_invoice_id: str | None
    refunded_amount: int
    created_at: datetime

    @classmethod
    def of(cls, payment: object) -> "PaymentOut":
        """The payment as JSON shows it."""
        return cls.model_validate(payment)


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
    net_balance: int
    pending_charges: PendingChargesOut | None
    credit_limit: int | None
    payment_terms_days: int
    contract_start: date | None
    contract_end: date | None
