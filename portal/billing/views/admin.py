"""What platform admins do to documents, and what they watch over: payments by hand, credit notes, runs, reconciliation."""

from typing import Any

from flask import Blueprint
from flask.typing import ResponseReturnValue

from portal.billing import queries
from portal.billing.schemas import CancelIn, CreditNoteForm, CreditPayoutForm, PayForm, VoidIn
from portal.billing.service import allocations, credit_notes, invoices
from portal.billing.views.documents import CANCEL, CREDIT, RECORD, found_invoice, found_note, show_credit_note, show_invoice
from portal.money import format_inr
from portal.orgs import queries as members
from portal.orgs.access import Access, bookkeeper
from portal.web.forms import Form
from portal.web.gates import admin
from portal.web.page import page, redirect_to, toast

bp = Blueprint("billing_admin", __name__)
NEWEST = 24


@bp.post("/orgs/<slug>/billing/invoices/<invoice_id>/payments")
@bookkeeper
def record(access: Access, invoice_id: str) -> ResponseReturnValue:
    """Records money that came for an invoice."""
    invoice = found_invoice(access, invoice_id)
    form = Form.posted(PayForm, prefix=RECORD)
    row = form.submit(lambda data: allocations.record(invoice.id, data.as_pay(), actor=access.actor))
    if row is None:
        return show_invoice(access, invoice, record_form=form, status=422)
    toast(f"{format_inr(row.amount)} was recorded.")
    return redirect_to("billing.show", slug=access.organization.slug, invoice_id=invoice.id)


@bp.post("/orgs/<slug>/billing/invoices/<invoice_id>/credit-notes")
@bookkeeper
def credit(access: Access, invoice_id: str) -> ResponseReturnValue:
    """Issues a credit note by hand."""
    invoice = found_invoice(access, invoice_id)
    form = Form.posted(CreditNoteForm, prefix=CREDIT)
    note = form.submit(lambda data: credit_notes.issue_by_hand(invoice.id, data.as_note(), actor=access.actor))
    if note is None:
        return show_invoice(access, invoice, note_form=form, status=422)
    toast(f"Credit note {note.number} over {format_inr(note.amount)} was issued.")
    return redirect_to("billing.show_note", slug=access.organization.slug, note_id=note.id)


@bp.post("/orgs/<slug>/billing/invoices/<invoice_id>/cancel")
@bookkeeper
def cancel(access: Access, invoice_id: str) -> ResponseReturnValue:
    """Cancels an invoice on which nothing happened yet."""
    invoice = found_invoice(access, invoice_id)
    form = Form.posted(CancelIn, prefix=CANCEL)
    if form.submit(lambda data: invoices.cancel(invoice.id, reason=data.reason, actor=access.actor)) is None:
        return show_invoice(access, invoice, cancel_form=form, status=422)
    toast(f"Invoice {invoice.number} was cancelled. Its sessions come onto the next invoice.")
    return redirect_to("billing.show", slug=access.organization.slug, invoice_id=invoice.id)


@bp.post("/orgs/<slug>/billing/credit-notes/<note_id>/void")
@bookkeeper
def void(access: Access, note_id: str) -> ResponseReturnValue:
    """Voids a credit note made by hand."""
    note = found_note(access, note_id)
    form = Form.posted(VoidIn)
    if form.submit(lambda data: credit_notes.void(note.id, reason=data.reason, actor=access.actor)) is None:
        return show_credit_note(access, note, void_form=form, status=422)
    toast(f"Credit note {note.number} was voided.")
    return redirect_to("billing.show_note", slug=access.organization.slug, note_id=note.id)


@bp.get("/orgs/<slug>/billing/credit-payout")
@bookkeeper
def payout(access: Access) -> ResponseReturnValue:
    """The form that records a payout of open credit."""
    return _payout(access, Form(CreditPayoutForm))


@bp.post("/orgs/<slug>/billing/credit-payout")
@bookkeeper
def pay_out(access: Access) -> ResponseReturnValue:
    """Records that open credit was paid to the organization's bank account."""
    form = Form.posted(CreditPayoutForm)
    taken = form.submit(lambda data: credit_notes.pay_out(access.organization.id, data.as_payout(), actor=access.actor))
    if taken is None:
        return _payout(access, form, status=422)
    toast(f"{format_inr(sum(part for _note_id, part in taken))} of open credit was recorded as paid out.")
    return redirect_to("billing.index", slug=access.organization.slug)


@bp.get("/admin/billing")
@admin
def index() -> ResponseReturnValue:
    """The monthly runs with their summaries, and whether every sum is as it must be."""
    runs, differences = queries.newest_runs(limit=NEWEST), queries.differences()
    named = {failure["organizationId"] for run in runs for failure in run.failures} | {off.organization_id for off in differences}
    organizations = members.by_ids({organization_id for organization_id in named if organization_id})
    return page("billing/runs.html", runs=runs, differences=differences, organizations=organizations)


def _payout(access: Access, form: Form[Any], *, status: int = 200) -> ResponseReturnValue:
    return page("billing/payout.html", status=status, access=access, form=form, summary=queries.summary(access.organization.id))
