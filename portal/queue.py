"""The doorbell: jobs are held back until the commit, then pushed to Redis by name.

The row is the to-do list. When Redis is away the push is lost with a log line, and the sweep rings again.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import structlog
from redis import Redis
from redis.client import Pipeline
from redis.exceptions import RedisError
from rq import Queue, Retry, Worker
from rq.exceptions import InvalidJobOperation, NoSuchJobError
from rq.job import Job
from rq.registry import FailedJobRegistry, StartedJobRegistry

from portal import clock, db
from portal.errors import NotFound, Unavailable

log = structlog.get_logger()

PERFORM = "portal.jobs.perform"
RETRY = Retry(max=4, interval=[10, 60, 300, 900])


@dataclass(frozen=True, slots=True)
class Bell:
    """A job that was rung."""

    name: str
    ids: tuple[str, ...]
    as_of: str | None


_here: list[list[Bell]] = []
_connection: list[Redis] = []
_routes: dict[str, "Route"] = {}


@dataclass(frozen=True, slots=True)
class Route:
    """Where a job goes: its queue, how many seconds it may take, and when it is due (a cron line in UTC, or nothing)."""

    name: str
    queue: str
    timeout: int
    cron: str = ""


@dataclass(frozen=True, slots=True)
class Standing:
    """How a queue stands: what waits, how many seconds the oldest of it does, what is being done, what has failed for good, who works."""

    name: str
    waiting: int
    oldest_seconds: float
    running: int
    failed: int
    workers: int


@dataclass(frozen=True, slots=True)
class FailedJob:
    """A job that the queue has given up. What it was about is still a row's business: the sweep rings for that by itself."""

    id: str
    description: str
    queue: str
    failed_at: datetime | None
    reason: str


def connect(redis_url: str) -> None:
    """Remembers where Redis (or Valkey) is; nothing is sent yet."""
    _connection[:] = [Redis.from_url(redis_url, socket_connect_timeout=2, socket_keepalive=True, health_check_interval=30)]


def connection() -> Redis:
    """The connection to Redis (or Valkey)."""
    return _connection[0]


def route(name: str, *, queue: str, timeout: int, cron: str = "") -> None:
    """Says which queue a job goes to, how many seconds it may take and when it is due (the table is ``portal.jobs``)."""
    _routes[name] = Route(name, queue, timeout, cron)


def routes() -> Sequence[Route]:
    """Every job of the table, in its order."""
    return list(_routes.values())


def enqueue(name: str, *ids: str) -> None:
    """Rings a job after the commit of the present transaction; a rollback forgets it.

    Args:
        name: A name of the table ``portal.jobs``.
        ids: The rows that it is about; the job reads everything else from them.

    Raises:
        KeyError: There is no job of that name.
    """
    if name not in _routes:
        raise KeyError(name)
    held = clock.held()
    db.on_commit(_push, Bell(name, ids, held.isoformat() if held else None))


@contextmanager
def rung_here() -> Iterator[list[Bell]]:
    """Collects what is rung inside instead of pushing it, for commands that run everything themselves."""
    _here.append([])
    try:
        yield _here[-1]
    finally:
        _here.pop()


def ring(name: str, *ids: str, as_of: str | None = None) -> str:
    """Rings a job now, outside of a transaction, and returns rq's id of it.

    Raises:
        RedisError: Redis is away.
    """
    [job_id] = _ring_all([Bell(name, ids, as_of)])
    return job_id


def is_reachable() -> bool:
    """Whether Redis answers now."""
    try:
        return bool(connection().ping())
    except RedisError:
        return False


def _ring_all(bells: Sequence[Bell]) -> list[str]:
    """Rings jobs with one round trip to Redis, and returns rq's ids of them."""
    with connection().pipeline() as pipe:
        rung = [job for name in dict.fromkeys(_routes[bell.name].queue for bell in bells) for job in _ring_in(name, bells, pipe)]
        pipe.execute()
    return [str(job.id) for job in rung]


def _ring_in(queue_name: str, bells: Sequence[Bell], pipe: Pipeline) -> list[Job]:
    """Those of the bells that go to one queue."""
    request_id = structlog.contextvars.get_contextvars().get("request_id")
    data = [
        Queue.prepare_data(
            PERFORM,
            args=(bell.name, *bell.ids),
            kwargs={"as_of": bell.as_of} if bell.as_of else None,
            timeout=_routes[bell.name].timeout,
            meta={"request_id": request_id} if request_id else None,
            result_ttl=3600,
            failure_ttl=int(timedelta(days=14).total_seconds()),
            description=f"{bell.name} {' '.join(bell.ids)}".strip(),
            retry=RETRY,
        )
        for bell in bells
        if _routes[bell.name].queue == queue_name
    ]
    return Queue(queue_name, connection=connection()).enqueue_many(data, pipeline=pipe)


def queue_of(name: str) -> str:
    """The queue that a job goes to."""
    return _routes[name].queue


def longer_than(number: int) -> set[str]:
    """The queues in which more jobs wait; none while Redis is away."""
    names = {way.queue for way in _routes.values()}
    try:
        return {name for name in names if Queue(name, connection=connection()).count > number}
    except RedisError:
        return set()


def standings() -> list[Standing]:
    """How each queue stands now.

    Raises:
        RedisError: Redis is away.
    """
    names = sorted({way.queue for way in _routes.values()})
    workers = [worker.queue_names() for worker in Worker.all(connection=connection())]
    return [_standing(name, workers=sum(name in served for served in workers)) for name in names]


def failed_jobs(*, limit: int) -> list[FailedJob]:
    """What the queues have given up, newest first.

    Raises:
        RedisError: Redis is away.
    """
    found = []
    for name in sorted({way.queue for way in _routes.values()}):
        ids = FailedJobRegistry(name, connection=connection()).get_job_ids(0, limit - 1, desc=True)
        found += [_failed(job) for job in Job.fetch_many(ids, connection=connection()) if job is not None]
    oldest = datetime.min.replace(tzinfo=UTC)
    return sorted(found, key=lambda job: job.failed_at or oldest, reverse=True)[:limit]


def failed_job(rq_id: str) -> FailedJob:
    """One job that a queue has given up.

    Raises:
        NotFound: ``JOB_NOT_FOUND``: it is gone, or isn't failed any more.
        Unavailable: ``QUEUE_UNAVAILABLE``: Redis is away.
    """
    try:
        job = Job.fetch(rq_id, connection=connection())
        if job.is_failed:
            return _failed(job)
    except NoSuchJobError:
        pass
    except RedisError as error:
        raise Unavailable("The queue can't be reached at the moment. Try again in a minute.", code="QUEUE_UNAVAILABLE") from error
    raise NotFound("This job isn't among the failed ones any more: it was run again, or is too old.", code="JOB_NOT_FOUND")


def requeue(rq_ids: Sequence[str]) -> None:
    """Puts failed jobs back into their queues; harmless when somebody did before."""
    for rq_id in rq_ids:
        try:
            Job.fetch(rq_id, connection=connection()).requeue()
        except (NoSuchJobError, InvalidJobOperation, RedisError) as error:
            log.warning("queue.not_requeued", rq_id=rq_id, error=str(error))


def _standing(name: str, *, workers: int) -> Standing:
    waiting = Queue(name, connection=connection())
    [oldest] = Job.fetch_many(waiting.get_job_ids(0, 1)[:1], connection=connection()) or [None]
    since = oldest.enqueued_at.replace(tzinfo=UTC) if oldest is not None and oldest.enqueued_at else None
    return Standing(
        name=name,
        waiting=waiting.count,
        oldest_seconds=max((clock.system() - since).total_seconds(), 0) if since else 0,
        running=StartedJobRegistry(name, connection=connection()).get_job_count(cleanup=False),
        failed=FailedJobRegistry(name, connection=connection()).get_job_count(cleanup=False),
        workers=workers,
    )


def _failed(job: Job) -> FailedJob:
    result = job.latest_result()
    lines = ((result.exc_string if result else None) or "").strip().splitlines()
    ended = job.ended_at.replace(tzinfo=UTC) if job.ended_at else None
    return FailedJob(job.id, job.description or job.id, job.origin, ended, lines[-1][:500] if lines else "")


def _push(bells: Sequence[Bell]) -> None:
    if _here:
        _here[-1].extend(bells)
        return
    try:
        _ring_all(bells)
    except RedisError as error:
        log.warning("queue.unreachable", jobs=Counter(bell.name for bell in bells), first=bells[0].ids, error=str(error))
