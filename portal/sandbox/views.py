"""The sandbox's payment page. It stands for another company's: nobody signs in, and who has an order's unguessable id may pay it."""

from http import HTTPStatus

from flask import Blueprint, make_response, redirect
from flask.typing import ResponseReturnValue

from portal.gateways.payments.sandbox import current_status
from portal.sandbox import service
from portal.sandbox.schemas import Outcome, OutcomeIn
from portal.web.forms import Form
from portal.web.gates import signed
from portal.web.page import page
from portal.web.security import csrf

bp = Blueprint("sandbox", __name__, url_prefix="/sandbox")


@bp.get("/pay/<order_id>")
@signed
def pay(order_id: str) -> ResponseReturnValue:
    """Asks whether the payment is to succeed."""
    return _page(order_id, Form(OutcomeIn))


@bp.post("/pay/<order_id>")
@signed
def pay_post(order_id: str) -> ResponseReturnValue:
    """Pays or declines, and leads back to where the payer came from."""
    form = Form.posted(OutcomeIn)
    data = form.submit(lambda data: data)
    if data is None:
        return _page(order_id, form, status=HTTPStatus.UNPROCESSABLE_ENTITY)
    if not service.settle(order_id, succeeded=data.outcome is Outcome.SUCCEEDED):
        return _page(order_id, form, status=HTTPStatus.CONFLICT)
    return make_response(redirect(service.order(order_id).return_url, 303))


csrf.exempt(pay_post)


def _page(order_id: str, form: Form[OutcomeIn], *, status: int = 200) -> ResponseReturnValue:
    order = service.order(order_id)
    is_too_late = status == HTTPStatus.CONFLICT
    return page("sandbox/pay.html", form=form, order=order, standing=current_status(order), is_too_late=is_too_late, status=status)
