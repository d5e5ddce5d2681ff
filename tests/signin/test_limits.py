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


ADDRESS = {"REMOTE_ADDR": "203.0.113.77"}


def test_the_limit_of_an_address_counts_over_all_routes_of_signing_in(strict):
    client = strict.test_client()
    headers = world.csrf(client)
    tries = [
        ("/signin", {"data": {"email": "{}@acme.test"}}),
        ("/signin/password", {"data": {"email": "{}@acme.test", "password": "not it"}}),
        ("/api/auth/login", {"json": {"email": "{}@acme.test", "password": "not it"}}),
        ("/forgot", {"data": {"email": "{}@acme.test"}}),
        ("/signup", {"data": {"email": "{}@acme.test", "name": "", "password": "x"}}),
    ]
    for number in range(20):
        where, ((kind, body),) = tries[number % 5][0], tries[number % 5][1].items()
        sent = {kind: {**body, "email": body["email"].format(number)}}
        assert client.post(where, **sent, headers=headers, environ_base=ADDRESS).status_code != 429, number
    for where, body in tries:
        assert client.post(where, **body, headers=headers, environ_base=ADDRESS).status_code == 429, where


def test_answers_say_how_much_is_left_and_only_a_refusal_says_when(strict):
    client = strict.test_client()
    headers = world.csrf(client)
    first = try_password(client, headers, "asha@acme.test", address="203.0.113.9")
    second = try_password(client, headers, "asha@acme.test", address="203.0.113.9")
    assert [int(answer.headers["X-RateLimit-Limit"]) for answer in (first, second)] == [10, 10]
    assert [int(answer.headers["X-RateLimit-Remaining"]) for answer in (first, second)] == [9, 8]
    assert "Retry-After" not in second.headers
    ordinary = client.get("/api/auth/csrf")
    assert (ordinary.headers["X-RateLimit-Limit"], "Retry-After" in ordinary.headers) == ("600", False)
    for _ in range(8):
        try_password(client, headers, "asha@acme.test", address="203.0.113.9")
    refused = try_password(client, headers, "asha@acme.test", address="203.0.113.9")
    assert (refused.status_code, refused.headers["X-RateLimit-Remaining"]) == (429, "0")
    assert 1 <= int(refused.headers["Retry-After"]) <= 60
    assert abs(int(refused.headers["X-RateLimit-Reset"]) - clock.now().timestamp()) <= 61


def company_of(strict):
    with strict.app_context():
        return world.make_company()


def test_invitations_are_counted_by_organization_over_pages_and_api_and_strangers_use_none_up(strict, rung):
    acme = company_of(strict)
    with strict.app_context():
        stranger = world.make_user("stranger@other.test")
    where, page = f"/api/organizations/{acme.organization.id}/invitations", f"/orgs/{acme.organization.slug}/invitations"
    outside = world.sign_in(strict.test_client(), stranger)
    headers = world.csrf(outside)
    assert {outside.post(where, json={}, headers=headers).status_code for _ in range(61)} == {403}
    owner = world.sign_in(strict.test_client(), acme.owner)
    headers = world.csrf(owner)
    for number in range(60):
        body = {"email": f"user{number}@acme.test", "role": "ORG_LEARNER"}
        if number % 3:
            answer = owner.post(page, data={"emails": body["email"], "role": body["role"]}, headers=headers)
        else:
            answer = owner.post(where, json=body, headers=headers)
        assert answer.status_code != 429, (number, answer.status_code)
    assert owner.post(where, json={"email": "one@acme.test", "role": "ORG_LEARNER"}, headers=headers).status_code == 429
    for refused in (f"{page}/upload", f"{page}/bulk", page):
        assert owner.post(refused, data={}, headers=headers).status_code == 429, refused
    with strict.app_context():
        other = world.make_organization(acme.owner, name="Other")
    answer = owner.post(
        f"/api/organizations/{other.id}/invitations", json={"email": "one@other.test", "role": "ORG_LEARNER"}, headers=headers
    )
    assert answer.status_code == 201


def test_each_upload_counts_once(strict, rung):
    acme = company_of(strict)
    owner = world.sign_in(strict.test_client(), acme.owner)
    headers = world.csrf(owner)
    answer = owner.post(f"/orgs/{acme.organization.slug}/invitations/upload", data={}, headers=headers)
    assert (answer.headers["X-RateLimit-Limit"], answer.headers["X-RateLimit-Remaining"]) == ("60", "59")
    with strict.app_context():
        draft = world.make_draft(acme.owner, name="Draft")
    answer = owner.post(f"/orgs/{draft.id}/setup/invite/upload", data={}, headers=headers)
    assert (answer.headers["X-RateLimit-Limit"], answer.headers["X-RateLimit-Remaining"]) == ("60", "59")


def test_checkouts_are_counted_by_user_over_page_and_api(strict, rung):
    acme = company_of(strict)
    owner = world.sign_in(strict.test_client(), acme.owner)
    headers = world.csrf(owner)
    for number in range(60):
        if number % 2:
            answer = owner.post("/api/checkout", json={}, headers=headers)
        else:
            answer = owner.post(f"/orgs/{acme.organization.slug}/book", data={}, headers=headers)
        assert answer.status_code in {400, 422}, number
    for where in ("/api/checkout", f"/orgs/{acme.organization.slug}/book", f"/api/organizations/{acme.organization.id}/credits/purchase"):
        assert owner.post(where, headers=headers).status_code == 429, where
    with strict.app_context():
        other = world.make_user("other@acme.test")
    second = world.sign_in(strict.test_client(), other)
    assert second.post("/api/checkout", json={}, headers=world.csrf(second)).status_code == 400


def test_a_token_has_a_count_of_its_own(strict, rung):
    acme = company_of(strict)
    owner = world.sign_in(strict.test_client(), acme.owner)
    where = f"/api/organizations/{acme.organization.id}"
    made = [
        owner.post(f"{where}/tokens", json={"name": name, "scopes": ["read"]}, headers=world.csrf(owner)).json["token"]
        for name in ("a", "b")
    ]
    client = strict.test_client()
    answers = [client.get(where, headers={"Authorization": f"Bearer {made[0]}"}).status_code for _ in range(601)]
    assert answers == [200] * 600 + [429]
    assert client.get(where, headers={"Authorization": f"Bearer {made[1]}"}).status_code == 200
    assert owner.get(where).status_code == 200


def test_wrong_tokens_are_counted_by_address(strict):
    client = strict.test_client()
    answers = [client.get("/api/auth/me", headers={"Authorization": f"Bearer portal_{number}"}).status_code for number in range(601)]
    assert answers == [401] * 600 + [429]


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
