"""Jobs about money."""

from portal.billing.service import documents, invoices, runs
from portal.db import Json


def monthly_run() -> Json:
    """Bills the month before the clock's."""
    return runs.run_month()


def final_invoice(organization_id: str) -> Json:
    """Bills what a deactivated organization still owes."""
    return {"invoices": int(invoices.issue_final(organization_id) is not None)}


def archive_invoice(invoice_id: str) -> Json:
    """Makes and keeps an invoice's PDF."""
    return {"archived": int(documents.archive_invoice(invoice_id))}


def send_invoice(mail_id: str) -> Json:
    """Mails an invoice."""
    return {"sent": int(documents.send_invoice(mail_id))}
