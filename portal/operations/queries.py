"""Reading what the jobs did."""

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import distinct_on

from portal import db
from portal.operations.models import JobRun


def last_runs() -> dict[str, JobRun]:
    """The newest run of each scheduled job, by its name."""
    statement = select(JobRun).ext(distinct_on(JobRun.name)).order_by(JobRun.name, JobRun.started_at.desc())
    return {run.name: run for run in db.session.scalars(statement)}
