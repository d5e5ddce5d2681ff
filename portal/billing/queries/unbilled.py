"""What no invoice has billed yet, and who is due."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, and_, exists, func, select

from portal import db
from portal.billing.models import BillingRun, Invoice, Payment
from portal.billing.rules import InvoiceStatus, PaymentMethod, PaymentStatus, Purpose
from portal.billing.rules.runs import RunStatus
from portal.orgs.models import Organization
from portal.orgs.rules import BillingMode, Status


def is_unbilled() -> ColumnElement[bool]:
    """The condition under which a payment waits for an invoice."""
    return and_(
        Payment.payment_method == PaymentMethod.ORG_INVOICED,
        Payment.status == PaymentStatus.SUCCEEDED,
        Payment.billable_to_org_invoice_id.is_(None),
        Payment.settled_at.is_(None),
    )


def is_to_be_billed(end: datetime) -> ColumnElement[bool]:
    """The condition under which an organization's month that ends at ``end`` is still to be billed."""
    return and_(
        _is_invoiced(),
        exists().where(Payment.organization_id == Organization.id, is_unbilled(), Payment.created_at < end),
        ~_is_covered(end),
    )


def unbilled_payments(organization_ids: Sequence[str], *, before: datetime) -> Sequence[Payment]:
    """Unbilled payments made before an instant, in the order in which their lines are printed."""
    statement = (
        select(Payment)
        .where(Payment.organization_id.in_(organization_ids), is_unbilled(), Payment.created_at < before)
        .order_by(Payment.organization_id, Payment.session_starts_at, Payment.id)
        .execution_options(populate_existing=True)
    )
    return db.session.scalars(statement).all()


def last_period_ends(organization_ids: Sequence[str]) -> dict[str, datetime]:
    """Where each organization's last billed period ended; those without any are left out."""
    statement = (
        select(Invoice.organization_id, func.max(Invoice.billing_cycle_end).label("end"))
        .where(
            Invoice.organization_id.in_(organization_ids),
            Invoice.purpose == Purpose.PERIOD,
            Invoice.status != InvoiceStatus.CANCELLED,
        )
        .group_by(Invoice.organization_id)
    )
    return {row.organization_id: row.end for row in db.session.execute(statement)}


def skipped(end: datetime, *, billed_now: int) -> dict[str, int]:
    """Why the other monthly invoiced organizations got no invoice: ``{reason: how many}``."""
    covered = _is_covered(end)
    waits = exists().where(Payment.organization_id == Organization.id, is_unbilled(), Payment.created_at < end)
    statement = select(func.count().filter(covered), func.count().filter(~covered, ~waits)).where(_is_invoiced())
    already_billed, nothing_unbilled = db.session.execute(statement).one()
    reasons = {"already_billed": already_billed - billed_now, "nothing_unbilled": nothing_unbilled}
    return {reason: number for reason, number in reasons.items() if number > 0}


def is_month_open(end: datetime) -> bool:
    """Whether the monthly run of the month that ends at ``end`` was missed, or isn't done."""
    return db.session.scalar(select(BillingRun.status).where(BillingRun.period_end == end)) is not RunStatus.DONE


def awaiting_final_invoice(*, limit: int) -> Sequence[str]:
    """Ids of deactivated organizations that still have something unbilled, for the sweep."""
    unbilled = exists().where(Payment.organization_id == Organization.id, is_unbilled())
    statement = select(Organization.id).where(
        Organization.status == Status.DEACTIVATED, Organization.billing_mode == BillingMode.INVOICED_MONTHLY, unbilled
    )
    return db.session.scalars(statement.limit(limit)).all()


def _is_invoiced() -> ColumnElement[bool]:
    return and_(Organization.status == Status.ACTIVE, Organization.billing_mode == BillingMode.INVOICED_MONTHLY)


def _is_covered(end: datetime) -> ColumnElement[bool]:
    return exists().where(
        Invoice.organization_id == Organization.id,
        Invoice.purpose == Purpose.PERIOD,
        Invoice.status != InvoiceStatus.CANCELLED,
        Invoice.billing_cycle_end >= end,
    )
