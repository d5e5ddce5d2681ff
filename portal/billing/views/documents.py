"""Pages: billing, and an invoice on screen."""

from datetime import timedelta

from flask import Blueprint, url_for
from flask.typing import ResponseReturnValue

from portal import clock
from portal.billing import queries
from portal.billing.models import Invoice
from portal.billing.rules import display_status, payment_status
from portal.billing.schemas import InvoicesQuery
from portal.billing.service import documents, invoices
from portal.errors import NotFound
from portal.orgs.access import Access, org, require_active
from portal.orgs.rules import BillingMode, Role
from portal.web.filters import show_date
from portal.web.forms import query
from portal.web.page import page, redirect_to, toast
from portal.web.serving import PDF, CopyQuery, serve

bp = Blueprint("billing", __name__)
PAGE_SIZE = 25


@bp.get("/orgs/<slug>/billing")
@org(Role.ORG_MANAGER)
def index(access: Access) -> ResponseReturnValue:
    """Figures and the table of documents."""
    filters = query(InvoicesQuery)
    organization = access.organization
    offset = (filters.page - 1) * PAGE_SIZE
    rows = queries.invoices_of(organization.id, q=filters.q, since=filters.since, until=filters.until, limit=PAGE_SIZE + 1, offset=offset)
    shown, has_next = rows[:PAGE_SIZE], len(rows) > PAGE_SIZE

    def page_url(number: int) -> str:
        return url_for("billing.index", slug=organization.slug, q=filters.q or None, page=number)

    return page(
        "billing/index.html",
        block="document_list",
        access=access,
        filters=filters,
        summary=queries.summary(organization.id),
        exposure=queries.exposure(organization),
        invoices=shown,
        standing=_standing,
        period=_period,
        today=clock.today(clock.INDIA),
        can_generate=access.may(Role.ORG_OWNER) and organization.billing_mode is BillingMode.INVOICED_MONTHLY,
        showing=f"{offset + 1 if shown else 0}–{offset + len(shown)}",
        previous_url=page_url(filters.page - 1) if filters.page > 1 else "",
        next_url=page_url(filters.page + 1) if has_next else "",
    )


@bp.post("/orgs/<slug>/billing/generate-invoice")
@org(Role.ORG_OWNER)
def generate(access: Access) -> ResponseReturnValue:
    """Closes the running period out by hand."""
    require_active(access.organization)
    invoice = invoices.issue_now(access.organization.id, actor=access.actor)
    toast(f"Invoice {invoice.number} was issued. It goes to {access.organization.billing_email} by e-mail.")
    return redirect_to("billing.index", slug=access.organization.slug)


@bp.get("/orgs/<slug>/billing/invoices/<invoice_id>")
@org(Role.ORG_MANAGER)
def show(access: Access, invoice_id: str) -> ResponseReturnValue:
    """An invoice on screen."""
    invoice = _found(access, invoice_id)
    document = documents.invoice_document(invoice, queries.lines_of(invoice.id))
    status = payment_status(total=invoice.amount, paid=0, credited=0, due=document.due_date, today=clock.today(clock.INDIA))
    mail = queries.invoice_mail(invoice.id)
    return page("billing/invoice.html", access=access, invoice=invoice, document=document, payment_status=status, mail=mail)


@bp.get("/orgs/<slug>/billing/invoices/<invoice_id>/pdf")
@org(Role.ORG_MANAGER)
def pdf(access: Access, invoice_id: str) -> ResponseReturnValue:
    """An invoice's file: as it stands now, or with ``?copy=original`` as it was issued."""
    invoice = _found(access, invoice_id)
    made = documents.original_invoice_pdf(invoice) if query(CopyQuery).of == "original" else documents.invoice_pdf(invoice)
    return serve(made.content, file_name=made.name, media_type=PDF, etag=made.etag)


def _found(access: Access, invoice_id: str) -> Invoice:
    invoice = queries.invoice(access.organization.id, invoice_id)
    if invoice is None:
        raise NotFound("There is no such invoice.", code="INVOICE_NOT_FOUND")
    return invoice


def _period(invoice: Invoice) -> str:
    """What an invoice bills, in words; its period is half-open and in UTC."""
    start, end = invoice.billing_cycle_start, invoice.billing_cycle_end
    if start is None or end is None:
        return "Credits"
    last_day = end - timedelta(microseconds=1)
    return f"Sessions booked {show_date(start, 'UTC')} to {show_date(last_day, 'UTC')}"


def _standing(invoice: Invoice) -> tuple[str, str]:
    """Tone and words of an invoice's pill."""
    today = clock.today(clock.INDIA)
    status = display_status(invoice.status, invoice.amount, invoice.due_date, today)
    if status == "OVERDUE" and invoice.due_date:
        days = (today - invoice.due_date).days
        return "overdue", f"Overdue · {days} {'day' if days == 1 else 'days'}"
    return {"SENT": "due", "PAID": "paid"}.get(status, "void"), status.label
