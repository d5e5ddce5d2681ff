"""The mail that carries an invoice: with the copy as issued."""

from sqlalchemy import select

from portal import clock, config, db
from portal.billing import queries
from portal.billing.models import Invoice, InvoiceMail
from portal.billing.service.documents.filing import original_invoice_pdf
from portal.gateways.mail import Attachment, Message, deliver
from portal.gateways.rendering import render
from portal.orgs.models import Organization


def send_invoice(mail_id: str) -> bool:
    """Mails an invoice with its PDF; returns whether it went out now."""
    mail = db.session.scalar(select(InvoiceMail).where(InvoiceMail.id == mail_id).with_for_update())
    if mail is None or not mail.is_to_be_delivered(clock.now()):
        return False
    invoice = db.session.get_one(Invoice, mail.invoice_id)
    organization = db.session.get_one(Organization, invoice.organization_id)
    pdf = original_invoice_pdf(invoice)
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
