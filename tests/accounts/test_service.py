"""Accounts: passwords and sign-ins at rest, links and their mails."""

from datetime import UTC, datetime, timedelta

import pytest
from argon2 import PasswordHasher
from sqlalchemy import select

from portal import clock, crypto, db
from portal.accounts import queries, service
from portal.accounts.models import LoginSession, MailedLink, User
from portal.accounts.rules import LinkPurpose, PlatformRole
from portal.accounts.schemas import SignInIn, SignUpIn
from portal.audit.models import AuditRow
from portal.audit.rules import SYSTEM, Action
from portal.errors import Conflict, NotFound, Unauthenticated
from portal.gateways.mail import Delivery
from tests.support import world
from tests.support.mailbox import mails

NOON = datetime(2026, 10, 12, 12, tzinfo=UTC)


@pytest.fixture
def here(rung, app):
    with app.app_context():
        yield


def sign_up(email="asha@acme.test") -> User:
    with db.unit_of_work():
        return service.sign_up(SignUpIn(name="Asha", email=email, password="a good long password"), ip="203.0.113.9")


def test_a_password_is_kept_as_argon2id_alone(here):
    user = sign_up()
    assert user.password_hash.startswith("$argon2id$")
    assert "a good long password" not in str(vars(user))


def test_what_signing_up_leaves_behind(here, rung):
    user = sign_up()
    assert (user.platform_role, user.email_verified_at) == (PlatformRole.USER, None)
    [row] = db.session.scalars(select(AuditRow)).all()
    assert (row.action, row.actor_user_id, row.subject_id, row.ip) == (Action.USER_SIGNED_UP, user.id, user.id, "203.0.113.9")
    [link] = db.session.scalars(select(MailedLink)).all()
    assert (link.user_id, link.purpose, link.delivery) == (user.id, LinkPurpose.VERIFY_EMAIL, Delivery.QUEUED)
    assert [(bell.name, bell.ids) for bell in rung] == [("accounts-send-link", (link.id,))]


def test_an_unknown_address_costs_as_much_as_a_known_one(here, monkeypatch):
    sign_up()
    verified = []

    class Counting(PasswordHasher):
        def verify(self, stored, password):
            verified.append(stored)
            return super().verify(stored, password)

    monkeypatch.setattr(service, "_hasher", Counting(time_cost=1, memory_cost=8, parallelism=1))
    for email in ("asha@acme.test", "nobody@acme.test"):
        with pytest.raises(Unauthenticated, match="The e-mail address or the password is wrong"):
            service.sign_in(SignInIn(email=email, password="not the password"))
    assert len(verified) == 2
    assert all(stored.startswith("$argon2id$v=19$m=8,t=1,p=1$") for stored in verified)


def test_a_user_without_a_password_signs_in_with_none(here):
    with db.unit_of_work():
        service.create_user(email="sso@acme.test", name="Sso", password=None, role=PlatformRole.USER, actor=SYSTEM)
    for password in ("x", "a good long password"):
        with pytest.raises(Unauthenticated):
            service.sign_in(SignInIn(email="sso@acme.test", password=password))


def test_a_hash_of_an_older_cost_is_made_anew_at_the_next_sign_in(here, monkeypatch):
    user = sign_up()
    old = user.password_hash
    monkeypatch.setattr(service, "_hasher", PasswordHasher(time_cost=2, memory_cost=16, parallelism=1))
    with db.unit_of_work():
        service.sign_in(SignInIn(email=user.email, password="a good long password"))
    db.session.expire_all()
    new = db.session.get_one(User, user.id).password_hash
    assert new != old
    assert new.startswith("$argon2id$v=19$m=16,t=2,p=1$")


def test_a_sign_in_is_found_by_its_token_until_it_ends(here):
    user = sign_up()
    with db.unit_of_work():
        token = service.open_session(user, ip="203.0.113.9", user_agent="x" * 1000)
        other = service.open_session(user, ip=None, user_agent="")
    assert queries.user_of_session(token).get_id() == token
    assert [len(row.user_agent or "") for row in db.session.scalars(select(LoginSession).order_by(LoginSession.id))] == [300, 0]
    with db.unit_of_work():
        service.close_session(token)
        service.close_session(token)
        service.close_session("")
    assert queries.user_of_session(token) is None
    assert queries.user_of_session(other) is not None
    with db.unit_of_work():
        service.close_all_sessions(user.id)
    assert queries.user_of_session(other) is None
    assert queries.user_of_session("") is None


def test_a_link_is_mailed_once_however_often_its_job_runs(here, rung, settings):
    with clock.as_of(NOON):
        sign_up("once@accounts.test")
        [bell] = rung
        world.work_off(rung)
        [message] = mails(settings, "once@accounts.test")
        assert service.send_link(*bell.ids) is False
    assert message["Subject"] == "Confirm your e-mail address"
    assert message["Date"].datetime == NOON
    text = message.get_body(("plain",)).get_content()
    assert "19 October 2026" in text or "19 Oct 2026" in text
    link = db.session.get_one(MailedLink, bell.ids[0])
    assert (link.delivery, link.delivered_at) == (Delivery.SENT, NOON)


def test_a_used_link_is_not_mailed_any_more(here, rung, settings):
    sign_up("used@accounts.test")
    [bell] = rung
    link = db.session.get_one(MailedLink, bell.ids[0])
    with db.unit_of_work():
        service.verify_email(crypto.derive_token(link.purpose, link.id, link.nonce))
    db.session.expire_all()
    assert service.send_link(*bell.ids) is False
    assert mails(settings, "used@accounts.test") == []


def test_what_an_operator_makes_is_verified_and_recorded(here):
    with db.unit_of_work():
        user = service.create_user(
            email="Ops@Acme.test", name="Ops", password="a good long password", role=PlatformRole.STAFF, actor=SYSTEM
        )
    assert (user.email, user.email_verified_at) == ("ops@acme.test", user.created_at)
    with pytest.raises(Conflict) as refused, db.unit_of_work():
        service.create_user(email="OPS@acme.test", name="Ops", password=None, role=PlatformRole.USER, actor=SYSTEM)
    assert refused.value.code == "EMAIL_TAKEN"
    with db.unit_of_work():
        service.change_platform_role(email="ops@acme.test", role=PlatformRole.ADMIN, actor=SYSTEM)
    [row] = db.session.scalars(select(AuditRow).where(AuditRow.action == Action.PLATFORM_ROLE_CHANGED)).all()
    assert (row.before, row.after) == ({"platformRole": "STAFF"}, {"platformRole": "ADMIN"})
    with pytest.raises(NotFound), db.unit_of_work():
        service.change_platform_role(email="nobody@acme.test", role=PlatformRole.ADMIN, actor=SYSTEM)


def test_a_newer_link_leaves_an_older_one_working_until_it_ends(here):
    with clock.as_of(NOON):
        user = sign_up()
    with clock.as_of(NOON + timedelta(hours=1)), db.unit_of_work():
        service.resend_verification(user)
    tokens = [crypto.derive_token(link.purpose, link.id, link.nonce) for link in db.session.scalars(select(MailedLink))]
    with clock.as_of(NOON + timedelta(hours=2)):
        assert {service.usable_link(token, LinkPurpose.VERIFY_EMAIL).user_id for token in tokens} == {user.id}
