"""An organization's life after its launch: what platform admins decide, what each status allows, and how it ends."""

import html
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http import HTTPStatus

import pytest
from sqlalchemy import func, select

from portal import clock, db, jobs
from portal.accounts.models import User
from portal.accounts.rules import PlatformRole
from portal.accounts.service import admin_actor_of
from portal.audit.models import AuditRow
from portal.audit.rules import Action, Via
from portal.billing.models import Invoice, InvoiceLine, Payment
from portal.billing.rules import InvoiceStatus
from portal.billing.service import invoices
from portal.bookings.models import Booking
from portal.errors import Conflict, Invalid
from portal.invites.models import Invitation
from portal.invites.service import mails
from portal.orgs import queries
from portal.orgs import service as orgs
from portal.orgs.models import Membership, Organization
from portal.orgs.rules import Kind, Role, Status, Verdict, verdicts_on
from portal.orgs.rules.lifecycle import decide
from portal.orgs.schemas import OrganizationIn
from tests.pages.test_url_map import routes
from tests.support import world
from tests.support.lint import problems
from tests.support.together import at_once

NOBODY = "0190b4a2-0000-7000-8000-000000000000"
ENDED = "Organization has been deactivated"
PLAN = {"planType": "CONSULTATION", "title": "Coaching", "price": 100_000, "durationMinutes": 30}
MOVES = {
    (Status.PENDING_VERIFICATION, Verdict.APPROVE): Status.ACTIVE,
    (Status.PENDING_VERIFICATION, Verdict.REJECT): Status.DEACTIVATED,
    (Status.ACTIVE, Verdict.SUSPEND): Status.SUSPENDED,
    (Status.SUSPENDED, Verdict.REACTIVATE): Status.ACTIVE,
}


@dataclass
class Scene:
    """An organization with a plan, a consultant, an owner, an admin, a learner and the platform's admin."""

    app: object
    company: world.Company
    users: dict[str, User] = field(default_factory=dict)

    @property
    def organization(self) -> Organization:
        return self.company.organization

    @property
    def api(self) -> str:
        return f"/api/organizations/{self.organization.id}"

    @property
    def pages(self) -> str:
        return f"/orgs/{self.organization.slug}"

    @property
    def status(self) -> Status:
        return self.row.status

    @property
    def row(self) -> Organization:
        with self.app.app_context():
            return db.session.get_one(Organization, self.organization.id)

    def set(self, status: Status) -> None:
        with self.app.app_context(), db.unit_of_work():
            db.session.get_one(Organization, self.organization.id).status = status

    def acts(self, *actions: Action) -> list[AuditRow]:
        with self.app.app_context():
            wanted = AuditRow.organization_id == self.organization.id, AuditRow.action.in_(actions)
            return list(db.session.scalars(select(AuditRow).where(*wanted).order_by(AuditRow.at, AuditRow.id)))

    def signed_in(self, name: str):
        """A call as one of the users: ``call(method, path, json=… or data=…)``."""
        client = world.sign_in(self.app.test_client(), self.users[name])
        token = world.csrf(client)

        def call(method, path, **body):
            return client.open(path, method=method, headers=token, **body)

        return call

    def verify(self, action: str, *, by: str = "staff", **body):
        return self.signed_in(by)("POST", f"/api/admin/organizations/{self.organization.id}/verify", json={"action": action, **body})

    @property
    def checkout(self) -> dict[str, str]:
        """The body of a booking for tomorrow."""
        starts_at = (clock.now().replace(minute=0, second=0, microsecond=0) + timedelta(hours=30)).isoformat()
        plan, consultant = self.company.plan, self.company.consultant
        return {"planId": plan.id, "consultantId": consultant.id, "startsAt": starts_at, "organizationId": self.organization.id}

    def invite(self, email: str) -> str:
        """Invites a new user, and returns the invitation's token."""
        with self.app.app_context():
            self.users[email.partition("@")[0]] = world.make_user(email)
            return mails.token_by_id(world.invite(self.organization, self.users["owner"], email))


def peopled(app, company: world.Company) -> Scene:
    scene = Scene(app, company, {"owner": company.owner})
    with app.app_context():
        for name, role in (("admin", Role.ORG_ADMIN), ("learner", Role.ORG_LEARNER)):
            scene.users[name] = world.make_user(f"{name}@acme.test")
            world.add_member(company.organization, scene.users[name], role)
        scene.users["staff"] = world.make_user("staff@portal.test", role=PlatformRole.ADMIN)
        scene.users["clerk"] = world.make_user("clerk@portal.test", role=PlatformRole.STAFF)
    return scene


@pytest.fixture
def acme(rung, app) -> Scene:
    """A BUYER that bills monthly."""
    with app.app_context():
        company = world.make_company()
    return peopled(app, company)


@pytest.fixture
def pending(rung, app, provider_orgs) -> Scene:
    """A HYBRID that waits for verification."""
    with app.app_context():
        owner = world.make_user("owner@acme.test")
        with db.unit_of_work():
            body = {"name": "Acme", "kind": "HYBRID", "billing_email": "f@acme.test", "billing_mode": "INVOICED_MONTHLY"}
            organization = orgs.create(OrganizationIn.model_validate(body), creator=owner, actor=world.as_self(owner))
        company = world.Company(organization, owner, world.make_plan(organization, owner), world.make_consultant())
    return peopled(app, company)


@pytest.mark.parametrize("status", list(Status))
@pytest.mark.parametrize("verdict", list(Verdict))
def test_each_verdict_applies_to_one_status(status, verdict):
    expected = MOVES.get((status, verdict))
    assert (verdict in verdicts_on(status)) is (expected is not None)
    if expected:
        assert decide(status, verdict, name="Acme", reason="No papers") is expected
    else:
        with pytest.raises(Conflict, match="Nothing was changed") as refused:
            decide(status, verdict, name="Acme", reason="No papers")
        assert refused.value.code == "STATUS_CONFLICT"


@pytest.mark.parametrize("reason", [None, ""])
def test_only_a_rejection_needs_a_reason(reason):
    for (status, verdict), after in MOVES.items():
        if verdict is Verdict.REJECT:
            with pytest.raises(Invalid) as refused:
                decide(status, verdict, name="Acme", reason=reason)
            assert (refused.value.code, list(refused.value.details)) == ("REASON_MISSING", ["reason"])
        else:
            assert decide(status, verdict, name="Acme", reason=reason) is after


def test_an_approval_opens_the_organization_and_is_logged_as_the_platforms(pending):
    assert pending.status is Status.PENDING_VERIFICATION
    answer = pending.verify("APPROVE")
    assert (answer.status_code, answer.json["organization"]["status"]) == (200, "ACTIVE")
    [row] = pending.acts(Action.ORG_APPROVED)
    assert (row.actor_name, row.via, row.actor_membership_id) == ("Staff", Via.PLATFORM_ADMIN, None)
    assert (row.before, row.after) == ({"status": "PENDING_VERIFICATION"}, {"status": "ACTIVE"})
    assert pending.signed_in("learner")("POST", "/api/checkout", json=pending.checkout).status_code == 201


def test_a_rejection_says_why_and_ends_the_organization(pending):
    for body in ({}, {"reason": ""}, {"reason": "  \n "}, {"reason": None}):
        refused = pending.verify("REJECT", **body)
        assert (refused.status_code, refused.json["code"], list(refused.json["details"])) == (400, "REASON_MISSING", ["reason"])
    assert pending.status is Status.PENDING_VERIFICATION
    answer = pending.verify("REJECT", reason="The papers are missing.")
    shown = answer.json["organization"]
    assert (answer.status_code, shown["status"], shown["statusReason"]) == (200, "DEACTIVATED", "The papers are missing.")
    [row] = pending.acts(Action.ORG_REJECTED)
    assert row.after == {"status": "DEACTIVATED", "reason": "The papers are missing."}
    refused = pending.signed_in("owner")("GET", pending.api)
    assert (refused.status_code, refused.json["error"]) == (403, ENDED)


def test_a_suspension_may_say_why_and_a_reactivation_forgets_it(acme):
    acme.verify("SUSPEND", reason="Unpaid invoices.")
    assert (acme.status, acme.row.status_reason) == (Status.SUSPENDED, "Unpaid invoices.")
    assert "Unpaid invoices." in acme.signed_in("learner")("GET", f"{acme.pages}/home").text
    acme.verify("REACTIVATE")
    assert (acme.status, acme.row.status_reason) == (Status.ACTIVE, None)
    assert [row.via for row in acme.acts(Action.ORG_SUSPENDED, Action.ORG_REACTIVATED)] == [Via.PLATFORM_ADMIN] * 2


@pytest.mark.parametrize("action", ["APPROVE", "REJECT", "REACTIVATE"])
def test_a_verdict_that_does_not_apply_changes_nothing(acme, action):
    answer = acme.verify(action, reason="Late")
    assert (answer.status_code, answer.json["code"]) == (409, "STATUS_CONFLICT")
    assert (acme.status, acme.row.status_reason) == (Status.ACTIVE, None)


@pytest.mark.parametrize("body", [{}, {"action": "approve"}, {"action": "DELETE"}, {"action": "SUSPEND", "reason": "x" * 501}])
def test_a_verdict_that_there_is_not_is_refused(acme, body):
    call = acme.signed_in("staff")
    assert call("POST", f"/api/admin/organizations/{acme.organization.id}/verify", json=body).status_code == 400
    assert acme.status is Status.ACTIVE


@pytest.mark.parametrize("who", ["owner", "admin", "learner", "clerk"])
def test_only_platform_admins_decide(acme, who):
    assert acme.verify("SUSPEND", by=who).status_code == 403
    call, page = acme.signed_in(who), f"/admin/organizations/{acme.organization.id}/verify"
    assert call("POST", page, data={"action": "SUSPEND"}).status_code == 403
    assert call("GET", "/admin/organizations").status_code == 403
    assert acme.status is Status.ACTIVE


def test_drafts_and_unknown_ones_cannot_be_decided_about(acme):
    with acme.app.app_context():
        draft = world.make_draft(acme.users["owner"], name="Draft")
    call = acme.signed_in("staff")
    for organization_id in (draft.id, NOBODY, "nonsense"):
        answer = call("POST", f"/api/admin/organizations/{organization_id}/verify", json={"action": "SUSPEND"})
        assert (answer.status_code, answer.json["code"]) == (404, "ORGANIZATION_NOT_FOUND")
        assert call("POST", f"/admin/organizations/{organization_id}/verify", data={"action": "SUSPEND"}).status_code == 404


def test_the_queues_page_decides_and_asks_for_a_reason_in_its_dialog(pending):
    call = pending.signed_in("staff")
    path, queue = f"/admin/organizations/{pending.organization.id}/verify", "/admin/organizations"
    shown = call("GET", queue)
    assert (">Acme</a>" in shown.text, problems(shown)) == (True, [])
    refused = call("POST", path, data={"action": "REJECT", "reason": " "})
    assert (refused.status_code, "Say why: the organization's owner reads it." in html.unescape(refused.text)) == (422, True)
    assert problems(refused) == []
    accepted = call("POST", path, data={"action": "APPROVE"})
    assert accepted.status_code == 303
    assert "Acme is approved." in call("GET", accepted.location).text
    assert pending.status is Status.ACTIVE


@pytest.mark.parametrize("action", ["APPROVE", "REJECT"])
def test_who_decides_too_late_on_the_page_reads_that_somebody_else_did(pending, action):
    call = pending.signed_in("staff")
    pending.set(Status.ACTIVE)
    late = call("POST", f"/admin/organizations/{pending.organization.id}/verify", data={"action": action, "reason": "Late"})
    assert (late.status_code, problems(late)) == (422, [])
    assert "Acme is active now" in html.unescape(late.text)


@pytest.mark.parametrize(("query", "found"), [("q=ac", True), ("q=%25", False), ("q=_", False), ("q=acme&status=SUSPENDED", False)])
def test_the_platforms_list_is_searched_by_what_is_written(acme, query, found):
    call = acme.signed_in("staff")
    shown = call("GET", f"/admin/organizations?{query if 'status' in query else query + '&status=ACTIVE'}")
    assert (shown.status_code, ">Acme</a>" in shown.text, problems(shown)) == (200, found, [])


def test_a_pending_organization_is_configured_and_builds_its_team(pending):
    call = pending.signed_in("owner")
    with pending.app.app_context():
        world.make_user("asha@acme.test")
    answers = [
        call("PATCH", pending.api, json={"industry": "Coaching", "consultantPayoutRate": 0.8, "orgRetainRate": 0.1}),
        call("POST", f"{pending.api}/members", json={"email": "asha@acme.test", "role": "ORG_CONSULTANT"}),
        call("POST", f"{pending.api}/invitations", json={"email": "new@acme.test", "role": "ORG_LEARNER"}),
        call("POST", f"{pending.api}/plans", json=PLAN),
        call("GET", pending.api),
    ]
    assert [answer.status_code for answer in answers] == [200, 201, 201, 201, 200]
    token = pending.invite("dev@acme.test")
    assert pending.signed_in("dev")("POST", "/api/organizations/invitations/accept", json={"token": token}).status_code == 200
    assert "Acme is waiting to be verified." in call("GET", f"{pending.pages}/home").text


@pytest.mark.parametrize("status", [Status.PENDING_VERIFICATION, Status.SUSPENDED])
def test_business_waits_until_the_organization_is_active(pending, status):
    pending.set(status)
    owner, learner = pending.signed_in("owner"), pending.signed_in("learner")
    body = pending.checkout
    page = {"plan_id": body["planId"], "consultant_id": body["consultantId"], "starts_at": body["startsAt"]}
    answers = [
        learner("POST", "/api/checkout", json=body),
        owner("POST", f"{pending.api}/billing/generate-invoice", json={}),
        learner("POST", f"{pending.pages}/book", data=page),
        owner("POST", f"{pending.pages}/billing/generate-invoice", data={}),
    ]
    assert [answer.status_code for answer in answers] == [409] * 4
    assert [answer.json["code"] for answer in answers[:2]] == ["ORGANIZATION_NOT_ACTIVE"] * 2
    with pending.app.app_context():
        assert db.session.scalar(select(func.count()).select_from(Payment)) == 0
        assert db.session.scalar(select(func.count()).select_from(Booking)) == 0


def behind_the_gate(app):
    """Every route of an organization: its method, its rule, and the path for a slug or id."""
    for rule, view in routes(app):
        if view.gate.startswith("org("):
            yield from ((method, rule, view.gate) for method in sorted(rule.methods - {"HEAD", "OPTIONS"}))


def path_of(scene: Scene, rule) -> str:
    known = {"slug": scene.organization.slug, "organization_id": scene.organization.id, "slot": "logo", "group": "profile"}
    return re.sub(r"<([a-z_]+)>", lambda found: known.get(found[1], NOBODY), rule.rule)


def test_a_suspended_organization_shows_everything_and_changes_nothing(acme):
    acme.verify("SUSPEND")
    call, wrong, tried = acme.signed_in("owner"), [], {"GET": 0, "other": 0}
    for method, rule, _gate in behind_the_gate(acme.app):
        if method == "GET" and rule.arguments - {"slug", "organization_id"}:
            continue
        path = path_of(acme, rule)
        body = {} if method == "GET" else {"json": {}} if path.startswith("/api/") else {"data": {}}
        answer = call(method, path, **body)
        if answer.status_code == HTTPStatus.NOT_IMPLEMENTED:
            assert answer.json["flag"] == "ENABLE_PROVIDER_ORGS", path
            continue
        expected = 200 if method == "GET" else 409
        tried["GET" if method == "GET" else "other"] += 1
        if answer.status_code != expected:
            wrong.append(f"{method} {path}: {answer.status_code}")
        elif expected == 409 and path.startswith("/api/") and answer.json["code"] != "ORGANIZATION_NOT_ACTIVE":
            wrong.append(f"{method} {path}: {answer.json['code']}")
    assert wrong == []
    assert tried["GET"] > 20
    assert tried["other"] > 20
    assert acme.signed_in("staff")("PATCH", acme.api, json={"industry": "Steel"}).status_code == 409
    assert acme.status is Status.SUSPENDED


def test_after_a_reactivation_everything_goes_on(acme):
    acme.verify("SUSPEND")
    acme.verify("REACTIVATE")
    assert acme.signed_in("owner")("PATCH", acme.api, json={"industry": "Steel"}).status_code == 200
    assert acme.signed_in("learner")("POST", "/api/checkout", json=acme.checkout).status_code == 201


@pytest.mark.parametrize("who", ["owner", "admin", "learner", "staff"])
def test_a_deactivated_organization_answers_everybody_on_every_way_with_the_same_but_who_keeps_its_books(acme, who):
    acme.set(Status.DEACTIVATED)
    call, wrong, tried = acme.signed_in(who), [], 0
    for method, rule, _gate in behind_the_gate(acme.app):
        path, tried = path_of(acme, rule), tried + 1
        answer = call(method, path, **({} if method == "GET" else {"json": {}} if path.startswith("/api/") else {"data": {}}))
        if answer.status_code != 403 or ENDED not in answer.text:
            wrong.append(f"{method} {path}: {answer.status_code}")
    books = [line for line in wrong if who == "staff" and "/billing" in line]
    assert ([line for line in wrong if line not in books], tried > 40) == ([], True)
    assert (f"GET /orgs/{acme.organization.slug}/billing: 200" in books) is (who == "staff")
    refused = call("POST", "/api/checkout", json=acme.checkout)
    assert (refused.status_code, refused.json["code"]) == (403, "ORGANIZATION_DEACTIVATED")


@pytest.mark.parametrize("who", ["owner", "learner", "staff"])
def test_a_deactivated_organization_is_in_no_list(acme, who):
    with acme.app.app_context():
        other = world.make_organization(world.make_user("other@other.test"), name="Other")
        if who != "staff":
            world.add_member(other, acme.users[who], Role.ORG_MANAGER)
    acme.set(Status.DEACTIVATED)
    call = acme.signed_in(who)
    assert [item["slug"] for item in call("GET", "/api/organizations").json["items"]] == ["other"]
    assert "acme" not in [row["slug"] for row in call("GET", "/api/auth/me").json["memberships"]]
    page = call("GET", "/orgs")
    assert (page.status_code, "/orgs/acme/" in page.text, problems(page)) == (200, False, [])
    home = call("GET", "/orgs/other/home")
    assert (home.status_code, "/orgs/acme/" in home.text) == (200, False)


def test_the_owner_ends_it_by_typing_its_name(acme, rung):
    call, path = acme.signed_in("owner"), f"{acme.pages}/settings/danger"
    for typed in ("acme", "Acme.", "yes"):
        refused = call("POST", f"{path}/deactivate", data={"name": typed})
        assert (refused.status_code, "Type the name exactly as it is: Acme" in refused.text, problems(refused)) == (422, True, [])
    assert call("POST", f"{path}/deactivate", data={}).status_code == 422
    assert (acme.status, [bell for bell in rung if bell.name == "billing-final-invoice"]) == (Status.ACTIVE, [])
    ended = call("POST", f"{path}/deactivate", data={"name": " Acme "})
    assert ended.status_code == 303
    assert "Acme is deactivated." in call("GET", ended.location).text or ended.location.endswith("/orgs")
    [row] = acme.acts(Action.ORG_DEACTIVATED)
    assert (row.via, row.before, row.after) == (Via.MEMBER, {"status": "ACTIVE"}, {"status": "DEACTIVATED"})
    assert row.actor_membership_id is not None
    assert [bell.ids for bell in rung if bell.name == "billing-final-invoice"] == [(acme.organization.id,)]


@pytest.mark.parametrize(("who", "status"), [("admin", 403), ("learner", 403), ("clerk", 403), ("owner", 200), ("staff", 200)])
def test_by_json_only_owners_and_platform_admins_end_it(acme, who, status):
    call = acme.signed_in(who)
    answer = call("DELETE", acme.api)
    assert answer.status_code == status
    assert acme.status is (Status.DEACTIVATED if status == 200 else Status.ACTIVE)
    if status == 200:
        assert answer.json["organization"]["status"] == "DEACTIVATED"
        again = call("DELETE", acme.api)
        assert (again.status_code, again.json["error"]) == (403, ENDED)
        assert [row.via for row in acme.acts(Action.ORG_DEACTIVATED)] == [Via.PLATFORM_ADMIN if who == "staff" else Via.MEMBER]
    else:
        assert call("POST", f"{acme.pages}/settings/danger/deactivate", data={"name": "Acme"}).status_code == 403


def test_a_pending_one_may_be_given_up_and_is_never_approved_afterwards(pending):
    assert pending.signed_in("owner")("DELETE", pending.api).status_code == 200
    answer = pending.verify("APPROVE")
    assert (answer.status_code, answer.json["code"], pending.status) == (409, "STATUS_CONFLICT", Status.DEACTIVATED)


def final_invoices(acme: Scene) -> list[Invoice]:
    with acme.app.app_context():
        return list(db.session.scalars(select(Invoice).where(Invoice.organization_id == acme.organization.id)))


def unbilled(acme: Scene) -> int:
    with acme.app.app_context():
        return db.session.scalar(select(func.count()).select_from(Payment).where(Payment.billable_to_org_invoice_id.is_(None)))


def test_what_is_unbilled_comes_as_one_final_invoice_however_often_the_job_runs(acme, rung):
    with acme.app.app_context():
        for hours in (24, 26, 28):
            world.book(acme.company, acme.users["learner"], hours=hours)
    acme.signed_in("owner")("DELETE", acme.api)
    with acme.app.app_context():
        assert jobs.run("billing-final-invoice", acme.organization.id) == {"invoices": 1}
        world.work_off(rung)
        assert jobs.run("billing-final-invoice", acme.organization.id) == {"invoices": 0}
    [invoice] = final_invoices(acme)
    assert (invoice.taxable_amount, invoice.status, invoice.auto_generated) == (300_000, InvoiceStatus.SENT, True)
    assert unbilled(acme) == 0
    [row] = acme.acts(Action.INVOICE_GENERATED)
    assert row.via is Via.SYSTEM


def test_the_final_invoice_has_also_what_was_booked_at_the_very_instant_of_the_end(acme, rung):
    with acme.app.app_context(), clock.as_of(datetime(2026, 10, 12, 9, tzinfo=UTC)):
        world.book(acme.company, acme.users["learner"])
        with db.unit_of_work():
            orgs.deactivate(acme.organization, typed_name=None, actor=world.as_self(acme.users["owner"]))
        world.work_off(rung)
    assert (len(final_invoices(acme)), unbilled(acme)) == (1, 0)


def test_without_anything_unbilled_there_is_no_final_invoice(acme, rung):
    acme.signed_in("owner")("DELETE", acme.api)
    with acme.app.app_context():
        world.work_off(rung)
    assert final_invoices(acme) == []


def test_a_final_invoice_of_an_organization_that_goes_on_is_never_made(acme):
    with acme.app.app_context():
        world.book(acme.company, acme.users["learner"])
        for status in (Status.ACTIVE, Status.SUSPENDED):
            acme.set(status)
            assert jobs.run("billing-final-invoice", acme.organization.id) == {"invoices": 0}
    assert (final_invoices(acme), unbilled(acme)) == ([], 1)


def test_a_lost_bell_is_rung_again_by_the_sweep(acme, rung):
    with acme.app.app_context():
        world.book(acme.company, acme.users["learner"])
    acme.signed_in("owner")("DELETE", acme.api)
    rung.clear()
    with acme.app.app_context():
        jobs.run("sweep")
        world.work_off(rung)
    assert (len(final_invoices(acme)), unbilled(acme)) == (1, 0)


def test_eight_final_jobs_at_once_issue_one_invoice(acme):
    with acme.app.app_context():
        world.book(acme.company, acme.users["learner"])
    acme.set(Status.DEACTIVATED)

    def final():
        with db.unit_of_work():
            return invoices.issue_final(acme.organization.id)

    answers, refusals = at_once(acme.app, [final] * 8)
    assert (len([answer for answer in answers if answer]), refusals, len(final_invoices(acme))) == (1, [], 1)


@pytest.mark.parametrize("attempt", range(3))
def test_a_booking_at_the_moment_of_the_end_is_refused_or_on_the_final_invoice(acme, rung, attempt):
    def book(hours):
        return world.book(acme.company, acme.users["learner"], hours=hours).payment_id

    def end():
        with db.unit_of_work():
            orgs.deactivate(acme.organization, typed_name=None, actor=world.as_self(acme.users["owner"]))

    acts = [lambda hours=hours: book(hours) for hours in range(24, 39)]
    acts.insert(attempt * 7, end)
    answers, refusals = at_once(acme.app, acts)
    assert {refusal.code for refusal in refusals} <= {"ORGANIZATION_NOT_ACTIVE"}
    booked = {answer for answer in answers if answer}
    assert len(booked) + len(refusals) == 15
    with acme.app.app_context():
        world.work_off(rung)
        billed = set(db.session.scalars(select(InvoiceLine.payment_id)))
    assert billed == booked
    assert (acme.status, unbilled(acme), len(final_invoices(acme))) == (Status.DEACTIVATED, 0, min(len(booked), 1))


def test_of_thirty_two_admins_who_decide_at_once_one_does(pending):
    staff = pending.users["staff"]

    def verdict(action):
        with db.unit_of_work():
            actor = admin_actor_of(staff, ip=None)
            return orgs.decide(pending.organization.id, action, reason="Because", actor=actor).status

    answers, refusals = at_once(pending.app, [lambda action=action: verdict(action) for action in [Verdict.APPROVE, Verdict.REJECT] * 16])
    assert (len(answers), [refusal.code for refusal in refusals]) == (1, ["STATUS_CONFLICT"] * 31)
    assert pending.status is answers[0]
    assert len(pending.acts(Action.ORG_APPROVED, Action.ORG_REJECTED)) == 1


def test_an_end_and_a_suspension_at_once_leave_one_of_them(acme):
    def end():
        with db.unit_of_work():
            return orgs.deactivate(acme.organization, typed_name=None, actor=world.as_self(acme.users["owner"])).status

    def suspend():
        with db.unit_of_work():
            actor = admin_actor_of(acme.users["staff"], ip=None)
            return orgs.decide(acme.organization.id, Verdict.SUSPEND, reason=None, actor=actor).status

    answers, refusals = at_once(acme.app, [end, suspend])
    assert (len(answers), len(refusals)) == (1, 1)
    assert acme.status is answers[0]
    assert refusals[0].code == ("STATUS_CONFLICT" if answers[0] is Status.DEACTIVATED else "ORGANIZATION_NOT_ACTIVE")


@pytest.mark.parametrize("status", [Status.SUSPENDED, Status.DEACTIVATED])
def test_an_invitation_into_an_organization_that_is_not_open_is_refused_kindly(acme, status):
    token = acme.invite("dev@acme.test")
    acme.set(status)
    dev = acme.signed_in("dev")
    answer = dev("POST", "/api/organizations/invitations/accept", json={"token": token})
    assert (answer.status_code, answer.json["code"]) == (410, "ORGANIZATION_NOT_ACTIVE")
    assert "Acme takes no new members" in answer.json["error"]
    page = dev("POST", f"/organizations/invite/{token}")
    assert (page.status_code, "Acme takes no new members" in page.text, problems(page)) == (410, True, [])
    with acme.app.app_context():
        assert queries.membership(acme.organization.id, acme.users["dev"].id) is None
        assert db.session.scalar(select(func.count()).select_from(Membership)) == 3


@pytest.mark.parametrize("status", [Status.SUSPENDED, Status.DEACTIVATED])
@pytest.mark.parametrize("who", ["dev", None])
def test_the_page_of_such_an_invitation_offers_no_button_that_will_be_refused(acme, status, who):
    token = acme.invite("dev@acme.test")
    acme.set(status)
    client = world.sign_in(acme.app.test_client(), acme.users["dev"]) if who else acme.app.test_client()
    page = client.get(f"/organizations/invite/{token}")
    assert problems(page) == []
    assert f'action="/organizations/invite/{token}"' not in page.text
    assert "Create an account" not in page.text


def test_an_invitation_waits_for_the_end_of_a_suspension(acme):
    token = acme.invite("dev@acme.test")
    acme.verify("SUSPEND")
    dev = acme.signed_in("dev")
    assert dev("POST", "/api/organizations/invitations/accept", json={"token": token}).status_code == 410
    acme.verify("REACTIVATE")
    assert dev("POST", "/api/organizations/invitations/accept", json={"token": token}).status_code == 200


def test_no_mail_of_an_invitation_goes_out_after_the_end(acme, rung, settings):
    acme.invite("dev@acme.test")
    acme.set(Status.DEACTIVATED)
    with acme.app.app_context():
        world.work_off(rung)
        invitation = db.session.scalars(select(Invitation)).one()
    assert not (settings.portal_home / "mail" / f"{invitation.id}.eml").exists()


@pytest.mark.parametrize("kind", [Kind.PROVIDER, Kind.HYBRID])
def test_providers_wait_for_verification_and_buyers_do_not(rung, app, provider_orgs, kind):
    with app.app_context():
        owner = world.make_user("owner@acme.test")
    client = world.sign_in(app.test_client(), owner)
    token = world.csrf(client)
    for chosen, status in ((kind, "PENDING_VERIFICATION"), (Kind.BUYER, "ACTIVE")):
        body = {"name": f"Acme {chosen}", "kind": chosen, "billingEmail": "f@acme.test"}
        made = client.post("/api/organizations", json=body, headers=token).json["organization"]
        assert (made["status"], made["role"], made["seatsUsed"]) == (status, "ORG_OWNER", 0)
