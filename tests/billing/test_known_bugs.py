"""What went wrong in other billing systems, one test each: it goes right here, and everything still reconciles afterwards."""

from datetime import UTC, datetime, timedelta

import pytest

from portal import clock, config, db
from portal.audit.rules import SYSTEM
from portal.billing.rules.gst import Place
from portal.billing.schemas import CreditNoteIn
from portal.billing.service import credit_notes
from portal.money import half_up
from tests.support.desk import Desk
from tests.support.together import at_once

NOVEMBER = datetime(2026, 11, 1, tzinfo=UTC)
PRICE = 100_000


@pytest.fixture
def held(tmp_path):
    """The file that the clock reads, in every thread."""
    path = tmp_path / "clock"
    clock.read_from(path)
    yield path
    clock.read_from(None)


@pytest.fixture
def desk(rung, app, held):
    """An organization in the supplier's state."""
    made = Desk(app, held)
    yield made
    made.assert_reconciled()


@pytest.fixture
def far_desk(rung, app, held):
    """An organization in another state."""
    made = Desk(app, held, state="33")
    yield made
    made.assert_reconciled()


def tax_of(document: dict) -> tuple[int, int, int]:
    return document["cgst"], document["sgst"], document["igst"]


@pytest.mark.parametrize("is_paid", [False, True])
@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1), (1, 2, 0)])
def test_notes_per_item_do_not_sum_to_a_paisa_more_than_the_invoice(desk, order, is_paid):
    desk.book(106, 106, 106)  # 9.54 on each, 28.62 on all: 29, and not 3 × 10
    invoice = desk.issue()
    assert tax_of(invoice) == (29, 29, 0)
    if is_paid:
        desk.pay(invoice)
    notes = [desk.credit(invoice, items=[{"invoiceLineId": invoice["items"][line]["id"], "amount": 106}]) for line in order]
    assert [tax_of(note) for note in notes] == [(10, 10, 0), (9, 9, 0), (10, 10, 0)]
    assert sum(note["amount"] for note in notes) == invoice["amount"] == 376
    assert all(sum(item["cgst"] for item in note["items"]) == note["cgst"] for note in notes)
    assert desk.get()["openCredit"] == (376 if is_paid else 0)


def test_tax_is_rounded_and_not_truncated(desk):
    desk.book(106)
    invoice = desk.issue()
    assert (tax_of(invoice), invoice["amount"]) == ((10, 10, 0), 126)
    assert tax_of(desk.credit(invoice, amount=50)) == (5, 5, 0)  # 4.50


def test_the_halves_are_rounded_each_and_not_the_total(desk):
    desk.book(105)  # 9 % is 9.45; 18 % would be 18.90
    invoice = desk.issue()
    assert (tax_of(invoice), invoice["taxAmount"], invoice["amount"]) == ((9, 9, 0), 18, 123)


def test_between_states_the_total_is_rounded(far_desk):
    far_desk.book(105)
    invoice = far_desk.issue()
    assert (tax_of(invoice), invoice["taxAmount"], invoice["amount"]) == ((0, 0, 19), 19, 124)


def test_tax_is_rounded_on_the_sum_and_not_line_by_line(far_desk):
    far_desk.book(101, 101, 101, 101)  # 18.18 each, 72.72 on all
    assert tax_of(far_desk.issue()) == (0, 0, 73)


def test_a_void_credits_once_whoever_voids_at_the_same_moment(desk):
    desk.book(PRICE)
    invoice = desk.issue()
    note = desk.credit(invoice, amount=40_000)
    assert desk.invoice(invoice["id"])["outstanding"] == 70_800
    admin, path = desk.caller(desk.admin), f"/api/admin/credit-notes/{note['id']}/void"
    answers, _refusals = at_once(desk.app, [lambda: admin.post(path, {"reason": "A mistake"}).status_code] * 8)
    assert sorted(answers) == [200, *[409] * 7]
    assert (desk.invoice(invoice["id"])["outstanding"], desk.get()["openCredit"]) == (118_000, 0)
    [shown] = desk.notes()
    assert (shown["status"], shown["settledAmount"], shown["openAmount"]) == ("VOID", 0, 0)


def test_a_note_that_failed_and_one_that_was_voided_credit_nothing(desk, monkeypatch):
    desk.book(PRICE)
    invoice = desk.issue()
    desk.pay(invoice)
    with monkeypatch.context() as patched:
        patched.setattr("portal.billing.service.credit_notes.documents.announce_credit_note", lambda _note: 1 // 0)
        data = CreditNoteIn(amount=40_000, reason="Wrong price", reason_code="CORRECTION")
        with pytest.raises(ZeroDivisionError), desk.app.app_context(), db.unit_of_work():
            credit_notes.issue_by_hand(invoice["id"], data, actor=SYSTEM)
    assert (desk.notes(), desk.get()["openCredit"]) == ([], 0)
    note = desk.credit(invoice, amount=40_000)
    assert note["creditNoteNumber"] == "PFCN/26-27/00001", "the failed one left no gap"
    assert desk.get()["openCredit"] == 47_200
    desk.void(note)
    assert desk.get()["openCredit"] == 0
    desk.book(PRICE)
    assert desk.issue()["appliedCredit"] == 0


@pytest.mark.parametrize("is_paid", [False, True])
def test_after_the_last_line_is_credited_the_invoice_is_in_a_legal_state(desk, is_paid):
    desk.book(PRICE, 333)
    invoice = desk.issue()
    if is_paid:
        desk.pay(invoice)
    for item in invoice["items"]:
        desk.credit(invoice, items=[{"invoiceLineId": item["id"], "amount": item["taxableAmount"]}])
    after = desk.invoice(invoice["id"])
    assert (after["status"], after["outstanding"], after["amount"]) == ("PAID", 0, invoice["amount"])
    assert after["creditedAmount"] == (0 if is_paid else invoice["amount"])
    assert after["items"] == invoice["items"]
    desk.credit(invoice, amount=1, status=409)
    desk.pay(invoice, 1, status=409)
    desk.cancel(invoice, status=409)
    desk.be(desk.now + timedelta(days=60))
    assert desk.invoice(invoice["id"])["status"] == "PAID"
    assert desk.get()["outstanding"] == {"amount": 0, "invoiceCount": 0}


@pytest.mark.parametrize("is_paid", [False, True])
@pytest.mark.parametrize("part", [None, 40_000])
def test_a_credited_line_is_not_billed_again_next_month(desk, is_paid, part):
    [payment] = desk.book(PRICE)
    [invoice] = desk.run_month(NOVEMBER)
    if is_paid:
        desk.pay(invoice)
    desk.refund(payment, part)
    assert desk.get("/preview")["invoice"] is None
    [new] = desk.book(333)
    assert len(desk.run_month(datetime(2026, 12, 1, tzinfo=UTC))) == 2
    assert [item["paymentId"] for item in desk.invoices()[1]["items"]] == [new]
    assert len(desk.run_month(datetime(2027, 1, 1, tzinfo=UTC))) == 2


@pytest.mark.parametrize("use", ["applied", "paid out"])
def test_a_used_note_is_not_voided(desk, use):
    desk.book(PRICE)
    invoice = desk.issue()
    desk.pay(invoice)
    note = desk.credit(invoice, amount=40_000)
    if use == "applied":
        desk.book(333)
        assert desk.issue()["appliedCredit"] == 393
    else:
        desk.pay_out(1)
    before = desk.get(), desk.notes(), desk.invoices()
    desk.void(note, status=409)
    assert (desk.get(), desk.notes(), desk.invoices()) == before


def test_a_note_of_a_refund_is_not_voided(desk):
    [payment] = desk.book(PRICE)
    desk.issue()
    note = desk.refund(payment, 1)["creditNote"]
    desk.void(note, status=409)
    assert desk.notes() == [note]


def test_a_note_lowers_what_is_outstanding_everywhere(desk):
    desk.book(PRICE, PRICE)
    invoice = desk.issue()
    desk.pay(invoice, 36_000)
    note = desk.credit(invoice, amount=50_000)
    after = desk.invoice(invoice["id"])
    assert (note["kind"], note["settledAmount"], note["openAmount"]) == ("CREDIT", 59_000, 0)
    assert (after["outstanding"], after["creditedAmount"], after["paidAmount"]) == (141_000, 59_000, 36_000)
    summary = desk.get()
    assert summary["outstanding"] == {"amount": 141_000, "invoiceCount": 1}
    assert (summary["netBalance"], summary["exposure"]) == (141_000, 141_000)
    assert desk.get("/statement")["closing"] == 141_000
    desk.pay(invoice, 141_001, status=409)
    desk.pay(invoice, 141_000)
    assert desk.invoice(invoice["id"])["status"] == "PAID"


def test_half_a_paisa_is_rounded_the_same_way_back_as_forth(desk):
    assert (half_up(9, 2), half_up(-9, 2)) == (5, -5)
    place = Place(supplier_state="29", buyer_state="29")
    assert (place.tax(150).cgst, place.tax(-150).cgst) == (14, -14)  # 13.50
    desk.book(150)
    invoice = desk.issue()
    desk.pay(invoice)
    assert tax_of(desk.credit(invoice, amount=150)) == tax_of(invoice) == (14, 14, 0)
    assert desk.get()["openCredit"] == invoice["amount"]


def test_a_partly_used_credit_is_applied_only_with_what_is_left(desk):
    desk.book(PRICE)
    invoice = desk.issue()
    desk.pay(invoice)
    desk.credit(invoice, amount=PRICE)
    desk.pay_out(18_000)
    desk.book(50_000)
    second = desk.issue()
    assert (second["appliedCredit"], second["outstanding"], second["status"]) == (59_000, 0, "PAID")
    desk.book(PRICE)
    third = desk.issue()
    assert (third["appliedCredit"], third["outstanding"], third["status"]) == (41_000, 77_000, "SENT")
    [note] = desk.notes()
    assert (note["appliedAmount"], note["paidOutAmount"], note["openAmount"], note["status"]) == (100_000, 18_000, 0, "APPLIED")
    desk.pay_out(1, status=409)


@pytest.mark.parametrize("is_billed", [False, True])
def test_two_refunds_of_60_on_100_at_once_give_60_back(desk, is_billed):
    [payment] = desk.book(100)
    if is_billed:
        desk.pay(desk.issue())
    admin = desk.caller(desk.admin)
    body = {"paymentId": payment, "amount": 60}
    answers, _refusals = at_once(desk.app, [lambda: admin.post("/api/payments/refunds", body).status_code] * 32)
    assert sorted(answers) == [200, *[409] * 31]
    assert [note["taxableAmount"] for note in desk.notes()] == ([60] if is_billed else [])
    desk.refund(payment, 41, status=409)
    desk.refund(payment, 40)


def test_a_partial_refund_returns_only_its_part_of_the_tax(desk):
    [payment] = desk.book(PRICE)
    invoice = desk.issue()
    desk.pay(invoice)
    note = desk.refund(payment, 40_000)["creditNote"]
    assert (note["taxableAmount"], tax_of(note), note["amount"]) == (40_000, (3_600, 3_600, 0), 47_200)
    rest = desk.refund(payment)["creditNote"]
    assert (rest["taxableAmount"], tax_of(rest), rest["amount"]) == (60_000, (5_400, 5_400, 0), 70_800)


def test_what_was_refunded_is_not_refunded_again(desk):
    [payment] = desk.book(PRICE)
    desk.pay(desk.issue())
    first = desk.refund(payment, 60_000, key="once")
    assert desk.refund(payment, 60_000, key="once") == first
    desk.refund(payment, 60_000, status=409)
    desk.refund(payment)
    desk.refund(payment, status=409)
    desk.refund(payment, 1, status=409)
    assert sum(note["taxableAmount"] for note in desk.notes()) == PRICE
    assert desk.get()["openCredit"] == 118_000


@pytest.mark.parametrize("part", [None, 1])
def test_after_a_refund_the_invoice_is_not_cancelled(desk, part):
    [payment, _other] = desk.book(PRICE, 333)
    invoice = desk.issue()
    desk.refund(payment, part)
    before = desk.get(), desk.invoices()
    desk.cancel(invoice, status=409)
    assert (desk.get(), desk.invoices()) == before


@pytest.mark.parametrize("late", [timedelta(), timedelta(hours=7), timedelta(days=6), timedelta(days=29, hours=23)])
def test_a_job_that_runs_late_bills_the_same_month(desk, late):
    [october] = desk.book(PRICE)
    desk.be(NOVEMBER)
    desk.book(333)
    [invoice] = desk.run_month(NOVEMBER + late)
    assert [item["paymentId"] for item in invoice["items"]] == [october]
    assert (invoice["billingCycleStart"], invoice["billingCycleEnd"]) == ("2026-10-01T00:00:00Z", "2026-11-01T00:00:00Z")
    assert invoice["issueDate"] == (NOVEMBER + late + timedelta(hours=5, minutes=30)).date().isoformat()
    [_first, second] = desk.run_month(datetime(2026, 12, 1, tzinfo=UTC))
    assert (second["billingCycleStart"], second["billingCycleEnd"]) == ("2026-11-01T00:00:00Z", "2026-12-01T00:00:00Z")
    assert second["taxableAmount"] == 333


@pytest.mark.parametrize("year", [2027, 2028])
def test_a_month_after_30_january_is_the_next_month(desk, year):
    desk.be(datetime(year, 1, 30, 12, 0, tzinfo=UTC))
    desk.book(PRICE)
    by_hand = desk.issue()
    assert by_hand["billingCycleStart"] == f"{year}-01-01T00:00:00Z"
    assert by_hand["dueDate"] == (datetime(year, 1, 30, tzinfo=UTC) + timedelta(days=30)).date().isoformat()
    desk.book(333)
    [_by_hand, rest] = desk.run_month(datetime(year, 2, 1, tzinfo=UTC))
    assert (rest["billingCycleStart"], rest["billingCycleEnd"]) == (by_hand["billingCycleEnd"], f"{year}-02-01T00:00:00Z")
    desk.book(334)
    assert len(desk.run_month(datetime(year, 2, 28, 23, 59, tzinfo=UTC))) == 2
    last = desk.run_month(datetime(year, 3, 1, tzinfo=UTC))[-1]
    assert (last["billingCycleStart"], last["billingCycleEnd"]) == (f"{year}-02-01T00:00:00Z", f"{year}-03-01T00:00:00Z")
    assert last["taxableAmount"] == 334


def test_a_booking_a_minute_past_midnight_is_the_new_months(desk):
    desk.be(NOVEMBER - timedelta(minutes=1))
    [before] = desk.book(100)
    desk.be(NOVEMBER)
    [on_it] = desk.book(333)
    desk.be(NOVEMBER + timedelta(minutes=1))
    [after] = desk.book(334)
    [october] = desk.run_month(NOVEMBER + timedelta(minutes=2))
    assert [item["paymentId"] for item in october["items"]] == [before]
    [_october, november] = desk.run_month(datetime(2026, 12, 1, tzinfo=UTC))
    assert {item["paymentId"] for item in november["items"]} == {on_it, after}


def test_in_the_instant_of_a_booking_its_invoice_can_be_issued_and_the_next_one_too(desk):
    """Clocks are coarse, and ``CLOCK_FILE`` holds them still: a period is half-open, and nothing of its last instant gets lost."""
    owner, path = desk.caller(desk.company.owner), f"{desk.path}/generate-invoice"
    issued = []
    for price in (PRICE, 333, 334):
        [payment] = desk.book(price)
        preview = desk.get("/preview")["invoice"]
        answer = owner.post(path, {})
        assert answer.status_code == 201, answer.text
        issued.append(answer.json["invoice"])
        assert [item["paymentId"] for item in issued[-1]["items"]] == [payment] == [item["paymentId"] for item in preview["items"]]
        assert preview["billingCycleEnd"] == issued[-1]["billingCycleEnd"]
    assert [invoice["billingCycleStart"] for invoice in issued[1:]] == [invoice["billingCycleEnd"] for invoice in issued[:-1]]
    answer = owner.post(path, {})
    assert (answer.status_code, answer.json["code"]) == (400, "NO_UNBILLED_PAYMENTS")
    desk.be(desk.now + timedelta(hours=1))
    desk.book(335)
    desk.be(desk.now + timedelta(hours=1))
    assert desk.caller(desk.company.owner).post(path, {}).json["invoice"]["billingCycleEnd"] == desk.now.isoformat().replace("+00:00", "Z")


def test_a_seller_with_a_new_gstin_begins_its_own_series_and_the_old_numbers_stay(desk):
    desk.book(PRICE)
    first = desk.issue()
    desk.pay(first)
    desk.credit(first, amount=1)
    before = config.current()
    config.use(before.model_copy(update={"supplier_gstin": "29AAGCB7383J1Z4"}))
    try:
        desk.book(333)
        second = desk.issue()
        desk.credit(second, amount=1)
        desk.assert_reconciled()
    finally:
        config.use(before)
    assert second["invoiceNumber"] == first["invoiceNumber"] == "PF/26-27/0000001"
    desk.book(334)
    assert desk.issue()["invoiceNumber"] == "PF/26-27/0000002"
