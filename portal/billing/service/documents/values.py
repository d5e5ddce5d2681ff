"""Documents as values, from their own rows: nothing of the organization's present data is in them."""

from collections.abc import Sequence
from datetime import UTC, date, timedelta

from portal import config
from portal.billing.models import CreditNote, CreditNoteLine, Invoice, InvoiceLine
from portal.billing.queries import Statement
from portal.billing.rules import Bucket, CreditNoteKind, TaxRow
from portal.billing.rules.documents import (
    AgeBucket,
    CreditedLine,
    CreditNoteDocument,
    DocumentLine,
    InvoiceDocument,
    StatementDocument,
    StatementEntry,
    party_from,
    upi_uri,
)
from portal.billing.service.parties import recipient_of, supplier
from portal.money import in_words
from portal.orgs.models import Organization


def invoice_document(invoice: Invoice, lines: Sequence[InvoiceLine], *, credit_applied: int = 0) -> InvoiceDocument:
    """The invoice as it was issued.

    Args:
        invoice: Sent or cancelled.
        lines: All of it.
        credit_applied: The open credit that was used when it was issued, paise.
    """
    assert invoice.number
    assert invoice.issue_date
    assert invoice.due_date
    row = TaxRow(rate=invoice.tax_rate, taxable=invoice.taxable_amount, cgst=invoice.cgst, sgst=invoice.sgst, igst=invoice.igst)
    start, end = invoice.billing_cycle_start, invoice.billing_cycle_end
    particulars = invoice.particulars
    seller = party_from(invoice.supplier)
    to_pay = invoice.amount - credit_applied
    return InvoiceDocument(
        number=invoice.number,
        issue_date=invoice.issue_date,
        due_date=invoice.due_date,
        period_start=start.astimezone(UTC).date() if start else None,
        period_end=(end - timedelta(microseconds=1)).astimezone(UTC).date() if end else None,
        supplier=seller,
        recipient=party_from(invoice.recipient),
        place_of_supply=invoice.place_of_supply,
        tax_kind=invoice.tax_kind,
        state_tax=particulars["state_tax"],
        tax=(row,),
        lines=tuple(_line(line) for line in lines),
        taxable=invoice.taxable_amount,
        cgst=invoice.cgst,
        sgst=invoice.sgst,
        igst=invoice.igst,
        total=invoice.amount,
        total_in_words=in_words(invoice.amount),
        credit_applied=credit_applied,
        po_number=invoice.po_number or "",
        terms_text=particulars["terms_text"],
        bank_lines=tuple(particulars["bank_lines"]),
        upi_uri=upi_uri(upi_id=particulars["upi_id"], name=seller.name, amount=to_pay, reference=invoice.number),
        endorsement=particulars["endorsement"],
        currency=invoice.currency,
    )


def credit_note_document(
    note: CreditNote, lines: Sequence[CreditNoteLine], *, original: Invoice, original_lines: Sequence[InvoiceLine], original_url: str
) -> CreditNoteDocument:
    """The credit note as it was issued.

    Args:
        note: Also a void one.
        lines: All of it.
        original: The invoice that it reduces.
        original_lines: All of that.
        original_url: Where that can be seen.
    """
    assert original.number
    assert original.issue_date
    row = TaxRow(rate=note.tax_rate, taxable=note.taxable_amount, cgst=note.cgst, sgst=note.sgst, igst=note.igst)
    positions = {line.id: line.position for line in original_lines}
    return CreditNoteDocument(
        number=note.number,
        issue_date=note.issue_date,
        original_number=original.number,
        original_date=original.issue_date,
        original_url=original_url,
        is_adjustment=note.kind is CreditNoteKind.ADJUSTMENT,
        reason=note.reason_code.label,
        reason_text=note.reason or "",
        supplier=party_from(note.supplier),
        recipient=party_from(note.recipient),
        place_of_supply=note.place_of_supply,
        tax_kind=note.tax_kind,
        state_tax=note.particulars["state_tax"],
        tax=(row,),
        lines=tuple(_credited(line, positions[line.invoice_line_id]) for line in lines),
        taxable=note.taxable_amount,
        cgst=note.cgst,
        sgst=note.sgst,
        igst=note.igst,
        total=note.amount,
        total_in_words=in_words(note.amount),
        endorsement=note.particulars["endorsement"],
        currency=note.currency,
    )


def statement_document(organization: Organization, found: Statement, *, ageing: Sequence[Bucket], today: date) -> StatementDocument:
    """An account as a document; the organization is named as it is now.

    Args:
        organization: Whose account it is.
        found: The account.
        ageing: What is outstanding today, by age; printed when the account goes up to today.
        today: In India.
    """
    buckets = ageing if found.until >= today else ()
    return StatementDocument(
        supplier=party_from(supplier()),
        recipient=party_from(recipient_of(organization)),
        since=found.since,
        until=found.until,
        issue_date=today,
        opening=found.opening,
        entries=tuple(
            StatementEntry(
                on=entry.date, what=entry.label, number=entry.number, debit=entry.debit, credit=entry.credit, balance=entry.balance
            )
            for entry in found.entries
        ),
        closing=found.closing,
        ageing=tuple(AgeBucket(label=bucket.label, amount=bucket.amount) for bucket in buckets),
        bank_lines=tuple(config.current().supplier_bank),
    )


def _credited(line: CreditNoteLine, invoice_line: int) -> CreditedLine:
    return CreditedLine(
        number=line.position,
        invoice_line=invoice_line,
        description=line.description,
        detail=line.detail,
        session_date=line.session_date,
        sac=line.sac_code,
        taxable=line.taxable_amount,
    )


def _line(line: InvoiceLine) -> DocumentLine:
    return DocumentLine(
        number=line.position,
        description=line.description,
        detail=line.detail,
        session_date=line.session_date,
        sac=line.sac_code,
        quantity=line.quantity,
        unit_price=line.unit_price,
        taxable=line.taxable_amount,
    )
