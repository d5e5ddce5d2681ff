"""THE table of jobs: what can be rung, where it runs, when it is due."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import structlog
from flask import current_app, has_app_context
from rq import get_current_job

from portal import clock, db, queue
from portal.accounts import tasks as accounts
from portal.billing import tasks as billing
from portal.bookings import tasks as bookings
from portal.db import Json
from portal.invites import tasks as invites
from portal.operations import service as operations
from portal.operations import tasks as sweeping
from portal.operations.service import figures
from portal.orgs import tasks as orgs
from portal.providers import tasks as providers
from portal.sandbox import tasks as sandbox
from portal.setup import tasks as setup
from portal.sso import tasks as sso

log = structlog.get_logger()

QUEUES = ("default", "pdf")
MAIL_SECONDS = 600
"""A job that is stopped while a mail server thinks about a message makes it go twice, so there is time for the longest answer."""


@dataclass(frozen=True, slots=True)
class Job:
    """One row of the table.

    Attributes:
        name: What it is rung by; letters, digits and hyphens.
        run: What it does: ids in, a small JSON answer out; safe to run twice.
        queue: One of ``QUEUES``.
        cron: When it is due (UTC), or empty when only something else rings it.
        timeout: Seconds after which it is stopped.
    """

    name: str
    run: Callable[..., Json | dict[str, int]]
    queue: str = "default"
    cron: str = ""
    timeout: int = 300


JOBS = {
    job.name: job
    for job in (
        Job("accounts-send-link", accounts.send_link, timeout=MAIL_SECONDS),
        Job("orgs-send-verdict", orgs.send_verdict, timeout=MAIL_SECONDS),
        Job("invites-send", invites.send, timeout=MAIL_SECONDS),
        Job("invites-expire", invites.expire, cron="10 * * * *"),
        Job("setup-clean-stale-drafts", setup.clean_stale_drafts, cron="20 3 * * *", timeout=1800),
        Job("billing-final-invoice", billing.final_invoice),
        Job("billing-monthly-run", billing.monthly_run, cron="0 0 1 * *", timeout=3600),
        Job("billing-archive-invoice", billing.archive_invoice, queue="pdf"),
        Job("billing-archive-credit-note", billing.archive_credit_note, queue="pdf"),
        Job("billing-send-invoice", billing.send_invoice, queue="pdf", timeout=MAIL_SECONDS),
        Job("billing-build-archive", billing.build_archive, queue="pdf", timeout=3600),
        Job("billing-forget-archives", billing.forget_archives, cron="40 3 * * *", timeout=1800),
        Job("sandbox-send-webhook", sandbox.send_webhook, timeout=60),
        Job("billing-ask-order", billing.ask_order),
        Job("billing-handle-event", billing.handle_event),
        Job("billing-move-refund", billing.move_refund),
        Job("billing-return-excess", billing.return_excess),
        Job("billing-reminders", billing.remind, cron="30 3 * * *"),
        Job("billing-reconcile", billing.reconcile, cron="0 20 * * *", timeout=3600),
        Job("billing-cancel-stale-purchases", billing.cancel_stale_purchases, cron="*/10 * * * *"),
        Job("providers-release-earnings", providers.release_earnings, cron="*/15 * * * *", timeout=1800),
        Job("providers-batch-payouts", providers.batch_payouts, cron="0 4 * * *", timeout=1800),
        Job("providers-send-payout", providers.send_payout),
        Job("providers-send-mail", providers.send_mail),
        Job("bookings-settle-payment", bookings.settle_payment),
        Job("bookings-release-unpaid", bookings.release_unpaid, cron="* * * * *"),
        Job("sso-refresh-metadata", sso.refresh_metadata, cron="50 2 * * *"),
        Job("sso-read-metadata", sso.read_metadata, timeout=60),
        Job("sso-check-certificates", sso.check_certificates, cron="10 4 * * *"),
        Job("sso-recheck-domains", sso.recheck_domains, cron="25 * * * *"),
        Job("sso-check-domain", sso.check_domain, timeout=60),
        Job("sso-send-notice", sso.send_notice),
        Job("sso-forget", sso.forget, cron="30 4 * * *", timeout=1800),
        Job("sweep", sweeping.sweep, cron="* * * * *"),
    )
}


def init_queue(redis_url: str) -> None:
    """Tells the queue where Redis is and where each job goes."""
    queue.connect(redis_url)
    for job in JOBS.values():
        queue.route(job.name, queue=job.queue, timeout=job.timeout, cron=job.cron)


def perform(name: str, *ids: str, as_of: str | None = None) -> Any:  # noqa: ANN401 - a job's own small JSON
    """Runs a job in a worker; what rq's queue holds is this function's dotted name.

    Args:
        name: A name of the table.
        ids: The rows that it is about.
        as_of: The instant that the job takes for now (ISO 8601), or None for the clock's.
    """
    if not has_app_context():
        raise RuntimeError("Start workers by `flask jobs worker`: a job needs the app.")
    db.after_fork()
    current = get_current_job()
    known = {"rq_id": current.id, "request_id": current.meta.get("request_id")} if current else {}
    with structlog.contextvars.bound_contextvars(**{key: value for key, value in known.items() if value}):
        return run(name, *ids, as_of=as_of)


def run(name: str, *ids: str, as_of: str | None = None) -> Any:  # noqa: ANN401 - a job's own small JSON
    """Runs a job here and now, in a unit of work, and keeps a record when it has a schedule.

    Returns:
        What the job said; of a scheduled one at least ``{job, asOf, done, skipped, failed}``.

    Raises:
        KeyError: There is no job of that name.
    """
    instant = clock.parse_instant(as_of) if as_of else None
    with clock.as_of(instant), current_app.app_context(), structlog.contextvars.bound_contextvars(job=name, ids=ids):
        return _recorded(JOBS[name], ids)


def _recorded(job: Job, ids: tuple[str, ...]) -> Any:  # noqa: ANN401 - a job's own small JSON
    """Runs a job and keeps what became of it: in the log, in the figures, and in a row when it has a schedule."""
    began = time.monotonic()
    run_id = operations.begin_run(job.name) if job.cron else None
    try:
        with db.unit_of_work():
            summary = job.run(*ids)
            if job.cron:
                summary = {"job": job.name, "asOf": clock.iso(clock.now()), "skipped": {}, "failed": [], "done": True} | summary
    except Exception as error:
        figures.count_job(job.name, seconds=time.monotonic() - began, succeeded=False)
        log.exception("job.failed", milliseconds=int((time.monotonic() - began) * 1000))
        if run_id:
            operations.end_run(run_id, summary=None, error=f"{type(error).__name__}: {error}"[:1000])
        raise
    figures.count_job(job.name, seconds=time.monotonic() - began, succeeded=True)
    log.info("job.done", milliseconds=int((time.monotonic() - began) * 1000))
    if run_id:
        operations.end_run(run_id, summary=summary, error=None)
    return summary
