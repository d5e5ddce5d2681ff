"""Claiming domains: DNS, by hand, one organization's at most, never lost on one failed look-up."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, update

from portal import clock, db, jobs, queue
from portal.accounts.models import User
from portal.accounts.rules import PlatformRole
from portal.orgs.models import Organization
from portal.sso.models import Domain, Notice
from portal.sso.service import domains
from tests.support import world
from tests.support.lint import problems
from tests.support.mailbox import mails
from tests.support.together import at_once

WEEK = timedelta(days=7, minutes=1)
NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)


@pytest.fixture
def beta(rung, app):
    """An organization without any domain."""
    with app.app_context():
        owner = world.make_user("owner@beta.test")
        return world.make_organization(owner, name="Beta"), owner


def row(app, name: str = "beta.test") -> Domain | None:
    with app.app_context():
        return db.session.scalar(select(Domain).where(Domain.domain == name))


def patch(app, who, organization, body: dict):
    client = world.sign_in(app.test_client(), who)
    return client.patch(f"/api/organizations/{organization.id}/sso", json=body, headers=world.csrf(client))


def verify(app, who, organization, name: str = "beta.test"):
    client = world.sign_in(app.test_client(), who)
    return client.post(f"/api/organizations/{organization.id}/sso/domains/{name}/verify", headers=world.csrf(client))


def test_a_domain_is_claimed_and_verified_by_its_txt_record(app, beta, zone):
    organization, owner = beta
    answer = patch(app, owner, organization, {"allowedEmailDomains": ["Beta.test", "BÜCHER.test"]})
    assert answer.status_code == 200, answer.text
    assert [found["domain"] for found in answer.json["domains"]] == ["beta.test", "xn--bcher-kva.test"]
    record = answer.json["domains"][0]["txtRecord"]
    assert record == f"portal-verification={row(app).token}"
    missing = verify(app, owner, organization)
    assert (missing.status_code, missing.json["code"]) == (409, "TXT_RECORD_MISSING")
    assert record in missing.json["error"]
    assert row(app).checked_at is not None
    zone.records["beta.test"] = ("v=spf1 -all", record.replace("=", "=x"))
    assert verify(app, owner, organization).status_code == 409
    zone.records["beta.test"] = ("v=spf1 -all", record)
    assert verify(app, owner, organization).json["domain"]["verifiedAt"].endswith("Z")
    assert zone.asked[-1] == "beta.test"


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("gmail.com", "DOMAIN_PUBLIC"),
        ("mail.Outlook.com", "DOMAIN_PUBLIC"),
        ("rediffmail.com", "DOMAIN_PUBLIC"),
        ("localhost", "DOMAIN_INVALID"),
    ]
    + [(name, "DOMAIN_INVALID") for name in ("", "acme", "10.0.0.1", "a b.test", "x..test", "-x.test", "a@b.test", "\u212aite.test")],
)
def test_what_nobody_can_claim(app, beta, name, code):
    organization, owner = beta
    answer = patch(app, owner, organization, {"allowedEmailDomains": [name]})
    assert (answer.status_code, answer.json["code"]) == (400, code)


def test_a_domain_belongs_to_one_organization_at_most(app, beta):
    organization, owner = beta
    with app.app_context():
        other_owner = world.make_user("owner@gamma.test")
        gamma = world.make_organization(other_owner, name="Gamma")
    assert patch(app, owner, organization, {"allowedEmailDomains": ["beta.test"]}).status_code == 200
    taken = patch(app, other_owner, gamma, {"allowedEmailDomains": ["gamma.test", "BETA.test"]})
    assert (taken.status_code, taken.json["code"]) == (409, "DOMAIN_ALREADY_CLAIMED")
    assert "beta.test" in taken.json["error"]
    assert row(app, "gamma.test") is None, "all or nothing"


def test_two_organizations_at_once_one_wins(app, beta):
    organization, owner = beta
    with app.app_context():
        other_owner = world.make_user("owner@gamma.test")
        gamma = world.make_organization(other_owner, name="Gamma")

    def claim(who, where):
        def act() -> str:
            with db.unit_of_work():
                return domains.claim("shared.test", organization=where, user=who, actor=world.as_self(who)).domain

        return act

    answers, refusals = at_once(app, [claim(owner, organization), claim(other_owner, gamma)])
    assert (answers, [refusal.code for refusal in refusals]) == (["shared.test"], ["DOMAIN_ALREADY_CLAIMED"])


def test_claims_that_nobody_stands_behind_give_way(app, beta):
    organization, owner = beta
    with app.app_context():
        squatter = world.make_user("squatter@evil.test")
        evil = world.make_organization(squatter, name="Evil")
        with clock.as_of(clock.now() - timedelta(days=15)), db.unit_of_work():
            domains.claim("beta.test", organization=evil, user=squatter, actor=world.as_self(squatter))
    assert patch(app, owner, organization, {"allowedEmailDomains": ["beta.test"]}).status_code == 200
    assert row(app).organization_id == organization.id
    with app.app_context(), db.unit_of_work():
        db.session.execute(update(Organization).where(Organization.id == organization.id).values(status="DEACTIVATED"))
        db.session.execute(update(Domain).values(verified_at=clock.now()))
    assert patch(app, squatter, evil, {"allowedEmailDomains": ["beta.test"]}).status_code == 200


def test_claiming_needs_a_confirmed_address(app, beta):
    organization, owner = beta
    with app.app_context(), db.unit_of_work():
        db.session.execute(update(User).where(User.id == owner.id).values(email_verified_at=None))
    answer = patch(app, owner, organization, {"allowedEmailDomains": ["beta.test"]})
    assert (answer.status_code, answer.json["code"]) == (403, "EMAIL_NOT_VERIFIED")


def test_dns_that_does_not_answer_is_said_and_loses_nothing(app, beta, zone):
    organization, owner = beta
    patch(app, owner, organization, {"allowedEmailDomains": ["beta.test"]})
    zone.is_down = True
    answer = verify(app, owner, organization)
    assert (answer.status_code, answer.json["code"]) == (409, "DNS_FAILED")
    assert row(app).check_error == "no answer"


def recheck(app, at: datetime) -> None:
    with app.app_context(), clock.as_of(at), queue.rung_here() as rung:
        jobs.run("sso-recheck-domains")
        for bell in list(rung):
            jobs.run(bell.name, *bell.ids, as_of=bell.as_of)


def test_a_verified_domain_is_lost_only_after_three_weeks_without_its_record(app, beta, zone, settings, rung):
    organization, owner = beta
    at = clock.now()
    patch(app, owner, organization, {"allowedEmailDomains": ["beta.test"]})
    zone.records["beta.test"] = (row(app).txt_record,)
    recheck(app, at + timedelta(hours=2))
    assert row(app).verified_at is not None, "we look by ourselves"
    zone.is_down = True
    for _week in range(5):
        at += WEEK
        recheck(app, at)
    assert (row(app).missed, row(app).verified_at is not None) == (0, True)
    zone.is_down = False
    at += WEEK
    recheck(app, at)
    found = dict(zone.records)
    zone.records.clear()
    for missed in (1, 2):
        at += WEEK
        recheck(app, at)
        assert (row(app).missed, row(app).verified_at is not None) == (missed, True)
    zone.records.update(found)
    at += WEEK
    recheck(app, at)
    assert row(app).missed == 0
    zone.records.clear()
    for _week in range(3):
        at += WEEK
        recheck(app, at)
    assert row(app).verified_at is None
    with app.app_context():
        [notice] = db.session.scalars(select(Notice)).all()
        jobs.run("sso-send-notice", notice.id, as_of=at.isoformat())
    [mail] = [mail for mail in mails(settings, "owner@beta.test") if "no longer verified" in mail["Subject"]]
    assert row(app).txt_record in mail.get_body(("plain",)).get_content()


def test_a_platform_admin_verifies_by_hand(app, beta, zone):
    organization, owner = beta
    patch(app, owner, organization, {"allowedEmailDomains": ["beta.test"]})
    with app.app_context():
        admin = world.make_user("admin@portal.test", role=PlatformRole.ADMIN)
    client = world.sign_in(app.test_client(), admin)
    page = client.get("/admin/domains")
    assert (page.status_code, problems(page)) == (200, [])
    assert "beta.test" in page.text
    assert client.post("/api/admin/domains/nobody.test/verify", headers=world.csrf(client)).status_code == 404
    done = client.post("/api/admin/domains/Beta.test/verify", headers=world.csrf(client))
    assert (done.status_code, done.json["domain"]["domain"]) == (200, "beta.test")
    assert row(app).verified_by == admin.id
    shown = client.get("/admin/domains?state=verified")
    assert (problems(shown), "by Admin" in shown.text) == ([], True)
    recheck(app, clock.now() + 10 * WEEK)
    assert zone.asked == [], "what was verified by hand stays"
