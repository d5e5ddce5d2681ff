"""How often a sign-in may be tried: 10 times a minute an account, 20 times an address; also while Redis is away."""

from datetime import timedelta

import pytest
import time_machine
from redis.exceptions import ConnectionError as RedisGone

from portal import clock, db, queue
from portal.web.security import limiter
from tests.support import world
from tests.support.limits import limited
from tests.support.lint import problems


@pytest.fixture
def strict(rung, settings, app):
    """A second app on the same database, with limits."""
    with limited(settings, app) as strict:
        yield strict


def try_password(client, headers, email, *, path="/api/auth/login", address="203.0.113.1"):
    body = {"email": email, "password": "not the password"}
    sent = {"json": body} if path.startswith("/api/") else {"data": body}
    return client.post(path, **sent, headers=headers, environ_base={"REMOTE_ADDR": address})


def test_an_account_is_tried_ten_times_a_minute_from_wherever_and_in_whatever_way(strict):
    client = strict.test_client()
    headers = world.csrf(client)
    for number in range(10):
        path = "/api/auth/login" if number % 2 else "/signin/password"
        email = "Asha@acme.test" if number % 3 else " asha@ACME.test "
        answer = try_password(client, headers, email, path=path, address=f"203.0.113.{number}")
        assert answer.status_code == (401 if number % 2 else 422), number
    refused = try_password(client, headers, "asha@acme.test", address="203.0.113.99")
    assert (refused.status_code, refused.json["code"]) == (429, "RATE_LIMITED")
    assert 1 <= int(refused.headers["Retry-After"]) <= 60
    page = try_password(client, headers, "asha@acme.test", path="/signin/password", address="203.0.113.99")
    assert (page.status_code, problems(page)) == (429, [])
    assert 1 <= int(page.headers["Retry-After"]) <= 60
    assert try_password(client, headers, "other@acme.test", address="203.0.113.99").status_code == 401


def test_an_address_tries_twenty_times_a_minute_whomever(strict):
    client = strict.test_client()
    headers = world.csrf(client)
    for number in range(20):
        assert try_password(client, headers, f"user{number}@acme.test").status_code == 401
    assert try_password(client, headers, "another@acme.test").status_code == 429
    assert try_password(client, headers, "another@acme.test", address="203.0.113.2").status_code == 401


def test_the_right_password_is_refused_too_while_the_account_is_limited_and_works_a_minute_later(strict):
    with strict.app_context():
        user = world.make_user("asha@acme.test")
    client = strict.test_client()
    headers = world.csrf(client)
    right = {"email": user.email, "password": world.PASSWORD}
    with time_machine.travel(clock.now(), tick=False) as now:
        for number in range(10):
            try_password(client, headers, user.email, address=f"203.0.113.{number}")
        assert client.post("/api/auth/login", json=right, headers=headers).status_code == 429
        assert client.get("/api/auth/me").status_code == 401
        now.shift(timedelta(seconds=61))
        assert client.post("/api/auth/login", json=right, headers=headers).status_code == 200


def test_links_are_asked_for_ten_times_a_minute_an_account(strict, rung):
    client = strict.test_client()
    with strict.app_context():
        user = world.make_user("asha@acme.test")
    headers = world.csrf(client)
    answers = [
        client.post("/forgot", data={"email": user.email}, headers=headers, environ_base={"REMOTE_ADDR": f"203.0.113.{number}"})
        for number in range(11)
    ]
    assert [answer.status_code for answer in answers] == [200] * 10 + [429]
    assert len(rung) == 10


def test_the_limits_hold_while_redis_is_away(strict, monkeypatch):
    client = strict.test_client()
    headers = world.csrf(client)

    def away(*_arguments, **_keywords):
        raise RedisGone

    monkeypatch.setattr(type(limiter.storage), "acquire_entry", away)
    monkeypatch.setattr(type(limiter.storage), "check", lambda _storage: False)
    for number in range(10):
        answer = try_password(client, headers, "asha@acme.test", address=f"203.0.113.{number}")
        assert answer.status_code == 401, number
    assert try_password(client, headers, "asha@acme.test", address="203.0.113.99").status_code == 429


def test_health_is_never_limited(strict):
    client = strict.test_client()
    assert {client.get("/healthz").status_code for _ in range(650)} == {200}


def test_everything_else_is_limited_to_600_a_minute_an_address(strict):
    client = strict.test_client()
    answers = [client.get("/api/auth/csrf").status_code for _ in range(601)]
    assert answers == [200] * 600 + [429]


def test_the_first_apps_settings_are_in_force_again(app, tables):
    assert not limiter.enabled
    assert queue.connection().ping()
    with app.app_context():
        assert db.is_reachable()
