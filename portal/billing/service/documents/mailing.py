"""Mails that carry documents, each as it was issued: an invoice, a reminder of it, a credit note to it."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import select

from portal import clock, config, db, queue
from portal.billing import queries
from portal.billing.models import CreditNote, Invoice, InvoiceMail
from portal.billing.service.documents.filing import Pdf, original_credit_note_pdf, original_invoice_pdf
from portal.billing.service.documents.standing import note_standing, standing_of
from portal.gateways.mail import Attachment, Message, deliver
from portal.gateways.rendering import render
from portal.orgs.models import Organization

ISSUED = "ISSUED"
REMINDER = "REMINDER"


@dataclass(frozen=True, slots=True)
class _Letter:
    """What a mail says: its template below ``email/``, its subject and its own names."""

    template: str
    subject: str
    pdf: Pdf
    names: dict[str, Any]


def announce_credit_note(note: CreditNote) -> None:
    """Writes the mail of a note that was issued just now, and rings the jobs that make its file and send it."""
    organization = db.session.get_one(Organization, note.organization_id)
    mail = InvoiceMail(
        id=db.new_id(),
        invoice_id=note.invoice_id,
        credit_note_id=note.id,
        occasion=ISSUED,
        recipients=list(dict.fromkeys((organization.billing_email, *organization.billing_contacts))),
        delivery_due_at=clock.now(),
        created_at=clock.now(),
    )
    db.session.add(mail)
    db.session.flush()
    queue.enqueue("billing-archive-credit-note", note.id)
    queue.enqueue("billing-send-invoice", mail.id)


def send_invoice(mail_id: str) -> bool:
    """Sends a mail with its PDF; returns whether it went out now. A reminder of what was paid meanwhile is dropped.

    Raises:
        Unavailable: ``PDF_UNAVAILABLE``: the PDF can't be made now; the job is tried again.
    """
    mail = db.session.scalar(select(InvoiceMail).where(InvoiceMail.id == mail_id).with_for_update())
    if mail is None or not mail.is_to_be_delivered(clock.now()):
        return False
    invoice = db.session.get_one(Invoice, mail.invoice_id)
    if mail.occasion.startswith(REMINDER) and not queries.balance(invoice.id).outstanding:
        db.session.delete(mail)  # it was paid while its reminder was on the way
        return False
    organization = db.session.get_one(Organization, invoice.organization_id)
    letter = _of_note(db.session.get_one(CreditNote, mail.credit_note_id), invoice) if mail.credit_note_id else _of_invoice(invoice, mail)
    path = f"credit-notes/{mail.credit_note_id}" if mail.credit_note_id else f"invoices/{invoice.id}"
    context = {
        **letter.names,
        "invoice": invoice,
        "organization": organization,
        "supplier_name": invoice.supplier["name"],
        "url": f"{config.current().base_url}/orgs/{organization.slug}/billing/{path}",
        "subject": letter.subject,
    }
    message = Message(
        key=mail.id,
        to=mail.recipients,
        subject=letter.subject,
        text=render(f"email/{letter.template}.txt", **context),
        html=render(f"email/{letter.template}.html", **context),
        at=mail.created_at,
        attachments=[Attachment(name=letter.pdf.name, content=letter.pdf.content)],
    )
    return deliver(mail, message)


def _of_invoice(invoice: Invoice, mail: InvoiceMail) -> _Letter:
    pdf, supplier = original_invoice_pdf(invoice), invoice.supplier["name"]
    balance = queries.balance(invoice.id)
    if mail.occasion == ISSUED:
        names = {"lines": len(queries.lines_of(invoice.id)), "balance": balance}
        return _Letter("invoice", f"Invoice {invoice.number} from {supplier}", pdf, names)
    status = standing_of(invoice, balance)
    return _Letter("reminder", f"Reminder: invoice {invoice.number} from {supplier}", pdf, {"status": status, "balance": balance})


def _of_note(note: CreditNote, invoice: Invoice) -> _Letter:
    status = note_standing(note, original_number=invoice.number or "")
    names = {"note": note, "status": status}
    return _Letter("credit_note", f"Credit note {note.number} from {note.supplier['name']}", original_credit_note_pdf(note), names)
