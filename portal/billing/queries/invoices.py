"""Reading invoices."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import Select, func, or_, select

from portal import clock, db
from portal.billing.models import Invoice, InvoiceLine, InvoiceMail, Payment
from portal.billing.queries.unbilled import is_unbilled
from portal.billing.rules import InvoiceStatus, PaymentStatus, month_start
from portal.gateways.mail import Delivery


@dataclass(frozen=True, slots=True)
class Summary:
    """What the billing page's cards say; amounts in paise.

    Attributes:
        month_gross: Succeeded payments since the 1st of the month (UTC), before GST.
        unbilled: What the next invoice will bill so far, before GST.
    """

    outstanding: int
    outstanding_count: int
    overdue: int
    unbilled: int
    unbilled_count: int
    month_gross: int
    month_count: int


def invoices_of(
    organization_id: str, *, q: str = "", since: date | None = None, until: date | None = None, limit: int, offset: int = 0
) -> Sequence[Invoice]:
    """Sent and cancelled invoices, newest first; drafts are the run's own."""
    statement = _visible(organization_id)
    if q:
        pattern = db.containing(q)
        statement = statement.where(or_(Invoice.number.ilike(pattern), Invoice.po_number.ilike(pattern)))
    if since is not None:
        statement = statement.where(Invoice.issue_date >= since)
    if until is not None:
        statement = statement.where(Invoice.issue_date <= until)
    statement = statement.order_by(Invoice.issued_at.desc(), Invoice.id.desc()).limit(limit).offset(offset)
    return db.session.scalars(statement).all()


def count_invoices(organization_id: str) -> int:
    """How many invoices people can see."""
    return db.session.scalar(_visible(organization_id).with_only_columns(func.count())) or 0


def invoice(organization_id: str, invoice_id: str) -> Invoice | None:
    """One invoice of this organization that people can see."""
    if not db.is_id(invoice_id):
        return None
    return db.session.scalar(_visible(organization_id).where(Invoice.id == invoice_id))


def lines_of(invoice_id: str) -> Sequence[InvoiceLine]:
    """An invoice's lines as printed."""
    statement = select(InvoiceLine).where(InvoiceLine.invoice_id == invoice_id).order_by(InvoiceLine.position)
    return db.session.scalars(statement).all()


def invoice_mail(invoice_id: str) -> InvoiceMail | None:
    """The mail that an invoice went out with."""
    statement = select(InvoiceMail).where(InvoiceMail.invoice_id == invoice_id).order_by(InvoiceMail.created_at).limit(1)
    return db.session.scalar(statement)


def summary(organization_id: str) -> Summary:
    """The figures of an organization now."""
    now, today = clock.now(), clock.today(clock.INDIA)
    documents = select(
        func.coalesce(func.sum(Invoice.amount), 0),
        func.count(),
        func.coalesce(func.sum(Invoice.amount).filter(Invoice.due_date < today), 0),
    ).where(Invoice.organization_id == organization_id, Invoice.status == InvoiceStatus.SENT)
    outstanding, outstanding_count, overdue = db.session.execute(documents).one()
    net = Payment.amount - Payment.refunded_amount
    waiting = is_unbilled()
    this_month = Payment.created_at >= month_start(now)
    payments = select(
        func.coalesce(func.sum(net).filter(waiting), 0),
        func.count().filter(waiting, net > 0),
        func.coalesce(func.sum(Payment.amount).filter(this_month), 0),
        func.count().filter(this_month),
    ).where(Payment.organization_id == organization_id, Payment.status == PaymentStatus.SUCCEEDED)
    unbilled, unbilled_count, month_gross, month_count = db.session.execute(payments).one()
    return Summary(
        outstanding=int(outstanding),
        outstanding_count=outstanding_count,
        overdue=int(overdue),
        unbilled=int(unbilled),
        unbilled_count=unbilled_count,
        month_gross=int(month_gross),
        month_count=month_count,
    )


def mails_to_deliver(at: datetime, *, limit: int) -> Sequence[str]:
    """Ids of invoice mails that are due, for the sweep."""
    statement = (
        select(InvoiceMail.id)
        .where(InvoiceMail.delivery == Delivery.QUEUED, InvoiceMail.delivery_due_at <= at)
        .order_by(InvoiceMail.delivery_due_at)
        .limit(limit)
    )
    return db.session.scalars(statement).all()


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
