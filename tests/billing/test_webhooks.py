"""Webhooks: taken from nobody but the provider, stored once by its own id, acted on by a job that asks the provider itself."""

import hashlib
import hmac
import json
from datetime import timedelta

import pytest

from portal import clock, jobs
from portal.gateways.payments import sandbox_webhooks
from tests.support import world
from tests.support.paying import WEBHOOKS, Bank, make_shop, paid_event, post_signed, put_in, rows
from tests.support.together import at_once


@pytest.fixture
def shop(rung, app):
    return make_shop(app, rung)


@pytest.fixture
def bank(monkeypatch):
    bank = Bank()
    put_in(monkeypatch, bank)
    return bank


def stored(shop) -> int:
    return shop.count("SELECT count(*) FROM gateway_events")


def signed_with(secret: str, body: bytes, *, at=None) -> dict[str, str]:
    seconds = int((at or clock.wall()).timestamp())
    mark = hmac.new(secret.encode(), b"%d.%s" % (seconds, body), hashlib.sha256).hexdigest()
    return {sandbox_webhooks.HEADER: f"t={seconds},v1={mark}"}


def test_forged_changed_old_or_unsigned_it_is_refused_and_nothing_is_stored(shop):
    body = paid_event("sbx_1", "evt_1")
    good = sandbox_webhooks.signed(body)[sandbox_webhooks.HEADER]
    seconds, _, mark = good.partition(",v1=")
    old = clock.wall() - timedelta(minutes=6)
    tries = {
        "another's key": signed_with("guessed", body),
        "another body": sandbox_webhooks.signed(body + b" "),
        "too old": {sandbox_webhooks.HEADER: f"t={int(old.timestamp())},v1={mark}"},
        "no signature": {sandbox_webhooks.HEADER: seconds},
        "no time": {sandbox_webhooks.HEADER: f"v1={mark}"},
        "empty": {sandbox_webhooks.HEADER: ""},
        "missing": {},
        "beyond ASCII": {sandbox_webhooks.HEADER: "t=١٢,v1=ü".encode().decode("latin-1")},
        "huge time": {sandbox_webhooks.HEADER: f"t={'9' * 40},v1={mark}"},
        "Stripe's header": {"Stripe-Signature": good},
    }
    for name, headers in tries.items():
        answer = shop.app.test_client().post(WEBHOOKS, data=body, headers=headers)
        assert (answer.status_code, answer.json["code"]) == (401, "SIGNATURE_INVALID"), name
    assert (stored(shop), shop.bells) == (0, [])


@pytest.mark.parametrize("name", ["paypal", "SANDBOX", "stripe", "razorpay", "sandbox%20", "%00", "..%2fsandbox"])
def test_a_provider_that_is_unknown_or_has_no_keys_here_is_404(shop, name):
    body = paid_event("sbx_1", "evt_1")
    answer = shop.app.test_client().post(f"/api/webhooks/{name}", data=body, headers=sandbox_webhooks.signed(body))
    assert answer.status_code == 404
    assert stored(shop) == 0


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"no json",
        b"[]",
        b"null",
        b'"text"',
        b"\xff\xfe\x00",
        b'{"id": 1, "type": "order.paid"}',
        b'{"id": "evt_1"}',
        b"[" * 100_000,
        b'{"id": "evt_1", "type": ""}',
    ],
)
def test_a_body_that_is_no_event_is_refused_although_it_is_signed(shop, body):
    answer = post_signed(shop.app, body)
    assert answer.status_code in {400, 401, 413}
    assert (stored(shop), shop.bells) == (0, [])


def test_text_that_postgresql_cannot_hold_is_refused(shop):
    answer = post_signed(shop.app, json.dumps({"id": "evt_\x00", "type": "order.paid", "order_id": "sbx_1"}).encode())
    assert answer.status_code in {400, 401}
    assert stored(shop) == 0


def test_the_same_event_is_stored_and_rung_once_with_any_number_of_deliveries(shop, bank):
    booked = shop.booked()
    bank.pay(booked.order_id)
    first, again = (shop.hear(booked.order_id, event_id="evt_1") for _twice in range(2))
    assert (first.status_code, first.json, again.status_code, again.json) == (200, {"received": True}, 200, {"received": False})
    assert (stored(shop), [bell.name for bell in shop.bells]) == (1, ["billing-handle-event"])
    [bell] = shop.bells
    shop.work()
    bank.asked.clear()
    assert shop.run("billing-handle-event", *bell.ids) == {"handled": 0}
    assert shop.hear(booked.order_id, event_id="evt_1").json == {"received": False}
    assert (bank.asked, shop.bells, shop.standing(booked)) == ([], [], ("CONFIRMED", "SUCCEEDED", "PAID"))


def test_thirty_two_deliveries_at_once_are_stored_once(shop, bank):
    booked = shop.booked()
    bank.pay(booked.order_id)
    body = paid_event(booked.order_id, "evt_1")
    answers, _refusals = at_once(shop.app, [lambda: post_signed(shop.app, body).json["received"]] * 32)
    assert sorted(answers) == [False] * 31 + [True]
    assert (stored(shop), len(shop.bells)) == (1, 1)
    [bell] = shop.bells
    at_once(shop.app, [lambda: jobs.run(bell.name, *bell.ids)] * 32)
    shop.work()
    assert shop.standing(booked) == ("CONFIRMED", "SUCCEEDED", "PAID")
    assert shop.count("SELECT count(*) FROM audit_rows WHERE action = 'BOOKING_CONFIRMED'") == 1


def test_the_body_says_only_where_to_look_never_what_happened(shop, bank):
    """A webhook that says "paid" of an order that isn't: the provider itself is asked."""
    booked = shop.booked()
    shop.tell(booked.order_id)
    assert shop.standing(booked) == ("HELD", "PENDING", "OPEN")
    bank.pay(booked.order_id)
    shop.tell(booked.order_id, kind="order.failed")
    assert shop.standing(booked) == ("CONFIRMED", "SUCCEEDED", "PAID")


@pytest.mark.parametrize("order_id", ["sbx_unknown", "", "' OR 1=1 --", "x" * 5000, None])
def test_an_order_that_is_not_ours_is_harmless(shop, bank, order_id):
    booked = shop.booked()
    bank.asked.clear()
    assert shop.tell(order_id).status_code == 200
    assert (stored(shop), bank.asked) == (1, [])
    assert rows(shop.app, "SELECT handled_at IS NOT NULL FROM gateway_events") == [(True,)]
    assert shop.standing(booked) == ("HELD", "PENDING", "OPEN")


def test_no_cookie_and_no_token_are_needed_and_a_cookie_changes_nothing(shop):
    body = paid_event("sbx_unknown", "evt_1")
    assert shop.client.post(WEBHOOKS, data=body, headers=sandbox_webhooks.signed(body)).status_code == 200
    assert shop.client.post(WEBHOOKS, data=body).status_code == 401
    assert shop.client.get(WEBHOOKS).status_code == 405
    answer = post_signed(shop.app, paid_event("sbx_unknown", "evt_2"))
    assert (answer.status_code, answer.headers.get("Set-Cookie")) == (200, None)


def test_what_no_worker_acted_on_is_rung_again_by_the_sweep(shop, bank):
    booked = shop.booked()
    bank.pay(booked.order_id)
    shop.hear(booked.order_id)
    shop.bells.clear()
    shop.sweep(after=timedelta(minutes=1))
    assert shop.standing(booked)[0] == "HELD", "a worker may be at it"
    shop.sweep()
    assert shop.standing(booked) == ("CONFIRMED", "SUCCEEDED", "PAID")
    assert rows(shop.app, "SELECT handled_at IS NOT NULL FROM gateway_events") == [(True,)]


def test_an_event_of_a_refund_asked_while_the_provider_is_down_is_asked_again(shop, bank):
    with shop.app.app_context():
        user = world.make_user("staff@portal.test", role=world.PlatformRole.STAFF)
    staff = world.sign_in(shop.app.test_client(), user)
    booked = shop.confirmed(bank)
    bank.loses_answers = True
    key = shop.refund(booked.payment_id, client=staff).json["refund"]["id"]
    shop.work()
    bank.loses_answers, bank.is_down = False, True
    shop.tell(None, kind="refund.succeeded", refund_key=key)
    assert rows(shop.app, "SELECT status FROM refunds") == [("PENDING",)]
    bank.is_down = False
    shop.sweep(after=timedelta(minutes=5))
    assert rows(shop.app, "SELECT status FROM refunds") == [("SUCCEEDED",)]
    assert len(bank.refunds) == 1


def test_an_event_that_comes_before_our_own_record_of_the_order_loses_nothing(shop, bank):
    """The provider opened the order, our process died before it wrote its id, and the payer paid meanwhile."""
    bank.loses_answers = True
    booked = shop.booked()
    bank.loses_answers = False
    [order_id] = bank.orders
    bank.pay(order_id)
    shop.tell(order_id)
    assert shop.standing(booked) == ("HELD", "PENDING", "NEW")
    for minutes in (3, 6, 9):
        shop.sweep(after=timedelta(minutes=minutes))
    assert shop.standing(booked) == ("CONFIRMED", "SUCCEEDED", "PAID")
