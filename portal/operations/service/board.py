"""How the jobs are: what the page of jobs and ``flask jobs list`` show."""

from dataclasses import dataclass
from datetime import datetime

from redis.exceptions import RedisError

from portal import clock, queue
from portal.operations import queries
from portal.operations.rules import Outcome, next_run, outcome, summary_words

MOST_FAILED = 20


@dataclass(frozen=True, slots=True)
class JobRow:
    """A job of the table: its newest run, and when it is due next (None: only something else rings it).

    Attributes:
        started: When the newest run began; None when there is none.
        milliseconds: How long it took; None while it runs.
        said: Its summary, or why it failed.
    """

    name: str
    queue: str
    cron: str
    outcome: Outcome
    started: datetime | None
    milliseconds: int | None
    said: str
    next_at: datetime | None


@dataclass(frozen=True, slots=True)
class Board:
    """All jobs, and the queues; these are None when Redis is away."""

    jobs: list[JobRow]
    queues: list[queue.Standing] | None
    failed: list[queue.FailedJob]


def board() -> Board:
    """How everything is now."""
    rows = job_rows()
    try:
        return Board(rows, queue.standings(), queue.failed_jobs(limit=MOST_FAILED))
    except RedisError:
        return Board(rows, None, [])


def job_rows() -> list[JobRow]:
    """Every job of the table, those with a schedule first."""
    runs, now = queries.last_runs(), clock.wall()
    rows = []
    for way in sorted(queue.routes(), key=lambda way: (not way.cron, way.name)):
        run = runs.get(way.name)
        took = run.finished_at - run.started_at if run is not None and run.finished_at is not None else None
        how = Outcome.NEVER
        if run is not None:
            how = outcome(started=run.started_at, finished=run.finished_at, error=run.error, timeout=way.timeout, now=now)
        rows.append(
            JobRow(
                name=way.name,
                queue=way.queue,
                cron=way.cron,
                outcome=how,
                started=run.started_at if run else None,
                milliseconds=int(took.total_seconds() * 1000) if took is not None else None,
                said=(run.error or summary_words(run.summary)) if run else "",
                next_at=next_run(way.cron, after=clock.system()) if way.cron else None,
            )
        )
    return rows
