"""Issuing invoices: the monthly run and "generate now" call one function."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import bindparam, insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from portal import clock, config, db, india, queue
from portal.audit import service as audit
from portal.audit.rules import SYSTEM, Action, Actor
from portal.billing import queries
from portal.billing.models import DocumentSeries, Invoice, InvoiceLine, InvoiceMail, Payment
from portal.billing.rules import (
    DEFAULT_SAC,
    STANDARD_RATE,
    InvoiceStatus,
    Place,
    Purpose,
    billing_period,
    due_date,
    invoice_number,
)
from portal.billing.service.parties import recipient_of, supplier
from portal.db import Json
from portal.errors import DomainError, Invalid
from portal.orgs import service as orgs
from portal.orgs.models import Organization
from portal.orgs.rules import BillingMode, Status

ISSUED = "ISSUED"


@dataclass(slots=True)
class Issued:
    """What a batch came to: new invoices, how many payments they bill, paise in all, and what was refused."""

    invoice_ids: list[str] = field(default_factory=list)
    payments: int = 0
    amount: int = 0
    failures: list[Json] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Bill:
    """One organization's next invoice, computed and not yet written."""

    invoice: dict[str, Any]
    lines: list[dict[str, Any]]
    recipients: list[str]


def issue_now(organization_id: str, *, actor: Actor) -> Invoice:
    """Closes an organization's running period out by hand and returns its invoice.

    Raises:
        Invalid: The billing mode is another one (``NOT_INVOICED_MONTHLY``), or nothing is unbilled
            (``NO_UNBILLED_PAYMENTS``).
    """
    organization = orgs.lock(organization_id)
    if organization.billing_mode is not BillingMode.INVOICED_MONTHLY:
        raise Invalid("only valid for INVOICED_MONTHLY orgs", code="NOT_INVOICED_MONTHLY")
    issued = issue([organization], end=clock.now(), actor=actor, automatic=False)
    if not issued.invoice_ids:
        raise Invalid("No unbilled payments to invoice", code="NO_UNBILLED_PAYMENTS")
    return db.session.get_one(Invoice, issued.invoice_ids[0])


def issue_final(organization_id: str) -> str | None:
    """Bills everything unbilled of a DEACTIVATED organization, once; returns the invoice's id, or None when nothing is left.

    Raises:
        Invalid: It can't be billed; the job is tried again and then stands among the failed ones.
    """
    organization = orgs.lock(organization_id)
    if organization.status is not Status.DEACTIVATED or organization.billing_mode is not BillingMode.INVOICED_MONTHLY:
        return None
    after_all = clock.now() + timedelta(microseconds=1)  # what was booked in the very instant of the end is billed, too
    issued = issue([organization], end=after_all, automatic=True)
    if issued.failures:
        raise Invalid(str(issued.failures[0]["error"]), code=str(issued.failures[0]["code"]))
    return issued.invoice_ids[0] if issued.invoice_ids else None


def issue(organizations: Sequence[Organization], *, end: datetime, actor: Actor = SYSTEM, automatic: bool) -> Issued:
    """Invoices what is unbilled before ``end`` for organizations that the caller has locked.

    Everything is written as sets; the numbers are taken last, so that their series is locked only until the commit that
    follows. An organization that can't be billed is left out and named in ``failures``.
    """
    issued = Issued()
    unbilled = queries.unbilled_payments([row.id for row in organizations], before=end)
    last_ends = queries.last_period_ends([row.id for row in organizations])
    by_organization: dict[str, list[Payment]] = defaultdict(list)
    for payment in unbilled:
        by_organization[str(payment.organization_id)].append(payment)
    bills: list[_Bill] = []
    settled: list[str] = []
    for organization in organizations:
        payments = by_organization.get(organization.id, [])
        settled += [payment.id for payment in payments if payment.amount == payment.refunded_amount]
        to_bill = [payment for payment in payments if payment.amount > payment.refunded_amount]
        if not to_bill:
            continue
        try:
            bills.append(_bill(organization, to_bill, last_end=last_ends.get(organization.id), end=end, automatic=automatic))
        except DomainError as error:
            issued.failures.append({"organizationId": organization.id, "code": error.code, "error": error.message})
    _settle(settled)
    if bills:
        _write(bills, actor=actor)
        issued.invoice_ids = [bill.invoice["id"] for bill in bills]
        issued.payments = sum(len(bill.lines) for bill in bills)
        issued.amount = sum(bill.invoice["amount"] for bill in bills)
    return issued


def _bill(organization: Organization, payments: Sequence[Payment], *, last_end: datetime | None, end: datetime, automatic: bool) -> _Bill:
    at = clock.now()
    issue_date = clock.today(clock.INDIA)
    place = queries.place_of(organization)
    start, period_end = billing_period(last_end, min(payment.created_at for payment in payments), end)
    invoice_id = db.new_id()
    lines = _lines(invoice_id, payments, time_zone=organization.time_zone)
    taxable = sum(line["taxable_amount"] for line in lines)
    tax = place.tax(taxable, rate=STANDARD_RATE)
    days = organization.payment_terms_days
    invoice = {
        "id": invoice_id,
        "organization_id": organization.id,
        "purpose": Purpose.PERIOD,
        "status": InvoiceStatus.DRAFT,
        "currency": "INR",
        "taxable_amount": taxable,
        "tax_rate": tax.rate,
        "cgst": tax.cgst,
        "sgst": tax.sgst,
        "igst": tax.igst,
        "tax_amount": tax.total,
        "amount": taxable + tax.total,
        "billing_cycle_start": start,
        "billing_cycle_end": period_end,
        "issue_date": issue_date,
        "due_date": due_date(issue_date, days),
        "issued_at": at,
        "supplier": supplier(),
        "recipient": recipient_of(organization),
        "particulars": _particulars(place, days=days),
        "place_of_supply": place.place_of_supply,
        "tax_kind": tax.kind,
        "po_number": organization.po_number,
        "payment_terms_days": days,
        "auto_generated": automatic,
        "created_at": at,
    }
    return _Bill(invoice=invoice, lines=lines, recipients=list(dict.fromkeys((organization.billing_email, *organization.billing_contacts))))


def _lines(invoice_id: str, payments: Sequence[Payment], *, time_zone: str) -> list[dict[str, Any]]:
    zone = ZoneInfo(time_zone)
    return [
        {
            "id": db.new_id(),
            "invoice_id": invoice_id,
            "payment_id": payment.id,
            "position": position,
            "description": f"{payment.plan_type.capitalize()}: {payment.plan_title}",
            "detail": f"{payment.learner_name} with {payment.consultant_name}",
            "sac_code": payment.sac_code or DEFAULT_SAC,
            "quantity": 1,
            "unit_price": payment.amount - payment.refunded_amount,
            "taxable_amount": payment.amount - payment.refunded_amount,
            "session_date": payment.session_starts_at.astimezone(zone).date(),
        }
        for position, payment in enumerate(payments, start=1)
    ]


def _particulars(place: Place, *, days: int) -> Json:
    settings = config.current()
    terms = f"Payment is due within {days} days of the issue date." if days else "Payment is due on the day of issue."
    return {
        "state_tax": place.state_tax,
        "terms_text": f"{terms} Please quote the invoice number.",
        "bank_lines": list(settings.supplier_bank),
        "upi_id": settings.supplier_upi_id,
        "endorsement": place.endorsement(lut=settings.supplier_lut),
    }


def _settle(payment_ids: Sequence[str]) -> None:
    if payment_ids:
        statement = update(Payment).where(Payment.id.in_(payment_ids)).values(settled_at=clock.now())
        db.session.execute(statement, execution_options={"synchronize_session": False})


def _write(bills: Sequence[_Bill], *, actor: Actor) -> None:
    ids = [bill.invoice["id"] for bill in bills]
    db.session.execute(insert(Invoice), [bill.invoice for bill in bills])
    db.session.execute(insert(InvoiceLine), [line for bill in bills for line in bill.lines])
    point = (
        update(Payment)
        .where(Payment.id == InvoiceLine.payment_id, InvoiceLine.invoice_id.in_(ids))
        .values(billable_to_org_invoice_id=InvoiceLine.invoice_id)
    )
    db.session.execute(point, execution_options={"synchronize_session": False})
    mails = [
        {
            "id": db.new_id(),
            "invoice_id": bill.invoice["id"],
            "occasion": ISSUED,
            "recipients": bill.recipients,
            "delivery_due_at": clock.now(),
            "created_at": clock.now(),
        }
        for bill in bills
    ]
    db.session.execute(insert(InvoiceMail), mails)
    numbers = _number(bills)
    audit.record_all(
        actor,
        Action.INVOICE_GENERATED,
        [
            audit.Act(
                audit.Subject("invoice", bill.invoice["id"], numbers[bill.invoice["id"]]),
                organization_id=bill.invoice["organization_id"],
                after={"amount": bill.invoice["amount"], "lines": len(bill.lines)},
            )
            for bill in bills
        ],
    )
    for mail in mails:
        queue.enqueue("billing-archive-invoice", mail["invoice_id"])
        queue.enqueue("billing-send-invoice", mail["id"])


def _number(bills: Sequence[_Bill]) -> dict[str, str]:
    """Takes the next numbers of the series and sends the invoices: nothing slow may follow before the commit."""
    settings = config.current()
    day: date = bills[0].invoice["issue_date"]
    taken = _take(settings.supplier_gstin, settings.invoice_series, india.financial_year(day), count=len(bills))
    numbers = {bill.invoice["id"]: invoice_number(settings.invoice_series, day, taken + offset) for offset, bill in enumerate(bills)}
    # The connection takes one prepared statement for all rows; the ORM's bulk update by primary key can't set a WHERE.
    statement = (
        update(Invoice.__table__)  # type: ignore[arg-type] # a declarative table is a Table
        .where(Invoice.__table__.c.id == bindparam("invoice_id"))
        .values(number=bindparam("new_number"), status=InvoiceStatus.SENT)
    )
    db.session.connection().execute(statement, [{"invoice_id": invoice_id, "new_number": number} for invoice_id, number in numbers.items()])
    return numbers


def _take(seller_gstin: str, series: str, financial_year: str, *, count: int) -> int:
    """The first of ``count`` consecutive numbers (CGST rule 46(b)); the row stays locked until the commit, so no gap can arise."""
    statement = upsert(DocumentSeries).values(seller_gstin=seller_gstin, series=series, financial_year=financial_year, last_number=count)
    statement = statement.on_conflict_do_update(
        index_elements=["seller_gstin", "series", "financial_year"],
        set_={"last_number": DocumentSeries.last_number + count},
    )
    last = db.session.scalars(statement.returning(DocumentSeries.last_number)).one()
    return last - count + 1


def lock_candidates(end: datetime, *, limit: int, without: Sequence[str]) -> Sequence[Organization]:
    """Locks organizations that have something to bill before ``end``, leaving those that another worker holds."""
    statement = (
        select(Organization)
        .where(queries.is_to_be_billed(end), Organization.id.not_in(without))
        .order_by(Organization.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
        .execution_options(populate_existing=True)
    )
    return db.session.scalars(statement).all()
