"""Reminders of invoices that are due soon or overdue, each once; after a gap only the latest goes out."""

from sqlalchemy.dialects.postgresql import insert as upsert

from portal import clock, config, db, queue
from portal.billing import queries
from portal.billing.models import InvoiceMail
from portal.billing.rules import reminder_due
from portal.billing.service.documents.mailing import REMINDER
from portal.db import Json


def remind() -> Json:
    """Writes a mail for each invoice whose next reminder has come, and rings it.

    Returns:
        ``{done, skipped}``: how many are on their way now, and how many invoices had theirs already.
    """
    stages = config.current().reminder_days
    if not stages:
        return {"done": 0, "skipped": {}}
    at, today = clock.now(), clock.today(clock.INDIA)
    rows = []
    for owed in queries.invoices_to_remind(today, days_before=-min(stages)):
        stage = reminder_due(due=owed.due_date, issued=owed.issue_date, today=today, stages=stages)
        if stage is None:
            continue
        rows.append(
            {
                "id": db.new_id(),
                "invoice_id": owed.invoice_id,
                "occasion": f"{REMINDER}{stage:+d}",
                "recipients": list(dict.fromkeys((owed.billing_email, *owed.billing_contacts))),
                "delivery_due_at": at,
                "created_at": at,
            }
        )
    if not rows:
        return {"done": 0, "skipped": {}}
    statement = upsert(InvoiceMail).on_conflict_do_nothing().returning(InvoiceMail.id)
    made = db.session.scalars(statement, rows).all()
    for mail_id in made:
        queue.enqueue("billing-send-invoice", mail_id)
    already = len(rows) - len(made)
    return {"done": len(made), "skipped": {"already_reminded": already} if already else {}}
