"""JSON of money."""

from io import BytesIO

from flask import Blueprint, jsonify, send_file, url_for
from flask.typing import ResponseReturnValue

from portal import clock
from portal.billing import queries
from portal.billing.models import Invoice
from portal.billing.schemas import InvoiceOut, InvoicesQuery, MonthToDateOut, OutstandingOut, PendingChargesOut, SummaryOut
from portal.billing.service import documents, invoices
from portal.errors import NotFound
from portal.orgs.access import Access, org, require_active
from portal.orgs.rules import BillingMode, Role
from portal.web.forms import query
from portal.web.openapi import describes, listed, served, wrapped

bp = Blueprint("billing_api", __name__, url_prefix="/api/organizations/<organization_id>/billing")
PAGE_SIZE = 200


@bp.get("")
@org(Role.ORG_MANAGER)
@describes(answers={200: SummaryOut})
def summary(access: Access) -> ResponseReturnValue:
    """The figures of now; amounts in paise."""
    organization, figures = access.organization, queries.summary(access.organization.id)
    is_invoiced = organization.billing_mode is BillingMode.INVOICED_MONTHLY
    pending = PendingChargesOut(amount=figures.unbilled, payment_count=figures.unbilled_count)
    shown = SummaryOut(
        billing_mode=organization.billing_mode,
        month_to_date=MonthToDateOut(gross=figures.month_gross, payment_count=figures.month_count),
        outstanding=OutstandingOut(amount=figures.outstanding, invoice_count=figures.outstanding_count),
        net_balance=figures.outstanding,
        pending_charges=pending if is_invoiced else None,
        credit_limit=organization.credit_limit,
        payment_terms_days=organization.payment_terms_days,
        contract_start=organization.contract_start,
        contract_end=organization.contract_end,
    )
    return jsonify(shown.to_json())


@bp.get("/invoices")
@org(Role.ORG_MANAGER)
@describes(query=InvoicesQuery, answers={200: listed(InvoiceOut)})
def list_invoices(access: Access) -> ResponseReturnValue:
    """Invoices, newest first."""
    filters = query(InvoicesQuery)
    rows = queries.invoices_of(
        access.organization.id,
        q=filters.q,
        since=filters.since,
        until=filters.until,
        limit=PAGE_SIZE,
        offset=(filters.page - 1) * PAGE_SIZE,
    )
    return jsonify(items=[_out(row).to_json() for row in rows], nextCursor=None)


@bp.get("/invoices/<invoice_id>")
@org(Role.ORG_MANAGER)
@describes(answers={200: wrapped("invoice", InvoiceOut)})
def show(access: Access, invoice_id: str) -> ResponseReturnValue:
    """One invoice with its lines."""
    return jsonify(invoice=_out(_found(access, invoice_id), with_lines=True).to_json())


@bp.get("/invoices/<invoice_id>/pdf")
@org(Role.ORG_MANAGER)
@describes(answers={200: served("application/pdf")})
def pdf(access: Access, invoice_id: str) -> ResponseReturnValue:
    """One invoice's file."""
    made = documents.invoice_pdf(_found(access, invoice_id))
    return send_file(BytesIO(made.content), mimetype="application/pdf", as_attachment=True, download_name=made.name)


@bp.post("/generate-invoice")
@org(Role.ORG_OWNER)
@describes(answers={201: wrapped("invoice", InvoiceOut)}, refuses={400: ("NO_UNBILLED_PAYMENTS", "NOT_INVOICED_MONTHLY")})
def generate(access: Access) -> ResponseReturnValue:
    """Closes the running period out by hand."""
    require_active(access.organization)
    invoice = invoices.issue_now(access.organization.id, actor=access.actor)
    return jsonify(invoice=_out(invoice, with_lines=True).to_json()), 201


def _out(invoice: Invoice, *, with_lines: bool = False) -> InvoiceOut:
    pdf_url = url_for("billing_api.pdf", organization_id=invoice.organization_id, invoice_id=invoice.id)
    lines = queries.lines_of(invoice.id) if with_lines else None
    return InvoiceOut.of(invoice, today=clock.today(clock.INDIA), pdf_url=pdf_url, lines=lines)


def _found(access: Access, invoice_id: str) -> Invoice:
    invoice = queries.invoice(access.organization.id, invoice_id)
    if invoice is None:
        raise NotFound("There is no such invoice.", code="INVOICE_NOT_FOUND")
    return invoice
