"""A process may die at any moment: between two commits, while the provider is asked, before the doorbell. The sweep finishes its work.

Each act is killed at each of its seams in turn, with every doorbell lost; then a sweep, on a queue that is empty, has to bring the
money exactly once to where it belongs. Some acts are killed by the real signal in a real worker, too.
"""

from datetime import timedelta

import pytest

from portal import clock, config, jobs
from portal.gateways.payments import OrderStatus, RefundStatus, sandbox_webhooks
from tests.support import world
from tests.support.dying import (
    ASKED,
    CONFIRMED,
    LATE,
    PRICE,
    RELEASED,
    MortalBank,
    Seams,
    assert_nothing_waits,
    assert_paid_once,
    at_each_seam,
    confirmations,
    event_row,
    heal,
    one_row,
    order_row,
    run,
)
from tests.support.loopback import serving
from tests.support.paying import make_shop, put_in, rows


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
def staff(shop):
    with shop.app.app_context():
        user = world.make_user("staff@portal.test", role=world.PlatformRole.STAFF)
    return world.sign_in(shop.app.test_client(), user)


def test_a_checkout_by_card_is_finished_by_whoever_comes_next(shop, seams, bank):
    made = []

    def act(number):
        shop.checkout(hours=24 + number, headers={"Idempotency-Key": f"call {number}"})

    def finish(number):
        again = shop.checkout(hours=24 + number, headers={"Idempotency-Key": f"call {number}"})
        assert again.status_code == 201, again.text
        booking_id, payment_id = again.json["booking"]["id"], again.json["payment"]["id"]
        shop.bells.clear()
        shop.sweep()
        order_id = f"bank_{order_row(shop, payment_id)}"
        assert shop.client.get(f"/api/payments/{payment_id}").json["payment"]["gateway"]["orderId"] == order_id
        bank.pay(order_id)
        heal(shop, after=timedelta(minutes=3))
        made.append(booking_id)
        assert_nothing_waits(shop)
        assert [tuple(row) for row in rows(shop.app, "SELECT id::text, status FROM bookings ORDER BY id")] == [
            (each, "CONFIRMED") for each in sorted(made)
        ]
        assert len(bank.orders) == len(made)

    passed = at_each_seam(shop, seams, prepare=lambda number: number, act=act, finish=finish)
    assert {"before a commit", "after a commit", "before open", "after open"} <= passed


def test_a_checkout_that_nobody_asks_for_again_is_opened_by_the_sweep_or_was_never_made(shop, seams, bank):
    """Without a key, nobody comes back: the slot is held, its order is opened, and it is released when nobody pays."""

    def finish(_number):
        heal(shop)
        held = rows(shop.app, "SELECT o.order_id FROM bookings b JOIN gateway_orders o USING (payment_id) WHERE b.status = 'HELD'")
        assert len(held) <= 1
        assert all(row.order_id in bank.orders for row in held)
        heal(shop, after=LATE)
        assert {order.status for order in bank.orders.values()} <= {OrderStatus.EXPIRED}
        assert len(bank.orders) == shop.count("SELECT count(*) FROM bookings WHERE status = 'RELEASED'")
        assert_nothing_waits(shop)

    passed = at_each_seam(shop, seams, prepare=lambda number: number, act=lambda _number: shop.checkout(), finish=finish)
    assert "after open" in passed
    assert bank.orders, "at least one was made"


def test_a_webhook_is_stored_or_made_up_for(shop, seams, bank):
    def prepare(number):
        booked = shop.booked(hours=24 + number)
        bank.pay(booked.order_id)
        return booked

    def finish(booked):
        heal(shop)
        assert_paid_once(shop, bank, booked)

    passed = at_each_seam(shop, seams, prepare=prepare, act=lambda booked: shop.hear(booked.order_id), finish=finish)
    assert {"before a commit", "after a commit", "before a doorbell"} <= passed


def test_a_stored_webhook_is_acted_on_once(shop, seams, bank):
    def prepare(number):
        booked = shop.booked(hours=24 + number)
        bank.pay(booked.order_id)
        return booked, event_row(shop, booked.order_id)

    def finish(subject):
        heal(shop)
        assert_paid_once(shop, bank, subject[0])

    passed = at_each_seam(shop, seams, prepare=prepare, act=lambda subject: run(shop, "billing-handle-event", subject[1]), finish=finish)
    assert ASKED | {"before a doorbell"} <= passed


def test_a_payment_is_settled_once(shop, seams, bank):
    def prepare(number):
        booked = shop.booked(hours=24 + number)
        bank.pay(booked.order_id)
        run(shop, "billing-ask-order", order_row(shop, booked.payment_id))
        assert shop.standing(booked) == ("HELD", "PENDING", "PAID")
        return booked

    def finish(booked):
        heal(shop)
        assert_paid_once(shop, bank, booked)

    act = lambda booked: run(shop, "bookings-settle-payment", booked.payment_id)  # noqa: E731 - E731: one act, said once
    assert {"before a commit", "after a commit"} <= at_each_seam(shop, seams, prepare=prepare, act=act, finish=finish)


def test_late_money_for_a_sold_slot_goes_back_once(shop, seams, bank):
    rounds = []
    with shop.app.app_context():
        bela = world.make_user("bela@acme.test")
    other = world.sign_in(shop.app.test_client(), bela)

    def prepare(number):
        booked = shop.booked(hours=24 + number)
        shop.run("bookings-release-unpaid", after=LATE)
        assert shop.standing(booked) == RELEASED
        shop.confirmed(bank, hours=24 + number, client=other)
        bank.pay(booked.order_id)
        run(shop, "billing-ask-order", order_row(shop, booked.payment_id))
        if shop.standing(booked)[2] != "PAID":
            run(shop, "billing-handle-event", event_row(shop, booked.order_id))
        return booked

    def finish(booked):
        rounds.append(booked)
        heal(shop)
        assert shop.standing(booked) == ("RELEASED", "SUCCEEDED", "PAID")
        statement = "SELECT claimed_amount, refunded_amount FROM payments WHERE id = :id"
        assert tuple(one_row(shop, statement, id=booked.payment_id)) == (PRICE, PRICE)
        assert (bank.given_back, len(bank.refunds)) == (PRICE * len(rounds), len(rounds))
        assert_nothing_waits(shop)

    act = lambda booked: run(shop, "bookings-settle-payment", booked.payment_id)  # noqa: E731 - E731: one act, said once
    assert "before a doorbell" in at_each_seam(shop, seams, prepare=prepare, act=act, finish=finish)


def test_a_refund_that_is_asked_for_again_with_its_key_is_made_once(shop, seams, bank, staff):
    rounds = []

    def act(booked):
        return shop.refund(booked.payment_id, client=staff, amount=50_000, headers={"Idempotency-Key": f"of {booked.payment_id}"})

    def finish(booked):
        again = act(booked)
        assert again.status_code == 200, again.text
        rounds.append(booked)
        shop.bells.clear()
        heal(shop)
        assert (bank.given_back, len(bank.refunds)) == (50_000 * len(rounds), len(rounds))
        assert shop.count("SELECT count(*) FROM refunds WHERE status = 'SUCCEEDED'") == len(rounds)
        assert_nothing_waits(shop)

    passed = at_each_seam(shop, seams, prepare=lambda number: shop.confirmed(bank, hours=24 + number), act=act, finish=finish)
    assert {"before a commit", "after a commit", "before a doorbell"} <= passed


@pytest.mark.parametrize("outcome", list(RefundStatus))
def test_a_refund_s_money_moves_once(shop, seams, bank, staff, outcome):
    bank.refunds_are = outcome
    rounds = []

    def prepare(number):
        booked = shop.confirmed(bank, hours=24 + number)
        refund_id = shop.refund(booked.payment_id, client=staff, amount=50_000).json["refund"]["id"]
        return booked, refund_id

    def finish(subject):
        booked, refund_id = subject
        rounds.append(refund_id)
        shop.sweep()
        if outcome is RefundStatus.PENDING:
            bank.decide(refund_id, RefundStatus.SUCCEEDED)
        heal(shop, after=timedelta(minutes=3))
        given = 0 if outcome is RefundStatus.FAILED else 50_000
        assert (bank.given_back, list(bank.refunds)) == (given * len(rounds), rounds)
        statement = "SELECT claimed_amount, refunded_amount FROM payments WHERE id = :id"
        assert tuple(one_row(shop, statement, id=booked.payment_id)) == (given, given)
        assert_nothing_waits(shop)

    passed = at_each_seam(shop, seams, prepare=prepare, act=lambda subject: run(shop, "billing-move-refund", subject[1]), finish=finish)
    assert {"before a commit", "after a commit", "before refund", "after refund"} <= passed


def test_unpaid_slots_are_released_one_by_one_and_paid_ones_are_not(shop, seams, bank):
    def prepare(number):
        paid, unpaid = shop.booked(hours=24 + 2 * number), shop.booked(hours=25 + 2 * number)
        bank.pay(paid.order_id)
        return paid, unpaid

    def finish(subject):
        paid, unpaid = subject
        heal(shop, after=LATE)
        assert (shop.standing(unpaid), bank.orders[unpaid.order_id].status) == (RELEASED, OrderStatus.EXPIRED)
        assert_paid_once(shop, bank, paid)

    act = lambda _subject: run(shop, "bookings-release-unpaid", after=LATE)  # noqa: E731 - E731: one act, said once
    passed = at_each_seam(shop, seams, prepare=prepare, act=act, finish=finish)
    assert {"before cancel", "after cancel", "before a doorbell"} <= passed


def test_a_sweep_that_dies_is_made_up_for_by_the_next(shop, seams, bank):
    def prepare(number):
        booked = shop.booked(hours=24 + number)
        bank.pay(booked.order_id)
        return booked

    def finish(booked):
        heal(shop)
        assert_paid_once(shop, bank, booked)

    act = lambda _booked: run(shop, "sweep", after=timedelta(minutes=3))  # noqa: E731 - E731: one act, said once
    assert "before a doorbell" in at_each_seam(shop, seams, prepare=prepare, act=act, finish=finish)


def test_the_sandbox_tells_of_a_payment_although_its_sender_dies(shop, seams, settings, monkeypatch):
    """Its claim runs out, and the sweep rings again; the events of a payment confirm it once however often they come."""
    post = sandbox_webhooks._post

    def posting(url, body):
        seams.reach("before a webhook")
        refusal = post(url, body)
        seams.reach("after a webhook")
        return refusal

    def forwarded(asked):
        answer = shop.app.test_client().post("/api/webhooks/sandbox", data=asked.body, headers=dict(asked.headers))
        return answer.status_code, {}

    monkeypatch.setattr(sandbox_webhooks, "_post", posting)

    def prepare(number):
        booked = shop.booked(hours=24 + number)
        shop.on_page(booked.order_id, "succeeded")
        [bell] = [bell for bell in shop.bells if bell.name == "sandbox-send-webhook"]
        return booked, bell.ids

    def finish(subject):
        booked, ids = subject
        with monkeypatch.context() as patched:
            wall = clock.wall()
            patched.setattr(clock, "wall", lambda: wall + timedelta(minutes=2))
            shop.bells.clear()
            with shop.app.app_context():
                jobs.run("sweep")
            told = [bell for bell in shop.bells if bell.name == "sandbox-send-webhook"]
            for bell in told:
                run(shop, bell.name, *bell.ids)
        statement = "SELECT deliveries, due_at FROM sandbox_webhooks WHERE id = :id"
        assert all(tuple(one_row(shop, statement, id=event_id)) == (2, None) for event_id in ids)
        shop.bells.clear()
        heal(shop)
        assert (shop.standing(booked), confirmations(shop, booked)) == (CONFIRMED, 1)
        assert_nothing_waits(shop)

    with serving(forwarded) as server:
        config.use(settings.model_copy(update={"base_url": server.url}))
        try:
            act = lambda subject: run(shop, "sandbox-send-webhook", *subject[1])  # noqa: E731 - E731: one act, said once
            passed = at_each_seam(shop, seams, prepare=prepare, act=act, finish=finish)
        finally:
            config.use(settings)
    assert {"before a webhook", "after a webhook"} <= passed
