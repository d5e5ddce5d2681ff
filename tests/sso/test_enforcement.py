"""Which way an address signs in: the domain check, required single sign-on, and the owner's way out."""

import statistics
import time

import pytest
from sqlalchemy import select, update

from portal import db
from portal.accounts.rules import PlatformRole
from portal.audit.models import AuditRow
from portal.orgs.models import Membership
from portal.orgs.rules import Role
from portal.sso.models import Domain, SsoSettings
from tests.support import world
from tests.support.identity_provider import key_pair, request_in
from tests.support.limits import limited
from tests.support.lint import problems
from tests.support.pages import Visitor

NO = {"enforceSSO": False}


@pytest.fixture
def enforced(acme):
    """Acme requires single sign-on, as its owner switched it on after a test."""
    owner = world.sign_in(acme.app.test_client(), acme.owner)
    url = f"/api/organizations/{acme.organization.id}/sso"
    refused = owner.patch(url, json={"enforceSSO": True}, headers=world.csrf(owner))
    assert (refused.status_code, refused.json["code"]) == (409, "SSO_NOT_READY")
    test_url = owner.post(f"{url}/providers/idp/test", headers=world.csrf(owner)).json["testUrl"]
    tester = acme.browser()
    started = tester.client.get(test_url.removeprefix("http://localhost"))
    assert tester.post(acme.provider.answer(acme.us, to=_id(started))).status_code == 200
    done = owner.patch(url, json={"enforceSSO": True}, headers=world.csrf(owner))
    assert (done.status_code, done.json["enforceSSO"]) == (200, True)
    return acme


def _id(started) -> str:

    return request_in(started.location).get("ID")


def log_in(app, email: str, password: str = world.PASSWORD):
    client = app.test_client()
    return client.post("/api/auth/login", json={"email": email, "password": password}, headers=world.csrf(client))


def check(app, email: str):
    return app.test_client().get("/api/auth/sso/domain-check", query_string={"email": email})


def test_the_domain_check_knows_domains_and_no_people(enforced):
    yes = {"enforceSSO": True, "providerId": "idp", "ssoSignInUrl": f"http://localhost{enforced.path}/login"}
    for email in ("owner@acme.test", "nobody@acme.test", "NOBODY@ACME.TEST"):
        assert check(enforced.app, email).json == yes
    for email in ("a@other.test", "a@mail.acme.test", "a@acme.test.evil.test", "acme", "", "@", "a@\x00", "x" * 1500):
        answer = check(enforced.app, email)
        assert (answer.status_code, answer.json) == (200, NO), email


def test_the_domain_check_says_no_while_sign_ins_are_not_required(acme):
    assert check(acme.app, "owner@acme.test").json == NO


def test_the_domain_check_takes_as_long_for_everybody(enforced):
    def median(email: str) -> float:
        client, times = enforced.app.test_client(), []
        for _round in range(25):
            began = time.perf_counter()
            client.get("/api/auth/sso/domain-check", query_string={"email": email})
            times.append(time.perf_counter() - began)
        return statistics.median(times)

    known, unknown = median("owner@acme.test"), median("nobody@acme.test")
    assert 1 / 3 < known / unknown < 3


def test_the_whole_chain_from_the_domain_check_to_the_home_page(enforced):
    found = check(enforced.app, "carol@acme.test").json
    browser = enforced.browser()
    started = browser.client.get(found["ssoSignInUrl"].removeprefix("http://localhost"))
    for _time in range(2):
        answer = browser.post(enforced.provider.answer(enforced.us, to=_id(started), email="carol@acme.test"))
        assert browser.client.get(answer.location).status_code == 200
        member = enforced.membership("carol@acme.test")
        assert (member.role, member.status) == ("ORG_LEARNER", "ACTIVE")
        started = browser.client.get(found["ssoSignInUrl"].removeprefix("http://localhost"))


def test_passwords_of_the_domain_are_refused_whether_right_or_wrong(enforced):
    with enforced.app.app_context():
        admin = world.make_user("admin@acme.test")
        world.add_member(enforced.organization, admin, Role.ORG_ADMIN)
        stranger = world.make_user("founder@acme.test")
        world.make_organization(stranger, name="Elsewhere")
    answers = [log_in(enforced.app, "admin@acme.test"), log_in(enforced.app, "admin@acme.test", "wrong password")]
    answers += [log_in(enforced.app, "nobody@acme.test"), log_in(enforced.app, "founder@acme.test")]
    for answer in answers:
        assert (answer.status_code, answer.json["code"]) == (403, "SSO_REQUIRED")
        assert answer.json["ssoSignInUrl"] == f"http://localhost{enforced.path}/login"
        assert answer.json == answers[0].json
    assert log_in(enforced.app, "owner@acme.test", "wrong password").json == answers[0].json


def test_an_owner_breaks_the_glass_and_the_audit_log_shows_it(enforced):
    assert log_in(enforced.app, "owner@acme.test").status_code == 200
    visitor = Visitor(enforced.app).get("/signin/owner")
    visitor.submit("/signin/password", email="owner@acme.test", password=world.PASSWORD)
    assert visitor.path == "/orgs"
    with enforced.app.app_context():
        rows = db.session.scalars(select(AuditRow).where(AuditRow.action == "SSO_BREAK_GLASS")).all()
        assert [(row.organization_id, row.actor_user_id) for row in rows] == [(enforced.organization.id, enforced.owner.id)] * 2
    with enforced.app.app_context(), db.unit_of_work():
        db.session.execute(update(Membership).where(Membership.user_id == enforced.owner.id).values(status="SUSPENDED"))
    assert log_in(enforced.app, "owner@acme.test").status_code == 403


def test_the_platforms_own_people_are_bound_by_nobodys_rule(enforced):
    with enforced.app.app_context():
        world.make_user("root@acme.test", role=PlatformRole.ADMIN)
    assert log_in(enforced.app, "root@acme.test").status_code == 200


def test_signing_up_by_password_is_refused(enforced):
    client = enforced.app.test_client()
    body = {"name": "New", "email": "new@acme.test", "password": world.PASSWORD}
    answer = client.post("/api/auth/signup", json=body, headers=world.csrf(client))
    assert (answer.status_code, answer.json["code"]) == (403, "SSO_REQUIRED")
    visitor = Visitor(enforced.app).get("/signup")
    visitor.submit("/signup", status=422, **body)
    assert "requires that you sign in by its single sign-on" in visitor.words
    assert enforced.user("new@acme.test") is None


def test_the_sign_in_page_leads_to_the_provider(enforced):
    client = enforced.app.test_client()
    answer = client.post("/signin", data={"email": "nobody@acme.test", "next": "/orgs/acme/members"}, headers=world.csrf(client))
    assert (answer.status_code, problems(answer)) == (200, [])
    assert answer.headers["Refresh"] == f"0; url={enforced.path}/login?next=/orgs/acme/members"
    assert "Sign in with Acme" in answer.text


def test_the_sign_in_page_offers_the_provider_where_it_is_not_required(acme):
    visitor = Visitor(acme.app).get("/signin").submit("/signin", email="nobody@acme.test")
    assert visitor.heading == "Enter your password"
    assert "Sign in with Acme" in visitor.words
    assert "Sign in with" not in Visitor(acme.app).get("/signin").submit("/signin", email="a@other.test").words


def test_enforcement_ends_with_the_domain_and_keeps_its_ground(enforced):
    owner = world.sign_in(enforced.app.test_client(), enforced.owner)
    url = f"/api/organizations/{enforced.organization.id}/sso"
    for method, path, body in (
        ("PATCH", url, {"allowedEmailDomains": []}),
        ("PATCH", f"{url}/providers/idp", {"isEnabled": False}),
        ("DELETE", f"{url}/providers/idp", None),
        ("PATCH", f"{url}/providers/idp", {"samlConfig": _other_config(enforced)}),
    ):
        answer = owner.open(path, method=method, json=body, headers=world.csrf(owner))
        assert (answer.status_code, answer.json["code"]) == (409, "SSO_NOT_READY"), (method, path)
    assert check(enforced.app, "a@acme.test").json["enforceSSO"] is True
    with enforced.app.app_context(), db.unit_of_work():
        db.session.execute(update(Domain).values(verified_at=None))
    assert check(enforced.app, "a@acme.test").json == NO
    assert log_in(enforced.app, "owner@acme.test").status_code == 200


def _other_config(acme) -> dict:

    return {"issuer": "https://new.test", "entryPoint": "https://new.test/sso", "cert": key_pair("new")[0]}


def test_the_test_of_somebody_elses_browser_is_not_ours(acme):
    owner = world.sign_in(acme.app.test_client(), acme.owner)
    url = f"/api/organizations/{acme.organization.id}/sso/providers/idp/test"
    path = owner.post(url, headers=world.csrf(owner)).json["testUrl"].removeprefix("http://localhost")
    first, second = acme.browser(), acme.browser()
    started = first.client.get(path)
    assert second.client.get(path).status_code == 410
    answer = acme.provider.answer(acme.us, to=_id(started))
    assert second.post(answer).status_code == 403
    assert acme.connection().last_test is None
    assert acme.attempts()[-1].reason == "OTHER_BROWSER"


@pytest.mark.parametrize(
    ("what", "reason"),
    [({"sign": "none"}, "BAD_SIGNATURE"), ({"email": "a@victim.test"}, "WRONG_DOMAIN"), ({"audience": "x"}, "WRONG_AUDIENCE")],
)
def test_a_test_that_fails_says_why_to_whoever_tests(acme, what, reason):
    owner = world.sign_in(acme.app.test_client(), acme.owner)
    url = f"/api/organizations/{acme.organization.id}/sso/providers/idp"
    path = owner.post(f"{url}/test", headers=world.csrf(owner)).json["testUrl"].removeprefix("http://localhost")
    browser = acme.browser()
    page = browser.post(acme.provider.answer(acme.us, to=_id(browser.client.get(path)), **what))
    assert (page.status_code, problems(page), browser.email) == (200, [], None)
    assert "The test failed." in page.text
    last = owner.get(url).json["provider"]["lastTest"]
    assert (last["outcome"], last["reason"]) == ("REFUSED", reason)
    assert acme.attempts()[-1].kind == "TEST"
    with acme.app.app_context():
        assert db.session.get(SsoSettings, acme.organization.id) is None


def test_sign_ins_and_domain_checks_are_limited_and_whole_offices_are_not(acme, settings):
    with limited(settings, acme.app) as strict:
        client = strict.test_client()
        statuses = [
            client.get("/api/auth/sso/domain-check?email=a@acme.test", environ_base={"REMOTE_ADDR": f"203.0.113.{number}"}).status_code
            for number in range(11)
        ]
        assert statuses == [200] * 10 + [429]
        statuses = [client.get(f"/api/auth/sso/domain-check?email=a{number}@acme.test").status_code for number in range(21)]
        assert statuses == [200] * 20 + [429]
        for number in range(25):
            one = strict.test_client()
            to = _id(one.get(f"{acme.path}/login"))
            answer = acme.provider.answer(acme.us, to=to, email=f"p{number}@acme.test")
            assert one.post(f"{acme.path}/acs", data={"SAMLResponse": answer}).status_code == 303
        refused = [client.post(f"{acme.path}/acs", data={"SAMLResponse": "x"}).status_code for _each in range(21)]
        assert refused == [403] * 20 + [429]
