"""Signing in by an identity provider's answer: who comes in, as what, and who doesn't."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import event, func, select, update

from portal import clock, db
from portal.accounts.models import LoginSession, User
from portal.accounts.rules import PlatformRole
from portal.accounts.schemas import SignUpIn
from portal.audit.models import AuditRow
from portal.orgs.models import Membership, Organization
from portal.orgs.rules import MembershipStatus, Role, Status
from portal.sso.models import Identity
from portal.sso.schemas import SsoPatch
from portal.sso.service import settings
from tests.sso.conftest import connect, make_scene, us_of
from tests.support import world
from tests.support.identity_provider import PROFILES, Provider, request_in
from tests.support.lint import problems
from tests.support.together import at_once

HOME = "/orgs/acme/home"
TRANSIENT = "urn:oasis:names:tc:SAML:2.0:nameid-format:transient"


def change_member(acme, email: str, **columns) -> None:
    with acme.app.app_context(), db.unit_of_work():
        user = world.accounts.queries.user_by_email(email)
        db.session.execute(update(Membership).where(Membership.user_id == user.id).values(**columns))


def change_organization(acme, **columns) -> None:
    with acme.app.app_context(), db.unit_of_work():
        db.session.execute(update(Organization).where(Organization.id == acme.organization.id).values(**columns))


def actions(acme) -> list[str]:
    with acme.app.app_context():
        return list(db.session.scalars(select(AuditRow.action).order_by(AuditRow.id)))


def test_the_first_sign_in_makes_the_account_and_the_membership_and_the_second_finds_them(acme):
    browser = acme.browser()
    answer = browser.sign_in()
    assert (answer.status_code, answer.location) == (303, HOME)
    page = browser.client.get(answer.location)
    assert (page.status_code, problems(page)) == (200, [])
    member, user = acme.membership("alice@acme.test"), acme.user("alice@acme.test")
    assert (member.role, member.status, user.name) == (Role.ORG_LEARNER, MembershipStatus.ACTIVE, "Alice Archer")
    assert (user.email_verified_at is not None, user.password_hash) == (True, None)
    again = acme.browser()
    assert again.sign_in(last="Baker").location == HOME
    assert again.email == "alice@acme.test"
    assert acme.membership("alice@acme.test").id == member.id
    assert acme.user("alice@acme.test").name == "Alice Baker"
    assert [(row.reason, row.email) for row in acme.attempts()] == [(None, "alice@acme.test")] * 2
    assert {"USER_SIGNED_UP", "MEMBER_ADDED", "USER_RENAMED"} <= set(actions(acme))


@pytest.mark.parametrize("vendor", list(PROFILES))
def test_answers_in_the_shape_of_each_vendor_are_understood(rung, app, vendor):
    acme = make_scene(app, rung, provider=Provider.like(vendor))
    acme.set(preset={"okta": "OKTA", "entra": "ENTRA", "google": "GOOGLE", "google-assertion": "GOOGLE"}.get(vendor, "OTHER"))
    acme.set(group_roles={"team": "ORG_MANAGER"})
    answer = acme.browser().sign_in(groups=("other", "team"))
    assert answer.location == HOME, [(row.reason, row.detail) for row in acme.attempts()]
    assert acme.membership("alice@acme.test").role is Role.ORG_MANAGER
    assert acme.user("alice@acme.test").name in {"Alice Archer", "Alice"}


def test_a_known_address_with_a_new_name_id_is_linked_to_its_user_and_the_stored_address_stays(acme):
    with acme.app.app_context():
        known = world.make_user("alice@acme.test", name="Alice")
        world.add_member(acme.organization, known, Role.ORG_MANAGER)
    assert acme.browser().sign_in(name_id="employee-7").location == HOME
    browser = acme.browser()
    assert browser.sign_in(name_id="employee-7", email="alice.archer@acme.test").location == HOME
    assert browser.email == "alice@acme.test"
    assert acme.user("alice.archer@acme.test") is None
    assert acme.membership("alice@acme.test").role is Role.ORG_MANAGER
    with acme.app.app_context():
        assert [(row.name_id, row.user_id) for row in db.session.scalars(select(Identity))] == [("employee-7", known.id)]
    assert "SSO_ACCOUNT_LINKED" in actions(acme)


def test_a_transient_name_id_is_never_kept(acme):
    for name_id in ("_one", "_two"):
        assert acme.browser().sign_in(name_id=name_id, name_id_format=TRANSIENT).location == HOME
    with acme.app.app_context():
        assert db.session.scalar(select(func.count()).select_from(Identity)) == 0
        assert db.session.scalar(select(func.count()).select_from(User).where(User.email == "alice@acme.test")) == 1


def test_whoever_made_the_account_before_and_never_proved_the_address_is_put_out(acme):
    with acme.app.app_context(), db.unit_of_work():
        data = SignUpIn(name="Eve", email="alice@acme.test", password=world.PASSWORD)
        squatter = world.accounts.sign_up(data, ip=None)
    eve = world.sign_in(acme.app.test_client(), squatter)
    assert acme.browser().sign_in().location == HOME
    assert eve.get("/api/auth/me").status_code == 401
    refused = eve.post("/api/auth/login", json={"email": squatter.email, "password": world.PASSWORD}, headers=world.csrf(eve))
    assert refused.status_code == 401
    assert acme.user("alice@acme.test").email_verified_at is not None


def test_groups_raise_a_role_and_never_lower_it_and_nobody_becomes_owner(acme):
    acme.set(group_roles={"leads": "ORG_ADMIN", "staff": "ORG_MANAGER"})
    acme.browser().sign_in(groups=("staff",))
    assert acme.membership("alice@acme.test").role is Role.ORG_MANAGER
    acme.browser().sign_in(groups=("leads", "staff"))
    assert acme.membership("alice@acme.test").role is Role.ORG_ADMIN
    acme.browser().sign_in(groups=())
    assert acme.membership("alice@acme.test").role is Role.ORG_ADMIN
    acme.browser().sign_in(email="owner@acme.test", groups=("staff",))
    assert acme.membership("owner@acme.test").role is Role.ORG_OWNER


def test_newcomers_get_the_role_that_the_owner_chose(acme):
    with acme.app.app_context(), db.unit_of_work():
        data = SsoPatch(default_role_for_auto_join=Role.ORG_MANAGER)
        settings.change(data, organization=acme.organization, user=acme.owner, actor=world.as_self(acme.owner))
    acme.browser().sign_in()
    assert acme.membership("alice@acme.test").role is Role.ORG_MANAGER


def barred(acme, browser, **what) -> str:
    """The heading of the page that says why somebody stays out; no session was opened."""
    answer = browser.sign_in(**what)
    assert (answer.status_code, problems(answer)) == (403, [])
    assert browser.email is None
    assert browser.client.get_cookie("portal") is None or "_user_id" not in browser.client.get_cookie("portal").value
    return answer.text.partition('tabindex="-1">')[2].partition("</h1>")[0]


def test_a_full_organization_says_so_and_makes_no_account(acme):
    change_organization(acme, seats_total=1)
    acme.browser().sign_in()
    assert barred(acme, acme.browser(), email="bob@acme.test") == "All seats are taken"
    assert acme.user("bob@acme.test") is None
    assert acme.attempts()[-1].reason == "SEATS_FULL"
    assert acme.browser().sign_in().location == HOME, "whoever holds a seat already comes in"


@pytest.mark.parametrize(
    ("status", "heading", "reason"),
    [
        (MembershipStatus.REMOVED, "You are not a member any more", "MEMBER_REMOVED"),
        (MembershipStatus.SUSPENDED, "Your membership is suspended", "MEMBER_SUSPENDED"),
        (MembershipStatus.PENDING, "Your membership is waiting for approval", "MEMBER_PENDING"),
    ],
)
def test_who_is_no_active_member_stays_out(acme, status, heading, reason):
    acme.browser().sign_in()
    change_member(acme, "alice@acme.test", status=status)
    assert barred(acme, acme.browser()) == heading
    assert acme.membership("alice@acme.test").status is status
    assert acme.attempts()[-1].reason == reason


@pytest.mark.parametrize("role", [PlatformRole.STAFF, PlatformRole.ADMIN])
def test_the_platforms_own_people_never_come_in_by_a_companys_sign_in(acme, role):
    with acme.app.app_context():
        world.make_user("alice@acme.test", role=role)
    assert barred(acme, acme.browser()) == "Please sign in with your password"
    assert acme.membership("alice@acme.test") is None


@pytest.mark.parametrize(("status", "first", "then"), [(Status.SUSPENDED, 403, 303), (Status.DEACTIVATED, 403, 403)])
def test_a_suspended_organization_takes_nobody_new_and_a_closed_one_nobody(acme, status, first, then):
    acme.browser().sign_in(email="bob@acme.test")
    request = acme.browser()
    to = request.start()
    change_organization(acme, status=status)
    assert request.post(acme.provider.answer(acme.us, to=to)).status_code == first
    if status is Status.DEACTIVATED:
        assert acme.app.test_client().get(f"{acme.path}/login").status_code == 404
    else:
        assert acme.browser().sign_in(email="bob@acme.test").status_code == then
    assert acme.user("alice@acme.test") is None


def test_an_identity_whose_account_is_of_another_companys_domain_by_now_stays_out(acme):
    acme.browser().sign_in(name_id="employee-7")
    with acme.app.app_context(), db.unit_of_work():
        db.session.execute(update(User).where(User.email == "alice@acme.test").values(email="alice@elsewhere.test"))
    browser = acme.browser()
    assert browser.sign_in(name_id="employee-7").status_code == 403
    assert (acme.attempts()[-1].reason, browser.email) == ("ACCOUNT_ELSEWHERE", None)


def test_the_session_ends_when_the_identity_provider_says(acme):
    until = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=2)
    acme.browser().sign_in(session_until=until.strftime("%Y-%m-%dT%H:%M:%SZ"))
    with acme.app.app_context():
        assert db.session.scalar(select(LoginSession.expires_at)) == until


def test_where_one_wanted_to_go_is_where_one_arrives_but_never_elsewhere(acme):
    for wanted, arrives in (("/orgs/acme/members", "/orgs/acme/members"), ("https://evil.test/", HOME), ("//evil.test", HOME)):
        browser = acme.browser()
        to = browser.start(f"?next={wanted}")
        assert browser.post(acme.provider.answer(acme.us, to=to), RelayState="https://evil.test/").location == arrives


def test_a_start_at_the_provider_follows_a_local_relay_state_alone(acme):
    acme.set(allow_idp_initiated=True)
    for relayed, arrives in (
        ("/orgs/acme/members", "/orgs/acme/members"),
        ("https://evil.test/", HOME),
        ("/\\evil.test", HOME),
        ("", HOME),
    ):
        assert acme.browser().post(acme.provider.answer(acme.us, to=None), RelayState=relayed).location == arrives


def test_the_browsers_own_cookie_travels_with_the_providers_post(acme):
    answer = acme.app.test_client().get(f"{acme.path}/login")
    cookie = next(value for value in answer.headers.getlist("Set-Cookie") if value.startswith("portal_sso="))
    assert {"Secure", "HttpOnly", "SameSite=None", "Path=/sso"} <= {part.strip() for part in cookie.split(";")}


@pytest.mark.parametrize("minutes", [-3, 3])
@pytest.mark.parametrize("vendor", ["okta", "entra", "onelogin"])
def test_a_clock_that_is_three_minutes_off_is_no_matter(rung, app, minutes, vendor):
    provider = Provider.like(vendor)
    provider.clock = timedelta(minutes=minutes)
    acme = make_scene(app, rung, provider=provider)
    assert acme.browser().sign_in().location == HOME, [(row.reason, row.detail) for row in acme.attempts()]


def test_certificates_roll_over_without_a_break(acme):
    assert acme.browser().sign_in().location == HOME
    acme.provider.known_keys = ("idp", "idp-next")
    owner = world.sign_in(acme.app.test_client(), acme.owner)
    path = f"/api/organizations/{acme.organization.id}/sso/providers/idp"
    answer = owner.patch(path, json={"metadataXml": acme.provider.metadata()}, headers=world.csrf(owner))
    assert len(answer.json["provider"]["certificates"]) == 2
    for keys in ("idp", "idp-next", "idp"):
        acme.provider.keys = keys
        assert acme.browser().sign_in().location == HOME, keys
    acme.provider.known_keys = ("idp-next",)
    owner.patch(path, json={"metadataXml": acme.provider.metadata()}, headers=world.csrf(owner))
    assert acme.browser().sign_in().status_code == 403
    acme.provider.keys = "idp-next"
    assert acme.browser().sign_in().location == HOME


def test_encrypted_assertions_are_read_by_the_connections_own_key(acme):
    assert acme.browser().sign_in(encrypt_for=acme.us.certificate, sign="both").location == HOME
    assert acme.browser().sign_in(encrypt_for=acme.us.certificate, sign="assertion").location == HOME
    assert acme.browser().sign_in(encrypt_for=acme.us.certificate, sign="response").location == HOME


def test_two_tabs_of_a_newcomer_make_one_account_and_one_membership(acme):
    browsers = [acme.browser() for _each in range(4)]
    answers = [acme.provider.answer(acme.us, to=browser.start()) for browser in browsers]

    def post(browser, answer):
        return lambda: browser.post(answer).status_code

    statuses, refusals = at_once(acme.app, [post(browser, answer) for browser, answer in zip(browsers, answers, strict=True)])
    assert (statuses, refusals) == ([303] * 4, [])
    with acme.app.app_context():
        assert db.session.scalar(select(func.count()).select_from(User).where(User.email == "alice@acme.test")) == 1
        assert db.session.scalar(select(func.count()).select_from(Identity)) == 1


def test_the_last_seat_goes_to_one_of_two_newcomers(acme):
    change_organization(acme, seats_total=1)
    browsers = [acme.browser() for _each in range(2)]
    names = ("alice@acme.test", "bob@acme.test")
    answers = [acme.provider.answer(acme.us, to=one.start(), email=name) for one, name in zip(browsers, names, strict=True)]
    acts = [lambda one=one, answer=answer: one.post(answer).status_code for one, answer in zip(browsers, answers, strict=True)]
    statuses, _refusals = at_once(acme.app, acts)
    assert sorted(statuses) == [303, 403]
    assert sorted(row.reason or "" for row in acme.attempts()) == ["", "SEATS_FULL"]


def test_a_sign_in_needs_few_statements(acme):
    browser = acme.browser()
    browser.sign_in()
    to = browser.start()
    answer = acme.provider.answer(acme.us, to=to)
    counted = []
    with acme.app.app_context():
        engine = db.database.engine

    def count(*_arguments):
        counted.append(_arguments[2])

    event.listen(engine, "before_cursor_execute", count)
    try:
        assert browser.post(answer).status_code == 303
    finally:
        event.remove(engine, "before_cursor_execute", count)
    assert len(counted) <= 12, counted


def test_an_answer_works_by_the_time_of_the_portals_own_clock(acme):
    later = datetime.now(UTC) + timedelta(days=40)
    with clock.as_of(later):
        browser = acme.browser()
        assert browser.post(acme.provider.answer(acme.us, to=browser.start(), at=later)).location == HOME


def test_two_connections_of_one_organization_both_work(acme):
    other = Provider.like("okta")
    with acme.app.app_context():
        made = connect(acme.organization, acme.owner, other, name="okta")
        us = us_of(made)
    browser = acme.browser()
    started = browser.client.get(f"/sso/saml/{made.id}/login")
    answer = other.answer(us, to=request_in(started.location).get("ID"))
    assert browser.client.post(f"/sso/saml/{made.id}/acs", data={"SAMLResponse": answer}).location == HOME
    assert acme.browser().sign_in().location == HOME
