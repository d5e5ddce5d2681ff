"""Credit notes through the API: what a refund or a platform admin's decision does to an invoice, and where the credit goes."""

import pytest

from portal import db
from portal.accounts.rules import PlatformRole
from portal.billing.rules import ReasonCode
from portal.billing.schemas import CreditNoteIn, CreditPayoutIn, RefundIn
from portal.billing.service import credit_notes, invoices, refunds
from portal.errors import DomainError
from portal.orgs.rules import Role
from tests.support import world
from tests.support.books import PRICE, open_books
from tests.support.together import at_once

WITH_TAX = 118_000
NOBODY = "0199a000-0000-7000-8000-000000000000"


@pytest.fixture
def books(rung, app, monkeypatch):
    """The organization, before its first booking; its sums must be right at the end."""
    made = open_books(app, rung, monkeypatch)
    yield made
    assert made.differences() == []


def took(answer, status: int = 200) -> dict:
    """The credit note of an answer."""
    assert answer.status_code == status, answer.text
    return answer.json["creditNote"]


def refused(answer, status: int, code: str, **extra: object) -> None:
    """An answer that says no, and why."""
    assert (answer.status_code, answer.json.get("code")) == (status, code), answer.text
    assert {name: answer.json[name] for name in extra} == extra


def parts(note: dict) -> tuple[int, int, int, int]:
    """Settled, applied, paid out, open."""
    return note["settledAmount"], note["appliedAmount"], note["paidOutAmount"], note["openAmount"]


def put_on(invoice: dict) -> tuple[int, int, int, int]:
    """Paid, credited, applied, outstanding."""
    return invoice["paidAmount"], invoice["creditedAmount"], invoice["appliedCredit"], invoice["outstanding"]


def open_credit(books, *taxable: int) -> list[dict]:
    """Notes of so much each before GST, all of it open: each on an invoice of its own that was paid."""
    bought = [books.billed(amount) for amount in taxable]
    assert [books.pay(invoice["id"]).status_code for invoice in bought] == [201] * len(bought)
    return [took(books.credit(invoice["id"], amount=amount), 201) for invoice, amount in zip(bought, taxable, strict=True)]


def in_one(act):
    """An act in a transaction of its own."""

    def run():
        with db.unit_of_work():
            return act()

    return run


# Refunds of what was billed


def test_a_full_refund_on_an_unpaid_invoice_is_an_adjustment_and_unbills_the_payment(books):
    invoice = books.billed(PRICE, 50_000)
    line = invoice["items"][0]
    note = took(books.refund(line["paymentId"]))
    assert (note["kind"], note["status"], note["creditNoteNumber"]) == ("ADJUSTMENT", "APPLIED", "PFCN/26-27/00001")
    assert (note["originalInvoiceId"], note["originalInvoiceNumber"]) == (invoice["id"], invoice["invoiceNumber"])
    assert (note["taxableAmount"], note["cgst"], note["sgst"], note["igst"], note["amount"]) == (PRICE, 9_000, 9_000, 0, WITH_TAX)
    assert (parts(note), note["reasonCode"]) == ((WITH_TAX, 0, 0, 0), "REFUND")
    assert [(item["invoiceLineId"], item["paymentId"], item["taxableAmount"]) for item in note["items"]] == [
        (line["id"], line["paymentId"], PRICE)
    ]
    assert put_on(books.shown(invoice["id"])) == (0, WITH_TAX, 0, 59_000)
    unbilled = "SELECT billable_to_org_invoice_id, settled_at IS NOT NULL, refunded_amount FROM payments WHERE id = :id"
    assert tuple(books.rows(unbilled, id=line["paymentId"])[0]) == (None, True, PRICE)
    assert books.value("SELECT released_at IS NOT NULL FROM invoice_lines WHERE id = :id", id=line["id"]) is True
    assert books.summary()["pendingCharges"] == {"amount": 0, "paymentCount": 0}
    assert {item["id"]: item["taxableAmount"] for item in books.shown(invoice["id"])["items"]} == {
        item["id"]: item["taxableAmount"] for item in invoice["items"]
    }
    refused(books.refund(line["paymentId"]), 409, "NOTHING_LEFT")


def test_what_was_unbilled_by_a_refund_is_never_billed_again(books):
    invoice = books.billed(PRICE)
    books.refund(invoice["items"][0]["paymentId"])
    refused(books.person("owner").post(f"{books.url}/generate-invoice", {}), 400, "NO_UNBILLED_PAYMENTS")
    later = books.billed(70_000)
    assert [item["taxableAmount"] for item in later["items"]] == [70_000]


def test_a_partial_refund_on_an_unpaid_invoice_adjusts_it_and_the_payment_stays_billed_for_the_rest(books):
    invoice = books.billed(PRICE)
    payment_id = invoice["items"][0]["paymentId"]
    note = took(books.refund(payment_id, 60_000))
    assert (note["kind"], note["amount"], parts(note)) == ("ADJUSTMENT", 70_800, (70_800, 0, 0, 0))
    billed_on = "SELECT billable_to_org_invoice_id::text FROM payments WHERE id = :id"
    assert books.value(billed_on, id=payment_id) == invoice["id"]
    assert put_on(books.shown(invoice["id"])) == (0, 70_800, 0, 47_200)
    rest = took(books.refund(payment_id))
    assert (rest["kind"], rest["amount"], rest["creditNoteNumber"]) == ("ADJUSTMENT", 47_200, "PFCN/26-27/00002")
    assert books.value(billed_on, id=payment_id) is None
    shown = books.shown(invoice["id"])
    assert (shown["status"], shown["outstanding"]) == ("PAID", 0)


def test_a_refund_on_an_invoice_part_paid_by_money_settles_first_and_the_rest_is_open(books):
    invoice = books.billed(PRICE)
    books.pay(invoice["id"], 100_000)
    payment_id = invoice["items"][0]["paymentId"]
    note = took(books.refund(payment_id))
    assert (note["kind"], note["status"], parts(note)) == ("CREDIT", "ISSUED", (18_000, 0, 0, 100_000))
    assert put_on(books.shown(invoice["id"])) == (100_000, 18_000, 0, 0)
    assert books.value("SELECT billable_to_org_invoice_id::text FROM payments WHERE id = :id", id=payment_id) == invoice["id"]
    figures = books.summary()
    assert (figures["openCredit"], figures["netBalance"], figures["exposure"]) == (100_000, -100_000, -100_000)


def test_a_refund_on_an_invoice_part_paid_by_credit_from_elsewhere_is_a_credit_too(books):
    [first] = open_credit(books, 10_000)
    invoice = books.billed(PRICE)
    assert put_on(books.shown(invoice["id"])) == (0, 0, 11_800, 106_200)
    note = took(books.refund(invoice["items"][0]["paymentId"]))
    assert (note["kind"], parts(note)) == ("CREDIT", (106_200, 0, 0, 11_800))
    assert parts(books.note(first["id"])) == (0, 11_800, 0, 0)
    assert put_on(books.shown(invoice["id"])) == (0, 106_200, 11_800, 0)


def test_a_refund_on_a_paid_invoice_is_open_credit_and_the_payment_stays_on_it(books):
    invoice = books.billed(PRICE, 50_000)
    books.pay(invoice["id"])
    note = took(books.refund(invoice["items"][0]["paymentId"], 25_001))
    assert (note["kind"], note["status"]) == ("CREDIT", "ISSUED")
    assert (note["taxableAmount"], note["cgst"], note["sgst"]) == (25_001, 2_250, 2_250)
    assert parts(note) == (0, 0, 0, note["amount"])
    shown = books.shown(invoice["id"])
    assert (shown["status"], put_on(shown)) == ("PAID", (177_000, 0, 0, 0))
    assert books.value("SELECT count(*) FROM payments WHERE billable_to_org_invoice_id IS NOT NULL") == 2


def test_a_refund_first_adjusts_and_after_a_payment_credits(books):
    invoice = books.billed(PRICE)
    payment_id = invoice["items"][0]["paymentId"]
    kinds = [took(books.refund(payment_id, 30_000))["kind"]]
    books.pay(invoice["id"], 50_000)
    kinds += [took(books.refund(payment_id, 30_000))["kind"], took(books.refund(payment_id))["kind"]]
    assert kinds == ["ADJUSTMENT", "CREDIT", "CREDIT"]
    notes = books.rows("SELECT sum(taxable_amount), sum(cgst), sum(sgst), sum(amount), sum(open_amount) FROM credit_notes")
    assert tuple(map(int, notes[0])) == (PRICE, 9_000, 9_000, WITH_TAX, 50_000)
    assert put_on(books.shown(invoice["id"])) == (50_000, 68_000, 0, 0)


def test_a_refund_above_what_notes_by_hand_have_left_of_its_line_is_refused_and_nothing_is_given_back(books):
    invoice = books.billed(PRICE)
    line = invoice["items"][0]
    took(books.credit(invoice["id"], items=[{"invoiceLineId": line["id"], "amount": 40_000}]), 201)
    refused(books.refund(line["paymentId"]), 409, "ABOVE_LINE", left=60_000)
    assert books.value("SELECT claimed_amount + refunded_amount FROM payments WHERE id = :id", id=line["paymentId"]) == 0
    assert books.value("SELECT count(*) FROM refunds") == 0
    assert took(books.refund(line["paymentId"], 60_000))["taxableAmount"] == 60_000
    assert books.shown(invoice["id"])["outstanding"] == 0


# By hand


def test_one_amount_is_spread_over_what_is_left_of_the_lines(books):
    invoice = books.billed(PRICE, 50_000, 30_000)
    first, second, third = (item["id"] for item in invoice["items"])
    took(books.credit(invoice["id"], items=[{"invoiceLineId": second, "amount": 50_000}]), 201)
    note = took(books.credit(invoice["id"], amount=13_000, reason="A late start", reasonCode="SERVICE_DEFICIENCY"), 201)
    assert {item["invoiceLineId"]: item["taxableAmount"] for item in note["items"]} == {first: 10_000, third: 3_000}
    assert (note["reason"], note["reasonCode"], note["kind"]) == ("A late start", "SERVICE_DEFICIENCY", "ADJUSTMENT")
    assert sum(item["cgst"] for item in note["items"]) == note["cgst"] == 1_170
    assert books.shown(invoice["id"])["outstanding"] == invoice["amount"] - 59_000 - 15_340


def test_crediting_everything_in_odd_steps_by_hand_reverses_exactly_the_tax(books):
    invoice = books.billed(33_333, 33_333, 33_334)
    for step in (1, 10, 33_333, 7, 66_649):
        took(books.credit(invoice["id"], amount=step), 201)
    sums = books.rows("SELECT sum(taxable_amount), sum(cgst), sum(sgst), sum(amount) FROM credit_notes")[0]
    assert tuple(map(int, sums)) == (100_000, invoice["cgst"], invoice["sgst"], invoice["amount"])
    refused(books.credit(invoice["id"], amount=1), 409, "ABOVE_INVOICE", left=0)
    shown = books.shown(invoice["id"])
    assert (shown["status"], shown["outstanding"], shown["creditedAmount"]) == ("PAID", 0, invoice["amount"])


def test_by_hand_above_the_invoice_or_a_line_or_on_a_wrong_line_is_refused_with_what_is_left(books):
    invoice, other = books.billed(PRICE, 50_000), books.billed(PRICE)
    line, foreign = invoice["items"][0]["id"], other["items"][0]["id"]
    refused(books.credit(invoice["id"], amount=150_001), 409, "ABOVE_INVOICE", left=150_000)
    refused(books.credit(invoice["id"], items=[{"invoiceLineId": line, "amount": 100_001}]), 409, "ABOVE_LINE", left=100_000)
    for unknown in (foreign, NOBODY, "nonsense"):
        refused(books.credit(invoice["id"], items=[{"invoiceLineId": unknown, "amount": 1}]), 400, "LINE_UNKNOWN")
    refused(books.credit(invoice["id"], items=[{"invoiceLineId": line, "amount": 1}] * 2), 400, "LINE_TWICE")
    for wrong in (NOBODY, "nonsense", books.id, line):
        refused(books.credit(wrong, amount=1), 404, "INVOICE_NOT_FOUND")
    assert books.value("SELECT count(*) FROM credit_notes") == 0
    assert books.value("SELECT count(*) FROM document_series WHERE series = 'PFCN'") == 0, "no number was used up"


SENSELESS = [
    {},
    {"amount": 0},
    {"amount": -1},
    {"amount": 1.5},
    {"amount": "100"},
    {"amount": True},
    {"amount": 10**30},
    {"amount": 1, "items": [{"invoiceLineId": NOBODY, "amount": 1}]},
    {"items": []},
    {"items": [{"invoiceLineId": NOBODY, "amount": 0}]},
    {"items": [{"invoiceLineId": NOBODY, "amount": -5}]},
    {"amount": 1, "reasonCode": "BECAUSE"},
    {"amount": 1, "reason": "x"},
    {"amount": 1, "reason": "x" * 501},
    {"amount": 1, "kind": "CREDIT"},
]


def test_a_body_that_makes_no_sense_is_a_400_and_nothing_is_issued(books):
    invoice = books.billed()
    answers = {str(body): books.credit(invoice["id"], **body).status_code for body in SENSELESS}
    assert {body: status for body, status in answers.items() if status != 400} == {}
    assert books.value("SELECT count(*) FROM credit_notes") == 0


def test_nothing_of_a_cancelled_invoice_is_credited(books):
    invoice = books.billed()
    assert books.cancel(invoice["id"]).status_code == 200
    refused(books.credit(invoice["id"], amount=1), 409, "INVOICE_CANCELLED")


def test_the_same_key_makes_one_note(books):
    invoice = books.billed()
    body = {"amount": 1_000, "reason": "The room was loud", "reasonCode": "OTHER"}
    path = f"/api/admin/invoices/{invoice['id']}/credit-notes"
    first, again = (books.person("admin").post(path, body, key="one note") for _twice in range(2))
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json["creditNote"]["id"] == again.json["creditNote"]["id"]
    assert books.value("SELECT count(*) FROM credit_notes") == 1


@pytest.mark.parametrize(
    ("place", "heads"),
    [
        ({"state_code": "27"}, (0, 0, 180)),
        ({"state_code": "29", "is_sez": True}, (0, 0, 180)),
        ({"country": "SG", "state_code": None}, (0, 0, 0)),
    ],
)
def test_a_note_reverses_the_originals_kind_of_tax_also_after_the_organization_moved(books, place, heads):
    books.change(**place)
    invoice = books.billed(PRICE)
    books.change(country="IN", state_code="29", is_sez=False)
    note = took(books.credit(invoice["id"], amount=1_000), 201)
    assert (note["cgst"], note["sgst"], note["igst"]) == heads


# Voiding


def test_a_voided_note_is_owed_again(books):
    invoice = books.billed()
    note = took(books.credit(invoice["id"], amount=PRICE), 201)
    assert books.shown(invoice["id"])["status"] == "PAID"
    voided = took(books.void(note["id"]))
    assert (voided["status"], parts(voided), voided["amount"]) == ("VOID", (0, 0, 0, 0), WITH_TAX)
    shown = books.shown(invoice["id"])
    assert (shown["status"], put_on(shown)) == ("SENT", (0, 0, 0, WITH_TAX))
    refused(books.void(note["id"]), 409, "CREDIT_NOTE_VOID")
    assert books.summary()["outstanding"] == {"amount": WITH_TAX, "invoiceCount": 1}
    assert took(books.credit(invoice["id"], amount=PRICE), 201)["amount"] == WITH_TAX


def test_a_voided_credit_is_open_no_longer(books):
    [note] = open_credit(books, 10_000)
    assert books.summary()["openCredit"] == 11_800
    assert parts(took(books.void(note["id"]))) == (0, 0, 0, 0)
    assert books.summary()["openCredit"] == 0
    assert "appliedCredit" in books.billed()
    assert books.value("SELECT count(*) FROM credit_movements") == 0


def test_what_was_applied_or_paid_out_or_belongs_to_a_refund_is_not_voided(books):
    paid_out, applied = open_credit(books, 10_000, 20_000)
    assert books.pay_out(11_800).status_code == 201
    refused(books.void(paid_out["id"]), 409, "CREDIT_NOTE_USED")
    invoice = books.billed(6_000)
    assert put_on(books.shown(invoice["id"]))[2:] == (7_080, 0)
    assert parts(books.note(applied["id"])) == (0, 7_080, 0, 16_520)
    refused(books.void(applied["id"]), 409, "CREDIT_NOTE_USED")
    of_refund = took(books.refund(books.billed()["items"][0]["paymentId"]))
    refused(books.void(of_refund["id"]), 409, "CREDIT_NOTE_OF_REFUND")
    for unknown in (NOBODY, "nonsense", invoice["id"]):
        refused(books.void(unknown), 404, "CREDIT_NOTE_NOT_FOUND")
    assert books.value("SELECT count(*) FROM credit_notes WHERE status = 'VOID'") == 0


def test_an_invoice_whose_notes_were_all_voided_can_be_cancelled(books):
    invoice = books.billed()
    note = took(books.credit(invoice["id"], amount=1_000), 201)
    refused(books.cancel(invoice["id"]), 409, "INVOICE_IN_USE")
    books.void(note["id"])
    assert books.cancel(invoice["id"]).json["invoice"]["status"] == "CANCELLED"
    assert books.billed(50_000)["items"][0]["paymentId"] == invoice["items"][0]["paymentId"]


# Open credit


def test_open_credit_goes_onto_the_next_invoice_oldest_first(books):
    first, second, third = open_credit(books, 10_000, 20_000, 30_000)
    invoice = books.billed(40_000)
    assert put_on(books.shown(invoice["id"])) == (0, 0, 47_200, 0)
    assert [parts(books.note(note["id"])) for note in (first, second, third)] == [
        (0, 11_800, 0, 0),
        (0, 23_600, 0, 0),
        (0, 11_800, 0, 23_600),
    ]
    assert [books.note(note["id"])["status"] for note in (first, second, third)] == ["APPLIED", "APPLIED", "ISSUED"]
    assert (books.shown(invoice["id"])["status"], books.summary()["openCredit"]) == ("PAID", 23_600)


def test_credit_above_the_next_invoice_stays_open_for_the_one_after(books):
    [note] = open_credit(books, PRICE)
    small, smaller, last = books.billed(30_000), books.billed(20_000), books.billed(PRICE)
    assert [put_on(books.shown(each["id"]))[2:] for each in (small, smaller, last)] == [(35_400, 0), (23_600, 0), (59_000, 59_000)]
    assert parts(books.note(note["id"])) == (0, WITH_TAX, 0, 0)


def test_a_payout_takes_the_oldest_credit_first_and_never_more_than_is_open(books):
    first, second = open_credit(books, 10_000, 20_000)
    refused(books.pay_out(35_401), 409, "ABOVE_OPEN_CREDIT", left=35_400)
    answer = books.pay_out(15_000)
    assert answer.status_code == 201
    assert answer.json["creditPayout"] == {
        "amount": 15_000,
        "reference": "NEFT 9",
        "openCredit": 20_400,
        "creditNotes": [{"creditNoteId": first["id"], "amount": 11_800}, {"creditNoteId": second["id"], "amount": 3_200}],
    }
    assert [parts(books.note(note["id"])) for note in (first, second)] == [(0, 0, 11_800, 0), (0, 0, 3_200, 20_400)]
    assert books.pay_out(20_400).status_code == 201
    refused(books.pay_out(1), 409, "ABOVE_OPEN_CREDIT", left=0)
    statement = books.person("owner").get(f"{books.url}/statement").json
    assert sum(entry["debit"] for entry in statement["entries"] if entry["type"] == "CREDIT_PAYOUT") == 35_400
    assert statement["closing"] == 0


# At once


def test_two_refunds_of_sixty_on_a_hundred_at_once_credit_sixty(books):
    payment_id = books.billed(PRICE)["items"][0]["paymentId"]
    refund = in_one(lambda: refunds.refund(RefundIn(payment_id=payment_id, amount=60_000), actor=world.SYSTEM).amount)
    answers, refusals = at_once(books.app, [refund] * 32)
    assert answers == [60_000]
    assert {refusal.code for refusal in refusals} == {"ABOVE_WHAT_IS_LEFT"}
    assert books.rows("SELECT taxable_amount, number FROM credit_notes") == [(60_000, "PFCN/26-27/00001")]


def test_notes_by_hand_at_once_never_exceed_the_invoice_and_their_numbers_have_no_gap(books):
    invoice = books.billed(PRICE)
    data = CreditNoteIn(amount=7_000, reason="The room was loud", reason_code=ReasonCode.GOODWILL)
    act = in_one(lambda: credit_notes.issue_by_hand(invoice["id"], data, actor=world.SYSTEM).number)
    answers, refusals = at_once(books.app, [act] * 32)
    assert sorted(answers) == [f"PFCN/26-27/{number:05}" for number in range(1, 15)]
    assert {(refusal.status, refusal.code) for refusal in refusals} == {(409, "ABOVE_INVOICE")}
    assert books.shown(invoice["id"])["creditedAmount"] == 14 * 8_260


def test_a_payout_and_the_next_invoice_at_once_use_the_credit_once(books):
    open_credit(books, *[10_000] * 3)
    books.book(PRICE)
    pay_out = in_one(
        lambda: credit_notes.pay_out(books.id, CreditPayoutIn(amount=30_000, reference="NEFT 1"), actor=world.SYSTEM) and "paid out"
    )
    bill = in_one(lambda: invoices.issue_now(books.id, actor=world.SYSTEM).id)
    answers, refusals = at_once(books.app, [pay_out, bill] * 16)
    assert len(refusals) >= 30
    used = books.rows("SELECT sum(applied_amount), sum(paid_out_amount), sum(open_amount) FROM credit_notes")[0]
    assert tuple(map(int, used)) in {(35_400, 0, 0), (5_400, 30_000, 0)}
    assert ("paid out" in answers) is (used[1] == 30_000)


def test_a_refund_and_a_void_and_a_cancellation_at_once_leave_sums_that_hold(books):
    invoice = books.billed(PRICE, 50_000)
    note = took(books.credit(invoice["id"], amount=20_000), 201)
    payment_id = invoice["items"][0]["paymentId"]
    acts = [
        in_one(lambda: refunds.refund(RefundIn(payment_id=payment_id, amount=40_000), actor=world.SYSTEM) and "refund"),
        in_one(lambda: credit_notes.void(note["id"], reason=None, actor=world.SYSTEM) and "void"),
        in_one(lambda: invoices.cancel(invoice["id"], reason="Sent twice", actor=world.SYSTEM) and "cancel"),
    ]
    answers, refusals = at_once(books.app, acts * 8)
    assert all(isinstance(refusal, DomainError) and refusal.status == 409 for refusal in refusals)
    assert answers.count("void") == 1
    assert (answers.count("refund"), answers.count("cancel")) in {(2, 0), (2, 1), (1, 1)}
    assert (books.shown(invoice["id"])["status"] == "CANCELLED") is ("cancel" in answers)


# Who may


def test_who_may_do_what(books):
    invoice = books.billed(PRICE)
    note = took(books.credit(invoice["id"], amount=1_000), 201)
    books.add("manager", role=Role.ORG_MANAGER)
    books.add("orgadmin", role=Role.ORG_ADMIN)
    books.add("second-staff", platform=PlatformRole.STAFF)
    payment_id = invoice["items"][0]["paymentId"]
    acts = {
        "refund": lambda who: books.refund(payment_id, 1, who=who),
        "credit": lambda who: books.credit(invoice["id"], amount=1, who=who),
        "void": lambda who: books.void(note["id"], who=who),
        "cancel": lambda who: books.cancel(invoice["id"], who=who),
        "pay out": lambda who: books.pay_out(1, who=who),
        "record": lambda who: books.pay(invoice["id"], 1, who=who),
        "generate": lambda who: books.person(who).post(f"{books.url}/generate-invoice", {}),
        "reconcile": lambda who: books.person(who).get("/api/admin/reconcile"),
        "look": lambda who: books.person(who).get(f"{books.url}/credit-notes/{note['id']}"),
    }
    may = {
        "owner": {"generate", "look"},
        "orgadmin": {"look"},
        "manager": {"look"},
        "learner": set(),
        "second-staff": {"refund"},
        "admin": set(acts),
    }
    for who, allowed in may.items():
        passed = {name for name, act in acts.items() if act(who).status_code not in {401, 403, 404}}
        assert passed == allowed, who
    assert books.value("SELECT count(*) FROM credit_notes WHERE created_by IS NULL") == 0


def test_ids_of_another_organization_are_not_found(books):
    invoice = books.billed(PRICE)
    note = took(books.credit(invoice["id"], amount=1_000), 201)
    with books.app.app_context():
        other = world.make_company("Other")
    stranger = books.welcome("stranger", other.owner)
    theirs, pages = f"/api/organizations/{other.organization.id}/billing", "/orgs/other/billing"
    for kind, row in (("invoices", invoice), ("credit-notes", note)):
        for path in (f"{theirs}/{kind}/{row['id']}", f"{theirs}/{kind}/{row['id']}/pdf", f"{pages}/{kind}/{row['id']}"):
            assert stranger.get(path).status_code == 404, path
            assert stranger.get(path.replace(other.organization.id, books.id).replace("/orgs/other", "/orgs/acme")).status_code == 403
    assert stranger.post(f"{theirs}/invoices/{invoice['id']}/pay", {}).status_code == 404
    admin = books.person("admin")
    assert admin.post(f"{theirs}/invoices/{invoice['id']}/pay", {"method": "OTHER"}).status_code == 404
    for act in ("payments", "credit-notes", "cancel"):
        assert admin.post(f"{pages}/invoices/{invoice['id']}/{act}", {}).status_code == 404
    assert stranger.get(theirs + "/invoices").json["items"] == []
    assert books.shown(invoice["id"])["paidAmount"] == 0


def test_a_deactivated_organizations_books_are_settled_by_platform_admins(books):
    invoice = books.billed(PRICE, 50_000)
    books.book(30_000)
    assert books.person("owner").post(f"{books.url}/invoices/{invoice['id']}/pay", {}).status_code == 201
    admin, owner = books.person("admin"), books.person("owner")
    gone = books.app.test_client(use_cookies=False).delete(f"/api/organizations/{books.id}", headers=owner.headers)
    assert gone.status_code == 200
    books.work()
    assert owner.get(f"{books.url}/invoices").status_code == 403
    listed = admin.get(f"{books.url}/invoices").json["items"]
    assert [(item["taxableAmount"], item["autoGenerated"]) for item in listed] == [(30_000, True), (150_000, False)], "the final invoice"
    assert books.pay(invoice["id"], 100_000).status_code == 201
    note = took(books.refund(invoice["items"][0]["paymentId"]))
    assert (note["kind"], parts(note)) == ("CREDIT", (77_000, 0, 0, 41_000))
    by_hand = took(books.credit(invoice["id"], amount=1_000), 201)
    assert took(books.void(by_hand["id"]))["status"] == "VOID"
    assert books.pay_out(41_000).status_code == 201
    final = listed[0]["id"]
    assert books.cancel(final).status_code == 200
    assert admin.get(books.page).status_code == 200
    assert admin.get(f"{books.page}/statement").status_code == 200
