"""Invoices and credit notes as one list, newest first."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, cast, literal, or_, select, tuple_, union_all
from sqlalchemy.orm import contains_eager

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


def documents_of(organization_id: str, filters: Filters, *, limit: int, cursor: str | None = None) -> Sequence[Listed]:
    """Sent and cancelled invoices and credit notes, newest first; ``cursor`` is the last id of the page before."""
    both = union_all(_invoices(organization_id, filters), _notes(organization_id, filters)).subquery()
    statement = select(both.c.id, both.c.is_note)
    if cursor is not None:
        invoice_at = select(Invoice.issued_at, Invoice.id).where(Invoice.id == cursor, Invoice.organization_id == organization_id)
        note_at = select(CreditNote.issued_at, CreditNote.id).where(CreditNote.id == cursor, CreditNote.organization_id == organization_id)
        last: Any = db.session.execute(union_all(invoice_at, note_at)).first()
        if last is None:
            return []
        statement = statement.where(tuple_(both.c.issued_at, both.c.id) < tuple_(literal(last.issued_at), cast(last.id, Invoice.id.type)))
    rows = db.session.execute(statement.order_by(both.c.issued_at.desc(), both.c.id.desc()).limit(limit)).all()
    return _loaded([row.id for row in rows if not row.is_note], [row.id for row in rows if row.is_note], order=[row.id for row in rows])


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


def _invoices(organization_id: str, filters: Filters) -> Select[*tuple[Any, ...]]:
    statement: Select[*tuple[Any, ...]] = (
        select(Invoice.id, Invoice.issued_at, literal(value=False).label("is_note"))
        .join(InvoiceBalance, InvoiceBalance.invoice_id == Invoice.id)
        .where(Invoice.organization_id == organization_id, Invoice.status != InvoiceStatus.DRAFT)
    )
    if filters.status is not None:
        statement = statement.where(_invoice_stands(filters.status))
    if filters.q:
        pattern = db.containing(filters.q)
        statement = statement.where(or_(Invoice.number.ilike(pattern), Invoice.po_number.ilike(pattern)))
    return _between(statement, Invoice.issue_date, filters)


def _invoice_stands(status: str) -> ColumnElement[bool]:
    is_sent, owed, today = Invoice.status == InvoiceStatus.SENT, InvoiceBalance.outstanding > 0, clock.today(clock.INDIA)
    conditions: dict[str, ColumnElement[bool]] = {
        DisplayStatus.SENT: and_(is_sent, owed, InvoiceBalance.due_date >= today),
        DisplayStatus.OVERDUE: and_(is_sent, owed, InvoiceBalance.due_date < today),
        DisplayStatus.PAID: and_(is_sent, InvoiceBalance.outstanding == 0),
        DisplayStatus.CANCELLED: Invoice.status == InvoiceStatus.CANCELLED,
    }
    return conditions.get(status, Invoice.id.is_(None))


def _notes(organization_id: str, filters: Filters) -> Select[*tuple[Any, ...]]:
    statement: Select[*tuple[Any, ...]] = select(CreditNote.id, CreditNote.issued_at, literal(value=True).label("is_note")).where(
        CreditNote.organization_id == organization_id
    )
    if filters.status is not None:
        statement = statement.where(_note_stands(filters.status))
    if filters.q:
        pattern = db.containing(filters.q)
        of_original = select(Invoice.id).where(Invoice.organization_id == organization_id, Invoice.number.ilike(pattern))
        statement = statement.where(or_(CreditNote.number.ilike(pattern), CreditNote.invoice_id.in_(of_original)))
    return _between(statement, CreditNote.issue_date, filters)


def _note_stands(status: str) -> ColumnElement[bool]:
    is_issued = CreditNote.status == CreditNoteStatus.ISSUED
    conditions: dict[str, ColumnElement[bool]] = {
        CreditNoteStatus.ISSUED: and_(is_issued, CreditNote.open_amount > 0),
        CreditNoteStatus.APPLIED: and_(is_issued, CreditNote.open_amount == 0),
        CreditNoteStatus.VOID: CreditNote.status == CreditNoteStatus.VOID,
    }
    return conditions.get(status, CreditNote.id.is_(None))


def _between(statement: Select[*tuple[Any, ...]], day: Any, filters: Filters) -> Select[*tuple[Any, ...]]:  # noqa: ANN401 - a column of dates
    if filters.since is not None:
        statement = statement.where(day >= filters.since)
    if filters.until is not None:
        statement = statement.where(day <= filters.until)
    return statement
