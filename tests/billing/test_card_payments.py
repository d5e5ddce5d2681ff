"""Sessions paid by card: held until the money is there, confirmed once, released when it won't come; late money goes back."""

from datetime import timedelta
from threading import Event

import pytest
from sqlalchemy import text
from structlog.testing import capture_logs

from portal import clock, db, jobs
from portal.gateways.payments import OrderStatus, by_name
from tests.support import world
from tests.support.paying import Bank, make_shop, put_in, rows
from tests.support.together import at_once

HALF_AN_HOUR = timedelta(minutes=30)
A_BIT_LATER = timedelta(minutes=31)
CONFIRMED = ("CONFIRMED", "SUCCEEDED", "PAID")


@pytest.fixture
def shop(rung, app):
    """The real sandbox is the provider."""
    return make_shop(app, rung)


@pytest.fixture
def bank(monkeypatch):
    """A provider that can have a bad day, in the sandbox's place."""
    bank = Bank()
    put_in(monkeypatch, bank)
    return bank


def confirmations(shop) -> int:
    return shop.count("SELECT count(*) FROM audit_rows WHERE action = 'BOOKING_CONFIRMED'")


def other_learner(shop):
    with shop.app.app_context():
        user = world.make_user("bela@acme.test")
    return world.sign_in(shop.app.test_client(), user)


@pytest.mark.parametrize("on_organization", [False, True])
def test_a_booking_by_card_is_held_and_says_where_to_pay(shop, on_organization):
    answer = shop.checkout(on_organization=on_organization)
    assert answer.status_code == 201
    booking, payment = answer.json["booking"], answer.json["payment"]
    price = shop.company.plan.price if on_organization else shop.plan.price
    assert (booking["status"], payment["status"], payment["paymentMethod"]) == ("HELD", "PENDING", "CARD")
    assert (payment["amount"], payment["originalAmount"], payment["currency"], payment["refundedAmount"]) == (price, price, "INR", 0)
    assert payment["organizationId"] == (shop.company.organization.id if on_organization else None)
    gateway = payment["gateway"]
    assert gateway.keys() == {"provider", "orderId", "payUrl"}
    assert (gateway["provider"], gateway["payUrl"]) == ("sandbox", f"http://localhost/sandbox/pay/{gateway['orderId']}")
    [asked] = rows(
        shop.app, "SELECT o.*, g.id AS row_id, g.created_at AS at FROM sandbox_orders o JOIN gateway_orders g ON g.order_id = o.id"
    )
    assert (asked.key, asked.amount, asked.currency, asked.payer_email) == (str(asked.row_id), price, "INR", "asha@acme.test")
    assert asked.return_url == f"http://localhost/bookings/{booking['id']}"
    assert asked.expires_at - asked.at == HALF_AN_HOUR
    assert shop.client.get(f"/api/payments/{payment['id']}").json["payment"] == payment
    assert shop.bells == []


def test_paid_and_told_twice_and_out_of_order_confirms_once(shop):
    booked = shop.booked()
    assert shop.on_page(booked.order_id, "succeeded").status_code == 303
    shop.tell(booked.order_id, event_id="evt_newer")
    assert shop.standing(booked) == CONFIRMED
    shop.tell(booked.order_id, kind="order.opened", event_id="evt_older")
    shop.tell(booked.order_id, event_id="evt_newer")
    shop.work()
    shop.sweep()
    assert shop.standing(booked) == CONFIRMED
    assert confirmations(shop) == 1
    shown = shop.client.get(f"/api/payments/{booked.payment_id}").json["payment"]
    assert (shown["status"], shown["gateway"]) == ("SUCCEEDED", None)
    [at] = rows(shop.app, "SELECT succeeded_at FROM payments")
    assert at.succeeded_at is not None


def test_declined_fails_and_the_slot_is_free_at_once(shop):
    booked = shop.booked()
    taken = shop.checkout(client=other_learner(shop))
    assert (taken.status_code, taken.json["code"]) == (409, "SLOT_TAKEN")
    shop.on_page(booked.order_id, "failed")
    shop.work()
    assert shop.standing(booked) == ("RELEASED", "FAILED", "FAILED")
    assert shop.client.get(f"/api/payments/{booked.payment_id}").json["payment"]["gateway"] is None
    again = shop.booked()
    shop.on_page(again.order_id, "succeeded")
    shop.work()
    assert (shop.standing(again), shop.standing(booked)[0]) == (CONFIRMED, "RELEASED")


def test_a_slot_that_nobody_pays_is_released_after_half_an_hour_and_not_before(shop):
    with clock.as_of(clock.now()):
        booked = shop.booked()
        assert shop.run("bookings-release-unpaid", after=HALF_AN_HOUR - timedelta(seconds=1))["done"] == 0
        assert shop.standing(booked) == ("HELD", "PENDING", "OPEN")
        assert shop.run("bookings-release-unpaid", after=HALF_AN_HOUR)["done"] == 1
        assert shop.standing(booked) == ("RELEASED", "FAILED", "EXPIRED")
        assert shop.on_page(booked.order_id, "succeeded").status_code == 409
        assert shop.run("bookings-release-unpaid", after=A_BIT_LATER)["done"] == 0
        assert shop.booked().order_id != booked.order_id


@pytest.mark.parametrize("job", ["sweep", "bookings-release-unpaid"])
def test_paid_without_a_webhook_is_found_by_the_jobs(shop, job):
    booked = shop.booked()
    shop.on_page(booked.order_id, "succeeded")
    shop.bells.clear()
    shop.run(job, after=A_BIT_LATER)
    assert shop.standing(booked) == CONFIRMED


@pytest.mark.parametrize("loses_answers", [False, True])
def test_a_provider_that_is_down_at_checkout_is_asked_again_by_the_sweep(shop, bank, loses_answers):
    bank.is_down, bank.loses_answers = not loses_answers, loses_answers
    answer = shop.checkout()
    assert (answer.status_code, answer.json["payment"]["gateway"], answer.json["booking"]["status"]) == (201, None, "HELD")
    bank.is_down = bank.loses_answers = False
    shop.sweep()
    shown = shop.client.get(f"/api/payments/{answer.json['payment']['id']}").json["payment"]
    [order_id] = bank.orders
    assert shown["gateway"] == {"provider": "sandbox", "orderId": order_id, "payUrl": f"https://bank.test/pay/{order_id}"}


def test_a_provider_that_is_down_at_the_release_leaves_everything_as_it_is(shop, bank):
    booked = shop.booked()
    bank.pay(booked.order_id)
    bank.is_down = True
    said = shop.run("bookings-release-unpaid", after=A_BIT_LATER)
    assert (said["done"], said["skipped"]) == (0, {"unanswered": 1})
    shop.sweep(after=A_BIT_LATER)
    assert shop.standing(booked) == ("HELD", "PENDING", "OPEN")
    bank.is_down = False
    shop.run("bookings-release-unpaid", after=A_BIT_LATER)
    assert shop.standing(booked) == CONFIRMED


def test_an_order_that_was_never_opened_ends_after_half_an_hour_at_the_provider_too(shop, bank):
    bank.is_down = True
    booked = shop.booked()
    bank.is_down = False
    shop.run("bookings-release-unpaid", after=A_BIT_LATER)
    assert shop.standing(booked) == ("RELEASED", "FAILED", "EXPIRED")
    assert [order.status for order in bank.orders.values()] == [OrderStatus.EXPIRED]


def test_an_order_that_the_provider_refuses_releases_the_slot(shop, bank):
    bank.refuses = "We don't sell this."
    answer = shop.checkout()
    assert (answer.status_code, answer.json["payment"]["gateway"]) == (201, None)
    shop.work()
    assert rows(shop.app, "SELECT status, failure, order_id FROM gateway_orders") == [("FAILED", "We don't sell this.", None)]
    assert rows(shop.app, "SELECT status FROM payments") == [("FAILED",)]
    assert rows(shop.app, "SELECT status FROM bookings") == [("RELEASED",)]


def released(shop, bank, **how):
    booked = shop.booked(**how)
    shop.run("bookings-release-unpaid", after=A_BIT_LATER)
    assert shop.standing(booked) == ("RELEASED", "FAILED", "EXPIRED")
    bank.pay(booked.order_id)
    return booked


def test_money_after_the_release_takes_the_slot_again_when_it_is_free(shop, bank):
    booked = released(shop, bank)
    shop.tell(booked.order_id)
    assert shop.standing(booked) == CONFIRMED
    assert (confirmations(shop), bank.refunds) == (1, {})


def test_money_after_the_slot_was_sold_to_somebody_else_goes_back_by_itself(shop, bank):
    booked = released(shop, bank)
    winner = shop.confirmed(bank, client=other_learner(shop))
    shop.tell(booked.order_id)
    shop.sweep()
    assert shop.standing(booked) == ("RELEASED", "SUCCEEDED", "PAID")
    assert shop.standing(winner) == CONFIRMED
    assert (bank.given_back, len(bank.refunds)) == (shop.plan.price, 1)
    [back] = rows(shop.app, "SELECT refunded_amount, claimed_amount FROM payments WHERE id = :id", id=booked.payment_id)
    assert tuple(back) == (shop.plan.price, shop.plan.price)
    assert rows(shop.app, "SELECT status, created_by FROM refunds") == [("SUCCEEDED", None)]


def test_money_after_the_session_has_begun_goes_back_although_nobody_took_the_slot(shop, bank):
    booked = released(shop, bank, hours=1.5)
    with clock.as_of(clock.now() + timedelta(hours=2)):
        shop.tell(booked.order_id)
    assert shop.standing(booked) == ("RELEASED", "SUCCEEDED", "PAID")
    assert bank.given_back == shop.plan.price


def test_two_late_payers_of_one_slot_at_once_one_gets_it_and_the_other_the_money(shop, bank):
    late = [released(shop, bank), released(shop, bank, client=other_learner(shop))]
    for booked in late:
        shop.hear(booked.order_id)
    acts = [lambda bell=bell: jobs.run(bell.name, *bell.ids) for bell in shop.bells]
    shop.bells.clear()
    at_once(shop.app, acts)
    settling = [lambda booked=booked: jobs.run("bookings-settle-payment", booked.payment_id) for booked in late * 4]
    at_once(shop.app, settling)
    shop.bells.clear()
    shop.sweep()
    assert sorted(shop.standing(booked) for booked in late) == [CONFIRMED, ("RELEASED", "SUCCEEDED", "PAID")]
    assert (bank.given_back, len(bank.refunds), confirmations(shop)) == (shop.plan.price, 1, 1)


def test_late_money_told_while_the_provider_is_down_is_not_forgotten(shop, bank):
    booked = released(shop, bank)
    bank.is_down = True
    shop.tell(booked.order_id)
    assert shop.standing(booked) == ("RELEASED", "FAILED", "EXPIRED")
    bank.is_down = False
    shop.sweep()
    assert shop.standing(booked) == CONFIRMED


@pytest.mark.parametrize("wrong", [{"amount": 149_999}, {"amount": 150_001}, {"amount": 0}, {"currency": "USD"}])
def test_a_wrong_amount_or_currency_confirms_nothing_and_is_noted(shop, bank, wrong):
    booked = shop.booked()
    bank.pay(booked.order_id, **wrong)
    with capture_logs() as logged:
        shop.tell(booked.order_id)
    assert shop.standing(booked)[:2] == ("HELD", "PENDING")
    [noted] = rows(shop.app, "SELECT status, failure FROM gateway_orders")
    assert noted.status != "PAID"
    assert str(wrong.get("amount", 150_000)) in noted.failure
    assert [entry["log_level"] for entry in logged if entry["event"] == "gateway.amount_differs"] == ["error"]
    assert confirmations(shop) == 0
    shop.sweep()
    assert shop.standing(booked)[1] == "PENDING"


def test_after_a_wrong_amount_the_slot_is_free_again_after_half_an_hour(shop, bank):
    """The domain: HELD, then CONFIRMED, or RELEASED by a job after 30 minutes. What was paid is for people to sort out."""
    booked = shop.booked()
    bank.pay(booked.order_id, amount=1)
    shop.tell(booked.order_id)
    shop.run("bookings-release-unpaid", after=A_BIT_LATER)
    shop.sweep(after=A_BIT_LATER)
    assert shop.standing(booked)[0] == "RELEASED"
    assert confirmations(shop) == 0


def test_thirty_two_at_once_confirm_once(shop, bank):
    booked = shop.booked()
    bank.pay(booked.order_id)
    shop.hear(booked.order_id)
    [bell] = shop.bells
    [row] = rows(shop.app, "SELECT id FROM gateway_orders")
    asking = [lambda: jobs.run(bell.name, *bell.ids), lambda: jobs.run("billing-ask-order", str(row.id))]
    at_once(shop.app, [*asking * 8, *[lambda: jobs.run("bookings-settle-payment", booked.payment_id)] * 16])
    shop.work()
    assert shop.standing(booked) == CONFIRMED
    assert confirmations(shop) == 1
    settled, _refusals = at_once(shop.app, [lambda: jobs.run("bookings-settle-payment", booked.payment_id)] * 32)
    assert settled == [{"settled": 0}] * 32


def test_payers_and_the_release_at_the_same_moment_agree(shop):
    """At the very end of the half hour some pay while others' orders are ended: whoever paid has the session, nobody else."""
    booked = [shop.booked(hours=24 + number) for number in range(8)]
    with shop.app.app_context(), db.apart() as books:
        books.execute(text("UPDATE gateway_orders SET expires_at = now() - interval '1 second'"))
    pays = [lambda each=each: by_name("sandbox").settle(each.order_id, succeeded=True) for each in booked]
    at_once(shop.app, [*pays, *[lambda: jobs.run("bookings-release-unpaid")] * 8])
    shop.bells.clear()
    shop.sweep()
    paid = {row.id for row in rows(shop.app, "SELECT id FROM sandbox_orders WHERE status = 'PAID'")}
    for each in booked:
        assert shop.standing(each) == (CONFIRMED if each.order_id in paid else ("RELEASED", "FAILED", "EXPIRED"))


class Slow(Bank):
    """Its answers to questions are on the way until they are let through."""

    def __init__(self) -> None:
        super().__init__()
        self.on_its_way, self.may_arrive = Event(), Event()

    def order_state(self, order_id):
        answer = super().order_state(order_id)
        self.on_its_way.set()
        assert self.may_arrive.wait(20)
        return answer


def test_an_answer_that_was_overtaken_does_not_open_an_ended_order_again(shop, monkeypatch):
    bank = Slow()
    put_in(monkeypatch, bank)
    booked = shop.booked()
    [row] = rows(shop.app, "SELECT id FROM gateway_orders")

    def overtakes():
        assert bank.on_its_way.wait(20)
        try:
            later = (clock.now() + A_BIT_LATER).isoformat()
            jobs.run("bookings-release-unpaid", as_of=later)
            jobs.run("bookings-settle-payment", booked.payment_id, as_of=later)
        finally:
            bank.may_arrive.set()

    at_once(shop.app, [lambda: jobs.run("billing-ask-order", str(row.id)), overtakes])
    assert shop.standing(booked) == ("RELEASED", "FAILED", "EXPIRED")
    assert shop.client.get(f"/api/payments/{booked.payment_id}").json["payment"]["gateway"] is None


def test_an_order_of_a_provider_that_is_not_configured_any_more_keeps_no_other_from_its_end(shop):
    orphan, booked = shop.booked(hours=24), shop.booked(hours=26)
    with shop.app.app_context(), db.apart() as books:
        books.execute(text("UPDATE gateway_orders SET provider = 'stripe' WHERE payment_id = :id"), {"id": orphan.payment_id})
    shop.run("bookings-release-unpaid", after=A_BIT_LATER)
    assert shop.standing(booked) == ("RELEASED", "FAILED", "EXPIRED")
    assert shop.standing(orphan) == ("HELD", "PENDING", "OPEN"), "nobody answered for it, so nothing is assumed"


def test_who_may_see_a_payment(shop):
    with shop.app.app_context():
        manager, learner, stranger, staff = (world.make_user(f"{name}@x.test") for name in ("manager", "learner", "stranger", "staff"))
        world.add_member(shop.company.organization, manager, world.Role.ORG_MANAGER)
        world.add_member(shop.company.organization, learner, world.Role.ORG_LEARNER)
        with db.unit_of_work():
            db.session.get_one(world.User, staff.id).platform_role = world.PlatformRole.STAFF
    tagged, personal = shop.booked(on_organization=True).payment_id, shop.booked(hours=48).payment_id
    expected = {
        shop.learner: (200, 200),
        shop.company.owner: (200, 404),
        manager: (200, 404),
        learner: (404, 404),
        stranger: (404, 404),
        staff: (200, 200),
    }
    for user, codes in expected.items():
        client = world.sign_in(shop.app.test_client(), user)
        assert tuple(client.get(f"/api/payments/{each}").status_code for each in (tagged, personal)) == codes, user.email
    assert shop.app.test_client().get(f"/api/payments/{tagged}").status_code == 401
    for unknown in ("0199a000-0000-7000-8000-000000000000", "nonsense", "%00"):
        assert shop.client.get(f"/api/payments/{unknown}").status_code == 404
