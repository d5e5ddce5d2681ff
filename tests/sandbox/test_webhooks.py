"""The sandbox's webhooks arrive by real HTTP: twice, an older one after a newer one, again after a refusal, from the sweep, too."""

import json
from datetime import timedelta

import pytest
from sqlalchemy import select

from portal import clock, config, db, jobs
from portal.gateways.payments import Order, RefundOrder, current
from portal.gateways.payments.sandbox_models import SandboxWebhook
from portal.gateways.payments.sandbox_webhooks import AGAIN_AFTER, CLAIM, deliver
from tests.support import world
from tests.support.loopback import free_port, serving


@pytest.fixture
def portal(rung, app, settings):
    """A server in the portal's place, which takes everything."""
    with serving(lambda _asked: (200, {})) as server, app.app_context():
        config.use(settings.model_copy(update={"base_url": server.url}))
        yield server
        config.use(settings)


@pytest.fixture
def event(app, rung):
    """Makes an order that is paid, and returns its webhook's id."""

    def make() -> str:
        with app.app_context():
            made = Order(
                key=db.new_id(),
                amount=118_000,
                currency="INR",
                description="Credits",
                payer_email="",
                return_url="http://localhost/",
                expires_at=clock.now() + timedelta(minutes=30),
            )
            return current().settle(current().open(made).order_id, succeeded=True)

    return make


def row(app, event_id) -> SandboxWebhook:
    with app.app_context(), db.apart() as books:
        return books.get(SandboxWebhook, event_id)


def ids(server, app) -> list[str]:
    """The events of each request, all with a good signature."""
    with app.app_context():
        return [current().event(asked.headers, asked.body).id for asked in server.asked]


def later(monkeypatch, **by):
    then = clock.wall() + timedelta(**by)
    monkeypatch.setattr(clock, "wall", lambda: then)


def test_each_comes_twice(app, portal, event):
    event_id = event()
    assert jobs.run("sandbox-send-webhook", event_id) == {"taken": 2}
    assert {(asked.method, asked.path) for asked in portal.asked} == {("POST", "/api/webhooks/sandbox")}
    assert ids(portal, app) == [event_id, event_id]
    sent = row(app, event_id)
    assert (sent.deliveries, sent.attempts, sent.due_at, sent.error) == (2, 1, None, None)
    assert jobs.run("sandbox-send-webhook", event_id) == {"taken": 0}
    assert len(portal.asked) == 2


def test_an_older_one_comes_once_more_after_a_newer_one(app, portal, event):
    first = event()
    jobs.run("sandbox-send-webhook", first)
    with app.app_context():
        order_id = row(app, first).order_id
        current().refund(RefundOrder(db.new_id(), order_id, current().order_state(order_id).payment_ref, 100, "INR"))
        with db.apart() as books:
            second = books.scalars(select(SandboxWebhook.id).where(SandboxWebhook.position == 2)).one()
    portal.asked.clear()
    assert jobs.run("sandbox-send-webhook", second) == {"taken": 2}
    assert ids(portal, app) == [second, first, second]


def test_the_sweep_rings_for_what_was_left_behind(app, portal, event, rung):
    events = {event(), event()}
    jobs.run("sweep")
    assert {bell.ids[0] for bell in rung if bell.name == "sandbox-send-webhook"} == events
    world.work_off(rung)
    assert sorted(ids(portal, app)) == sorted([*events, *events])
    jobs.run("sweep")
    assert [bell for bell in rung if bell.name == "sandbox-send-webhook"] == []


@pytest.mark.parametrize("answer", [(500, {}), (302, {}), (404, b"not found")])
def test_what_was_refused_is_tried_again_later(app, portal, event, answer, monkeypatch):
    event_id = event()
    portal.answer = lambda _asked: answer
    assert jobs.run("sandbox-send-webhook", event_id) == {"taken": 0}
    refused = row(app, event_id)
    assert (refused.deliveries, refused.attempts, refused.error) == (0, 1, f"HTTP {answer[0]}")
    assert jobs.run("sandbox-send-webhook", event_id) == {"taken": 0}
    assert len(portal.asked) == 1, "before its time it isn't tried"
    later(monkeypatch, seconds=AGAIN_AFTER[0].total_seconds() + 1)
    portal.answer = lambda _asked: (204, b"")
    assert jobs.run("sandbox-send-webhook", event_id) == {"taken": 2}
    assert row(app, event_id).error is None


def test_only_what_is_missing_is_sent_again(app, portal, event, monkeypatch):
    event_id = event()
    portal.answer = lambda _asked: (200, {}) if len(portal.asked) == 1 else (503, {})
    assert jobs.run("sandbox-send-webhook", event_id) == {"taken": 1}
    left = row(app, event_id)
    assert (left.deliveries, left.error, left.due_at is not None) == (1, "HTTP 503", True)


def test_nobody_listening_is_no_error_of_the_job_and_ends_after_some_hours(app, event, rung, monkeypatch):
    event_id, url = event(), f"http://127.0.0.1:{free_port()}/api/webhooks/sandbox"
    with app.app_context():
        tries = 0
        while row(app, event_id).due_at is not None:
            later(monkeypatch, days=1)
            assert deliver(event_id, url=url) == 0
            tries += 1
    given_up = row(app, event_id)
    assert (tries, given_up.attempts) == (len(AGAIN_AFTER) + 1, len(AGAIN_AFTER) + 1)
    assert "Connection refused" in given_up.error


def test_a_killed_worker_leaves_a_claim_that_runs_out(app, portal, event, monkeypatch):
    event_id = event()

    def die(_url, _body):
        raise KeyboardInterrupt

    monkeypatch.setattr("portal.gateways.payments.sandbox_webhooks._post", die)
    with pytest.raises(KeyboardInterrupt):
        jobs.run("sandbox-send-webhook", event_id)
    monkeypatch.undo()
    assert jobs.run("sandbox-send-webhook", event_id) == {"taken": 0}
    later(monkeypatch, seconds=CLAIM.total_seconds() + 1)
    assert jobs.run("sandbox-send-webhook", event_id) == {"taken": 2}


def test_a_job_of_another_month_signs_with_the_hour_of_the_wall(app, portal, event):
    event_id = event()
    assert jobs.run("sandbox-send-webhook", event_id, as_of="2031-01-01T00:00:00Z") == {"taken": 2}
    assert ids(portal, app) == [event_id] * 2
    assert json.loads(portal.asked[0].body)["type"] == "order.paid"
