"""How values are shown: money in Indian grouping, dates in the organization's zone."""

from datetime import date, datetime

from flask import Flask

from portal import clock, money
from portal.gateways import rendering

NOTHING = "—"


def show_date(value: date | datetime | None, time_zone: str = "Asia/Kolkata") -> str:
    """As in mails and documents, and a dash for nothing."""
    return NOTHING if value is None else rendering.show_date(value, time_zone)


def show_instant(value: datetime | None, time_zone: str = "Asia/Kolkata") -> str:
    """As in mails and documents, and a dash for nothing."""
    return NOTHING if value is None else rendering.show_instant(value, time_zone)


def machine_instant(value: date | datetime | None) -> str:
    """ISO 8601, for the ``datetime`` attribute of ``<time>``."""
    return "" if value is None else value.isoformat()


def count(number: int, singular: str, plural: str = "") -> str:
    """``1 member``, ``2 members``."""
    return f"{number:,} {singular if number == 1 else plural or singular + 's'}"


def ago(value: datetime) -> str:
    """How long ago an instant was: ``just now``, ``2 minutes ago``, ``3 days ago``."""
    seconds = max(int((clock.now() - value).total_seconds()), 0)
    for size, word in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        if seconds >= size:
            return f"{count(seconds // size, word)} ago"
    return "just now"


def init_app(app: Flask) -> None:
    """Makes the filters known to the templates."""
    app.jinja_env.filters.update(
        money=money.format_inr, amount=money.format_amount, date=show_date, instant=show_instant, iso=machine_instant, count=count, ago=ago
    )
