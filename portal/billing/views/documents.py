"""Pages: billing with its table of documents, an invoice and a credit note on screen, the next invoice."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, timedelta
from typing import Any

from flask import Blueprint, url_for
from flask.typing import ResponseReturnValue

from portal import clock, config
from portal.accounts.rules import PlatformRole
from portal.billing import queries
from portal.billing.models import CreditNote, Invoice
from portal.billing.queries import Credit, Filters, Row
from portal.billing.rules import AllocationMethod, InvoiceStatus, ReasonCode, display_status, note_status
from portal.billing.schemas import CancelIn, CreditNoteForm, DocumentsQuery, PayForm, VoidIn
from portal.billing.service import bills, documents, exports, invoices, orders
from portal.billing.views import timeline
from portal.errors import NotFound
from portal.orgs.access import Access, org, require_active
from portal.orgs.rules import BillingMode, Role, Status
from portal.web.forms import Form, query
from portal.web.page import CSV, download, leave_to, page, redirect_to, toast
from portal.web.security import checkout_limit
from portal.web.serving import PDF, CopyQuery, serve

bp = Blueprint("billing", __name__)
PAGE_SIZE = 25
RECORD, CREDIT, CANCEL = "record", "credit", "cancel"
"""What the fields' ids begin with in the forms that share a page."""
STATUSES = {
    "SENT": "Due",
    "OVERDUE": "Overdue",
    "PAID": "Paid",
    "CANCELLED": "Cancelled",
    "ISSUED": "Open credit",
    "APPLIED": "Credit used up",
    "VOID": "Void",
}


@bp.get("/orgs/<slug>/billing")
@org(Role.ORG_MANAGER, books=True)
def index(access: Access) -> ResponseReturnValue:
    """Figures and the table of invoices and credit notes."""
    wanted, organization = query(DocumentsQuery), access.organization
    rows = queries.rows_of(organization.id, _filters(wanted), limit=PAGE_SIZE + 1, cursor=wanted.cursor)
    shown = rows[:PAGE_SIZE]
    filters: dict[str, Any] = {"q": wanted.q or None, "status": wanted.status, "from": wanted.since, "to": wanted.until}
    figures = queries.summary(organization.id)
    return page(
        "billing/index.html",
        block="document_list",
        access=access,
        wanted=wanted,
        statuses=STATUSES,
        summary=figures,
        exposure=figures.exposure(queries.place_of(organization)),
        ageing=_ageing(organization.id) if figures.outstanding else [],
        documents=shown,
        credits=_credits_of(shown),
        why=_why,
        standing=_standing,
        note_standing=_note_standing,
        period=_period,
        can_generate=access.may(Role.ORG_OWNER) and _is_billed_monthly(access),
        can_pay=access.may(Role.ORG_OWNER) and organization.status is Status.ACTIVE,
        is_monthly=_is_billed_monthly(access),
        can_pay_out=figures.open_credit > 0 and access.user.platform_role is PlatformRole.ADMIN,
        export_url=url_for("billing.export", slug=organization.slug, **filters),
        newest_url=url_for("billing.index", slug=organization.slug, **filters) if wanted.cursor else "",
        older_url=url_for("billing.index", slug=organization.slug, cursor=shown[-1].id, **filters) if len(rows) > PAGE_SIZE else "",
    )


@bp.get("/orgs/<slug>/billing/export.csv")
@org(Role.ORG_MANAGER, books=True)
def export(access: Access) -> ResponseReturnValue:
    """The table of documents as CSV, by its filters."""
    content = exports.documents_csv(access.organization.id, _filters(query(DocumentsQuery)))
    return download(content, file_name=f"{access.organization.slug}-billing.csv", media_type=CSV)


@bp.get("/orgs/<slug>/billing/preview")
@org(Role.ORG_MANAGER, books=True)
def preview(access: Access) -> ResponseReturnValue:
    """The next invoice as it would be issued now."""
    found = bills.preview(access.organization)
    can_generate = found is not None and access.may(Role.ORG_OWNER) and access.organization.status is Status.ACTIVE
    return page("billing/preview.html", access=access, preview=found, can_generate=can_generate)


@bp.post("/orgs/<slug>/billing/generate-invoice")
@org(Role.ORG_OWNER)
def generate(access: Access) -> ResponseReturnValue:
    """Closes the running period out by hand."""
    require_active(access.organization)
    invoice = invoices.issue_now(access.organization.id, actor=access.actor)
    toast(f"Invoice {invoice.number} was issued. It goes to {access.organization.billing_email} by e-mail.")
    return redirect_to("billing.index", slug=access.organization.slug)


@bp.get("/orgs/<slug>/billing/invoices/<invoice_id>")
@org(Role.ORG_MANAGER, books=True)
def show(access: Access, invoice_id: str) -> ResponseReturnValue:
    """An invoice on screen."""
    return show_invoice(access, found_invoice(access, invoice_id))


@bp.post("/orgs/<slug>/billing/invoices/<invoice_id>/pay")
@checkout_limit
@org(Role.ORG_OWNER)
def pay(access: Access, invoice_id: str) -> ResponseReturnValue:
    """Leads to the payment provider's page, or says that it doesn't answer now."""
    require_active(access.organization)
    invoice = found_invoice(access, invoice_id)
    form = Form.posted(PayForm)
    url = f"{config.current().base_url}{url_for('billing.show', slug=access.organization.slug, invoice_id=invoice.id)}"
    order = form.submit(lambda data: orders.order_invoice(invoice, data.amount, payer=access.user, return_url=url))
    if order is None:
        return show_invoice(access, invoice, pay_form=form, status=422)
    orders.open_now(order)
    if order.pay_url is None:
        toast("The payment provider doesn't answer at the moment. Nothing was charged; try again in a few minutes.", tone="error")
        return redirect_to("billing.show", slug=access.organization.slug, invoice_id=invoice.id)
    return leave_to(order.pay_url)


@bp.get("/orgs/<slug>/billing/invoices/<invoice_id>/pdf")
@org(Role.ORG_MANAGER, books=True)
def pdf(access: Access, invoice_id: str) -> ResponseReturnValue:
    """An invoice's file: as it stands now, or with ``?copy=original`` as it was issued."""
    invoice = found_invoice(access, invoice_id)
    made = documents.original_invoice_pdf(invoice) if query(CopyQuery).of == "original" else documents.invoice_pdf(invoice)
    return serve(made.content, file_name=made.name, media_type=PDF, etag=made.etag)


@bp.get("/orgs/<slug>/billing/credit-notes/<note_id>")
@org(Role.ORG_MANAGER, books=True)
def show_note(access: Access, note_id: str) -> ResponseReturnValue:
    """A credit note on screen."""
    return show_credit_note(access, found_note(access, note_id))


@bp.get("/orgs/<slug>/billing/credit-notes/<note_id>/pdf")
@org(Role.ORG_MANAGER, books=True)
def note_pdf(access: Access, note_id: str) -> ResponseReturnValue:
    """A credit note's file: as it stands now, or with ``?copy=original`` as it was issued."""
    note = found_note(access, note_id)
    made = documents.original_credit_note_pdf(note) if query(CopyQuery).of == "original" else documents.credit_note_pdf(note)
    return serve(made.content, file_name=made.name, media_type=PDF, etag=made.etag)


def show_invoice(
    access: Access,
    invoice: Invoice,
    *,
    pay_form: Form[PayForm] | None = None,
    record_form: Form[PayForm] | None = None,
    note_form: Form[CreditNoteForm] | None = None,
    cancel_form: Form[CancelIn] | None = None,
    status: int = 200,
) -> ResponseReturnValue:
    """The page of an invoice, with the forms that came back with errors."""
    balance = queries.balance(invoice.id)
    document = documents.invoice_document(invoice, queries.lines_of(invoice.id))
    notes, allocations = queries.notes_of([invoice.id]), queries.allocations_of(invoice.id)
    applied = [(movement, note) for movement, note in queries.movements_on(invoice.id) if note.invoice_id != invoice.id]
    live = [note for note in notes if note.voided_at is None]
    is_admin = access.user.platform_role is PlatformRole.ADMIN
    is_live = invoice.status is InvoiceStatus.SENT
    return page(
        "billing/invoice.html",
        status=status,
        access=access,
        invoice=invoice,
        balance=balance,
        document=document,
        payment_status=documents.standing_of(invoice, balance),
        notes=notes,
        note_standing=_note_standing,
        allocations=allocations,
        applied=applied,
        happened=timeline.of_invoice(
            invoice, balance=balance, allocations=allocations, applied=applied, notes=notes, time_zone=access.organization.time_zone
        ),
        mails=queries.mails_of(invoice.id),
        can_pay=is_live and balance.outstanding > 0 and access.may(Role.ORG_OWNER) and access.organization.status is Status.ACTIVE,
        is_admin=is_admin,
        can_cancel=is_admin and is_live and balance.outstanding == balance.amount and not live,
        can_credit=is_admin and is_live and sum(note.taxable_amount for note in live) < invoice.taxable_amount,
        methods=[(method.value, method.label) for method in AllocationMethod if method is not AllocationMethod.ONLINE],
        reasons=[(code.value, code.label) for code in ReasonCode],
        pay_form=pay_form or Form(PayForm),
        record_form=record_form or Form(PayForm, prefix=RECORD),
        note_form=note_form or Form(CreditNoteForm, prefix=CREDIT),
        cancel_form=cancel_form or Form(CancelIn, prefix=CANCEL),
    )


def show_credit_note(access: Access, note: CreditNote, *, void_form: Form[VoidIn] | None = None, status: int = 200) -> ResponseReturnValue:
    """The page of a credit note, with the form that came back with errors."""
    is_unused = not note.applied_amount and not note.paid_out_amount
    movements = queries.movements_of(note.id)
    return page(
        "billing/credit_note.html",
        status=status,
        access=access,
        note=note,
        standing=_note_standing(note),
        lines=queries.note_lines([note.id]),
        movements=movements,
        happened=timeline.of_note(note, movements=movements, time_zone=access.organization.time_zone),
        mails=[mail for mail in queries.mails_of(note.invoice_id) if mail.credit_note_id == note.id],
        can_void=access.user.platform_role is PlatformRole.ADMIN and note.refund_id is None and note.voided_at is None and is_unused,
        void_form=void_form or Form(VoidIn),
    )


def found_invoice(access: Access, invoice_id: str) -> Invoice:
    """An invoice of this organization.

    Raises:
        NotFound: ``INVOICE_NOT_FOUND``.
    """
    invoice = queries.invoice(access.organization.id, invoice_id)
    if invoice is None:
        raise NotFound("There is no such invoice.", code="INVOICE_NOT_FOUND")
    return invoice


def found_note(access: Access, note_id: str) -> CreditNote:
    """A credit note of this organization.

    Raises:
        NotFound: ``CREDIT_NOTE_NOT_FOUND``.
    """
    note = queries.note(access.organization.id, note_id)
    if note is None:
        raise NotFound("There is no such credit note.", code="CREDIT_NOTE_NOT_FOUND")
    return note


def _filters(wanted: DocumentsQuery) -> Filters:
    return Filters(q=wanted.q, status=wanted.status, since=wanted.since, until=wanted.until)


def _is_billed_monthly(access: Access) -> bool:
    return access.organization.billing_mode is BillingMode.INVOICED_MONTHLY


def _credits_of(rows: Sequence[Row]) -> dict[str, list[Credit]]:
    """Invoice → what credits it, for the rows of the table."""
    found = defaultdict(list)
    for credit in queries.credits_of([row.id for row in rows if not row.is_note]):
        found[credit.invoice_id].append(credit)
    return found


def _ageing(organization_id: str) -> list[dict[str, object]]:
    """The ageing's buckets with each one's share of the whole in whole percent, for the bar."""
    buckets = queries.ageing_of(organization_id)
    whole = sum(bucket.amount for bucket in buckets) or 1
    return [{"label": bucket.label, "amount": bucket.amount, "share": bucket.amount * 100 // whole} for bucket in buckets]


def _period(invoice: Row) -> str:
    """What an invoice bills, in words; its period is half-open and in UTC."""
    start, end = invoice.billing_cycle_start, invoice.billing_cycle_end
    if start is None or end is None:
        return "Credits"
    first_day, last_day = start.astimezone(UTC), (end - timedelta(microseconds=1)).astimezone(UTC)
    since = f"{first_day:%d %b}" if first_day.year == last_day.year else f"{first_day:%d %b %Y}"
    return f"Booked {since} – {last_day:%d %b %Y}"


def _why(note: Row) -> str:
    """What a credit note is for, in words."""
    return note.reason or ReasonCode(note.reason_code or ReasonCode.OTHER).label


def _standing(invoice: Row) -> tuple[str, str]:
    """Tone and words of an invoice's pill."""
    today = clock.today(clock.INDIA)
    status = display_status(invoice.status, invoice.open_amount, invoice.due_date, today)
    if status == "OVERDUE" and invoice.due_date:
        days = (today - invoice.due_date).days
        return "overdue", f"Overdue · {days} {'day' if days == 1 else 'days'}"
    if status == "SENT" and invoice.open_amount < invoice.amount:
        return "due", "Part paid" if invoice.paid_amount else "Part credited"
    return {"SENT": "due", "PAID": "paid"}.get(status, "void"), status.label


def _note_standing(note: CreditNote | Row) -> tuple[str, str]:
    """Tone and words of a credit note's state."""
    status = note_status(note.status, note.open_amount)
    return {"ISSUED": "good", "APPLIED": "void", "VOID": "void"}[status.value], status.label
