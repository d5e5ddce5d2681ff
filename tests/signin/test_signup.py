"""Signing up: an account, a mailed link, and an address that only a button's press verifies."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, select

from portal import clock, db
from portal.accounts import queries
from portal.accounts.models import MailedLink, User
from portal.accounts.schemas import SignUpIn
from tests.support import world
from tests.support.mailbox import link_in, mails
from tests.support.pages import Visitor
from tests.support.together import at_once

NOON = datetime(2026, 10, 12, 12, tzinfo=UTC)
BANNER = "Please confirm your e-mail address"


def sign_up(app, email: str, *, name: str = "Asha Rao", password: str = "a good long password") -> Visitor:
    return Visitor(app).get("/signup").submit("/signup", name=name, email=email, password=password)


def mailed_link(app, settings, rung, email: str) -> str:
    with app.app_context():
        world.work_off(rung)
    return link_in(mails(settings, email)[-1], base_url=settings.base_url)


def is_verified(app, email: str) -> bool:
    with app.app_context():
        return queries.user_by_email(email).email_verified_at is not None


def test_signing_up_signs_in_and_the_mailed_link_verifies_by_a_press_of_its_button(app, settings, rung):
    visitor = sign_up(app, "press@signup.test")
    assert visitor.path == "/welcome"
    assert "We have sent a link to press@signup.test; open it to confirm the address." in visitor.words
    assert BANNER in visitor.words
    assert "Not yet" in visitor.get("/account").words
    path = mailed_link(app, settings, rung, "press@signup.test")
    scanner = Visitor(app).get(path)
    assert scanner.heading == "Confirm your e-mail address"
    assert not is_verified(app, "press@signup.test")
    assert "Thank you. press@signup.test is confirmed." in visitor.get(path).submit(path).words
    assert is_verified(app, "press@signup.test")
    assert "Not yet" not in visitor.get("/account").words
    assert BANNER not in visitor.get("/welcome").words


def test_a_used_link_says_so_when_opened_and_a_second_press_is_harmless(app, settings, rung):
    visitor = sign_up(app, "twice@signup.test")
    path = mailed_link(app, settings, rung, "twice@signup.test")
    visitor.get(path).submit(path)
    assert "This link was used already." in visitor.get(path, status=410).words
    assert visitor.client.post(path, headers=world.csrf(visitor.client)).status_code == 303


def test_a_link_ends_after_seven_days_and_a_new_one_can_be_asked_for(app, settings, rung):
    with clock.as_of(NOON):
        visitor = sign_up(app, "late@signup.test")
        old = mailed_link(app, settings, rung, "late@signup.test")
    with clock.as_of(NOON + timedelta(days=7) - timedelta(seconds=1)):
        visitor.get(old)
    with clock.as_of(NOON + timedelta(days=7)):
        assert "This link has expired." in visitor.get(old, status=410).words
        assert visitor.client.post(old, headers=world.csrf(visitor.client)).status_code == 410
        assert not is_verified(app, "late@signup.test")
        visitor.get("/account")
        answer = visitor.client.post("/verify/resend", headers=world.csrf(visitor.client))
        assert answer.status_code == 303
        new = mailed_link(app, settings, rung, "late@signup.test")
        assert new != old
        visitor.get(new).submit(new)
    assert is_verified(app, "late@signup.test")


def test_a_verified_user_is_sent_no_further_link(app, rung):
    with app.app_context():
        user = world.make_user("done@signup.test")
    client = world.sign_in(app.test_client(), user)
    answer = client.post("/verify/resend", headers=world.csrf(client))
    assert answer.status_code == 409
    assert "verified already" in answer.text
    assert rung == []


@pytest.mark.parametrize("token", ["nonsense", "x" * 500, "%00", "✓"])
def test_a_link_that_is_not_ours_says_what_to_do(app, tables, token):
    assert "Copy the whole address from the mail" in Visitor(app).get(f"/verify/{token}", status=404).words
    assert "Copy the whole address from the mail" in Visitor(app).get(f"/reset/{token}", status=404).words


def test_a_link_of_one_purpose_is_worth_nothing_for_the_other(app, settings, rung):
    sign_up(app, "purpose@signup.test")
    path = mailed_link(app, settings, rung, "purpose@signup.test")
    assert Visitor(app).get(path.replace("/verify/", "/reset/"), status=404).answer.status_code == 404


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"name": ""}, "Fill this in."),
        ({"email": "asha"}, "Write a whole e-mail address, such as asha@example.com."),
        ({"email": "a@b@c.test"}, "Write a whole e-mail address, such as asha@example.com."),
        ({"email": f"{'a' * 250}@b.test"}, "This is too long: at most 254 characters are kept."),
        ({"password": "short"}, "Use at least 10 characters; a few words are easiest to remember."),
        ({"password": "aaaaaaaaaaaa"}, "This password is too easy to guess. Choose another."),
        ({"password": "Weak@Signup.test"}, "This password is too easy to guess. Choose another."),
        ({"password": "x" * 201}, "This is too long: at most 200 characters are kept."),
    ],
)
def test_what_is_wrong_stands_beside_its_field_and_no_account_is_made(app, rung, fields, sentence):
    whole = {"name": "Asha Rao", "email": "weak@signup.test", "password": "a good long password"} | fields
    visitor = Visitor(app).get("/signup").submit("/signup", status=422, **whole)
    assert sentence in visitor.words
    field = next(iter(fields))
    inputs = {item.get("name"): item for item in visitor.form("/signup").iter() if item.get("name")}
    assert inputs[field].get("aria-invalid") == "true"
    assert not inputs["password"].get("value")
    with app.app_context():
        assert db.session.scalar(select(func.count()).select_from(User)) == 0
    assert rung == []


def test_an_address_has_one_account_in_whatever_case_it_is_written(app, rung):
    sign_up(app, "Asha.Rao@Signup.Test")
    visitor = Visitor(app).get("/signup")
    visitor.submit("/signup", status=422, name="Other", email=" asha.rao@SIGNUP.test ", password="another good password")
    assert "There is an account with this address already. Sign in, or set a new password." in visitor.words
    with app.app_context():
        assert db.session.scalars(select(User.email)).all() == ["asha.rao@signup.test"]


def test_two_sign_ups_at_once_on_one_address_make_one_account(app, rung):
    visitors = [Visitor(app).get("/signup") for _ in range(4)]
    clients = [app.test_client() for _ in range(4)]
    tokens = [world.csrf(client) for client in clients]
    forms = [
        {"csrf_token": next(item.get("value") for item in visitor.form("/signup").iter() if item.get("name") == "csrf_token")}
        for visitor in visitors
    ]
    person = {"name": "Asha", "email": "race@signup.test", "password": "a good long password"}

    def by_page(visitor, form):
        return lambda: visitor.client.post("/signup", data=person | form).status_code

    def by_api(client, headers):
        return lambda: client.post("/api/auth/signup", json=person, headers=headers).status_code

    acts = [by_page(*pair) for pair in zip(visitors, forms, strict=True)] + [by_api(*pair) for pair in zip(clients, tokens, strict=True)]
    answers, refusals = at_once(app, acts)
    assert refusals == []
    assert sum(status in {201, 303} for status in answers) == 1, answers
    assert set(answers) <= {201, 303, 409, 422}
    with app.app_context():
        assert db.session.scalar(select(func.count()).select_from(User)) == 1
        assert db.session.scalar(select(func.count()).select_from(MailedLink)) == 1
    assert len(rung) == 1


def test_sixteen_at_once_are_one_who_was_first_and_fifteen_who_are_told(app, rung):
    def act():
        with db.unit_of_work():
            person = SignUpIn(name="Asha", email="race@signup.test", password="a good long password")
            return world.accounts.sign_up(person, ip=None).id

    answers, refusals = at_once(app, [act] * 16)
    assert (len(answers), [refusal.code for refusal in refusals]) == (1, ["EMAIL_TAKEN"] * 15)
