"""Invitations against PostgreSQL: one open one an address, one membership an acceptance, one mail a row."""

from datetime import timedelta

import pytest
from sqlalchemy import func, select

from portal import clock, crypto, db
from portal.errors import Conflict, Forbidden, Gone, NotFound
from portal.gateways import mail
from portal.invites import queries
from portal.invites.models import Invitation, InvitationImport
from portal.invites.rules import Verdict
from portal.invites.rules.states import InvitationStatus
from portal.invites.schemas import InvitationIn
from portal.invites.service import changes, imports, invitations, mails, verdicts
from portal.orgs.models import Membership
from portal.orgs.rules import Role, invitable_roles
from tests.support import world
from tests.support.together import at_once

PEOPLE = [invitations.Person("asha@acme.test", "Asha", Role.ORG_LEARNER)]


@pytest.fixture
def acme(rung, app):
    with app.app_context():
        yield world.make_organization(world.make_user("owner@acme.test"))


def invite(organization, people=PEOPLE):
    owner = world.accounts.queries.user_by_email("owner@acme.test")
    with db.unit_of_work():
        made = invitations.invite(organization, people, inviter=owner, actor=world.as_self(owner))
    return [invitation_id for invitation_id, _email in made]


def token(invitation_id):
    return mails.token_by_id(invitation_id)


def accept(invitation_token, user):
    with db.unit_of_work():
        return invitations.accept(invitation_token, user=user, ip=None).id


def around(organization):
    return verdicts.surroundings(
        organization, allowed_roles=invitable_roles(organization.kind, inviter=Role.ORG_OWNER, provider_orgs=False)
    )


def test_only_the_hash_of_a_token_is_stored(acme):
    [made] = invite(acme)
    row = db.session.get_one(Invitation, made)
    secret = token(made)
    assert row.token_hash == crypto.hash_token(secret)
    assert secret not in {row.nonce, row.id, row.token_hash}


def test_inviting_twice_or_sixteen_times_at_once_makes_one(acme, app):
    def one_more():
        return len(invite(acme))

    answers, refusals = at_once(app, [one_more] * 16)
    assert (sum(answers), refusals) == (1, [])


def test_accepting_sixteen_times_at_once_makes_one_membership(acme, app):
    secret = token(invite(acme)[0])
    user = world.make_user("asha@acme.test")
    answers, refusals = at_once(app, [lambda: accept(secret, user)] * 16)
    assert len(answers) == 1
    assert {refusal.code for refusal in refusals} == {"INVITATION_ALREADY_ACCEPTED"}
    assert db.session.scalar(select(func.count()).select_from(Membership).where(Membership.user_id == user.id)) == 1


def test_accepting_verifies_the_address(acme):
    secret = token(invite(acme)[0])
    with db.unit_of_work():
        data = world.accounts.SignUpIn(name="Asha", email="ASHA@acme.test", password="a good long password")
        user = world.accounts.sign_up(data, ip=None)
    assert user.email_verified_at is None
    accept(secret, user)
    assert user.email_verified_at is not None


def test_refusals_say_which_and_change_nothing(acme):
    [made] = invite(acme)
    secret = token(made)
    stranger = world.make_user("stranger@other.test")
    with pytest.raises(Forbidden) as mismatch:
        accept(secret, stranger)
    with pytest.raises(NotFound) as unknown:
        accept("x" * 43, stranger)
    asha = world.make_user("asha@acme.test")
    with clock.as_of(clock.now() + timedelta(days=14)), pytest.raises(Gone) as expired:
        accept(secret, asha)
    with db.unit_of_work():
        changes.revoke(made, organization=acme, actor=world.as_self(asha))
    with pytest.raises(Gone) as revoked:
        accept(secret, asha)
    codes = [error.value.code for error in (mismatch, unknown, expired, revoked)]
    assert codes == ["EMAIL_MISMATCH", "INVITATION_NOT_FOUND", "INVITATION_EXPIRED", "INVITATION_REVOKED"]
    assert db.session.scalar(select(func.count()).select_from(Membership)) == 1


def test_resending_ends_the_old_link(acme):
    [made] = invite(acme)
    old = token(made)
    actor = world.as_self(world.accounts.queries.user_by_email("owner@acme.test"))
    with db.unit_of_work():
        changes.resend(made, organization=acme, actor=actor)
    assert queries.by_token(old) is None
    asha = world.make_user("asha@acme.test")
    accept(token(made), asha)
    with pytest.raises(Conflict) as closed, db.unit_of_work():
        changes.resend(made, organization=acme, actor=actor)
    assert closed.value.code == "INVITATION_CLOSED"


def test_the_mail_names_inviter_organization_role_and_link_and_goes_once(acme, rung, settings):
    [made] = invite(acme)
    world.work_off(rung)
    db.session.expire_all()
    row = db.session.get_one(Invitation, made)
    assert (row.delivery, row.delivery_attempts) == (mail.Delivery.SENT, 1)
    text = (settings.portal_home / "mail" / f"{made}.eml").read_text()
    for words in ("Owner invites you to Acme", "Learner", f"/organizations/invite/{token(made)}"):
        assert words in text.replace("=\n", "").replace("=3D", "="), words
    with db.unit_of_work():
        assert mails.send(made) is False


def test_revoking_stops_a_mail_that_has_not_gone(acme, rung, settings):
    [made] = invite(acme)
    with db.unit_of_work():
        changes.revoke(made, organization=acme, actor=world.as_self(world.make_user("a@acme.test")))
    world.work_off(rung)
    assert not (settings.portal_home / "mail" / f"{made}.eml").exists()


def test_a_mail_that_fails_is_tried_again_and_given_up_at_last(acme, rung, monkeypatch):
    [made] = invite(acme)

    def refuse(_message):
        raise mail.MailFailed("421 try later")

    monkeypatch.setattr(mail, "send", refuse)
    at = clock.now()
    for attempt in range(1, 7):
        with clock.as_of(at), db.unit_of_work():
            assert mails.send(made) is False
        db.session.expire_all()
        row = db.session.get_one(Invitation, made)
        assert (row.delivery_attempts, row.delivery_error) == (attempt, "421 try later")
        with clock.as_of(at), db.unit_of_work():
            assert mails.send(made) is False, "it isn't due again yet"
        at = row.delivery_due_at
    assert row.delivery is mail.Delivery.FAILED


def test_a_killed_worker_s_mail_is_due_again_when_its_claim_has_run_out(acme, rung, monkeypatch):
    [made] = invite(acme)

    def die(_message):
        raise SystemExit(9)

    with monkeypatch.context() as patched:
        patched.setattr(mail, "send", die)
        with pytest.raises(SystemExit), db.unit_of_work():
            mails.send(made)
    assert made not in queries.invitations_to_deliver(clock.now(), limit=10)
    later = clock.now() + mail.CLAIM
    assert made in queries.invitations_to_deliver(later, limit=10)
    with clock.as_of(later), db.unit_of_work():
        assert mails.send(made) is True


def test_the_expiry_job_closes_what_is_over(acme):
    [made] = invite(acme)
    with clock.as_of(clock.now() + timedelta(days=15)), db.unit_of_work():
        assert invitations.expire() == 1
    db.session.expire_all()
    assert db.session.get_one(Invitation, made).status is InvitationStatus.EXPIRED
    assert len(invite(acme)) == 1


def test_one_invitation_by_api_renews_an_open_one(acme):
    owner = world.accounts.queries.user_by_email("owner@acme.test")
    data = InvitationIn(email="Asha@Acme.test", role=Role.ORG_LEARNER)
    arguments = {"organization": acme, "inviter": owner, "actor": world.as_self(owner)}
    with db.unit_of_work():
        first, is_new = invitations.invite_one(data, **arguments)
        secret = mails.token_of(first)
    with db.unit_of_work():
        second, is_new_again = invitations.invite_one(data, **arguments)
        assert (is_new, is_new_again, second.id) == (True, False, first.id)
        assert mails.token_of(second) != secret
    with pytest.raises(Conflict) as refused, db.unit_of_work():
        invitations.invite_one(InvitationIn(email="owner@acme.test", role=Role.ORG_LEARNER), **arguments)
    assert refused.value.code == "ALREADY_MEMBER"


def test_a_file_is_previewed_and_then_sent_once(acme, rung):
    owner = world.accounts.queries.user_by_email("owner@acme.test")
    lines = ("Work Email;Employee Name;Role", "dev@acme.test;Dev;Learner", "owner@acme.test;O;", "not-an-address;X;", "dev@acme.test;Dev;")
    content = "\ufeff" + "\r\n".join(lines)
    with db.unit_of_work():
        upload = imports.Upload("hr.csv", content.encode())
        batch = imports.stage(upload, default_role=Role.ORG_LEARNER, around=around(acme), creator=owner)
    assert queries.import_counts(batch.id) == {
        Verdict.NEW: 1,
        Verdict.DUPLICATE_IN_FILE: 1,
        Verdict.ALREADY_MEMBER: 1,
        Verdict.INVALID_EMAIL: 1,
    }
    assert db.session.scalar(select(func.count()).select_from(Invitation)) == 0
    sent = []
    for _click in range(2):
        with db.unit_of_work():
            sent.append(imports.confirm(batch.id, around=around(acme), inviter=owner, actor=world.as_self(owner)))
    assert sent == [1, 0]
    world.work_off(rung)
    assert queries.import_progress(batch.id).is_done
    assert db.session.get_one(InvitationImport, batch.id).file_name == "hr.csv"
