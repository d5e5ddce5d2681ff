"""An invoice as a document: the frozen value, its PDF, its file, and the mail that carries it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, timedelta
from typing import Any

import structlog
from sqlalchemy import select

from portal import clock, config, db
from portal.billing import queries
from portal.billing.models import CreditNote, Invoice, InvoiceBalance, InvoiceLine, InvoiceMail
from portal.billing.rules import DocumentLine, InvoiceDocument, Party, PaymentStatusText, TaxRow, payment_status, upi_uri
from portal.gateways import files
from portal.gateways.mail import Attachment, Message, deliver
from portal.gateways.pdf import render_pdf
from portal.gateways.rendering import render
from portal.money import in_words
from portal.orgs.models import Organization

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Pdf:
    """A document's file."""

    name: str
    content: bytes


def invoice_document(invoice: Invoice, lines: Sequence[InvoiceLine]) -> InvoiceDocument:
    """The invoice as it was issued, from its own row and lines: nothing of the organization's present data is in it."""
    assert invoice.number
    assert invoice.issue_date
    assert invoice.due_date
    row = TaxRow(rate=invoice.tax_rate, taxable=invoice.taxable_amount, cgst=invoice.cgst, sgst=invoice.sgst, igst=invoice.igst)
    start, end = invoice.billing_cycle_start, invoice.billing_cycle_end
    particulars = invoice.particulars
    supplier = _party(invoice.supplier)
    return InvoiceDocument(
        number=invoice.number,
        issue_date=invoice.issue_date,
        due_date=invoice.due_date,
        period_start=start.astimezone(UTC).date() if start else None,
        period_end=(end - timedelta(microseconds=1)).astimezone(UTC).date() if end else None,
        supplier=supplier,
        recipient=_party(invoice.recipient),
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
        po_number=invoice.po_number or "",
        terms_text=particulars["terms_text"],
        bank_lines=tuple(particulars["bank_lines"]),
        upi_uri=upi_uri(upi_id=particulars["upi_id"], name=supplier.name, amount=invoice.amount, reference=invoice.number),
        endorsement=particulars["endorsement"],
        currency=invoice.currency,
    )


def standing_of(invoice: Invoice, balance: InvoiceBalance) -> PaymentStatusText:
    """How an invoice stands now, in words: the only live part of the document."""
    return payment_status(
        total=invoice.amount,
        paid=balance.paid_amount,
        credited=balance.credited_amount + balance.applied_amount,
        due=invoice.due_date or clock.today(clock.INDIA),
        today=clock.today(clock.INDIA),
        settled_on=balance.settled_at.astimezone(clock.INDIA).date() if balance.settled_at else None,
        cancelled_on=invoice.cancelled_at.astimezone(clock.INDIA).date() if invoice.cancelled_at else None,
    )


def invoice_pdf(invoice: Invoice) -> Pdf:
    """The invoice's PDF: the archived file when it can be read, otherwise made now (and not stored: reading writes nothing)."""
    name = f"{(invoice.number or 'draft').replace('/', '-')}.pdf"
    stored = None
    if invoice.file_key:
        try:
            stored = files.store().read(invoice.file_key)
        except OSError as error:
            log.warning("files.unreadable", key=invoice.file_key, error=str(error))
    return Pdf(name=name, content=stored if stored is not None else _set(invoice))


def credit_note_pdf(note: CreditNote) -> Pdf:
    """TEMPORARY until the documents branch is merged."""
    return Pdf(name=f"{note.number.replace('/', '-')}.pdf", content=b"%PDF-1.7")


def archive_invoice(invoice_id: str) -> bool:
    """Makes the file of a sent invoice and keeps it; harmless when it is there already."""
    invoice = db.session.get(Invoice, invoice_id)
    if invoice is None or invoice.number is None or invoice.file_key is not None:
        return False
    key = f"organizations/{invoice.organization_id}/invoices/{invoice.id}.pdf"
    content = _set(invoice)
    with db.outside():
        files.store().write(key, content)
    invoice.file_key = key
    return True


def send_invoice(mail_id: str) -> bool:
    """Mails an invoice with its PDF; returns whether it went out now."""
    mail = db.session.scalar(select(InvoiceMail).where(InvoiceMail.id == mail_id).with_for_update())
    if mail is None or not mail.is_to_be_delivered(clock.now()):
        return False
    invoice = db.session.get_one(Invoice, mail.invoice_id)
    organization = db.session.get_one(Organization, invoice.organization_id)
    pdf = invoice_pdf(invoice)
    context = {
        "invoice": invoice,
        "organization": organization,
        "supplier_name": invoice.supplier["name"],
        "lines": len(queries.lines_of(invoice.id)),
        "url": f"{config.current().base_url}/orgs/{organization.slug}/billing/invoices/{invoice.id}",
        "subject": f"Invoice {invoice.number} from {invoice.supplier['name']}",
    }
    message = Message(
        key=mail.id,
        to=mail.recipients,
        subject=context["subject"],
        text=render("email/invoice.txt", **context),
        html=render("email/invoice.html", **context),
        at=mail.created_at,
        attachments=[Attachment(name=pdf.name, content=pdf.content)],
    )
    return deliver(mail, message)


def _set(invoice: Invoice) -> bytes:
    document = invoice_document(invoice, queries.lines_of(invoice.id))
    status = payment_status(total=invoice.amount, paid=0, credited=0, due=document.due_date, today=clock.today(clock.INDIA))
    html = render("pdf/invoice.html", document=document, status=status)
    return render_pdf(html, title=f"Invoice {document.number}")


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


def _party(stored: dict[str, Any]) -> Party:
    return Party(**{**stored, "address_lines": tuple(stored["address_lines"])})
