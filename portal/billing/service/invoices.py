"""Issuing invoices, and cancelling them: the monthly run and "generate now" call one function."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import structlog
from sqlalchemy import cast, func, insert, literal, select, true, update
from sqlalchemy.exc import DBAPIError

from portal import clock, db, queue
from portal.audit import service as audit
from portal.audit.rules import SYSTEM, Action, Actor
from portal.billing import queries
from portal.billing.models import Allocation, CreditPurchase, GatewayOrder, Invoice, InvoiceLine, InvoiceMail, Payment
from portal.billing.rules import AllocationMethod, InvoiceStatus
from portal.billing.service import bills, credit_notes
from portal.billing.service.bills import Bill
from portal.billing.service.numbers import take_invoice_numbers
from portal.db import Json
from portal.errors import Conflict, DomainError, Invalid, NotFound
from portal.orgs import service as orgs
from portal.orgs.models import Organization
from portal.orgs.rules import BillingMode, Status

log = structlog.get_logger()

ISSUED = "ISSUED"
FINAL_AT_ONCE = 500
_NO_SYNC = {"synchronize_session": False}


@dataclass(slots=True)
class Issued:
    """What a batch came to: new invoices, how many payments they bill, paise in all, and what was refused."""

    invoice_ids: list[str] = field(default_factory=list)
    payments: int = 0
    amount: int = 0
    failures: list[Json] = field(default_factory=list)


def issue_now(organization_id: str, *, actor: Actor) -> Invoice:
    """Closes an organization's running period out by hand and returns its invoice.

    Raises:
        Invalid: The billing mode is another one (``NOT_INVOICED_MONTHLY``), nothing is unbilled (``NO_UNBILLED_PAYMENTS``),
            or it can't be billed (``STATE_REQUIRED``).
    """
    organization = orgs.lock(organization_id)
    if organization.billing_mode is not BillingMode.INVOICED_MONTHLY:
        raise Invalid("only valid for INVOICED_MONTHLY orgs", code="NOT_INVOICED_MONTHLY")
    end = queries.close_out_end(organization.id, now=clock.now())
    issued = issue([organization], end=end, actor=actor, automatic=False)
    _raise_first(issued)
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
    issued = issue([organization], end=queries.close_out_end(organization.id, now=clock.now()), automatic=True)
    _raise_first(issued)
    return issued.invoice_ids[0] if issued.invoice_ids else None


def issue_final_of_all() -> Json:
    """``issue_final`` for every deactivated organization that still has something unbilled, each committed by itself.

    Returns:
        ``{asOf, done, invoices, skipped, failed}``.
    """
    made, failed = 0, []
    for organization_id in queries.awaiting_final_invoice(limit=FINAL_AT_ONCE):
        try:
            made += issue_final(organization_id) is not None
        except DomainError as error:
            db.abandon()
            failed.append({"organizationId": organization_id, "code": error.code, "error": error.message})
        db.checkpoint()
    return {"asOf": clock.iso(clock.now()), "done": not failed, "invoices": made, "skipped": {}, "failed": failed}


def issue(organizations: Sequence[Organization], *, end: datetime, actor: Actor = SYSTEM, automatic: bool) -> Issued:
    """Invoices what is unbilled before ``end`` for organizations that the caller has locked.

    Everything is written as sets; the numbers are taken last, so that their series is locked only until the commit that
    follows. An organization that can't be billed is left out and named in ``failures``.
    """
    issued = Issued()
    ids = [row.id for row in organizations]
    found, last_ends = queries.totals_to_bill(ids, before=end), queries.last_period_ends(ids)
    made: list[Bill] = []
    for organization in organizations:
        if organization.id not in found:
            continue
        last_end = last_ends.get(organization.id)
        try:
            made.append(bills.of_period(organization, found[organization.id], last_end=last_end, end=end, automatic=automatic))
        except DomainError as error:
            issued.failures.append({"organizationId": organization.id, "code": error.code, "error": error.message})
    settle = update(Payment).where(queries.is_refunded_in_full(ids, before=end)).values(settled_at=clock.now())
    db.session.execute(settle, execution_options=_NO_SYNC)
    if made:
        _write_apart_if_need_be(made, end=end, actor=actor, issued=issued)
    return issued


def issue_purchase(purchase: CreditPurchase, order: GatewayOrder) -> Invoice:
    """The paid tax invoice of credits that were bought (CGST section 13(2): a prepaid supply is invoiced when it is paid)."""
    organization = db.session.get_one(Organization, purchase.organization_id)
    bill, line = bills.of_purchase(purchase, organization=organization)
    db.session.execute(insert(Invoice), [bill.invoice])
    db.session.execute(insert(InvoiceLine), [line])
    _send([bill], actor=SYSTEM)
    at = clock.now()
    paid = Allocation(
        organization_id=organization.id,
        invoice_id=bill.invoice["id"],
        gateway_order_id=order.id,
        amount=purchase.payable,
        method=AllocationMethod.ONLINE,
        reference=order.payment_ref,
        paid_at=at,
        created_at=at,
    )
    db.session.add(paid)
    db.session.flush()
    return db.session.get_one(Invoice, bill.invoice["id"])


def cancel(invoice_id: str, *, reason: str, actor: Actor) -> Invoice:
    """Cancels an invoice on which nothing was paid, applied or credited: its payments are unbilled again, its number stays used.

    Raises:
        NotFound: ``INVOICE_NOT_FOUND``.
        Conflict: ``INVOICE_IN_USE``, or ``INVOICE_CANCELLED`` already.
    """
    invoice = locked(invoice_id)
    if invoice.status is not InvoiceStatus.SENT:
        raise Conflict("This invoice was cancelled already.", code="INVOICE_CANCELLED")
    at = clock.now()
    invoice.status, invoice.cancelled_at, invoice.cancel_reason = InvoiceStatus.CANCELLED, at, reason
    sentence = "Something was paid, applied or credited on this invoice, so it can't be cancelled. Issue a credit note instead."
    with db.refused_by({"invoices_used": Conflict(sentence, code="INVOICE_IN_USE")}):
        db.session.flush()
    release = update(InvoiceLine).where(InvoiceLine.invoice_id == invoice.id).values(released_at=at)
    db.session.execute(release, execution_options=_NO_SYNC)
    unbill = update(Payment).where(Payment.billable_to_org_invoice_id == invoice.id).values(billable_to_org_invoice_id=None)
    db.session.execute(unbill, execution_options=_NO_SYNC)
    about = audit.Subject("invoice", invoice.id, invoice.number or "")
    after = {"reason": reason, "amount": invoice.amount}
    audit.record(actor, Action.INVOICE_CANCELLED, about, organization_id=invoice.organization_id, after=after)
    return invoice


def locked(invoice_id: str) -> Invoice:
    """An issued invoice with its organization's row, locked in this order until the transaction ends.

    Raises:
        NotFound: ``INVOICE_NOT_FOUND``: there is none, or it is a draft of the run.
    """
    seen = db.session.get(Invoice, invoice_id) if db.is_id(invoice_id) else None
    if seen is None or seen.status is InvoiceStatus.DRAFT:
        raise NotFound("There is no such invoice.", code="INVOICE_NOT_FOUND")
    orgs.lock(seen.organization_id)
    statement = select(Invoice).where(Invoice.id == seen.id).with_for_update().execution_options(populate_existing=True)
    return db.session.scalars(statement).one()


def lock_candidates(end: datetime, *, after: str | None, limit: int, without: Sequence[str]) -> Sequence[Organization]:
    """Locks organizations beyond the id ``after`` that have something to bill before ``end``, leaving those that another worker holds."""
    beyond = Organization.id > after if after else true()
    statement = (
        select(Organization)
        .where(queries.is_to_be_billed(end), beyond, Organization.id.not_in(without))
        .order_by(Organization.id)
        .limit(limit)
        .with_for_update(skip_locked=True, key_share=True)
        .execution_options(populate_existing=True)
    )
    return db.session.scalars(statement).all()


def _raise_first(issued: Issued) -> None:
    if issued.failures:
        raise Invalid(str(issued.failures[0]["error"]), code=str(issued.failures[0]["code"]))


def _write_apart_if_need_be(made: Sequence[Bill], *, end: datetime, actor: Actor, issued: Issued) -> None:
    """Writes the bills as one set; when the database refuses one of them, each for itself, so that only that one is left out."""
    try:
        with db.savepoint():
            _write(made, end=end, actor=actor)
    except DBAPIError as error:
        if len(made) > 1:
            for bill in made:
                _write_apart_if_need_be([bill], end=end, actor=actor, issued=issued)
            return
        organization_id = made[0].invoice["organization_id"]
        log.exception("invoice.refused", organization=organization_id)
        refusal = type(error.orig).__name__ if error.orig else "DatabaseError"
        issued.failures.append({"organizationId": organization_id, "code": "REFUSED_BY_DATABASE", "error": refusal})
        return
    issued.invoice_ids += [bill.invoice["id"] for bill in made]
    issued.payments += sum(bill.payments for bill in made)
    issued.amount += sum(bill.invoice["amount"] for bill in made)


def _write(made: Sequence[Bill], *, end: datetime, actor: Actor) -> None:
    ids = [bill.invoice["id"] for bill in made]
    db.session.execute(insert(Invoice), [bill.invoice for bill in made])
    found = queries.lines_to_bill([bill.invoice["organization_id"] for bill in made], before=end).subquery()
    lines = {
        "id": func.uuidv7(),
        "invoice_id": Invoice.id,
        "payment_id": found.c.payment_id,
        "position": found.c.position,
        "description": found.c.description,
        "detail": found.c.detail,
        "sac_code": found.c.sac_code,
        "quantity": literal(1),
        "unit_price": found.c.amount,
        "taxable_amount": found.c.amount,
        "session_date": found.c.session_date,
    }
    rows = select(*lines.values()).join(Invoice, Invoice.organization_id == found.c.organization_id).where(Invoice.id.in_(ids))
    db.session.execute(insert(InvoiceLine).from_select(list(lines), rows))
    point = (
        update(Payment)
        .where(Payment.id == InvoiceLine.payment_id, InvoiceLine.invoice_id.in_(ids))
        .values(billable_to_org_invoice_id=InvoiceLine.invoice_id)
    )
    db.session.execute(point, execution_options=_NO_SYNC)
    notes = queries.open_notes([bill.invoice["organization_id"] for bill in made])
    _send(made, actor=actor)
    credit_notes.apply_open_credit(notes, [bill.invoice for bill in made])


def _send(made: Sequence[Bill], *, actor: Actor) -> None:
    """Numbers the bills and makes them SENT, with their mails and their rows in the audit log."""
    at = clock.now()
    mails = [
        {
            "id": db.new_id(),
            "invoice_id": bill.invoice["id"],
            "occasion": ISSUED,
            "recipients": bill.recipients,
            "delivery_due_at": at,
            "created_at": at,
        }
        for bill in made
    ]
    db.session.execute(insert(InvoiceMail), mails)
    for mail in mails:
        queue.enqueue("billing-archive-invoice", mail["invoice_id"])
        queue.enqueue("billing-send-invoice", mail["id"])
    numbers = dict(zip((bill.invoice["id"] for bill in made), take_invoice_numbers(made[0].invoice["issue_date"], len(made)), strict=True))
    new = db.recordset([{"id": invoice_id, "number": number} for invoice_id, number in numbers.items()], "id", "number")
    statement = update(Invoice).where(Invoice.id == cast(new.c.id, Invoice.id.type)).values(number=new.c.number, status=InvoiceStatus.SENT)
    db.session.execute(statement, execution_options=_NO_SYNC)
    acts = [_act(bill, number=numbers[bill.invoice["id"]]) for bill in made]
    audit.record_all(actor, Action.INVOICE_GENERATED, acts)


def _act(bill: Bill, *, number: str) -> audit.Act:
    values: dict[str, Any] = bill.invoice
    about = audit.Subject("invoice", values["id"], number)
    return audit.Act(about, organization_id=values["organization_id"], after={"amount": values["amount"], "payments": bill.payments})
