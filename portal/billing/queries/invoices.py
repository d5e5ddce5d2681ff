"""Reading invoices and credit notes."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import Select, select
from sqlalchemy.orm import contains_eager

from portal import db
from portal.billing.models import Allocation, CreditMovement, CreditNote, CreditNoteLine, Invoice, InvoiceBalance, InvoiceLine, InvoiceMail
from portal.billing.rules import InvoiceStatus
from portal.gateways.mail import Delivery
from portal.orgs.models import Organization


def invoice(organization_id: str, invoice_id: str) -> Invoice | None:
    """One invoice of this organization that people can see."""
    if not db.is_id(invoice_id):
        return None
    return db.session.scalar(_visible(organization_id).where(Invoice.id == invoice_id))


def lines_of(invoice_id: str) -> Sequence[InvoiceLine]:
    """An invoice's lines as printed."""
    statement = select(InvoiceLine).where(InvoiceLine.invoice_id == invoice_id).order_by(InvoiceLine.position)
    return db.session.scalars(statement).all()


def mails_of(invoice_id: str) -> Sequence[InvoiceMail]:
    """The mails about an invoice and its credit notes, oldest first."""
    return db.session.scalars(select(InvoiceMail).where(InvoiceMail.invoice_id == invoice_id).order_by(InvoiceMail.created_at)).all()


def notes_of(invoice_ids: Sequence[str]) -> Sequence[CreditNote]:
    """The credit notes of some invoices, oldest first."""
    statement = select(CreditNote).where(CreditNote.invoice_id.in_(invoice_ids)).order_by(CreditNote.issued_at, CreditNote.id)
    return db.session.scalars(statement).all() if invoice_ids else []


def note(organization_id: str, note_id: str) -> CreditNote | None:
    """One credit note of this organization, with its original invoice."""
    if not db.is_id(note_id):
        return None
    statement = select(CreditNote).join(CreditNote.invoice).options(contains_eager(CreditNote.invoice))
    return db.session.scalar(statement.where(CreditNote.organization_id == organization_id, CreditNote.id == note_id))


def note_of_refund(refund_id: str) -> CreditNote | None:
    """The credit note that a refund led to, with its original invoice."""
    statement = select(CreditNote).join(CreditNote.invoice).options(contains_eager(CreditNote.invoice))
    return db.session.scalar(statement.where(CreditNote.refund_id == refund_id))


def note_lines(note_ids: Sequence[str]) -> Sequence[CreditNoteLine]:
    """The lines of some credit notes as printed."""
    statement = select(CreditNoteLine).where(CreditNoteLine.credit_note_id.in_(note_ids))
    return db.session.scalars(statement.order_by(CreditNoteLine.credit_note_id, CreditNoteLine.position)).all() if note_ids else []


def lines_of_all(invoice_ids: Sequence[str]) -> Sequence[InvoiceLine]:
    """The lines of some invoices as printed."""
    statement = select(InvoiceLine).where(InvoiceLine.invoice_id.in_(invoice_ids))
    return db.session.scalars(statement.order_by(InvoiceLine.invoice_id, InvoiceLine.position)).all() if invoice_ids else []


def allocations_of(invoice_id: str) -> Sequence[Allocation]:
    """The money that was put on an invoice, oldest first."""
    return db.session.scalars(select(Allocation).where(Allocation.invoice_id == invoice_id).order_by(Allocation.id)).all()


def movements_on(invoice_id: str) -> Sequence[tuple[CreditMovement, CreditNote]]:
    """The credit that was put on an invoice, with the notes that it came from, oldest first."""
    statement = select(CreditMovement, CreditNote).join(CreditNote, CreditNote.id == CreditMovement.credit_note_id)
    rows = db.session.execute(statement.where(CreditMovement.invoice_id == invoice_id).order_by(CreditMovement.id))
    return [(movement, note) for movement, note in rows]


def movements_of(note_id: str) -> Sequence[tuple[CreditMovement, Invoice | None]]:
    """Where a note's amount went, with the invoices that it was put on, oldest first."""
    statement = select(CreditMovement, Invoice).outerjoin(Invoice, Invoice.id == CreditMovement.invoice_id)
    rows = db.session.execute(statement.where(CreditMovement.credit_note_id == note_id).order_by(CreditMovement.id))
    return [(movement, invoice) for movement, invoice in rows]


@dataclass(frozen=True, slots=True)
class Owed:
    """An invoice of which something is outstanding, and who is reminded of it."""

    invoice_id: str
    issue_date: date
    due_date: date
    billing_email: str
    billing_contacts: Sequence[str]


def invoices_to_remind(today: date, *, days_before: int) -> Sequence[Owed]:
    """Invoices with something outstanding that are due within some days, or overdue."""
    columns: tuple[Any, ...] = (Invoice.id, Invoice.issue_date, Invoice.due_date, Organization.billing_email, Organization.billing_contacts)
    statement = (
        select(*columns)
        .join(InvoiceBalance, InvoiceBalance.invoice_id == Invoice.id)
        .join(Organization, Organization.id == Invoice.organization_id)
        .where(InvoiceBalance.outstanding > 0, InvoiceBalance.due_date <= today + timedelta(days=days_before))
        .order_by(Invoice.due_date, Invoice.id)
    )
    return [Owed(*row) for row in db.session.execute(statement)]


def mails_to_deliver(at: datetime, *, limit: int) -> Sequence[str]:
    """Ids of invoice mails that are due, for the sweep."""
    statement = (
        select(InvoiceMail.id)
        .where(InvoiceMail.delivery == Delivery.QUEUED, InvoiceMail.delivery_due_at <= at)
        .order_by(InvoiceMail.delivery_due_at)
        .limit(limit)
    )
    return db.session.scalars(statement).all()


def notes_to_archive(before: datetime, *, limit: int) -> Sequence[str]:
    """Ids of credit notes whose file is missing although they were issued a while ago, for the sweep."""
    statement = select(CreditNote.id).where(CreditNote.file_key.is_(None), CreditNote.issued_at < before)
    return db.session.scalars(statement.order_by(CreditNote.issued_at).limit(limit)).all()


def invoices_to_archive(before: datetime, *, limit: int) -> Sequence[str]:
    """Ids of invoices whose file is missing although they were sent a while ago, for the sweep."""
    statement = (
        select(Invoice.id)
        .where(Invoice.status == InvoiceStatus.SENT, Invoice.file_key.is_(None), Invoice.issued_at < before)
        .order_by(Invoice.issued_at)
        .limit(limit)
    )
    return db.session.scalars(statement).all()


def _visible(organization_id: str) -> Select[Invoice]:
    return select(Invoice).where(Invoice.organization_id == organization_id, Invoice.status != InvoiceStatus.DRAFT)
