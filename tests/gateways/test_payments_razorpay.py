"""Razorpay's adapter against answers of the shapes that Razorpay's reference shows, served on loopback."""

import hashlib
import hmac
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

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
)
from portal.gateways.payments.razorpay import Razorpay
from tests.support.loopback import free_port, serving

SECRET = "secret of the webhooks"
ENDS = datetime(2040, 11, 23, 13, tzinfo=UTC)
ORDER = Order(
    key="0193c0de-0000-7000-8000-000000000001",
    amount=118_000,
    currency="INR",
    description="Career coaching",
    payer_email="asha@acme.test",
    return_url="https://portal.example.com/bookings",
    expires_at=ENDS,
)
REFUND = RefundOrder("0193c0de-0000-7000-8000-000000000002", "plink_0", "pay_1", 30_000, "INR")


def refusal(description: str) -> dict:
    return {
        "error": {
            "code": "BAD_REQUEST_ERROR",
            "description": description,
            "source": "business",
            "step": "payment_initiation",
            "reason": "input_validation_failed",
            "metadata": {},
        }
    }


class Books:
    """Payment links and refunds as api.razorpay.com answers them."""

    def __init__(self) -> None:
        self.links: dict[str, dict] = {}
        self.refunds: list[dict] = []
        self.refund_keys: dict[str, dict] = {}

    def answer(self, asked):
        assert asked.headers["authorization"].startswith("Basic ")
        unknown = 400, refusal("The id provided does not exist")
        place = asked.path.removeprefix("/v1/").split("/")
        match (asked.method, *place):
            case ("POST", "payment_links"):
                found = self._create(json.loads(asked.body))
            case ("GET", "payment_links"):
                wanted = asked.query["reference_id"]
                found = 200, {"payment_links": [link for link in self.links.values() if link["reference_id"] == wanted]}
            case ("GET", "payment_links", name) if name in self.links:
                found = 200, self.links[name]
            case ("POST", "payment_links", name, "cancel") if name in self.links:
                found = self._cancel(self.links[name])
            case ("GET", "payments", payment, "refunds"):
                skip, count = int(asked.query["skip"]), int(asked.query["count"])
                items = [refund for refund in self.refunds if refund["payment_id"] == payment][skip : skip + count]
                found = 200, {"entity": "collection", "count": len(items), "items": items}
            case ("POST", "payments", payment, "refund"):
                found = self._refund(payment, json.loads(asked.body), asked.headers["x-refund-idempotency"])
            case ("GET", "refunds", name):
                found = next(((200, each) for each in self.refunds if each["id"] == name), unknown)
            case ("GET", "orders", "order_1", "payments"):
                items = [{"id": "pay_0", "status": "failed"}, {"id": "pay_9", "status": "captured"}]
                found = 200, {"entity": "collection", "count": 2, "items": items}
            case _:
                found = unknown
        return found

    def _cancel(self, link):
        if link["status"] != "created":
            return 400, refusal("Payment Link cannot be cancelled in the present state")
        link |= {"status": "cancelled", "cancelled_at": 1591097270}
        return 200, link

    def _create(self, said):
        if any(link["reference_id"] == said["reference_id"] for link in self.links.values()):
            return 400, refusal(f"payment link with given reference_id ({said['reference_id']}) already exists")
        if said["amount"] < 100:
            return 400, refusal("The amount must be at least INR 1.00")
        name = f"plink_{len(self.links)}"
        self.links[name] = {
            **said,
            "amount_paid": 0,
            "cancelled_at": 0,
            "created_at": 1591097057,
            "expired_at": 0,
            "id": name,
            "payments": None,
            "short_url": f"https://rzp.io/i/{name}",
            "status": "created",
            "user_id": "",
        }
        return 200, self.links[name]

    def _refund(self, payment, said, key):
        if key not in self.refund_keys:
            self.refund_keys[key] = {
                "id": f"rfnd_{len(self.refunds)}",
                "entity": "refund",
                "amount": said["amount"],
                "currency": "INR",
                "payment_id": payment,
                "notes": said["notes"],
                "receipt": said["receipt"],
                "acquirer_data": {"arn": None},
                "status": "pending",
                "speed_requested": said["speed"],
            }
            self.refunds.append(self.refund_keys[key])
        return 200, self.refund_keys[key]

    def pay(self, name: str, **changes) -> None:
        payment = {"amount": 118_000, "method": "upi", "payment_id": "pay_1", "plink_id": name, "status": "captured"}
        self.links[name] |= {"status": "paid", "amount_paid": 118_000, "payments": [payment], **changes}


def adapter(url: str) -> Razorpay:
    return Razorpay(key_id="rzp_test_1", key_secret="key secret", webhook_secret=SECRET, api_base=url, read_seconds=0.5)


@pytest.fixture
def provider(app):
    """An adapter, and Razorpay behind it."""
    books = Books()
    with app.app_context(), serving(books.answer) as server:
        yield adapter(server.url), books, server


def test_a_link_asks_for_what_the_order_says(provider):
    gateway, books, _server = provider
    opened = gateway.open(ORDER)
    assert (opened.order_id, opened.pay_url) == ("plink_0", "https://rzp.io/i/plink_0")
    link = books.links["plink_0"]
    assert (link["amount"], link["currency"], link["accept_partial"]) == (118_000, "INR", False)
    assert (link["reference_id"], link["notes"]) == (ORDER.key, {"key": ORDER.key})
    assert (link["callback_url"], link["callback_method"]) == (ORDER.return_url, "get")
    assert (link["customer"], link["notify"], link["reminder_enable"]) == (
        {"email": "asha@acme.test"},
        {"sms": False, "email": False},
        False,
    )
    assert link["expire_by"] == int(ENDS.timestamp())
    assert gateway.provider is Provider.RAZORPAY


def test_a_link_lives_as_long_as_razorpay_demands(provider):
    gateway, books, _server = provider
    gateway.open(replace(ORDER, expires_at=clock.wall() + timedelta(minutes=1)))
    assert books.links["plink_0"]["expire_by"] > (clock.wall() + timedelta(minutes=15)).timestamp()


def test_one_key_is_one_link_also_after_an_answer_that_got_lost(provider):
    gateway, books, server = provider

    def lose(asked):
        books.answer(asked)

    server.answer = lose
    with pytest.raises(GatewayUnavailable):
        gateway.open(ORDER)
    server.answer = books.answer
    assert gateway.open(ORDER) == gateway.open(ORDER)
    assert len(books.links) == 1
    assert gateway.open(replace(ORDER, key="another")).order_id == "plink_1"


def test_a_link_that_cannot_be_is_refused_with_the_reason(provider):
    gateway, books, _server = provider
    with pytest.raises(GatewayRefused, match=r"at least INR 1\.00"):
        gateway.open(replace(ORDER, amount=99))
    assert books.links == {}


def test_a_link_stands_as_razorpay_says(provider):
    gateway, books, _server = provider
    order_id = gateway.open(ORDER).order_id
    found = [gateway.order_state(order_id)]
    for status in ("partially_paid", "expired", "cancelled"):
        books.links[order_id]["status"] = status
        found.append(gateway.order_state(order_id))
    books.pay(order_id)
    found.append(gateway.order_state(order_id))
    books.pay(order_id, payments=[{"payment_id": "pay_0", "status": "failed"}, {"payment_id": "pay_2", "status": "refunded"}])
    found.append(gateway.order_state(order_id))
    assert [(state.status, state.payment_ref) for state in found] == [
        (OrderStatus.OPEN, None),
        (OrderStatus.OPEN, None),
        (OrderStatus.EXPIRED, None),
        (OrderStatus.EXPIRED, None),
        (OrderStatus.PAID, "pay_1"),
        (OrderStatus.PAID, "pay_2"),
    ]
    assert {(state.order_id, state.amount, state.currency) for state in found} == {("plink_0", 118_000, "INR")}


def test_a_paid_link_without_its_payment_is_asked_for_by_its_order(provider):
    gateway, books, _server = provider
    order_id = gateway.open(ORDER).order_id
    books.pay(order_id, payments=[], order_id="order_1")
    assert gateway.order_state(order_id).payment_ref == "pay_9"
    books.pay(order_id, payments=None, order_id="")
    with pytest.raises(GatewayUnavailable, match="by which payment"):
        gateway.order_state(order_id)


def test_cancelling_ends_a_link_unless_the_payer_was_quicker(provider):
    gateway, books, _server = provider
    open_one, paid = (gateway.open(replace(ORDER, key=key)).order_id for key in ("a", "b"))
    books.pay(paid)
    assert gateway.cancel(open_one).status is OrderStatus.EXPIRED
    assert gateway.cancel(open_one).status is OrderStatus.EXPIRED
    state = gateway.cancel(paid)
    assert (state.status, state.payment_ref) == (OrderStatus.PAID, "pay_1")


def test_a_link_that_is_still_open_after_a_refused_cancel_is_no_success(provider):
    gateway, books, server = provider
    order_id = gateway.open(ORDER).order_id
    server.answer = lambda asked: (400, refusal("Not now.")) if asked.path.endswith("/cancel") else books.answer(asked)
    with pytest.raises(GatewayRefused, match="Not now"):
        gateway.cancel(order_id)


@pytest.mark.parametrize("status", [400, 404])
def test_a_definite_no_is_refused_with_its_reason(provider, status):
    gateway, _books, server = provider
    server.answer = lambda _asked: (status, refusal("Because."))
    for act in (lambda: gateway.open(ORDER), lambda: gateway.refund(REFUND)):
        with pytest.raises(GatewayRefused, match=r"^Because\.$"):
            act()
    for ask in (
        lambda: gateway.order_state("plink_1"),
        lambda: gateway.cancel("plink_1"),
        lambda: gateway.refund_state(REFUND, None),
        lambda: gateway.refund_state(REFUND, "rfnd_1"),
    ):
        with pytest.raises(GatewayUnavailable, match="Because"):
            ask()


@pytest.mark.parametrize("status", [401, 403])
def test_keys_that_are_not_accepted_say_nothing_of_the_money(provider, status):
    gateway, _books, server = provider
    server.answer = lambda _asked: (status, refusal("The api key provided is invalid"))
    for act in (lambda: gateway.open(ORDER), lambda: gateway.cancel("plink_1"), lambda: gateway.refund(REFUND)):
        with pytest.raises(GatewayUnavailable):
            act()


@pytest.mark.parametrize(
    "answer",
    [
        (500, refusal("x")),
        (502, b"<html>"),
        (429, refusal("x")),
        (409, refusal("x")),
        (200, b"<html>"),
        (200, b"[]"),
        (200, {}),
        (404, b"<html>"),
        None,
    ],
)
def test_what_is_no_answer_leaves_the_outcome_unknown(provider, answer, capsys):
    gateway, _books, server = provider
    server.answer = lambda _asked: answer
    with pytest.raises(GatewayUnavailable):
        gateway.open(ORDER)
    assert len(server.asked) == 1, "it isn't the client who tries again"
    assert capsys.readouterr().out == "", "the client prints, our session doesn't let it"


def test_nobody_listening_leaves_the_outcome_unknown(app):
    gateway = adapter(f"http://127.0.0.1:{free_port()}")
    with app.app_context():
        for act in (lambda: gateway.open(ORDER), lambda: gateway.cancel("plink_1"), lambda: gateway.refund_state(REFUND, "rfnd_1")):
            with pytest.raises(GatewayUnavailable):
                act()


def test_one_key_is_one_refund_also_after_an_answer_that_got_lost(provider):
    gateway, books, server = provider
    assert gateway.refund_state(REFUND, None) == RefundState(RefundStatus.PENDING, None, "")

    def lose(asked):
        return books.answer(asked) if asked.method == "GET" else books.answer(asked) and None

    server.answer = lose
    with pytest.raises(GatewayUnavailable):
        gateway.refund(REFUND)
    server.answer = books.answer
    state = gateway.refund(REFUND)
    assert (state, len(books.refunds)) == (RefundState(RefundStatus.PENDING, "rfnd_0", ""), 1)
    assert gateway.refund_state(REFUND, None) == gateway.refund_state(REFUND, "rfnd_0") == state
    sent = next(asked for asked in server.asked if asked.method == "POST")
    assert sent.headers["x-refund-idempotency"] == REFUND.key
    assert json.loads(sent.body) == {"amount": 30_000, "speed": "normal", "receipt": REFUND.key, "notes": {"key": REFUND.key}}
    assert gateway.refund(replace(REFUND, key="another-key-of-ours")).ref == "rfnd_1"


def test_our_refund_is_found_among_hundreds(provider):
    gateway, books, _server = provider
    others = [{"id": f"rfnd_x{each}", "payment_id": "pay_1", "status": "processed", "receipt": None, "notes": []} for each in range(230)]
    books.refunds += [
        *others,
        {"id": "rfnd_ours", "payment_id": "pay_1", "status": "processed", "receipt": None, "notes": {"key": REFUND.key}},
    ]
    assert gateway.refund(REFUND) == RefundState(RefundStatus.SUCCEEDED, "rfnd_ours", "")
    assert len(books.refunds) == 231


@pytest.mark.parametrize(
    ("said", "status"),
    [
        ("processed", RefundStatus.SUCCEEDED),
        ("pending", RefundStatus.PENDING),
        ("created", RefundStatus.PENDING),
        ("failed", RefundStatus.FAILED),
    ],
)
def test_a_refund_stands_as_razorpay_says(provider, said, status):
    gateway, books, _server = provider
    gateway.refund(REFUND)
    books.refunds[0]["status"] = said
    assert gateway.refund_state(REFUND, "rfnd_0") == RefundState(status, "rfnd_0", "")


def test_inside_a_transaction_that_has_written_nothing_is_called(provider, tables):
    gateway, _books, server = provider
    db.session.add(User(email="asha@acme.test", name="Asha", password_hash="x", created_at=ENDS))
    db.session.flush()
    for act in (
        lambda: gateway.open(ORDER),
        lambda: gateway.order_state("plink_1"),
        lambda: gateway.cancel("plink_1"),
        lambda: gateway.refund(REFUND),
        lambda: gateway.refund_state(REFUND, None),
    ):
        with pytest.raises(RuntimeError, match="open write"):
            act()
    assert server.asked == []
    db.session.rollback()


def webhook(told: dict, *, secret: str = SECRET, event_id: str = "evt_1") -> tuple[dict[str, str], bytes]:
    body = json.dumps({"entity": "event", "account_id": "acc_1", "created_at": 1596890208, **told}).encode()
    signature = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return {"X-Razorpay-Signature": signature, "X-Razorpay-Event-Id": event_id}, body


PAID = {
    "event": "payment_link.paid",
    "contains": ["payment", "order", "payment_link"],
    "payload": {
        "order": {"entity": {"id": "order_1", "receipt": ORDER.key}},
        "payment": {"entity": {"id": "pay_1", "amount": 118_000, "notes": []}},
        "payment_link": {"entity": {"id": "plink_0", "status": "paid", "reference_id": ORDER.key}},
    },
}
REFUNDED = {
    "event": "refund.processed",
    "contains": ["refund", "payment"],
    "payload": {
        "refund": {"entity": {"id": "rfnd_0", "notes": {"key": REFUND.key}, "receipt": REFUND.key}},
        "payment": {"entity": {"id": "pay_1"}},
    },
}
BY_HAND = {"event": "refund.created", "payload": {"refund": {"entity": {"id": "rfnd_1", "notes": [], "receipt": None}}}}
BY_RECEIPT = {"event": "refund.failed", "payload": {"refund": {"entity": {"id": "rfnd_1", "notes": [], "receipt": "k"}}}}


@pytest.mark.parametrize(
    ("told", "order_id", "refund_key"),
    [(PAID, "plink_0", None), (REFUNDED, None, REFUND.key), (BY_HAND, None, None), (BY_RECEIPT, None, "k"), ({"event": "x"}, None, None)],
)
def test_a_webhook_says_where_to_look(told, order_id, refund_key):
    event = adapter("http://127.0.0.1:9").event(*webhook(told))
    assert (event.id, event.type, event.order_id, event.refund_key) == ("evt_1", told["event"], order_id, refund_key)


def test_headers_are_read_in_any_case():
    headers, body = webhook(PAID)
    given = {name.lower(): value for name, value in headers.items()}
    assert adapter("http://127.0.0.1:9").event(given, body).order_id == "plink_0"


def test_a_webhook_of_years_ago_is_still_razorpays():
    """Razorpay signs no time and repeats for a day; the years of the recorded shape show that no age is refused."""
    assert adapter("http://127.0.0.1:9").event(*webhook(PAID | {"created_at": 1})).id == "evt_1"


def test_what_is_not_razorpays_is_refused():
    gateway = adapter("http://127.0.0.1:9")
    headers, body = webhook(PAID)
    forged = [
        ({}, body),
        ({"X-Razorpay-Signature": headers["X-Razorpay-Signature"]}, body),
        (headers | {"X-Razorpay-Event-Id": ""}, body),
        (headers | {"X-Razorpay-Signature": ""}, body),
        (headers | {"X-Razorpay-Signature": "0" * 64}, body),
        (headers | {"X-Razorpay-Signature": "\u20b9"}, body),
        (headers, body.replace(b"plink_0", b"plink_1")),
        (headers, body + b" "),
        (headers, b""),
        webhook(PAID, secret="key secret"),
        webhook({"payload": {}}),
    ]
    for given, content in forged:
        with pytest.raises(SignatureInvalid):
            gateway.event(given, content)
