"""Members are added, changed, suspended, removed and revived, by JSON and on pages; owners and seats also when 32 act at once."""

import csv
import io
import re
from dataclasses import dataclass
from urllib.parse import quote

import pytest
from sqlalchemy import event, select

from portal import config, db
from portal.accounts.models import User
from portal.accounts.rules import PlatformRole
from portal.audit.models import AuditRow
from portal.audit.rules import Action, Via
from portal.invites.service import invitations, mails
from portal.orgs import queries
from portal.orgs import service as orgs
from portal.orgs.models import Membership, Organization
from portal.orgs.rules import Kind, MembershipStatus, Role
from portal.orgs.rules.members import Change
from portal.orgs.schemas import MemberPatch, NewMemberIn, OrganizationIn
from portal.orgs.service import members
from tests.support import world
from tests.support.lint import problems
from tests.support.together import at_once

NOBODY = "0190b4a2-0000-7000-8000-000000000000"
PARTIAL = {"HX-Request": "true", "HX-Request-Type": "partial"}


@dataclass
class Acme:
    """An organization with an owner, an admin and a learner; ``member`` has their memberships' ids by the address's first part."""

    app: object
    organization: Organization
    users: dict[str, User]

    @property
    def api(self) -> str:
        return f"/api/organizations/{self.organization.id}"

    @property
    def pages(self) -> str:
        return f"/orgs/{self.organization.slug}"

    def user(self, name: str) -> User:
        """Somebody with an account, made when they are first asked for."""
        if name not in self.users:
            with self.app.app_context():
                self.users[name] = world.make_user(f"{name}@acme.test", name=name.title())
        return self.users[name]

    def join(self, name: str, role: Role, status: MembershipStatus = MembershipStatus.ACTIVE) -> str:
        """Makes somebody a member of any status, past the seats; returns the membership's id."""
        user = self.user(name)
        with self.app.app_context(), db.unit_of_work():
            held = {"organization_id": self.organization.id, "user_id": user.id, "created_at": self.organization.created_at}
            row = Membership(**held, role=role, status=status)
            db.session.add(row)
            db.session.flush()
            return row.id

    def member(self, name: str) -> Membership:
        with self.app.app_context():
            return queries.membership(self.organization.id, self.user(name).id)

    def standing(self, name: str) -> tuple[Role, MembershipStatus]:
        row = self.member(name)
        return row.role, row.status

    def set(self, **columns) -> None:
        with self.app.app_context(), db.unit_of_work():
            row = db.session.get_one(Organization, self.organization.id)
            for column, value in columns.items():
                setattr(row, column, value)

    def acts(self, *actions: Action) -> list[AuditRow]:
        with self.app.app_context():
            found = select(AuditRow).where(AuditRow.organization_id == self.organization.id, AuditRow.action.in_(actions))
            return list(db.session.scalars(found.order_by(AuditRow.at, AuditRow.id)))

    def signed_in(self, name: str):
        """A call as one of the users: ``call(method, path, json=… or data=…)``."""
        client = world.sign_in(self.app.test_client(), self.user(name))
        token = world.csrf(client)

        def call(method, path, *, headers=None, **body):
            return client.open(path, method=method, headers={**token, **(headers or {})}, **body)

        return call


@pytest.fixture
def acme(rung, app) -> Acme:
    with app.app_context():
        owner = world.make_user("owner@acme.test", name="Olga Owner")
        organization = world.make_organization(owner)
    scene = Acme(app, organization, {"owner": owner})
    scene.join("admin", Role.ORG_ADMIN)
    scene.join("learner", Role.ORG_LEARNER)
    return scene


@pytest.fixture
def hybrid(rung, app, provider_orgs) -> Acme:
    """A HYBRID organization while ``ENABLE_PROVIDER_ORGS`` is on, with a consultant."""
    with app.app_context():
        owner = world.make_user("owner@acme.test", name="Olga Owner")
        with db.unit_of_work():
            data = OrganizationIn(name="Acme", kind=Kind.HYBRID, billing_email="finance@acme.test")
            organization = orgs.create(data, creator=owner, actor=world.as_self(owner))
    scene = Acme(app, organization, {"owner": owner})
    scene.join("admin", Role.ORG_ADMIN)
    scene.join("consultant", Role.ORG_CONSULTANT)
    return scene


def test_somebody_is_added_by_address_whatever_its_case(acme):
    acme.user("asha")
    answer = acme.signed_in("admin")("POST", f"{acme.api}/members", json={"email": " ASHA@Acme.test ", "role": "ORG_LEARNER"})
    assert answer.status_code == 201
    member = answer.json["member"]
    assert (member["email"], member["name"], member["role"], member["status"]) == ("asha@acme.test", "Asha", "ORG_LEARNER", "ACTIVE")
    assert (member["userId"], member["id"]) == (acme.user("asha").id, acme.member("asha").id)
    assert member["seatAssignedAt"].endswith("Z")
    assert (member["customConsultantPayoutRate"], member["earningsRecipient"], member["lastActiveAt"]) == (None, "CONSULTANT", None)
    [row] = acme.acts(Action.MEMBER_ADDED)
    assert (row.actor_name, row.via, row.subject_name, row.before, row.after) == (
        "Admin",
        Via.MEMBER,
        "Asha",
        None,
        {"role": "ORG_LEARNER"},
    )
    assert row.actor_membership_id == acme.member("admin").id


def test_somebody_is_added_by_id_and_listed_with_the_last_sign_in(acme):
    acme.signed_in("asha")
    call = acme.signed_in("admin")
    answer = call("POST", f"{acme.api}/members", json={"userId": acme.user("asha").id, "role": "ORG_MANAGER"})
    assert (answer.status_code, answer.json["member"]["seatAssignedAt"]) == (201, None)
    listed = call("GET", f"{acme.api}/members").json["items"]
    assert listed[0]["id"] == answer.json["member"]["id"]
    assert listed[0]["lastActiveAt"] == answer.json["member"]["lastActiveAt"] is not None


@pytest.mark.parametrize(
    "body", [{"email": "nobody@acme.test"}, {"userId": NOBODY}, {"userId": "nonsense"}, {"userId": ""}, {"userId": "x' OR 1=1 --"}]
)
def test_who_has_no_account_cannot_be_added(acme, body):
    answer = acme.signed_in("admin")("POST", f"{acme.api}/members", json={**body, "role": "ORG_LEARNER"})
    assert (answer.status_code, answer.json["code"]) == (404, "USER_NOT_FOUND")


@pytest.mark.parametrize(
    "body",
    [
        {"role": "ORG_LEARNER"},
        {"role": "ORG_LEARNER", "email": "asha@acme.test", "userId": NOBODY},
        {"email": "asha@acme.test"},
        {"email": "asha@acme.test", "role": "LEARNER"},
        {"email": "no address", "role": "ORG_LEARNER"},
        {"email": "asha@acme.test", "role": "ORG_LEARNER", "status": "ACTIVE"},
        {},
    ],
)
def test_an_unclear_addition_is_refused(acme, body):
    acme.user("asha")
    answer = acme.signed_in("admin")("POST", f"{acme.api}/members", json=body)
    assert (answer.status_code, bool(answer.json["details"])) == (400, True)
    assert acme.member("asha") is None


@pytest.mark.parametrize("status", [MembershipStatus.ACTIVE, MembershipStatus.SUSPENDED, MembershipStatus.PENDING])
def test_who_is_a_member_already_is_not_added_again(acme, status):
    acme.join("asha", Role.ORG_MANAGER, status)
    answer = acme.signed_in("owner")("POST", f"{acme.api}/members", json={"email": "asha@acme.test", "role": "ORG_LEARNER"})
    assert (answer.status_code, answer.json["code"]) == (409, "ALREADY_MEMBER")
    assert acme.standing("asha") == (Role.ORG_MANAGER, status)


def test_who_was_removed_is_revived_in_the_same_row_with_the_new_role(acme):
    membership_id = acme.join("asha", Role.ORG_LEARNER, MembershipStatus.REMOVED)
    answer = acme.signed_in("admin")("POST", f"{acme.api}/members", json={"email": "asha@acme.test", "role": "ORG_MANAGER"})
    assert (answer.status_code, answer.json["member"]["id"]) == (201, membership_id)
    assert acme.standing("asha") == (Role.ORG_MANAGER, MembershipStatus.ACTIVE)
    assert acme.member("asha").seat_assigned_at is None


def test_only_an_owner_makes_owners(acme):
    acme.user("asha")
    body = {"email": "asha@acme.test", "role": "ORG_OWNER"}
    refused = acme.signed_in("admin")("POST", f"{acme.api}/members", json=body)
    assert (refused.status_code, refused.json["code"]) == (403, "ROLE_TOO_HIGH")
    assert acme.signed_in("owner")("POST", f"{acme.api}/members", json=body).status_code == 201
    assert acme.standing("asha") == (Role.ORG_OWNER, MembershipStatus.ACTIVE)


@pytest.mark.parametrize("role", ["ORG_CONSULTANT", "ORG_SUPPORT"])
def test_roles_of_the_provider_tier_are_switched_off_and_say_by_which_flag(acme, role):
    acme.user("asha")
    call, path = acme.signed_in("owner"), f"{acme.api}/members"
    for answer in (
        call("POST", path, json={"email": "asha@acme.test", "role": role}),
        call("PATCH", f"{path}/{acme.member('learner').id}", json={"role": role}),
    ):
        assert (answer.status_code, answer.json["flag"]) == (501, "ENABLE_PROVIDER_ORGS")
        assert answer.json["error"]
    page = call("POST", f"{acme.pages}/members/{acme.member('learner').id}/role", data={"role": role})
    assert page.status_code == 501
    assert (acme.member("asha"), acme.standing("learner")[0]) == (None, Role.ORG_LEARNER)


def test_with_the_flag_on_a_buyer_has_no_consultants_but_support(acme, provider_orgs):
    acme.user("asha")
    call, path = acme.signed_in("owner"), f"{acme.api}/members"
    refused = call("POST", path, json={"email": "asha@acme.test", "role": "ORG_CONSULTANT"})
    assert (refused.status_code, refused.json["code"], list(refused.json["details"])) == (400, "ROLE_NOT_ALLOWED", ["role"])
    changed = call("PATCH", f"{path}/{acme.member('learner').id}", json={"role": "ORG_CONSULTANT"})
    assert (changed.status_code, changed.json["code"]) == (400, "ROLE_NOT_ALLOWED")
    assert call("POST", path, json={"email": "asha@acme.test", "role": "ORG_SUPPORT"}).status_code == 201


@pytest.mark.parametrize("role", [Role.ORG_MANAGER, Role.ORG_LEARNER])
def test_below_an_admin_nobody_changes_members(acme, role):
    acme.join("somebody", role)
    call, target = acme.signed_in("somebody"), acme.member("learner").id
    answers = [
        call("POST", f"{acme.api}/members", json={"email": "admin@acme.test", "role": "ORG_LEARNER"}),
        call("PATCH", f"{acme.api}/members/{target}", json={"role": "ORG_ADMIN"}),
        call("PATCH", f"{acme.api}/members/{acme.member('somebody').id}", json={"role": "ORG_ADMIN"}),
        call("DELETE", f"{acme.api}/members/{target}"),
        call("POST", f"{acme.pages}/members/{target}/role", data={"role": "ORG_ADMIN"}),
        call("POST", f"{acme.pages}/members/{target}/status", data={"status": "REMOVED"}),
        call("POST", f"{acme.pages}/members/bulk", data={"act": "status:REMOVED", "member_id": target}),
    ]
    assert [answer.status_code for answer in answers] == [403] * 7
    assert acme.standing("learner") == (Role.ORG_LEARNER, MembershipStatus.ACTIVE)


def test_another_organizations_member_is_unknown_here_to_every_way_in(acme):
    with acme.app.app_context():
        stranger = world.make_user("stranger@other.test")
        other = world.make_organization(stranger, name="Other")
        foreign = queries.membership(other.id, stranger.id).id
    call = acme.signed_in("owner")
    for member_id in (foreign, NOBODY, "nonsense"):
        answers = [
            call("PATCH", f"{acme.api}/members/{member_id}", json={"role": "ORG_LEARNER"}),
            call("DELETE", f"{acme.api}/members/{member_id}"),
            call("POST", f"{acme.pages}/members/{member_id}/role", data={"role": "ORG_LEARNER"}),
            call("POST", f"{acme.pages}/members/{member_id}/status", data={"status": "REMOVED"}),
        ]
        assert [answer.status_code for answer in answers] == [404] * 4
    bulk = call("POST", f"{acme.pages}/members/bulk", data={"act": "status:REMOVED", "member_id": [foreign, NOBODY, "nonsense"]})
    assert bulk.status_code == 303
    assert "0 members were changed." in call("GET", bulk.location).text
    with acme.app.app_context():
        assert db.session.get_one(Membership, foreign).role is Role.ORG_OWNER
    assert acme.acts(Action.MEMBER_REMOVED, Action.MEMBER_ROLE_CHANGED) == []


def test_a_role_is_changed_and_the_log_says_what_changed(acme):
    target = acme.member("learner").id
    answer = acme.signed_in("admin")("PATCH", f"{acme.api}/members/{target}", json={"role": "ORG_MANAGER"})
    assert (answer.status_code, answer.json["member"]["role"], answer.json["member"]["seatAssignedAt"]) == (200, "ORG_MANAGER", None)
    [row] = acme.acts(Action.MEMBER_ROLE_CHANGED)
    assert (row.before, row.after, row.subject_id) == ({"role": "ORG_LEARNER"}, {"role": "ORG_MANAGER"}, target)


@pytest.mark.parametrize("body", [{}, {"role": "ORG_LEARNER"}, {"status": "ACTIVE"}, {"role": "ORG_LEARNER", "status": "ACTIVE"}])
def test_what_is_so_already_is_answered_and_not_logged(acme, body):
    seat = acme.member("learner").seat_assigned_at
    answer = acme.signed_in("admin")("PATCH", f"{acme.api}/members/{acme.member('learner').id}", json=body)
    assert (answer.status_code, answer.json["member"]["role"], answer.json["member"]["status"]) == (200, "ORG_LEARNER", "ACTIVE")
    assert acme.member("learner").seat_assigned_at == seat
    assert acme.acts(*(action for action in Action if action.name.startswith("MEMBER_"))) == []


@pytest.mark.parametrize(
    "body", [{"status": "PENDING"}, {"status": "active"}, {"role": "OWNER"}, {"seatAssignedAt": None}, {"name": "X"}, []]
)
def test_a_patch_that_means_nothing_is_refused(acme, body):
    answer = acme.signed_in("owner")("PATCH", f"{acme.api}/members/{acme.member('learner').id}", json=body)
    assert answer.status_code == 400
    assert acme.standing("learner") == (Role.ORG_LEARNER, MembershipStatus.ACTIVE)


def test_suspended_and_removed_people_meet_the_gate_and_come_back(acme):
    call, target = acme.signed_in("admin"), f"{acme.api}/members/{acme.member('learner').id}"
    learner = acme.signed_in("learner")
    assert learner("GET", acme.api).status_code == 200
    for change, message in (
        ({"status": "SUSPENDED"}, "Membership is suspended"),
        ({"status": "REMOVED"}, "Not a member of this organization"),
    ):
        assert call("PATCH", target, json=change).json["member"]["seatAssignedAt"] is None
        refused = learner("GET", acme.api)
        assert (refused.status_code, refused.json["error"]) == (403, message)
        page = learner("GET", f"{acme.pages}/members")
        assert (page.status_code, message in page.text) == (403, True)
        assert learner("GET", "/api/organizations").json["items"] == []
        assert call("GET", acme.api).json["organization"]["seatsUsed"] == 0
    back = call("PATCH", target, json={"status": "ACTIVE"})
    assert (back.status_code, back.json["member"]["status"]) == (200, "ACTIVE")
    assert learner("GET", acme.api).status_code == 200
    acts = [row.action for row in acme.acts(Action.MEMBER_SUSPENDED, Action.MEMBER_REMOVED, Action.MEMBER_REACTIVATED)]
    assert acts == [Action.MEMBER_SUSPENDED, Action.MEMBER_REMOVED, Action.MEMBER_REACTIVATED]


def test_a_removal_is_answered_with_the_member_and_may_be_asked_for_twice(acme):
    call, target = acme.signed_in("admin"), f"{acme.api}/members/{acme.member('learner').id}"
    for _time in range(2):
        answer = call("DELETE", target)
        assert (answer.status_code, answer.json["member"]["status"]) == (200, "REMOVED")
    assert len(acme.acts(Action.MEMBER_REMOVED)) == 1
    assert [item["email"] for item in call("GET", f"{acme.api}/members").json["items"]] == ["admin@acme.test", "owner@acme.test"]
    removed = call("GET", f"{acme.api}/members?status=REMOVED").json["items"]
    assert [item["email"] for item in removed] == ["learner@acme.test"]


@pytest.mark.parametrize(
    ("role", "status", "method", "body"),
    [
        (None, None, "POST", {"email": "asha@acme.test", "role": "ORG_LEARNER"}),
        (Role.ORG_MANAGER, MembershipStatus.REMOVED, "POST", {"email": "asha@acme.test", "role": "ORG_LEARNER"}),
        (Role.ORG_LEARNER, MembershipStatus.REMOVED, "PATCH", {"status": "ACTIVE"}),
        (Role.ORG_LEARNER, MembershipStatus.SUSPENDED, "PATCH", {"status": "ACTIVE"}),
        (Role.ORG_MANAGER, MembershipStatus.ACTIVE, "PATCH", {"role": "ORG_LEARNER"}),
        (Role.ORG_MANAGER, MembershipStatus.REMOVED, "PATCH", {"role": "ORG_LEARNER", "status": "ACTIVE"}),
    ],
)
def test_without_a_free_seat_nobody_becomes_a_learner(acme, role, status, method, body):
    acme.user("asha")
    path = f"{acme.api}/members"
    if role:
        membership_id = acme.join("asha", role, status)
        path += f"/{membership_id}" if method == "PATCH" else ""
    acme.set(seats_total=1)
    call = acme.signed_in("owner")
    refused = call(method, path, json=body)
    assert (refused.status_code, refused.json["code"]) == (409, "SEAT_LIMIT")
    if role:
        assert acme.standing("asha") == (role, status)
    assert call("GET", acme.api).json["organization"]["seatsUsed"] == 1
    assert call("PATCH", f"{acme.api}/members/{acme.member('learner').id}", json={"role": "ORG_MANAGER"}).status_code == 200
    assert call(method, path, json=body).status_code in {200, 201}
    shown = call("GET", acme.api).json["organization"]
    assert (shown["seatsUsed"], shown["seatsTotal"]) == (1, 1)


def test_seats_used_are_the_count_of_active_learners_after_every_change(acme):
    call = acme.signed_in("owner")
    ids = {name: acme.join(name, Role.ORG_LEARNER, MembershipStatus.SUSPENDED) for name in ("ann", "ben", "cleo")}
    steps = [("ann", "ACTIVE"), ("ben", "ACTIVE"), ("ann", "SUSPENDED"), ("cleo", "REMOVED"), ("cleo", "ACTIVE"), ("ben", "REMOVED")]
    counted = []
    for name, status in steps:
        assert call("PATCH", f"{acme.api}/members/{ids[name]}", json={"status": status}).status_code == 200
        counted.append(call("GET", acme.api).json["organization"]["seatsUsed"])
        assert call("GET", "/api/organizations").json["items"][0]["seatsUsed"] == counted[-1]
    assert counted == [2, 3, 2, 2, 3, 2]


@pytest.mark.parametrize("body", [{"role": "ORG_ADMIN"}, {"status": "SUSPENDED"}, {"status": "REMOVED"}])
def test_the_last_owner_stays_by_patch_delete_and_page(acme, body):
    call, target = acme.signed_in("owner"), acme.member("owner").id
    for answer in (
        call("PATCH", f"{acme.api}/members/{target}", json=body),
        call("DELETE", f"{acme.api}/members/{target}"),
    ):
        assert (answer.status_code, answer.json["code"]) == (400, "LAST_OWNER")
        assert answer.json["error"] == "Cannot remove the last organization owner."
    [field] = body
    page = call("POST", f"{acme.pages}/members/{target}/{field}", data=body)
    assert (page.status_code, "Cannot remove the last organization owner." in page.text) == (422, True)
    assert problems(page) == []
    fragment = call("POST", f"{acme.pages}/members/{target}/{field}", data=body, headers=PARTIAL)
    assert (fragment.status_code, "Cannot remove the last organization owner." in fragment.text) == (200, True)
    assert acme.standing("owner") == (Role.ORG_OWNER, MembershipStatus.ACTIVE)


def test_a_suspended_owner_does_not_count_as_the_other_owner(acme):
    acme.join("otto", Role.ORG_OWNER, MembershipStatus.SUSPENDED)
    answer = acme.signed_in("owner")("DELETE", f"{acme.api}/members/{acme.member('owner').id}")
    assert (answer.status_code, answer.json["code"]) == (400, "LAST_OWNER")


@pytest.mark.parametrize("body", [{"role": "ORG_LEARNER"}, {"status": "SUSPENDED"}, {"status": "REMOVED"}])
def test_an_admin_touches_no_owner(acme, body):
    acme.join("otto", Role.ORG_OWNER)
    answer = acme.signed_in("admin")("PATCH", f"{acme.api}/members/{acme.member('otto').id}", json=body)
    assert (answer.status_code, answer.json["code"]) == (403, "OWNER_PROTECTED")
    assert acme.standing("otto") == (Role.ORG_OWNER, MembershipStatus.ACTIVE)


def test_an_admin_does_not_make_themselves_owner(acme):
    call = acme.signed_in("admin")
    answer = call("PATCH", f"{acme.api}/members/{acme.member('admin').id}", json={"role": "ORG_OWNER"})
    assert (answer.status_code, answer.json["code"]) == (403, "ROLE_TOO_HIGH")
    bulk = call("POST", f"{acme.pages}/members/bulk", data={"act": "role:ORG_OWNER", "member_id": acme.member("admin").id})
    assert "ranks above your own role" in call("GET", bulk.location).text
    assert acme.standing("admin") == (Role.ORG_ADMIN, MembershipStatus.ACTIVE)


def test_payout_terms_are_fractions_in_json_and_kept_with_their_change_in_the_log(hybrid):
    path = f"{hybrid.api}/members/{hybrid.member('consultant').id}"
    call = hybrid.signed_in("admin")
    answer = call("PATCH", path, json={"customConsultantPayoutRate": 0.875, "earningsRecipient": "ORGANIZATION"})
    assert answer.status_code == 200
    assert (answer.json["member"]["customConsultantPayoutRate"], answer.json["member"]["earningsRecipient"]) == (0.875, "ORGANIZATION")
    assert hybrid.member("consultant").custom_consultant_payout_rate == 8_750
    cleared = call("PATCH", path, json={"customConsultantPayoutRate": None})
    assert (cleared.json["member"]["customConsultantPayoutRate"], cleared.json["member"]["earningsRecipient"]) == (None, "ORGANIZATION")
    assert len(hybrid.acts(Action.PAYOUT_TERMS_CHANGED)) == 2


@pytest.mark.parametrize("rate", [0.9001, 1, 1.5, -0.1, "much", 0.87654])
def test_a_rate_that_does_not_fit_leaves_the_role_as_it_was_too(hybrid, rate):
    path = f"{hybrid.api}/members/{hybrid.member('consultant').id}"
    answer = hybrid.signed_in("admin")("PATCH", path, json={"role": "ORG_MANAGER", "customConsultantPayoutRate": rate})
    assert (answer.status_code, list(answer.json["details"])) == (400, ["customConsultantPayoutRate"])
    assert hybrid.standing("consultant")[0] is Role.ORG_CONSULTANT
    assert hybrid.acts(Action.MEMBER_ROLE_CHANGED, Action.PAYOUT_TERMS_CHANGED) == []


def test_an_admin_does_not_change_an_owners_payout_terms(hybrid):
    path = f"{hybrid.api}/members/{hybrid.member('owner').id}"
    answer = hybrid.signed_in("admin")("PATCH", path, json={"customConsultantPayoutRate": 0.1, "earningsRecipient": "ORGANIZATION"})
    assert (answer.status_code, answer.json.get("code")) == (403, "OWNER_PROTECTED")
    assert hybrid.member("owner").custom_consultant_payout_rate is None


def test_payout_terms_that_are_so_already_are_not_logged(hybrid):
    path = f"{hybrid.api}/members/{hybrid.member('consultant').id}"
    answer = hybrid.signed_in("admin")("PATCH", path, json={"customConsultantPayoutRate": None, "earningsRecipient": "CONSULTANT"})
    assert answer.status_code == 200
    assert hybrid.acts(Action.PAYOUT_TERMS_CHANGED) == []


def test_with_the_flag_off_payout_terms_answer_501_and_change_nothing(hybrid, settings):
    path = f"{hybrid.api}/members/{hybrid.member('consultant').id}"
    call = hybrid.signed_in("owner")
    config.use(settings)
    answer = call("PATCH", path, json={"status": "SUSPENDED", "earningsRecipient": "ORGANIZATION"})
    assert (answer.status_code, answer.json["flag"]) == (501, "ENABLE_PROVIDER_ORGS")
    assert hybrid.standing("consultant")[1] is MembershipStatus.ACTIVE


def test_pages_change_a_role_and_a_status_and_say_so(acme):
    call, target = acme.signed_in("admin"), f"{acme.pages}/members/{acme.member('learner').id}"
    role = call("POST", f"{target}/role?q=learner&status=ACTIVE", data={"role": "ORG_MANAGER"})
    assert (role.status_code, role.location) == (303, f"{acme.pages}/members?q=learner&status=ACTIVE")
    assert "Learner is Manager now." in call("GET", role.location).text
    for status, words in (("SUSPENDED", "is suspended."), ("ACTIVE", "is active again."), ("REMOVED", "was removed.")):
        fragment = call("POST", f"{target}/status", data={"status": status}, headers=PARTIAL)
        assert (fragment.status_code, f"Learner {words}" in fragment.text) == (200, True)
        assert 'id="member-list"' in fragment.text
        assert problems(fragment) == []
    assert acme.standing("learner") == (Role.ORG_MANAGER, MembershipStatus.REMOVED)


@pytest.mark.parametrize(("path", "data"), [("role", {}), ("role", {"role": "KING"}), ("status", {"status": "PENDING"}), ("status", {})])
def test_a_page_refuses_what_it_does_not_offer(acme, path, data):
    answer = acme.signed_in("admin")("POST", f"{acme.pages}/members/{acme.member('learner').id}/{path}", data=data)
    assert answer.status_code == 422
    assert problems(answer) == []
    assert acme.standing("learner") == (Role.ORG_LEARNER, MembershipStatus.ACTIVE)


def test_one_act_for_many_changes_whom_it_can_and_names_the_others_with_the_reason(acme):
    ids = [acme.join(name, Role.ORG_LEARNER, MembershipStatus.SUSPENDED) for name in ("ann", "ben", "cleo")]
    acme.join("otto", Role.ORG_OWNER, MembershipStatus.SUSPENDED)
    acme.set(seats_total=3)
    ticked = [*ids, acme.member("otto").id, acme.member("learner").id]
    call = acme.signed_in("admin")
    answer = call("POST", f"{acme.pages}/members/bulk", data={"act": "status:ACTIVE", "member_id": ticked})
    assert answer.status_code == 303
    page = call("GET", answer.location)
    for words in ("2 members were changed.", "Not Cleo: All seats are taken.", "Not Otto: Only an owner can change an owner."):
        assert words in page.text, words
    assert "Not Learner" not in page.text
    assert problems(page) == []
    statuses = [acme.standing(name)[1].value for name in ("ann", "ben", "cleo", "otto")]
    assert statuses == ["ACTIVE", "ACTIVE", "SUSPENDED", "SUSPENDED"]
    assert sorted(row.subject_name for row in acme.acts(Action.MEMBER_REACTIVATED)) == ["Ann", "Ben"]
    assert all(acme.member(name).seat_assigned_at for name in ("ann", "ben"))


def test_with_many_refused_three_are_named_and_the_others_counted(acme):
    acme.set(seats_total=1)
    ids = [acme.join(f"p{number}", Role.ORG_LEARNER, MembershipStatus.SUSPENDED) for number in range(7)]
    fragment = acme.signed_in("owner")(
        "POST", f"{acme.pages}/members/bulk", data={"act": "status:ACTIVE", "member_id": ids}, headers=PARTIAL
    )
    assert "0 members were changed." in fragment.text
    assert [f"Not P{number}:" in fragment.text for number in range(7)] == [True] * 3 + [False] * 4
    assert "4 more stay as they are" in fragment.text


@pytest.mark.parametrize(
    "data",
    [
        {"act": "status:ACTIVE"},
        {"act": "", "member_id": "x"},
        {"act": "role:KING", "member_id": "x"},
        {"act": "status:PENDING", "member_id": "x"},
    ],
)
def test_one_act_for_many_wants_an_act_and_somebody(acme, data):
    answer = acme.signed_in("owner")("POST", f"{acme.pages}/members/bulk", data=data)
    assert answer.status_code == 422
    assert re.search(r"Tick between|Choose what to do|Fill this in", answer.text)
    assert problems(answer) == []


def test_five_hundred_and_one_at_once_are_too_many(acme):
    ids = [acme.member("learner").id] * 501
    answer = acme.signed_in("owner")("POST", f"{acme.pages}/members/bulk", data={"act": "status:REMOVED", "member_id": ids})
    assert (answer.status_code, "Tick between 1 and 500 members first." in answer.text) == (422, True)
    assert acme.standing("learner")[1] is MembershipStatus.ACTIVE


def emails_on(answer) -> list[str]:
    """The addresses of the page's table, from top to bottom."""
    assert problems(answer) == []
    _before, _tag, table = answer.text.partition("<tbody")
    return re.findall(r"<td class=\"desc\">([a-z0-9]+@acme\.test)<", table.partition("</tbody>")[0])


def exported(call, path: str) -> list[list[str]]:
    answer = call("GET", path)
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "text/csv; charset=utf-8")
    assert answer.headers["Content-Disposition"] == 'attachment; filename="acme-members.csv"'
    return list(csv.reader(io.StringIO(answer.data.decode("utf-8-sig"), newline="")))


def test_the_exported_list_runs_no_formula_in_a_spreadsheet(acme):
    with acme.app.app_context():
        names = ["=1+1", "@SUM(A1)", "-2+3", "+4", '=HYPERLINK("http://x.test";"y")', "Plain, with a comma"]
        for number, name in enumerate(names):
            world.add_member(acme.organization, world.make_user(f"n{number}@acme.test", name=name), Role.ORG_LEARNER)
    [header, *rows] = exported(acme.signed_in("owner"), f"{acme.pages}/members.csv")
    assert header == ["Name", "E-mail", "Role", "Status", "Joined", "Seat since"]
    shown = {row[0] for row in rows}
    assert {f"'{name}" for name in names[:-1]} | {names[-1]} <= shown
    assert not [cell for row in rows for cell in row if cell.startswith(("=", "+", "-", "@"))]


def test_the_exported_list_follows_the_filters_and_has_no_pages(acme):
    with acme.app.app_context():
        for number in range(40):
            world.add_member(acme.organization, world.make_user(f"n{number}@acme.test"), Role.ORG_MANAGER)
    call = acme.signed_in("owner")
    assert len(exported(call, f"{acme.pages}/members.csv")) == 44
    assert len(exported(call, f"{acme.pages}/members.csv?role=ORG_MANAGER&page=2")) == 41
    assert [row[1] for row in exported(call, f"{acme.pages}/members.csv?q=n39")[1:]] == ["n39@acme.test"]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("q=%25", {"Half % off"}),
        ("q=_", {"Snake_Case"}),
        ("q=%5C", {"Back\\slash"}),
        ("q=SNAKE", {"Snake_Case"}),
        ("q=%27", {"O'Neil"}),
        ("q=admin@", {"Admin"}),
        ("q=%20neil%20", {"O'Neil"}),
        ("role=ORG_LEARNER", {"Learner", "O'Neil"}),
        ("role=ORG_LEARNER&q=neil", {"O'Neil"}),
        ("status=REMOVED", {"Gone"}),
        ("status=SUSPENDED", set()),
        ("q=gone", set()),
        ("q=nobody", set()),
    ],
)
def test_the_list_is_searched_and_filtered_by_json_and_page_alike(acme, query, found):
    people = {"snake": "Snake_Case", "half": "Half % off", "back": "Back\\slash", "neil": "O'Neil"}
    with acme.app.app_context():
        for address, name in people.items():
            role = Role.ORG_LEARNER if address == "neil" else Role.ORG_MANAGER
            world.add_member(acme.organization, world.make_user(f"{address}@acme.test", name=name), role)
    acme.join("gone", Role.ORG_LEARNER, MembershipStatus.REMOVED)
    call = acme.signed_in("owner")
    items = call("GET", f"{acme.api}/members?{query}").json["items"]
    assert {item["name"] for item in items} == found
    rows = exported(call, f"{acme.pages}/members.csv?{query}")[1:]
    assert {row[0].removeprefix("'") for row in rows} == found
    emails = {item["email"] for item in items}
    assert set(emails_on(call("GET", f"{acme.pages}/members?{query}"))) == emails


@pytest.mark.parametrize(
    "query", ["role=KING", "status=GONE", "page=0", "page=x", "colour=red", f"q={'x' * 101}", "q=%00", "limit=10", "page=999999999999"]
)
def test_a_filter_that_there_is_not_is_refused_and_not_an_accident(acme, query):
    answer = acme.signed_in("owner")("GET", f"{acme.pages}/members?{query}")
    assert answer.status_code == 400


def test_pages_of_the_list_hold_everybody_once(acme):
    with acme.app.app_context():
        for number in range(60):
            world.add_member(acme.organization, world.make_user(f"n{number:02}@acme.test", name="Same Name"), Role.ORG_MANAGER)
    call, seen, cursor = acme.signed_in("owner"), [], ""
    while cursor is not None:
        answer = call("GET", f"{acme.api}/members?limit=7{cursor and '&cursor=' + cursor}").json
        seen += [item["email"] for item in answer["items"]]
        cursor = answer["nextCursor"]
    assert (len(seen), len(set(seen))) == (63, 63)
    shown = [email for page in (1, 2, 3) for email in emails_on(call("GET", f"{acme.pages}/members?page={page}"))]
    assert (len(shown), set(shown)) == (63, set(seen))
    assert emails_on(call("GET", f"{acme.pages}/members?page=4")) == []


@pytest.fixture
def statements(app):
    """The SQL that is sent from now on."""
    seen = []

    def note(_connection, _cursor, statement, _parameters, _context, _many):
        seen.append(statement)

    with app.app_context():
        engine = db.database.engine
    event.listen(engine, "before_cursor_execute", note)
    yield seen
    event.remove(engine, "before_cursor_execute", note)


def test_two_hundred_members_take_no_more_statements_than_three(acme, statements):
    call = acme.signed_in("owner")
    paths = [f"{acme.pages}/members", f"{acme.pages}/learners", f"{acme.pages}/members.csv", f"{acme.api}/members?limit=200"]

    def counted() -> list[int]:
        found = []
        for path in paths:
            del statements[:]
            assert call("GET", path).status_code == 200
            found.append(len(statements))
        return found

    few = counted()
    with acme.app.app_context(), db.unit_of_work():
        for number in range(200):
            user = world.accounts.create_user(
                email=f"n{number}@acme.test", name=f"N {number}", password=world.PASSWORD, role=PlatformRole.USER, actor=world.SYSTEM
            )
            orgs.join(acme.organization.id, user, role=Role.ORG_LEARNER)
    assert counted() == few
    ids = [row["id"] for row in call("GET", f"{acme.api}/members?limit=200&role=ORG_LEARNER").json["items"]]
    del statements[:]
    call("POST", f"{acme.pages}/members/bulk", data={"act": "status:SUSPENDED", "member_id": ids[:2]})
    two = len(statements)
    del statements[:]
    call("POST", f"{acme.pages}/members/bulk", data={"act": "status:SUSPENDED", "member_id": ids[2:]})
    assert len(statements) == two


def transfer(call, acme, name: str, *, typed: str = "Acme"):
    return call("POST", f"{acme.pages}/settings/danger/transfer", data={"member_id": acme.member(name).id, "confirm_name": typed})


def test_ownership_changes_hands_in_one_moment_with_both_in_the_log(acme):
    call = acme.signed_in("owner")
    answer = transfer(call, acme, "learner", typed=" Acme ")
    assert answer.status_code == 303
    assert "Learner is the owner of Acme now." in call("GET", answer.location).text
    assert (acme.standing("learner")[0], acme.standing("owner")[0]) == (Role.ORG_OWNER, Role.ORG_ADMIN)
    assert acme.member("learner").seat_assigned_at is None
    rows = {row.subject_name: (row.actor_name, row.before, row.after) for row in acme.acts(Action.OWNERSHIP_TRANSFERRED)}
    assert rows == {
        "Learner": ("Olga Owner", {"role": "ORG_LEARNER"}, {"role": "ORG_OWNER"}),
        "Olga Owner": ("Olga Owner", {"role": "ORG_OWNER"}, {"role": "ORG_ADMIN"}),
    }
    assert call("GET", f"{acme.pages}/settings/danger").status_code == 403


@pytest.mark.parametrize("typed", ["acme", "Acme Ltd", "Ac me", "owner@acme.test"])
def test_a_name_that_is_typed_wrong_hands_nothing_over(acme, typed):
    answer = transfer(acme.signed_in("owner"), acme, "admin", typed=typed)
    assert (answer.status_code, "Type the name exactly as it is: Acme" in answer.text) == (422, True)
    assert problems(answer) == []
    assert (acme.standing("admin")[0], acme.standing("owner")[0]) == (Role.ORG_ADMIN, Role.ORG_OWNER)
    assert acme.acts(Action.OWNERSHIP_TRANSFERRED) == []


@pytest.mark.parametrize("status", [MembershipStatus.SUSPENDED, MembershipStatus.REMOVED, MembershipStatus.PENDING])
def test_only_an_active_member_becomes_owner(acme, status):
    acme.join("asha", Role.ORG_ADMIN, status)
    call = acme.signed_in("owner")
    assert "Asha (Admin)" not in call("GET", f"{acme.pages}/settings/danger").text
    answer = transfer(call, acme, "asha")
    assert (answer.status_code, "Asha is not an active member. Choose another." in answer.text) == (422, True)
    assert problems(answer) == []
    assert (acme.standing("asha"), acme.standing("owner")[0]) == ((Role.ORG_ADMIN, status), Role.ORG_OWNER)


def test_only_an_owner_hands_the_ownership_over(acme):
    assert transfer(acme.signed_in("admin"), acme, "admin").status_code == 403
    assert acme.standing("admin")[0] is Role.ORG_ADMIN


def test_handing_the_ownership_to_oneself_is_no_act(acme):
    transfer(acme.signed_in("owner"), acme, "owner")
    assert acme.standing("owner") == (Role.ORG_OWNER, MembershipStatus.ACTIVE)
    assert acme.acts(Action.OWNERSHIP_TRANSFERRED) == []


@pytest.mark.parametrize("role", [None, Role.ORG_LEARNER, Role.ORG_OWNER])
def test_a_platform_admin_makes_an_owner_and_is_logged_as_one(acme, role):
    with acme.app.app_context():
        acme.users["staff"] = world.make_user("staff@portal.test", role=PlatformRole.ADMIN)
    if role:
        acme.join("staff", role)
    assert transfer(acme.signed_in("staff"), acme, "admin").status_code == 303
    assert acme.standing("admin")[0] is Role.ORG_OWNER
    assert {row.via for row in acme.acts(Action.OWNERSHIP_TRANSFERRED)} == {Via.PLATFORM_ADMIN}


def act(acme: Acme, member_id: str, patch: MemberPatch, *, by: User | None = None):
    """A change of one member in a transaction of its own."""
    user = by or acme.user("owner")

    def run():
        with db.unit_of_work():
            return members.change(
                member_id, patch, organization=acme.organization, actor_role=Role.ORG_OWNER, actor=world.as_self(user)
            ).status

    return run


def owners_of(acme: Acme) -> int:
    with acme.app.app_context():
        return queries.count_active_owners(acme.organization.id)


@pytest.mark.parametrize("patch", [MemberPatch(role=Role.ORG_ADMIN), MemberPatch(status=MembershipStatus.REMOVED)])
def test_two_owners_who_end_each_other_leave_one(acme, patch):
    acme.join("otto", Role.ORG_OWNER)
    ids = {name: acme.member(name).id for name in ("owner", "otto")}
    acts = [act(acme, ids["otto"], patch), act(acme, ids["owner"], patch, by=acme.user("otto"))]
    _answers, refusals = at_once(acme.app, acts)
    assert [refusal.code for refusal in refusals] == ["LAST_OWNER"]
    assert owners_of(acme) == 1


def test_thirty_two_owners_in_a_ring_who_demote_the_next_leave_one(acme):
    names = ["owner", *(f"owner{number}" for number in range(31))]
    ids = [acme.member("owner").id, *(acme.join(name, Role.ORG_OWNER) for name in names[1:])]
    acts = [
        act(acme, member_id, MemberPatch(role=Role.ORG_ADMIN), by=acme.user(name))
        for name, member_id in zip(names, [*ids[1:], ids[0]], strict=True)
    ]
    answers, refusals = at_once(acme.app, acts)
    assert (len(answers), [refusal.code for refusal in refusals]) == (31, ["LAST_OWNER"])
    assert owners_of(acme) == 1


def test_owners_who_remove_everybody_else_at_once_leave_one(acme):
    ids = [acme.member("owner").id, *(acme.join(f"owner{number}", Role.ORG_OWNER) for number in range(7))]

    def remove_others(own):
        with db.unit_of_work():
            others = [member_id for member_id in ids if member_id != own]
            change = Change(status=MembershipStatus.REMOVED)
            actor = world.as_self(acme.users["owner"])
            members.change_many(others, change, organization=acme.organization, actor_role=Role.ORG_OWNER, actor=actor)

    _answers, refusals = at_once(acme.app, [lambda own=own: remove_others(own) for own in ids])
    assert (refusals, owners_of(acme)) == ([], 1)


def test_thirty_two_who_are_added_at_once_get_the_five_free_seats(acme):
    acme.set(seats_total=6)
    emails = [acme.user(f"n{number}").email for number in range(32)]

    def add(email):
        with db.unit_of_work():
            data = NewMemberIn(email=email, role=Role.ORG_LEARNER)
            actor = world.as_self(acme.users["owner"])
            return members.add(data, organization=acme.organization, actor_role=Role.ORG_OWNER, actor=actor).id

    answers, refusals = at_once(acme.app, [lambda email=email: add(email) for email in emails])
    assert (len(set(answers)), len(refusals), {refusal.code for refusal in refusals}) == (5, 27, {"SEAT_LIMIT"})
    with acme.app.app_context():
        assert queries.seats(acme.organization).used == 6
    assert len(acme.acts(Action.MEMBER_ADDED)) == 5


def test_one_person_who_is_added_by_thirty_two_admins_is_a_member_once(acme):
    email = acme.user("asha").email

    def add():
        with db.unit_of_work():
            data = NewMemberIn(email=email, role=Role.ORG_LEARNER)
            actor = world.as_self(acme.users["owner"])
            return members.add(data, organization=acme.organization, actor_role=Role.ORG_OWNER, actor=actor).id

    answers, refusals = at_once(acme.app, [add] * 32)
    assert (len(answers), {refusal.code for refusal in refusals}) == (1, {"ALREADY_MEMBER"})


def test_reviving_and_accepting_at_once_never_hold_more_than_the_seats(acme):
    removed = [acme.join(f"gone{number}", Role.ORG_LEARNER, MembershipStatus.REMOVED) for number in range(8)]
    invited = []
    with acme.app.app_context():
        for number in range(8):
            email = acme.user(f"new{number}").email
            token = mails.token_by_id(world.invite(acme.organization, acme.user("owner"), email))
            invited.append((acme.user(f"new{number}"), token))
    acme.set(seats_total=4)

    def accept(user, token):
        with db.unit_of_work():
            return invitations.accept(token, user=db.session.get_one(User, user.id), ip=None).status

    back = MemberPatch(status=MembershipStatus.ACTIVE)
    acts = [act(acme, member_id, back) for member_id in removed]
    acts += [lambda user=user, token=token: accept(user, token) for user, token in invited]
    answers, refusals = at_once(acme.app, acts)
    assert (len(answers), {refusal.code for refusal in refusals}) == (3, {"SEAT_LIMIT"})
    with acme.app.app_context():
        assert queries.seats(acme.organization).used == 4


def test_a_role_and_a_removal_at_once_end_in_a_removed_member(acme):
    target = acme.member("learner").id
    role = MemberPatch(role=Role.ORG_MANAGER)
    gone = MemberPatch(status=MembershipStatus.REMOVED)
    _answers, refusals = at_once(acme.app, [act(acme, target, patch) for patch in [role, gone] * 16])
    assert {refusal.code for refusal in refusals} <= {"MEMBER_REMOVED"}
    assert acme.member("learner").status is MembershipStatus.REMOVED
    assert acme.member("learner").seat_assigned_at is None
    changes = [(row.before, row.after) for row in acme.acts(Action.MEMBER_ROLE_CHANGED, Action.MEMBER_REMOVED)]
    removal = ({"status": "ACTIVE"}, {"status": "REMOVED"})
    role_change = ({"role": "ORG_LEARNER"}, {"role": "ORG_MANAGER"})
    assert changes in ([removal], [role_change, removal])
    assert acme.standing("learner")[0] is (Role.ORG_MANAGER if len(changes) == 2 else Role.ORG_LEARNER)


def test_an_owner_who_hands_over_to_two_at_once_hands_over_to_one(acme):
    ids = [acme.member(name).id for name in ("admin", "learner")]

    def hand_over(member_id):
        with db.unit_of_work():
            giver = queries.membership(acme.organization.id, acme.users["owner"].id)
            actor = world.as_self(acme.users["owner"])
            return members.transfer(member_id, typed_name="Acme", organization=acme.organization, giver=giver, actor=actor).id

    answers, refusals = at_once(acme.app, [lambda member_id=member_id: hand_over(member_id) for member_id in ids * 4])
    assert (len(answers), {refusal.status for refusal in refusals}, owners_of(acme)) == (1, {403}, 1)
    assert acme.standing("owner")[0] is Role.ORG_ADMIN


def test_a_search_is_kept_in_every_link_and_form_of_the_page(acme):
    words = 'a&b="c<d'
    answer = acme.signed_in("owner")("GET", f"{acme.pages}/members?q={quote(words)}")
    assert answer.status_code == 200
    assert problems(answer) == []
    assert f"members.csv?q={quote(words)}" in answer.text.replace("&#34;", "%22").replace("&amp;", "%26")
