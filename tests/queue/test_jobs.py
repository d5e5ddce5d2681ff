"""The doorbell, the table of jobs, the sweep and the schedule."""

from datetime import UTC, datetime, timedelta

import pytest
from click.testing import CliRunner
from redis.exceptions import ConnectionError as RedisGone
from rq import Queue
from sqlalchemy import select

from portal import clock, db, jobs, queue
from portal.accounts.models import MailedLink
from portal.accounts.schemas import SignUpIn
from portal.audit import service as audit
from portal.audit.rules import SYSTEM, Action
from portal.billing.models import BillingRun, CreditNote, Invoice, InvoiceMail
from portal.billing.queries import differences
from portal.billing.rules.runs import RunStatus
from portal.demo import story
from portal.errors import Conflict
from portal.gateways import files, mail
from portal.invites.service import invitations
from portal.operations import queries
from portal.operations import service as operations
from portal.operations.service import sweeping
from portal.scheduling import PREFIX, Scheduler
from tests.support import world


@pytest.fixture
def clean(tables, app):
    """An empty database and an empty Redis, with a real doorbell."""
    with app.app_context():
        yield app


def queued() -> list[tuple[str, ...]]:
    """What waits in Redis."""
    connection = queue.connection()
    return [tuple(job.args) for name in jobs.QUEUES for job in Queue(name, connection=connection).jobs]


def sign_up(email="asha@acme.test"):
    return world.accounts.sign_up(SignUpIn(name="Asha", email=email, password="a good long password"), ip=None)


def sign_up_twice(email):
    sign_up(email)
    sign_up(email)


def test_a_job_is_rung_after_the_commit_and_forgotten_by_a_rollback(clean):
    with db.unit_of_work():
        sign_up()
        assert queued() == []
    assert [name for name, *_ids in queued()] == ["accounts-send-link"]
    with pytest.raises(Conflict), db.unit_of_work():
        sign_up_twice("other@acme.test")
    assert len(queued()) == 1


def test_a_name_that_is_not_in_the_table_cannot_be_rung(clean):
    with pytest.raises(KeyError):
        queue.enqueue("no-such-job")


def test_without_redis_the_request_succeeds_and_the_sweep_rings_later(clean, monkeypatch):
    def away():
        raise RedisGone("away")

    with monkeypatch.context() as patched:
        patched.setattr(queue, "connection", away)
        with db.unit_of_work():
            sign_up()
    assert queued() == []
    [link_id] = db.session.scalars(select(MailedLink.id))
    with db.unit_of_work():
        summary = operations.sweep()
    assert summary["rung"]["accounts-send-link"] == 1
    assert ("accounts-send-link", link_id) in queued()


def test_the_sweep_rings_nothing_into_a_queue_that_is_long_already(clean, monkeypatch):
    """Each minute of a long outage's end it used to put a second bell of every row behind the first ones."""
    monkeypatch.setattr(sweeping, "AT_ONCE", 2)
    with db.unit_of_work():
        for name in ("asha", "bharat", "chitra"):
            sign_up(f"{name}@acme.test")
    with db.unit_of_work():
        assert operations.sweep()["rung"] == {}
    assert len(queued()) == 3
    Queue("default", connection=queue.connection()).empty()
    with db.unit_of_work():
        assert operations.sweep()["rung"] == {"accounts-send-link": 2, "billing-monthly-run": 1}


def test_the_sweep_finds_what_a_kill_left_and_then_nothing(rung, app):
    with app.app_context():
        with clock.as_of(datetime(2026, 10, 12, 9, tzinfo=UTC)):
            company = world.make_company()
            world.book(company, company.owner)
            with db.unit_of_work():
                people = [invitations.Person("dev@acme.test", None, world.Role.ORG_LEARNER)]
                invitations.invite(company.organization, people, inviter=company.owner, actor=SYSTEM)
        rung.clear()
        november = datetime(2026, 11, 1, 0, 5, tzinfo=UTC)
        with clock.as_of(november):
            jobs.run("sweep")
            names = [bell.name for bell in rung]
            assert names == ["invites-send", "billing-monthly-run"]
            world.work_off(rung)
            jobs.run("sweep")
            assert [bell.name for bell in rung] == []
        assert db.session.scalars(select(BillingRun.status)).all() == [RunStatus.DONE]
        assert db.session.scalars(select(InvoiceMail.delivery)).all() == [mail.Delivery.SENT]


def test_a_scheduled_job_leaves_a_record_also_when_it_fails(rung, app, monkeypatch):
    with app.app_context():
        summary = jobs.run("invites-expire", as_of="2026-12-01T00:00:00Z")
        run = queries.last_runs()["invites-expire"]
        assert (run.summary, run.error) == (summary, None)
        said = {"job": "invites-expire", "asOf": "2026-12-01T00:00:00Z", "done": 0, "forgotten": 0, "skipped": {}, "failed": []}
        assert summary == said
        assert run.as_of == datetime(2026, 12, 1, tzinfo=UTC)

        def break_down():
            raise RuntimeError("the disk is full")

        monkeypatch.setitem(jobs.JOBS, "invites-expire", jobs.Job("invites-expire", break_down, cron="10 * * * *"))
        with pytest.raises(RuntimeError):
            jobs.run("invites-expire", as_of="2026-12-01T01:00:00Z")
        db.session.expire_all()
        assert queries.last_runs()["invites-expire"].error == "RuntimeError: the disk is full"


def test_the_table_runs_through_a_simulated_month(rung, app):
    with app.app_context():
        with clock.as_of(datetime(2026, 10, 30, 9, tzinfo=UTC)):
            company = world.make_company()
            world.book(company, company.owner)
        at = datetime(2026, 10, 31, tzinfo=UTC)
        while at < datetime(2026, 12, 2, tzinfo=UTC):
            for job in jobs.JOBS.values():
                if job.cron:
                    jobs.run(job.name, as_of=at.isoformat())
            world.work_off(rung)
            at += timedelta(days=1)
        assert db.session.scalars(select(Invoice.number)).all() == ["PF/26-27/0000001"]
        assert len(db.session.scalars(select(BillingRun)).all()) == 3


def test_a_gateway_refuses_to_be_called_inside_an_open_write(clean):
    audit.record(SYSTEM, Action.SETTINGS_CHANGED, audit.Subject("organization", None, "x"))
    with pytest.raises(RuntimeError, match="inside an open write"):
        files.store().write("a/b", b"c")
    db.abandon()
    files.store().write("a/b", b"c")
    assert files.store().read("a/b") == b"c"


def test_the_schedule_is_mended_and_an_entry_that_is_due_is_left_alone(clean):
    connection = queue.connection()
    scheduler = Scheduler(connection=connection, interval=1)
    wanted = {PREFIX + job.name for job in jobs.JOBS.values() if job.cron}

    def entries():
        return {key.decode(): score for key, score in connection.zrange(scheduler.scheduled_jobs_key, 0, -1, withscores=True)}

    scheduler.enqueue_jobs()
    first = entries()
    assert first.keys() == wanted
    connection.zadd(scheduler.scheduled_jobs_key, {"cron-invites-expire": 1, "cron-gone": 1})
    scheduler.enqueue_jobs()
    assert ("invites-expire",) in queued(), "it was due, so it was rung and not put off"
    assert entries().keys() == wanted
    connection.hset("rq:job:cron-sweep", "timeout", "7")
    scheduler.enqueue_jobs()
    assert connection.hget("rq:job:cron-sweep", "timeout") == str(jobs.JOBS["sweep"].timeout).encode()
    connection.flushall()
    scheduler.enqueue_jobs()
    assert entries().keys() == wanted


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["jobs", "list"], 0, "billing-monthly-run"),
        (["jobs", "run", "invites-expire", "--wait"], 0, '"skipped": {}, "failed": [], "done": 0, "forgotten": 0}'),
        (["jobs", "run", "invites-expire"], 0, "invites-expire is queued as"),
        (["jobs", "run", "invites-expire", "--as-of", "tomorrow"], 1, "tomorrow is no instant"),
        (["jobs", "run", "no-such-job"], 2, "no-such-job"),
        (["jobs", "worker", "slow"], 1, "There is no queue slow"),
        (["users", "create", "a@acme.test", "--name", "A", "--password", "short"], 1, "at least 10 characters"),
        (["users", "create", "nobody", "--name", "A"], 1, "nobody is no e-mail address."),
        (["users", "role", "a@acme.test", "ADMIN"], 1, "Nobody has the address a@acme.test."),
    ],
)
def test_commands_say_what_they_did_or_why_not(clean, arguments, status, words):
    result = CliRunner().invoke(clean.cli, arguments, obj=None)
    assert (result.exit_code, words in result.output) == (status, True), result.output


def test_users_are_made_once_and_given_a_role(clean):
    create = ["users", "create", "Ada@Acme.test", "--name", "Ada", "--password", "a good long password"]
    first = CliRunner().invoke(clean.cli, create)
    assert first.exit_code == 0
    assert db.is_id(first.output.strip())
    again = CliRunner().invoke(clean.cli, create)
    assert (again.exit_code, "already" in again.output) == (1, True)
    role = CliRunner().invoke(clean.cli, ["users", "role", "ada@acme.test", "ADMIN"])
    assert role.output.strip() == "ada@acme.test is ADMIN now."


def test_the_demo_tells_its_story_on_an_empty_database_only(clean):
    with clock.as_of(datetime(2026, 11, 23, 10, tzinfo=UTC)):
        first = CliRunner().invoke(clean.cli, ["demo", "load"])
        again = CliRunner().invoke(clean.cli, ["demo", "load"])
    assert (first.exit_code, "Acme Learning" in first.output) == (0, True), first.output
    assert (again.exit_code, "isn't empty" in again.output) == (1, True)
    numbers = sorted(db.session.scalars(select(Invoice.number)))
    assert numbers == [f"PF/26-27/{n:07}" for n in range(1, 7)]
    assert {str(kind) for kind in db.session.scalars(select(CreditNote.kind))} == {"ADJUSTMENT", "CREDIT"}
    assert differences() == []
    assert set(db.session.scalars(select(InvoiceMail.delivery))) == {mail.Delivery.SENT}


def test_a_sweep_in_the_middle_of_the_demo_bills_nothing_of_it(clean, monkeypatch):
    book, swept = story._book, []

    def booking(*arguments, **how):
        book(*arguments, **how)
        with clock.as_of(datetime(2026, 11, 23, 10, tzinfo=UTC)), queue.rung_here() as bells:
            swept.append(operations.sweep()["rung"].get("billing-monthly-run", 0))
            bells.clear()

    monkeypatch.setattr(story, "_book", booking)
    with clock.as_of(datetime(2026, 11, 23, 10, tzinfo=UTC)):
        assert CliRunner().invoke(clean.cli, ["demo", "load"]).exit_code == 0
    assert len(swept) > 10
    assert set(swept) == {0}
    assert len(db.session.scalars(select(Invoice.number)).all()) == 6
