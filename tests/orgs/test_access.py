"""The one gate: signed in → exists → not deactivated → member → active → rank."""

import pytest

from portal import db
from portal.accounts.rules import PlatformRole
from portal.audit.rules import Via
from portal.errors import Forbidden, NotFound
from portal.orgs import queries
from portal.orgs.access import require_org_access
from portal.orgs.models import Membership, Organization
from portal.orgs.rules import RANKS, MembershipStatus, Role, Status
from tests.support import world


@pytest.fixture
def acme(rung, app):
    with app.app_context():
        yield world.make_organization(world.make_user("owner@acme.test"))


def enter(organization, user, role=Role.ORG_LEARNER):
    place = queries.place(user.id, organization_id=organization.id) if organization else (None, None)
    return require_org_access(place, role, user=user, ip="203.0.113.9")


@pytest.mark.parametrize("held", list(Role))
@pytest.mark.parametrize("asked", list(Role))
def test_a_rank_opens_what_is_at_or_below_it(acme, held, asked):
    user = world.make_user("somebody@acme.test")
    with db.unit_of_work():
        db.session.add(
            Membership(organization_id=acme.id, user_id=user.id, role=held, status=MembershipStatus.ACTIVE, created_at=acme.created_at)
        )
    if RANKS[held] >= RANKS[asked]:
        access = enter(acme, user, asked)
        assert (access.role, access.actor.via, access.actor.ip) == (held, Via.MEMBER, "203.0.113.9")
    else:
        with pytest.raises(Forbidden) as refused:
            enter(acme, user, asked)
        assert refused.value.code == "ROLE_TOO_LOW"


@pytest.mark.parametrize(
    ("status", "error", "message"),
    [
        (Status.DRAFT, NotFound, "There is no such organization."),
        (Status.DEACTIVATED, Forbidden, "Organization has been deactivated"),
    ],
)
def test_drafts_are_invisible_and_deactivated_ones_say_so_also_to_owners_and_admins(acme, status, error, message):
    owner = world.make_user("other@acme.test", role=PlatformRole.ADMIN)
    world.add_member(acme, owner, Role.ORG_OWNER)
    with db.unit_of_work():
        db.session.get_one(Organization, acme.id).status = status
    with pytest.raises(error, match=message):
        enter(db.session.get(Organization, acme.id), owner)


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (None, "Not a member of this organization"),
        (MembershipStatus.REMOVED, "Not a member of this organization"),
        (MembershipStatus.SUSPENDED, "Membership is suspended"),
        (MembershipStatus.PENDING, "waiting for approval"),
    ],
)
def test_only_active_members_come_in(acme, status, message):
    user = world.make_user("somebody@acme.test")
    if status:
        membership = world.add_member(acme, user, Role.ORG_ADMIN)
        with db.unit_of_work():
            db.session.get_one(Membership, membership.id).status = status
    with pytest.raises(Forbidden, match=message):
        enter(acme, user)


def test_platform_admins_pass_with_owners_rank_and_are_logged_as_themselves(acme):
    admin = world.make_user("admin@portal.test", role=PlatformRole.ADMIN)
    access = enter(acme, admin, Role.ORG_OWNER)
    assert (access.role, access.membership, access.actor.via) == (Role.ORG_OWNER, None, Via.PLATFORM_ADMIN)
    with pytest.raises(Forbidden):
        enter(acme, world.make_user("staff@portal.test", role=PlatformRole.STAFF))
