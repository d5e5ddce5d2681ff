"""Signing up, in and out; verifying an address; a forgotten password."""

import re
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from portal import clock, db
from portal.accounts.models import LoginSession, MailedLink, User
from tests.support import world
from tests.support.together import at_once

NEW = {"name": "Asha Rao", "email": "Asha@Acme.test", "password": "a good long password"}


@pytest.fixture
def client(rung, app):
    return app.test_client()


def post(client, path, data):
    return client.post(path, data=data, headers=world.csrf(client))


def mailed_link(app, rung, settings, part):
    """The newest link of this kind, from the mail that the job wrote."""
    with app.app_context():
        world.work_off(rung)
        newest = db.session.scalars(select(MailedLink.id).order_by(MailedLink.created_at.desc(), MailedLink.id.desc())).first()
    text = (settings.portal_home / "mail" / f"{newest}.eml").read_text().replace("=\n", "").replace("=3D", "=")
    return re.search(rf"http://localhost(/{part}/[\w-]+)", text).group(1)


def test_a_new_account_is_signed_in_and_its_address_verified_by_pressing_a_button(client, rung, app, settings):
    answer = post(client, "/signup", NEW)
    assert (answer.status_code, answer.location) == (303, "/orgs")
    assert "Please confirm your e-mail address" in client.get("/orgs").text
    link = mailed_link(app, rung, settings, "verify")
    client.get(link)
    with app.app_context():
        assert db.session.scalars(select(User.email_verified_at)).one() is None, "opening a link changes nothing"
    assert post(client, link, {}).status_code == 303
    assert "Please confirm your e-mail address" not in client.get("/orgs").text
    assert post(client, link, {}).status_code == 303, "a second press does no harm"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"password": "short"}, "at least 10 characters"),
        ({"password": "aaaaaaaaaaaaaa"}, "too easy to guess"),
        ({"password": "ASHA@acme.test"}, "too easy to guess"),
        ({"email": "nobody"}, "Write a whole e-mail address"),
        ({"name": " "}, "Fill this in."),
        ({"email": ""}, "Fill this in."),
    ],
)
def test_a_form_that_is_wrong_says_so_beside_the_field_and_makes_nothing(client, app, change, words):
    answer = post(client, "/signup", {**NEW, **change})
    assert (answer.status_code, words in answer.text) == (422, True)
    assert 'aria-invalid="true"' in answer.text
    assert NEW["password"] not in answer.text
    with app.app_context():
        assert db.session.scalar(select(func.count()).select_from(User)) == 0


def test_one_address_is_one_account_in_any_case_and_to_sixteen_at_once(client, app):
    def sign_up():
        with db.unit_of_work():
            return world.accounts.sign_up(world.accounts.SignUpIn(**NEW), ip=None).id

    answers, refusals = at_once(app, [sign_up] * 16)
    assert len(answers) == 1
    assert {refusal.code for refusal in refusals} == {"EMAIL_TAKEN"}
    again = post(client, "/signup", {**NEW, "email": "ASHA@ACME.TEST"})
    assert (again.status_code, "There is an account with this address already" in again.text) == (422, True)


def test_a_wrong_password_and_an_unknown_address_get_the_same_answer(client, app):
    with app.app_context():
        world.make_user("asha@acme.test")
    known = post(client, "/signin/password", {"email": "asha@acme.test", "password": "wrong wrong wrong"})
    unknown = post(client, "/signin/password", {"email": "eve@acme.test", "password": "wrong wrong wrong"})
    assert known.status_code == unknown.status_code == 422
    assert "The e-mail address or the password is wrong." in known.text
    words = [re.sub(r'value="[^"]*"|email=[^"]*|"X-CSRFToken": "[^"]*"', "", answer.text) for answer in (known, unknown)]
    assert words[0] == words[1]


def test_signing_in_makes_a_new_cookie_and_signing_out_ends_it_on_the_server(client, app):
    with app.app_context():
        user = world.make_user("asha@acme.test")
    client.get("/signin")
    before = client.get_cookie("portal").value if client.get_cookie("portal") else ""
    world.sign_in(client, user)
    cookie = client.get_cookie("portal")
    assert cookie.value != before
    assert (cookie.http_only, cookie.same_site) == (True, "Lax")
    stolen = app.test_client()
    stolen.set_cookie("portal", cookie.value)
    assert stolen.get("/api/auth/me").status_code == 200
    assert client.post("/signout", headers=world.csrf(client)).status_code == 303
    assert stolen.get("/api/auth/me").status_code == 401


def test_a_sign_in_ends_after_two_weeks(client, app):
    with app.app_context():
        user = world.make_user("asha@acme.test")
    world.sign_in(client, user)
    with app.app_context():
        token = world.accounts.open_session(user, ip=None, user_agent=None)
        with clock.as_of(clock.now() + timedelta(days=14)):
            assert world.accounts.queries.user_of_session(token) is None


def test_a_forgotten_password_is_set_anew_once_and_signs_out_everywhere(client, rung, app, settings):
    with app.app_context():
        user = world.make_user("asha@acme.test")
    world.sign_in(client, user)
    other = app.test_client()
    known, unknown = (post(other, "/forgot", {"email": email}).text for email in ("asha@acme.test", "eve@acme.test"))
    assert "a link is on its way there" in known
    assert re.sub("asha@", "eve@", re.sub('Token": "[^"]*', "", known)) == re.sub('Token": "[^"]*', "", unknown)
    link = mailed_link(app, rung, settings, "reset")
    weak = post(other, link, {"password": "short"})
    assert (weak.status_code, "at least 10 characters" in weak.text) == (422, True)
    assert post(other, link, {"password": "another long password"}).status_code == 303
    assert client.get("/api/auth/me").status_code == 401
    with app.app_context():
        assert db.session.scalar(select(func.count()).select_from(LoginSession).where(LoginSession.ended_at.is_(None))) == 0
    assert post(other, "/signin/password", {"email": "asha@acme.test", "password": "another long password"}).status_code == 303
    used = other.get(link)
    assert (used.status_code, "This link was used already." in used.text) == (410, True)


def test_a_link_that_is_late_or_unknown_says_so_kindly(client, rung, app, settings, monkeypatch):
    with app.app_context():
        world.make_user("asha@acme.test")
    post(client, "/forgot", {"email": "asha@acme.test"})
    link = mailed_link(app, rung, settings, "reset")
    late = clock.now() + timedelta(hours=3)
    monkeypatch.setattr(clock, "now", lambda: late)
    answer = client.get(link)
    assert (answer.status_code, "This link has expired." in answer.text) == (410, True)
    assert client.get(link + "x").status_code == 404
    assert client.get(link.replace("reset", "verify")).status_code == 404, "a link for one thing opens no other"


NOT_OURS = ["https://evil.test", "//evil.test", "/\\evil.test", "javascript:alert(1)", "orgs", "/a\nb", "\\\\evil.test"]


@pytest.mark.parametrize("target", NOT_OURS)
def test_next_leads_nowhere_else(client, app, target):
    with app.app_context():
        world.make_user("asha@acme.test")
    data = {"email": "asha@acme.test", "password": world.PASSWORD, "next": target}
    assert post(client, "/signin/password", data).location == "/orgs"


def test_next_leads_back_to_where_one_came_from(client, app):
    with app.app_context():
        world.make_user("asha@acme.test")
    assert client.get("/orgs/acme/billing?q=1").location == "/signin?next=/orgs/acme/billing%3Fq%3D1"
    data = {"email": "asha@acme.test", "password": world.PASSWORD, "next": "/account?x=1"}
    assert post(client, "/signin/password", data).location == "/account?x=1"


def test_the_api_signs_up_in_and_out(client):
    headers = world.csrf(client)
    made = client.post("/api/auth/signup", json=NEW, headers=headers)
    assert made.status_code == 201
    assert made.json["user"].keys() == {"id", "name", "email", "platformRole", "createdAt"}
    assert (made.json["user"]["email"], made.json["user"]["platformRole"]) == ("asha@acme.test", "USER")
    assert client.get("/api/auth/me").json == {"user": made.json["user"], "memberships": []}
    assert client.post("/api/auth/logout", headers=world.csrf(client)).status_code == 200
    assert client.get("/api/auth/me").json["code"] == "UNAUTHENTICATED"
    login = {"email": "asha@acme.test", "password": "wrong wrong wrong"}
    refused = client.post("/api/auth/login", json=login, headers=world.csrf(client))
    assert (refused.status_code, refused.json["code"]) == (401, "WRONG_CREDENTIALS")
    taken = client.post("/api/auth/signup", json=NEW, headers=world.csrf(client))
    assert (taken.status_code, taken.json["code"], list(taken.json["details"])) == (409, "EMAIL_TAKEN", ["email"])
