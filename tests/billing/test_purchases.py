"""Credits that are bought: ordered by an owner, charged with GST, in the pool exactly once when the money is there."""

import json
from datetime import timedelta

import pytest

from portal import clock, db, jobs
from portal.orgs.models import Organization
from tests.support import world
from tests.support.paying import Bank, make_shop, paid_event, post_signed, put_in, rows, set_mode
from tests.support.together import at_once

AMOUNT = 1_000_000
WITH_TAX = 1_180_000
A_BIT_LATER = timedelta(minutes=31)


@pytest.fixture
def shop(rung, app):
    """The organization books on credits; the real sandbox is the provider."""
    shop = make_shop(app, rung)
    with app.app_context():
        set_mode(shop.company.organization.id, "SEAT_PACK")
    return shop


@pytest.fixture
def owner(shop):
    return world.sign_in(shop.app.test_client(), shop.company.owner)


@pytest.fixture
def bank(monkeypatch):
    bank = Bank()
    put_in(monkeypatch, bank)
    return bank


def buy(shop, client, amount=AMOUNT, *, headers=None):
    url = f"/api/organizations/{shop.company.organization.id}/credits/purchase"
    return client.post(url, json={"amount": amount}, headers={**world.csrf(client), **(headers or {})})


def credits_of(shop, client) -> dict:
    return client.get(f"/api/organizations/{shop.company.organization.id}/credits").json


def held(shop) -> tuple[int, int, int]:
    """The pool's balance, what was bought in all, and how many movements there are."""
    found = rows(shop.app, "SELECT balance, total_purchased, entries FROM credit_pools")
    return tuple(found[0]) if found else (0, 0, 0)


def statuses(shop) -> list[str]:
    return [row.status for row in rows(shop.app, "SELECT status FROM credit_purchases ORDER BY id")]


def test_a_purchase_is_charged_with_gst_and_says_where_to_pay(shop, owner):
    answer = buy(shop, owner)
    assert answer.status_code == 201
    purchase = answer.json["purchase"]
    assert (purchase["amount"], purchase["taxAmount"], purchase["payable"]) == (AMOUNT, WITH_TAX - AMOUNT, WITH_TAX)
    assert (purchase["status"], purchase["gateway"].keys()) == ("PENDING", {"provider", "orderId", "payUrl"})
    assert rows(shop.app, "SELECT amount, currency FROM sandbox_orders") == [(WITH_TAX, "INR")]
    assert held(shop) == (0, 0, 0)
    listed = owner.get(f"/api/organizations/{shop.company.organization.id}/credits/purchases").json["items"]
    assert listed == [purchase]


@pytest.mark.parametrize(
    ("place", "heads"),
    [
        ({"state_code": "29"}, (1_800, 90_000, 90_000, 0)),
        ({"state_code": "27"}, (1_800, 0, 0, 180_000)),
        ({"state_code": "29", "is_sez": True}, (1_800, 0, 0, 180_000)),
        ({"country": "SG", "state_code": None}, (0, 0, 0, 0)),
    ],
)
def test_the_tax_follows_the_place_of_supply(shop, owner, place, heads):
    with shop.app.app_context(), db.unit_of_work():
        organization = db.session.get_one(Organization, shop.company.organization.id)
        for name, value in place.items():
            setattr(organization, name, value)
    purchase = buy(shop, owner).json["purchase"]
    assert tuple(rows(shop.app, "SELECT tax_rate, cgst, sgst, igst FROM credit_purchases")[0]) == heads
    assert purchase["payable"] == AMOUNT + sum(heads[1:])
    assert rows(shop.app, "SELECT amount FROM sandbox_orders") == [(purchase["payable"],)]


def test_paid_the_pool_has_the_credits_once_and_the_ledger_says_why(shop, owner):
    order_id = buy(shop, owner).json["purchase"]["gateway"]["orderId"]
    assert shop.on_page(order_id, "succeeded").location == f"http://localhost/orgs/{shop.company.organization.slug}/credits"
    shop.work()
    for event_id in ("evt_other", "evt_other", "evt_another"):
        shop.tell(order_id, event_id=event_id)
    shop.sweep()
    assert (statuses(shop), held(shop)) == (["PROCESSED"], (AMOUNT, AMOUNT, 1))
    shown = credits_of(shop, owner)
    assert shown["pool"] == {"balance": AMOUNT, "totalPurchased": AMOUNT}
    [movement] = shown["ledger"]
    assert (movement["delta"], movement["reason"], movement["balanceAfter"], movement["paymentId"]) == (AMOUNT, "purchase", AMOUNT, None)
    assert shop.count("SELECT count(*) FROM audit_rows WHERE action = 'CREDITS_BOUGHT'") == 1


def test_told_by_thirty_two_at_once_the_pool_is_credited_once(shop, owner, bank):
    order_id = buy(shop, owner).json["purchase"]["gateway"]["orderId"]
    bank.pay(order_id)
    told = [lambda number=number: post_signed(shop.app, paid_event(order_id, f"evt_{number % 4}")).status_code for number in range(32)]
    answers, _refusals = at_once(shop.app, told)
    assert answers == [200] * 32
    assert shop.count("SELECT count(*) FROM gateway_events") == 4
    rings = [lambda bell=bell: jobs.run(bell.name, *bell.ids) for bell in shop.bells]
    assert len(rings) == 4
    shop.bells.clear()
    [row] = rows(shop.app, "SELECT id FROM gateway_orders")
    at_once(shop.app, [*rings * 4, *[lambda: jobs.run("billing-ask-order", str(row.id))] * 16])
    shop.work()
    assert (statuses(shop), held(shop)) == (["PROCESSED"], (AMOUNT, AMOUNT, 1))


def test_several_purchases_paid_at_once_are_all_there(shop, owner, bank):
    orders = [buy(shop, owner, 10_000 * (number + 1)).json["purchase"]["gateway"]["orderId"] for number in range(16)]
    for order_id in orders:
        bank.pay(order_id)
    asked = [str(row.id) for row in rows(shop.app, "SELECT id FROM gateway_orders")]
    at_once(shop.app, [lambda row_id=row_id: jobs.run("billing-ask-order", row_id) for row_id in asked * 2])
    total = sum(10_000 * (number + 1) for number in range(16))
    assert (set(statuses(shop)), held(shop)) == ({"PROCESSED"}, (total, total, 16))
    before = "lag(balance_after, 1, 0::bigint) OVER (ORDER BY position)"
    broken = f"SELECT count(*) FROM (SELECT balance_after - delta - {before} AS off FROM credit_ledger) AS chain WHERE off <> 0"  # noqa: S608 - ours
    assert shop.count(broken) == 0


def test_declined_it_is_cancelled(shop, owner):
    order_id = buy(shop, owner).json["purchase"]["gateway"]["orderId"]
    shop.on_page(order_id, "failed")
    shop.work()
    assert (statuses(shop), held(shop)) == (["CANCELLED"], (0, 0, 0))


def test_what_nobody_pays_is_cancelled_after_half_an_hour_and_not_before(shop, owner):
    with clock.as_of(clock.now()):
        order_id = buy(shop, owner).json["purchase"]["gateway"]["orderId"]
        assert shop.run("billing-cancel-stale-purchases", after=timedelta(minutes=29, seconds=59))["done"] == 0
        assert statuses(shop) == ["PENDING"]
        assert shop.run("bookings-release-unpaid", after=A_BIT_LATER)["done"] == 0, "that job is for bookings"
        assert shop.run("billing-cancel-stale-purchases", after=timedelta(minutes=30))["done"] == 1
    assert (statuses(shop), held(shop)) == (["CANCELLED"], (0, 0, 0))
    assert shop.on_page(order_id, "succeeded").status_code == 409
    listed = owner.get(f"/api/organizations/{shop.company.organization.id}/credits/purchases").json["items"]
    assert [(item["status"], item["gateway"]) for item in listed] == [("CANCELLED", None)]


def test_paid_in_time_without_a_webhook_it_is_processed_not_cancelled(shop, owner):
    order_id = buy(shop, owner).json["purchase"]["gateway"]["orderId"]
    shop.on_page(order_id, "succeeded")
    shop.bells.clear()
    shop.run("billing-cancel-stale-purchases", after=A_BIT_LATER)
    assert (statuses(shop), held(shop)) == (["PROCESSED"], (AMOUNT, AMOUNT, 1))


def test_money_after_the_cancellation_counts_once(shop, owner, bank):
    order_id = buy(shop, owner).json["purchase"]["gateway"]["orderId"]
    shop.run("billing-cancel-stale-purchases", after=A_BIT_LATER)
    assert statuses(shop) == ["CANCELLED"]
    bank.pay(order_id)
    for _twice in range(2):
        shop.tell(order_id)
    assert (statuses(shop), held(shop)) == (["PROCESSED"], (AMOUNT, AMOUNT, 1))


@pytest.mark.parametrize("loses_answers", [False, True])
def test_a_provider_that_is_down_changes_nothing_and_is_asked_again(shop, owner, bank, loses_answers):
    bank.is_down, bank.loses_answers = not loses_answers, loses_answers
    answer = buy(shop, owner)
    assert (answer.status_code, answer.json["purchase"]["gateway"], answer.json["purchase"]["status"]) == (201, None, "PENDING")
    assert shop.run("billing-cancel-stale-purchases", after=A_BIT_LATER)["skipped"] == {"unanswered": 1}
    assert statuses(shop) == ["PENDING"]
    bank.is_down = bank.loses_answers = False
    shop.sweep(after=A_BIT_LATER + timedelta(minutes=5))
    [order_id] = bank.orders
    bank.pay(order_id)
    shop.tell(order_id)
    assert (statuses(shop), held(shop), len(bank.orders)) == (["PROCESSED"], (AMOUNT, AMOUNT, 1), 1)


@pytest.mark.parametrize("wrong", [{"amount": WITH_TAX - 1}, {"amount": AMOUNT}, {"amount": WITH_TAX * 2}, {"currency": "USD"}])
def test_a_wrong_amount_or_currency_buys_nothing(shop, owner, bank, wrong):
    order_id = buy(shop, owner).json["purchase"]["gateway"]["orderId"]
    bank.pay(order_id, **wrong)
    shop.tell(order_id)
    shop.run("billing-cancel-stale-purchases", after=A_BIT_LATER)
    assert held(shop) == (0, 0, 0)
    assert statuses(shop) != ["PROCESSED"]
    assert rows(shop.app, "SELECT failure IS NOT NULL FROM gateway_orders") == [(True,)]


@pytest.mark.parametrize("amount", [0, -1, 1.5, "100", "1000000", 10**13, 10**30, None, True, [], 9_999])
def test_bad_amounts_are_refused_and_nothing_is_recorded(shop, owner, amount):
    answer = buy(shop, owner, amount)
    assert (answer.status_code, list(answer.json["details"])) == (400, ["amount"])
    for table in ("credit_purchases", "gateway_orders", "sandbox_orders", "credit_pools"):
        assert shop.count(f"SELECT count(*) FROM {table}") == 0  # noqa: S608 - names of ours
    first_payment = "SELECT first_payment_at FROM organizations WHERE id = :id"
    assert rows(shop.app, first_payment, id=shop.company.organization.id) == [(None,)]


def test_json_that_python_takes_for_a_number_is_no_amount(shop, owner):
    url = f"/api/organizations/{shop.company.organization.id}/credits/purchase"
    for body in (
        '{"amount": NaN}',
        '{"amount": Infinity}',
        '{"amount": 1e400}',
        '{"amount": 1000000.0}',
        "[]",
        "",
        '{"amount": 1000000, "x": 1}',
    ):
        answer = owner.post(url, data=body, headers={**world.csrf(owner), "Content-Type": "application/json"})
        assert answer.status_code == 400, body
    assert statuses(shop) == []


def test_only_the_owner_of_an_organization_that_books_on_credits_buys(shop, owner):
    with shop.app.app_context():
        admin, other = world.make_user("admin@acme.test"), world.make_company("Other")
        world.add_member(shop.company.organization, admin, world.Role.ORG_ADMIN)
    for user in (admin, shop.learner, other.owner):
        assert buy(shop, world.sign_in(shop.app.test_client(), user)).status_code == 403
    url = f"/api/organizations/{shop.company.organization.id}/credits/purchase"
    assert shop.app.test_client().post(url, json={"amount": AMOUNT}).status_code in {400, 401}
    for mode in ("TAG_ONLY", "INVOICED_MONTHLY", "PREPAID_UNLIMITED"):
        with shop.app.app_context():
            set_mode(shop.company.organization.id, mode)
        refused = buy(shop, owner)
        assert (refused.status_code, refused.json["code"]) == (409, "NOT_SEAT_PACK")
    assert statuses(shop) == []


def test_a_suspended_organization_buys_nothing_but_what_was_paid_arrives(shop, owner, bank):
    order_id = buy(shop, owner).json["purchase"]["gateway"]["orderId"]
    with shop.app.app_context(), db.unit_of_work():
        db.session.get_one(Organization, shop.company.organization.id).status = "SUSPENDED"
    assert buy(shop, owner).status_code == 409
    bank.pay(order_id)
    shop.tell(order_id)
    assert (statuses(shop), held(shop)) == (["PROCESSED"], (AMOUNT, AMOUNT, 1))


def test_the_same_key_buys_once_thirty_two_at_once_too(shop, owner):
    header = {"Idempotency-Key": "a purchase"}
    clients = [world.sign_in(shop.app.test_client(), shop.company.owner) for _ in range(8)]
    tokens = [world.csrf(client) for client in clients]
    url = f"/api/organizations/{shop.company.organization.id}/credits/purchase"

    def call(number: int):
        answer = clients[number].post(url, json={"amount": AMOUNT}, headers={**tokens[number], **header})
        return answer.status_code, answer.json.get("purchase", {}).get("id"), answer.json.get("code")

    answers, _refusals = at_once(shop.app, [lambda number=number: call(number) for number in range(8)])
    assert {code for code, _id, _why in answers} <= {201, 409}
    assert {why for code, _id, why in answers if code == 409} <= {"IDEMPOTENCY_IN_PROGRESS"}
    assert len({made for code, made, _why in answers if code == 201}) == 1
    assert (statuses(shop), shop.count("SELECT count(*) FROM sandbox_orders")) == (["PENDING"], 1)
    again = buy(shop, owner, headers=header)
    assert (again.status_code, again.headers["Idempotency-Replayed"]) == (201, "true")
    other = buy(shop, owner, AMOUNT * 2, headers=header)
    assert (other.status_code, json.loads(other.text)["code"]) == (409, "IDEMPOTENCY_KEY_REUSED")
