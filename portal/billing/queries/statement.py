"""The statement of account: everything that changed what an organization owes, in the order in which it happened. Amounts are paise."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from sqlalchemy import text

from portal import db
from portal.billing.rules import check_days


@dataclass(frozen=True, slots=True)
class Entry:
    """One line: a document or a payment, what it added (``debit``) or took off (``credit``), and the balance after it."""

    date: date
    type: str
    number: str
    document_id: str
    debit: int
    credit: int
    balance: int

    @property
    def label(self) -> str:
        """The kind of entry in words."""
        return self.type.replace("_", " ").capitalize()


@dataclass(frozen=True, slots=True)
class Statement:
    """An account between two days, both inclusive. ``closing`` is the outstanding minus the open credit of that day's end."""

    since: date | None
    until: date
    opening: int
    entries: Sequence[Entry]
    closing: int


# Documents are dated in India; so are the days on which money came.
_ENTRIES = text("""
SELECT * FROM (
    SELECT issued_at AS at, issue_date AS date, 'INVOICE' AS type, number, id AS document_id, amount AS debit, 0 AS credit
    FROM invoices WHERE organization_id = :organization_id AND status <> 'DRAFT'
    UNION ALL
    SELECT cancelled_at, (cancelled_at AT TIME ZONE 'Asia/Kolkata')::date, 'CANCELLATION', number, id, 0, amount
    FROM invoices WHERE organization_id = :organization_id AND status = 'CANCELLED'
    UNION ALL
    SELECT issued_at, issue_date, 'CREDIT_NOTE', number, id, 0, amount FROM credit_notes WHERE organization_id = :organization_id
    UNION ALL
    SELECT voided_at, (voided_at AT TIME ZONE 'Asia/Kolkata')::date, 'VOID_CREDIT_NOTE', number, id, amount, 0
    FROM credit_notes WHERE organization_id = :organization_id AND status = 'VOID'
    UNION ALL
    SELECT a.paid_at, (a.paid_at AT TIME ZONE 'Asia/Kolkata')::date, 'PAYMENT', i.number, i.id, 0, a.amount
    FROM invoice_allocations a JOIN invoices i ON i.id = a.invoice_id WHERE a.organization_id = :organization_id
    UNION ALL
    SELECT m.created_at, (m.created_at AT TIME ZONE 'Asia/Kolkata')::date, 'CREDIT_PAYOUT', n.number, n.id, m.amount, 0
    FROM credit_movements m JOIN credit_notes n ON n.id = m.credit_note_id
    WHERE m.organization_id = :organization_id AND m.kind = 'PAID_OUT'
) AS entry WHERE date <= :until ORDER BY at, number, type
""")


def statement_of(organization_id: str, *, since: date | None, until: date) -> Statement:
    """The account of an organization; without ``since`` from its beginning on.

    Raises:
        Invalid: ``PERIOD_REVERSED``.
    """
    check_days(since, until)
    rows = db.session.execute(_ENTRIES, {"organization_id": organization_id, "until": until}).all()
    opening = sum(row.debit - row.credit for row in rows if since is not None and row.date < since)
    balance, entries = opening, []
    for row in rows:
        if since is not None and row.date < since:
            continue
        balance += row.debit - row.credit
        entries.append(Entry(row.date, row.type, row.number, str(row.document_id), row.debit, row.credit, balance))
    return Statement(since, until, opening, entries, balance)
