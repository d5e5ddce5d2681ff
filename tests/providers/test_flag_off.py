"""While ``ENABLE_PROVIDER_ORGS`` is off, every route and page of provider organizations says so, for any kind of organization."""

import pytest

from portal import config
from portal.accounts.rules import PlatformRole
from portal.orgs.rules import Kind, Role
from tests.support import world
from tests.support.hosting import ACCOUNT, make_house
from tests.support.paying import rows

FLAG = "ENABLE_PROVIDER_ORGS"

API = {
    "consultants": ("GET", "/api/organizations/{id}/consultants", None),
    "decide": ("POST", "/api/organizations/{id}/consultants", {"memberId": "{member}", "action": "APPROVE"}),
    "apply": ("POST", "/api/organizations/{id}/consultants/apply", {"note": "Hello"}),
    "payouts": ("GET", "/api/organizations/{id}/payouts", None),
    "payout": ("POST", "/api/organizations/{id}/payouts", {}),
    "earnings": ("GET", "/api/organizations/{id}/earnings", None),
    "account": ("GET", "/api/organizations/{id}/payout-account", None),
    "save account": ("PUT", "/api/organizations/{id}/payout-account", ACCOUNT),
    "remove account": ("DELETE", "/api/organizations/{id}/payout-account", None),
    "verify account": ("POST", "/api/admin/payout-accounts/{id}/verify", {"action": "APPROVE"}),
    "process": ("POST", "/api/admin/org-payouts/process", {}),
    "create provider": ("POST", "/api/organizations", {"name": "Provider", "billingEmail": "p@p.test", "kind": "PROVIDER"}),
    "create hybrid": ("POST", "/api/organizations", {"name": "Hybrid", "billingEmail": "h@h.test", "kind": "HYBRID"}),
    "add consultant": ("POST", "/api/organizations/{id}/members", {"email": "stranger@other.test", "role": "ORG_CONSULTANT"}),
    "add support": ("POST", "/api/organizations/{id}/members", {"email": "stranger@other.test", "role": "ORG_SUPPORT"}),
    "invite consultant": ("POST", "/api/organizations/{id}/invitations", {"email": "x@y.test", "role": "ORG_CONSULTANT"}),
    "invite support": ("POST", "/api/organizations/{id}/invitations", {"email": "x@y.test", "role": "ORG_SUPPORT"}),
    "make consultant": ("PATCH", "/api/organizations/{id}/members/{member}", {"role": "ORG_CONSULTANT"}),
    "rates": ("PATCH", "/api/organizations/{id}", {"platformCommissionRate": 0.2, "orgRetainRate": 0.0, "consultantPayoutRate": 0.8}),
    "frequency": ("PATCH", "/api/organizations/{id}", {"payoutFrequency": "WEEKLY"}),
    "auto-approve": ("PATCH", "/api/organizations/{id}", {"autoApproveConsultants": True}),
    "own rate": ("PATCH", "/api/organizations/{id}/members/{member}", {"customConsultantPayoutRate": 0.5}),
    "salaried": ("PATCH", "/api/organizations/{id}/members/{member}", {"earningsRecipient": "ORGANIZATION"}),
}
PAGES = ("/orgs/{slug}/consultants", "/orgs/{slug}/payouts", "/orgs/{slug}/payouts/statement", "/explore/companies", "/admin/payouts")
POSTS = (
    "/orgs/{slug}/consultants/{member}/decide",
    "/orgs/{slug}/consultants/{member}/terms",
    "/orgs/{slug}/payouts",
    "/orgs/{slug}/payouts/account",
    "/orgs/{slug}/payouts/account/remove",
    "/admin/payouts/process",
    "/admin/payout-accounts/{id}/verify",
)


@pytest.fixture(params=["BUYER", "HYBRID"])
def scene(request, rung, app, provider_orgs, settings):
    """An organization of either kind, made while the flag was on; then it went off."""
    if request.param == "HYBRID":
        house = make_house(app, rung, kind=Kind.HYBRID)
        organization, owner, admin = house.organization, house.owner, house.users["admin"]
    else:
        with app.app_context():
            owner = world.make_user("owner@acme.test")
            organization = world.make_organization(owner)
            admin = world.make_user("admin@portal.test", role=PlatformRole.ADMIN)
    with app.app_context():
        world.make_user("stranger@other.test")
        member = world.add_member(organization, world.make_user("asha@acme.test"), Role.ORG_LEARNER)
    config.use(settings)
    clients = {name: world.sign_in(app.test_client(), user) for name, user in (("owner", owner), ("admin", admin))}
    return clients, {"id": organization.id, "slug": organization.slug, "member": member.id}


def written(app):
    """What the acts below would have changed."""
    statement = """SELECT (SELECT count(*) FROM organizations), (SELECT count(*) FROM memberships), (SELECT count(*) FROM invitations),
                          (SELECT count(*) FROM payout_accounts), (SELECT count(*) FROM payouts), (SELECT count(*) FROM audit_rows)"""
    return tuple(rows(app, statement)[0])


def filled(value, values):
    if isinstance(value, dict):
        return {name: filled(each, values) for name, each in value.items()}
    return value.format_map(values) if isinstance(value, str) else value


def test_every_route_answers_501_and_changes_nothing(app, scene):
    clients, values = scene
    before = written(app)
    for name, (method, path, body) in API.items():
        client = clients["admin" if "/admin/" in path else "owner"]
        answer = client.open(filled(path, values), method=method, json=filled(body, values), headers=world.csrf(client))
        assert (name, answer.status_code, answer.json.get("flag")) == (name, 501, FLAG), answer.text
        assert answer.json["error"].endswith(".")
    assert written(app) == before


def test_every_page_shows_the_card_and_every_form_is_refused(app, scene):
    clients, values = scene
    before = written(app)
    for path in PAGES:
        client = clients["admin" if "/admin/" in path else "owner"]
        answer = client.get(filled(path, values))
        assert answer.status_code == 200, path
        assert "Provider tier required" in answer.text, path
    for path in POSTS:
        client = clients["admin" if "/admin/" in path else "owner"]
        answer = client.post(filled(path, values), data={"action": "APPROVE"}, headers=world.csrf(client))
        assert answer.status_code == 501, path
    assert written(app) == before


def test_public_pages_of_providers_are_closed_and_buyers_have_none(app, scene):
    _clients, values = scene
    kind = rows(app, "SELECT kind FROM organizations WHERE id = :id", id=values["id"])[0][0]
    answer = app.test_client().get(f"/api/organizations/public/{values['slug']}")
    page = app.test_client().get(f"/org/{values['slug']}")
    if kind == "BUYER":
        assert (answer.status_code, page.status_code) == (404, 404)
    else:
        assert (answer.status_code, answer.json["flag"]) == (501, FLAG)
        assert "Provider tier required" in page.text


def test_the_side_bar_locks_what_is_switched_off_and_the_wizard_hides_both_kinds(app, scene):
    clients, values = scene
    kind = rows(app, "SELECT kind FROM organizations WHERE id = :id", id=values["id"])[0][0]
    home = clients["owner"].get(f"/orgs/{values['slug']}/home").text
    assert ("/payouts" in home) == (kind == "HYBRID")
    assert ("locked" in home) == (kind == "HYBRID")
    wizard = clients["owner"].get("/orgs/new").text
    assert "PROVIDER" not in wizard
    assert "HYBRID" not in wizard
