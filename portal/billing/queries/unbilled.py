"""What no invoice has billed yet, and who is due."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Date, Select, and_, cast, exists, func, select

from portal import db
from portal.billing.models import BillingRun, Invoice, Payment
from portal.billing.rules import DEFAULT_SAC, InvoiceStatus, PaymentMethod, PaymentStatus, Purpose
from portal.billing.rules.runs import RunStatus
from portal.orgs.models import Organization
from portal.orgs.rules import BillingMode, Status

_LEAST_STEP = timedelta(microseconds=1)
_AN_INSTANT = timedelta(milliseconds=1)
_net = Payment.amount - Payment.refunded_amount


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


@dataclass(frozen=True, slots=True)
class ToBill:
    """What is unbilled of one organization: how much before GST, of how many payments, and when the oldest was made."""

    taxable: int
    payments: int
    oldest_at: datetime


def totals_to_bill(organization_ids: Sequence[str], *, before: datetime) -> dict[str, ToBill]:
    """Organization → what its next invoice bills; those with nothing to bill are left out."""
    statement = (
        select(Payment.organization_id, func.sum(_net), func.count(), func.min(Payment.created_at))
        .where(Payment.organization_id.in_(organization_ids), is_unbilled(), Payment.created_at < before, _net > 0)
        .group_by(Payment.organization_id)
    )
    rows = db.session.execute(statement)
    return {str(organization_id): ToBill(int(taxable), count, oldest) for organization_id, taxable, count, oldest in rows}


def lines_to_bill(organization_ids: Sequence[str], *, before: datetime) -> Select[Any]:
    """The lines of the next invoices, as a query: the run inserts what it finds, the preview reads it.

    Columns: ``organization_id, payment_id, position, description, detail, sac_code, amount`` (paise, net of refunds) and
    ``session_date`` in the organization's zone.
    """
    order = (Payment.session_starts_at, Payment.id)
    local = func.timezone(Organization.time_zone, Payment.session_starts_at)
    return (
        select(
            Payment.organization_id.label("organization_id"),
            Payment.id.label("payment_id"),
            func.row_number().over(partition_by=Payment.organization_id, order_by=order).label("position"),
            (func.initcap(Payment.plan_type) + ": " + Payment.plan_title).label("description"),
            (Payment.learner_name + " with " + Payment.consultant_name).label("detail"),
            func.coalesce(func.nullif(Payment.sac_code, ""), DEFAULT_SAC).label("sac_code"),
            _net.label("amount"),
            cast(local, Date).label("session_date"),
        )
        .join(Organization, Organization.id == Payment.organization_id)
        .where(Payment.organization_id.in_(organization_ids), is_unbilled(), Payment.created_at < before, _net > 0)
    )


def is_refunded_in_full(organization_ids: Sequence[str], *, before: datetime) -> ColumnElement[bool]:
    """The condition under which a payment is settled without a line."""
    return and_(Payment.organization_id.in_(organization_ids), is_unbilled(), Payment.created_at < before, _net == 0)


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


def close_out_end(organization_id: str, *, now: datetime) -> datetime:
    """Where a period ends that is closed out now: now, unless something of this very instant belongs into it.

    Periods are half-open, so what was booked in this instant, or a period that ended in it, is followed by the least step of time:
    clocks of machines are coarse, and ``CLOCK_FILE`` holds them still.
    """
    is_of_now = exists().where(Payment.organization_id == organization_id, is_unbilled(), Payment.created_at == now)
    last_end = last_period_ends([organization_id]).get(organization_id)
    if last_end is not None and now <= last_end < now + _AN_INSTANT:
        return last_end + _LEAST_STEP
    return now + _LEAST_STEP if db.session.scalar(select(is_of_now)) else now


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


def newest_runs(*, limit: int) -> Sequence[BillingRun]:
    """The monthly runs, newest first."""
    return db.session.scalars(select(BillingRun).order_by(BillingRun.period_end.desc()).limit(limit)).all()


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
