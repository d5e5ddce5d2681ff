"""The job of reminders: each stage once, after a gap only the latest, and nobody is reminded of what they don't owe."""

from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy

import pytest

from portal import config, jobs
from portal.config import Settings
from tests.support.books import PRICE, open_books

ISSUED = datetime(2026, 10, 12, 9, tzinfo=UTC)
DUE = datetime(2026, 11, 11, 9, tzinfo=UTC)


@pytest.fixture
def books(rung, app, monkeypatch):
    """The organization in October."""
    return open_books(app, rung, monkeypatch, at=ISSUED)


@pytest.fixture
def invoice(books):
    """Issued on 12 October, due on 11 November; its own mail is out."""
    made = books.billed(PRICE)
    books.work()
    return made


def remind(books, days: int) -> dict:
    """The daily job, so many days after the due date; nothing is sent yet."""
    books.calendar.go(DUE + timedelta(days=days))
    with books.app.app_context():
        return jobs.run("billing-reminders")


def reminded(books) -> list[tuple[str, str]]:
    """Occasion and delivery of each reminder, oldest first."""
    statement = "SELECT occasion, delivery FROM invoice_mails WHERE occasion LIKE 'REMINDER%' ORDER BY created_at"
    return [tuple(row) for row in books.rows(statement)]


def mails(books, settings) -> list:
    """The mails with reminders that went out."""
    found = books.rows("SELECT id FROM invoice_mails WHERE occasion LIKE 'REMINDER%' ORDER BY created_at")
    paths = [settings.portal_home / "mail" / f"{row.id}.eml" for row in found]
    return [message_from_bytes(path.read_bytes(), policy=policy.default) for path in paths if path.exists()]


def test_run_every_day_each_stage_goes_out_once_on_its_day(books, invoice, settings):
    sent = []
    for days in range(-20, 41):
        summary = remind(books, days)
        if summary["done"]:
            sent.append(days)
            again = remind(books, days)
            assert (again["done"], again["skipped"], again["failed"]) == (0, {"already_reminded": 1}, [])
    assert sent == [-7, 0, 7, 14, 30]
    books.work()
    assert reminded(books) == [(f"REMINDER{days:+d}", "SENT") for days in sent]
    assert len(mails(books, settings)) == 5


def test_the_mail_says_what_is_outstanding_now_and_carries_the_document(books, invoice, settings):
    books.change(billing_contacts=["cfo@acme.test"])
    assert books.pay(invoice["id"], 18_000).status_code == 201
    remind(books, 7)
    books.work()
    [mail] = mails(books, settings)
    assert mail["Subject"] == f"Reminder: invoice {invoice['invoiceNumber']} from Prism Forum Private Limited"
    assert {address.strip() for address in mail["To"].split(",")} == {"finance@acme.test", "cfo@acme.test"}
    words = " ".join(mail.get_body(("plain",)).get_content().split())
    assert "Outstanding: ₹1,000.00" in words
    assert "was due on 11 Nov 2026, 7 days ago" in words
    assert [part.get_filename() for part in mail.iter_attachments()] == ["PF-26-27-0000001.pdf"]


def test_after_a_gap_only_the_latest_goes_out(books, invoice):
    remind(books, 20)
    assert [occasion for occasion, _delivery in reminded(books)] == ["REMINDER+14"]
    remind(books, 45)
    assert [occasion for occasion, _delivery in reminded(books)] == ["REMINDER+14", "REMINDER+30"]


def test_what_was_paid_credited_or_cancelled_is_not_reminded_of(books):
    paid, credited, cancelled, owed = (books.billed(PRICE) for _each in range(4))
    books.pay(paid["id"])
    books.credit(credited["id"], amount=PRICE)
    books.cancel(cancelled["id"])
    assert remind(books, 0)["done"] == 1
    statement = "SELECT invoice_id::text FROM invoice_mails WHERE occasion LIKE 'REMINDER%'"
    assert books.value(statement) == owed["id"]


@pytest.mark.parametrize("how", ["paid", "cancelled"])
def test_what_was_settled_before_the_mail_went_out_is_not_sent(books, invoice, settings, how):
    assert remind(books, 0)["done"] == 1
    books.go(DUE + timedelta(minutes=1))
    answer = books.pay(invoice["id"]) if how == "paid" else books.cancel(invoice["id"])
    assert answer.status_code in {200, 201}
    assert books.shown(invoice["id"])["outstanding"] == 0
    books.work()
    assert mails(books, settings) == []
    with books.app.app_context():
        jobs.run("sweep")
    books.work()
    assert mails(books, settings) == []


@pytest.mark.parametrize(("stages", "expected"), [("", []), ("3", ["REMINDER+3"]), ("5,-2", ["REMINDER-2", "REMINDER+5"])])
def test_the_stages_are_a_setting(books, invoice, settings, stages, expected):
    config.use(settings.model_copy(update={"reminder_days": Settings._days(stages)}))
    try:
        for days in range(-20, 20):
            remind(books, days)
    finally:
        config.use(settings)
    assert [occasion for occasion, _delivery in reminded(books)] == expected


def test_an_invoice_with_short_terms_is_not_reminded_of_on_the_day_it_goes_out(books):
    books.change(payment_terms_days=5)
    books.billed(PRICE)
    occasions = []
    for day in range(12):
        books.calendar.go(ISSUED + timedelta(days=day))
        with books.app.app_context():
            if jobs.run("billing-reminders")["done"]:
                occasions.append(day)
    assert occasions == [5]
