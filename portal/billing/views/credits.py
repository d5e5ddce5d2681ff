"""The page of credits: the balance, buying, and the ledger."""

from typing import Any

from flask import Blueprint, url_for
from flask.typing import ResponseReturnValue

from portal import config
from portal.billing import queries
from portal.billing.models import LedgerRow
from portal.billing.rules import PurchaseStatus
from portal.billing.schemas import LedgerPageQuery, PurchaseForm
from portal.billing.service import orders
from portal.orgs.access import Access, org, require_active
from portal.orgs.rules import BillingMode, Role
from portal.web.forms import Form, query
from portal.web.page import leave_to, page, redirect_to, toast
from portal.web.security import checkout_limit

bp = Blueprint("credits", __name__)
PAGE_SIZE = 50
PURCHASES_SHOWN = 10


@bp.get("/orgs/<slug>/credits")
@org(Role.ORG_MANAGER)
def index(access: Access) -> ResponseReturnValue:
    """Balance, ledger, and what was bought."""
    return _page(access, Form(PurchaseForm))


@bp.post("/orgs/<slug>/credits/purchase")
@checkout_limit
@org(Role.ORG_OWNER)
def buy(access: Access) -> ResponseReturnValue:
    """Orders credits and leads to where they are paid."""
    require_active(access.organization)
    url = f"{config.current().base_url}{url_for('credits.index', slug=access.organization.slug)}"
    form = Form.posted(PurchaseForm)
    ordered = form.submit(
        lambda data: orders.order_credits(
            data.amount, organization=access.organization, buyer=access.user, actor=access.actor, return_url=url
        )
    )
    if ordered is None:
        return _page(access, form, status=422)
    _purchase, order = ordered
    orders.open_now(order)
    if order.pay_url is None:
        toast("The payment provider doesn't answer at the moment. Your order is kept: look here again in some minutes.", tone="info")
        return redirect_to("credits.index", slug=access.organization.slug)
    return leave_to(order.pay_url)


def _page(access: Access, form: Form[Any], *, status: int = 200) -> ResponseReturnValue:
    organization, wanted = access.organization, query(LedgerPageQuery)
    rows = queries.ledger(organization.id, limit=PAGE_SIZE + 1, before=wanted.before)
    shown = rows[:PAGE_SIZE]
    is_used = organization.billing_mode is BillingMode.SEAT_PACK

    def older_url(last: LedgerRow) -> str:
        return url_for("credits.index", slug=organization.slug, before=last.position)

    return page(
        "billing/credits.html",
        block="ledger",
        status=status,
        access=access,
        form=form,
        pool=queries.pool(organization.id),
        ledger=shown,
        payments=queries.payments_by_id([row.payment_id for row in shown if row.payment_id]),
        purchases=queries.purchases_of(organization.id, limit=PURCHASES_SHOWN),
        open_status=PurchaseStatus.PENDING,
        can_buy=is_used and access.may(Role.ORG_OWNER),
        is_used=is_used,
        newest_url=url_for("credits.index", slug=organization.slug) if wanted.before else "",
        older_url=older_url(shown[-1]) if len(rows) > PAGE_SIZE else "",
    )
