"""JSON of invoices, credit notes and the account of an organization."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from flask import Blueprint, Response, jsonify, make_response, url_for
from flask.typing import ResponseReturnValue

from portal import clock, config
from portal.billing import queries
from portal.billing.models import CreditNote, GatewayOrder, Invoice
from portal.billing.queries import Filters, Listed
from portal.billing.schemas import (
    AllocationOut,
    BucketOut,
    CreditNoteOut,
    DocumentsQuery,
    EntryOut,
    GatewayOut,
    InvoiceOut,
    MonthToDateOut,
    OutstandingOut,
    PayIn,
    PendingChargesOut,
    PreviewLineOut,
    PreviewOut,
    StatementOut,
    StatementQuery,
    SummaryOut,
)
from portal.billing.service import allocations, bills, documents, exports, invoices, orders
from portal.errors import Forbidden, NotFound
from portal.orgs.access import Access, org, require_active
from portal.orgs.rules import BillingMode, Role
from portal.orgs.rules.tokens import TokenScope
from portal.web.bearer import scoped
from portal.web.forms import json_body, query
from portal.web.idempotency import answer_so_far, idempotent
from portal.web.openapi import describes, listed, served, wrapped
from portal.web.page import CSV, download
from portal.web.security import checkout_limit
from portal.web.serving import PDF, CopyQuery, serve

bp = Blueprint("billing_api", __name__, url_prefix="/api/organizations/<organization_id>/billing")


@bp.get("")
@org(Role.ORG_MANAGER, books=True)
@scoped(TokenScope.READ, TokenScope.BILLING)
@describes(answers={200: SummaryOut})
def summary(access: Access) -> ResponseReturnValue:
    """The figures of now; amounts in paise."""
    organization, figures = access.organization, queries.summary(access.organization.id)
    pending = PendingChargesOut(amount=figures.unbilled, payment_count=figures.unbilled_count)
    shown = SummaryOut(
        billing_mode=organization.billing_mode,
        month_to_date=MonthToDateOut(gross=figures.month_gross, payment_count=figures.month_count),
        outstanding=OutstandingOut(amount=figures.outstanding, invoice_count=figures.outstanding_count),
        open_credit=figures.open_credit,
        net_balance=figures.net_balance,
        pending_charges=pending if organization.billing_mode is BillingMode.INVOICED_MONTHLY else None,
        exposure=figures.exposure(queries.place_of(organization)),
        credit_limit=organization.credit_limit,
        credit_balance=queries.pool(organization.id).balance if organization.billing_mode is BillingMode.SEAT_PACK else None,
        payment_terms_days=organization.payment_terms_days,
        contract_start=organization.contract_start,
        contract_end=organization.contract_end,
        ageing=[BucketOut.model_validate(bucket) for bucket in queries.ageing_of(organization.id)],
    )
    return jsonify(shown.to_json())


@bp.get("/invoices")
@org(Role.ORG_MANAGER, books=True)
@scoped(TokenScope.READ, TokenScope.BILLING)
@describes(query=DocumentsQuery, answers={200: listed(InvoiceOut | CreditNoteOut)})
def list_invoices(access: Access) -> ResponseReturnValue:
    """Invoices and credit notes in one list, newest first."""
    wanted = query(DocumentsQuery)
    filters = Filters(q=wanted.q, status=wanted.status, since=wanted.since, until=wanted.until)
    rows = queries.documents_of(access.organization.id, filters, limit=wanted.limit + 1, cursor=wanted.cursor)
    shown = rows[: wanted.limit]
    return jsonify(items=_listed(shown), nextCursor=shown[-1].id if len(rows) > len(shown) else None)


@bp.get("/invoices/<invoice_id>")
@org(Role.ORG_MANAGER, books=True)
@scoped(TokenScope.READ, TokenScope.BILLING)
@describes(answers={200: wrapped("invoice", InvoiceOut)}, refuses={404: ("INVOICE_NOT_FOUND",)})
def show(access: Access, invoice_id: str) -> ResponseReturnValue:
    """One invoice with its lines."""
    return jsonify(invoice=invoice_json(_found(access, invoice_id)))


@bp.get("/credit-notes/<note_id>")
@org(Role.ORG_MANAGER, books=True)
@scoped(TokenScope.READ, TokenScope.BILLING)
@describes(answers={200: wrapped("creditNote", CreditNoteOut)}, refuses={404: ("CREDIT_NOTE_NOT_FOUND",)})
def show_note(access: Access, note_id: str) -> ResponseReturnValue:
    """One credit note with its lines."""
    return jsonify(creditNote=note_json(_found_note(access, note_id)))


@bp.get("/invoices/<invoice_id>/pdf")
@org(Role.ORG_MANAGER, books=True)
@scoped(TokenScope.READ, TokenScope.BILLING)
@describes(query=CopyQuery, answers={200: served(PDF), 304: None}, refuses={503: ("PDF_UNAVAILABLE",)})
def pdf(access: Access, invoice_id: str) -> ResponseReturnValue:
    """One invoice's file: as it stands now, or with ``?copy=original`` as it was issued."""
    invoice = _found(access, invoice_id)
    made = documents.original_invoice_pdf(invoice) if query(CopyQuery).of == "original" else documents.invoice_pdf(invoice)
    return serve(made.content, file_name=made.name, media_type=PDF, etag=made.etag)


@bp.get("/credit-notes/<note_id>/pdf")
@org(Role.ORG_MANAGER, books=True)
@scoped(TokenScope.READ, TokenScope.BILLING)
@describes(
    query=CopyQuery,
    answers={200: served(PDF), 304: None},
    refuses={404: ("CREDIT_NOTE_NOT_FOUND",), 503: ("PDF_UNAVAILABLE",)},
)
def note_pdf(access: Access, note_id: str) -> ResponseReturnValue:
    """One credit note's file: as it stands now, or with ``?copy=original`` as it was issued."""
    note = _found_note(access, note_id)
    made = documents.original_credit_note_pdf(note) if query(CopyQuery).of == "original" else documents.credit_note_pdf(note)
    return serve(made.content, file_name=made.name, media_type=PDF, etag=made.etag)


@bp.get("/preview")
@org(Role.ORG_MANAGER, books=True)
@scoped(TokenScope.READ, TokenScope.BILLING)
@describes(answers={200: wrapped("invoice", PreviewOut | None)}, refuses={400: ("ALREADY_BILLED", "STATE_REQUIRED")})
def preview(access: Access) -> ResponseReturnValue:
    """The next invoice as it would be issued now; null when nothing is unbilled. Nothing is written."""
    found = bills.preview(access.organization)
    return jsonify(invoice=_previewed(found) if found else None)


@bp.post("/generate-invoice")
@org(Role.ORG_OWNER)
@scoped(TokenScope.BILLING)
@idempotent
@describes(
    answers={201: wrapped("invoice", InvoiceOut)},
    refuses={400: ("ALREADY_BILLED", "NO_UNBILLED_PAYMENTS", "NOT_INVOICED_MONTHLY", "STATE_REQUIRED")},
)
def generate(access: Access) -> ResponseReturnValue:
    """Closes the running period out by hand."""
    require_active(access.organization)
    invoice = invoices.issue_now(access.organization.id, actor=access.actor)
    return jsonify(invoice=invoice_json(invoice)), 201


@bp.post("/invoices/<invoice_id>/pay")
@checkout_limit
@org(Role.ORG_OWNER, books=True)
@scoped(TokenScope.BILLING)
@idempotent
@describes(
    body=PayIn,
    example={"amount": 118_000},
    answers={201: (wrapped("gateway", GatewayOut | None), wrapped("allocation", AllocationOut))},
    refuses={403: ("ADMIN_ONLY",), 404: ("INVOICE_NOT_FOUND",), 409: ("ABOVE_OUTSTANDING", "NOTHING_OUTSTANDING")},
)
def pay(access: Access, invoice_id: str) -> ResponseReturnValue:
    """Pays online when no method is given: ``gateway`` says where. With a method a platform admin records money that came."""
    invoice, data = _found(access, invoice_id), json_body(PayIn)
    if data.method is not None:
        if not access.is_platform_admin:
            raise Forbidden("Only a platform admin records payments by hand. Leave the method out to pay online.", code="ADMIN_ONLY")
        row = allocations.record(invoice.id, data, actor=access.actor)
        return jsonify(allocation=AllocationOut.model_validate(row).to_json()), 201
    require_active(access.organization)
    url = f"{config.current().base_url}/orgs/{access.organization.slug}/billing/invoices/{invoice.id}"
    order = orders.order_invoice(invoice, data.amount, payer=access.user, return_url=url)
    answer_so_far(_ordered(order))
    orders.open_now(order)
    return _ordered(order)


@bp.get("/statement")
@org(Role.ORG_MANAGER, books=True)
@scoped(TokenScope.READ, TokenScope.BILLING)
@describes(query=StatementQuery, answers={200: StatementOut}, refuses={400: ("PERIOD_REVERSED",)})
def statement(access: Access) -> ResponseReturnValue:
    """The account between two days, both inclusive: what was owed before, every document and payment, what is owed after."""
    wanted = query(StatementQuery)
    found = queries.statement_of(access.organization.id, since=wanted.since, until=wanted.last_day(clock.today(clock.INDIA)))
    entries = [EntryOut.model_validate(entry) for entry in found.entries]
    shown = StatementOut(since=found.since, until=found.until, opening=found.opening, entries=entries, closing=found.closing)
    return jsonify(shown.to_json())


@bp.get("/export.csv")
@org(Role.ORG_MANAGER, books=True)
@scoped(TokenScope.READ, TokenScope.BILLING)
@describes(csv=True, query=DocumentsQuery)
def export(access: Access) -> ResponseReturnValue:
    """Invoices and credit notes as CSV, by the filters of the list."""
    wanted = query(DocumentsQuery)
    filters = Filters(q=wanted.q, status=wanted.status, since=wanted.since, until=wanted.until)
    content = exports.documents_csv(access.organization.id, filters)
    return download(content, file_name=f"{access.organization.slug}-billing.csv", media_type=CSV)


def invoice_json(invoice: Invoice) -> dict[str, Any]:
    """An invoice with its lines."""
    return InvoiceOut.of(invoice, queries.balance(invoice.id), queries.lines_of(invoice.id), pdf_url=_pdf_url(invoice)).to_json()


def note_json(note: CreditNote) -> dict[str, Any]:
    """A credit note with its lines; its original has to be loaded."""
    return CreditNoteOut.of(note, queries.note_lines([note.id]), pdf_url=_note_pdf_url(note)).to_json()


def _listed(rows: Sequence[Listed]) -> list[dict[str, Any]]:
    of_invoice, of_note = defaultdict(list), defaultdict(list)
    for line in queries.lines_of_all([row.invoice.id for row in rows if row.invoice]):
        of_invoice[line.invoice_id].append(line)
    for part in queries.note_lines([row.note.id for row in rows if row.note]):
        of_note[part.credit_note_id].append(part)
    shown: list[InvoiceOut | CreditNoteOut] = []
    for row in rows:
        if row.invoice is not None and row.balance is not None:
            shown.append(InvoiceOut.of(row.invoice, row.balance, of_invoice[row.invoice.id], pdf_url=_pdf_url(row.invoice)))
        elif row.note is not None:
            shown.append(CreditNoteOut.of(row.note, of_note[row.note.id], pdf_url=_note_pdf_url(row.note)))
    return [document.to_json() for document in shown]


def _previewed(found: bills.Preview) -> dict[str, Any]:
    lines = [
        PreviewLineOut(
            payment_id=line.payment_id,
            description=line.description,
            sac_code=line.sac_code,
            unit_price=line.amount,
            taxable_amount=line.amount,
            session_date=line.session_date,
        )
        for line in found.lines
    ]
    derived = {"items": lines, "applied_credit": found.applied, "outstanding": found.invoice["amount"] - found.applied}
    columns = {name: found.invoice[name] for name in PreviewOut.model_fields if name in found.invoice}
    return PreviewOut(**columns, **derived).to_json()


def _ordered(order: GatewayOrder) -> Response:
    gateway = GatewayOut.of(order)
    return make_response(jsonify(gateway=gateway.to_json() if gateway else None), 201)


def _pdf_url(invoice: Invoice) -> str:
    return url_for("billing_api.pdf", organization_id=invoice.organization_id, invoice_id=invoice.id)


def _note_pdf_url(note: CreditNote) -> str:
    return url_for("billing_api.note_pdf", organization_id=note.organization_id, note_id=note.id)


def _found(access: Access, invoice_id: str) -> Invoice:
    invoice = queries.invoice(access.organization.id, invoice_id)
    if invoice is None:
        raise NotFound("There is no such invoice.", code="INVOICE_NOT_FOUND")
    return invoice


def _found_note(access: Access, note_id: str) -> CreditNote:
    note = queries.note(access.organization.id, note_id)
    if note is None:
        raise NotFound("There is no such credit note.", code="CREDIT_NOTE_NOT_FOUND")
    return note
