"""How invoices, credit notes and statements look, in JSON and in forms. Amounts are paise."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, StringConstraints, model_validator

from portal import clock
from portal.billing.models import CreditNote, CreditNoteLine, Invoice, InvoiceBalance, InvoiceLine
from portal.billing.rules import (
    AllocationMethod,
    CreditNoteKind,
    CreditNoteStatus,
    DisplayStatus,
    ReasonCode,
    display_status,
    note_status,
)
from portal.billing.schemas.funding import HIGHEST_AMOUNT, RefundOut
from portal.errors import Invalid
from portal.orgs.rules import BillingMode
from portal.web.schema import In, Out, PagedQuery, from_rupees

Amount = Annotated[int, Field(strict=True, ge=1, le=HIGHEST_AMOUNT)]
TypedAmount = Annotated[int, Field(ge=1, le=HIGHEST_AMOUNT), BeforeValidator(from_rupees)]
Reason = Annotated[str, StringConstraints(min_length=3, max_length=500)]
Reference = Annotated[str, StringConstraints(min_length=1, max_length=100)]
StatusFilter = Literal["SENT", "OVERDUE", "PAID", "CANCELLED", "ISSUED", "APPLIED", "VOID"]


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
    """An invoice; ``status`` is what follows from the sums and the date.

    ``creditedAmount`` is what its own notes settled on it, ``appliedCredit`` open credit from elsewhere, ``paidAmount`` money.
    """

    type: Literal["INVOICE"] = "INVOICE"
    id: str
    invoice_number: str | None
    purpose: Literal["PERIOD", "PURCHASE"]
    status: DisplayStatus
    currency: str
    taxable_amount: int
    cgst: int
    sgst: int
    igst: int
    tax_amount: int
    amount: int
    outstanding: int
    paid_amount: int
    credited_amount: int
    applied_credit: int
    billing_cycle_start: datetime | None
    billing_cycle_end: datetime | None
    issue_date: date | None
    due_date: date | None
    issued_at: datetime | None
    place_of_supply: str | None
    po_number: str | None
    auto_generated: bool
    pdf_url: str
    items: list[InvoiceLineOut]

    @classmethod
    def of(cls, invoice: Invoice, balance: InvoiceBalance, lines: Sequence[InvoiceLine], *, pdf_url: str) -> Self:
        """The invoice as JSON shows it."""
        derived = {
            "invoice_number": invoice.number,
            "purpose": invoice.purpose.value,
            "status": display_status(invoice.status, balance.outstanding, invoice.due_date, clock.today(clock.INDIA)),
            "outstanding": balance.outstanding,
            "paid_amount": balance.paid_amount,
            "credited_amount": balance.credited_amount,
            "applied_credit": balance.applied_amount,
            "pdf_url": pdf_url,
            "items": [InvoiceLineOut.model_validate(line) for line in lines],
        }
        columns = {name: getattr(invoice, name) for name in cls.model_fields if name not in derived and name != "type"}
        return cls(**columns, **derived)


class CreditNoteLineOut(Out):
    """A line of a credit note."""

    id: str
    invoice_line_id: str
    payment_id: str | None
    description: str
    sac_code: str
    taxable_amount: int
    cgst: int
    sgst: int
    igst: int
    session_date: date


class CreditNoteOut(Out):
    """A credit note; its amount went to its own invoice (settled), to later ones (applied), was paid out, or is open."""

    type: Literal["CREDIT_NOTE"] = "CREDIT_NOTE"
    id: str
    credit_note_number: str
    kind: CreditNoteKind
    original_invoice_id: str
    original_invoice_number: str | None
    status: CreditNoteStatus
    reason: str | None
    reason_code: ReasonCode
    currency: str
    taxable_amount: int
    cgst: int
    sgst: int
    igst: int
    tax_amount: int
    amount: int
    settled_amount: int
    applied_amount: int
    paid_out_amount: int
    open_amount: int
    issue_date: date
    created_at: datetime
    pdf_url: str
    items: list[CreditNoteLineOut]

    @classmethod
    def of(cls, note: CreditNote, lines: Sequence[CreditNoteLine], *, pdf_url: str) -> Self:
        """The note as JSON shows it; its original has to be loaded."""
        derived = {
            "credit_note_number": note.number,
            "original_invoice_id": note.invoice_id,
            "original_invoice_number": note.invoice.number,
            "status": note_status(note.status, note.open_amount),
            "pdf_url": pdf_url,
            "items": [CreditNoteLineOut.model_validate(line) for line in lines],
        }
        columns = {name: getattr(note, name) for name in cls.model_fields if name not in derived and name != "type"}
        return cls(**columns, **derived)


class RefundedOut(Out):
    """A refund, and the credit note that it led to when an invoice had billed the payment."""

    refund: RefundOut
    credit_note: CreditNoteOut | None


class DocumentsQuery(PagedQuery):
    """Filters of the list of documents."""

    q: Annotated[str, StringConstraints(max_length=60)] = ""
    status: StatusFilter | None = None
    since: Annotated[date | None, Field(alias="from")] = None
    until: Annotated[date | None, Field(alias="to")] = None


class PreviewLineOut(Out):
    """A line of the next invoice."""

    payment_id: str
    description: str
    sac_code: str
    quantity: int = 1
    unit_price: int
    taxable_amount: int
    session_date: date


class PreviewOut(Out):
    """The next invoice if it were issued now: no number, nothing written."""

    type: Literal["INVOICE"] = "INVOICE"
    invoice_number: None = None
    currency: str
    taxable_amount: int
    cgst: int
    sgst: int
    igst: int
    tax_amount: int
    amount: int
    outstanding: int
    applied_credit: int
    billing_cycle_start: datetime
    billing_cycle_end: datetime
    issue_date: date
    due_date: date
    place_of_supply: str
    po_number: str | None
    items: list[PreviewLineOut]


class PayIn(In):
    """A payment of an invoice: online when no method is given, otherwise recorded by a platform admin."""

    amount: Amount | None = None
    method: Literal["BANK_TRANSFER", "UPI", "CHEQUE", "OTHER"] | None = None
    reference: Reference | None = None


class PayForm(In):
    """As ``PayIn``, typed in rupees."""

    amount: TypedAmount | None = None
    method: Literal["BANK_TRANSFER", "UPI", "CHEQUE", "OTHER"] | None = None
    reference: Reference | None = None

    def as_pay(self) -> PayIn:
        """The same as an API client says it.

        Raises:
            Invalid: ``REFERENCE_MISSING``: who types a transfer in has its reference, and it is found again by that.
        """
        if self.method == "BANK_TRANSFER" and not self.reference:
            sentence = "Enter the bank's reference, so that the transfer can be found again. Nothing was recorded."
            raise Invalid(sentence, code="REFERENCE_MISSING", details={"reference": [sentence]})
        return PayIn(amount=self.amount, method=self.method, reference=self.reference)


class AllocationOut(Out):
    """Money that was put on an invoice."""

    id: str
    invoice_id: str
    amount: int
    method: AllocationMethod
    reference: str | None
    paid_at: datetime


class CreditNoteItemIn(In):
    """How much of one line is credited, before GST."""

    invoice_line_id: str
    amount: Amount


class CreditNoteIn(In):
    """A credit note made by hand: one amount, or an amount per line, before GST."""

    amount: Amount | None = None
    items: Annotated[list[CreditNoteItemIn], Field(min_length=1, max_length=10_000)] | None = None
    reason: Reason
    reason_code: ReasonCode

    @model_validator(mode="after")
    def _one_of_them(self) -> Self:
        if (self.amount is None) == (self.items is None):
            raise ValueError("Give either an amount or items.")
        return self


class CreditNoteForm(In):
    """As ``CreditNoteIn``, one amount typed in rupees."""

    amount: TypedAmount
    reason: Reason
    reason_code: ReasonCode

    def as_note(self) -> CreditNoteIn:
        """The same as an API client says it."""
        return CreditNoteIn(amount=self.amount, reason=self.reason, reason_code=self.reason_code)


class VoidIn(In):
    """Why a credit note is voided."""

    reason: Reason | None = None


class CancelIn(In):
    """Why an invoice is cancelled."""

    reason: Reason


class CreditPayoutIn(In):
    """Open credit that was paid to the organization's bank account."""

    amount: Amount
    reference: Reference


class CreditPayoutForm(In):
    """As ``CreditPayoutIn``, typed in rupees."""

    amount: TypedAmount
    reference: Reference

    def as_payout(self) -> CreditPayoutIn:
        """The same as an API client says it."""
        return CreditPayoutIn(amount=self.amount, reference=self.reference)


class PaidOutOut(Out):
    """How much a credit note gave to a payout."""

    credit_note_id: str
    amount: int


class CreditPayoutOut(Out):
    """What was paid out, from which notes, and what is still open."""

    amount: int
    reference: str
    open_credit: int
    credit_notes: list[PaidOutOut]


class BucketOut(Out):
    """One step of the ageing."""

    label: str
    amount: int
    invoices: int


class DifferenceOut(Out):
    """A sum that is off."""

    check: str
    organization_id: str | None
    subject: str
    expected: int
    found: int


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
    ageing: list[BucketOut]
