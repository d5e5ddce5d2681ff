"""The sandbox's page: who has an order's id pays or declines, once, and is led back."""

from datetime import timedelta

import pytest

from portal import clock, config, db
from portal.gateways import payments
from portal.gateways.payments import Order, OrderStatus, current
from tests.support.pages import Visitor


@pytest.fixture
def opened(rung, app):
    """An order of ₹1,180.13 that ends in half an hour."""
    with app.app_context():
        return current().open(
            Order(
                key=db.new_id(),
                amount=118_013,
                currency="INR",
                description="Career coaching <b>with Meera</b>",
                payer_email="asha@acme.test",
                return_url="http://localhost/bookings?from=pay",
                expires_at=clock.now() + timedelta(minutes=30),
            )
        )


def status_of(app, opened) -> OrderStatus:
    with app.app_context():
        return current().order_state(opened.order_id).status


def path_of(opened) -> str:
    return opened.pay_url.removeprefix("http://localhost")


def test_the_page_says_what_is_paid_and_offers_both_ways(app, opened):
    visitor = Visitor(app).get(path_of(opened))
    assert visitor.heading == "Pay ₹1,180.13"
    assert "Career coaching <b>with Meera</b>" in visitor.words
    buttons = [
        (button.get("name"), button.get("value")) for button in visitor.form(path_of(opened)).iter() if button.tag.endswith("button")
    ]
    assert buttons == [("outcome", "succeeded"), ("outcome", "failed")]
    assert status_of(app, opened) is OrderStatus.OPEN


@pytest.mark.parametrize(
    ("outcome", "status", "heading"), [("succeeded", "PAID", "Paid: ₹1,180.13"), ("failed", "FAILED", "Not paid: ₹1,180.13")]
)
def test_each_button_ends_the_order_leads_back_and_rings_for_the_webhook(app, opened, rung, outcome, status, heading):
    client = app.test_client()
    answer = client.post(path_of(opened), data={"outcome": outcome})
    assert (answer.status_code, answer.location) == (303, "http://localhost/bookings?from=pay")
    assert status_of(app, opened) == status
    assert [bell.name for bell in rung] == ["sandbox-send-webhook"]
    visitor = Visitor(app).get(path_of(opened))
    assert visitor.heading == heading
    assert "http://localhost/bookings?from=pay" in visitor.answer.text


def test_a_second_time_changes_nothing_and_says_so(app, opened, rung):
    client = app.test_client()
    client.post(path_of(opened), data={"outcome": "succeeded"})
    answer = client.post(path_of(opened), data={"outcome": "failed"})
    assert answer.status_code == 409
    assert "Nothing happened." in answer.text
    assert "can’t be paid twice" in answer.text
    assert (status_of(app, opened), len(rung)) == (OrderStatus.PAID, 1)


def test_what_was_withdrawn_or_ran_out_cannot_be_paid(app, opened, rung):
    with app.app_context():
        current().cancel(opened.order_id)
    answer = app.test_client().post(path_of(opened), data={"outcome": "succeeded"})
    assert answer.status_code == 409
    assert "ran out, or it was withdrawn" in answer.text
    assert (status_of(app, opened), rung) == (OrderStatus.EXPIRED, [])


@pytest.mark.parametrize("data", [{}, {"outcome": ""}, {"outcome": "perhaps"}, {"outcome": "succeeded", "amount": "1"}])
def test_an_outcome_that_there_is_not_is_refused(app, opened, data):
    answer = app.test_client().post(path_of(opened), data=data)
    assert (answer.status_code, status_of(app, opened)) == (422, OrderStatus.OPEN)


@pytest.mark.parametrize("order_id", ["sbx_0", "nonsense", "00000000-0000-7000-8000-000000000000"])
def test_an_order_that_never_was_is_not_found(app, opened, order_id):
    client = app.test_client()
    assert client.get(f"/sandbox/pay/{order_id}").status_code == 404
    assert client.post(f"/sandbox/pay/{order_id}", data={"outcome": "succeeded"}).status_code == 404


def test_with_another_provider_there_is_no_such_page(app, opened, settings):
    keys = {"payment_gateway": "stripe", "stripe_secret_key": "sk_test_1", "stripe_webhook_secret": "whsec_1"}
    payments.connect(settings.model_copy(update=keys))
    try:
        client = app.test_client()
        assert client.get(path_of(opened)).status_code == 404
        assert client.post(path_of(opened), data={"outcome": "succeeded"}).status_code == 404
    finally:
        payments.connect(config.current())
    assert status_of(app, opened) is OrderStatus.OPEN


def test_forms_may_lead_to_the_providers_page(app, opened):
    policy = app.test_client().get(path_of(opened)).headers["Content-Security-Policy"]
    assert "form-action 'self' http://localhost;" in policy
