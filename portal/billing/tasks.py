"""Jobs about money."""

from portal.billing.service import allocations, archives, documents, events, invoices, orders, reconciling, refunds, reminders, runs
from portal.db import Json


def monthly_run() -> Json:
    """Bills the month before the clock's."""
    return runs.run_month()


def final_invoice(organization_id: str | None = None) -> Json:
    """Bills what a deactivated organization still owes; rung without one, what any of them does."""
    if organization_id is not None:
        return {"invoices": int(invoices.issue_final(organization_id) is not None)}
    return {"job": "billing-final-invoice", **invoices.issue_final_of_all()}


def ask_order(order_id: str) -> Json:
    """Asks the provider how an order stands."""
    orders.ask(order_id)
    return {"asked": 1}


def cancel_stale_purchases() -> Json:
    """Ends purchases of credits that nobody paid in time: the provider is asked first, because the money may be there."""
    return {"job": "billing-cancel-stale-purchases", **orders.end_stale(for_purchases=True)}


def handle_event(event_id: str) -> Json:
    """Acts on a webhook."""
    return {"handled": int(events.handle(event_id))}


def move_refund(refund_id: str) -> Json:
    """Has a refund by card paid back."""
    return {"done": int(refunds.move(refund_id))}


def archive_invoice(invoice_id: str) -> Json:
    """Makes and keeps an invoice's PDF."""
    return {"archived": int(documents.archive_invoice(invoice_id))}


def archive_credit_note(note_id: str) -> Json:
    """Makes and keeps a credit note's PDF."""
    return {"archived": int(documents.archive_credit_note(note_id))}


def send_invoice(mail_id: str) -> Json:
    """Mails an invoice, a reminder of it, or a credit note to it."""
    return {"sent": int(documents.send_invoice(mail_id))}


def build_archive(archive_id: str) -> Json:
    """Makes the ZIP of a period."""
    return {"built": int(archives.build_archive(archive_id))}


def forget_archives() -> Json:
    """Deletes ZIPs that were kept for a week."""
    return {"job": "billing-forget-archives", "forgotten": archives.forget_archives()}


def return_excess(return_id: str) -> Json:
    """Has the provider pay back what an invoice didn't need any more."""
    return {"done": int(allocations.give_back(return_id))}


def remind() -> Json:
    """Writes the reminders that are due; the mails go out by jobs that this rings."""
    return {"job": "billing-reminders", **reminders.remind()}


def reconcile() -> Json:
    """Computes every sum again, and alarms when one is off."""
    return {"job": "billing-reconcile", **reconciling.reconcile()}
