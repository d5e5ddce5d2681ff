"""Reading what the jobs did."""

from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import distinct_on

from portal import db
from portal.operations.models import JobRun

RECONCILE = "billing-reconcile"


def last_runs() -> dict[str, JobRun]:
    """The newest run of each scheduled job, by its name."""
    newest = (JobRun.name, JobRun.started_at.desc(), JobRun.id.desc())
    return {run.name: run for run in db.session.scalars(select(JobRun).ext(distinct_on(JobRun.name)).order_by(*newest))}


def last_successes() -> dict[str, datetime]:
    """When each scheduled job last came to its end, by its name."""
    statement = select(JobRun.name, func.max(JobRun.finished_at)).where(JobRun.finished_at.is_not(None), JobRun.error.is_(None))
    return {name: at for name, at in db.session.execute(statement.group_by(JobRun.name)) if at is not None}


def reconciled() -> tuple[datetime, int] | None:
    """When every sum was last computed again, and how many were off."""
    statement = (
        select(JobRun.finished_at, JobRun.summary)
        .where(JobRun.name == RECONCILE, JobRun.summary.is_not(None))
        .order_by(JobRun.started_at.desc())
        .limit(1)
    )
    found = db.session.execute(statement).first()
    return None if found is None else (found.finished_at, int(found.summary.get("differences", 0)))
