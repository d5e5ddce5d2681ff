"""The sandbox keeps what the contract says, on the real database, whatever is asked twice or at once."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, select

from portal import clock, db
from portal.accounts.models import User
from portal.gateways.payments import (
    GatewayRefused,
    GatewayUnavailable,
    Order,
    OrderStatus,
    Provider,
    RefundOrder,
    RefundState,
    RefundStatus,
    SignatureInvalid,
    current,
    sandbox_webhooks,
)
from portal.gateways.payments.sandbox import LARGEST
from portal.gateways.payments.sandbox_models import SandboxOrder, SandboxRefund, SandboxWebhook
from tests.support.together import at_once

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.fixture
def gateway(tables):
    """The sandbox, with empty books, at noon."""
    with tables.app_context(), clock.as_of(NOON):
        yield current()


def order(amount: int = 118_000, **changes) -> Order:
    values = {
        "key": db.new_id(),
        "amount": amount,
        "currency": "INR",
        "description": "Career coaching",
        "payer_email": "asha@acme.test",
        "return_url": "http://localhost/bookings",
        "expires_at": NOON + timedelta(minutes=30),
    }
    return Order(**(values | changes))


def paid(gateway, amount: int = 118_000) -> RefundOrder:
    """An order that was paid, as a refund of all of it names it."""
    opened = gateway.open(order(amount))
    gateway.settle(opened.order_id, succeeded=True)
    state = gateway.order_state(opened.order_id)
    return RefundOrder(db.new_id(), opened.order_id, state.payment_ref, amount, "INR")


def told() -> list[str]:
    with db.apart() as books:
        return [
            json.loads(payload)["type"] for payload in books.scalars(select(SandboxWebhook.payload).order_by(SandboxWebhook.created_at))
        ]


def counted(table) -> int:
    with db.apart() as books:
        return books.scalar(select(func.count()).select_from(table))


def test_one_key_is_one_order_however_often_it_is_opened(gateway, tables):
    asked = order()
    answers, refusals = at_once(tables, [lambda: gateway.open(asked)] * 8)
    assert (len(set(answers)), refusals, counted(SandboxOrder)) == (1, [], 1)
    opened = answers[0]
    assert opened == gateway.open(asked)
    assert opened.pay_url == f"http://localhost/sandbox/pay/{opened.order_id}"
    assert len(opened.order_id) > 32
    with pytest.raises(GatewayRefused, match="another amount"):
        gateway.open(replace(asked, amount=1))


def test_an_order_outlives_the_rollback_of_whoever_asked_for_it(gateway):
    opened = gateway.open(order())
    db.session.rollback()
    state = gateway.order_state(opened.order_id)
    assert (state.status, state.amount, state.currency, state.payment_ref) == (OrderStatus.OPEN, 118_000, "INR", None)
    assert gateway.provider is Provider.SANDBOX


@pytest.mark.parametrize(
    "changes",
    [{"amount": 0}, {"amount": -1}, {"amount": LARGEST + 1}, {"currency": "USD"}, {"return_url": "javascript:alert(1)"}],
)
def test_what_the_sandbox_does_not_take_is_refused_and_not_kept(gateway, changes):
    with pytest.raises(GatewayRefused):
        gateway.open(order(**changes))
    assert counted(SandboxOrder) == 0


def test_the_outside_world_is_not_called_inside_a_transaction_that_has_written(gateway):
    refund = paid(gateway)
    db.session.add(User(email="asha@acme.test", name="Asha", password_hash="x", created_at=NOON))
    db.session.flush()
    for act in (
        lambda: gateway.open(order()),
        lambda: gateway.order_state(refund.order_id),
        lambda: gateway.cancel(refund.order_id),
        lambda: gateway.refund(refund),
        lambda: gateway.refund_state(refund, None),
        lambda: sandbox_webhooks.deliver("evt", url="http://localhost"),
    ):
        with pytest.raises(RuntimeError, match="open write"):
            act()


def test_paying_gives_what_a_refund_names_and_happens_once(gateway, tables):
    opened = gateway.open(order())
    answers, _refusals = at_once(tables, [_held(gateway, opened.order_id, succeeded=outcome) for outcome in (True, False) * 4])
    state = gateway.order_state(opened.order_id)
    assert len([answer for answer in answers if answer]) == 1
    assert state.status in {OrderStatus.PAID, OrderStatus.FAILED}
    assert (state.payment_ref is not None) == (state.status is OrderStatus.PAID)
    assert told() == ["order.paid" if state.status is OrderStatus.PAID else "order.failed"]


def _held(gateway, order_id, *, succeeded):
    def settle():
        with clock.as_of(NOON):
            return gateway.settle(order_id, succeeded=succeeded)

    return settle


def test_a_declined_order_has_failed_for_good(gateway):
    opened = gateway.open(order())
    assert gateway.settle(opened.order_id, succeeded=False)
    assert gateway.settle(opened.order_id, succeeded=True) is None
    assert gateway.cancel(opened.order_id).status is OrderStatus.FAILED


def test_after_its_time_nobody_can_pay_an_order(gateway):
    opened = gateway.open(order())
    with clock.as_of(NOON + timedelta(minutes=30)):
        assert gateway.order_state(opened.order_id).status is OrderStatus.EXPIRED
        assert gateway.settle(opened.order_id, succeeded=True) is None
        assert gateway.cancel(opened.order_id).status is OrderStatus.EXPIRED
    assert (gateway.order_state(opened.order_id).status, told()) == (OrderStatus.EXPIRED, ["order.expired"])


def test_a_cancelled_order_cannot_be_paid_and_a_paid_one_not_cancelled(gateway):
    opened, bought = gateway.open(order()), paid(gateway)
    assert gateway.cancel(opened.order_id).status is OrderStatus.EXPIRED
    assert gateway.settle(opened.order_id, succeeded=True) is None
    state = gateway.cancel(bought.order_id)
    assert (state.status, state.payment_ref) == (OrderStatus.PAID, bought.payment_ref)


def test_one_key_is_one_refund_however_often_it_is_asked_for(gateway, tables):
    refund = paid(gateway)
    answers, refusals = at_once(tables, [lambda: gateway.refund(refund)] * 8)
    assert (len(set(answers)), refusals, counted(SandboxRefund)) == (1, [], 1)
    assert (answers[0].status, answers[0].reason) == (RefundStatus.SUCCEEDED, "")
    assert gateway.refund_state(refund, answers[0].ref) == gateway.refund_state(refund, None) == answers[0]
    assert told().count("refund.succeeded") == 1


def test_refunds_never_exceed_the_payment(gateway, tables):
    whole = paid(gateway, 10_000)
    parts = [replace(whole, key=db.new_id(), amount=6_000) for _each in range(8)]

    def refund(part):
        try:
            return gateway.refund(part)
        except GatewayRefused as refusal:
            return str(refusal)

    answers, _refusals = at_once(tables, [lambda part=part: refund(part) for part in parts])
    assert len([answer for answer in answers if isinstance(answer, RefundState)]) == 1
    assert gateway.refund(replace(whole, key=db.new_id(), amount=4_000)).status is RefundStatus.SUCCEEDED


@pytest.mark.parametrize(
    "changes",
    [{"amount": 0}, {"amount": -5}, {"amount": 118_001}, {"payment_ref": "pay_other"}, {"currency": "USD"}, {"order_id": "sbx_other"}],
)
def test_a_refund_that_cannot_be_is_refused(gateway, changes):
    with pytest.raises(GatewayRefused):
        gateway.refund(replace(paid(gateway), **changes))
    assert counted(SandboxRefund) == 0


def test_a_key_of_another_refund_is_refused(gateway):
    refund = replace(paid(gateway), amount=100)
    gateway.refund(refund)
    with pytest.raises(GatewayRefused, match="another amount"):
        gateway.refund(replace(refund, amount=200))


def test_an_order_that_never_was_cannot_be_asked_about_or_ended(gateway):
    with pytest.raises(GatewayUnavailable):
        gateway.order_state("sbx_unknown")
    with pytest.raises(GatewayUnavailable):
        gateway.refund_state(RefundOrder("k", "sbx_unknown", "pay_1", 1, "INR"), None)
    with pytest.raises(GatewayRefused):
        gateway.cancel("sbx_unknown")


def test_a_refund_that_never_arrived_is_pending_without_a_reference(gateway):
    assert gateway.refund_state(paid(gateway), None) == RefundState(RefundStatus.PENDING, None, "")


def test_refunds_of_an_amount_that_ends_in_13_paise_fail_and_free_their_amount(gateway):
    refund = paid(gateway, 50_013)
    state = gateway.refund(refund)
    assert (state.status, bool(state.reason)) == (RefundStatus.FAILED, True)
    assert gateway.refund(replace(refund, key=db.new_id())).status is RefundStatus.FAILED
    assert told() == ["order.paid", "refund.failed", "refund.failed"]


def test_refunds_of_an_amount_that_ends_in_17_paise_succeed_when_asked_for_again(gateway):
    refund = paid(gateway, 50_017)
    first = gateway.refund(refund)
    assert (first.status, bool(first.ref), told()) == (RefundStatus.PENDING, True, ["order.paid"])
    assert gateway.refund_state(refund, None) == replace(first, status=RefundStatus.SUCCEEDED)
    assert gateway.refund(refund).status is RefundStatus.SUCCEEDED
    assert told() == ["order.paid", "refund.succeeded"]


@pytest.fixture
def webhook(gateway):
    """Headers and body of a webhook as the sandbox sends it."""
    opened = gateway.open(order())
    event_id = gateway.settle(opened.order_id, succeeded=True)
    return event_id, opened.order_id, *sandbox_webhooks.copies_of(event_id)[0]


def test_a_webhook_says_where_to_look(gateway, webhook):
    event_id, order_id, headers, body = webhook
    event = gateway.event({name.upper(): value for name, value in headers.items()}, body)
    assert (event.id, event.type, event.order_id, event.refund_key) == (event_id, "order.paid", order_id, None)


def test_a_refunds_webhook_names_our_key(gateway):
    refund = paid(gateway)
    gateway.refund(refund)
    with db.apart() as books:
        last = books.scalars(select(SandboxWebhook.id).order_by(SandboxWebhook.position.desc())).first()
    (headers, body), (_headers, older), (_again, same) = sandbox_webhooks.copies_of(last)
    event = gateway.event(headers, body)
    assert (event.type, event.order_id, event.refund_key) == ("refund.succeeded", refund.order_id, refund.key)
    assert (same, json.loads(older)["type"]) == (body, "order.paid")


def test_what_is_not_the_sandboxs_is_refused(gateway, webhook):
    _event_id, _order_id, headers, body = webhook
    signature = headers[sandbox_webhooks.HEADER]
    seconds, _comma, code = signature.partition(",v1=")
    forged = [
        ({}, body),
        (headers, body.replace(b"order.paid", b"order.free")),
        (headers, b""),
        ({sandbox_webhooks.HEADER: ""}, body),
        ({sandbox_webhooks.HEADER: f"{seconds},v1={'0' * 64}"}, body),
        ({sandbox_webhooks.HEADER: f"t={int(seconds[2:]) + 1},v1={code}"}, body),
        ({sandbox_webhooks.HEADER: f"v1={code}"}, body),
        ({sandbox_webhooks.HEADER: f"{seconds},v1=\u20b9"}, body),
        ({sandbox_webhooks.HEADER: "nonsense"}, body),
    ]
    for given, content in forged:
        with pytest.raises(SignatureInvalid):
            gateway.event(given, content)


@pytest.mark.parametrize("minutes", [-6, 6])
def test_a_webhook_is_good_for_five_minutes(gateway, webhook, monkeypatch, minutes):
    _event_id, _order_id, headers, body = webhook
    then = clock.wall()
    monkeypatch.setattr(clock, "wall", lambda: then + timedelta(minutes=minutes))
    with pytest.raises(SignatureInvalid, match="too long ago"):
        gateway.event(headers, body)


@pytest.mark.parametrize("body", [b"not json", b"[]", b'{"id": 5, "type": "order.paid"}', b'{"id": "evt_1"}', b"\xff\xfe"])
def test_a_signed_body_that_is_no_event_is_refused(gateway, body):
    with pytest.raises(SignatureInvalid):
        gateway.event(sandbox_webhooks.signed(body), body)
