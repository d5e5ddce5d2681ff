"""JSON of payments, refunds, credits, and what payment providers tell."""

from flask import Blueprint, Response, jsonify, make_response, request
from flask.typing import ResponseReturnValue

from portal import config
from portal.accounts.service import staff_actor_of
from portal.billing import queries
from portal.billing.api.documents import note_json
from portal.billing.models import CreditPurchase, GatewayOrder
from portal.billing.schemas import (
    CreditsOut,
    LedgerQuery,
    LedgerRowOut,
    PaymentOut,
    PoolOut,
    PurchaseIn,
    PurchaseOut,
    RefundedOut,
    RefundIn,
    RefundOut,
    RefundsQuery,
)
from portal.billing.service import events, orders, payments, refunds
from portal.errors import NotFound
from portal.orgs.access import Access, org, require_active
from portal.orgs.rules import Role
from portal.orgs.rules.tokens import TokenScope
from portal.web.bearer import bearer, scoped
from portal.web.forms import json_body, query
from portal.web.gates import client_address, require_user, signed, signed_in, staff
from portal.web.idempotency import answer_so_far, idempotent
from portal.web.openapi import describes, listed, wrapped
from portal.web.schema import PagedQuery
from portal.web.security import checkout_limit, csrf

credits_bp = Blueprint("credits_api", __name__, url_prefix="/api/organizations/<organization_id>/credits")
webhooks_bp = Blueprint("webhooks_api", __name__, url_prefix="/api/webhooks")
payments_bp = Blueprint("payments_api", __name__, url_prefix="/api/payments")


@credits_bp.get("")
@org(Role.ORG_MANAGER)
@scoped(TokenScope.READ, TokenScope.BILLING)
@describes(query=LedgerQuery, answers={200: CreditsOut})
def credit_pool(access: Access) -> ResponseReturnValue:
    """The organization's credits and the movements of its ledger, newest first; ``before`` is the last row's ``position``."""
    wanted = query(LedgerQuery)
    rows = queries.ledger(access.organization.id, limit=wanted.limit, before=wanted.before)
    pool = PoolOut.model_validate(queries.pool(access.organization.id))
    return jsonify(CreditsOut(pool=pool, ledger=[LedgerRowOut.model_validate(row) for row in rows]).to_json())


@credits_bp.get("/purchases")
@org(Role.ORG_MANAGER)
@scoped(TokenScope.READ, TokenScope.BILLING)
@describes(query=PagedQuery, answers={200: listed(PurchaseOut)})
def list_purchases(access: Access) -> ResponseReturnValue:
    """What credits were bought, newest first."""
    wanted = query(PagedQuery)
    found = queries.purchases_of(access.organization.id, limit=wanted.limit + 1, cursor=wanted.cursor)
    shown = found[: wanted.limit]
    items = [PurchaseOut.of(purchase, order).to_json() for purchase, order in shown]
    return jsonify(items=items, nextCursor=shown[-1][0].id if len(found) > len(shown) else None)


@credits_bp.post("/purchase")
@checkout_limit
@org(Role.ORG_OWNER)
@scoped(TokenScope.BILLING)
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
@scoped(TokenScope.READ, TokenScope.BILLING)
@describes(answers={200: wrapped("payment", PaymentOut)}, refuses={404: ("PAYMENT_NOT_FOUND",)})
def show_payment(payment_id: str) -> ResponseReturnValue:
    """One payment, for who paid, for managers of its organization, and for the platform's staff."""
    user, token, payment = require_user(), bearer(), queries.payment(payment_id)
    is_elsewhere = token is not None and (payment is None or payment.organization_id != token.organization_id)
    if payment is None or is_elsewhere or not payments.is_visible(payment, user):
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
    answers={200: RefundedOut},
    refuses={
        404: ("PAYMENT_NOT_FOUND",),
        409: ("ABOVE_LINE", "ABOVE_WHAT_IS_LEFT", "EARNINGS_PAID_OUT", "NOTHING_LEFT", "PAYMENT_NOT_SUCCEEDED"),
    },
)
def refund() -> ResponseReturnValue:
    """Gives a payment back, whole or in part; what an invoice has billed, by the credit note of the answer."""
    row = refunds.refund(json_body(RefundIn), actor=staff_actor_of(require_user(), ip=client_address()))
    note = queries.note_of_refund(row.id)
    return jsonify(refund=RefundOut.of(row).to_json(), creditNote=note_json(note) if note else None)


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
