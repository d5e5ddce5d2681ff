"""The billing pages as people see them without JavaScript: documents, links, filters, files, and what platform admins fill in."""

import csv
import io
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import html5lib
import pytest

from portal.orgs.rules import Role
from tests.support import world
from tests.support.books import PRICE, open_books
from tests.support.lint import XHTML, problems, text_of
from tests.support.pages import Visitor

OCTOBER = datetime(2026, 10, 12, 9, tzinfo=UTC)


@pytest.fixture
def books(rung, app, monkeypatch):
    """The organization in October."""
    return open_books(app, rung, monkeypatch, at=OCTOBER)


@pytest.fixture
def paid(books):
    """An invoice that was paid, of which a session was given back: its credit is open."""
    invoice = books.billed(PRICE, 50_000)
    books.pay(invoice["id"], 177_000, reference="NEFT 1")
    note = books.refund(invoice["items"][0]["paymentId"], 40_000).json["creditNote"]
    return {"invoice": invoice, "note": note}


def visit(books, name: str) -> Visitor:
    """A browser without JavaScript, signed in."""
    visitor = Visitor(books.app)
    world.sign_in(visitor.client, books._known[name])
    return visitor


def tree(visitor: Visitor):
    return html5lib.parse(visitor.answer.text)


def table(visitor: Visitor, caption: str) -> list[list[str]]:
    """The words in each row of a table's body."""
    for one in tree(visitor).iter(XHTML + "table"):
        if text_of(one.find(XHTML + "caption")) == caption:
            rows = one.find(XHTML + "tbody").iter(XHTML + "tr")
            return [[text_of(cell) for cell in row if cell.tag in {XHTML + "td", XHTML + "th"}] for row in rows]
    raise AssertionError(f"there is no table {caption}: {visitor.words[:400]}")


def links(visitor: Visitor) -> dict[str, str]:
    """Words → where the link leads; the last one wins."""
    return {text_of(link): link.get("href") for link in tree(visitor).iter(XHTML + "a") if link.get("href")}


def documents(visitor: Visitor) -> list[list[str]]:
    return table(visitor, "Invoices and credit notes, newest first")


def errors_beside(visitor: Visitor, action: str) -> dict[str, str]:
    """Of the form to ``action``: field → the sentence that stands beside it, which the field must point to."""
    form, found = visitor.form(action), {}
    ids = {element.get("id"): element for element in form.iter() if isinstance(element.tag, str) and element.get("id")}
    for field in form.iter():
        if field.get("aria-invalid") == "true":
            described = [ids[name] for name in field.get("aria-describedby", "").split() if name in ids]
            sentences = [text_of(element) for element in described if "field-error" in element.get("class", "")]
            found[field.get("name")] = " ".join(sentences)
    return found


# What people read


def test_invoices_and_credit_notes_stand_in_one_table(books, paid):
    visitor = visit(books, "owner").get(books.page)
    number, note = paid["invoice"]["invoiceNumber"], paid["note"]["creditNoteNumber"]
    of_note, of_invoice = documents(visitor)
    assert of_note == [note, "12 Oct 2026", "–", f"Credit Note Refund To {number}", "−472.00", "–", "−472.00", "Open credit", "PDF"]
    assert of_invoice[:3] == [number, "12 Oct 2026", "11 Nov 2026"]
    assert of_invoice[3].endswith(f"Credited by {note}")
    assert of_invoice[4:] == ["1,770.00", "−472.00", "0.00", "Paid", "PDF"]
    for words in ("Open credit", "₹472.00", "goes onto the next invoice", "−₹472.00"):
        assert words in visitor.words, words


def test_links_lead_from_the_note_to_its_invoice_and_back(books, paid):
    visitor = visit(books, "owner").get(books.page)
    number, note = paid["invoice"]["invoiceNumber"], paid["note"]["creditNoteNumber"]
    invoice_page, note_page = f"{books.page}/invoices/{paid['invoice']['id']}", f"{books.page}/credit-notes/{paid['note']['id']}"
    assert (links(visitor)[number], links(visitor)[note]) == (invoice_page, note_page)
    visitor.get(note_page)
    assert visitor.heading == f"Credit note {note}"
    assert links(visitor)[number] == invoice_page
    visitor.get(invoice_page)
    assert visitor.heading == f"Invoice {number}"
    assert links(visitor)[note] == note_page
    assert [row[1:] for row in table(visitor, "Payments and credit on this invoice")] == [
        ["Payment, bank transfer", "NEFT 1", "−1,770.00"],
        [f"Credit Note {note} ₹472.00 of it is credit for other invoices.", "Refund", "0.00"],
    ]
    assert visitor.client.get(links(visitor)["Download PDF"]).data.startswith(b"%PDF-")


def test_the_next_invoice_shows_the_credit_it_used_and_the_note_where_it_went(books, paid):
    later = books.billed(PRICE)
    visitor = visit(books, "owner").get(f"{books.page}/invoices/{later['id']}")
    [row] = table(visitor, "Payments and credit on this invoice")
    assert row[1:] == [f"Open credit of {paid['note']['creditNoteNumber']}", "—", "−472.00"]
    assert "₹708.00 is due by 11 Nov 2026." in visitor.words
    visitor.get(f"{books.page}/credit-notes/{paid['note']['id']}")
    assert [row[1:] for row in table(visitor, "Where the credit went")] == [[f"Applied to {later['invoiceNumber']}", "—", "472.00"]]
    assert "Used up" in visitor.words


def test_filters_stand_in_the_address_and_find_what_they_say(books, paid):
    books.change(po_number="PO-77/x")
    later = books.billed(90_000)
    cancelled = books.billed(10_000)
    books.cancel(cancelled["id"])
    number, note = paid["invoice"]["invoiceNumber"], paid["note"]["creditNoteNumber"]
    visitor = visit(books, "owner")
    for query, found in {
        "status=PAID": [number],
        "status=SENT": [later["invoiceNumber"]],
        "status=CANCELLED": [cancelled["invoiceNumber"]],
        "status=APPLIED": [note],
        "q=pfcn": [note],
        "q=0001": [note, number],
        "q=po-77": [cancelled["invoiceNumber"], later["invoiceNumber"]],
        "from=2026-10-12&to=2026-10-12&status=PAID": [number],
    }.items():
        visitor.get(f"{books.page}?{query}")
        assert [row[0] for row in documents(visitor)] == found, query
        assert query.replace("to=", "&to=").split("&")[0] in links(visitor)["Export CSV"], query
    for query in ("status=ISSUED", "status=OVERDUE", "status=VOID", "from=2026-10-13", "to=2026-10-11", "q=%25", "q=_"):
        visitor.get(f"{books.page}?{query}")
        assert "Nothing found" in visitor.words, query
    books.calendar.go(OCTOBER + timedelta(days=31))
    visitor = visit(books, "owner").get(f"{books.page}?status=OVERDUE")
    assert [(row[0], row[7]) for row in documents(visitor)] == [(later["invoiceNumber"], "Overdue · 1 day")]


def test_pages_follow_each_other_without_a_document_twice_or_never(books):
    invoice = books.billed(PRICE)
    for _note in range(28):
        assert books.credit(invoice["id"], amount=100).status_code == 201
    visitor = visit(books, "owner").get(books.page)
    first = [row[0] for row in documents(visitor)]
    older = next(href for href in links(visitor).values() if "cursor=" in href)
    visitor.get(older)
    second = [row[0] for row in documents(visitor)]
    assert [*first, *second] == [*(f"PFCN/26-27/{number:05}" for number in range(28, 0, -1)), invoice["invoiceNumber"]]
    assert (len(first), len(second)) == (25, 4)


def test_the_csv_has_numbers_as_numbers_and_no_formula(books, paid):
    books.change(po_number='=HYPERLINK("http://evil")')
    later = books.billed(PRICE)
    for path in (f"{books.page}/export.csv", f"{books.url}/export.csv"):
        answer = books.person("owner").get(path)
        assert answer.headers["Content-Type"].startswith("text/csv"), path
        assert "attachment" in answer.headers["Content-Disposition"]
        rows = list(csv.DictReader(io.StringIO(answer.data.decode("utf-8-sig"))))
        assert [row["number"] for row in rows] == [
            later["invoiceNumber"],
            paid["note"]["creditNoteNumber"],
            paid["invoice"]["invoiceNumber"],
        ]
        newest, note, oldest = rows
        assert newest["PO number"] == '\'=HYPERLINK("http://evil")'
        assert [note[name] for name in ("taxable value", "CGST", "SGST", "IGST", "total", "outstanding or open")] == [
            "-400.00",
            "-36.00",
            "-36.00",
            "0.00",
            "-472.00",
            "0.00",
        ]
        assert (note["type"], note["original invoice"], note["status"]) == ("credit note", oldest["number"], "APPLIED")
        for row in rows:
            heads = [Decimal(row[name]) for name in ("taxable value", "CGST", "SGST", "IGST")]
            assert sum(heads) == Decimal(row["total"])
    filtered = books.person("owner").get(f"{books.page}/export.csv?status=SENT").data.decode("utf-8-sig")
    assert len(filtered.strip().splitlines()) == 2


def test_the_statement_page_closes_with_the_net_balance(books, paid):
    books.pay_out(7_200)
    visitor = visit(books, "owner").get(f"{books.page}/statement?from=2026-10-12")
    rows = table(visitor, "Documents and payments, oldest first")
    number, note = paid["invoice"]["invoiceNumber"], paid["note"]["creditNoteNumber"]
    assert rows[0] == ["Opening balance", "0.00"]
    assert [row[1:] for row in rows[1:]] == [
        ["Invoice", number, "1,770.00", "–", "1,770.00"],
        ["Payment", number, "–", "1,770.00", "0.00"],
        ["Credit note", note, "–", "472.00", "−472.00"],
        ["Credit payout", note, "72.00", "–", "−400.00"],
    ]
    assert "Closing balance−400.00" in visitor.words
    for row in rows[1:]:
        assert visitor.client.get(links(visitor)[row[2]]).status_code == 200
    assert visitor.client.get(links(visitor)["Download PDF"]).data.startswith(b"%PDF-")
    assert visitor.client.get(links(visitor)["Export CSV"]).status_code == 200
    assert visitor.fragment(f"{books.page}/statement?from=2026-10-12", block="account").status_code == 200


def test_the_preview_page_says_what_would_come(books, paid):
    books.book(90_000)
    visitor = visit(books, "owner").get(f"{books.page}/preview")
    [row] = table(visitor, "Lines of the next invoice")
    assert (row[0], row[4]) == ("Consultation: Career coaching", "900.00")
    for words in ("₹1,062.00", "−₹472.00", "₹590.00", "29 Karnataka"):
        assert words in visitor.words, words
    visitor.submit(f"{books.page}/generate-invoice")
    assert "was issued. It goes to finance@acme.test by e-mail." in visitor.words
    assert books.summary()["outstanding"]["amount"] == 59_000
    assert "Nothing is unbilled" in visitor.get(f"{books.page}/preview").words


def test_managers_look_and_neither_issue_nor_pay(books, paid):
    later = books.billed(PRICE)
    books.book(20_000)
    books.add("manager", role=world.Role.ORG_MANAGER)
    visitor = visit(books, "manager")
    for path in ("", "/preview", "/statement", f"/invoices/{later['id']}", f"/credit-notes/{paid['note']['id']}"):
        visitor.get(books.page + path)
        actions = {form.get("action") for form in tree(visitor).iter(XHTML + "form") if form.get("method") == "post"}
        assert not [action for action in actions if "/billing/" in action], path
        assert "For platform admins" not in visitor.words
    assert visit(books, "learner").client.get(books.page).status_code == 403


# What platform admins fill in


def test_a_payment_is_recorded_and_a_wrong_one_says_why_beside_its_field(books):
    invoice = books.billed(PRICE)
    page, action = f"{books.page}/invoices/{invoice['id']}", f"{books.page}/invoices/{invoice['id']}/payments"
    visitor = visit(books, "admin").get(page)
    visitor.submit(action, status=422, method="BANK_TRANSFER", amount="2,000", reference="NEFT 5")
    assert errors_beside(visitor, action) == {"amount": "Only ₹1,180.00 is outstanding on this invoice. Nothing was recorded."}
    kept = {field.get("name"): field.get("value") for field in visitor.form(action).iter(XHTML + "input")}
    assert (kept["amount"], kept["reference"]) == ("2,000", "NEFT 5")
    visitor.submit(action, status=422, method="BANK_TRANSFER", amount="100", reference="")
    assert set(errors_beside(visitor, action)) == {"reference"}
    visitor.submit(action, status=422, method="UPI", amount="a lot", reference="")
    assert set(errors_beside(visitor, action)) == {"amount"}
    assert books.value("SELECT count(*) FROM invoice_allocations") == 0
    visitor.submit(action, method="BANK_TRANSFER", amount="180", reference="NEFT 5")
    assert "₹180.00 was recorded." in visitor.words
    visitor.submit(action, method="UPI", amount="", reference="")
    assert "₹1,000.00 was recorded." in visitor.words
    assert books.shown(invoice["id"])["status"] == "PAID"


def test_a_credit_note_is_issued_and_voided_by_its_forms(books):
    invoice = books.billed(PRICE)
    action = f"{books.page}/invoices/{invoice['id']}/credit-notes"
    visitor = visit(books, "admin").get(f"{books.page}/invoices/{invoice['id']}")
    visitor.submit(action, amount="250.50", reason="The room was loud", reason_code="SERVICE_DEFICIENCY")
    assert "Credit note PFCN/26-27/00001 over ₹295.60 was issued." in visitor.words
    assert visitor.heading == "Credit note PFCN/26-27/00001"
    assert "The room was loud (Service deficiency)" in visitor.words
    visitor.submit(f"{visitor.path}/void", reason="A mistake")
    assert "Credit note PFCN/26-27/00001 was voided." in visitor.words
    assert "A mistake" in visitor.words
    assert books.shown(invoice["id"])["outstanding"] == 118_000


def test_a_wrong_credit_note_says_why_beside_its_field(books):
    invoice = books.billed(PRICE)
    action = f"{books.page}/invoices/{invoice['id']}/credit-notes"
    visitor = visit(books, "admin").get(f"{books.page}/invoices/{invoice['id']}")
    visitor.submit(action, status=422, amount="0", reason="x", reason_code="OTHER")
    assert set(errors_beside(visitor, action)) == {"amount", "reason"}
    visitor.submit(action, status=422, amount="1,000.01", reason="Far too much", reason_code="OTHER")
    assert "Only ₹1,000.00 before GST of this invoice can still be credited. Nothing was issued." in visitor.words
    assert books.value("SELECT count(*) FROM credit_notes") == 0


def test_an_invoice_is_cancelled_by_its_form_with_a_reason(books):
    invoice = books.billed(PRICE)
    page = f"{books.page}/invoices/{invoice['id']}"
    visitor = visit(books, "admin").get(page)
    visitor.submit(f"{page}/cancel", status=422, reason="x")
    assert set(errors_beside(visitor, f"{page}/cancel")) == {"reason"}
    visitor.submit(f"{page}/cancel", reason="Sent to the wrong people")
    assert f"Invoice {invoice['invoiceNumber']} was cancelled. Its sessions come onto the next invoice." in visitor.words
    assert "Sent to the wrong people" in visitor.words
    assert f"{page}/cancel" not in {form.get("action") for form in tree(visitor).iter(XHTML + "form")}


def test_an_invoice_whose_notes_are_all_void_offers_its_cancellation_again(books):
    invoice = books.billed(PRICE)
    page = f"{books.page}/invoices/{invoice['id']}"
    note = books.credit(invoice["id"], amount=1_000).json["creditNote"]
    visitor = visit(books, "admin").get(page)
    actions = lambda: {form.get("action") for form in tree(visitor).iter(XHTML + "form")}  # noqa: E731 - E731: one look, said once
    assert f"{page}/cancel" not in actions()
    books.void(note["id"])
    visitor.get(page)
    assert f"{page}/cancel" in actions()


def test_open_credit_is_paid_out_by_its_form_which_the_billing_page_leads_to(books, paid):
    visitor = visit(books, "admin").get(books.page)
    assert f"{books.page}/credit-payout" in links(visitor).values()
    action = f"{books.page}/credit-payout"
    visitor.get(action)
    visitor.submit(action, status=422, amount="472.01", reference="NEFT 8")
    assert errors_beside(visitor, action) == {"amount": "Only ₹472.00 of credit is open. Nothing was recorded."}
    visitor.submit(action, amount="472", reference="NEFT 8")
    assert "₹472.00 of open credit was recorded as paid out." in visitor.words
    visitor.get(f"{books.page}/credit-notes/{paid['note']['id']}")
    assert [row[1:] for row in table(visitor, "Where the credit went")] == [["Paid out", "NEFT 8", "472.00"]]
    assert visit(books, "owner").client.get(action).status_code == 403


def test_staff_refund_a_billed_session_on_their_page(books):
    invoice = books.billed(PRICE)
    visitor = visit(books, "staff").get("/admin/refunds?q=Asha")
    [form] = [
        form
        for form in tree(visitor).iter(XHTML + "form")
        if form.get("action").startswith("/admin/refunds") and form.get("method") == "post"
    ]
    hidden = {field.get("name"): field.get("value") for field in form.iter(XHTML + "input") if field.get("type") == "hidden"}
    data = {**hidden, "amount": "400", "reason": "The session was short"}
    visitor.get(visitor.client.post(form.get("action"), data=data).location)
    assert "₹400.00" in visitor.words
    [row] = books.rows("SELECT number, taxable_amount, reason FROM credit_notes")
    assert tuple(row) == ("PFCN/26-27/00001", 40_000, "The session was short")
    assert books.shown(invoice["id"])["outstanding"] == 70_800


def test_every_page_of_documents_stays_valid_in_every_state(books, paid):
    later = books.billed(PRICE)
    books.pay(later["id"], 100)
    cancelled = books.billed(30_000)
    books.cancel(cancelled["id"])
    by_hand = books.credit(later["id"], amount=5_000).json["creditNote"]
    voided = books.credit(later["id"], amount=4_000).json["creditNote"]
    books.void(voided["id"])
    seen = 0
    for name in ("owner", "admin"):
        client = visit(books, name).client
        for invoice in (paid["invoice"], later, cancelled):
            answer = client.get(f"{books.page}/invoices/{invoice['id']}")
            assert (answer.status_code, problems(answer)) == (200, [])
            seen += 1
        for note in (paid["note"], by_hand, voided):
            answer = client.get(f"{books.page}/credit-notes/{note['id']}")
            assert (answer.status_code, problems(answer)) == (200, [])
            seen += 1
    assert seen == 12


# What happened to a document, and paying from the table


def happened(visitor: Visitor, card: str) -> list[str]:
    """The sentences of a timeline, oldest first."""
    [found] = [one for one in tree(visitor).iter() if isinstance(one.tag, str) and one.get("id") == card]
    return [text_of(item.find(XHTML + "p")) for item in found.iter(XHTML + "li")]


def test_the_page_of_an_invoice_tells_what_happened_to_it(books, paid):
    note, later = paid["note"]["creditNoteNumber"], books.billed(PRICE)
    voided = books.credit(later["id"], amount=1_000).json["creditNote"]
    books.void(voided["id"])
    books.pay(later["id"], 70_800, method="UPI", reference=None)
    visitor = visit(books, "owner").get(f"{books.page}/invoices/{later['id']}")
    assert happened(visitor, "timeline") == [
        "Issued for ₹1,180.00, due by 11 Nov 2026.",
        f"₹472.00 of open credit from {note} was used.",
        f"Credit note {voided['creditNoteNumber']} for ₹11.80 was issued.",
        f"Credit note {voided['creditNoteNumber']} was voided.",
        "₹708.00 was paid by UPI.",
        "Nothing is outstanding any more.",
    ]
    cancelled = books.billed(50_000)
    books.cancel(cancelled["id"])
    visitor.get(f"{books.page}/invoices/{cancelled['id']}")
    assert happened(visitor, "timeline")[-1].startswith("Cancelled: ")


def test_the_page_of_a_credit_note_tells_what_happened_to_it_and_how_its_mail_went(books, paid):
    books.work()
    later = books.billed(20_000)
    books.pay_out(1_000)
    visitor = visit(books, "owner").get(f"{books.page}/credit-notes/{paid['note']['id']}")
    assert happened(visitor, "timeline") == [
        "Issued for ₹472.00.",
        f"₹236.00 was applied to {later['invoiceNumber']}.",
        "₹10.00 was paid out, reference NEFT 9.",
    ]
    assert happened(visitor, "mails") == ["Credit note went to finance@acme.test."]
    by_hand = books.credit(later["id"], amount=1_000).json["creditNote"]
    books.void(by_hand["id"])
    visitor.get(f"{books.page}/credit-notes/{by_hand['id']}")
    assert happened(visitor, "timeline")[-1] == "Voided: A mistake"
    assert happened(visitor, "mails") == ["Credit note is on its way to finance@acme.test."]


def test_an_owner_pays_from_the_table_and_a_manager_cannot(books):
    invoice = books.billed(PRICE)
    visitor = visit(books, "owner").get(books.page)
    token = visitor.form(f"{books.page}/invoices/{invoice['id']}/pay").find(f".//{XHTML}input").get("value")
    answer = visitor.client.post(f"{books.page}/invoices/{invoice['id']}/pay", data={"csrf_token": token})
    assert (answer.status_code, "/sandbox/pay/" in answer.location) == (303, True)
    assert f"Pay ₹1,180.00 of {invoice['invoiceNumber']} online" in visitor.answer.text
    books.pay(invoice["id"])
    assert "/pay" not in visitor.get(books.page).answer.text
    books.billed(PRICE)
    books.add("mona", role=Role.ORG_MANAGER)
    assert "/pay" not in visit(books, "mona").get(books.page).answer.text


def test_the_cards_say_what_is_overdue_and_the_exposure_of_the_limit(books):
    books.billed(PRICE)
    visitor = visit(books, "owner").get(books.page)
    for words in ("Net balance", "Overdue", "nothing is late", "Exposure", "no credit limit"):
        assert words in visitor.words, words
    books.change(credit_limit=500_000)
    books.go(OCTOBER + timedelta(days=40))
    books.book(PRICE)
    visitor = visit(books, "owner").get(books.page)
    for words in ("₹1,180.00past the due date", "₹2,360.00with GST, of a limit of ₹5,000.00", "Overdue · 10 days"):
        assert words in visitor.words, words
