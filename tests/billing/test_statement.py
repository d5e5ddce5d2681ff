"""The statement of account: opening, every document and payment, closing; which is the ledger's, the summary's and the ageing's."""

import csv
import io
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from tests.support.books import PRICE, open_books

OCTOBER = datetime(2026, 10, 12, 9, tzinfo=UTC)


@pytest.fixture
def books(rung, app, monkeypatch):
    """The organization in October; its sums must be right at the end."""
    made = open_books(app, rung, monkeypatch, at=OCTOBER)
    yield made
    assert made.differences() == []


@pytest.fixture
def story(books):
    """October: an invoice, a payment of part; November: a refund, a payout, a void, an invoice; December: the next invoice."""
    first = books.billed(PRICE, 50_000)
    books.go(datetime(2026, 10, 20, 9, tzinfo=UTC))
    books.pay(first["id"], 100_000)
    books.go(datetime(2026, 11, 5, 9, tzinfo=UTC))
    refunded = books.refund(first["items"][0]["paymentId"]).json["creditNote"]
    books.pay_out(11_000)
    voided = books.credit(first["id"], amount=2_000).json["creditNote"]
    books.void(voided["id"])
    between = books.billed(30_000)
    books.go(datetime(2026, 11, 6, 9, tzinfo=UTC))
    assert books.pay(between["id"], 5_400).status_code == 201, "30 000 of credit is on it already"
    books.go(datetime(2026, 12, 2, 9, tzinfo=UTC))
    last = books.billed(200_000)
    return {"first": first, "refunded": refunded, "voided": voided, "between": between, "last": last}


def statement(books, **dates: str) -> dict:
    query = "&".join(f"{name}={value}" for name, value in dates.items())
    answer = books.person("owner").get(f"{books.url}/statement?{query}")
    assert answer.status_code == 200, answer.text
    return answer.json


def entries(found: dict) -> list[tuple]:
    return [(entry["date"], entry["type"], entry["number"], entry["debit"], entry["credit"]) for entry in found["entries"]]


def test_every_document_and_payment_is_one_line_in_the_order_of_time(books, story):
    found = statement(books)
    first, note, voided = story["first"]["invoiceNumber"], story["refunded"]["creditNoteNumber"], story["voided"]["creditNoteNumber"]
    assert entries(found)[:6] == [
        ("2026-10-12", "INVOICE", first, 177_000, 0),
        ("2026-10-20", "PAYMENT", first, 0, 100_000),
        ("2026-11-05", "CREDIT_NOTE", note, 0, 118_000),
        ("2026-11-05", "CREDIT_PAYOUT", note, 11_000, 0),
        ("2026-11-05", "CREDIT_NOTE", voided, 0, 2_360),
        ("2026-11-05", "VOID_CREDIT_NOTE", voided, 2_360, 0),
    ]
    assert (found["opening"], found["from"]) == (0, None)
    balance = 0
    for entry in found["entries"]:
        balance += entry["debit"] - entry["credit"]
        assert entry["balance"] == balance
    assert found["closing"] == balance


def test_the_closing_is_outstanding_minus_open_credit_and_the_ageing(books, story):
    figures = books.summary()
    closing = statement(books)["closing"]
    assert closing == figures["netBalance"] == figures["outstanding"]["amount"] - figures["openCredit"]
    assert sum(bucket["amount"] for bucket in figures["ageing"]) == figures["outstanding"]["amount"]
    assert closing > 0


def test_any_two_days_meet_and_each_days_closing_is_the_next_days_opening(books, story):
    days = [datetime(2026, 10, 11, tzinfo=UTC).date() + timedelta(days=number) for number in range(0, 54, 3)]
    whole = statement(books)
    found = [statement(books, **{"from": since, "to": until - timedelta(days=1)}) for since, until in pairwise(days)]
    assert found[0]["opening"] == 0
    assert all(before["closing"] == after["opening"] for before, after in pairwise(found))
    assert [entry for part in found for entry in part["entries"]] == [
        {**entry} for entry in whole["entries"] if entry["date"] < days[-1].isoformat()
    ]
    for part in found:
        assert part["closing"] == part["opening"] + sum(entry["debit"] - entry["credit"] for entry in part["entries"])


def test_both_days_are_inclusive_and_dates_are_indias(books):
    books.go(datetime(2026, 10, 31, 18, 29, tzinfo=UTC))
    invoice = books.billed(PRICE)
    books.go(datetime(2026, 10, 31, 18, 30, tzinfo=UTC))
    books.pay(invoice["id"], 18_000)
    assert [line[:2] for line in entries(statement(books))] == [("2026-10-31", "INVOICE"), ("2026-11-01", "PAYMENT")]
    october = statement(books, **{"from": "2026-10-31", "to": "2026-10-31"})
    assert (len(october["entries"]), october["closing"]) == (1, 118_000)
    november = statement(books, **{"from": "2026-11-01", "to": "2026-11-01"})
    assert (november["opening"], november["closing"], len(november["entries"])) == (118_000, 100_000, 1)
    assert statement(books, **{"from": "2026-11-02"})["entries"] == []


def test_a_cancelled_invoice_is_two_lines_that_cancel_out(books):
    invoice = books.billed(PRICE)
    books.cancel(invoice["id"])
    assert [line[1:] for line in entries(statement(books))] == [
        ("INVOICE", invoice["invoiceNumber"], 118_000, 0),
        ("CANCELLATION", invoice["invoiceNumber"], 0, 118_000),
    ]


def test_without_anything_it_is_empty_and_nonsense_is_a_400(books):
    assert statement(books) == {"from": None, "to": "2026-10-12", "opening": 0, "entries": [], "closing": 0}
    for query in ("from=yesterday", "to=2026-02-30", "from=1"):
        assert books.person("owner").get(f"{books.url}/statement?{query}").status_code == 400, query


def test_the_ageing_puts_each_invoice_where_its_due_date_says(books):
    dated = {}
    for day, days in ((datetime(2026, 7, 1, 9, tzinfo=UTC), "old"), (datetime(2026, 10, 1, 9, tzinfo=UTC), "new")):
        books.go(day)
        dated[days] = books.billed(PRICE)
    due = {"old": datetime(2026, 7, 31, 9, tzinfo=UTC), "new": datetime(2026, 10, 31, 9, tzinfo=UTC)}
    expected = {0: (1, 0), 1: (1, 1), 30: (1, 1), 31: (1, 2), 60: (1, 2), 61: (1, 3), 90: (1, 3), 91: (1, 4)}
    for days, (_count, place) in expected.items():
        books.go(due["new"] + timedelta(days=days))
        buckets = books.summary()["ageing"]
        assert buckets[place]["amount"] >= 118_000, (days, buckets)
        assert sum(bucket["invoices"] for bucket in buckets) == 2
        status = "SENT" if days == 0 else "OVERDUE"
        assert books.shown(dated["new"]["id"])["status"] == status
    assert [bucket["amount"] for bucket in books.summary()["ageing"]] == [0, 0, 0, 0, 236_000]


def test_the_csv_says_the_same_in_rupees(books, story):
    answer = books.person("owner").get(f"{books.page}/statement.csv?from=2026-11-01")
    assert answer.headers["Content-Type"].startswith("text/csv")
    lines = list(csv.reader(io.StringIO(answer.data.decode("utf-8-sig"))))
    found = statement(books, **{"from": "2026-11-01"})
    assert lines[0] == ["date", "entry", "number", "debit", "credit", "balance"]
    assert (lines[1][1], lines[1][-1]) == ("opening", "770.00")
    assert (lines[-1][1], lines[-1][-1]) == ("closing", f"{found['closing'] // 100}.{found['closing'] % 100:02}")
    assert [line[2] for line in lines[2:-1]] == [entry["number"] for entry in found["entries"]]


def test_days_in_the_wrong_order_are_refused(books):
    books.billed(PRICE)
    answer = books.person("owner").get(f"{books.url}/statement?from=2026-10-13&to=2026-10-12")
    assert (answer.status_code, answer.json["code"], list(answer.json["details"])) == (400, "PERIOD_REVERSED", ["to"])
    shown = books.person("owner").get(f"{books.page}/statement?from=2026-10-13&to=2026-10-12")
    assert (shown.status_code, "The last day is before the first one." in shown.text) == (400, True)
    assert statement(books, **{"from": "2026-10-12", "to": "2026-10-12"})["closing"] == 118_000
