"""The monthly run: begun once a month, safe to ring twice, resumed after a kill."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from portal import clock, db, queue
from portal.billing import queries
from portal.billing.models import BillingRun
from portal.billing.rules import run_period_end
from portal.billing.rules.runs import RunStatus
from portal.billing.service import invoices
from portal.db import Json
from portal.orgs.models import Organization

BATCH = 250


def run_month() -> Json:
    """Bills the month before the clock's for every organization that is due; commits batch by batch.

    Whatever is killed in the middle is rolled back to the last batch, and the next ring goes on from there. Its first ring
    calls a second worker, and the two share the organizations.

    Returns:
        The summary: ``{job, asOf, done, invoices, payments, amount, skipped, failed}``, amounts in paise.
    """
    now = clock.now()
    end = run_period_end(now)
    run_id, is_first = _begin(end, now)
    if is_first:
        queue.enqueue("billing-monthly-run")
    db.checkpoint()
    billed = invoices.Issued()
    failures: dict[str, Json] = {}
    for batch in _batches(end, failures):
        issued = invoices.issue(batch, end=end, automatic=True)
        failures.update({failure["organizationId"]: failure for failure in issued.failures})
        _add(run_id, issued)
        db.checkpoint()
        billed.invoice_ids += issued.invoice_ids
        billed.payments += issued.payments
        billed.amount += issued.amount
    skipped = queries.skipped(end, billed_now=len(billed.invoice_ids))
    finished = _finish(run_id, end, list(failures.values()))
    return {
        "job": "billing-monthly-run",
        "asOf": clock.iso(now),
        "done": finished,
        "invoices": len(billed.invoice_ids),
        "payments": billed.payments,
        "amount": billed.amount,
        "skipped": skipped,
        "failed": list(failures.values()),
    }


def _batches(end: datetime, failures: Mapping[str, Json]) -> Iterator[Sequence[Organization]]:
    """Locked organizations, batch by batch in the order of their ids, so that nobody is looked at twice.

    Then once more from the first id on: what another worker held when it was killed is free again.
    """
    for _pass in range(2):
        after = None
        while batch := invoices.lock_candidates(end, after=after, limit=BATCH, without=list(failures)):
            after = batch[-1].id
            yield batch


def _begin(end: datetime, now: datetime) -> tuple[str, bool]:
    """The run's id, and whether it was begun now."""
    statement = upsert(BillingRun).values(id=db.new_id(), period_end=end, as_of=now, status=RunStatus.RUNNING, started_at=now, failures=[])
    begun = db.session.execute(statement.on_conflict_do_nothing(index_elements=["period_end"]).returning(BillingRun.id)).first()
    return db.session.scalars(select(BillingRun.id).where(BillingRun.period_end == end)).one(), begun is not None


def _add(run_id: str, issued: invoices.Issued) -> None:
    statement = (
        update(BillingRun)
        .where(BillingRun.id == run_id)
        .values(
            invoices=BillingRun.invoices + len(issued.invoice_ids),
            payments=BillingRun.payments + issued.payments,
            amount=BillingRun.amount + issued.amount,
        )
    )
    db.session.execute(statement, execution_options={"synchronize_session": False})


def _finish(run_id: str, end: datetime, failures: list[Json]) -> bool:
    """Marks the run as done unless another worker still holds some of its organizations."""
    failed_ids = [failure["organizationId"] for failure in failures]
    left = db.session.scalar(
        select(func.count()).select_from(Organization).where(queries.is_to_be_billed(end), Organization.id.not_in(failed_ids))
    )
    if left:
        return False
    billed = db.session.scalars(select(BillingRun.invoices).where(BillingRun.id == run_id)).one()
    values = {
        "status": RunStatus.DONE,
        "finished_at": func.coalesce(BillingRun.finished_at, clock.now()),
        "failures": failures,
        "skipped": queries.skipped(end, billed_now=billed),
    }
    db.session.execute(update(BillingRun).where(BillingRun.id == run_id).values(values), execution_options={"synchronize_session": False})
    return True
