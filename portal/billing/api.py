"""JSON of money."""

from io import BytesIO

from flask import Blueprint, jsonify, send_file, url_for
from flask.typing import ResponseReturnValue

from portal import clock
from portal.billing import queries
from portal.billing.models import Invoice
from portal.billing.schemas import InvoiceOut, InvoicesQuery
from portal.billing.service import documents, invoices
from portal.errors import NotFound
from portal.orgs.access import Access, org, require_active
from portal.orgs.rules import BillingMode, Role
from portal.web.forms import query

bp = Blueprint("billing_api", __name__, url_prefix="/api/organizations/<organization_id>/billing")
PAGE_SIZE = 200


@bp.get("")
@org(Role.ORG_MANAGER)
def summary(access: Access) -> ResponseReturnValue:
    """The figures of now; amounts in paise."""
    organization, figures = access.organization, queries.summary(access.organization.id)
    is_invoiced = organization.billing_mode is BillingMode.INVOICED_MONTHLY
    return jsonify(
        billingMode=organization.billing_mode,
        monthToDate={"gross": figures.month_gross, "paymentCount": figures.month_count},
        outstanding={"amount": figures.outstanding, "invoiceCount": figures.outstanding_count},
        netBalance=figures.outstanding,
        pendingCharges={"amount": figures.unbilled, "paymentCount": figures.unbilled_count} if is_invoiced else None,
        creditLimit=organization.credit_limit,
        paymentTermsDays=organization.payment_terms_days,
        contractStart=organization.contract_start,
        contractEnd=organization.contract_end,
    )


@bp.get("/invoices")
@org(Role.ORG_MANAGER)
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
def show(access: Access, invoice_id: str) -> ResponseReturnValue:
    """One invoice with its lines."""
    return jsonify(invoice=_out(_found(access, invoice_id), with_lines=True).to_json())


@bp.get("/invoices/<invoice_id>/pdf")
@org(Role.ORG_MANAGER)
def pdf(access: Access, invoice_id: str) -> ResponseReturnValue:
    """One invoice's file."""
    made = documents.invoice_pdf(_found(access, invoice_id))
    return send_file(BytesIO(made.content), mimetype="application/pdf", as_attachment=True, download_name=made.name)


@bp.post("/generate-invoice")
@org(Role.ORG_OWNER)
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
