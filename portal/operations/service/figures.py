"""The figures for Prometheus. What processes count by themselves is added up; the rest is read when it is asked for.

Jobs run in forked processes that live for one job, so they count in Redis; an emptied Redis begins at 0, as a restarted process does.
"""

import os
from collections.abc import Iterator
from contextlib import suppress
from typing import cast

from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector
from redis.exceptions import RedisError

from portal import clock, db, queue
from portal.operations import queries
from portal.operations.rules import Outcome, outcome

CONTENT_TYPE = CONTENT_TYPE_LATEST
_COUNTED = "portal:figures:jobs"
_BUCKETS = (0.1, 0.5, 1, 5, 30, 120, 600, 3600)


def count_job(name: str, *, seconds: float, succeeded: bool) -> None:
    """Counts a job that ended; without Redis it isn't counted."""
    with suppress(RedisError):
        pipe = queue.connection().pipeline(transaction=False)
        pipe.hincrby(_COUNTED, f"{name}|{'succeeded' if succeeded else 'failed'}", 1)
        pipe.hincrbyfloat(_COUNTED, f"{name}|seconds", seconds)
        bucket = next((str(limit) for limit in _BUCKETS if seconds <= limit), "+Inf")
        pipe.hincrby(_COUNTED, f"{name}|{bucket}", 1)
        pipe.execute()


def exposition() -> bytes:
    """Everything, in Prometheus' text format."""
    registry = CollectorRegistry()
    if os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call] # prometheus-client types its metrics only
    else:
        registry.register(cast("Collector", _Own()))
    registry.register(_State())
    return generate_latest(registry)


class _Own:
    """This process's own counters, where it is the only one."""

    def collect(self) -> Iterator[Metric]:
        return (metric for metric in REGISTRY.collect() if metric.name.startswith("portal_"))


class _State(Collector):
    """What the database and Redis say now. One that is away is a figure, too, and keeps nothing else from being told."""

    def collect(self) -> Iterator[Metric]:
        """Every figure."""
        up = GaugeMetricFamily("portal_up", "Whether what the portal needs answers.", labels=["part"])
        for part, read in (("database", _of_database), ("queue", _of_queue)):
            try:
                found = list(read())
                up.add_metric([part], 1)
                yield from found
            except (*db.AWAY, RedisError):
                db.abandon()
                up.add_metric([part], 0)
        yield up


def _of_database() -> Iterator[Metric]:
    rows = GaugeMetricFamily("portal_outbox_rows", "Rows that something must still be done about.", labels=["kind"])
    ages = GaugeMetricFamily("portal_outbox_oldest_seconds", "How long the oldest of them has waited.", labels=["kind"])
    for waiting in queries.outbox():
        rows.add_metric([waiting.name], waiting.rows)
        ages.add_metric([waiting.name], waiting.oldest_seconds)
    failed = GaugeMetricFamily("portal_mails_failed", "Mails that were given up after their last try.", labels=["kind"])
    for kind, number in queries.failed_mails().items():
        failed.add_metric([kind], number)
    yield from (rows, ages, failed, *_of_runs())


def _of_runs() -> Iterator[Metric]:
    began = GaugeMetricFamily("portal_job_last_start_timestamp_seconds", "When a scheduled job last began.", labels=["job"])
    ended = GaugeMetricFamily("portal_job_last_success_timestamp_seconds", "When a scheduled job last came to its end.", labels=["job"])
    bad = GaugeMetricFamily("portal_job_last_run_failed", "Whether its newest run failed or was killed.", labels=["job"])
    runs, successes, now = queries.last_runs(), queries.last_successes(), clock.wall()
    for way in queue.routes():
        if run := runs.get(way.name):
            how = outcome(started=run.started_at, finished=run.finished_at, error=run.error, timeout=way.timeout, now=now)
            began.add_metric([way.name], run.started_at.timestamp())
            bad.add_metric([way.name], how in {Outcome.FAILED, Outcome.STOPPED})
        if at := successes.get(way.name):
            ended.add_metric([way.name], at.timestamp())
    yield from (began, ended, bad)
    if reconciled := queries.reconciled():
        at, differences = reconciled
        yield GaugeMetricFamily("portal_reconcile_differences", "Sums that were off when all were last computed again.", value=differences)
        yield GaugeMetricFamily("portal_reconcile_timestamp_seconds", "When that was.", value=at.timestamp())


def _of_queue() -> Iterator[Metric]:
    names = ("waiting", "oldest_seconds", "running", "failed", "workers")
    gauges = {name: GaugeMetricFamily(f"portal_queue_{name}", f"Of a queue: {name.replace('_', ' ')}.", labels=["queue"]) for name in names}
    for standing in queue.standings():
        for name, gauge in gauges.items():
            gauge.add_metric([standing.name], getattr(standing, name))
    yield from gauges.values()
    yield from _of_jobs()


def _of_jobs() -> Iterator[Metric]:
    done = CounterMetricFamily("portal_jobs", "Jobs that ended.", labels=["job", "outcome"])
    seconds = HistogramMetricFamily("portal_job_seconds", "How long jobs took.", labels=["job"])
    counted = cast("dict[bytes, bytes]", queue.connection().hgetall(_COUNTED))
    by_job: dict[str, dict[str, float]] = {}
    for key, value in counted.items():
        name, _separator, what = key.decode().rpartition("|")
        by_job.setdefault(name, {})[what] = float(value)
    for name, values in sorted(by_job.items()):
        for how in ("succeeded", "failed"):
            done.add_metric([name, how], values.get(how, 0))
        total, buckets = 0.0, []
        for limit in (*map(str, _BUCKETS), "+Inf"):
            total += values.get(limit, 0)
            buckets.append((limit, total))
        seconds.add_metric([name], buckets, sum_value=values.get("seconds", 0))
    yield from (done, seconds)
