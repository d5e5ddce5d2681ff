from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.billing.rules import (
    DisplayStatus,
    InvoiceStatus,
    billing_period,
    display_status,
    due_date,
    month_before,
    month_start,
    payment_status,
    run_period_end,
)
from portal.errors import Invalid

INDIA = ZoneInfo("Asia/Kolkata")
INSTANTS = st.datetimes(datetime(2020, 1, 1), datetime(2060, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - hypothesis adds the zone
DUE = date(2026, 12, 31)


def _at(*parts: int):
    return datetime(*parts, tzinfo=UTC)


@given(INSTANTS)
def test_a_month_begins_at_or_before_the_instant_and_the_next_one_after(instant):
    start = month_start(instant)
    assert start <= instant < month_start(start + timedelta(days=32))
    assert (start.day, start.hour, start.minute, start.second, start.microsecond) == (1, 0, 0, 0, 0)
    assert month_start(month_before(instant) + timedelta(days=32)) == start


def test_months_are_those_of_utc():
    assert month_start(datetime(2026, 12, 1, 3, tzinfo=INDIA)) == _at(2026, 11, 1)


@pytest.mark.parametrize("late", [timedelta(0), timedelta(hours=7), timedelta(days=30)])
def test_a_late_run_bills_the_same_month(late):
    assert run_period_end(_at(2026, 12, 1) + late) == _at(2026, 12, 1)


def test_the_first_period_begins_with_the_month_of_the_oldest_payment():
    assert billing_period(None, _at(2026, 9, 17, 8), _at(2026, 12, 1)) == (_at(2026, 9, 1), _at(2026, 12, 1))


def test_later_ones_begin_where_the_last_ended_even_for_late_arrivals():
    assert billing_period(_at(2026, 11, 1), _at(2026, 9, 17), _at(2026, 12, 1)) == (_at(2026, 11, 1), _at(2026, 12, 1))


@given(st.lists(INSTANTS, min_size=2, max_size=8, unique=True), INSTANTS)
def test_periods_follow_each_other_without_gap_or_overlap(ends, oldest):
    last = None
    for end in sorted(ends):
        if last is None and month_start(oldest) >= end:
            continue
        start, stop = billing_period(last, oldest, end)
        assert start < stop
        assert last is None or start == last
        last = stop


def test_a_month_that_is_billed_already_is_refused():
    with pytest.raises(Invalid) as refusal:
        billing_period(_at(2026, 12, 1, 9), _at(2026, 11, 5), _at(2026, 12, 1))
    assert refusal.value.code == "ALREADY_BILLED"


def test_due_dates():
    assert due_date(date(2026, 12, 1), 30) == DUE
    assert due_date(date(2026, 1, 30), 30) == date(2026, 3, 1)
    assert due_date(date(2026, 12, 1), 0) == date(2026, 12, 1)
    with pytest.raises(Invalid):
        due_date(date(2026, 12, 1), -1)


@pytest.mark.parametrize(
    ("stored", "outstanding", "today", "shown"),
    [
        (InvoiceStatus.SENT, 100, DUE, DisplayStatus.SENT),
        (InvoiceStatus.SENT, 100, DUE + timedelta(days=1), DisplayStatus.OVERDUE),
        (InvoiceStatus.SENT, 0, DUE + timedelta(days=1), DisplayStatus.PAID),
        (InvoiceStatus.CANCELLED, 100, DUE + timedelta(days=1), DisplayStatus.CANCELLED),
        (InvoiceStatus.DRAFT, 100, DUE, DisplayStatus.DRAFT),
        ("SENT", 100, DUE, DisplayStatus.SENT),
    ],
)
def test_what_people_see_of_an_invoice(stored, outstanding, today, shown):
    assert display_status(stored, outstanding, DUE, today) is shown


@pytest.mark.parametrize(
    ("sums", "today", "label", "tone", "said"),
    [
        ((0, 0), DUE, "Due", "due", "₹1,180.00 is due by 31 Dec 2026."),
        ((18_000, 0), DUE, "Part paid", "part", "₹180.00 paid. ₹1,000.00 is due by 31 Dec 2026."),
        ((0, 18_000), DUE, "Part credited", "part", "₹180.00 credited. ₹1,000.00 is due by 31 Dec 2026."),
        ((0, 0), date(2027, 1, 1), "Overdue", "overdue", "₹1,180.00 was due on 31 Dec 2026, 1 day ago."),
        (
            (18_000, 0),
            date(2027, 1, 9),
            "Overdue",
            "overdue",
            "₹180.00 paid. ₹1,000.00 was due on 31 Dec 2026, 9 days ago.",
        ),
        ((118_000, 0), DUE, "Paid on 20 Dec 2026", "paid", "₹1,180.00 received. Nothing is to be paid."),
        (
            (100_000, 18_000),
            DUE,
            "Paid on 20 Dec 2026",
            "paid",
            "₹1,000.00 paid and ₹180.00 credited. Nothing is to be paid.",
        ),
        ((0, 118_000), DUE, "Settled by credit", "credit", "Settled by credit on 20 Dec 2026. Nothing is to be paid."),
    ],
)
def test_how_an_invoice_stands_in_words(sums, today, label, tone, said):
    paid, credited = sums
    settled_on = date(2026, 12, 20) if paid + credited == 118_000 else None
    text = payment_status(total=118_000, paid=paid, credited=credited, due=DUE, today=today, settled_on=settled_on)
    assert (text.label, text.tone, text.detail) == (label, tone, said)


def test_a_cancelled_invoice_says_so_first():
    text = payment_status(total=1, paid=0, credited=0, due=DUE, today=date(2028, 1, 1), cancelled_on=date(2026, 12, 2))
    assert (text.label, text.tone) == ("Cancelled", "void")
