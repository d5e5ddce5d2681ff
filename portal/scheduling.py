"""The processes behind the queue: rq's worker and rq-scheduler, with what their trials here asked for."""

import gc
import time
import warnings
from collections.abc import Iterable
from typing import Any

import structlog
from redis import Redis
from redis.exceptions import RedisError
from rq import Queue, Worker
from rq.exceptions import NoSuchJobError
from rq.job import Job as QueuedJob
from rq_scheduler import Scheduler as PlainScheduler

from portal import jobs, queue
from portal.gateways import pdf

log = structlog.get_logger()

EVERY_SECONDS = 20
AGAIN_AFTER_SECONDS = 5
PREFIX = "cron-"
PDF_QUEUE = "pdf"


class Scheduler(PlainScheduler):  # type: ignore[misc] # rq-scheduler publishes no types
    """Keeps the schedule equal to the table of jobs, under the lock that only one scheduler holds.

    ``cron()`` would overwrite an entry that is due, so only what is missing or changed is written; what a crash or an emptied
    Redis lost comes back at the next look.
    """

    def enqueue_jobs(self) -> Any:  # noqa: ANN401 - rq-scheduler's own
        """Mends the schedule, then rings what is due."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # crontab's, of two readings that are one in UTC
            self._sync()
            return list(super().enqueue_jobs())

    def _sync(self) -> None:
        wanted = {PREFIX + job.name: job for job in jobs.JOBS.values() if job.cron}
        scheduled = {key.decode() for key in self.connection.zrange(self.scheduled_jobs_key, 0, -1)}
        for stale in {key for key in scheduled if key.startswith(PREFIX)} - wanted.keys():
            self.cancel(stale)
        for key, job in wanted.items():
            if key not in scheduled or not self._is_current(key, job):
                self.cron(
                    job.cron,
                    queue.PERFORM,
                    args=[job.name],
                    id=key,
                    queue_name=job.queue,
                    timeout=job.timeout,
                    description=job.name,
                )

    def _is_current(self, key: str, job: jobs.Job) -> bool:
        try:
            stored = QueuedJob.fetch(key, connection=self.connection)
        except NoSuchJobError:
            return False
        return (stored.meta.get("cron_string"), stored.origin, stored.timeout) == (job.cron, job.queue, job.timeout)


def schedule_forever() -> None:
    """Runs a scheduler until it is stopped, connecting anew when Redis was away."""
    while True:
        try:
            Scheduler(connection=_patient(), interval=EVERY_SECONDS).run()
        except RedisError as error:
            log.warning("scheduler.redis_unreachable", error=str(error))
            time.sleep(AGAIN_AFTER_SECONDS)


def work_forever(names: Iterable[str]) -> None:
    """Runs a worker until it is stopped. A killed worker's job is found and run again within about a minute.

    Each job runs in a process of its own, forked from this one. So a worker of the queue ``pdf`` loads what sets documents before it
    begins: its jobs start warm, and give all memory back when they end.
    """
    connection = _patient()
    names = list(names)
    if PDF_QUEUE in names:
        pdf.warm()
        gc.collect()
        gc.freeze()  # the collector would write into the pages that parent and children share
    worker = Worker(
        [Queue(name, connection=connection) for name in names],
        connection=connection,
        worker_ttl=25,
        maintenance_interval=10,
        job_monitoring_interval=5,
    )
    worker.work(with_scheduler=True, logging_level="WARNING")


def _patient() -> Redis:
    """A connection for processes that wait on Redis: no read time-out of ours."""
    return Redis(connection_pool=queue.connection().connection_pool)
