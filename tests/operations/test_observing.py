"""What the portal says about itself: a line a request and a job, figures for Prometheus, errors for Sentry; and no secret in any of it."""

import json
import logging
import re
import secrets
from datetime import timedelta

import pytest
from prometheus_client.parser import text_string_to_metric_families
from redis.exceptions import ConnectionError as RedisGone
from rq import Queue
from sqlalchemy.exc import IntegrityError, OperationalError

from portal import clock, config, db, jobs, queue
from portal.accounts.schemas import SignUpIn
from portal.operations import queries
from portal.operations.service import logs
from portal.web import tracing
from tests.support import world

METRICS_TOKEN = "0123456789abcdef-metrics"
HEADERS = {"Authorization": f"Bearer {METRICS_TOKEN}"}


@pytest.fixture
def scraped(settings, tables, rung):
    """Asks for the figures: name and labels → value."""
    config.use(settings.model_copy(update={"metrics_token": METRICS_TOKEN}))

    def ask():
        answer = tables.test_client().get("/metrics", headers=HEADERS)
        assert answer.status_code == 200
        assert answer.headers["Content-Type"].startswith("text/plain")
        families = text_string_to_metric_families(answer.text)
        return {(each.name, *sorted(each.labels.values())): each.value for family in families for each in family.samples}

    yield ask
    config.use(settings)


@pytest.fixture
def as_json(settings, capsys, tables):
    """The log as production writes it: parsed, line by line."""
    logs.configure_logging(settings.model_copy(update={"portal_env": "production"}), who_asks=tracing.who_asks)

    capsys.readouterr()

    def lines():
        return [json.loads(line) for line in capsys.readouterr().err.splitlines()]

    yield lines
    logs.configure_logging(settings, who_asks=tracing.who_asks)


@pytest.mark.parametrize("given", ["proxy-0123456789", "0af7651916cd43dd8448eb211c80319c"])
def test_a_request_keeps_the_id_that_a_proxy_gave_it(tables, given):
    assert tables.test_client().get("/signin", headers={"X-Request-Id": given}).headers["X-Request-Id"] == given


@pytest.mark.parametrize("given", ["", "short", "x" * 65, "with blanks in it", 'quote"and<tag>', "-begins-wrong", "ünicode-id"])
def test_a_request_with_an_id_that_is_not_well_formed_gets_one(tables, given):
    made = tables.test_client().get("/signin", headers={"X-Request-Id": given}).headers["X-Request-Id"]
    assert re.fullmatch("[0-9a-f]{32}", made)


def test_each_request_is_one_line_with_its_id_and_who_asked_about_which_organization(tables, app, as_json):
    with app.app_context():
        owner = world.make_user("owner@acme.test")
        organization = world.make_organization(owner)
    client = world.sign_in(app.test_client(), owner)
    as_json()
    answer = client.get(f"/orgs/{organization.slug}/members?q=secret-words", headers={"X-Request-Id": "proxy-0123456789"})
    [line] = [line for line in as_json() if line["event"] == "request"]
    assert answer.status_code == 200
    assert line.pop("milliseconds") >= 0
    assert line.pop("timestamp")
    assert line == {
        "event": "request",
        "level": "info",
        "request_id": "proxy-0123456789",
        "method": "GET",
        "route": "/orgs/<slug>/members",
        "status": 200,
        "user_id": owner.id,
        "organization_id": organization.id,
    }


def test_a_job_says_its_name_its_rows_and_which_request_rang_it(tables, app, as_json, monkeypatch):
    with app.app_context(), db.unit_of_work():
        person = SignUpIn(name="Asha", email="asha@acme.test", password=world.PASSWORD)
        user = world.accounts.sign_up(person, ip=None)
    client = world.sign_in(app.test_client(), user)
    client.post("/verify/resend", headers=world.csrf(client) | {"X-Request-Id": "proxy-0123456789"})
    newest = Queue("default", connection=queue.connection()).jobs[-1]
    assert newest.meta == {"request_id": "proxy-0123456789"}
    monkeypatch.setattr(jobs, "get_current_job", lambda: newest)
    monkeypatch.setattr(db, "after_fork", lambda: None)
    as_json()
    with app.app_context():
        jobs.perform(*newest.args)
    [line] = [line for line in as_json() if line["event"] == "job.done"]
    assert (line["job"], line["ids"], line["rq_id"]) == ("accounts-send-link", list(newest.args[1:]), newest.id)
    assert line["request_id"] == "proxy-0123456789"


def test_what_people_send_cannot_begin_a_line_of_the_log(tables, as_json, capsys, settings):
    evil = 'x\n{"event": "forged"}'
    logs.logging.getLogger("portal.test").warning("odd %s", evil)
    assert [line["event"] for line in as_json()] == [f"odd {evil}"]
    logs.configure_logging(settings, who_asks=tracing.who_asks)
    logging.getLogger("portal.test").warning("odd %s", evil)
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_secrets_stay_out_of_the_log(tables, as_json):
    log = logs.structlog.get_logger("portal.test")
    addresses = {"url": "redis://:pw-of-redis@cache/0", "path": "/reset/abcdefghijklmnopqrstuvwxyz"}
    log.warning("tried", password="hunter2", session_token="t0p", **addresses)
    [line] = as_json()
    assert (line["password"], line["session_token"]) == ("…", "…")
    assert (line["url"], line["path"]) == ("redis://:…@cache/0", "/reset/…")


def test_a_failed_statement_does_not_tell_its_values(app, tables, as_json):
    log = logs.structlog.get_logger("portal.test")
    insert = db.text("INSERT INTO users (id, email) VALUES (:id, :email)")
    private = secrets.token_hex(8)  # nothing that stands in the source, which tracebacks show
    with app.app_context():
        try:
            db.session.execute(insert, {"id": db.new_id(), "email": f"{private}@x.test"})
        except IntegrityError:
            log.exception("it failed")
        db.abandon()
    [line] = as_json()
    assert "null value in column" in line["exception"]
    assert private not in line["exception"]


def test_figures_are_for_who_has_the_token(tables, settings):
    client = tables.test_client()
    assert client.get("/metrics", headers=HEADERS).status_code == 404
    config.use(settings.model_copy(update={"metrics_token": METRICS_TOKEN}))
    try:
        for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": METRICS_TOKEN}):
            answer = client.get("/metrics", headers=headers)
            assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, "Bearer")
        assert client.get("/metrics", headers=HEADERS).status_code == 200
    finally:
        config.use(settings)


def test_requests_are_counted_by_route_and_never_by_what_stands_in_the_address(scraped, tables):
    key = ("portal_requests_total", *sorted(("/verify/<token>", "404", "GET")))
    before = scraped().get(key, 0)
    tables.test_client().get("/verify/some-token-of-somebody")
    tables.test_client().open("/signin", method="BREW")
    after = scraped()
    assert after[key] == before + 1
    assert any("OTHER" in key for key in after)
    assert not any("some-token" in str(key) for key in after)


def test_jobs_queues_outbox_and_reconciliation_are_figures(scraped, tables, app, rung, monkeypatch):
    with app.app_context():
        at = clock.now() - timedelta(minutes=10)
        with clock.as_of(at), db.unit_of_work():
            world.accounts.sign_up(SignUpIn(name="Asha", email="asha@acme.test", password=world.PASSWORD), ip=None)
        jobs.run("billing-reconcile")
        monkeypatch.setitem(jobs.JOBS, "invites-expire", jobs.Job("invites-expire", lambda: 1 / 0, cron="10 * * * *"))
        with pytest.raises(ZeroDivisionError):
            jobs.run("invites-expire")
        queue.ring("sweep")
    found = scraped()
    assert found["portal_outbox_rows", "mails of links"] == 1
    assert 595 < found["portal_outbox_oldest_seconds", "mails of links"] < 700
    assert found["portal_jobs_total", "billing-reconcile", "succeeded"] == 1
    assert found["portal_jobs_total", "failed", "invites-expire"] == 1
    assert found["portal_job_seconds_count", "billing-reconcile"] == 1
    assert found["portal_job_last_run_failed", "invites-expire"] == 1
    assert found["portal_job_last_run_failed", "billing-reconcile"] == 0
    assert found[("portal_reconcile_differences",)] == 0
    assert found["portal_queue_waiting", "default"] == 1
    assert found["portal_queue_workers", "default"] == 0
    assert (found["portal_up", "database"], found["portal_up", "queue"]) == (1, 1)


def test_what_is_away_is_a_figure_and_keeps_nothing_else_from_being_told(scraped, monkeypatch):
    def gone():
        raise RedisGone("away")

    with monkeypatch.context() as broken:
        broken.setattr(queue, "standings", gone)
        found = scraped()
        assert (found["portal_up", "database"], found["portal_up", "queue"]) == (1, 0)

    def shut():
        raise OperationalError("SELECT", {}, Exception("gone"))

    with monkeypatch.context() as broken:
        broken.setattr(queries, "outbox", shut)
        found = scraped()
        assert (found["portal_up", "database"], found["portal_up", "queue"]) == (0, 1)


def test_a_database_without_anything_has_an_empty_outbox(app, tables):
    with app.app_context():
        found = queries.outbox()
    assert [waiting.name for waiting in found] == [kind.name for kind in queries.OUTBOX]
    assert {(waiting.rows, waiting.oldest_seconds) for waiting in found} == {(0, 0)}


def test_what_goes_to_sentry_has_nothing_that_people_sent():
    event = {
        "transaction": "/reset/<token>",
        "request": {
            "url": "https://portal.example.com/reset/abcdefghijklmnopqrstuvwxyz",
            "method": "POST",
            "data": {"password": "hunter2"},
            "cookies": {"portal": "cookie-of-asha"},
            "headers": {"Authorization": "Bearer token-of-asha"},
            "query_string": "q=private",
        },
        "user": {"ip_address": "192.0.2.7"},
        "extra": {"api_key": "k-1", "database": "postgresql://portal:pw-of-db@db/portal"},
        "breadcrumbs": {"values": [{"message": "SELECT private"}]},
    }
    sent = str(logs.scrubbed(event, {}))
    private = ("hunter2", "cookie-of-asha", "token-of-asha", "abcdefghijkl", "q=private", "192.0.2.7", "k-1", "pw-of-db", "SELECT private")
    assert [secret for secret in private if secret in sent] == []
    assert "/reset/<token>" in sent
