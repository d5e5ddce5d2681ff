"""Credit notes: issued under the invoice's lock, used oldest first, paid out, voided. Amounts are paise.

What a note settled, was applied to or paid out is written as movements; triggers keep the sums from them.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import insert, select, update

from portal import clock, db
from portal.audit import service as audit
from portal.audit.rules import Action, Actor
from portal.billing import queries
from portal.billing.models import CreditMovement, CreditNote, CreditNoteLine, Invoice, InvoiceLine, Payment, Refund
from portal.billing.queries import OpenNote
from portal.billing.rules import (
    Amounts,
    CreditNoteKind,
    CreditNoteStatus,
    InvoiceStatus,
    Item,
    MovementKind,
    ReasonCode,
    Tax,
    check_items,
    kind_of,
    oldest_first,
    reversed_tax,
    shares,
    spread,
)
from portal.billing.schemas import CreditNoteIn, CreditPayoutIn
from portal.billing.service import documents
from portal.billing.service.numbers import take_credit_note_number
from portal.errors import Conflict, NotFound
from portal.money import format_inr
from portal.orgs import queries as members
from portal.orgs import service as orgs

_NO_SYNC = {"synchronize_session": False}


def issue_for_refund(refund: Refund, payment: Payment, *, actor: Actor) -> CreditNote:
    """The credit note of a refund of a payment that an invoice bills. The caller has locked organization and payment.

    On an unpaid invoice it is an ADJUSTMENT, and a payment that is refunded in full is un-billed; once money or credit was put
    on the invoice it is a CREDIT, and the payment stays where it is.

    Raises:
        Conflict: ``ABOVE_LINE``: credit notes made by hand have left less of its line.
    """
    invoice = _locked(str(payment.billable_to_org_invoice_id))
    line = db.session.scalars(
        select(InvoiceLine).where(
            InvoiceLine.invoice_id == invoice.id, InvoiceLine.payment_id == payment.id, InvoiceLine.released_at.is_(None)
        )
    ).one()
    note = _issue(invoice, [Item(line.id, refund.amount)], reason=refund.reason, code=ReasonCode.REFUND, refund_id=refund.id, actor=actor)
    if note.kind is CreditNoteKind.ADJUSTMENT and payment.refunded_amount + refund.amount == payment.amount:
        line.released_at = payment.settled_at = clock.now()
        payment.billable_to_org_invoice_id = None
        db.session.flush()
    return note


def issue_by_hand(invoice_id: str, data: CreditNoteIn, *, actor: Actor) -> CreditNote:
    """A credit note that a platform admin makes: amounts before GST per line, or one amount spread over what is left of the lines.

    Raises:
        NotFound: ``INVOICE_NOT_FOUND``.
        Conflict: ``INVOICE_CANCELLED``, ``ABOVE_INVOICE`` or ``ABOVE_LINE`` (with ``left``).
        Invalid: ``LINE_UNKNOWN``, ``LINE_TWICE``.
    """
    seen = db.session.get(Invoice, invoice_id) if db.is_id(invoice_id) else None
    if seen is None or seen.status is InvoiceStatus.DRAFT:
        raise NotFound("There is no such invoice.", code="INVOICE_NOT_FOUND")
    orgs.lock(seen.organization_id)
    invoice = _locked(seen.id)
    if data.items is not None:
        items = [Item(item.invoice_line_id, item.amount) for item in data.items]
    else:
        left = queries.left_of_lines(invoice.id)
        parts = spread(data.amount or 0, list(left.values()))
        items = [Item(line_id, part) for line_id, part in zip(left, parts, strict=True) if part]
    return _issue(invoice, items, reason=data.reason, code=data.reason_code, refund_id=None, actor=actor)


def void(note_id: str, *, reason: str | None, actor: Actor) -> CreditNote:
    """Voids a note made by hand of which nothing was applied or paid out; what it settled on its invoice is owed again.

    Raises:
        NotFound: ``CREDIT_NOTE_NOT_FOUND``.
        Conflict: ``CREDIT_NOTE_VOID`` already, ``CREDIT_NOTE_OF_REFUND``, or ``CREDIT_NOTE_USED``.
    """
    seen = db.session.get(CreditNote, note_id) if db.is_id(note_id) else None
    if seen is None:
        raise NotFound("There is no such credit note.", code="CREDIT_NOTE_NOT_FOUND")
    orgs.lock(seen.organization_id)
    _locked(seen.invoice_id)
    statement = select(CreditNote).where(CreditNote.id == seen.id).with_for_update().execution_options(populate_existing=True)
    note = db.session.scalars(statement).one()
    if note.status is CreditNoteStatus.VOID:
        raise Conflict("This credit note was voided already.", code="CREDIT_NOTE_VOID")
    if note.refund_id is not None:
        raise Conflict("This credit note belongs to a refund, so it stays. Nothing was changed.", code="CREDIT_NOTE_OF_REFUND")
    if note.applied_amount or note.paid_out_amount:
        raise Conflict("Credit of this note was used already, so it stays. Nothing was changed.", code="CREDIT_NOTE_USED")
    if note.settled_amount:
        _move([_movement(note.id, note.organization_id, MovementKind.SETTLED, -note.settled_amount, invoice_id=note.invoice_id)])
    values = {"status": CreditNoteStatus.VOID, "voided_at": clock.now(), "void_reason": reason}
    db.session.execute(update(CreditNote).where(CreditNote.id == note.id).values(values), execution_options=_NO_SYNC)
    db.session.refresh(note)
    about, after = audit.Subject("credit_note", note.id, note.number), {"reason": reason, "amount": note.amount}
    audit.record(actor, Action.CREDIT_NOTE_VOIDED, about, organization_id=note.organization_id, after=after)
    return note


def apply_open_credit(notes: Sequence[OpenNote], invoices: Sequence[dict[str, Any]]) -> None:
    """Puts open credit on invoices that were sent just now, oldest first; the caller has locked their organizations."""
    movements = []
    for invoice in invoices:
        mine = [(note.id, note.open_amount) for note in notes if note.organization_id == invoice["organization_id"]]
        for note_id, part in oldest_first(invoice["amount"], mine):
            movements.append(_movement(note_id, invoice["organization_id"], MovementKind.APPLIED, part, invoice_id=invoice["id"]))
    if movements:
        _move(movements)


def pay_out(organization_id: str, data: CreditPayoutIn, *, actor: Actor) -> Sequence[tuple[str, int]]:
    """Records that open credit was paid to the organization's bank account; returns the notes it came from, with the amounts.

    Raises:
        NotFound: ``ORGANIZATION_NOT_FOUND``.
        Conflict: ``ABOVE_OPEN_CREDIT``, with ``left``.
    """
    if not db.is_id(organization_id) or members.by_id(organization_id) is None:
        raise NotFound("There is no such organization.", code="ORGANIZATION_NOT_FOUND")
    organization = orgs.lock(organization_id)
    notes = queries.open_notes([organization.id])
    available = sum(note.open_amount for note in notes)
    if data.amount > available:
        sentence = f"Only {format_inr(available)} of credit is open. Nothing was recorded."
        details = {"amount": [sentence]}
        raise Conflict(sentence, code="ABOVE_OPEN_CREDIT", details=details, extra={"left": available})
    taken = oldest_first(data.amount, [(note.id, note.open_amount) for note in notes])
    uses = {"reference": data.reference, "created_by": actor.user_id}
    _move([{**_movement(note_id, organization.id, MovementKind.PAID_OUT, part), **uses} for note_id, part in taken])
    about, after = audit.Subject("organization", organization.id, organization.name), {"amount": data.amount, "reference": data.reference}
    audit.record(actor, Action.CREDIT_PAID_OUT, about, organization_id=organization.id, after=after)
    return taken


def _locked(invoice_id: str) -> Invoice:
    statement = select(Invoice).where(Invoice.id == invoice_id).with_for_update().execution_options(populate_existing=True)
    invoice = db.session.scalars(statement).one()
    if invoice.status is InvoiceStatus.CANCELLED:
        raise Conflict("This invoice was cancelled, so nothing of it can be credited.", code="INVOICE_CANCELLED")
    return invoice


def _issue(
    invoice: Invoice, items: Sequence[Item], *, reason: str | None, code: ReasonCode, refund_id: str | None, actor: Actor
) -> CreditNote:
    check_items(items, queries.left_of_lines(invoice.id))
    taxable = sum(item.taxable for item in items)
    whole = Amounts(invoice.taxable_amount, invoice.cgst, invoice.sgst, invoice.igst)
    tax = reversed_tax(whole, queries.credited_on(invoice.id), taxable=taxable, kind=invoice.tax_kind, rate=invoice.tax_rate)
    balance = queries.balance(invoice.id)
    kind = kind_of(paid=balance.paid_amount, applied=balance.applied_amount)
    note = _note(invoice, tax, taxable=taxable, kind=kind)
    note.reason, note.reason_code, note.refund_id, note.created_by = reason, code, refund_id, actor.user_id
    note.number = take_credit_note_number(note.issue_date)
    db.session.add(note)
    db.session.flush()
    _write_lines(note, items, tax)
    settled = min(note.amount, balance.outstanding)
    if settled:
        _move([_movement(note.id, note.organization_id, MovementKind.SETTLED, settled, invoice_id=invoice.id)])
    db.session.refresh(note)
    about, after = audit.Subject("credit_note", note.id, note.number), {"amount": note.amount, "invoice": invoice.number, "kind": kind}
    audit.record(actor, Action.CREDIT_NOTE_ISSUED, about, organization_id=note.organization_id, after=after)
    documents.announce_credit_note(note)
    return note


def _note(invoice: Invoice, tax: Tax, *, taxable: int, kind: CreditNoteKind) -> CreditNote:
    at = clock.now()
    return CreditNote(
        organization_id=invoice.organization_id,
        invoice_id=invoice.id,
        kind=kind,
        status=CreditNoteStatus.ISSUED,
        currency=invoice.currency,
        taxable_amount=taxable,
        tax_rate=invoice.tax_rate,
        cgst=tax.cgst,
        sgst=tax.sgst,
        igst=tax.igst,
        tax_amount=tax.total,
        amount=taxable + tax.total,
        issue_date=clock.today(clock.INDIA),
        issued_at=at,
        supplier=invoice.supplier,
        recipient=invoice.recipient,
        particulars=invoice.particulars,
        place_of_supply=invoice.place_of_supply,
        tax_kind=invoice.tax_kind,
        created_at=at,
    )


def _write_lines(note: CreditNote, items: Sequence[Item], tax: Tax) -> None:
    lines = {line.id: line for line in queries.lines_of(note.invoice_id)}
    rows = []
    for position, (item, part) in enumerate(zip(items, shares(tax, items), strict=True), start=1):
        line = lines[item.line_id]
        rows.append(
            {
                "credit_note_id": note.id,
                "invoice_line_id": line.id,
                "payment_id": line.payment_id,
                "position": position,
                "description": line.description,
                "detail": line.detail,
                "sac_code": line.sac_code,
                "session_date": line.session_date,
                "taxable_amount": part.taxable,
                "cgst": part.cgst,
                "sgst": part.sgst,
                "igst": part.igst,
            }
        )
    db.session.execute(insert(CreditNoteLine), rows)


def _movement(note_id: str, organization_id: str, kind: MovementKind, amount: int, *, invoice_id: str | None = None) -> dict[str, Any]:
    return {
        "organization_id": organization_id,
        "credit_note_id": note_id,
        "invoice_id": invoice_id,
        "kind": kind,
        "amount": amount,
        "created_at": clock.now(),
    }


def _move(movements: Sequence[dict[str, Any]]) -> None:
    db.session.execute(insert(CreditMovement), movements)
