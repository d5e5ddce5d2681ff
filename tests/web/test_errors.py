"""What a refusal looks like, for the three kinds of caller: a page, a fragment for HTMX, JSON."""

from contextlib import nullcontext

import html5lib
import psycopg
import pytest
from sqlalchemy import select, text, update
from sqlalchemy.exc import OperationalError
from structlog.testing import capture_logs

from portal import db, errors
from portal.accounts import service as accounts
from portal.accounts.models import User
from portal.orgs import queries as orgs_queries
from portal.web.errors import TITLES
from tests.support import world
from tests.support.limits import limited
from tests.support.lint import XHTML, problems, text_of
from tests.support.pages import PARTIAL, Visitor

SENTENCE = "The thing wasn't done. Try another."
REFUSALS = [errors.Invalid, errors.PaymentRequired, errors.Forbidden, errors.NotFound, errors.Conflict, errors.Gone, errors.TooLarge]
REFUSALS += [errors.NotEnabled]
NINE_MEGABYTES = b"x" * (9 * 1024 * 1024)


def raising(error):
    def refuse(*_arguments, **_keywords):
        raise error

    return refuse


@pytest.fixture
def client(tables):
    return tables.test_client()


def page_of(answer, status: int):
    """The error page's body, after the checks that hold for each of them."""
    assert answer.status_code == status, answer.text
    assert problems(answer) == []
    tree = html5lib.parse(answer.text)
    assert text_of(next(tree.iter(XHTML + "h1"))) == TITLES[status]
    body = text_of(next(tree.iter(XHTML + "body")))
    assert str(status) in body
    assert "Go to the start page" in body
    return body


def fragment_of(answer, status: int):
    """The fragment's words, after the same checks; it goes to the toasts, wherever the element that asked would put it."""
    assert answer.status_code == status, answer.text
    assert problems(answer) == []
    assert "<html" not in answer.text
    assert (answer.headers["HX-Retarget"], answer.headers["HX-Reswap"]) == ("#toasts", "beforeend")
    return text_of(html5lib.parseFragment(answer.text))


@pytest.mark.parametrize("kind", REFUSALS, ids=lambda kind: kind.__name__)
def test_a_refusal_is_a_page_a_fragment_or_json(client, monkeypatch, kind):
    refusal = kind(SENTENCE, code="SOME_CODE", details={"billing_email": ["Wrong."]}, extra={"flag": "A"})
    monkeypatch.setattr(accounts, "usable_link", raising(refusal))
    monkeypatch.setattr(accounts, "sign_in", raising(refusal))
    body = page_of(client.get("/verify/x"), kind.status)
    assert SENTENCE in body
    assert "SOME_CODE" in body
    part = fragment_of(client.get("/verify/x", headers=PARTIAL), 422 if kind.status in {400, 409} else kind.status)
    assert SENTENCE in part
    person = {"email": "a@b.test", "password": "p"}
    answer = client.post("/api/auth/login", json=person, headers=world.csrf(client))
    assert answer.status_code == kind.status
    assert answer.json == {"error": SENTENCE, "code": "SOME_CODE", "details": {"billingEmail": ["Wrong."]}, "flag": "A"}


def test_nobody_signed_in_is_led_to_the_sign_in_and_back(client):
    page = client.get("/account?a=1")
    assert (page.status_code, page.location) == (303, "/signin?next=/account%3Fa%3D1")
    part = client.get("/account", headers=PARTIAL)
    assert (part.status_code, part.headers["HX-Redirect"], part.data) == (204, "/signin?next=/account", b"")
    posted = client.post("/account/signout-everywhere", headers=world.csrf(client))
    assert posted.location == "/signin?next=/"
    answer = client.get("/api/auth/me")
    assert (answer.status_code, answer.json["code"]) == (401, "UNAUTHENTICATED")


def test_an_old_form_says_that_nothing_was_changed(client):
    assert "nothing was changed. Reload the page" in page_of(client.post("/signin", data={"email": "a@b.test"}), 400)
    assert "Reload the page" in fragment_of(client.post("/signin", headers=PARTIAL), 422)
    answer = client.post("/api/auth/login", json={})
    assert (answer.status_code, answer.json["code"]) == (400, "CSRF_FAILED")


def test_what_is_not_there(client):
    assert "The address may be mistyped" in page_of(client.get("/nothing"), 404)
    assert "The address may be mistyped" in fragment_of(client.get("/nothing", headers=PARTIAL), 404)
    answer = client.get("/api/nothing")
    assert (answer.status_code, answer.json["code"]) == (404, "NOT_FOUND")


def test_a_wrong_method_names_the_right_ones(client):
    page = client.get("/signout")
    assert "can't be used in that way" in page_of(page, 405)
    assert page.allow == {"POST", "OPTIONS"}
    fragment_of(client.get("/signout", headers=PARTIAL), 405)
    answer = client.get("/api/auth/login")
    assert (answer.status_code, answer.json["code"], answer.allow) == (405, "METHOD_NOT_ALLOWED", {"POST", "OPTIONS"})


def test_too_large_a_body_is_refused(client):
    headers = world.csrf(client)
    form = {"email": NINE_MEGABYTES.decode()}
    assert "larger than we take" in page_of(client.post("/signin", data=form, headers=headers), 413)
    fragment_of(client.post("/signin", data=form, headers=headers | PARTIAL), 413)
    answer = client.post("/api/auth/login", data=NINE_MEGABYTES, headers=headers | {"Content-Type": "application/json"})
    assert (answer.status_code, answer.json["code"]) == (413, "TOO_LARGE")


@pytest.mark.parametrize(("mebibytes", "status"), [(9, 413), (6, 422)])
def test_too_large_a_file_is_refused_by_the_portal_or_beside_its_field(rung, app, mebibytes, status):
    with app.app_context():
        owner = world.make_user("owner@acme.test")
        slug = world.make_organization(owner).slug
    client = world.sign_in(app.test_client(), owner)
    content = b"a@acme.test\n" * (mebibytes * 1024 * 1024 // 12)
    head = b'--edge\r\nContent-Disposition: form-data; name="file"; filename="hr.csv"\r\n\r\n'
    headers = {**world.csrf(client), "Content-Type": "multipart/form-data; boundary=edge"}
    answer = client.post(f"/orgs/{slug}/invitations/upload", data=head + content + b"\r\n--edge--\r\n", headers=headers)
    assert (answer.status_code, problems(answer)) == (status, [])
    assert ("5 MiB" if status == 422 else "larger than we take") in answer.text


@pytest.mark.parametrize("body", ["{", "[]", '"x"', "", "\x00", "[" * 100_000])
def test_a_malformed_body_gets_one_clear_sentence(tables, app, body):
    with app.app_context():
        user = world.make_user("asha@acme.test")
    client = world.sign_in(app.test_client(), user)
    answer = client.post("/api/checkout", data=body, headers={**world.csrf(client), "Content-Type": "application/json"})
    assert (answer.status_code, answer.json["code"]) == (400, "MALFORMED_JSON")
    wrong = client.post("/api/checkout", json={"planId": 3, "colour": "red"}, headers=world.csrf(client))
    assert (wrong.status_code, set(wrong.json["details"])) == (400, {"planId", "startsAt", "colour"})


def test_too_many_tries_say_when_to_come_back(settings, app, tables):
    with limited(settings, app) as strict:
        client = strict.test_client()
        headers = world.csrf(client)
        for _try in range(20):
            assert client.post("/signup", data={}, headers=headers).status_code == 422
        page = client.post("/signup", data={}, headers=headers)
        assert "Wait a minute and try again." in page_of(page, 429)
        part = client.post("/signup", data={}, headers=headers | PARTIAL)
        assert "Wait a minute" in fragment_of(part, 429)
        for _try in range(20):
            client.post("/api/auth/signup", json={}, headers=headers)
        answer = client.post("/api/auth/signup", json={}, headers=headers)
        assert (answer.status_code, answer.json["code"]) == (429, "RATE_LIMITED")
        assert all(1 <= int(each.headers["Retry-After"]) <= 60 for each in (page, part, answer))


def test_a_broken_route_says_nothing_of_how_it_broke(client, monkeypatch):
    monkeypatch.setattr(accounts, "usable_link", raising(ZeroDivisionError("a secret of ours")))
    monkeypatch.setattr(accounts, "sign_in", raising(ZeroDivisionError("a secret of ours")))
    with capture_logs() as log:
        page, part = client.get("/verify/x"), client.get("/verify/x", headers=PARTIAL)
    assert "Nothing was changed" in page_of(page, 500)
    assert "Nothing was changed" in fragment_of(part, 500)
    answer = client.post("/api/auth/login", json={"email": "a@b.test", "password": "p"}, headers=world.csrf(client))
    assert (answer.status_code, answer.json["code"]) == (500, "INTERNAL_ERROR")
    for each in (page, part, answer):
        assert "secret" not in each.text
        assert "ZeroDivision" not in each.text
    broken = [(line["route"], str(line["exc_info"])) for line in log if line["event"] == "request.broken"]
    assert broken == [("/verify/<token>", "a secret of ours")] * 2


def test_a_broken_route_keeps_nothing_of_what_it_wrote(rung, app, monkeypatch):
    real = accounts.sign_up

    def write_then_break(data, *, ip):
        real(data, ip=ip)
        raise ZeroDivisionError

    monkeypatch.setattr(accounts, "sign_up", write_then_break)
    client = app.test_client()
    person = {"name": "Asha", "email": "a@b.test", "password": "a good long password"}
    assert client.post("/api/auth/signup", json=person, headers=world.csrf(client)).status_code == 500
    assert client.post("/signup", data=person, headers=world.csrf(client)).status_code == 500
    with app.app_context():
        assert db.session.scalars(select(User)).all() == []
    assert rung == []


@pytest.mark.parametrize("with_limits", [False, True])
def test_an_unreachable_database_asks_for_patience(app, tables, settings, monkeypatch, with_limits):
    with limited(settings, app) if with_limits else nullcontext(app) as running:
        with running.app_context():
            pool = db.database.engine.pool
            user = world.make_user("asha@acme.test")
        client = world.sign_in(running.test_client(), user)
        refused = psycopg.OperationalError("connection refused: host db.internal")
        with monkeypatch.context() as broken:
            broken.setattr(pool, "connect", raising(OperationalError("SELECT 1", {}, refused)))
            unavailable(client)
        assert client.get("/account").status_code == 200


def unavailable(client):
    for path in ("/account", "/orgs", "/verify/x"):
        page = client.get(path)
        assert "can't reach its database" in page_of(page, 503)
        assert page.headers["Retry-After"] == "5"
        assert "db.internal" not in page.text
    fragment_of(client.get("/account", headers=PARTIAL), 503)
    answer = client.get("/api/auth/me")
    assert (answer.status_code, answer.json["code"], answer.headers["Retry-After"]) == (503, "UNAVAILABLE", "5")
    ready = client.get("/readyz")
    assert (ready.status_code, ready.json["checks"]["database"]) == (503, "unreachable")
    assert client.get("/healthz").status_code == 200


def test_a_database_that_goes_away_at_the_commit_is_answered_like_one_that_was_away(client, rung, app, monkeypatch):
    person = {"name": "Asha", "email": "asha@acme.test", "password": "a good long password"}
    headers = world.csrf(client)
    with monkeypatch.context() as broken:
        broken.setattr(db._Session, "commit", raising(OperationalError("COMMIT", {}, psycopg.OperationalError("the server is gone"))))
        answer = client.post("/signup", data=person, headers=headers)
    assert "can't reach its database" in page_of(answer, 503)
    assert answer.headers["Retry-After"] == "5"
    assert "Content-Security-Policy" in answer.headers
    assert rung == []
    assert client.post("/signup", data=person, headers=world.csrf(client)).status_code == 303


def test_a_connection_that_cannot_even_roll_back_is_thrown_away(client, app, tables, monkeypatch):
    with app.app_context():
        user = world.make_user("asha@acme.test")
    world.sign_in(client, user)

    def cut_off(_user_id):
        """The server ends this request's connection, and a second one can't be had."""
        pid = db.session.scalar(text("SELECT pg_backend_pid()"))
        with db.database.engine.connect() as other:
            other.execute(text("SELECT pg_terminate_backend(:pid, 2000)"), {"pid": pid})
        raise OperationalError("SELECT", {}, psycopg.OperationalError("the system is shutting down"))

    with monkeypatch.context() as broken:
        broken.setattr(orgs_queries, "memberships_of", cut_off)
        assert "can't reach its database" in page_of(client.get("/orgs"), 503)
    assert client.get("/account").status_code == 200


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_postgresql_refuses_a_read_that_writes(app, tables, monkeypatch, method):
    with app.app_context():
        user_id = world.make_user("asha@acme.test").id
    refused = []

    def rename(*_arguments):
        try:
            db.session.execute(update(User).values(name="Changed"))
        except Exception as error:
            refused.append(str(error))
            raise

    monkeypatch.setattr(accounts, "usable_link", rename)
    assert app.test_client().open("/verify/x", method=method).status_code == 500
    assert "read-only transaction" in refused[0]
    with app.app_context():
        assert db.session.get_one(User, user_id).name == "Asha"


def test_a_write_after_a_read_in_the_same_process_is_not_held_back(app, rung):
    client = app.test_client()
    for number in range(3):
        person = {"name": "Asha", "email": f"a{number}@b.test", "password": "a good long password"}
        client.get("/verify/x")
        assert client.post("/api/auth/signup", json=person, headers=world.csrf(client)).status_code == 201


@pytest.mark.parametrize("nul", ["%00", "a%00b"])
def test_nul_characters_are_refused_and_break_nothing(app, tables, nul):
    with app.app_context():
        user = world.make_user("asha@acme.test")
        slug = world.make_organization(user).slug
    client = world.sign_in(app.test_client(), user)
    for path in (f"/orgs/{nul}/home", f"/orgs/{slug}/members?q={nul}", f"/orgs/{slug}/billing?q={nul}", f"/api/organizations/{nul}"):
        assert client.get(path).status_code in {400, 404}, path
    text = nul.replace("%00", "\x00")
    headers = world.csrf(client)
    for body in ({"email": f"{text}@b.test", "password": "p"}, {"email": "a@b.test", "password": text}):
        assert client.post("/api/auth/login", json=body, headers=headers).status_code in {400, 401}
    info = {"name": "Acme", "billing_email": "f@acme.test", "kind": "BUYER", "description": text}
    answer = client.post("/orgs/new", data=info, headers=headers)
    assert answer.status_code in {400, 422}
    plan = {"planType": "CONSULTATION", "title": "Coaching", "price": 10_000, "durationMinutes": 30, "description": text}
    with app.app_context():
        organization_id = world.organization(slug).id
    assert client.post(f"/api/organizations/{organization_id}/plans", json=plan, headers=headers).status_code == 400


def test_the_start_page_leads_on(app, tables):
    assert Visitor(app).get("/").heading == "Sign in"


def nameless_part(client, path, headers):
    """A multipart body one of whose parts has no name (RFC 7578, section 4.2, wants one)."""
    body = b"--x\r\nContent-Disposition: form-data\r\n\r\nnobody asked\r\n--x--\r\n"
    return client.post(path, data=body, content_type="multipart/form-data; boundary=x", headers=headers)


def test_a_part_without_a_name_breaks_nothing(app, tables):
    client = app.test_client()
    headers = world.csrf(client)
    for path in ("/signin", "/signup", "/forgot"):
        assert nameless_part(client, path, headers).status_code == 422, path
        assert nameless_part(client, path, {}).status_code == 400, path
    assert nameless_part(client, "/api/auth/login", headers).status_code == 415
    assert nameless_part(client, "/api/auth/login", {}).json["code"] == "CSRF_FAILED"


def test_a_copy_that_breaks_off_is_a_database_that_is_away(tables, app):
    with app.app_context():
        pid = db.session.scalar(text("SELECT pg_backend_pid()"))

        def rows():
            for number in range(2 * db.COPIED_AT_ONCE):
                if number == db.COPIED_AT_ONCE:  # in the middle of the COPY
                    with db.database.engine.connect() as other:
                        other.execute(text("SELECT pg_terminate_backend(:pid, 2000)"), {"pid": pid})
                yield [db.new_id(), f"p{number}@acme.test", "P", "2026-11-12T09:00:00Z"]

        columns = ("id", "email", "name", "created_at")
        with pytest.raises(db.AWAY), db.unit_of_work():
            db.copy_into(User, columns, rows(), same={"platform_role": "USER"})
        assert db.session.scalars(select(User)).all() == []
