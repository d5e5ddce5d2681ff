"""Members: seats under concurrency, reviving, slugs."""

import pytest

from portal import db
from portal.errors import Conflict, Invalid, NotEnabled
from portal.orgs import queries
from portal.orgs import service as orgs
from portal.orgs.models import Membership
from portal.orgs.rules import MembershipStatus, Role, check_slug, slugify
from tests.support import world
from tests.support.together import at_once


def test_thirty_two_learners_at_once_never_hold_more_than_the_seats(rung, app):
    with app.app_context():
        organization = world.make_organization(world.make_user("owner@acme.test"), seats=5)
        users = [world.make_user(f"learner{number}@acme.test") for number in range(16)]

    def join(user):
        with db.unit_of_work():
            return orgs.join(organization.id, user, role=Role.ORG_LEARNER).id

    answers, refusals = at_once(app, [lambda user=user: join(user) for user in users])
    assert len(answers) == 5
    assert {refusal.code for refusal in refusals} == {"SEAT_LIMIT"}
    with app.app_context():
        assert queries.seats(organization).used == 5


def test_adding_somebody_again_revives_the_row_and_takes_a_seat(rung, app):
    with app.app_context():
        organization = world.make_organization(world.make_user("owner@acme.test"), seats=1)
        user = world.make_user("asha@acme.test")
        first = world.add_member(organization, user, Role.ORG_LEARNER)
        with pytest.raises(Conflict) as refused:
            world.add_member(organization, user, Role.ORG_LEARNER)
        assert refused.value.code == "ALREADY_MEMBER"
        with db.unit_of_work():
            db.session.get_one(Membership, first.id).status = MembershipStatus.REMOVED
        again = world.add_member(organization, user, Role.ORG_LEARNER)
        assert again.id == first.id
        assert queries.seats(organization).used == 1


@pytest.mark.parametrize("role", [Role.ORG_CONSULTANT, Role.ORG_SUPPORT])
def test_provider_roles_are_switched_off(rung, app, role):
    with app.app_context():
        organization = world.make_organization(world.make_user("owner@acme.test"))
        user = world.make_user("asha@acme.test")
        with pytest.raises(NotEnabled) as refused:
            world.add_member(organization, user, role)
        assert refused.value.extra == {"flag": "ENABLE_PROVIDER_ORGS"}


@pytest.mark.parametrize("slug", ["new", "API", "-acme", "acme-", "a cme", "ac.me", "", "x" * 61, "\N{LATIN SMALL LETTER LONG S}etup"])
def test_slugs_that_are_refused(slug):
    with pytest.raises(Invalid):
        check_slug(slug)


@pytest.mark.parametrize(("name", "slug"), [("Acme Learning Pvt. Ltd.", "acme-learning-pvt-ltd"), ("Ünï", "uni"), ("कंपनी", "")])
def test_slugs_made_from_names(name, slug):
    assert slugify(name) == slug


def test_two_organizations_of_one_name_get_two_addresses(rung, app):
    with app.app_context():
        owner = world.make_user("owner@acme.test")
        slugs = [world.make_organization(owner, name=name).slug for name in ("Acme", "Acme", "New", "कंपनी")]
    assert slugs == ["acme", "acme-2", "new-2", "organization"]
