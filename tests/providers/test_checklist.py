"""The checklist of an operator who has switched the tier on: create, member, payouts, account, consultants; and switching it again."""

import pytest

from portal import config
from portal.accounts.rules import PlatformRole
from tests.support import world
from tests.support.hosting import ACCOUNT, House


@pytest.fixture
def desk(rung, app, provider_orgs):
    """Two people who are signed in, and no organization yet."""
    with app.app_context():
        owner, admin = world.make_user("owner@new.test"), world.make_user("admin@portal.test", role=PlatformRole.ADMIN)
        world.make_consultant("ravi@experts.test")
    house = House(app, rung, None, owner)
    house.welcome("owner", owner)
    house.welcome("admin", admin)
    return house


@pytest.mark.parametrize("kind", ["PROVIDER", "HYBRID"])
def test_the_checklist_passes_through_the_api(desk, kind):
    owner, admin = desk.person("owner"), desk.person("admin")
    made = owner.post("/api/organizations", {"name": "New House", "billingEmail": "f@new.test", "kind": kind})
    assert made.status_code == 201, made.text
    organization = made.json["organization"]
    assert (organization["status"], organization["kind"]) == ("PENDING_VERIFICATION", kind)
    assert [organization[name] for name in ("platformCommissionRate", "orgRetainRate", "consultantPayoutRate")] == [0.1, 0.05, 0.85]
    url = f"/api/organizations/{organization['id']}"
    member = owner.post(f"{url}/members", {"email": "ravi@experts.test", "role": "ORG_CONSULTANT"})
    assert (member.status_code, member.json["member"]["status"]) == (201, "ACTIVE")
    assert member.json["member"]["approvedAt"]
    assert owner.get(f"{url}/payouts").json == {"items": [], "nextCursor": None}
    assert owner.get(f"{url}/earnings").json == {"items": [], "nextCursor": None}
    saved = owner.put(f"{url}/payout-account", ACCOUNT)
    assert (saved.status_code, saved.json["payoutAccount"]["accountNumberLast4"]) == (200, "6789")
    assert [row["email"] for row in owner.get(f"{url}/consultants").json["items"]] == ["ravi@experts.test"]
    early = owner.post(f"{url}/payouts", {})
    assert (early.status_code, early.json["code"]) == (409, "ORGANIZATION_NOT_ACTIVE")
    assert admin.post(f"/api/admin/organizations/{organization['id']}/verify", {"action": "APPROVE"}).status_code == 200
    assert admin.post(f"/api/admin/payout-accounts/{organization['id']}/verify", {"action": "APPROVE"}).status_code == 200
    nothing = owner.post(f"{url}/payouts", {})
    assert (nothing.status_code, nothing.json["code"]) == (400, "NOTHING_READY")
    assert admin.post("/api/admin/org-payouts/process", {}).json == {"processed": [], "failed": []}


def test_switched_off_and_on_again_everything_is_still_there(house, settings):
    house.verified_account()
    house.earned(2_000_000)
    config.use(settings)
    owner = house.person("owner")
    assert owner.get(f"{house.url}/earnings").status_code == 501
    assert house.release()["done"] == 2
    config.use(settings.model_copy(update={"enable_provider_orgs": True}))
    assert [row["status"] for row in owner.get(f"{house.url}/earnings").json["items"]] == ["READY"]
    assert house.payout()["amount"] == 100_000


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"accountNumber": "12345678"}, "accountNumber"),
        ({"accountNumber": "5010 0123 45678A"}, "accountNumber"),
        ({"accountNumber": "1" * 300}, "accountNumber"),
        ({"ifscCode": "HDFC1001234"}, "ifscCode"),
        ({"ifscCode": None}, "ifscCode"),
        ({"ifscCode": None, "routingNumber": "021000022"}, "routingNumber"),
        ({"ifscCode": None, "swiftCode": "HDFC1NBB"}, "swiftCode"),
        ({"accountHolderName": "K"}, "accountHolderName"),
        ({"bankName": "HDFC\x00Bank"}, "bankName"),
        ({"iban": "X"}, "iban"),
    ],
)
def test_bank_details_that_cannot_be_right_are_named(house, changes, field):
    answer = house.person("owner").put(f"{house.url}/payout-account", {**ACCOUNT, **changes})
    assert (answer.status_code, field in answer.json["details"]) == (400, True), answer.text
    number = changes.get("accountNumber", ACCOUNT["accountNumber"])
    assert number not in answer.text
    assert house.person("owner").get(f"{house.url}/payout-account").json == {"payoutAccount": None}


ABROAD = (
    {"routingNumber": "021000021", "accountNumber": "123456"},
    {"swiftCode": "deut deff 500", "accountNumber": "DE89370400440532013000"},
)


@pytest.mark.parametrize("codes", ABROAD)
def test_accounts_abroad_have_codes_of_their_own(house, codes):
    answer = house.person("owner").put(f"{house.url}/payout-account", {**ACCOUNT, "ifscCode": None, **codes})
    assert answer.status_code == 200, answer.text
    assert answer.json["payoutAccount"]["swiftCode"] in {None, "DEUTDEFF500"}


def test_what_is_decided_about_an_account_needs_its_reason_and_its_place(house):
    admin, url = house.person("admin"), f"/api/admin/payout-accounts/{house.id}/verify"
    assert admin.post(url, {"action": "APPROVE"}).status_code == 404
    house.person("owner").put(f"{house.url}/payout-account", ACCOUNT)
    assert admin.post(url, {"action": "REJECT"}).json["code"] == "REASON_MISSING"
    assert admin.post(url, {"action": "SUSPEND", "reason": "Odd"}).json["code"] == "STATUS_CONFLICT"
    refused = admin.post(url, {"action": "REJECT", "reason": "The name differs"}).json["payoutAccount"]
    assert (refused["status"], refused["statusReason"]) == ("FAILED_VERIFICATION", "The name differs")
    approved = admin.post(url, {"action": "APPROVE", "providerAccount": "acct_1Kaveri"}).json["payoutAccount"]
    assert approved["status"] == "VERIFIED"
    assert admin.post(url, {"action": "SUSPEND", "reason": "Reported"}).json["payoutAccount"]["status"] == "SUSPENDED"
    assert house.person("owner").post(url, {"action": "APPROVE"}).status_code == 403
    occasions = [row.occasion for row in house.rows("SELECT occasion FROM provider_mails ORDER BY id")]
    assert occasions == ["ACCOUNT_CHANGED", "ACCOUNT_REFUSED", "ACCOUNT_VERIFIED", "ACCOUNT_SUSPENDED"]
    house.work()
    assert {row.delivery for row in house.rows("SELECT delivery FROM provider_mails")} == {"SENT"}


def test_processing_names_what_it_cannot_do(house):
    nowhere = house.process(payoutId="0193c0de-0000-7000-8000-000000000001")
    assert (nowhere.status_code, nowhere.json["code"]) == (404, "PAYOUT_NOT_FOUND")
    assert house.process(payoutId="not an id").status_code == 404
    assert house.process(reference="UTR1").status_code == 400
    assert house.process(payoutId="x", reference="UTR1", failureReason="No").status_code == 400
    house.verified_account()
    house.earned(2_000_000)
    house.release()
    waiting = house.process(payoutId=house.payout()["id"], failureReason="It never arrived")
    assert (waiting.status_code, waiting.json["code"]) == (409, "PAYOUT_NOT_BY_HAND")
