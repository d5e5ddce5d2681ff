"""JSON of what platform admins do to documents: credit notes by hand, voiding, cancelling, paying credit out, reconciling."""

from flask import Blueprint, jsonify
from flask.typing import ResponseReturnValue

from portal.accounts.service import admin_actor_of
from portal.audit.rules import Actor
from portal.billing import queries
from portal.billing.api.documents import invoice_json, note_json
from portal.billing.schemas import (
    CancelIn,
    CreditNoteIn,
    CreditNoteOut,
    CreditPayoutIn,
    CreditPayoutOut,
    DifferenceOut,
    InvoiceOut,
    PaidOutOut,
    VoidIn,
)
from portal.billing.service import credit_notes, invoices
from portal.web.forms import json_body
from portal.web.gates import admin, client_address, require_user
from portal.web.idempotency import idempotent
from portal.web.openapi import describes, wrapped

admin_bp = Blueprint("billing_admin_api", __name__, url_prefix="/api/admin")


@admin_bp.post("/invoices/<invoice_id>/credit-notes")
@admin
@idempotent
@describes(
    body=CreditNoteIn,
    example={"amount": 50_000, "reason": "The room was loud", "reasonCode": "GOODWILL"},
    answers={201: wrapped("creditNote", CreditNoteOut)},
    refuses={404: ("INVOICE_NOT_FOUND",), 409: ("ABOVE_INVOICE", "ABOVE_LINE", "INVOICE_CANCELLED")},
)
def issue(invoice_id: str) -> ResponseReturnValue:
    """Issues a credit note by hand; amounts are before GST."""
    note = credit_notes.issue_by_hand(invoice_id, json_body(CreditNoteIn), actor=_actor())
    shown = queries.note(note.organization_id, note.id)
    return jsonify(creditNote=note_json(shown or note)), 201


@admin_bp.post("/credit-notes/<note_id>/void")
@admin
@describes(
    body=VoidIn,
    answers={200: wrapped("creditNote", CreditNoteOut)},
    refuses={404: ("CREDIT_NOTE_NOT_FOUND",), 409: ("CREDIT_NOTE_OF_REFUND", "CREDIT_NOTE_USED", "CREDIT_NOTE_VOID")},
)
def void(note_id: str) -> ResponseReturnValue:
    """Voids a credit note made by hand of which nothing was applied or paid out."""
    note = credit_notes.void(note_id, reason=json_body(VoidIn).reason, actor=_actor())
    shown = queries.note(note.organization_id, note.id)
    return jsonify(creditNote=note_json(shown or note))


@admin_bp.post("/invoices/<invoice_id>/cancel")
@admin
@describes(
    body=CancelIn,
    answers={200: wrapped("invoice", InvoiceOut)},
    refuses={404: ("INVOICE_NOT_FOUND",), 409: ("INVOICE_CANCELLED", "INVOICE_IN_USE")},
)
def cancel(invoice_id: str) -> ResponseReturnValue:
    """Cancels an invoice on which nothing was paid, applied or credited; its payments are unbilled again."""
    return jsonify(invoice=invoice_json(invoices.cancel(invoice_id, reason=json_body(CancelIn).reason, actor=_actor())))


@admin_bp.post("/organizations/<organization_id>/credit-payout")
@admin
@idempotent
@describes(
    body=CreditPayoutIn,
    answers={201: wrapped("creditPayout", CreditPayoutOut)},
    refuses={404: ("ORGANIZATION_NOT_FOUND",), 409: ("ABOVE_OPEN_CREDIT",)},
)
def pay_out(organization_id: str) -> ResponseReturnValue:
    """Records that open credit was paid to the organization's bank account, the oldest first."""
    data = json_body(CreditPayoutIn)
    taken = credit_notes.pay_out(organization_id, data, actor=_actor())
    shown = CreditPayoutOut(
        amount=data.amount,
        reference=data.reference,
        open_credit=queries.summary(organization_id).open_credit,
        credit_notes=[PaidOutOut(credit_note_id=note_id, amount=part) for note_id, part in taken],
    )
    return jsonify(creditPayout=shown.to_json()), 201


@admin_bp.get("/reconcile")
@admin
@describes(answers={200: wrapped("differences", list[DifferenceOut])})
def reconcile() -> ResponseReturnValue:
    """Computes every sum again; an empty list is what it must be."""
    return jsonify(differences=[DifferenceOut.model_validate(found).to_json() for found in queries.differences()])


def _actor() -> Actor:
    return admin_actor_of(require_user(), ip=client_address())
