"""The adapters of payouts, against answers of the shapes that the providers' references show; and which one is chosen."""

import json
from dataclasses import replace
from urllib.parse import parse_qsl

import pytest

from portal import clock, config, db
from portal.accounts.models import User
from portal.gateways import payouts
from portal.gateways.payouts import (
    GatewayNotConfigured,
    GatewayRefused,
    GatewayUnavailable,
    PayoutProvider,
    Transfer,
    TransferStatus,
)
from portal.gateways.payouts.manual import Manual
from portal.gateways.payouts.razorpayx import RazorpayX
from portal.gateways.payouts.stripe import StripeTransfers
from tests.support.loopback import free_port, serving
from tests.support.vaults import RazorpayXBooks, StripeBooks

ORDER = Transfer(
    key="org-payout-0193c0de-0000-7000-8000-000000000001",
    amount=118_000,
    currency="INR",
    organization_id="0193c0de-0000-7000-8000-000000000002",
    email="finance@kaveri.test",
    holder="Kaveri Coaching LLP",
    number="50100123456789",
    ifsc="HDFC0001234",
    provider_account="acct_1Kaveri",
)
OURS = "7878780080316316"


@pytest.fixture(autouse=True)
def _in_the_app(app):
    """Gateways ask the session whether something was written."""
    with app.app_context():
        yield


def razorpayx(url: str) -> RazorpayX:
    return RazorpayX(key_id="rzp_test_1", key_secret="key secret", account_number=OURS, api_base=url, read_seconds=0.5)


def stripe(url: str) -> StripeTransfers:
    return StripeTransfers(secret_key="sk_test_tests", api_base=url, read_seconds=0.5)


def test_a_number_is_in_no_repr_of_a_transfer():
    assert "50100123456789" not in repr(ORDER)


def test_razorpayx_pays_a_bank_account_in_one_call():
    books = RazorpayXBooks()
    with serving(books.answer) as server:
        state = razorpayx(server.url).transfer(ORDER)
    assert (state.status, state.ref, state.reference) == (TransferStatus.PAID, "pout_00000000000000", "HDFCN52026112812345")
    [asked] = server.asked
    said = json.loads(asked.body)
    assert (said["account_number"], said["amount"], said["currency"], said["mode"], said["purpose"]) == (
        OURS,
        118_000,
        "INR",
        "IMPS",
        "payout",
    )
    assert said["fund_account"] == {
        "account_type": "bank_account",
        "bank_account": {"name": "Kaveri Coaching LLP", "ifsc": "HDFC0001234", "account_number": "50100123456789"},
        "contact": {
            "name": "Kaveri Coaching LLP",
            "email": "finance@kaveri.test",
            "type": "vendor",
            "reference_id": "0193c0de-0000-7000-8000-000000000002",
        },
    }
    assert asked.headers["x-payout-idempotency"] == said["reference_id"]
    assert said["notes"] == {"key": ORDER.key}


def test_razorpayx_pays_one_key_once_and_each_key_for_itself():
    books = RazorpayXBooks()
    with serving(books.answer) as server:
        gateway = razorpayx(server.url)
        first, second = gateway.transfer(ORDER), gateway.transfer(ORDER)
        other = gateway.transfer(replace(ORDER, key=f"{ORDER.key}-2"))
    assert first == second
    assert other.ref != first.ref
    assert len(books.payouts) == 2


@pytest.mark.parametrize(("amount", "mode"), [(500_000_00, "IMPS"), (500_000_01, "NEFT")])
def test_razorpayx_chooses_the_rail_by_the_amount(amount, mode):
    books = RazorpayXBooks()
    with serving(books.answer) as server:
        razorpayx(server.url).transfer(replace(ORDER, amount=amount))
    assert [row["mode"] for row in books.payouts.values()] == [mode]


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("queued", TransferStatus.PENDING),
        ("pending", TransferStatus.PENDING),
        ("scheduled", TransferStatus.PENDING),
        ("processing", TransferStatus.PENDING),
        ("a word of next year", TransferStatus.PENDING),
        ("processed", TransferStatus.PAID),
        ("failed", TransferStatus.FAILED),
        ("rejected", TransferStatus.FAILED),
        ("cancelled", TransferStatus.FAILED),
        ("reversed", TransferStatus.FAILED),
    ],
)
def test_razorpayx_says_how_a_payout_stands(status, expected):
    books = RazorpayXBooks(becomes="queued")
    with serving(books.answer) as server:
        gateway = razorpayx(server.url)
        assert gateway.state(ORDER).status is TransferStatus.UNKNOWN
        name = gateway.transfer(ORDER).ref
        books.decide(name, status, why="The account is closed")
        state = gateway.state(ORDER)
    assert (state.status, state.ref) == (expected, name)
    assert state.reason == ("The account is closed" if expected is TransferStatus.FAILED else "")


def test_razorpayx_loses_an_answer_and_finds_the_payout_again():
    books = RazorpayXBooks(loses=True)
    with serving(books.answer) as server:
        gateway = razorpayx(server.url)
        with pytest.raises(GatewayUnavailable):
            gateway.transfer(ORDER)
        assert gateway.state(ORDER).status is TransferStatus.PAID
    assert len(books.payouts) == 1


def test_razorpayx_refuses_what_it_cannot_pay():
    books = RazorpayXBooks()
    with serving(books.answer) as server:
        with pytest.raises(GatewayRefused, match="Invalid IFSC"):
            razorpayx(server.url).transfer(replace(ORDER, ifsc="AAAA0000000"))
        with pytest.raises(GatewayRefused, match="no IFSC"):
            razorpayx(server.url).transfer(replace(ORDER, ifsc=None))
    assert books.payouts == {}


@pytest.mark.parametrize("status", [401, 403, 409, 429, 500, 502])
@pytest.mark.parametrize("make", [razorpayx, stripe])
def test_what_is_no_answer_leaves_the_outcome_unknown(make, status):
    with serving(lambda _asked: (status, {"error": {"description": "Try later", "message": "Try later"}})) as server:
        gateway = make(server.url)
        for act in (gateway.transfer, gateway.state):
            with pytest.raises(GatewayUnavailable):
                act(ORDER)


@pytest.mark.parametrize("make", [razorpayx, stripe])
def test_nobody_there_leaves_the_outcome_unknown(make):
    gateway = make(f"http://127.0.0.1:{free_port()}")
    for act in (gateway.transfer, gateway.state):
        with pytest.raises(GatewayUnavailable):
            act(ORDER)


@pytest.mark.parametrize("make", [razorpayx, stripe])
def test_a_refused_question_is_no_no(make):
    body = {"error": {"code": "BAD_REQUEST_ERROR", "description": "Unknown", "message": "Unknown", "type": "invalid_request_error"}}
    with serving(lambda _asked: (400, body)) as server:
        with pytest.raises(GatewayUnavailable):
            make(server.url).state(ORDER)
        with pytest.raises(GatewayRefused):
            make(server.url).transfer(ORDER)


def test_stripe_transfers_to_the_connected_account_by_the_payouts_key():
    books = StripeBooks()
    with serving(books.answer) as server:
        gateway = stripe(server.url)
        assert gateway.state(ORDER).status is TransferStatus.UNKNOWN
        first, second = gateway.transfer(ORDER), gateway.transfer(ORDER)
        assert gateway.state(ORDER) == first == second
    assert (first.status, first.ref) == (TransferStatus.PAID, "tr_0")
    posts = [asked for asked in server.asked if asked.method == "POST"]
    assert {asked.headers["idempotency-key"] for asked in posts} == {ORDER.key}
    said = dict(parse_qsl(posts[0].body.decode()))
    assert (said["amount"], said["currency"], said["destination"], said["transfer_group"]) == ("118000", "inr", "acct_1Kaveri", ORDER.key)
    assert "50100123456789" not in posts[0].body.decode()


def test_stripe_says_that_a_transfer_was_taken_back():
    books = StripeBooks()
    with serving(books.answer) as server:
        gateway = stripe(server.url)
        gateway.transfer(ORDER)
        books.transfers[0] |= {"reversed": True, "amount_reversed": 118_000}
        state = gateway.state(ORDER)
    assert (state.status, state.reason) == (TransferStatus.FAILED, "The transfer was taken back at Stripe.")


def test_stripe_refuses_what_it_cannot_pay():
    with serving(StripeBooks().answer) as server:
        with pytest.raises(GatewayRefused, match=r"No such destination|Stripe answered 400"):
            stripe(server.url).transfer(replace(ORDER, provider_account="acct_gone"))
        with pytest.raises(GatewayRefused, match="isn't known"):
            stripe(server.url).transfer(replace(ORDER, provider_account=None))


@pytest.mark.parametrize("make", [lambda _url: Manual(), razorpayx, stripe])
def test_no_transfer_inside_an_open_write(tables, make):
    gateway = make(f"http://127.0.0.1:{free_port()}")
    db.session.add(User(email="a@b.test", name="A", created_at=clock.now()))
    db.session.flush()
    error = GatewayNotConfigured if isinstance(gateway, Manual) else RuntimeError
    for act in (gateway.transfer, gateway.state):
        with pytest.raises(error):
            act(ORDER)
    db.abandon()


X = {"razorpayx_key_id": "rzp_test_1", "razorpayx_key_secret": "s", "razorpayx_account_number": OURS}
STRIPE = {"stripe_secret_key": "sk_test_1"}


@pytest.mark.parametrize(
    ("changes", "provider", "others"),
    [
        ({}, PayoutProvider.MANUAL, set()),
        (X | STRIPE, PayoutProvider.MANUAL, {PayoutProvider.RAZORPAYX, PayoutProvider.STRIPE}),
        (X | {"payout_gateway": "razorpayx"}, PayoutProvider.RAZORPAYX, {PayoutProvider.MANUAL}),
        (STRIPE | {"payout_gateway": "stripe"}, PayoutProvider.STRIPE, {PayoutProvider.MANUAL}),
    ],
)
def test_the_chosen_one_pays_and_whoever_has_keys_answers_for_old_payouts(app, settings, changes, provider, others):
    payouts.connect(settings.model_copy(update=changes))
    try:
        assert payouts.current().provider is provider
        for each in PayoutProvider:
            if each in {provider, *others}:
                assert payouts.by_name(each.value).provider is each
            else:
                with pytest.raises(GatewayNotConfigured):
                    payouts.by_name(each)
        with pytest.raises(GatewayNotConfigured, match="paypal"):
            payouts.by_name("paypal")
    finally:
        payouts.connect(config.current())
