"""The record of scheduled runs, and what a platform admin rings by hand."""

from datetime import timedelta

from sqlalchemy import delete, update

from portal import clock, db, queue
from portal.audit import service as audit
from portal.audit.rules import Action, Actor
from portal.db import Json
from portal.errors import NotFound
from portal.operations.models import JobRun

KEPT = timedelta(days=45)
"""Longer than a month, so that the last run of a monthly job is always there."""


def begin_run(name: str) -> str:
    """Notes that a scheduled job has begun, apart from its own transaction, and returns the note's id.

    ``as_of`` is what the job takes for now; when it began and ended is the clock's.
    """
    row = JobRun(id=db.new_id(), name=name, as_of=clock.now(), started_at=clock.wall())
    db.record_apart(row)
    return str(row.id)


def end_run(run_id: str, *, summary: Json | None, error: str | None) -> None:
    """Notes how a scheduled job ended."""
    statement = update(JobRun).where(JobRun.id == run_id).values(finished_at=clock.wall(), summary=summary, error=error)
    with db.unit_of_work():
        db.session.execute(statement, execution_options={"synchronize_session": False})


def forget_old_runs() -> None:
    """Deletes the notes of long ago: some jobs run each minute."""
    old = delete(JobRun).where(JobRun.started_at < clock.wall() - KEPT)
    db.session.execute(old, execution_options={"synchronize_session": False})


def run_by_hand(name: str, *, actor: Actor) -> None:
    """Rings a scheduled job now, as a platform admin does on its page; it is safe to run twice.

    Raises:
        NotFound: ``JOB_NOT_FOUND``: no job of that name has a schedule.
    """
    if name not in {route.name for route in queue.routes() if route.cron}:
        raise NotFound("There is no scheduled job of that name.", code="JOB_NOT_FOUND")
    audit.record(actor, Action.JOB_RUN_BY_HAND, audit.Subject("job", None, name))
    queue.enqueue(name)


def retry_failed(rq_id: str, *, actor: Actor) -> str:
    """Puts a failed job of the queue back into it, after the commit; returns what it is called.

    Raises:
        NotFound: ``JOB_NOT_FOUND``: it is gone, or was put back already.
        Unavailable: ``QUEUE_UNAVAILABLE``: Redis is away.
    """
    failed = queue.failed_job(rq_id)
    audit.record(actor, Action.JOB_RUN_BY_HAND, audit.Subject("job", None, failed.description))
    db.on_commit(queue.requeue, failed.id)
    return failed.description
