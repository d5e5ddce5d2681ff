"""JSON of money."""

from flask import Blueprint, Response, jsonify, make_response, request, url_for
from flask.typing import ResponseReturnValue

from portal import clock, config
from portal.accounts.service import staff_actor_of
from portal.billing import queries
from portal.billing.models import CreditPurchase, GatewayOrder, Invoice
from portal.billing.schemas import (
    CreditsOut,
    InvoiceOut,
    InvoicesQuery,
    LedgerQuery,
    LedgerRowOut,
    MonthToDateOut,
    OutstandingOut,
    PaymentOut,
    PendingChargesOut,
    PoolOut,
    PurchaseIn,
    PurchaseOut,
    RefundIn,
    RefundOut,
    RefundsQuery,
    SummaryOut,
)
from portal.billing.service import documents, events, invoices, orders, payments, refunds
from portal.errors import NotFound
from portal.orgs.access import Access, org, require_active
from portal.orgs.rules import BillingMode, Role
from portal.web.forms import json_body, query
from portal.web.gates import client_address, require_user, signed, signed_in, staff
from portal.web.idempotency import answer_so_far, idempotent
from portal.web.openapi import describes, listed, served, wrapped
from portal.web.schema import PagedQuery
from portal.web.security import csrf, limiter
from portal.web.serving import PDF, CopyQuery, serve

bp = Blueprint("billing_api", __name__, url_prefix="/api/organizations/<organization_id>/billing")
credits_bp = Blueprint("credits_api", __name__, url_prefix="/api/organizations/<organization_id>/credits")
webhooks_bp = Blueprint("webhooks_api", __name__, url_prefix="/api/webhooks")
payments_bp = Blueprint("payments_api", __name__, url_prefix="/api/payments")
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
        open_credit=0,
        net_balance=figures.outstanding,
        pending_charges=pending if is_invoiced else None,
        exposure=queries.exposure(organization).total,
        credit_limit=organization.credit_limit,
        credit_balance=queries.pool(organization.id).balance if organization.billing_mode is BillingMode.SEAT_PACK else None,
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
@describes(query=CopyQuery, answers={200: served(PDF), 304: None}, refuses={503: ("PDF_UNAVAILABLE",)})
def pdf(access: Access, invoice_id: str) -> ResponseReturnValue:
    """One invoice's file: as it stands now, or with ``?copy=original`` as it was issued."""
    invoice = _found(access, invoice_id)
    made = documents.original_invoice_pdf(invoice) if query(CopyQuery).of == "original" else documents.invoice_pdf(invoice)
    return serve(made.content, file_name=made.name, media_type=PDF, etag=made.etag)


@bp.post("/generate-invoice")
@org(Role.ORG_OWNER)
@idempotent
@describes(answers={201: wrapped("invoice", InvoiceOut)}, refuses={400: ("NO_UNBILLED_PAYMENTS", "NOT_INVOICED_MONTHLY")})
def generate(access: Access) -> ResponseReturnValue:
    """Closes the running period out by hand."""
    require_active(access.organization)
    invoice = invoices.issue_now(access.organization.id, actor=access.actor)
    return jsonify(invoice=_out(invoice, with_lines=True).to_json()), 201


@credits_bp.get("")
@org(Role.ORG_MANAGER)
@describes(query=LedgerQuery, answers={200: CreditsOut})
def credit_pool(access: Access) -> ResponseReturnValue:
    """The organization's credits and the movements of its ledger, newest first; ``before`` is the last row's ``position``."""
    wanted = query(LedgerQuery)
    rows = queries.ledger(access.organization.id, limit=wanted.limit, before=wanted.before)
    pool = PoolOut.model_validate(queries.pool(access.organization.id))
    return jsonify(CreditsOut(pool=pool, ledger=[LedgerRowOut.model_validate(row) for row in rows]).to_json())


@credits_bp.get("/purchases")
@org(Role.ORG_MANAGER)
@describes(query=PagedQuery, answers={200: listed(PurchaseOut)})
def list_purchases(access: Access) -> ResponseReturnValue:
    """What credits were bought, newest first."""
    wanted = query(PagedQuery)
    found = queries.purchases_of(access.organization.id, limit=wanted.limit + 1, cursor=wanted.cursor)
    shown = found[: wanted.limit]
    items = [PurchaseOut.of(purchase, order).to_json() for purchase, order in shown]
    return jsonify(items=items, nextCursor=shown[-1][0].id if len(found) > len(shown) else None)


@credits_bp.post("/purchase")
@limiter.limit("60/minute")
@org(Role.ORG_OWNER)
@idempotent
@describes(body=PurchaseIn, answers={201: wrapped("purchase", PurchaseOut)}, refuses={409: ("NOT_SEAT_PACK",)})
def buy_credits(access: Access) -> ResponseReturnValue:
    """Orders credits, which are charged with GST; they are there when the order is paid."""
    require_active(access.organization)
    url = f"{config.current().base_url}/orgs/{access.organization.slug}/credits"
    amount = json_body(PurchaseIn).amount
    purchase, order = orders.order_credits(amount, organization=access.organization, buyer=access.user, actor=access.actor, return_url=url)
    answer_so_far(_bought(purchase, order))
    orders.open_now(order)
    return _bought(purchase, order)


@payments_bp.get("/<payment_id>")
@signed_in
@describes(answers={200: wrapped("payment", PaymentOut)}, refuses={404: ("PAYMENT_NOT_FOUND",)})
def show_payment(payment_id: str) -> ResponseReturnValue:
    """One payment, for who paid, for managers of its organization, and for the platform's staff."""
    user = require_user()
    payment = queries.payment(payment_id)
    if payment is None or not payments.is_visible(payment, user):
        raise NotFound("There is no such payment.", code="PAYMENT_NOT_FOUND")
    return jsonify(payment=PaymentOut.of(payment, queries.order_of_payment(payment.id)).to_json())


@payments_bp.get("/refunds")
@staff
@describes(query=RefundsQuery, answers={200: listed(RefundOut)})
def list_refunds() -> ResponseReturnValue:
    """All refunds, newest first."""
    wanted = query(RefundsQuery)
    found = queries.refunds(status=wanted.status, limit=wanted.limit + 1, cursor=wanted.cursor)
    shown = found[: wanted.limit]
    return jsonify(items=[RefundOut.of(row).to_json() for row in shown], nextCursor=shown[-1].id if len(found) > len(shown) else None)


@payments_bp.post("/refunds")
@staff
@idempotent
@describes(
    body=RefundIn,
    answers={200: wrapped("refund", RefundOut)},
    refuses={404: ("PAYMENT_NOT_FOUND",), 409: ("ABOVE_WHAT_IS_LEFT", "NOTHING_LEFT", "PAYMENT_NOT_SUCCEEDED", "REFUND_NEEDS_CREDIT_NOTE")},
)
def refund() -> ResponseReturnValue:
    """Gives a payment back, whole or in part."""
    row = refunds.refund(json_body(RefundIn), actor=staff_actor_of(require_user(), ip=client_address()))
    return jsonify(refund=RefundOut.of(row).to_json(), creditNote=None)


@webhooks_bp.post("/<gateway>")
@signed
@describes(answers={200: wrapped("received", bool)}, refuses={401: ("SIGNATURE_INVALID",), 404: ("GATEWAY_UNKNOWN",)})
def webhook(gateway: str) -> ResponseReturnValue:
    """Stores what a payment provider tells; a job acts on it. The same event twice is stored once."""
    is_new = events.receive(gateway, dict(request.headers), request.get_data())
    return jsonify(received=is_new)


csrf.exempt(webhook)


def _bought(purchase: CreditPurchase, order: GatewayOrder) -> Response:
    return make_response(jsonify(purchase=PurchaseOut.of(purchase, order).to_json()), 201)


def _out(invoice: Invoice, *, with_lines: bool = False) -> InvoiceOut:
    pdf_url = url_for("billing_api.pdf", organization_id=invoice.organization_id, invoice_id=invoice.id)
    lines = queries.lines_of(invoice.id) if with_lines else None
    return InvoiceOut.of(invoice, today=clock.today(clock.INDIA), pdf_url=pdf_url, lines=lines)


def _found(access: Access, invoice_id: str) -> Invoice:
    invoice = queries.invoice(access.organization.id, invoice_id)
    if invoice is None:
        raise NotFound("There is no such invoice.", code="INVOICE_NOT_FOUND")
    return invoice
