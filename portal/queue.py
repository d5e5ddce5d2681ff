"""The doorbell: jobs are held back until the commit, then pushed to Redis by name.

The row is the to-do list. When Redis is away the push is lost with a log line, and the sweep rings again.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import structlog
from redis import Redis
from redis.client import Pipeline
from redis.exceptions import RedisError
from rq import Queue, Retry
from rq.job import Job

from portal import clock, db

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
_routes: dict[str, tuple[str, int]] = {}


def connect(redis_url: str) -> None:
    """Remembers where Redis (or Valkey) is; nothing is sent yet."""
    _connection[:] = [Redis.from_url(redis_url, socket_connect_timeout=2, socket_keepalive=True, health_check_interval=30)]


def connection() -> Redis:
    """The connection to Redis (or Valkey)."""
    return _connection[0]


def route(name: str, *, queue: str, timeout: int) -> None:
    """Says which queue a job goes to, and how many seconds it may take (the table is ``portal.jobs``)."""
    _routes[name] = (queue, timeout)


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
        rung = [job for name in dict.fromkeys(_routes[bell.name][0] for bell in bells) for job in _ring_in(name, bells, pipe)]
        pipe.execute()
    return [str(job.id) for job in rung]


def _ring_in(queue_name: str, bells: Sequence[Bell], pipe: Pipeline) -> list[Job]:
    """Those of the bells that go to one queue."""
    data = [
        Queue.prepare_data(
            PERFORM,
            args=(bell.name, *bell.ids),
            kwargs={"as_of": bell.as_of} if bell.as_of else None,
            timeout=_routes[bell.name][1],
            result_ttl=3600,
            failure_ttl=int(timedelta(days=14).total_seconds()),
            description=f"{bell.name} {' '.join(bell.ids)}".strip(),
            retry=RETRY,
        )
        for bell in bells
        if _routes[bell.name][0] == queue_name
    ]
    return Queue(queue_name, connection=connection()).enqueue_many(data, pipeline=pipe)


def _push(bells: Sequence[Bell]) -> None:
    if _here:
        _here[-1].extend(bells)
        return
    try:
        _ring_all(bells)
    except RedisError as error:
        log.warning("queue.unreachable", jobs=Counter(bell.name for bell in bells), first=bells[0].ids, error=str(error))
