"""Stripe's adapter: sessions against answers of the recorded shape, refunds against a real localstripe (which has no Checkout)."""

import json
import subprocess
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qsl

import pytest
import requests
import stripe as client

from portal import db
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
)
from portal.gateways.payments.stripe import Stripe
from tests.support.loopback import free_port, localstripe, serving

TOP = Path(__file__).resolve().parents[2]
SECRET = "whsec_of_the_tests"
ENDS = datetime(2026, 11, 23, 13, tzinfo=UTC)
ORDER = Order(
    key="0193c0de-0000-7000-8000-000000000001",
    amount=118_000,
    currency="INR",
    description="Career coaching",
    payer_email="asha@acme.test",
    return_url="https://portal.example.com/bookings",
    expires_at=ENDS,
)


class Checkout:
    """Sessions as api.stripe.com answers them (fields that the adapter and the client read, as in Stripe's reference)."""

    def __init__(self) -> None:
        self.sessions: dict[str, dict] = {}
        self.by_key: dict[str, tuple[bytes, dict]] = {}

    def answer(self, asked):
        assert asked.headers["authorization"] == "Bearer sk_test_tests"
        assert "x-stripe-client-telemetry" not in asked.headers
        place = asked.path.removeprefix("/v1/checkout/sessions").strip("/").split("/")
        if place == [""]:
            return self._create(asked)
        session = self.sessions.get(place[0])
        if session is None:
            return 404, refusal(f"No such checkout.session: {place[0]}", code="resource_missing")
        if place[1:] == ["expire"]:
            if session["status"] != "open":
                return 400, refusal('Only Checkout Sessions with a status in ["open"] can be expired.')
            session |= {"status": "expired", "url": None}
        return 200, session

    def _create(self, asked):
        key = asked.headers["idempotency-key"]
        if key in self.by_key:
            body, session = self.by_key[key]
            same = body == asked.body
            return (200, session) if same else (400, refusal("Keys for idempotent requests can only be used…", type="idempotency_error"))
        form = dict(parse_qsl(asked.body.decode()))
        if int(form["line_items[0][price_data][unit_amount]"]) < 1:
            return 400, refusal("This value must be greater than or equal to 1.", param="line_items[0][price_data][unit_amount]")
        name = f"cs_test_{len(self.sessions)}"
        session = {
            "id": name,
            "object": "checkout.session",
            "amount_total": int(form["line_items[0][price_data][unit_amount]"]),
            "client_reference_id": form["client_reference_id"],
            "currency": form["line_items[0][price_data][currency]"],
            "expires_at": int(form["expires_at"]),
            "metadata": {"key": form["metadata[key]"]},
            "mode": form["mode"],
            "payment_intent": None,
            "payment_status": "unpaid",
            "status": "open",
            "url": f"https://checkout.stripe.com/c/pay/{name}",
        }
        self.sessions[name] = session
        self.by_key[key] = (asked.body, session)
        self.form = form
        return 200, session


def refusal(message: str, **details: str) -> dict:
    return {"error": {"message": message, "type": "invalid_request_error", **details}}


@pytest.fixture
def adapter(app):
    """Makes adapters, and closes their connections afterwards."""
    made = []

    def make(url: str) -> Stripe:
        made.append(Stripe(secret_key="sk_test_tests", webhook_secret=SECRET, api_base=url, read_seconds=0.5))
        return made[-1]

    with app.app_context():
        yield make
    for each in made:
        each._http.close()


@pytest.fixture
def checkout(adapter):
    """An adapter, and Checkout behind it."""
    books = Checkout()
    with serving(books.answer) as server:
        yield adapter(server.url), books, server


@pytest.fixture(scope="module")
def local():
    """The address of a localstripe."""
    with localstripe() as url:
        yield url


@pytest.fixture
def refund(local) -> RefundOrder:
    """A refund of 30 000 paise of a payment of 50 000 in localstripe."""

    def post(path: str, **data: str) -> dict:
        answer = requests.post(f"{local}/v1/{path}", auth=("sk_test_tests", ""), data=data, timeout=10)
        assert answer.status_code == 200, answer.text
        return answer.json()

    card = {"card[number]": "4242424242424242", "card[exp_month]": "12", "card[exp_year]": "2040", "card[cvc]": "123"}
    method = post("payment_methods", type="card", **card)["id"]
    intent = post("payment_intents", amount="50000", currency="inr", payment_method=method, confirm="true")["id"]
    return RefundOrder(db.new_id(), "cs_test_0", intent, 30_000, "INR")


def test_a_session_asks_for_what_the_order_says(checkout):
    gateway, books, _server = checkout
    opened = gateway.open(ORDER)
    assert (opened.order_id, opened.pay_url) == ("cs_test_0", "https://checkout.stripe.com/c/pay/cs_test_0")
    form = books.form
    assert form["line_items[0][price_data][unit_amount]"] == "118000"
    assert form["line_items[0][price_data][currency]"] == "inr"
    assert form["line_items[0][quantity]"] == "1"
    assert form["allowed_payment_method_types[0]"] == "card"
    assert form["client_reference_id"] == form["metadata[key]"] == form["payment_intent_data[metadata][key]"] == ORDER.key
    assert form["success_url"] == form["cancel_url"] == ORDER.return_url
    assert form["customer_email"] == "asha@acme.test"
    assert form["expires_at"] == str(int((ENDS + timedelta(minutes=30)).timestamp()))
    assert gateway.provider is Provider.STRIPE


def test_one_key_is_one_session_also_after_an_answer_that_got_lost(checkout):
    gateway, books, server = checkout

    def lose(asked):
        books.answer(asked)

    server.answer = lose
    with pytest.raises(GatewayUnavailable):
        gateway.open(ORDER)
    server.answer = books.answer
    assert gateway.open(ORDER) == gateway.open(ORDER)
    assert len(books.sessions) == 1
    with pytest.raises(GatewayRefused, match="idempotent"):
        gateway.open(replace(ORDER, amount=1))


def test_nobody_is_asked_for_an_address_that_is_not_known(checkout):
    gateway, books, _server = checkout
    gateway.open(replace(ORDER, payer_email=""))
    assert "customer_email" not in books.form


def test_a_session_stands_as_stripe_says(checkout):
    gateway, books, _server = checkout
    order_id = gateway.open(ORDER).order_id
    session = books.sessions[order_id]
    found = []
    for change in (
        {},
        {"status": "complete"},
        {"payment_status": "paid", "payment_intent": "pi_1"},
        {"payment_intent": {"id": "pi_1", "object": "payment_intent"}},
        {"status": "expired", "payment_status": "unpaid", "payment_intent": None},
    ):
        session |= change
        found.append(gateway.order_state(order_id))
    assert [(state.status, state.payment_ref) for state in found] == [
        (OrderStatus.OPEN, None),
        (OrderStatus.OPEN, None),
        (OrderStatus.PAID, "pi_1"),
        (OrderStatus.PAID, "pi_1"),
        (OrderStatus.EXPIRED, None),
    ]
    assert {(state.order_id, state.amount, state.currency) for state in found} == {(order_id, 118_000, "INR")}


def test_cancelling_ends_a_session_unless_the_payer_was_quicker(checkout):
    gateway, books, _server = checkout
    open_one, paid = (gateway.open(replace(ORDER, key=key)).order_id for key in ("a", "b"))
    books.sessions[paid] |= {"status": "complete", "payment_status": "paid", "payment_intent": "pi_1"}
    assert gateway.cancel(open_one).status is OrderStatus.EXPIRED
    assert gateway.cancel(open_one).status is OrderStatus.EXPIRED
    state = gateway.cancel(paid)
    assert (state.status, state.payment_ref) == (OrderStatus.PAID, "pi_1")


def test_a_session_that_is_still_open_after_a_refused_cancel_is_no_success(checkout):
    gateway, books, server = checkout
    order_id = gateway.open(ORDER).order_id
    server.answer = lambda asked: (400, refusal("Not now.")) if asked.path.endswith("/expire") else books.answer(asked)
    with pytest.raises(GatewayRefused, match="Not now"):
        gateway.cancel(order_id)


@pytest.mark.parametrize("status", [400, 402, 404])
def test_a_definite_no_is_refused_with_its_reason(checkout, status):
    gateway, _books, server = checkout
    server.answer = lambda _asked: (status, refusal("Because."))
    with pytest.raises(GatewayRefused, match=r"^Because\.$"):
        gateway.open(ORDER)


@pytest.mark.parametrize(
    "answer",
    [
        (500, refusal("x")),
        (503, b"<html>"),
        (429, refusal("x")),
        (409, refusal("x")),
        (400, refusal("x", code="rate_limit")),
        (200, b"<html>"),
        None,
    ],
)
def test_what_is_no_answer_leaves_the_outcome_unknown(checkout, answer):
    gateway, _books, server = checkout
    server.answer = lambda _asked: answer
    with pytest.raises(GatewayUnavailable):
        gateway.open(ORDER)
    assert len(server.asked) == 1, "it isn't the client who tries again"


def test_nobody_listening_leaves_the_outcome_unknown(adapter):
    gateway = adapter(f"http://127.0.0.1:{free_port()}")
    for act in (lambda: gateway.open(ORDER), lambda: gateway.order_state("cs_1"), lambda: gateway.cancel("cs_1")):
        with pytest.raises(GatewayUnavailable):
            act()


def test_one_key_is_one_refund(adapter, local, refund):
    gateway = adapter(local)
    assert gateway.refund_state(refund, None) == RefundState(RefundStatus.PENDING, None, "")
    state = gateway.refund(refund)
    assert (state.status, state.ref.startswith("re_")) == (RefundStatus.SUCCEEDED, True)
    assert gateway.refund(refund) == gateway.refund_state(refund, None) == gateway.refund_state(refund, state.ref) == state
    other = gateway.refund(replace(refund, key=db.new_id(), amount=20_000))
    assert (other.status, other.ref != state.ref) == (RefundStatus.SUCCEEDED, True)


def test_a_refund_of_what_is_not_there_is_refused(adapter, local, refund):
    with pytest.raises(GatewayRefused):
        adapter(local).refund(replace(refund, payment_ref="pi_unknown"))


@pytest.mark.parametrize("status", [400, 401, 403, 404])
def test_a_refused_question_says_nothing_of_the_money(checkout, status):
    gateway, _books, server = checkout
    server.answer = lambda _asked: (status, refusal("No such refund."))
    refund = RefundOrder("k", "cs_1", "pi_1", 100, "INR")
    for ask in (
        lambda: gateway.order_state("cs_1"),
        lambda: gateway.refund_state(refund, None),
        lambda: gateway.refund_state(refund, "re_1"),
    ):
        with pytest.raises(GatewayUnavailable, match="No such refund"):
            ask()


@pytest.mark.parametrize("status", [401, 403])
def test_keys_that_are_not_accepted_say_nothing_of_the_money(checkout, status):
    gateway, _books, server = checkout
    server.answer = lambda _asked: (status, refusal("Invalid API Key provided"))
    for act in (
        lambda: gateway.open(ORDER),
        lambda: gateway.cancel("cs_1"),
        lambda: gateway.refund(RefundOrder("k", "cs_1", "pi_1", 100, "INR")),
    ):
        with pytest.raises(GatewayUnavailable, match="Invalid API Key"):
            act()


@pytest.mark.parametrize(
    ("said", "status"),
    [
        ("succeeded", RefundStatus.SUCCEEDED),
        ("pending", RefundStatus.PENDING),
        ("requires_action", RefundStatus.PENDING),
        ("failed", RefundStatus.FAILED),
        ("canceled", RefundStatus.FAILED),
    ],
)
def test_a_refund_stands_as_stripe_says(checkout, said, status):
    gateway, _books, server = checkout
    reason = {"failure_reason": "expired_or_canceled_card"} if said == "failed" else {}
    server.answer = lambda _asked: (200, {"id": "re_1", "object": "refund", "status": said, **reason})
    state = gateway.refund_state(RefundOrder("k", "cs_1", "pi_1", 100, "INR"), "re_1")
    assert (state.status, state.ref, state.reason) == (status, "re_1", reason.get("failure_reason", ""))


def test_a_refund_sends_its_key_and_a_lost_answer_leaves_it_unknown(checkout):
    gateway, _books, server = checkout
    none = {"object": "list", "data": [], "has_more": False, "url": "/v1/refunds"}
    server.answer = lambda asked: (200, none) if asked.method == "GET" else None
    with pytest.raises(GatewayUnavailable):
        gateway.refund(RefundOrder("k1", "cs_1", "pi_1", 100, "INR"))
    sent = server.asked[-1]
    assert sent.headers["idempotency-key"] == "refund-k1"
    assert dict(parse_qsl(sent.body.decode())) == {"payment_intent": "pi_1", "amount": "100", "metadata[key]": "k1"}


def test_inside_a_transaction_that_has_written_nothing_is_called(checkout, tables):
    gateway, _books, server = checkout
    refund = RefundOrder("k", "cs_1", "pi_1", 100, "INR")
    db.session.add(User(email="asha@acme.test", name="Asha", password_hash="x", created_at=ENDS))
    db.session.flush()
    for act in (
        lambda: gateway.open(ORDER),
        lambda: gateway.order_state("cs_1"),
        lambda: gateway.cancel("cs_1"),
        lambda: gateway.refund(refund),
        lambda: gateway.refund_state(refund, None),
    ):
        with pytest.raises(RuntimeError, match="open write"):
            act()
    assert server.asked == []
    db.session.rollback()


def webhook(kind: str, about: dict, *, at: int | None = None, secret: str = SECRET) -> tuple[dict[str, str], bytes]:
    """A webhook signed by Stripe's own client."""
    body = json.dumps({"id": "evt_1", "object": "event", "type": kind, "data": {"object": about}})
    signed = client.WebhookSignature.generate_signature_header(body, secret, at)
    return {"Stripe-Signature": signed}, body.encode()


@pytest.fixture
def gateway(adapter) -> Stripe:
    """An adapter that reads webhooks and calls nobody."""
    return adapter("http://127.0.0.1:9")


@pytest.mark.parametrize(
    ("kind", "about", "order_id", "refund_key"),
    [
        ("checkout.session.completed", {"object": "checkout.session", "id": "cs_1", "metadata": {"key": "k"}}, "cs_1", None),
        ("refund.updated", {"object": "refund", "id": "re_1", "metadata": {"key": "k"}}, None, "k"),
        ("refund.created", {"object": "refund", "id": "re_1", "metadata": {}}, None, None),
        ("charge.refunded", {"object": "charge", "id": "ch_1"}, None, None),
    ],
)
def test_a_webhook_says_where_to_look(gateway, kind, about, order_id, refund_key):
    event = gateway.event(*webhook(kind, about))
    assert (event.id, event.type, event.order_id, event.refund_key) == ("evt_1", kind, order_id, refund_key)


def test_headers_are_read_in_any_case(gateway):
    headers, body = webhook("refund.updated", {"object": "refund"})
    assert gateway.event({"STRIPE-SIGNATURE": headers["Stripe-Signature"]}, body).id == "evt_1"


def test_what_is_not_stripes_is_refused(gateway):
    headers, body = webhook("checkout.session.completed", {"object": "checkout.session", "id": "cs_1"})
    seconds = int(time.time())
    forged = [
        ({}, body),
        ({"Stripe-Signature": ""}, body),
        (headers, body.replace(b"cs_1", b"cs_2")),
        (headers, b""),
        (headers, b"\xff\xfe"),
        webhook("x", {}, secret="whsec_other"),
        webhook("x", {}, at=seconds - 301),
        ({"Stripe-Signature": f"t={seconds},v1=\u20b9"}, body),
        ({"Stripe-Signature": "nonsense"}, body),
        ({"Stripe-Signature": f"t={seconds},v0={headers['Stripe-Signature'][-64:]}"}, body),
    ]
    for given, content in forged:
        with pytest.raises(SignatureInvalid):
            gateway.event(given, content)


@pytest.mark.parametrize("body", ["[]", "no json", '{"id": "evt_1"}', '{"type": "x"}'])
def test_a_signed_body_that_is_no_event_is_refused(gateway, body):
    signed = client.WebhookSignature.generate_signature_header(body, SECRET)
    with pytest.raises(SignatureInvalid):
        gateway.event({"Stripe-Signature": signed}, body.encode())


def test_the_clients_are_not_imported_where_they_are_not_chosen():
    asking = "import sys, portal.features; print([name for name in ('stripe', 'razorpay') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", asking], cwd=TOP, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
