"""Months, billing periods and due dates. Periods are half-open, ``[start, end)``, in UTC."""

from datetime import UTC, date, datetime, timedelta

from portal.billing.rules.states import DisplayStatus, InvoiceStatus
from portal.errors import Invalid
from portal.money import Paise


def month_start(instant: datetime) -> datetime:
    """The first instant, in UTC, of the month in which ``instant`` lies."""
    return instant.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)


def run_period_end(as_of: datetime) -> datetime:
    """Where a monthly run ends: 00:00 UTC on the 1st of its own month, however late in the month it runs."""
    return month_start(as_of)


def month_before(instant: datetime) -> datetime:
    """The first instant, in UTC, of the month before the one in which ``instant`` lies."""
    return month_start(month_start(instant) - timedelta(days=1))


def billing_period(last_end: datetime | None, oldest_payment_at: datetime, end: datetime) -> tuple[datetime, datetime]:
    """The period of an organization's next invoice.

    It begins where the last one ended, also when a late payment is older; the first one at the start of the month of
    the oldest unbilled payment.

    Args:
        last_end: Where the last period ended; None for the first invoice.
        oldest_payment_at: When the oldest unbilled payment was made.
        end: The run's month boundary, or now.

    Returns:
        Start and end, UTC.

    Raises:
        Invalid: The last period already reaches to ``end`` or past it (``ALREADY_BILLED``).
    """
    start = month_start(oldest_payment_at) if last_end is None else last_end.astimezone(UTC)
    if start >= end:
        raise Invalid(
            f"Everything up to {end.astimezone(UTC):%d %b %Y, %H:%M} UTC is on an invoice already. Nothing was issued.",
            code="ALREADY_BILLED",
        )
    return start, end.astimezone(UTC)


def check_days(since: date | None, until: date) -> None:
    """Refuses days in the wrong order; without ``since`` it is everything up to ``until``.

    Raises:
        Invalid: ``PERIOD_REVERSED``.
    """
    if since is not None and until < since:
        sentence = "The last day is before the first one. Choose other days."
        raise Invalid(sentence, code="PERIOD_REVERSED", details={"to": [sentence]})


def due_date(issue_date: date, terms_days: int) -> date:
    """The issue date plus the payment terms (0: due on the day of issue).

    Raises:
        Invalid: The terms are negative.
    """
    if terms_days < 0:
        raise Invalid("Payment terms are a number of days, 0 or more.", code="TERMS_INVALID")
    return issue_date + timedelta(days=terms_days)


def display_status(stored: InvoiceStatus | str, outstanding: Paise, due: date | None, today: date) -> DisplayStatus:
    """What people see of an invoice: PAID at zero outstanding, OVERDUE from the day after the due date.

    Args:
        stored: The stored status.
        outstanding: What is still to be paid, paise.
        due: The due date; None before it is issued.
        today: The date in India, where the supplier's documents are dated.
    """
    if stored != InvoiceStatus.SENT:
        return DisplayStatus(stored)
    if outstanding <= 0:
        return DisplayStatus.PAID
    return DisplayStatus.OVERDUE if due is not None and today > due else DisplayStatus.SENT
