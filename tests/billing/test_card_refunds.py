"""Card payments that are given back: claimed at once, PENDING until a job has moved the money, freed again when the provider says no."""

from datetime import timedelta

import pytest

from portal import clock, db, jobs
from portal.billing.schemas import RefundIn
from portal.billing.service import refunds
from portal.gateways.payments import RefundStatus
from tests.support import world
from tests.support.paying import Bank, make_shop, put_in, rows
from tests.support.together import at_once

PRICE = 150_000


@pytest.fixture
def shop(rung, app):
    return make_shop(app, rung, price=PRICE)


@pytest.fixture
def bank(monkeypatch):
    bank = Bank()
    put_in(monkeypatch, bank)
    return bank


@pytest.fixture
def staff(shop):
    """A signed-in client of the platform's staff."""
    with shop.app.app_context():
        user = world.make_user("staff@portal.test", role=world.PlatformRole.STAFF)
    return world.sign_in(shop.app.test_client(), user)


@pytest.fixture
def paid(shop, bank, staff):
    """A confirmed booking's payment."""
    return shop.confirmed(bank).payment_id


def amounts(shop, payment_id) -> tuple[int, int]:
    """What is claimed and what is refunded, paise."""
    [row] = rows(shop.app, "SELECT claimed_amount, refunded_amount FROM payments WHERE id = :id", id=payment_id)
    return tuple(row)


def states(shop) -> list[str]:
    return [row.status for row in rows(shop.app, "SELECT status FROM refunds ORDER BY id")]


def test_a_refund_answers_pending_and_a_job_moves_the_money(shop, bank, staff, paid):
    answer = shop.refund(paid, client=staff, reason="The session was cancelled.")
    assert answer.status_code == 200
    refund = answer.json["refund"]
    assert (refund["status"], refund["amount"], refund["paymentId"], answer.json["creditNote"]) == ("PENDING", PRICE, paid, None)
    assert refund["reason"] == "The session was cancelled."
    assert (amounts(shop, paid), bank.refunds) == ((PRICE, 0), {})
    assert [(bell.name, bell.ids) for bell in shop.bells] == [("billing-move-refund", (refund["id"],))]
    shop.work()
    assert (amounts(shop, paid), states(shop), bank.given_back) == ((PRICE, PRICE), ["SUCCEEDED"], PRICE)
    [(key, (wanted, _status))] = bank.refunds.items()
    assert (key, wanted.key, wanted.amount, wanted.currency) == (refund["id"], refund["id"], PRICE, "INR")
    assert staff.get("/api/payments/refunds").json["items"][0]["status"] == "SUCCEEDED"
    assert shop.client.get(f"/api/payments/{paid}").json["payment"]["refundedAmount"] == PRICE


def test_by_parts_until_nothing_is_left(shop, bank, staff, paid):
    for part in (60_000, 60_000):
        assert shop.refund(paid, client=staff, amount=part).status_code == 200
    above = shop.refund(paid, client=staff, amount=60_000)
    assert (above.status_code, above.json["code"], above.json["left"]) == (409, "ABOVE_WHAT_IS_LEFT", 30_000)
    assert shop.refund(paid, client=staff).json["refund"]["amount"] == 30_000
    nothing = shop.refund(paid, client=staff, amount=1)
    assert (nothing.status_code, nothing.json["code"]) == (409, "NOTHING_LEFT")
    shop.work()
    assert (amounts(shop, paid), states(shop)) == ((PRICE, PRICE), ["SUCCEEDED"] * 3)
    assert sorted(wanted.amount for wanted, _status in bank.refunds.values()) == [30_000, 60_000, 60_000]


@pytest.mark.parametrize("loses_answers", [False, True])
def test_a_provider_that_does_not_answer_is_asked_again_by_the_sweep_with_the_same_key(shop, bank, staff, paid, loses_answers):
    bank.is_down, bank.loses_answers = not loses_answers, loses_answers
    shop.refund(paid, client=staff, amount=50_000)
    shop.work()
    assert (amounts(shop, paid), states(shop)) == ((50_000, 0), ["PENDING"])
    due = "SELECT due_at FROM refunds"
    first = rows(shop.app, due)
    shop.sweep(after=timedelta(minutes=1))
    assert rows(shop.app, due) == first, "it was asked a moment ago"
    shop.sweep()
    assert states(shop) == ["PENDING"]
    assert rows(shop.app, due) > first
    bank.is_down = bank.loses_answers = False
    shop.sweep(after=timedelta(minutes=7))
    assert (amounts(shop, paid), states(shop)) == ((50_000, 50_000), ["SUCCEEDED"])
    assert (len(bank.refunds), bank.given_back) == (1, 50_000)


@pytest.mark.parametrize("by", ["refusal", "answer", "later"])
def test_a_provider_that_says_no_frees_the_claim(shop, bank, staff, paid, by):
    bank.refuses = "The card is closed." if by == "refusal" else ""
    bank.refunds_are = RefundStatus.PENDING if by == "later" else RefundStatus.FAILED
    key = shop.refund(paid, client=staff, amount=50_000).json["refund"]["id"]
    shop.work()
    if by == "later":
        assert (amounts(shop, paid), states(shop)) == ((50_000, 0), ["PENDING"])
        bank.decide(key, RefundStatus.FAILED)
        shop.tell(None, kind="refund.failed", refund_key=key)
    assert (amounts(shop, paid), states(shop)) == ((0, 0), ["FAILED"])
    assert rows(shop.app, "SELECT failure FROM refunds") == [("The card is closed.",)]
    bank.refuses, bank.refunds_are = "", RefundStatus.SUCCEEDED
    assert shop.refund(paid, client=staff).json["refund"]["amount"] == PRICE
    shop.work()
    assert (amounts(shop, paid), states(shop), bank.given_back) == ((PRICE, PRICE), ["FAILED", "SUCCEEDED"], PRICE)


@pytest.mark.parametrize("by", ["webhook", "sweep"])
def test_a_slow_refund_is_finished_by_its_webhook_or_by_the_sweep(shop, bank, staff, paid, by):
    bank.refunds_are = RefundStatus.PENDING
    key = shop.refund(paid, client=staff).json["refund"]["id"]
    shop.work()
    assert states(shop) == ["PENDING"]
    bank.decide(key, RefundStatus.SUCCEEDED)
    if by == "sweep":
        shop.sweep()
    for _twice in range(2):
        shop.tell(None, kind="refund.succeeded", refund_key=key)
    assert (amounts(shop, paid), states(shop), len(bank.refunds)) == ((PRICE, PRICE), ["SUCCEEDED"], 1)


def test_a_webhook_of_a_refund_that_is_not_ours_changes_nothing(shop, bank, staff, paid):
    for key in ("somebody-elses", "0199a000-0000-7000-8000-000000000000"):
        shop.tell(None, kind="refund.succeeded", refund_key=key)
    assert (amounts(shop, paid), states(shop)) == ((0, 0), [])


def test_sixty_of_a_hundred_thirty_two_times_at_once_is_given_back_once(shop, bank, staff, paid):
    def give():
        with db.unit_of_work():
            return refunds.refund(RefundIn(payment_id=paid, amount=PRICE * 6 // 10), actor=world.SYSTEM).id

    answers, refusals = at_once(shop.app, [give] * 32)
    assert (len(answers), {refusal.code for refusal in refusals}) == (1, {"ABOVE_WHAT_IS_LEFT"})
    at_once(shop.app, [lambda: jobs.run("billing-move-refund", answers[0])] * 32)
    shop.work()
    assert (amounts(shop, paid), states(shop), len(bank.refunds)) == ((90_000, 90_000), ["SUCCEEDED"], 1)
    assert shop.count("SELECT count(*) FROM audit_rows WHERE action = 'REFUND_MADE'") == 1


def test_a_payment_that_was_not_paid_cannot_be_given_back(shop, bank, staff):
    booked = shop.booked()
    held = shop.refund(booked.payment_id, client=staff)
    assert (held.status_code, held.json["code"]) == (409, "PAYMENT_NOT_SUCCEEDED")
    shop.run("bookings-release-unpaid", after=timedelta(minutes=31))
    failed = shop.refund(booked.payment_id, client=staff)
    assert (failed.status_code, failed.json["code"]) == (409, "PAYMENT_NOT_SUCCEEDED")
    assert (states(shop), amounts(shop, booked.payment_id)) == ([], (0, 0))


@pytest.mark.parametrize("amount", [0, -1, 1.5, "100", 10**30, True])
def test_amounts_that_are_none_are_refused(shop, staff, paid, amount):
    answer = shop.refund(paid, client=staff, amount=amount)
    assert (answer.status_code, "amount" in answer.json["details"]) == (400, True)
    assert (states(shop), amounts(shop, paid)) == ([], (0, 0))


def test_only_staff_gives_back_and_the_same_key_gives_once(shop, bank, staff, paid):
    assert shop.refund(paid, client=shop.client).status_code == 403
    owner = world.sign_in(shop.app.test_client(), shop.company.owner)
    assert shop.refund(paid, client=owner).status_code == 403
    first, again = (shop.refund(paid, client=staff, amount=10_000, headers={"Idempotency-Key": "one"}) for _ in range(2))
    assert (first.json, again.status_code) == (again.json, 200)
    other = shop.refund(paid, client=staff, amount=20_000, headers={"Idempotency-Key": "one"})
    assert (other.status_code, other.json["code"]) == (409, "IDEMPOTENCY_KEY_REUSED")
    unknown = shop.refund("0199a000-0000-7000-8000-000000000000", client=staff)
    assert (unknown.status_code, unknown.json["code"]) == (404, "PAYMENT_NOT_FOUND")
    shop.work()
    assert (amounts(shop, paid), bank.given_back) == ((10_000, 10_000), 10_000)


def test_a_refund_by_itself_that_fails_is_kept_as_failed_and_can_be_made_by_hand(shop, bank, staff):
    booked = shop.booked(hours=1.5)
    shop.run("bookings-release-unpaid", after=timedelta(minutes=31))
    bank.pay(booked.order_id)
    bank.refunds_are = RefundStatus.FAILED
    with clock.as_of(clock.now() + timedelta(hours=2)):
        shop.tell(booked.order_id)
    assert (amounts(shop, booked.payment_id), states(shop)) == ((0, 0), ["FAILED"])
    bank.refunds_are = RefundStatus.SUCCEEDED
    shop.sweep()
    assert states(shop) == ["FAILED"], "a no is a no: people decide what comes next"
    shop.refund(booked.payment_id, client=staff)
    shop.work()
    assert (amounts(shop, booked.payment_id), bank.given_back) == ((PRICE, PRICE), PRICE)


@pytest.mark.parametrize(("paise", "ends"), [(0, "SUCCEEDED"), (13, "FAILED"), (17, "SUCCEEDED")])
def test_the_sandbox_gives_back_refuses_or_takes_its_time(rung, app, paise, ends):
    shop = make_shop(app, rung, price=PRICE + paise)
    with app.app_context():
        user = world.make_user("staff@portal.test", role=world.PlatformRole.STAFF)
    client = world.sign_in(app.test_client(), user)
    booked = shop.booked()
    shop.on_page(booked.order_id, "succeeded")
    shop.work()
    assert shop.refund(booked.payment_id, client=client).json["refund"]["status"] == "PENDING"
    shop.work()
    shop.sweep()
    assert states(shop) == [ends]
    given = 0 if ends == "FAILED" else PRICE + paise
    assert amounts(shop, booked.payment_id) == (given, given)
    books = "SELECT coalesce(sum(amount) FILTER (WHERE status = 'SUCCEEDED'), 0), count(*) FROM sandbox_refunds"
    assert tuple(rows(app, books)[0]) == (given, 1)
