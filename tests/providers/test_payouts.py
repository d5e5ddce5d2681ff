"""From a session to money in the bank: holds, batches, processing by hand, refunds afterwards."""

from datetime import timedelta

import pytest

from portal import clock
from portal.billing import queries as billing
from tests.support.hosting import ACCOUNT, NUMBER, PRICE


def differences(house) -> list:
    with house.app.app_context():
        return list(billing.differences())


def test_a_session_earns_for_three_and_is_paid_out_by_hand(house):
    [payment] = house.earned(2_000_000)
    assert house.shares(payment) == {"CONSULTANT": 1_700_000, "ORGANIZATION": 100_000}
    house.verified_account()
    early = house.person("owner").post(f"{house.url}/payouts", {})
    assert (early.status_code, early.json["code"]) == (400, "NOTHING_READY")
    assert house.release()["done"] == 2
    payout = house.payout()
    figures = ("amount", "grossRevenue", "platformFee", "consultantShares", "refunds", "netPayout", "status", "earningsCount")
    assert [payout[name] for name in figures] == [100_000, 2_000_000, 200_000, 1_700_000, 0, 100_000, "PENDING", 1]
    answer = house.process(payoutId=payout["id"], reference="UTR123456")
    assert answer.status_code == 200, answer.text
    assert [(row["id"], row["status"], row["reference"]) for row in answer.json["processed"]] == [(payout["id"], "COMPLETED", "UTR123456")]
    assert answer.json["failed"] == []
    items = house.person("owner").get(f"{house.url}/earnings").json["items"]
    assert [(row["party"], row["share"], row["status"]) for row in items] == [("ORGANIZATION", 100_000, "PAID")]
    assert differences(house) == []
    actions = [row.action for row in house.rows("SELECT action FROM audit_rows WHERE organization_id = :id ORDER BY at", id=house.id)]
    assert actions[-5:] == ["PAYOUT_ACCOUNT_CHANGED", "PAYOUT_ACCOUNT_VERIFIED", "PAYOUT_INITIATED", "PAYOUT_CLAIMED", "PAYOUT_COMPLETED"]


def test_a_payout_below_the_minimum_or_without_a_verified_account_is_refused(house):
    house.earned(PRICE)
    house.release()
    owner, url = house.person("owner"), f"{house.url}/payouts"
    assert owner.post(url, {}).json["code"] == "PAYOUT_ACCOUNT_MISSING"
    assert owner.put(f"{house.url}/payout-account", ACCOUNT).status_code == 200
    assert owner.post(url, {}).json["code"] == "PAYOUT_ACCOUNT_NOT_VERIFIED"
    house.verified_account()
    refused = owner.post(url, {})
    assert (refused.status_code, refused.json["code"], refused.json["amount"], refused.json["minimum"]) == (
        400,
        "BELOW_MINIMUM",
        5_000,
        50_000,
    )


def test_a_second_payout_waits_for_the_first(house):
    house.verified_account()
    house.earned(2_000_000)
    house.release()
    house.payout()
    second = house.person("owner").post(f"{house.url}/payouts", {})
    assert (second.status_code, second.json["code"]) == (409, "PAYOUT_UNDER_WAY")


def test_a_refund_after_the_payout_is_forced_and_recovered_by_the_next(house):
    house.verified_account()
    [payment] = house.earned(2_000_000)
    house.release()
    house.process(payoutId=house.payout()["id"], reference="UTR1")
    refused = house.refund(payment, 1_000_000)
    assert (refused.status_code, refused.json["code"]) == (409, "EARNINGS_PAID_OUT")
    assert house.rows("SELECT claimed_amount FROM payments WHERE id = :id", id=payment)[0][0] == 0
    assert house.refund(payment, 1_000_000, forceRefund=True).status_code == 200
    [(due, status)] = house.rows("SELECT due_amount, status FROM earnings WHERE payment_id = :id AND party = 'ORGANIZATION'", id=payment)
    assert (due, status) == (-50_000, "PAID")
    house.earned(1_000_000, 1_000_000)
    house.release()
    payout = house.payout()
    assert (payout["amount"], payout["refunds"], payout["earningsCount"]) == (50_000, 50_000, 2)
    house.process(payoutId=payout["id"], reference="UTR2")
    assert house.rows("SELECT sum(due_amount) FROM earnings WHERE party = 'ORGANIZATION'")[0][0] == 0
    assert differences(house) == []


def test_debt_alone_is_no_payout(house):
    house.verified_account()
    [payment] = house.earned(2_000_000)
    house.release()
    house.process(payoutId=house.payout()["id"], reference="UTR1")
    house.refund(payment, forceRefund=True)
    answer = house.person("owner").post(f"{house.url}/payouts", {})
    assert (answer.status_code, answer.json["code"]) == (400, "NOTHING_READY")
    assert differences(house) == []


def test_by_hand_a_payout_is_taken_up_then_completed_or_failed_and_tried_again(house):
    house.verified_account()
    house.earned(2_000_000)
    house.release()
    payout = house.payout()
    taken = house.process()
    assert [(row["id"], row["status"]) for row in taken.json["processed"]] == [(payout["id"], "PROCESSING")]
    again = house.process(payoutId=payout["id"])
    assert (again.status_code, again.json["code"]) == (409, "PAYOUT_CLAIMED")
    failed = house.process(payoutId=payout["id"], failureReason="The bank says the account is closed")
    assert failed.json["processed"][0]["status"] == "FAILED"
    assert house.process().json == {"processed": [], "failed": []}
    done = house.process(payoutId=payout["id"], reference="UTR3")
    assert done.json["processed"][0]["status"] == "COMPLETED"
    over = house.process(payoutId=payout["id"], reference="UTR4")
    assert (over.status_code, over.json["code"]) == (409, "PAYOUT_CLAIMED")
    assert differences(house) == []


def test_an_account_can_be_written_and_never_read(house):
    owner = house.person("owner")
    assert owner.get(f"{house.url}/payout-account").json == {"payoutAccount": None}
    saved = owner.put(f"{house.url}/payout-account", {**ACCOUNT, "accountNumber": "5010 0123 456789"})
    assert saved.status_code == 200, saved.text
    shown = owner.get(f"{house.url}/payout-account")
    assert shown.json["payoutAccount"]["accountNumberLast4"] == "6789"
    assert shown.json["payoutAccount"]["status"] == "PENDING_VERIFICATION"
    kept = str(house.rows("SELECT * FROM payout_accounts")) + str(house.rows("SELECT before, after FROM audit_rows"))
    mails = str(house.rows("SELECT * FROM provider_mails"))
    assert all(NUMBER not in text for text in (saved.text, shown.text, kept, mails))
    assert owner.delete(f"{house.url}/payout-account").json == {"payoutAccount": None}
    assert owner.get(f"{house.url}/payout-account").json == {"payoutAccount": None}


@pytest.mark.parametrize("how", ["change", "remove and enter"])
def test_a_changed_account_rests_for_a_day(house, how):
    house.verified_account()
    house.earned(2_000_000)
    house.release()
    if how == "remove and enter":
        house.person("owner").delete(f"{house.url}/payout-account")
    house.verified_account(accountNumber="60200123456789")
    answer = house.person("owner").post(f"{house.url}/payouts", {})
    assert (answer.status_code, answer.json["code"]) == (400, "PAYOUT_ACCOUNT_COOLING_OFF")
    with clock.as_of(clock.now() + timedelta(hours=24)):
        house.again()
        assert house.payout()["amount"] == 100_000


def test_the_same_details_again_stay_verified(house):
    house.verified_account()
    answer = house.person("owner").put(f"{house.url}/payout-account", {**ACCOUNT, "bankName": "HDFC Bank Limited"})
    assert answer.json["payoutAccount"]["status"] == "VERIFIED"
    for changed in ({"accountNumber": "60200123456789"}, {"ifscCode": "ICIC0001234"}, {"accountHolderName": "Somebody Else"}):
        house.verified_account()
        answer = house.person("owner").put(f"{house.url}/payout-account", {**ACCOUNT, **changed})
        assert answer.json["payoutAccount"]["status"] == "PENDING_VERIFICATION", changed
