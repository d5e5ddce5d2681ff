"""The page of refunds, for the platform's staff: find a payment, give it back, see what became of it."""

from typing import Any

from flask import Blueprint, url_for
from flask.typing import ResponseReturnValue

from portal.accounts.service import staff_actor_of
from portal.billing import queries
from portal.billing.schemas import RefundForm, RefundsPageQuery
from portal.billing.service import refunds
from portal.money import format_inr
from portal.web.forms import Form, query
from portal.web.gates import client_address, require_user, staff
from portal.web.page import page, redirect_to, toast

bp = Blueprint("refunds", __name__)
PAGE_SIZE = 25


@bp.get("/admin/refunds")
@staff
def index() -> ResponseReturnValue:
    """Payments that are searched for, and the newest refunds."""
    return _page(Form(RefundForm))


@bp.post("/admin/refunds")
@staff
def refund() -> ResponseReturnValue:
    """Gives a payment back, whole or in part."""
    actor = staff_actor_of(require_user(), ip=client_address())
    form = Form.posted(RefundForm)
    row = form.submit(lambda data: refunds.refund(data.as_refund(), actor=actor))
    if row is None:
        return _page(form, status=422)
    how = "is on its way to the card" if row.finished_at is None else "was given back"
    toast(f"{format_inr(row.amount)} {how}.")
    return redirect_to("refunds.index", q=row.payment_id)


def _page(form: Form[Any], *, status: int = 200) -> ResponseReturnValue:
    filters = query(RefundsPageQuery)
    rows = queries.refunds(limit=PAGE_SIZE + 1, cursor=filters.cursor)
    shown = rows[:PAGE_SIZE]
    return page(
        "billing/refunds.html",
        block="payment_list",
        status=status,
        form=form,
        filters=filters,
        payments=queries.payments_found(filters.q, limit=PAGE_SIZE) if filters.q else [],
        refunds=shown,
        older_url=url_for("refunds.index", q=filters.q or None, cursor=shown[-1].id) if len(rows) > PAGE_SIZE else "",
    )
