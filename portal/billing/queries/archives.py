"""Reading archives, and what belongs into one."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta

from sqlalchemy import ColumnElement, and_, func, or_, select

from portal import db
from portal.billing.models import CreditNote, DocumentArchive, Invoice
from portal.billing.rules import InvoiceStatus
from portal.billing.rules.archives import ArchiveStatus

LET_GO_AFTER = timedelta(minutes=2)
"""A worker says every few documents that it is at an archive; after this long without a word another one takes it."""

KEPT = timedelta(days=7)


def archive(organization_id: str, archive_id: str) -> DocumentArchive | None:
    """One archive of this organization."""
    if not db.is_id(archive_id):
        return None
    statement = select(DocumentArchive).where(DocumentArchive.organization_id == organization_id, DocumentArchive.id == archive_id)
    return db.session.scalar(statement)


def archives_of(organization_id: str, *, limit: int) -> Sequence[DocumentArchive]:
    """The newest archives of this organization."""
    statement = select(DocumentArchive).where(DocumentArchive.organization_id == organization_id)
    return db.session.scalars(statement.order_by(DocumentArchive.id.desc()).limit(limit)).all()


def count_issued(organization_id: str, *, since: date, until: date) -> int:
    """How many documents were issued on these days."""
    invoices = select(func.count()).select_from(Invoice).where(_sent(organization_id, since=since, until=until)).scalar_subquery()
    notes = select(func.count()).select_from(CreditNote).where(_credited(organization_id, since=since, until=until)).scalar_subquery()
    return db.session.scalar(select(invoices + notes)) or 0


def documents_issued(organization_id: str, *, since: date, until: date) -> Sequence[Invoice | CreditNote]:
    """Sent and cancelled invoices of these days by number, then credit notes, void ones too."""
    invoices = select(Invoice).where(_sent(organization_id, since=since, until=until)).order_by(Invoice.issue_date, Invoice.number)
    notes = (
        select(CreditNote).where(_credited(organization_id, since=since, until=until)).order_by(CreditNote.issue_date, CreditNote.number)
    )
    return [*db.session.scalars(invoices), *db.session.scalars(notes)]


def archives_to_build(at: datetime, *, limit: int) -> Sequence[str]:
    """Ids of archives that nobody is at, for the sweep."""
    let_go = or_(DocumentArchive.claimed_at.is_(None), DocumentArchive.claimed_at < at - LET_GO_AFTER)
    statement = (
        select(DocumentArchive.id)
        .where(DocumentArchive.status.in_([ArchiveStatus.QUEUED, ArchiveStatus.RUNNING]), DocumentArchive.created_at < at - LET_GO_AFTER)
        .where(let_go)
        .order_by(DocumentArchive.created_at)
        .limit(limit)
    )
    return db.session.scalars(statement).all()


def archives_to_forget(at: datetime, *, limit: int) -> Sequence[DocumentArchive]:
    """Archives whose file was kept long enough."""
    statement = select(DocumentArchive).where(DocumentArchive.finished_at < at - KEPT).order_by(DocumentArchive.finished_at)
    return db.session.scalars(statement.limit(limit)).all()


def _sent(organization_id: str, *, since: date, until: date) -> ColumnElement[bool]:
    return and_(
        Invoice.organization_id == organization_id,
        Invoice.status != InvoiceStatus.DRAFT,
        Invoice.issue_date.between(since, until),
    )


def _credited(organization_id: str, *, since: date, until: date) -> ColumnElement[bool]:
    return and_(CreditNote.organization_id == organization_id, CreditNote.issue_date.between(since, until))
