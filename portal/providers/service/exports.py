"""The account of earnings as CSV, for spreadsheets and bookkeeping. Amounts are in rupees with two decimals."""

from decimal import Decimal
from zoneinfo import ZoneInfo

from portal.providers.queries import EarningsStatement
from portal.sheets import csv_bytes

_COLUMNS = ("date", "entry", "session or reference", "consultant", "amount", "balance")


def statement_csv(statement: EarningsStatement, *, time_zone: str) -> bytes:
    """An opening line, the entries, and a closing line; dates are the organization's."""
    zone = ZoneInfo(time_zone)
    rows: list[tuple[object, ...]] = [("", "opening", "", "", "", _rupees(statement.opening))]
    rows += [
        (
            entry.at.astimezone(zone).date().isoformat(),
            entry.kind_label.lower(),
            entry.label,
            entry.consultant,
            _rupees(entry.amount),
            _rupees(entry.balance),
        )
        for entry in statement.entries
    ]
    rows.append(("", "closing", "", "", "", _rupees(statement.closing)))
    return csv_bytes(_COLUMNS, rows)


def _rupees(amount: int) -> Decimal:
    return Decimal(amount).scaleb(-2)
