"""A process may die at any moment of a purchase of credits: what was paid is in the pool once, and nothing stays open."""

from datetime import timedelta

import pytest

from portal.gateways.payments import OrderStatus
from tests.support import world
from tests.support.dying import (
    ASKED,
    CREDITS,
    LATE,
    PRICE,
    MortalBank,
    Seams,
    assert_pool_holds,
    at_each_seam,
    event_row,
    heal,
    one_row,
    run,
)
from tests.support.paying import make_shop, put_in, set_mode


@pytest.fixture
def shop(rung, app):
    return make_shop(app, rung, price=PRICE)


@pytest.fixture
def seams(monkeypatch):
    return Seams(monkeypatch)


@pytest.fixture
def bank(monkeypatch, seams):
    bank = MortalBank(seams)
    put_in(monkeypatch, bank)
    return bank


@pytest.fixture
def owner(shop):
    with shop.app.app_context():
        set_mode(shop.company.organization.id, "SEAT_PACK")
    return world.sign_in(shop.app.test_client(), shop.company.owner)


def buy(shop, owner, key):
    url = f"/api/organizations/{shop.company.organization.id}/credits/purchase"
    return owner.post(url, json={"amount": CREDITS}, headers={**world.csrf(owner), "Idempotency-Key": key})


def bought(shop, owner, key) -> tuple[str, str]:
    """A purchase that isn't paid: its order here and at the bank."""
    answer = buy(shop, owner, key)
    assert answer.status_code == 201, answer.text
    statement = "SELECT id::text FROM gateway_orders WHERE purchase_id = :id"
    row = one_row(shop, statement, id=answer.json["purchase"]["id"]).id
    return row, f"bank_{row}"


def test_a_purchase_of_credits_is_begun_once_and_opened(shop, seams, bank, owner):
    rounds = []

    def finish(number):
        _row, order_id = bought(shop, owner, f"call {number}")
        rounds.append(order_id)
        shop.bells.clear()
        shop.sweep()
        bank.pay(order_id)
        heal(shop, after=timedelta(minutes=3))
        assert list(bank.orders) == rounds
        assert_pool_holds(shop, len(rounds))

    act = lambda number: buy(shop, owner, f"call {number}")  # noqa: E731 - E731: one act, said once
    passed = at_each_seam(shop, seams, prepare=lambda number: number, act=act, finish=finish)
    assert {"before a commit", "after a commit", "before open", "after open"} <= passed


def test_paid_credits_are_in_the_pool_once(shop, seams, bank, owner):
    rounds = []

    def prepare(number):
        _row, order_id = bought(shop, owner, f"call {number}")
        bank.pay(order_id)
        return event_row(shop, order_id)

    def finish(event_id):
        rounds.append(event_id)
        heal(shop)
        assert_pool_holds(shop, len(rounds))

    passed = at_each_seam(shop, seams, prepare=prepare, act=lambda event_id: run(shop, "billing-handle-event", event_id), finish=finish)
    assert passed >= ASKED


def test_stale_purchases_are_ended_one_by_one_and_paid_ones_are_not(shop, seams, bank, owner):
    rounds = []

    def prepare(number):
        _row, paid = bought(shop, owner, f"paid {number}")
        _row, unpaid = bought(shop, owner, f"unpaid {number}")
        bank.pay(paid)
        return unpaid

    def finish(unpaid):
        rounds.append(unpaid)
        heal(shop, after=LATE)
        assert bank.orders[unpaid].status is OrderStatus.EXPIRED
        assert_pool_holds(shop, len(rounds))
        assert shop.count("SELECT count(*) FROM credit_purchases WHERE status = 'CANCELLED'") == len(rounds)

    act = lambda _unpaid: run(shop, "billing-cancel-stale-purchases", after=LATE)  # noqa: E731 - E731: one act, said once
    passed = at_each_seam(shop, seams, prepare=prepare, act=act, finish=finish)
    assert {"before a commit", "after a commit", "before cancel", "after cancel"} <= passed
