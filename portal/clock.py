"""The only wall clock.

Everything that asks for the time asks here, so that ``CLOCK_FILE`` can hold it still and a job can run "as of" another instant.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

INDIA = ZoneInfo("Asia/Kolkata")

_held: ContextVar[datetime | None] = ContextVar("held", default=None)
_file: list[Path] = []


def read_from(path: Path | None) -> None:
    """Makes the clock look into ``path`` at each reading (None: the ordinary clock again)."""
    _file[:] = [] if path is None else [path]


def now() -> datetime:
    """The present instant, UTC, with its time zone."""
    return _held.get() or wall()


def wall() -> datetime:
    """What the clock shows outside of any ``as_of``: the hour of other companies, whatever a job takes for now. UTC."""
    for path in _file:
        if path.exists():
            return parse_instant(path.read_text().strip())
    return datetime.now(UTC)


def system() -> datetime:
    """What the machine's own clock shows, whatever ``CLOCK_FILE`` says: the hour of queues and cron lines. UTC."""
    return datetime.now(UTC)


def today(time_zone: str | ZoneInfo) -> date:
    """The present date in a time zone."""
    zone = time_zone if isinstance(time_zone, ZoneInfo) else ZoneInfo(time_zone)
    return now().astimezone(zone).date()


def midnight(day: date, time_zone: str) -> datetime:
    """The instant (UTC) at which a day begins in a zone."""
    return datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(time_zone)).astimezone(UTC)


@contextmanager
def as_of(instant: datetime | None) -> Iterator[None]:
    """Holds the clock at ``instant`` for what runs inside (None: leaves it running)."""
    if instant is None:
        yield
        return
    token = _held.set(instant.astimezone(UTC))
    try:
        yield
    finally:
        _held.reset(token)


def held() -> datetime | None:
    """The instant at which ``as_of`` holds the clock, so that what a job rings follows it; None when it runs."""
    return _held.get()


def iso(instant: datetime) -> str:
    """An instant as JSON shows it: ISO 8601 in UTC, with ``Z``."""
    return instant.astimezone(UTC).isoformat().replace("+00:00", "Z")


def parse_instant(text: str) -> datetime:
    """Reads ISO 8601 with a zone (``2026-12-01T00:00:00Z``).

    Raises:
        ValueError: The text is no instant, or has no zone.
    """
    instant = datetime.fromisoformat(text)
    if instant.tzinfo is None:
        raise ValueError(f"{text} has no time zone: end it with Z")
    return instant.astimezone(UTC)
