"""The wizard's acts: a draft that is saved step by step and launched once."""

import pytest
from sqlalchemy import func, select

from portal import db
from portal.audit.models import AuditRow
from portal.audit.rules import Action
from portal.errors import Conflict, Invalid, NotEnabled
from portal.invites.models import Invitation
from portal.invites.service import imports
from portal.invites.service.invitations import Person
from portal.orgs import queries as orgs
from portal.orgs.models import Membership, Organization
from portal.orgs.rules import BillingMode, Kind, Role, Status
from portal.orgs.schemas import BillingIn, OrgInfoIn
from portal.setup import queries, service
from portal.setup.models import StagedInvitee
from portal.setup.rules import Step
from tests.support import world
from tests.support.together import at_once


def test_a_launch_opens_the_organization_and_invites_who_was_staged(rung, app):
    with app.app_context():
        owner = world.make_user("owner@acme.test")
        draft = world.make_draft(owner)
        with db.unit_of_work():
            people = [Person("asha@acme.test", "Asha", Role.ORG_LEARNER), Person("dev@acme.test", None, Role.ORG_ADMIN)]
            assert service.stage(people, draft=draft) == 2
            assert service.stage(people, draft=draft) == 0
        assert orgs.memberships_of(owner.id) == []
        with db.unit_of_work():
            assert service.launch(draft, owner=owner, actor=world.as_self(owner)) is True
        [membership] = orgs.memberships_of(owner.id)
        assert (membership.role, membership.organization.status) == (Role.ORG_OWNER, Status.ACTIVE)
        assert sorted(db.session.scalars(select(Invitation.email))) == ["asha@acme.test", "dev@acme.test"]
        assert db.session.scalar(select(func.count()).select_from(StagedInvitee)) == 0
        assert queries.drafts_of(owner.id) == []
        actions = db.session.scalars(select(AuditRow.action).where(AuditRow.organization_id == draft.id)).all()
        assert actions.count(Action.ORG_LAUNCHED) == 1


def test_sixteen_clicks_at_once_launch_once(rung, app):
    with app.app_context():
        owner = world.make_user("owner@acme.test")
        draft = world.make_draft(owner)
        with db.unit_of_work():
            service.stage([Person("asha@acme.test", None, Role.ORG_LEARNER)], draft=draft)

    def launch():
        with db.unit_of_work():
            return service.launch(draft, owner=owner, actor=world.as_self(owner))

    answers, refusals = at_once(app, [launch] * 16)
    assert (sorted(answers), refusals) == ([False] * 15 + [True], [])
    with app.app_context():
        assert db.session.scalar(select(func.count()).select_from(Membership)) == 1
        assert db.session.scalar(select(func.count()).select_from(Invitation)) == 1


def test_a_launch_with_a_missing_step_says_which_and_changes_nothing(rung, app):
    with app.app_context():
        owner = world.make_user("owner@acme.test")
        with db.unit_of_work():
            info = OrgInfoIn(name="Acme", billing_email="finance@acme.test")
            draft = service.start(info, creator=owner, actor=world.as_self(owner))
        with pytest.raises(Conflict, match="Billing & seats") as refused, db.unit_of_work():
            service.launch(draft, owner=owner, actor=world.as_self(owner))
        assert refused.value.code == "SETUP_INCOMPLETE"
        db.session.expire_all()
        assert db.session.get_one(Organization, draft.id).status is Status.DRAFT


def test_a_launched_organization_is_out_of_the_wizards_reach(rung, app):
    with app.app_context():
        owner = world.make_user("owner@acme.test")
        organization = world.make_organization(owner)
        with pytest.raises(Conflict) as refused, db.unit_of_work():
            service.save_info(OrgInfoIn(name="Other", billing_email="a@acme.test"), draft=organization)
        assert refused.value.code == "ALREADY_LAUNCHED"


def test_without_gstin_the_state_must_be_chosen_and_with_both_they_must_agree(rung, app):
    address = {"billing_mode": BillingMode.INVOICED_MONTHLY, "line1": "1 MG Road", "city": "Bengaluru", "postal_code": "560001"}
    with app.app_context():
        draft = world.make_draft(world.make_user("owner@acme.test"))
        with pytest.raises(Invalid) as refused, db.unit_of_work():
            service.save(BillingIn(**address), draft=draft, step=Step.BILLING)
        assert list(refused.value.details) == ["state_code"]
        both = BillingIn(**address, gstin="29AAGCP4321K1Z8", state_code="33")
        with pytest.raises(Invalid, match="first two digits"), db.unit_of_work():
            service.save(both, draft=draft, step=Step.BILLING)
        with db.unit_of_work():
            saved = service.save(BillingIn(**address, gstin="29AAGCP4321K1Z8"), draft=draft, step=Step.BILLING)
        assert saved.state_code == "29"


def test_provider_kinds_are_switched_off(rung, app):
    with app.app_context():
        owner = world.make_user("owner@acme.test")
        with pytest.raises(NotEnabled):
            service.start(OrgInfoIn(name="Acme", billing_email="f@acme.test", kind=Kind.HYBRID), creator=owner, actor=world.as_self(owner))


def test_a_file_is_staged_once_and_judged_against_who_is_staged_already(rung, app):
    with app.app_context():
        owner = world.make_user("owner@acme.test")
        draft = world.make_draft(owner, seats=2)
        with db.unit_of_work():
            service.stage([Person("asha@acme.test", None, Role.ORG_LEARNER)], draft=draft)
        upload = imports.Upload("people.csv", b"Work Email;Name\nasha@acme.test;Asha\ndev@acme.test;Dev\nowner@acme.test;Owner\n")
        with db.unit_of_work():
            around = service.around(draft, creator=owner)
            batch = imports.stage(upload, default_role=Role.ORG_LEARNER, around=around, creator=owner)
        with db.unit_of_work():
            assert service.stage_import(batch.id, draft=draft, creator=owner) == 1
        with db.unit_of_work():
            assert service.stage_import(batch.id, draft=draft, creator=owner) == 0
        assert [row.email for row in queries.staged(draft.id)] == ["asha@acme.test", "dev@acme.test"]
