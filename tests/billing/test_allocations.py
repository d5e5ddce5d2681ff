"""Money for invoices: recorded by hand or paid online, never above what is outstanding, and each payment once."""

from datetime import timedelta

import pytest

from portal import db, jobs
from portal.billing.schemas import PayIn
from portal.billing.service import allocations
from portal.gateways.payments import RefundStatus
from tests.support import world
from tests.support.books import PRICE, open_books
from tests.support.dying import Killed, MortalBank, Seams
from tests.support.paying import Bank, deliver, paid_event, post_signed, put_in, set_mode, sweep
from tests.support.together import at_once

WITH_TAX = 118_000
LATER = timedelta(minutes=45)


@pytest.fixture
def books(rung, app, monkeypatch):
    """The organization, before its first booking; its sums must be right at the end."""
    made = open_books(app, rung, monkeypatch)
    yield made
    assert made.differences() == []


@pytest.fixture
def bank(monkeypatch, books):
    """A provider with books of its own, in place of the sandbox."""
    bank = Bank()
    put_in(monkeypatch, bank)
    return bank


def refused(answer, status: int, code: str, **extra: object) -> None:
    assert (answer.status_code, answer.json.get("code")) == (status, code), answer.text
    assert {name: answer.json[name] for name in extra} == extra


def ordered(books, invoice: dict, amount: int | None = None, *, key: str | None = None) -> str | None:
    """Begins an online payment; the provider's order."""
    body = {} if amount is None else {"amount": amount}
    answer = books.person("owner").post(f"{books.url}/invoices/{invoice['id']}/pay", body, key=key)
    assert answer.status_code == 201, answer.text
    return (answer.json["gateway"] or {}).get("orderId")


def tell(books, order_id: str, event_id: str) -> None:
    """The provider says that an order was paid, and workers act on it."""
    assert post_signed(books.app, paid_event(order_id, event_id)).status_code == 200
    books.work()


def swept(books) -> None:
    """Sweeps some minutes later."""
    books.calendar.go(books.calendar() + timedelta(minutes=4))
    sweep(books.app, books.bells)


def put_on(books) -> list[tuple[int, str]]:
    """Amount and method of each allocation, oldest first."""
    return [tuple(row) for row in books.rows("SELECT amount, method FROM invoice_allocations ORDER BY id")]


def returns(books) -> list[tuple[int, str]]:
    """Amount and state of what goes back."""
    return [tuple(row) for row in books.rows("SELECT amount, status FROM gateway_returns ORDER BY id")]


# By hand


def test_a_transfer_is_recorded_in_parts_until_nothing_is_outstanding(books):
    invoice = books.billed(PRICE)
    first = books.pay(invoice["id"], 18_000, reference="NEFT 77")
    assert first.status_code == 201
    shown = {name: first.json["allocation"][name] for name in ("invoiceId", "amount", "method", "reference")}
    assert shown == {"invoiceId": invoice["id"], "amount": 18_000, "method": "BANK_TRANSFER", "reference": "NEFT 77"}
    assert (books.shown(invoice["id"])["outstanding"], books.shown(invoice["id"])["status"]) == (100_000, "SENT")
    refused(books.pay(invoice["id"], 100_001), 409, "ABOVE_OUTSTANDING", outstanding=100_000)
    assert books.pay(invoice["id"], None, method="CHEQUE", reference="000123").json["allocation"]["amount"] == 100_000
    paid = books.shown(invoice["id"])
    assert (paid["status"], paid["outstanding"], paid["paidAmount"]) == ("PAID", 0, WITH_TAX)
    refused(books.pay(invoice["id"], 1), 409, "NOTHING_OUTSTANDING", outstanding=0)
    assert put_on(books) == [(18_000, "BANK_TRANSFER"), (100_000, "CHEQUE")]
    logged = "SELECT after ->> 'amount', actor_name FROM audit_rows WHERE action = 'INVOICE_PAID' ORDER BY at"
    assert [tuple(row) for row in books.rows(logged)] == [("18000", "Priya"), ("100000", "Priya")]


def test_the_api_takes_every_way_without_a_reference(books):
    """The contract has ``reference?``; the form of the page asks for it (``test_billing_pages``)."""
    invoice = books.billed(PRICE)
    path = f"{books.url}/invoices/{invoice['id']}/pay"
    for method in ("BANK_TRANSFER", "UPI", "CHEQUE", "OTHER"):
        assert books.person("admin").post(path, {"method": method, "amount": 1}).status_code == 201, method
    for method in ("ONLINE", "CASH", ""):
        assert books.person("admin").post(path, {"method": method, "amount": 1}).status_code == 400, method
    for amount in (0, -1, 1.5, "100", True, 10**30):
        assert books.person("admin").post(path, {"method": "UPI", "amount": amount}).status_code == 400, amount
    assert len(put_on(books)) == 4


def test_nothing_is_put_on_a_cancelled_invoice_and_paying_stops_a_cancellation(books):
    cancelled, paid = books.billed(PRICE), None
    assert books.cancel(cancelled["id"]).status_code == 200
    refused(books.pay(cancelled["id"]), 409, "NOTHING_OUTSTANDING")
    refused(books.person("owner").post(f"{books.url}/invoices/{cancelled['id']}/pay", {}), 409, "NOTHING_OUTSTANDING")
    paid = books.billed(50_000)
    books.pay(paid["id"], 1)
    refused(books.cancel(paid["id"]), 409, "INVOICE_IN_USE")
    assert put_on(books) == [(1, "BANK_TRANSFER")]


def test_an_owner_cannot_say_that_money_came(books):
    invoice = books.billed(PRICE)
    refused(books.pay(invoice["id"], who="owner"), 403, "ADMIN_ONLY")
    assert put_on(books) == []


def test_thirty_two_at_once_never_put_more_on_an_invoice_than_is_outstanding(books):
    invoice = books.billed(PRICE)

    def act():
        with db.unit_of_work():
            data = PayIn(amount=10_000, method="UPI", reference="UPI 1")
            return allocations.record(invoice["id"], data, actor=world.SYSTEM).amount

    answers, refusals = at_once(books.app, [act] * 32)
    assert answers == [10_000] * 11
    assert {(refusal.code, refusal.extra["outstanding"]) for refusal in refusals} == {("ABOVE_OUTSTANDING", 8_000)}
    assert books.shown(invoice["id"])["outstanding"] == 8_000


def test_the_same_key_records_once(books):
    invoice = books.billed(PRICE)
    path, body = f"{books.url}/invoices/{invoice['id']}/pay", {"method": "UPI", "amount": 5_000}
    answers = [books.person("admin").post(path, body, key="a transfer") for _twice in range(2)]
    assert [answer.status_code for answer in answers] == [201, 201]
    assert put_on(books) == [(5_000, "UPI")]


# Online


def test_paid_on_the_sandbox_page_it_is_put_on_the_invoice_once(books):
    invoice = books.billed(PRICE)
    order_id = ordered(books, invoice)
    page = books.app.test_client().post(f"/sandbox/pay/{order_id}", data={"outcome": "succeeded"})
    assert page.location.endswith(f"/orgs/acme/billing/invoices/{invoice['id']}")
    books.work()
    for event_id in ("evt_1", "evt_1", "evt_2"):
        tell(books, order_id, event_id)
    swept(books)
    assert (put_on(books), returns(books)) == ([(WITH_TAX, "ONLINE")], [])
    shown = books.shown(invoice["id"])
    assert (shown["status"], shown["paidAmount"]) == ("PAID", WITH_TAX)
    assert books.value("SELECT reference = (SELECT payment_ref FROM gateway_orders) FROM invoice_allocations") is True


def test_part_of_it_can_be_paid_online(books):
    invoice = books.billed(PRICE)
    refused(books.person("owner").post(f"{books.url}/invoices/{invoice['id']}/pay", {"amount": WITH_TAX + 1}), 409, "ABOVE_OUTSTANDING")
    order_id = ordered(books, invoice, 50_000)
    books.app.test_client().post(f"/sandbox/pay/{order_id}", data={"outcome": "succeeded"})
    books.work()
    assert (put_on(books), books.shown(invoice["id"])["outstanding"]) == ([(50_000, "ONLINE")], 68_000)


def test_declined_nothing_is_put_on_the_invoice_and_it_can_be_tried_again(books):
    invoice = books.billed(PRICE)
    order_id = ordered(books, invoice)
    books.app.test_client().post(f"/sandbox/pay/{order_id}", data={"outcome": "failed"})
    books.work()
    assert (put_on(books), books.value("SELECT status FROM gateway_orders")) == ([], "FAILED")
    again = ordered(books, invoice)
    books.app.test_client().post(f"/sandbox/pay/{again}", data={"outcome": "succeeded"})
    books.work()
    assert put_on(books) == [(WITH_TAX, "ONLINE")]


def test_the_same_key_opens_one_order(books, bank):
    invoice = books.billed(PRICE)
    assert ordered(books, invoice, key="pay it") == ordered(books, invoice, key="pay it")
    assert len(bank.orders) == 1


def test_told_by_many_at_once_the_invoice_is_paid_once(books, bank):
    invoice = books.billed(PRICE)
    order_id = ordered(books, invoice)
    bank.pay(order_id)
    row_id = str(books.value("SELECT id FROM gateway_orders"))
    at_once(books.app, [lambda: jobs.run("billing-ask-order", row_id)] * 16)
    assert (put_on(books), returns(books)) == ([(WITH_TAX, "ONLINE")], [])


def test_money_that_comes_after_the_end_of_its_order_counts(books, bank):
    invoice = books.billed(PRICE)
    order_id = ordered(books, invoice)
    books.calendar.go(books.calendar() + LATER)
    sweep(books.app, books.bells)
    assert books.value("SELECT status FROM gateway_orders") == "EXPIRED"
    bank.pay(order_id)
    tell(books, order_id, "evt_late")
    assert put_on(books) == [(WITH_TAX, "ONLINE")]


def test_a_wrong_amount_is_put_nowhere(books, bank):
    invoice = books.billed(PRICE)
    order_id = ordered(books, invoice)
    bank.pay(order_id, amount=WITH_TAX - 1)
    tell(books, order_id, "evt_wrong")
    assert (put_on(books), returns(books)) == ([], [])
    assert books.value("SELECT failure IS NOT NULL FROM gateway_orders") is True


@pytest.mark.parametrize(("transfer", "back"), [(18_000, 18_000), (WITH_TAX, WITH_TAX)])
def test_what_a_transfer_in_between_made_needless_goes_back(books, bank, transfer, back):
    invoice = books.billed(PRICE)
    order_id = ordered(books, invoice)
    books.pay(invoice["id"], transfer)
    bank.pay(order_id)
    for event_id in ("evt_1", "evt_2"):
        tell(books, order_id, event_id)
    online = WITH_TAX - back
    assert put_on(books) == [(transfer, "BANK_TRANSFER"), *([(online, "ONLINE")] if online else [])]
    assert (returns(books), bank.given_back) == ([(back, "SUCCEEDED")], back)
    assert books.shown(invoice["id"])["outstanding"] == 0


def test_what_comes_for_a_cancelled_invoice_goes_back_whole(books, bank):
    invoice = books.billed(PRICE)
    order_id = ordered(books, invoice)
    assert books.cancel(invoice["id"]).status_code == 200
    bank.pay(order_id)
    tell(books, order_id, "evt_1")
    assert (put_on(books), returns(books), bank.given_back) == ([], [(WITH_TAX, "SUCCEEDED")], WITH_TAX)


def test_two_orders_for_one_invoice_pay_it_once_and_the_second_goes_back(books, bank):
    invoice = books.billed(PRICE)
    orders = [ordered(books, invoice), ordered(books, invoice)]
    for number, order_id in enumerate(orders):
        bank.pay(order_id)
        tell(books, order_id, f"evt_{number}")
    assert (put_on(books), returns(books)) == ([(WITH_TAX, "ONLINE")], [(WITH_TAX, "SUCCEEDED")])


@pytest.mark.parametrize("outcome", ["SUCCEEDED", "FAILED"])
def test_a_return_that_the_provider_has_under_way_is_asked_about_until_it_ends(books, bank, outcome):
    invoice = books.billed(PRICE)
    order_id = ordered(books, invoice)
    books.pay(invoice["id"])
    bank.pay(order_id)
    bank.refunds_are = RefundStatus.PENDING
    tell(books, order_id, "evt_1")
    assert returns(books) == [(WITH_TAX, "PENDING")]
    swept(books)
    assert returns(books) == [(WITH_TAX, "PENDING")]
    [key] = bank.refunds
    bank.decide(key, RefundStatus[outcome])
    swept(books)
    assert (returns(books), len(bank.refunds)) == ([(WITH_TAX, outcome)], 1)
    assert books.value("SELECT failure IS NULL FROM gateway_returns") is (outcome == "SUCCEEDED")


@pytest.mark.parametrize("loses_answers", [False, True])
def test_a_return_while_the_provider_is_down_is_made_by_the_sweep_once(books, bank, loses_answers):
    invoice = books.billed(PRICE)
    order_id = ordered(books, invoice)
    books.pay(invoice["id"], 100_000)
    bank.pay(order_id)
    row_id = str(books.value("SELECT id FROM gateway_orders"))
    with books.app.app_context():
        jobs.run("billing-ask-order", row_id)
    bank.is_down, bank.loses_answers = not loses_answers, loses_answers
    books.work()
    swept(books)
    assert returns(books) == [(100_000, "PENDING")]
    bank.is_down = bank.loses_answers = False
    swept(books)
    assert (returns(books), bank.given_back) == ([(100_000, "SUCCEEDED")], 100_000)


def test_refused_by_the_provider_the_return_fails_and_says_why(books, bank):
    invoice = books.billed(PRICE)
    order_id = ordered(books, invoice)
    books.pay(invoice["id"])
    bank.pay(order_id)
    bank.refuses = "The card is closed."
    tell(books, order_id, "evt_1")
    assert returns(books) == [(WITH_TAX, "FAILED")]
    assert books.value("SELECT failure FROM gateway_returns") == "The card is closed."


def test_killed_between_any_two_commits_the_money_is_put_on_the_invoice_once_and_the_rest_goes_back(books, monkeypatch):
    seams = Seams(monkeypatch)
    bank = MortalBank(seams)
    put_in(monkeypatch, bank)
    number, killed = 0, True
    while killed:
        number += 1
        invoice = books.billed(PRICE)
        order_id = ordered(books, invoice)
        books.pay(invoice["id"], 18_000)
        bank.pay(order_id)
        row_id = str(books.value("SELECT id FROM gateway_orders WHERE order_id = :id", id=order_id))

        def act(row_id=row_id):
            with books.app.app_context():
                jobs.run("billing-ask-order", row_id)
                for row in books.rows("SELECT id FROM gateway_returns WHERE status = 'PENDING'"):
                    jobs.run("billing-return-excess", str(row.id))

        books.bells.clear()
        killed = seams.dies(act, at=number)
        books.bells.clear()
        for _minutes in range(3):
            swept(books)
        assert put_on(books)[-2:] == [(18_000, "BANK_TRANSFER"), (100_000, "ONLINE")]
        assert (returns(books), bank.given_back) == ([(18_000, "SUCCEEDED")] * number, 18_000 * number)
    assert {"before a commit", "after a commit", "before refund", "after refund"} <= set(seams.passed)
    assert issubclass(Killed, BaseException)


# Credits that are bought


@pytest.mark.parametrize(
    ("place", "heads"),
    [
        ({"state_code": "29"}, (90_000, 90_000, 0)),
        ({"state_code": "27"}, (0, 0, 180_000)),
        ({"country": "SG", "state_code": None}, (0, 0, 0)),
    ],
)
def test_bought_credits_have_exactly_one_paid_invoice_with_the_tax_as_charged(books, bank, place, heads):
    with books.app.app_context():
        set_mode(books.id, "SEAT_PACK", **place)
    bought = books.person("owner").post(f"/api/organizations/{books.id}/credits/purchase", {"amount": 1_000_000}).json["purchase"]
    assert books.value("SELECT count(*) FROM invoices") == 0
    bank.pay(bought["gateway"]["orderId"])
    row_id = str(books.value("SELECT id FROM gateway_orders"))
    at_once(books.app, [lambda: jobs.run("billing-ask-order", row_id)] * 8)
    for event_id in ("evt_1", "evt_2"):
        tell(books, bought["gateway"]["orderId"], event_id)
    [invoice] = books.person("owner").get(f"{books.url}/invoices").json["items"]
    assert (invoice["invoiceNumber"], invoice["purpose"], invoice["status"]) == ("PF/26-27/0000001", "PURCHASE", "PAID")
    assert (invoice["cgst"], invoice["sgst"], invoice["igst"]) == heads
    assert (invoice["amount"], invoice["paidAmount"], invoice["outstanding"]) == (bought["payable"], bought["payable"], 0)
    assert (invoice["billingCycleStart"], len(invoice["items"]), invoice["items"][0]["paymentId"]) == (None, 1, None)
    assert put_on(books) == [(bought["payable"], "ONLINE")]
    pdf = books.person("owner").get(invoice["pdfUrl"])
    assert pdf.data.startswith(b"%PDF-")


def test_the_invoice_of_bought_credits_says_the_tax_that_was_charged_also_when_the_organization_moved_meanwhile(books, bank):
    with books.app.app_context():
        set_mode(books.id, "SEAT_PACK")
    bought = books.person("owner").post(f"/api/organizations/{books.id}/credits/purchase", {"amount": 1_000_000}).json["purchase"]
    books.change(state_code="27")
    bank.pay(bought["gateway"]["orderId"])
    tell(books, bought["gateway"]["orderId"], "evt_1")
    [invoice] = books.person("owner").get(f"{books.url}/invoices").json["items"]
    assert (invoice["cgst"], invoice["sgst"], invoice["igst"]) == (90_000, 90_000, 0)
    assert books.value("SELECT tax_kind FROM invoices") == "INTRA", "it goes with the heads"
    note = books.credit(invoice["id"], amount=100_000)
    assert note.status_code == 201, note.text
    assert (note.json["creditNote"]["cgst"], note.json["creditNote"]["igst"]) == (9_000, 0)


def test_the_sandboxs_own_webhook_for_credits_makes_one_invoice(books):
    with books.app.app_context():
        set_mode(books.id, "SEAT_PACK")
    bought = books.person("owner").post(f"/api/organizations/{books.id}/credits/purchase", {"amount": 1_000_000}).json["purchase"]
    books.app.test_client().post(f"/sandbox/pay/{bought['gateway']['orderId']}", data={"outcome": "succeeded"})
    told = [bell.ids for bell in books.bells if bell.name == "sandbox-send-webhook"]
    books.work()
    for ids in told:
        deliver(books.app, *ids)
    books.work()
    assert books.value("SELECT count(*) FROM invoices") == 1
    assert books.value("SELECT count(*) FROM invoice_mails WHERE occasion = 'ISSUED'") == 1
