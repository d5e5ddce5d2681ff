"""Signing in and out by pages: the e-mail address first, then the password; a fresh cookie each time."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from portal import clock, crypto, db
from portal.accounts.models import LoginSession
from portal.accounts.rules import SESSION_LASTS
from tests.support import world
from tests.support.pages import Visitor

WRONG = "The e-mail address or the password is wrong. Try again, or set a new password."
NOON = datetime(2026, 10, 12, 12, tzinfo=UTC)


@pytest.fixture
def asha(rung, app):
    with app.app_context():
        return world.make_user("asha@acme.test")


def enter(visitor: Visitor, email: str, password: str = world.PASSWORD, *, page: str = "/signin", status: int = 200) -> Visitor:
    visitor.get(page).submit("/signin", email=email)
    return visitor.submit("/signin/password", status=status, password=password)


def opened(app) -> list[LoginSession]:
    with app.app_context():
        return list(db.session.scalars(select(LoginSession).order_by(LoginSession.id)))


def replay(app, cookie: str) -> int:
    client = app.test_client()
    client.set_cookie("portal", cookie)
    return client.get("/account").status_code


@pytest.mark.parametrize("email", ["asha@acme.test", "Asha@ACME.test", "  asha@acme.test "])
def test_the_address_is_asked_first_and_its_case_does_not_matter(app, asha, email):
    visitor = enter(Visitor(app), email)
    assert visitor.path == "/welcome"
    assert "asha@acme.test" in visitor.get("/account").words


def test_a_wrong_password_and_an_unknown_address_get_the_same_answer(app, asha):
    known = enter(Visitor(app), "asha@acme.test", "not the password", status=422)
    unknown = enter(Visitor(app), "nobody@acme.test", "not the password", status=422)
    assert WRONG in known.words
    assert known.words.replace("asha@", "nobody@") == unknown.words
    assert "not the password" not in known.answer.text
    assert opened(app) == []


def test_a_password_is_taken_as_it_is_typed_with_its_spaces(app, asha):
    enter(Visitor(app), "asha@acme.test", f" {world.PASSWORD}", status=422)
    enter(Visitor(app), "asha@acme.test", world.PASSWORD.upper(), status=422)
    assert opened(app) == []


@pytest.mark.parametrize("email", ["", "asha", "@acme.test"])
def test_what_is_no_address_is_said_beside_the_field(app, tables, email):
    visitor = Visitor(app).get("/signin").submit("/signin", status=422, email=email)
    assert visitor.heading == "Sign in"
    assert "Fill this in." in visitor.words or "Write a whole e-mail address" in visitor.words


def test_signing_in_makes_a_fresh_cookie_so_that_a_planted_one_is_worth_nothing(app, asha):
    visitor = Visitor(app).get("/signin")
    planted = visitor.cookie
    enter(visitor, "asha@acme.test")
    assert visitor.cookie != planted
    assert replay(app, planted) == 303
    assert replay(app, visitor.cookie) == 200


def test_the_cookie_is_kept_from_scripts_and_other_sites_and_lasts_as_long_as_the_sign_in(app, asha):
    with clock.as_of(datetime.now(UTC).replace(microsecond=0)):
        visitor = enter(Visitor(app), "asha@acme.test")
    cookie = visitor.client.get_cookie("portal")
    assert (cookie.http_only, cookie.same_site, cookie.path) == (True, "Lax", "/")
    assert abs(cookie.expires - datetime.now(UTC) - SESSION_LASTS) < timedelta(minutes=1)


def test_signing_out_ends_the_sign_in_and_an_old_copy_of_its_cookie(app, asha):
    visitor = enter(Visitor(app), "asha@acme.test")
    kept = visitor.cookie
    visitor.get("/account").submit("/signout")
    assert visitor.heading == "Sign in"
    assert "You are signed out." in visitor.words
    assert replay(app, kept) == 303
    assert [row.ended_at is not None for row in opened(app)] == [True]


def test_signing_in_again_ends_the_sign_in_that_the_browser_had(app, asha):
    visitor = enter(Visitor(app), "asha@acme.test")
    first = visitor.cookie
    enter(visitor, "asha@acme.test")
    assert replay(app, first) == 303
    assert replay(app, visitor.cookie) == 200


def test_signing_out_everywhere_ends_every_browser(app, asha):
    here, there = enter(Visitor(app), "asha@acme.test"), enter(Visitor(app), "asha@acme.test")
    here.get("/account").submit("/account/signout-everywhere")
    assert "Every browser is signed out, this one too." in here.words
    assert there.get("/account").heading == "Sign in"


def test_a_sign_in_ends_after_fourteen_days(app, asha):
    with clock.as_of(NOON):
        visitor = enter(Visitor(app), "asha@acme.test")
        [row] = opened(app)
    assert (row.created_at, row.expires_at) == (NOON, NOON + timedelta(days=14))
    with app.app_context():
        token = crypto.random_token()
        with db.unit_of_work():
            db.session.get_one(LoginSession, row.id).token_hash = crypto.hash_token(token)
        with clock.as_of(NOON + SESSION_LASTS - timedelta(seconds=1)):
            assert world.accounts.queries.user_of_session(token) is not None
        with clock.as_of(NOON + SESSION_LASTS):
            assert world.accounts.queries.user_of_session(token) is None
    assert visitor.get("/account").heading == "Sign in"


def test_only_the_hash_of_a_sign_ins_token_is_stored(app, asha):
    visitor = enter(Visitor(app), "asha@acme.test")
    with visitor.client.session_transaction() as session:
        token = session["_user_id"]
    [row] = opened(app)
    assert row.token_hash == crypto.hash_token(token)
    assert row.ip == "127.0.0.1"
    assert row.user_agent.startswith("Werkzeug")


@pytest.mark.parametrize("where", ["/account", "/orgs/new?name=A%20%26%20B"])
def test_after_signing_in_one_is_where_one_wanted_to_be(app, asha, where):
    visitor = Visitor(app).get(where)
    assert visitor.heading == "Sign in"
    visitor.submit("/signin", email="asha@acme.test").submit("/signin/password", password=world.PASSWORD)
    assert visitor.path == where


def test_the_wish_survives_a_wrong_password_and_the_way_over_signing_up(app, asha):
    visitor = Visitor(app).get("/account").submit("/signin", email="asha@acme.test")
    visitor.submit("/signin/password", status=422, password="wrong").submit("/signin/password", password=world.PASSWORD)
    assert visitor.path == "/account"
    new = Visitor(app).get("/signup?next=/account")
    assert new.submit("/signup", name="New", email="new@acme.test", password="a good long password").path == "/account"


@pytest.mark.parametrize(
    "target",
    [
        "https://evil.test/",
        "//evil.test/",
        "///evil.test/",
        "/\\evil.test/",
        "\\\\evil.test/",
        "/\t/evil.test/",
        "/\n/evil.test/",
        "javascript:alert(1)",
        "evil.test",
        " //evil.test/",
        "/x\r\nSet-Cookie: a=b",
    ],
)
def test_next_never_leads_elsewhere(app, asha, target):
    client = app.test_client()
    page = client.get("/signin", query_string={"next": target})
    assert "evil" not in page.text
    assert "javascript:" not in page.text
    for path in ("/signin/password", "/signup"):
        fields = {"name": "X", "email": "asha@acme.test", "password": world.PASSWORD, "next": target}
        if path == "/signup":
            fields["email"] = "other@acme.test"
        else:
            del fields["name"]
        answer = client.post(path, data=fields, headers=world.csrf(client))
        assert (answer.status_code, answer.location) == (303, "/welcome" if path == "/signup" else "/orgs"), answer.text
        assert answer.headers.getlist("Set-Cookie")[0].startswith("portal=")
