"""Consultants of an organization: they apply, and its admins decide; what the public and the members see."""

import pytest

from portal import db
from portal.gateways import mail
from portal.orgs.models import Membership, Organization
from portal.orgs.rules import Kind, Role
from tests.support import world
from tests.support.hosting import make_house
from tests.support.together import at_once


@pytest.fixture
def expert(house):
    """A verified consultant of nobody, signed in."""
    return house.welcome("ravi", house.consultant("ravi", hosted=False))


def apply(house, person, **body):
    return person.post(f"{house.url}/consultants/apply", body)


def decide(house, member_id, action, *, by="owner"):
    return house.person(by).post(f"{house.url}/consultants", {"memberId": member_id, "action": action})


def statuses(house):
    statement = "SELECT status FROM memberships WHERE organization_id = :id AND role = 'ORG_CONSULTANT' ORDER BY id"
    return [row.status for row in house.rows(statement, id=house.id)]


def mails_of(house, occasion):
    return [row.recipients for row in house.rows("SELECT recipients FROM provider_mails WHERE occasion = :o ORDER BY id", o=occasion)]


def test_an_application_waits_until_an_admin_takes_it(house, expert):
    answer = apply(house, expert, note="Ten years of coaching")
    assert answer.status_code == 201, answer.text
    member = answer.json["member"]
    assert (member["status"], member["role"], member["applicationNote"]) == ("PENDING", "ORG_CONSULTANT", "Ten years of coaching")
    assert member["appliedAt"]
    assert member["approvedAt"] is None
    again = apply(house, expert)
    assert (again.status_code, again.json["code"]) == (409, "ALREADY_APPLIED")
    assert mails_of(house, "CONSULTANT_APPLIED") == [["owner@kaveri-coaching.test"]]
    shown = house.person("owner").get(f"{house.url}/consultants?status=PENDING").json["items"]
    assert [row["id"] for row in shown] == [member["id"]]
    approved = decide(house, member["id"], "APPROVE")
    assert (approved.status_code, approved.json["member"]["status"]) == (200, "ACTIVE")
    assert approved.json["member"]["approvedAt"]
    assert mails_of(house, "CONSULTANT_APPROVED") == [["ravi@experts.test"]]
    late = decide(house, member["id"], "REJECT")
    assert (late.status_code, late.json["code"]) == (409, "NOT_PENDING")
    member_again = apply(house, expert)
    assert (member_again.status_code, member_again.json["code"]) == (409, "ALREADY_MEMBER")


def test_who_was_rejected_may_apply_again_and_who_waits_sees_nothing(house, expert):
    member = apply(house, expert).json["member"]
    assert expert.get(f"{house.url}/consultants").status_code == 403
    assert decide(house, member["id"], "REJECT").json["member"]["status"] == "REMOVED"
    assert statuses(house) == ["REMOVED"]
    assert apply(house, expert, note="Once more").status_code == 201
    assert statuses(house) == ["PENDING"]


def test_auto_approval_makes_a_consultant_at_once(house, expert):
    assert house.person("owner").patch(house.url, {"autoApproveConsultants": True}).status_code == 200
    assert apply(house, expert).json["member"]["status"] == "ACTIVE"
    plan = house.sell(house.users["ravi"])
    payment = house.book(plan, house.learner(of=house.buyer()), on=house.buyer())
    assert house.shares(payment) == {"CONSULTANT": 85_000, "ORGANIZATION": 5_000}


def test_a_note_has_a_thousand_characters_at_most(house, expert):
    refused = apply(house, expert, note="x" * 1_001)
    assert (refused.status_code, list(refused.json["details"])) == (400, ["note"])
    assert apply(house, expert, note="x" * 1_000).status_code == 201


def test_only_verified_consultants_apply_and_only_to_providers(house, expert, rung, app):
    learner = house.welcome("learner", house.learner())
    refused = apply(house, learner)
    assert (refused.status_code, refused.json["code"]) == (403, "CONSULTANT_NOT_VERIFIED")
    buyer = expert.post(f"/api/organizations/{house.buyer().id}/consultants/apply", {})
    nowhere = expert.post(f"/api/organizations/{db.new_id()}/consultants/apply", {})
    assert (buyer.status_code, nowhere.status_code) == (404, 404)
    house.person("admin").post(f"/api/admin/organizations/{house.id}/verify", {"action": "SUSPEND"})
    assert apply(house, expert).status_code == 409


def test_below_an_admin_only_active_consultants_are_seen(house, expert):
    active = house.consultant()
    apply(house, expert)
    with house.app.app_context():
        manager = world.make_user("manager@people.test")
        world.add_member(house.organization, manager, Role.ORG_MANAGER)
    person = house.welcome("manager", manager)
    assert [row["userId"] for row in person.get(f"{house.url}/consultants").json["items"]] == [active.id]
    assert person.get(f"{house.url}/consultants?status=PENDING").json["items"] == []
    assert len(house.person("owner").get(f"{house.url}/consultants").json["items"]) == 2
    assert person.post(f"{house.url}/consultants", {"memberId": db.new_id(), "action": "APPROVE"}).status_code == 403


def test_two_applications_at_once_make_one(house, expert):
    acts = [lambda: apply(house, expert).status_code for _each in range(4)]
    answers, _refusals = at_once(house.app, acts)
    assert sorted(answers) == [201, 409, 409, 409]
    assert statuses(house) == ["PENDING"]


def test_two_admins_at_once_decide_once(house, expert):
    member = apply(house, expert).json["member"]
    acts = [lambda action=action: decide(house, member["id"], action).status_code for action in ("APPROVE", "REJECT")]
    answers, _refusals = at_once(house.app, acts)
    assert sorted(answers) == [200, 409]


def test_the_public_sees_active_providers_and_their_verified_consultants(house, rung, app):
    meera = house.consultant()
    with app.app_context():
        nobody = world.make_user("fresh@experts.test")
        world.add_member(house.organization, nobody, Role.ORG_CONSULTANT)
    shown = app.test_client().get(f"/api/organizations/public/{house.organization.slug}")
    assert shown.status_code == 200, shown.text
    organization = shown.json["organization"]
    assert (organization["name"], organization["roster"]) == (
        "Kaveri Coaching",
        [{"userId": meera.id, "name": "Meera", "headline": "Coach"}],
    )
    assert "@" not in shown.text
    assert app.test_client().get(f"/api/organizations/public/{house.buyer().slug}").status_code == 404
    page = app.test_client().get("/explore/companies").text
    assert "Kaveri Coaching" in page
    assert "Buyer" not in page
    house.person("admin").post(f"/api/admin/organizations/{house.id}/verify", {"action": "SUSPEND"})
    assert app.test_client().get(f"/org/{house.organization.slug}").status_code == 404
    assert "Kaveri Coaching" not in app.test_client().get("/explore/companies").text


def test_applying_and_deciding_on_the_pages(house, expert):
    client = world.sign_in(house.app.test_client(), house.users["ravi"])
    slug = house.organization.slug
    assert "Apply" in client.get(f"/org/{slug}").text
    applied = client.post(f"/org/{slug}/apply", data={"note": "Hello"}, headers=world.csrf(client))
    assert (applied.status_code, applied.location) == (303, f"/org/{slug}")
    assert "has your application" in client.get(f"/org/{slug}").text
    owner = world.sign_in(house.app.test_client(), house.owner)
    page = owner.get(f"/orgs/{slug}/consultants").text
    assert "Hello" in page
    member = house.rows("SELECT id::text FROM memberships WHERE application_note = 'Hello'")[0][0]
    assert owner.post(f"/orgs/{slug}/consultants/{member}/decide", data={"action": "APPROVE"}, headers=world.csrf(owner)).status_code == 303
    terms = {"custom_consultant_payout_rate": "70", "earnings_recipient": "ORGANIZATION"}
    url = f"/orgs/{slug}/consultants/{member}/terms"
    assert owner.post(url, data=terms, headers=world.csrf(owner)).status_code == 303
    statement = "SELECT custom_consultant_payout_rate, earnings_recipient FROM memberships WHERE id = :id"
    assert tuple(house.rows(statement, id=member)[0]) == (7_000, "ORGANIZATION")
    refused = owner.post(url, data={**terms, "custom_consultant_payout_rate": "95"}, headers=world.csrf(owner))
    assert refused.status_code == 422
    assert "90 % at most" in refused.text
    assert owner.post(url, data={**terms, "custom_consultant_payout_rate": ""}, headers=world.csrf(owner)).status_code == 303
    assert tuple(house.rows(statement, id=member)[0]) == (None, "ORGANIZATION")


def test_every_mail_goes_out_and_says_what_it_must(house, expert, monkeypatch):
    sent = []
    monkeypatch.setattr(mail, "send", sent.append)
    member = apply(house, expert, note="Hello").json["member"]
    decide(house, member["id"], "APPROVE")
    house.work()
    assert [(message.to, message.subject) for message in sent] == [
        (["owner@kaveri-coaching.test"], "Ravi wants to join Kaveri Coaching"),
        (["ravi@experts.test"], "Kaveri Coaching has approved you"),
    ]
    assert all("http://localhost/" in message.text for message in sent)


def test_a_pending_organization_builds_its_team_and_a_hybrid_takes_applications_too(rung, app, provider_orgs):
    house = make_house(app, rung, kind=Kind.HYBRID)
    expert = house.welcome("ravi", house.consultant("ravi", hosted=False))
    with app.app_context(), db.unit_of_work():
        db.session.get_one(Organization, house.id).status = "PENDING_VERIFICATION"
    assert apply(house, expert).status_code == 201
    with app.app_context():
        assert db.session.query(Membership).filter_by(organization_id=house.id).count() == 2
