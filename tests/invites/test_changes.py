"""Many invitations at once: sent again, taken back, and put back."""

from datetime import timedelta

import pytest
from sqlalchemy import func, select

from portal import clock, db
from portal.audit.models import AuditRow
from portal.audit.rules import Action
from portal.errors import Conflict, Invalid, NotFound
from portal.gateways import mail
from portal.invites.models import Invitation
from portal.invites.rules.states import InvitationStatus
from portal.invites.service import changes, invitations, mails
from portal.orgs.rules import Role
from tests.support import world
from tests.support.lint import problems
from tests.support.pages import PARTIAL, Visitor
from tests.support.together import at_once

ADDRESSES = [f"person{number}@acme.test" for number in range(6)]


@pytest.fixture
def acme(rung, app):
    with app.app_context():
        yield world.make_organization(world.make_user("owner@acme.test"))


def as_owner():
    return world.as_self(world.accounts.queries.user_by_email("owner@acme.test"))


def invite(organization, addresses=ADDRESSES):
    owner = world.accounts.queries.user_by_email("owner@acme.test")
    people = [invitations.Person(address, None, Role.ORG_LEARNER) for address in addresses]
    with db.unit_of_work():
        made = invitations.invite(organization, people, inviter=owner, actor=world.as_self(owner))
    return {email: invitation_id for invitation_id, email in made}


def act(what, organization, ids):
    with db.unit_of_work():
        return what(ids, organization=organization, actor=as_owner())


def restore(organization, at):
    with db.unit_of_work():
        return changes.restore(at, organization=organization, actor=as_owner())


def standing():
    db.session.expire_all()
    return {row.email: row.status for row in db.session.scalars(select(Invitation))}


def logged(action):
    return db.session.scalar(select(func.count()).select_from(AuditRow).where(AuditRow.action == action))


def test_one_person_after_another_is_invited_on_one_connection(acme):
    """PostgreSQL prepares a statement that it sees often, and then infers an index from constants only."""
    for address in ADDRESSES + [f"more{number}@acme.test" for number in range(6)]:
        assert len(invite(acme, [address])) == 1
    assert invite(acme, ADDRESSES[:1]) == {}


def test_resending_many_renews_each_and_says_which_stay(acme, rung):
    ids = invite(acme)
    old = {email: mails.token_by_id(one) for email, one in ids.items()}
    act(changes.revoke_many, acme, [ids["person0@acme.test"]])
    rung.clear()
    outcome = act(changes.resend_many, acme, list(ids.values()))
    assert {row.email for row in outcome.changed} == set(ADDRESSES[1:])
    assert [(row.email, refusal.code) for row, refusal in outcome.refused] == [("person0@acme.test", "INVITATION_CLOSED")]
    db.session.expire_all()
    new = {email: mails.token_by_id(one) for email, one in ids.items()}
    assert {email for email in ids if old[email] == new[email]} == {"person0@acme.test"}
    assert [len(bell.ids) for bell in rung if bell.name == "invites-send"] == [5]
    assert logged(Action.INVITATION_RESENT) == 5


def test_expired_ones_open_again_unless_a_newer_one_is_open(acme):
    ids = invite(acme)
    with clock.as_of(clock.now() + timedelta(days=15)), db.unit_of_work():
        invitations.expire()
    invite(acme, ADDRESSES[:1])
    outcome = act(changes.resend_many, acme, list(ids.values()))
    assert len(outcome.changed) == 5
    assert [refusal.code for _row, refusal in outcome.refused] == ["ALREADY_INVITED"]


def test_what_one_act_took_back_is_put_back_together(acme, rung):
    ids = invite(acme)
    act(changes.revoke_many, acme, [ids["person5@acme.test"]])
    outcome = act(changes.revoke_many, acme, list(ids.values()))
    assert len(outcome.changed) == 5
    assert [refusal.code for _row, refusal in outcome.refused] == ["INVITATION_REVOKED"]
    world.work_off(rung)
    assert db.session.scalars(select(Invitation.delivery)).all() == [mail.Delivery.QUEUED] * 6
    rung.clear()
    at = outcome.changed[0].revoked_at
    back = restore(acme, at)
    assert sorted(row.email for row in back.changed) == ADDRESSES[:5]
    assert {email for email, status in standing().items() if status is InvitationStatus.REVOKED} == {"person5@acme.test"}
    world.work_off(rung)
    db.session.expire_all()
    assert [row.email for row in db.session.scalars(select(Invitation)) if row.delivery is mail.Delivery.QUEUED] == ["person5@acme.test"]
    with pytest.raises(NotFound) as again:
        restore(acme, at)
    assert again.value.code == "NOTHING_TO_RESTORE"
    assert (logged(Action.INVITATION_REVOKED), logged(Action.INVITATION_RESTORED)) == (6, 5)


def test_a_mail_that_went_out_before_is_not_sent_again_when_it_is_put_back(acme, rung, settings):
    [made] = invite(acme, ["asha@acme.test"]).values()
    world.work_off(rung)
    secret = mails.token_by_id(made)
    [revoked] = act(changes.revoke_many, acme, [made]).changed
    at = revoked.revoked_at
    rung.clear()
    restore(acme, at)
    assert not rung
    asha = world.make_user("asha@acme.test")
    with db.unit_of_work():
        assert invitations.accept(secret, user=asha, ip=None).role is Role.ORG_LEARNER


def test_who_was_invited_anew_has_joined_or_is_out_of_time_stays(acme):
    ids = invite(acme)
    at = act(changes.revoke_many, acme, list(ids.values())).changed[0].revoked_at
    invite(acme, ["person0@acme.test"])
    world.add_member(acme, world.make_user("person1@acme.test"), Role.ORG_LEARNER)
    back = restore(acme, at)
    assert {row.email: refusal.code for row, refusal in back.refused} == {
        "person0@acme.test": "ALREADY_INVITED",
        "person1@acme.test": "ALREADY_MEMBER",
    }
    later = act(changes.revoke_many, acme, [ids["person2@acme.test"]]).changed[0].revoked_at
    with clock.as_of(clock.now() + timedelta(days=20)):
        late = restore(acme, later)
    assert [refusal.code for _row, refusal in late.refused] == ["INVITATION_EXPIRED"]


def test_putting_back_sixteen_times_at_once_does_it_once(acme, app):
    ids = invite(acme)
    at = act(changes.revoke_many, acme, list(ids.values())).changed[0].revoked_at
    answers, refusals = at_once(app, [lambda: len(restore(acme, at).changed)] * 16)
    assert answers == [6]
    assert {refusal.code for refusal in refusals} == {"NOTHING_TO_RESTORE"}
    assert logged(Action.INVITATION_RESTORED) == 6


def test_others_and_too_many_are_refused(acme):
    other = world.make_organization(world.make_user("stranger@other.test"), name="Other")
    theirs = invite(other)
    for ids, code, kind in (
        ([], "INVITATIONS_MISSING", Invalid),
        (list(theirs.values()) * 40, "INVITATIONS_MISSING", Invalid),
        (list(theirs.values()), "INVITATION_NOT_FOUND", NotFound),
        (["no-id"], "INVITATION_NOT_FOUND", NotFound),
    ):
        for what in (changes.resend_many, changes.revoke_many):
            with pytest.raises(kind) as refusal:
                act(what, acme, ids)
            assert refusal.value.code == code
    assert set(standing().values()) == {InvitationStatus.PENDING}
    at = act(changes.revoke_many, other, list(theirs.values())).changed[0].revoked_at
    with pytest.raises(NotFound):
        restore(acme, at)


def test_accepted_ones_stay_accepted(acme):
    [made] = invite(acme, ["asha@acme.test"]).values()
    asha = world.make_user("asha@acme.test")
    with db.unit_of_work():
        invitations.accept(mails.token_by_id(made), user=asha, ip=None)
    with pytest.raises(Conflict) as refusal, db.unit_of_work():
        changes.revoke(made, organization=acme, actor=as_owner())
    assert refusal.value.code == "INVITATION_ALREADY_ACCEPTED"
    assert act(changes.revoke_many, acme, [made]).changed == []
    assert standing() == {"asha@acme.test": InvitationStatus.ACCEPTED}


@pytest.fixture
def page(tables, app):
    """An admin at the invitations page, with the page's path and the ids of six open invitations."""
    with app.app_context():
        owner = world.make_user("owner@acme.test")
        organization = world.make_organization(owner)
        path, ids = f"/orgs/{organization.slug}/invitations", invite(organization)
    visitor = Visitor(app)
    world.sign_in(visitor.client, owner)
    return visitor.get(path), path, ids


def tick(visitor, path, act, *ids):
    """Does something with the invitations that are ticked, and follows to the list."""
    visitor.form(f"{path}/bulk")
    done = visitor.client.post(
        f"{path}/bulk?status=PENDING&page=1", data={"act": act, "invitation_id": [*ids]}, headers=world.csrf(visitor.client)
    )
    assert done.status_code == 303
    return visitor.get(done.location)


def test_ticked_ones_are_taken_back_and_the_toast_undoes_it(page, app):
    visitor, path, ids = page
    tick(visitor, path, "revoke", *list(ids.values())[:3])
    assert "3 invitations were taken back." in visitor.words
    visitor.submit(f"{path}/restore")
    assert "3 invitations are open again." in visitor.words
    with app.app_context():
        assert set(standing().values()) == {InvitationStatus.PENDING}


def test_one_is_taken_back_and_put_back(page, app):
    visitor, path, ids = page
    visitor.submit(f"{path}/{ids['person3@acme.test']}/revoke").submit(f"{path}/restore")
    assert "1 invitation is open again." in visitor.words
    with app.app_context():
        assert set(standing().values()) == {InvitationStatus.PENDING}


def test_htmx_gets_the_list_and_the_toast(page):
    visitor, path, ids = page
    headers = {**PARTIAL, **world.csrf(visitor.client)}
    done = visitor.client.post(f"{path}/bulk?status=PENDING", data={"act": "resend", "invitation_id": list(ids.values())}, headers=headers)
    assert (done.status_code, problems(done)) == (200, [])
    assert "6 new links are on the way." in done.text


@pytest.mark.parametrize(
    ("act", "ids", "sentence"),
    [
        ("revoke", [], "Tick between 1 and 200 invitations first."),
        ("", ["x"], "Choose what to do with the invitations that you ticked."),
        ("burn", ["x"], "Choose what to do with the invitations that you ticked."),
        ("resend", ["x"] * 201, "Tick between 1 and 200 invitations first."),
    ],
)
def test_a_refusal_is_said_and_changes_nothing(page, app, act, ids, sentence):
    visitor, path, _ids = page
    tick(visitor, path, act, *ids)
    assert sentence in visitor.words
    with app.app_context():
        assert set(standing().values()) == {InvitationStatus.PENDING}


@pytest.mark.parametrize(
    ("at", "status"), [("", 400), ("yesterday", 400), ("2026-11-12", 400), ("2026-11-12T10:00:00", 400), ("2026-11-12T10:00:00Z", 404)]
)
def test_nothing_is_put_back_for_an_instant_that_means_nothing(page, at, status):
    visitor, path, _ids = page
    answer = visitor.client.post(f"{path}/restore", query_string={"revoked_at": at}, headers=world.csrf(visitor.client))
    assert (answer.status_code, problems(answer)) == (status, [])
