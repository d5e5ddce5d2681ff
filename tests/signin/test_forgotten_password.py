"""A forgotten password: a mailed link that works once, for two hours, and signs out everywhere."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from portal import clock, db
from portal.accounts.models import MailedLink
from portal.audit.models import AuditRow
from portal.audit.rules import Action
from tests.support import world
from tests.support.mailbox import link_in, mails
from tests.support.pages import Visitor
from tests.support.together import at_once

NOON = datetime(2026, 10, 12, 12, tzinfo=UTC)
NEW = "an entirely new password"


@pytest.fixture
def asha(rung, app, request):
    """A user whose address no other test writes to, as the folder of mails outlives a test."""
    with app.app_context():
        return world.make_user(f"asha-{abs(hash(request.node.nodeid))}@forgot.test")


def asked(app, settings, rung, email: str) -> str:
    """Asks for a link and returns the newest one's path."""
    page = Visitor(app).get("/forgot").submit("/forgot", email=email)
    assert page.heading == "Look into your mailbox"
    with app.app_context():
        world.work_off(rung)
    return link_in(mails(settings, email.lower())[-1], base_url=settings.base_url)


def signs_in(app, user, password: str) -> bool:
    client = app.test_client()
    answer = client.post("/api/auth/login", json={"email": user.email, "password": password}, headers=world.csrf(client))
    return answer.status_code == 200


def test_a_new_password_is_set_by_the_mailed_link_and_ends_every_sign_in(app, settings, rung, asha):
    elsewhere = world.sign_in(app.test_client(), asha)
    path = asked(app, settings, rung, asha.email.upper())
    visitor = Visitor(app).get(path)
    assert (visitor.heading, asha.email in visitor.words) == ("Choose a new password", True)
    visitor.submit(path, password=NEW)
    assert "Your new password is set, and every browser was signed out. Sign in with it now." in visitor.words
    assert visitor.path.startswith("/signin?email=")
    assert elsewhere.get("/account").status_code == 303
    assert (signs_in(app, asha, world.PASSWORD), signs_in(app, asha, NEW)) == (False, True)
    with app.app_context():
        [row] = db.session.scalars(select(AuditRow).where(AuditRow.action == Action.PASSWORD_CHANGED)).all()
    assert (row.actor_user_id, NEW in str(vars(row))) == (asha.id, False)


def test_a_used_link_is_over(app, settings, rung, asha):
    path = asked(app, settings, rung, asha.email)
    visitor = Visitor(app).get(path).submit(path, password=NEW)
    assert "This link was used already. Ask for a new one." in visitor.get(path, status=410).words
    answer = visitor.client.post(path, data={"password": "yet another password"}, headers=world.csrf(visitor.client))
    assert answer.status_code == 410
    assert signs_in(app, asha, NEW)


def test_a_link_is_over_after_two_hours(app, settings, rung, asha):
    with clock.as_of(NOON):
        path = asked(app, settings, rung, asha.email)
    with clock.as_of(NOON + timedelta(hours=2) - timedelta(seconds=1)):
        visitor = Visitor(app).get(path)
    with clock.as_of(NOON + timedelta(hours=2)):
        visitor.submit(path, status=410, password=NEW)
        assert "This link has expired. Ask for a new one." in visitor.words
    assert signs_in(app, asha, world.PASSWORD)


def test_a_weak_password_leaves_the_link_unused(app, settings, rung, asha):
    path = asked(app, settings, rung, asha.email)
    visitor = Visitor(app).get(path).submit(path, status=422, password="short")
    assert "Use at least 10 characters" in visitor.words
    visitor.submit(path, status=422, password="")
    visitor.submit(path, password=NEW)
    assert signs_in(app, asha, NEW)


def test_an_unknown_address_gets_the_same_answer_and_no_mail(app, rung, asha):
    known = Visitor(app).get("/forgot").submit("/forgot", email=asha.email)
    unknown = Visitor(app).get("/forgot").submit("/forgot", email="nobody@forgot.test")
    assert known.words.replace(asha.email, "nobody@forgot.test") == unknown.words
    assert len(rung) == 1
    Visitor(app).get("/forgot").submit("/forgot", status=422, email="nobody")


def test_the_mailed_link_proves_the_address(app, settings, rung):
    person = {"name": "New", "email": "proof@forgot.test", "password": "a good long password"}
    Visitor(app).get("/signup").submit("/signup", **person)
    path = asked(app, settings, rung, person["email"])
    Visitor(app).get(path).submit(path, password=NEW)
    with app.app_context():
        assert world.accounts.queries.user_by_email(person["email"]).email_verified_at is not None


def test_two_uses_of_one_link_at_once_set_one_password(app, settings, rung, asha):
    path = asked(app, settings, rung, asha.email)
    clients = [app.test_client() for _ in range(4)]
    tokens = [world.csrf(client) for client in clients]
    passwords = [f"password number {number}" for number in range(4)]

    def use(client, headers, password):
        return lambda: client.post(path, data={"password": password}, headers=headers).status_code

    answers, refusals = at_once(app, [use(*each) for each in zip(clients, tokens, passwords, strict=True)])
    assert (sorted(answers), refusals) == ([303, 410, 410, 410], [])
    assert sum(signs_in(app, asha, password) for password in passwords) == 1


def test_a_link_holds_no_secret_of_the_database(app, settings, rung, asha):
    token = asked(app, settings, rung, asha.email).rpartition("/")[2]
    with app.app_context():
        [row] = db.session.scalars(select(MailedLink)).all()
    assert token not in str(vars(row))
    assert row.nonce not in token
