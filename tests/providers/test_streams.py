"""Who earns by a booking, in each billing mode; and what later changes don't touch."""

from datetime import timedelta

import pytest

from portal import clock, config, db
from portal.billing import queries as billing
from portal.billing.rules import LedgerReason
from portal.billing.service import credits as pool
from portal.orgs.rules import BillingMode, EarningsRecipient, Kind
from tests.support import world
from tests.support.hosting import PRICE, make_house
from tests.support.paying import set_mode
from tests.support.together import at_once

CONTRACT = {"contract_start": clock.now().date() - timedelta(days=400), "contract_end": clock.now().date() + timedelta(days=4000)}
THREE_WAY = {"CONSULTANT": 85_000, "ORGANIZATION": 5_000}
TWO_WAY = {"CONSULTANT": 80_000}


def payment_of(house, payment_id):
    statement = """SELECT payment_method, amount, original_amount, host_organization_id::text AS host, platform_rate, organization_rate,
                          consultant_rate, earnings_recipient, status FROM payments WHERE id = :id"""
    return house.rows(statement, id=payment_id)[0]


@pytest.mark.parametrize(
    ("mode", "method", "amount"),
    [("SEAT_PACK", "ORG_CREDIT", PRICE), ("INVOICED_MONTHLY", "ORG_INVOICED", PRICE), ("PREPAID_UNLIMITED", "ORG_PREPAID", 0)],
)
def test_each_mode_pays_in_its_way_and_earns_by_the_price(house, mode, method, amount):
    buyer, consultant = house.buyer(), house.consultant()
    with house.app.app_context():
        set_mode(buyer.id, mode, **(CONTRACT if mode == "PREPAID_UNLIMITED" else {}))
        if mode == "SEAT_PACK":
            with db.unit_of_work():
                pool.move(buyer.id, PRICE, reason=LedgerReason.PURCHASE)
    payment_id = house.book(house.sell(consultant), house.learner(of=buyer), on=buyer)
    paid = payment_of(house, payment_id)
    assert (paid.payment_method, paid.amount, paid.original_amount, paid.host) == (method, amount, PRICE, house.id)
    assert (paid.platform_rate, paid.organization_rate, paid.consultant_rate, paid.earnings_recipient) == (1_000, 500, 8_500, "CONSULTANT")
    assert house.shares(payment_id) == THREE_WAY


def test_by_card_nobody_earns_before_the_gateway_confirms(house):
    consultant = house.consultant()
    payment_id = house.book(house.sell(consultant), house.learner())
    assert payment_of(house, payment_id).status == "PENDING"
    assert house.shares(payment_id) == {}
    order_id = house.rows("SELECT id FROM gateway_orders WHERE payment_id = :id", id=payment_id)[0][0]
    house.run("billing-ask-order", str(order_id))
    provider_order = house.rows("SELECT order_id FROM gateway_orders WHERE payment_id = :id", id=payment_id)[0][0]
    house.app.test_client().post(f"/sandbox/pay/{provider_order}", data={"outcome": "succeeded"})
    house.work()
    assert payment_of(house, payment_id).status == "SUCCEEDED"
    assert house.shares(payment_id) == THREE_WAY
    held, succeeded = house.rows(
        "SELECT e.hold_until, p.succeeded_at FROM earnings e JOIN payments p ON p.id = e.payment_id WHERE p.id = :id", id=payment_id
    )[0]
    assert held - succeeded == timedelta(hours=48)


def test_a_hybrid_does_both_streams_for_its_own_learner_and_consultant(rung, app, provider_orgs):
    house = make_house(app, rung, kind=Kind.HYBRID, mode=BillingMode.INVOICED_MONTHLY)
    own = house.organization
    payment_id = house.book(house.sell(house.consultant()), house.learner(of=own), on=own)
    paid = payment_of(house, payment_id)
    assert (paid.payment_method, paid.host) == ("ORG_INVOICED", house.id)
    assert house.shares(payment_id) == THREE_WAY
    summary = house.person("owner").get(f"{house.url}/billing").json
    assert summary["pendingCharges"] == {"amount": PRICE, "paymentCount": 1}
    [earning] = house.person("owner").get(f"{house.url}/earnings").json["items"]
    assert (earning["share"], earning["platformFee"], earning["grossAmount"]) == (5_000, 10_000, PRICE)
    invoice = house.person("owner").post(f"{house.url}/billing/generate-invoice", {}).json["invoice"]
    assert invoice["taxableAmount"] == PRICE
    shown = house.person("owner").get(f"/api/payments/{payment_id}").json["payment"]
    assert (shown["hostOrganizationId"], shown["organizationId"]) == (house.id, house.id)
    with app.app_context():
        assert list(billing.differences()) == []


def test_independent_consultants_and_a_switched_off_tier_split_two_ways(house, settings):
    buyer = house.buyer()
    learner = house.learner(of=buyer)
    alone = house.book(house.sell(house.consultant("ravi", hosted=False)), learner, on=buyer)
    assert house.shares(alone) == TWO_WAY
    plan = house.sell(house.consultant())
    config.use(settings)
    off = house.book(plan, learner, on=buyer)
    assert (house.shares(off), payment_of(house, off).host) == (TWO_WAY, None)


def member_of(house, name="meera"):
    return house.rows("SELECT id::text FROM memberships WHERE organization_id = :o AND user_id = :u", o=house.id, u=house.users[name].id)[
        0
    ][0]


def test_a_rate_of_their_own_and_a_salary_count_from_the_next_booking_on(house):
    buyer, plan = house.buyer(), house.sell(house.consultant())
    learner = house.learner(of=buyer)
    before = house.book(plan, learner, on=buyer)
    owner, member = house.person("owner"), f"{house.url}/members/{member_of(house)}"
    assert owner.patch(member, {"customConsultantPayoutRate": 0.7}).status_code == 200
    assert owner.patch(member, {"customConsultantPayoutRate": 0.95}).status_code == 400
    with_rate = house.book(plan, learner, on=buyer)
    assert owner.patch(member, {"earningsRecipient": "ORGANIZATION"}).status_code == 200
    salaried = house.book(plan, learner, on=buyer)
    assert house.shares(before) == THREE_WAY
    assert house.shares(with_rate) == {"CONSULTANT": 70_000, "ORGANIZATION": 20_000}
    assert house.shares(salaried) == {"ORGANIZATION": 90_000}
    assert payment_of(house, salaried).earnings_recipient == EarningsRecipient.ORGANIZATION


@pytest.mark.parametrize("away", ["suspended member", "suspended house", "removed member"])
def test_who_is_away_hosts_nobody(house, away):
    buyer, plan = house.buyer(), house.sell(house.consultant())
    learner = house.learner(of=buyer)
    if away == "suspended house":
        house.person("admin").post(f"/api/admin/organizations/{house.id}/verify", {"action": "SUSPEND"})
    else:
        status = "SUSPENDED" if away.startswith("suspended") else "REMOVED"
        assert house.person("owner").patch(f"{house.url}/members/{member_of(house)}", {"status": status}).status_code == 200
    assert house.shares(house.book(plan, learner, on=buyer)) == TWO_WAY


def test_of_several_hosts_the_one_that_approved_earliest_counts(house, rung, app):
    consultant = house.consultant()
    other = make_house(app, rung, name="Other House")
    with app.app_context():
        world.add_member(other.organization, consultant, world.Role.ORG_CONSULTANT)
    buyer = house.buyer()
    learner, plan = house.learner(of=buyer), house.sell(consultant)
    assert payment_of(house, house.book(plan, learner, on=buyer)).host == house.id
    member = member_of(house)
    house.person("owner").patch(f"{house.url}/members/{member}", {"status": "REMOVED"})
    assert payment_of(house, house.book(plan, learner, on=buyer)).host == other.id
    house.person("owner").patch(f"{house.url}/members/{member}", {"status": "ACTIVE"})
    assert payment_of(house, house.book(plan, learner, on=buyer)).host == other.id


def test_only_the_organizations_plans_where_it_says_so(house):
    consultant = house.consultant()
    plan = house.sell(consultant)
    learner = house.learner(of=house.buyer())
    client = house.welcome("learner", learner)
    assert [row["id"] for row in client.get("/api/plans").json["items"]] == [plan.id]
    assert house.person("owner").patch(house.url, {"enforceOrganizationPlans": True}).status_code == 200
    assert client.get("/api/plans").json["items"] == []
    assert client.get(f"/api/plans?consultantId={consultant.id}").json["items"] == []
    body = {"planId": plan.id, "startsAt": (clock.now() + timedelta(days=2)).isoformat()}
    refused = client.post("/api/checkout", body)
    assert (refused.status_code, refused.json["code"]) == (404, "PLAN_NOT_FOUND")


def test_refunds_in_parts_reverse_every_partys_share_to_the_paisa(house):
    [payment] = house.earned(99_999)
    for amount in (33_333, 1, 40_000, 26_665):
        assert house.refund(payment, amount).status_code == 200
        with house.app.app_context():
            assert list(billing.differences()) == []
    found = house.rows("SELECT party, share, reversed_amount, status FROM earnings WHERE payment_id = :id ORDER BY party", id=payment)
    assert [(row.share, row.reversed_amount, row.status) for row in found] == [(84_999, 84_999, "REFUNDED"), (5_000, 5_000, "REFUNDED")]


def test_a_consultant_sees_what_they_earned(house):
    consultant = house.consultant()
    house.earned(PRICE, consultant=consultant)
    mine = house.welcome("meera", consultant).get("/api/consultants/me/earnings").json["items"]
    assert [(row["party"], row["share"], row["status"], row["refundedAmount"]) for row in mine] == [("CONSULTANT", 85_000, "PENDING", 0)]
    both = house.person("owner").get(f"{house.url}/earnings?party=CONSULTANT").json["items"]
    assert [row["share"] for row in both] == [85_000]


def test_two_houses_that_host_each_others_sessions_do_not_wait_for_each_other(rung, app, provider_orgs):
    one = make_house(app, rung, kind=Kind.HYBRID, mode=BillingMode.INVOICED_MONTHLY, name="One House")
    two = make_house(app, rung, kind=Kind.HYBRID, mode=BillingMode.INVOICED_MONTHLY, name="Two House")
    plans = {"one": one.sell(one.consultant("meera")), "two": two.sell(two.consultant("ravi"))}
    learners = {"one": one.learner("asha", of=one.organization), "two": two.learner("dev", of=two.organization)}

    def act(house, plan, learner):
        return lambda: house.book(plan, learner, on=house.organization)

    acts = [act(one, plans["two"], learners["one"]), act(two, plans["one"], learners["two"])] * 4
    booked, refusals = at_once(app, acts)
    assert (len(booked), refusals) == (8, [])
    hosts = one.rows("SELECT organization_id <> host_organization_id AS crossed, count(*) FROM payments GROUP BY 1")
    assert [tuple(row) for row in hosts] == [(True, 8)]
    with app.app_context():
        assert list(billing.differences()) == []
