"""Documents as values, from their own rows: nothing of the organization's present data is in them."""

from collections.abc import Sequence
from datetime import UTC, timedelta

from portal.billing.models import Invoice, InvoiceLine
from portal.billing.rules import TaxRow
from portal.billing.rules.documents import DocumentLine, InvoiceDocument, party_from, upi_uri
from portal.money import in_words


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
    supplier = party_from(invoice.supplier)
    to_pay = invoice.amount - credit_applied
    return InvoiceDocument(
        number=invoice.number,
        issue_date=invoice.issue_date,
        due_date=invoice.due_date,
        period_start=start.astimezone(UTC).date() if start else None,
        period_end=(end - timedelta(microseconds=1)).astimezone(UTC).date() if end else None,
        supplier=supplier,
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
        upi_uri=upi_uri(upi_id=particulars["upi_id"], name=supplier.name, amount=to_pay, reference=invoice.number),
        endorsement=particulars["endorsement"],
        currency=invoice.currency,
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
