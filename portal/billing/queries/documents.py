"""Invoices and credit notes as one list, newest first."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Select,
    Subquery,
    Text,
    and_,
    bindparam,
    cast,
    literal,
    null,
    or_,
    select,
    tuple_,
    type_coerce,
    union_all,
)
from sqlalchemy.orm import aliased, contains_eager

from portal import clock, db
from portal.billing.models import CreditNote, Invoice, InvoiceBalance
from portal.billing.rules import CreditNoteStatus, DisplayStatus, InvoiceStatus


@dataclass(frozen=True, slots=True)
class Filters:
    """Which documents are wanted: issue dates are inclusive, ``status`` is what people see, ``q`` a part of a number or PO number."""

    q: str = ""
    status: str | None = None
    since: date | None = None
    until: date | None = None


class Shape(NamedTuple):
    """What a statement of documents depends on: one is made for each, and kept, for making it takes longer than PostgreSQL's answer."""

    status: str | None
    has_q: bool
    has_since: bool
    has_until: bool
    goes_on: bool


@dataclass(frozen=True, slots=True)
class Listed:
    """One document of the list: an invoice with its balance, or a credit note with its original loaded."""

    invoice: Invoice | None = None
    balance: InvoiceBalance | None = None
    note: CreditNote | None = None

    @property
    def id(self) -> str:
        """Of the document: the cursor of the page after it."""
        return str((self.invoice or self.note).id)  # type: ignore[union-attr] # one of the two is there


class Row(NamedTuple):
    """What the billing page's table shows of one document. Amounts are paise.

    Attributes:
        status: As it is stored: an ``InvoiceStatus`` or a ``CreditNoteStatus``.
        open_amount: What is outstanding of an invoice, or open of a credit note.
        paid_amount: Of an invoice.
        invoice_id: Of a credit note: its original's.
    """

    id: str
    is_note: bool
    number: str
    status: str
    issue_date: date
    due_date: date | None
    amount: int
    open_amount: int
    paid_amount: int
    billing_cycle_start: datetime | None
    billing_cycle_end: datetime | None
    reason: str | None
    reason_code: str | None
    invoice_id: str | None
    invoice_number: str | None


class Credit(NamedTuple):
    """A credit note of an invoice, by which it is credited. The amount is paise."""

    invoice_id: str
    id: str
    number: str
    amount: int


def rows_of(organization_id: str, filters: Filters, *, limit: int, cursor: str | None = None) -> Sequence[Row]:
    """As ``documents_of``, for the page: one statement, and nothing that isn't shown."""
    last = _last(organization_id, cursor)
    if last is None:
        return []
    statement = _rows(_shape(filters, cursor)).limit(limit)
    return [Row(*row) for row in db.session.execute(statement, _values(organization_id, filters) | last)]


@cache
def _rows(shape: Shape) -> Select[*tuple[Any, ...]]:
    nothing, original = cast(null(), Text), aliased(Invoice)
    invoices = _invoices(shape).add_columns(
        Invoice.number,
        type_coerce(Invoice.status, Text).label("status"),
        Invoice.issue_date,
        Invoice.due_date,
        Invoice.amount,
        InvoiceBalance.outstanding.label("open_amount"),
        InvoiceBalance.paid_amount,
        Invoice.billing_cycle_start,
        Invoice.billing_cycle_end,
        nothing.label("reason"),
        nothing.label("reason_code"),
        cast(null(), Invoice.id.type).label("invoice_id"),
        nothing.label("invoice_number"),
    )
    notes = _notes(shape).add_columns(
        CreditNote.number,
        type_coerce(CreditNote.status, Text),
        CreditNote.issue_date,
        null(),
        CreditNote.amount,
        CreditNote.open_amount,
        literal(0),
        null(),
        null(),
        CreditNote.reason,
        type_coerce(CreditNote.reason_code, Text),
        CreditNote.invoice_id,
        original.number,
    )
    both = union_all(invoices, notes.join(original, original.id == CreditNote.invoice_id)).subquery()
    return _newest_first(select(*(both.c[name] for name in Row._fields)), both, shape)


def credits_of(invoice_ids: Sequence[str]) -> Sequence[Credit]:
    """The credit notes of some invoices that aren't void, oldest first."""
    statement = (
        select(CreditNote.invoice_id, CreditNote.id, CreditNote.number, CreditNote.amount)
        .where(CreditNote.invoice_id.in_(invoice_ids), CreditNote.voided_at.is_(None))
        .order_by(CreditNote.issued_at, CreditNote.id)
    )
    return [Credit(*row) for row in db.session.execute(statement)] if invoice_ids else []


def documents_of(organization_id: str, filters: Filters, *, limit: int, cursor: str | None = None) -> Sequence[Listed]:
    """Sent and cancelled invoices and credit notes, newest first; ``cursor`` is the last id of the page before."""
    last = _last(organization_id, cursor)
    if last is None:
        return []
    statement = _ids(_shape(filters, cursor)).limit(limit)
    rows = db.session.execute(statement, _values(organization_id, filters) | last).all()
    return _loaded([row.id for row in rows if not row.is_note], [row.id for row in rows if row.is_note], order=[row.id for row in rows])


@cache
def _ids(shape: Shape) -> Select[*tuple[Any, ...]]:
    both = union_all(_invoices(shape), _notes(shape)).subquery()
    return _newest_first(select(both.c.id, both.c.is_note), both, shape)


def _shape(filters: Filters, cursor: str | None) -> Shape:
    return Shape(filters.status, bool(filters.q), filters.since is not None, filters.until is not None, cursor is not None)


def _values(organization_id: str, filters: Filters) -> dict[str, Any]:
    return {
        "organization": organization_id,
        "pattern": db.containing(filters.q),
        "since": filters.since,
        "until": filters.until,
        "today": clock.today(clock.INDIA),
    }


def _last(organization_id: str, cursor: str | None) -> dict[str, Any] | None:
    """Where the page before ended; None when the cursor is no document of theirs."""
    if cursor is None:
        return {}
    invoice_at = select(Invoice.issued_at, Invoice.id).where(Invoice.id == cursor, Invoice.organization_id == organization_id)
    note_at = select(CreditNote.issued_at, CreditNote.id).where(CreditNote.id == cursor, CreditNote.organization_id == organization_id)
    found: Any = db.session.execute(union_all(invoice_at, note_at)).first()
    return None if found is None else {"last_at": found.issued_at, "last_id": found.id}


def _newest_first(statement: Select[*tuple[Any, ...]], both: Subquery, shape: Shape) -> Select[*tuple[Any, ...]]:
    if shape.goes_on:
        last = tuple_(bindparam("last_at", type_=Invoice.issued_at.type), bindparam("last_id", type_=Invoice.id.type))
        statement = statement.where(tuple_(both.c.issued_at, both.c.id) < last)
    return statement.order_by(both.c.issued_at.desc(), both.c.id.desc())


def _loaded(invoice_ids: Sequence[str], note_ids: Sequence[str], *, order: Sequence[str]) -> list[Listed]:
    found: dict[str, Listed] = {}
    if invoice_ids:
        both = select(Invoice, InvoiceBalance).join(InvoiceBalance, InvoiceBalance.invoice_id == Invoice.id)
        for invoice, balance in db.session.execute(both.where(Invoice.id.in_(invoice_ids))):
            found[invoice.id] = Listed(invoice=invoice, balance=balance)
    if note_ids:
        statement = select(CreditNote).join(CreditNote.invoice).options(contains_eager(CreditNote.invoice))
        for note in db.session.scalars(statement.where(CreditNote.id.in_(note_ids))):
            found[note.id] = Listed(note=note)
    return [found[document_id] for document_id in order]


def _invoices(shape: Shape) -> Select[*tuple[Any, ...]]:
    statement: Select[*tuple[Any, ...]] = (
        select(Invoice.id, Invoice.issued_at, literal(value=False).label("is_note"))
        .join(InvoiceBalance, InvoiceBalance.invoice_id == Invoice.id)
        .where(Invoice.organization_id == bindparam("organization"), Invoice.status != InvoiceStatus.DRAFT)
    )
    if shape.status is not None:
        statement = statement.where(_invoice_stands(shape.status))
    if shape.has_q:
        pattern: BindParameter[str] = bindparam("pattern")
        statement = statement.where(or_(Invoice.number.ilike(pattern), Invoice.po_number.ilike(pattern)))
    return _between(statement, Invoice.issue_date, shape)


def _invoice_stands(status: str) -> ColumnElement[bool]:
    today: BindParameter[date] = bindparam("today")
    is_sent, owed = Invoice.status == InvoiceStatus.SENT, InvoiceBalance.outstanding > 0
    conditions: dict[str, ColumnElement[bool]] = {
        DisplayStatus.SENT: and_(is_sent, owed, InvoiceBalance.due_date >= today),
        DisplayStatus.OVERDUE: and_(is_sent, owed, InvoiceBalance.due_date < today),
        DisplayStatus.PAID: and_(is_sent, InvoiceBalance.outstanding == 0),
        DisplayStatus.CANCELLED: Invoice.status == InvoiceStatus.CANCELLED,
    }
    return conditions.get(status, Invoice.id.is_(None))


def _notes(shape: Shape) -> Select[*tuple[Any, ...]]:
    asked: BindParameter[str] = bindparam("organization")
    statement: Select[*tuple[Any, ...]] = select(CreditNote.id, CreditNote.issued_at, literal(value=True).label("is_note")).where(
        CreditNote.organization_id == asked
    )
    if shape.status is not None:
        statement = statement.where(_note_stands(shape.status))
    if shape.has_q:
        pattern: BindParameter[str] = bindparam("pattern")
        of_original = select(Invoice.id).where(Invoice.organization_id == asked, Invoice.number.ilike(pattern))
        statement = statement.where(or_(CreditNote.number.ilike(pattern), CreditNote.invoice_id.in_(of_original)))
    return _between(statement, CreditNote.issue_date, shape)


def _note_stands(status: str) -> ColumnElement[bool]:
    is_issued = CreditNote.status == CreditNoteStatus.ISSUED
    conditions: dict[str, ColumnElement[bool]] = {
        CreditNoteStatus.ISSUED: and_(is_issued, CreditNote.open_amount > 0),
        CreditNoteStatus.APPLIED: and_(is_issued, CreditNote.open_amount == 0),
        CreditNoteStatus.VOID: CreditNote.status == CreditNoteStatus.VOID,
    }
    return conditions.get(status, CreditNote.id.is_(None))


def _between(statement: Select[*tuple[Any, ...]], day: Any, shape: Shape) -> Select[*tuple[Any, ...]]:  # noqa: ANN401 - a column of dates
    if shape.has_since:
        statement = statement.where(day >= bindparam("since"))
    if shape.has_until:
        statement = statement.where(day <= bindparam("until"))
    return statement
