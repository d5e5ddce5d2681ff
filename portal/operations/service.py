"""The sweep, the record of job runs, and structured logs."""

import logging
import sys
from datetime import timedelta

import structlog
from sqlalchemy import update

from portal import clock, db, queue
from portal.accounts import queries as accounts
from portal.billing import queries as billing
from portal.billing.rules import run_period_end
from portal.db import Json
from portal.invites import queries as invites
from portal.operations.models import JobRun
from portal.orgs import queries as orgs
from portal.providers import queries as providers
from portal.sandbox import queries as sandbox
from portal.sso import queries as sso

AT_ONCE = 500
A_WHILE = timedelta(minutes=2)


def sweep() -> Json:
    """Rings again for rows that were left behind: unsent mails, unmade files, a monthly run that was missed or isn't done."""
    at = clock.now()
    rung = {
        "accounts-send-link": accounts.links_to_deliver(at, limit=AT_ONCE),
        "orgs-send-verdict": orgs.verdicts_to_deliver(at, limit=AT_ONCE),
        "invites-send": invites.invitations_to_deliver(at, limit=AT_ONCE),
        "billing-send-invoice": billing.mails_to_deliver(at, limit=AT_ONCE),
        "billing-final-invoice": billing.awaiting_final_invoice(limit=AT_ONCE),
        "billing-ask-order": billing.orders_to_ask(at, limit=AT_ONCE),
        "billing-move-refund": billing.refunds_to_move(at, limit=AT_ONCE),
        "billing-return-excess": billing.returns_to_move(at, limit=AT_ONCE),
        "billing-handle-event": billing.events_to_handle(at - A_WHILE, limit=AT_ONCE),
        "bookings-settle-payment": billing.payments_to_settle(limit=AT_ONCE),
        "billing-archive-invoice": billing.invoices_to_archive(at - A_WHILE, limit=AT_ONCE),
        "billing-archive-credit-note": billing.notes_to_archive(at - A_WHILE, limit=AT_ONCE),
        "billing-build-archive": billing.archives_to_build(at, limit=AT_ONCE),
        "providers-send-mail": providers.mails_to_deliver(at, limit=AT_ONCE),
        "providers-send-payout": providers.payouts_to_send(at, limit=AT_ONCE),
        "sso-send-notice": sso.notices_to_deliver(at, limit=AT_ONCE),
        "sandbox-send-webhook": sandbox.webhooks_to_send(limit=AT_ONCE),
    }
    for name, ids in rung.items():
        for row_id in ids:
            queue.enqueue(name, row_id)
    month_is_open = billing.is_month_open(run_period_end(at))
    if month_is_open:
        queue.enqueue("billing-monthly-run")
    counts = {name: len(ids) for name, ids in rung.items() if ids} | ({"billing-monthly-run": 1} if month_is_open else {})
    return {"job": "sweep", "rung": counts}


def begin_run(name: str) -> str:
    """Notes that a scheduled job has begun, apart from its own transaction, and returns the note's id."""
    row = JobRun(id=db.new_id(), name=name, as_of=clock.now(), started_at=clock.now())
    db.record_apart(row)
    return str(row.id)


def end_run(run_id: str, *, summary: Json | None, error: str | None) -> None:
    """Notes how a scheduled job ended."""
    statement = update(JobRun).where(JobRun.id == run_id).values(finished_at=clock.now(), summary=summary, error=error)
    with db.unit_of_work():
        db.session.execute(statement, execution_options={"synchronize_session": False})


def configure_logging(*, as_json: bool) -> None:
    """One line an event: JSON in production, readable in development; third parties' warnings come the same way."""
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer() if as_json else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        logger_factory=structlog.PrintLoggerFactory(file=sys.stderr),
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        cache_logger_on_first_use=False,
    )
