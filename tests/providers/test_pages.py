"""The pages of provider organizations while the tier is on: linted, within their budget of statements, and their acts."""

import pytest
from sqlalchemy import event

from portal import db
from portal.orgs.rules import Role
from tests.support import world
from tests.support.hosting import ACCOUNT, NUMBER, make_house
from tests.support.lint import problems

MOST_STATEMENTS = 12
PARTIAL = {"HX-Request": "true", "HX-Request-Type": "partial"}
FORM = {"account_holder_name": "Kaveri LLP", "bank_name": "HDFC Bank", "account_number": NUMBER, "ifsc_code": "HDFC0001234"}


@pytest.fixture
def full(house):
    """A house with something in every table of its pages."""
    house.verified_account()
    [payment] = house.earned(2_000_000)
    house.earned(*(1_000_000 + number for number in range(30)))
    house.refund(payment, 300_000)
    house.release()
    house.process(payoutId=house.payout()["id"], reference="UTR1")
    house.earned(2_000_000)
    house.release()
    house.payout()
    applicant = house.welcome("ravi", house.consultant("ravi", hosted=False))
    applicant.post(f"{house.url}/consultants/apply", {"note": "Hello"})
    for number in range(30):
        house.consultant(f"c{number}")
    return house


def client_of(house, user):
    return world.sign_in(house.app.test_client(), user)


@pytest.fixture
def clients(full):
    with full.app.app_context():
        manager = world.make_user("manager@people.test")
        world.add_member(full.organization, manager, Role.ORG_MANAGER)
    return {
        "owner": client_of(full, full.owner),
        "manager": client_of(full, manager),
        "consultant": client_of(full, full.users["meera"]),
        "applicant": client_of(full, full.users["ravi"]),
        "admin": client_of(full, full.users["admin"]),
        "guest": full.app.test_client(),
    }


PAGES = {
    "/orgs/kaveri-coaching/home": ("owner", "manager", "consultant"),
    "/orgs/kaveri-coaching/consultants": ("owner", "manager", "consultant"),
    "/orgs/kaveri-coaching/consultants?status=REMOVED&page=1": ("owner",),
    "/orgs/kaveri-coaching/payouts": ("owner", "manager"),
    "/orgs/kaveri-coaching/payouts/statement": ("owner", "manager"),
    "/org/kaveri-coaching": ("owner", "consultant", "applicant", "admin", "guest"),
    "/explore/companies": ("owner", "guest"),
    "/explore/companies?q=kav": ("guest",),
    "/explore/companies?q=nobody": ("guest",),
    "/admin/payouts": ("admin",),
    "/admin/payouts?status=VERIFIED": ("admin",),
    "/consulting": ("consultant", "applicant"),
}


def test_every_page_is_linted_and_asks_little(full, clients):
    seen: list[str] = []

    def note(_connection, _cursor, statement, _parameters, _context, _many):
        seen.append(statement)

    with full.app.app_context():
        engine = db.database.engine
    event.listen(engine, "before_cursor_execute", note)
    wrong = []
    try:
        for path, people in PAGES.items():
            for who in people:
                seen.clear()
                answer = clients[who].get(path)
                wrong += [f"{who} {path}: {answer.status_code}"] if answer.status_code != 200 else []
                wrong += [f"{who} {path}: {problem}" for problem in problems(answer)]
                wrong += [f"{who} {path}: {len(seen)} statements"] if len(seen) > MOST_STATEMENTS else []
    finally:
        event.remove(engine, "before_cursor_execute", note)
    assert wrong == []


BLOCKS = {
    "/orgs/kaveri-coaching/consultants?page=2": "roster-list",
    "/orgs/kaveri-coaching/payouts": "earning-list",
    "/orgs/kaveri-coaching/payouts/statement?from=2026-01-01&to=2099-01-01": "account",
    "/explore/companies": "company-list",
}


def test_htmx_gets_the_block_alone(full, clients):
    for path, block in BLOCKS.items():
        answer = clients["owner"].get(path, headers=PARTIAL)
        assert answer.status_code == 200, path
        assert f'id="{block}"' in answer.text, path
        assert "<html" not in answer.text, path


def test_the_next_page_of_earnings_goes_on(full, clients):
    page = clients["owner"].get("/orgs/kaveri-coaching/payouts").text
    assert "cursor=" in page
    url = page.split('rel="next" href="')[1].split('"')[0].replace("&amp;", "&")
    assert clients["owner"].get(url).status_code == 200


def test_only_owners_see_forms_and_only_admins_see_who_applies(full, clients):
    owner, manager = (clients[who].get("/orgs/kaveri-coaching/payouts").text for who in ("owner", "manager"))
    assert 'name="account_number"' in owner
    assert 'name="account_number"' not in manager
    assert NUMBER not in owner
    roster = {who: clients[who].get("/orgs/kaveri-coaching/consultants").text for who in ("owner", "manager")}
    assert "Hello" in roster["owner"]
    assert "Hello" not in roster["manager"]


def test_the_account_and_a_payout_on_the_pages(house):
    client = client_of(house, house.owner)
    url = f"/orgs/{house.organization.slug}/payouts"
    refused = client.post(f"{url}/account", data={**FORM, "account_number": "12"}, headers=world.csrf(client))
    assert refused.status_code == 422
    assert "9 to 18 digits" in refused.text
    assert 'value="12"' not in refused.text
    missing = client.post(f"{url}/account", data={**FORM, "account_number": "", "ifsc_code": ""}, headers=world.csrf(client))
    assert missing.status_code == 422
    assert client.post(f"{url}/account", data=FORM, headers=world.csrf(client)).status_code == 303
    admin = client_of(house, house.users["admin"])
    decide = f"/admin/payout-accounts/{house.id}/verify"
    no_reason = admin.post(decide, data={"action": "REJECT"}, headers=world.csrf(admin))
    assert (no_reason.status_code, "Say why" in no_reason.text) == (422, True)
    assert admin.post(decide, data={"action": "APPROVE"}, headers=world.csrf(admin)).status_code == 303
    kept = client.post(f"{url}/account", data={**FORM, "account_number": "", "bank_name": "HDFC"}, headers=world.csrf(client))
    assert kept.status_code == 303
    assert house.rows("SELECT status, last_four, bank_name FROM payout_accounts")[0] == ("VERIFIED", "6789", "HDFC")
    nothing = client.post(url, data={}, headers=world.csrf(client))
    assert (nothing.status_code, "No earnings are ready" in nothing.text) == (422, True)
    house.earned(2_000_000)
    house.release()
    assert client.post(url, data={}, headers=world.csrf(client)).status_code == 303
    payout = house.rows("SELECT id::text FROM payouts")[0][0]
    taken = admin.post("/admin/payouts/process", data={"payout_id": payout}, headers=world.csrf(admin))
    assert taken.status_code == 303
    again = admin.post("/admin/payouts/process", data={"payout_id": payout}, headers=world.csrf(admin))
    assert (again.status_code, "Somebody has taken this payout up" in again.text) == (422, True)
    done = admin.post("/admin/payouts/process", data={"payout_id": payout, "reference": "UTR77"}, headers=world.csrf(admin))
    assert done.status_code == 303
    csv = client.get(f"{url}/statement.csv")
    assert csv.mimetype == "text/csv"
    assert "paid out,UTR77,,-1000" in csv.text
    assert csv.text.splitlines()[-1].endswith(",0.00")
    assert client.post(f"{url}/account/remove", data={}, headers=world.csrf(client)).status_code == 303
    assert "Nothing is entered yet" in client.get(url).text


def test_a_refund_after_a_payout_on_the_page_wants_its_box_ticked(house):
    house.verified_account()
    [payment] = house.earned(2_000_000)
    house.release()
    house.process(payoutId=house.payout()["id"], reference="UTR1")
    admin = client_of(house, house.users["admin"])
    data = {"payment_id": payment, "reason": "The session was cut short"}
    refused = admin.post("/admin/refunds", data=data, headers=world.csrf(admin))
    assert (refused.status_code, "were paid out" in refused.text) == (422, True)
    assert admin.post("/admin/refunds", data={**data, "force_refund": "true"}, headers=world.csrf(admin)).status_code == 303


def test_a_buyer_has_none_of_it_while_the_tier_is_on(house, rung, app):
    buyer = house.buyer()
    with app.app_context():
        owner = db.session.get_one(world.User, buyer.created_by)
    client = client_of(house, owner)
    for path in (f"/orgs/{buyer.slug}/consultants", f"/orgs/{buyer.slug}/payouts", f"/api/organizations/{buyer.id}/payout-account"):
        assert client.get(path).status_code == 404, path
    home = client.get(f"/orgs/{buyer.slug}/home").text
    assert "/payouts" not in home


def test_what_belongs_to_another_house_is_unknown(house, rung, app):
    other = make_house(app, rung, name="Other House")
    expert = house.welcome("ravi", house.consultant("ravi", hosted=False))
    member = expert.post(f"{house.url}/consultants/apply", {}).json["member"]["id"]
    theirs = other.person("owner")
    assert theirs.post(f"{other.url}/consultants", {"memberId": member, "action": "APPROVE"}).status_code == 404
    assert theirs.post(f"{house.url}/consultants", {"memberId": member, "action": "APPROVE"}).status_code == 403
    assert theirs.put(f"{house.url}/payout-account", ACCOUNT).status_code == 403
    client = client_of(other, other.owner)
    url = f"/orgs/{other.organization.slug}/consultants/{member}/decide"
    assert client.post(url, data={"action": "APPROVE"}, headers=world.csrf(client)).status_code == 404


def test_home_shows_what_each_role_may_know(full, clients):
    owner, consultant = (clients[who].get("/orgs/kaveri-coaching/home").text for who in ("owner", "consultant"))
    assert "1 application waiting" in owner
    assert "Ready to be paid out" in owner
    assert "Ready to be paid out" not in consultant
    assert "Find your first consultant" in owner
    assert "/orgs/kaveri-coaching/payouts" not in consultant
    assert "/orgs/kaveri-coaching/consultants" in consultant


def test_a_consultant_sees_their_earnings_and_finds_companies(full, clients):
    page = clients["consultant"].get("/consulting").text
    assert "17,000.00" in page  # 85 % of ₹20,000
    assert "/explore/companies" in page
