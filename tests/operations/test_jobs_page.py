"""The page of jobs: what ran, what runs next, what failed, and running it by hand."""

from datetime import UTC, datetime, timedelta

import pytest
from click.testing import CliRunner
from redis.exceptions import ConnectionError as RedisGone
from rq import Queue
from rq.job import Job, JobStatus
from rq.registry import FailedJobRegistry
from sqlalchemy import select

from portal import db, jobs, queue
from portal.audit.models import AuditRow
from portal.audit.rules import Action
from portal.operations.models import JobRun
from portal.operations.rules import Outcome, next_run, outcome, summary_words
from portal.operations.service import forget_old_runs
from tests.support import world
from tests.support.pages import Visitor

NOW = datetime(2026, 12, 1, 12, tzinfo=UTC)


@pytest.fixture
def admin(tables, app):
    """A platform admin at a browser without JavaScript; doorbells are real."""
    with app.app_context():
        user = world.make_user("admin@portal.test", role=world.PlatformRole.ADMIN)
    visitor = Visitor(app)
    world.sign_in(visitor.client, user)
    return visitor


def failed(name: str) -> str:
    rq_id = queue.ring(name)
    job = Job.fetch(rq_id, connection=queue.connection())
    Queue(job.origin, connection=queue.connection()).remove(job)
    job.set_status(JobStatus.FAILED)
    FailedJobRegistry(job.origin, connection=queue.connection()).add(job, ttl=600)
    return rq_id


def waiting() -> list[str]:
    return [job.args[0] for name in jobs.QUEUES for job in Queue(name, connection=queue.connection()).jobs]


def acts() -> list[tuple[str, str]]:
    rows = db.session.scalars(select(AuditRow).where(AuditRow.action == Action.JOB_RUN_BY_HAND))
    return [(row.subject_name, row.actor_name) for row in rows]


def test_the_page_shows_each_job_with_its_last_and_next_run(admin, app):
    with app.app_context():
        jobs.run("billing-reconcile")
    admin.get("/admin/jobs")
    assert admin.heading == "Jobs"
    for name, job in jobs.JOBS.items():
        assert name in admin.words
        assert job.cron in admin.words
    assert "done: yes, failed: 0, skipped: none, differences: 0" in admin.words
    assert "No job has failed" in admin.words


def test_a_job_is_run_by_hand_without_javascript_and_it_is_written_down(admin, app):
    admin.get("/admin/jobs").submit("/admin/jobs/sweep/run")
    assert "sweep is queued and runs in a moment." in admin.words
    assert waiting() == ["sweep"]
    with app.app_context():
        assert acts() == [("sweep", "Admin")]


@pytest.mark.parametrize("name", ["no-such-job", "billing-send-invoice"])
def test_only_a_job_with_a_schedule_can_be_run_by_hand(admin, name):
    answer = admin.client.post(f"/admin/jobs/{name}/run", headers=world.csrf(admin.client))
    assert answer.status_code == 404
    assert waiting() == []


def test_a_failed_job_is_run_again(admin, app):
    rq_id = failed("invites-expire")
    admin.get("/admin/jobs")
    assert "It was killed or took too long." in admin.words
    admin.submit(f"/admin/jobs/failed/{rq_id}/retry")
    assert "invites-expire is queued again." in admin.words
    assert "No job has failed" in admin.words
    assert waiting() == ["invites-expire"]
    with app.app_context():
        assert acts() == [("invites-expire", "Admin")]
    answer = admin.client.post(f"/admin/jobs/failed/{rq_id}/retry", headers=world.csrf(admin.client))
    assert answer.status_code == 404


def test_without_redis_the_page_says_that_nothing_is_lost(admin, monkeypatch):
    def away():
        raise RedisGone("away")

    monkeypatch.setattr(queue, "standings", away)
    admin.get("/admin/jobs")
    assert "Nothing is lost" in admin.words
    assert "billing-monthly-run" in admin.words


def test_the_command_lists_last_and_next_runs(tables, app):
    with app.app_context():
        jobs.run("billing-reconcile")
        listed = CliRunner().invoke(app.cli, ["jobs", "list"]).output.splitlines()
    lines = {line.split()[0]: line for line in listed[1:]}
    assert lines.keys() == jobs.JOBS.keys()
    assert "Done" in lines["billing-reconcile"]
    assert lines["billing-reconcile"].endswith("20:00Z")
    assert lines["billing-monthly-run"].endswith("01 00:00Z")
    assert lines["billing-send-invoice"].endswith("when rung")


@pytest.mark.parametrize(
    ("cron", "due"),
    [
        ("0 0 1 * *", datetime(2027, 1, 1, tzinfo=UTC)),
        ("*/10 * * * *", datetime(2026, 12, 1, 12, 10, tzinfo=UTC)),
        ("30 3 * * *", datetime(2026, 12, 2, 3, 30, tzinfo=UTC)),
    ],
)
def test_the_next_run_is_the_next_minute_that_the_line_names(cron, due):
    assert next_run(cron, after=NOW) == due


@pytest.mark.parametrize(
    ("finished", "error", "age", "expected"),
    [
        (NOW, None, 0, Outcome.DONE),
        (NOW, "OSError: full", 0, Outcome.FAILED),
        (None, None, 100, Outcome.RUNNING),
        (None, None, 1000, Outcome.STOPPED),
    ],
)
def test_a_run_that_never_noted_its_end_was_stopped(finished, error, age, expected):
    started = NOW - timedelta(seconds=age)
    assert outcome(started=started, finished=finished, error=error, timeout=300, now=NOW) is expected


def test_a_summary_is_one_line():
    said = {"job": "x", "asOf": "now", "done": True, "invoices": 3, "failed": [{"a": 1}], "skipped": {"nothing_unbilled": 2}}
    assert summary_words(said) == "done: yes, invoices: 3, failed: 1, skipped: 2 nothing unbilled"
    assert summary_words(None) == ""


def test_notes_of_runs_are_forgotten_after_45_days(tables, app):
    with app.app_context():
        for days in (1, 44, 46):
            at = datetime.now(UTC) - timedelta(days=days)
            db.record_apart(JobRun(name="sweep", as_of=at, started_at=at, finished_at=at, summary={}))
        with db.unit_of_work():
            forget_old_runs()
        assert len(db.session.scalars(select(JobRun.id)).all()) == 2
