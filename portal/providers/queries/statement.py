"""An organization's account of earnings: what was earned, what refunds took back, what was paid. Amounts are paise."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text

from portal import db

_ALL = """
    SELECT e.created_at AS at, 1 AS place, 'EARNED' AS kind, e.title AS label, u.name AS consultant, e.share AS amount, e.id AS subject_id
    FROM earnings e JOIN users u ON u.id = e.consultant_id
    WHERE e.organization_id = :organization_id AND e.party = 'ORGANIZATION'
    UNION ALL
    SELECT r.created_at, 2, 'REFUNDED', e.title, u.name, -r.amount, e.id
    FROM earning_reversals r JOIN earnings e ON e.id = r.earning_id JOIN users u ON u.id = e.consultant_id
    WHERE e.organization_id = :organization_id AND e.party = 'ORGANIZATION'
    UNION ALL
    SELECT completed_at, 3, 'PAID_OUT', coalesce(reference, ''), '', -amount, id
    FROM payouts WHERE organization_id = :organization_id AND status = 'COMPLETED'
"""
_ENTRIES = text(f"SELECT * FROM ({_ALL}) AS entries WHERE at >= :since AND at < :until ORDER BY at, place, subject_id")  # noqa: S608 - ours
_OPENING = text(f"SELECT coalesce(sum(amount), 0) FROM ({_ALL}) AS entries WHERE at < :since")  # noqa: S608 - ours

LABELS = {"EARNED": "Earned", "REFUNDED": "Refunded", "PAID_OUT": "Paid out"}


@dataclass(frozen=True, slots=True)
class EarningsEntry:
    """A line of the account: earned is positive, refunded and paid out are negative."""

    at: datetime
    kind: str
    label: str
    consultant: str
    amount: int
    balance: int

    @property
    def kind_label(self) -> str:
        """What happened, in words."""
        return LABELS[self.kind]


@dataclass(frozen=True, slots=True)
class EarningsStatement:
    """The account of a period: what stood at its beginning, its lines, and what stands at its end."""

    opening: int
    entries: Sequence[EarningsEntry]
    closing: int


def statement_of(organization_id: str, *, since: datetime, until: datetime) -> EarningsStatement:
    """The account from ``since`` to before ``until``."""
    known = {"organization_id": organization_id, "since": since, "until": until}
    opening = balance = int(db.session.execute(_OPENING, known).scalar_one())
    entries = []
    for row in db.session.execute(_ENTRIES, known):
        balance += int(row.amount)
        entries.append(EarningsEntry(row.at, row.kind, row.label, row.consultant, int(row.amount), balance))
    return EarningsStatement(opening, entries, balance)
