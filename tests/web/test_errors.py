"""Refusals: a page for people, a fragment for HTMX, JSON for programs; and limits."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from portal import config, db
from portal.app import create_app
from portal.billing.views import queries as billing_queries
from portal.errors import Conflict, NotEnabled
from portal.home.views import orgs as home_orgs
from tests.support import world
from tests.support.lint import problems

PARTIAL = {"HX-Request": "true", "HX-Request-Type": "partial"}


@pytest.fixture
def client(rung, app):
    with app.app_context():
        owner = world.make_user("owner@acme.test")
        world.make_organization(owner)
    return world.sign_in(app.test_client(), owner)


def raising(error):
    def raise_it(*_arguments, **_named):  # noqa: ANN002, ANN003 - it stands in for any function
        raise error

    return raise_it


@pytest.mark.parametrize(
    ("error", "status", "title", "code"),
    [
        (Conflict("Two at once. Try again.", code="BUSY"), 409, "Something else happened first", "BUSY"),
        (NotEnabled("It is off.", extra={"flag": "ENABLE_X"}), 501, "This isn't switched on", "NOT_ENABLED"),
        (RuntimeError("secret detail"), 500, "Something broke on our side", "INTERNAL_ERROR"),
        (OperationalError("SELECT", {}, Exception("gone")), 503, "We'll be right back", "UNAVAILABLE"),
    ],
)
def test_what_is_raised_has_its_page_its_fragment_and_its_json(client, app, monkeypatch, error, status, title, code):
    with monkeypatch.context() as patched:
        patched.setattr(billing_queries, "summary", raising(error))
        page = client.get("/orgs/acme/billing")
        fragment = client.get("/orgs/acme/billing", headers=PARTIAL)
        organization_id = client.get("/api/organizations").json["items"][0]["id"]
        answer = client.get(f"/api/organizations/{organization_id}/billing")
    assert (page.status_code, answer.status_code) == (status, status)
    assert title.replace("'", "&#39;") in page.text
    assert problems(page) == []
    assert fragment.status_code == (422 if status == 409 else status)
    assert (fragment.headers["HX-Retarget"], fragment.headers["HX-Reswap"]) == ("#toasts", "beforeend")
    assert "<html" not in fragment.text
    assert answer.json["code"] == code
    assert "secret detail" not in page.text + fragment.text + answer.text


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/api/nothing", 404, "NOT_FOUND"),
        ("DELETE", "/api/auth/me", 405, "METHOD_NOT_ALLOWED"),
    ],
)
def test_http_errors_are_json_below_api_and_pages_elsewhere(client, method, path, status, code):
    answer = client.open(path, method=method, headers=world.csrf(client))
    assert (answer.status_code, answer.json["code"], answer.json["error"][-1]) == (status, code, ".")
    page = client.open(path.replace("/api/auth/me", "/account").replace("/api", ""), method=method, headers=world.csrf(client))
    assert page.status_code == status
    assert problems(page) == []


@pytest.mark.parametrize("body", ["{", "[]", '"x"', "", "\x00"])
def test_a_malformed_body_gets_one_clear_sentence(client, body):
    answer = client.post("/api/checkout", data=body, headers={**world.csrf(client), "Content-Type": "application/json"})
    assert (answer.status_code, answer.json["code"]) == (400, "MALFORMED_JSON")


def test_a_wrong_field_is_named(client):
    answer = client.post("/api/checkout", json={"planId": 3, "colour": "red"}, headers=world.csrf(client))
    assert answer.status_code == 400
    assert set(answer.json["details"]) == {"planId", "startsAt", "colour"}


@pytest.mark.parametrize(("mebibytes", "status"), [(9, 413), (6, 422)])
def test_too_large_a_body_is_refused(client, mebibytes, status):
    content = b"a@acme.test\n" * (mebibytes * 1024 * 1024 // 12)
    head = b'--edge\r\nContent-Disposition: form-data; name="file"; filename="x.csv"\r\n\r\n'
    body = head + content + b"\r\n--edge--\r\n"
    headers = {**world.csrf(client), "Content-Type": "multipart/form-data; boundary=edge"}
    answer = client.post("/orgs/acme/invitations/upload", data=body, headers=headers)
    assert answer.status_code == status
    assert "5 MiB" in answer.text or "larger than we take" in answer.text


def test_a_get_cannot_write_because_postgresql_refuses(client, monkeypatch):
    def write(*_arguments):  # noqa: ANN002 - it stands in for any function
        db.session.execute(text("UPDATE users SET name = 'changed'"))

    monkeypatch.setattr(home_orgs, "memberships_of", write)
    assert client.get("/orgs").status_code == 500
    with client.application.app_context():
        assert db.session.scalar(text("SELECT count(*) FROM users WHERE name = 'changed'")) == 0


def test_limits_count_per_account_and_per_address_and_say_when_to_come_back(rung, app, settings):
    limited = create_app(settings.model_copy(update={"rate_limits": "on"}))
    try:
        client = limited.test_client()
        headers = world.csrf(client)
        body = {"email": "asha@acme.test", "password": "wrong wrong wrong"}
        statuses = [client.post("/api/auth/login", json=body, headers=headers).status_code for _ in range(11)]
        assert statuses == [401] * 10 + [429]
        last = client.post("/api/auth/login", json=body, headers=headers)
        assert last.json["code"] == "RATE_LIMITED"
        assert int(last.headers["Retry-After"]) <= 60
        others = [client.post("/api/auth/login", json={**body, "email": f"u{n}@acme.test"}, headers=headers).status_code for n in range(12)]
        assert others[-1] == 429
        page = client.post("/signin", data={"email": "a@acme.test"}, headers=headers)
        assert page.status_code == 429 or problems(page) == []
    finally:
        with limited.app_context():
            db.database.engine.dispose()
        config.use(settings)
