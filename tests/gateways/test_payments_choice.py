"""Which provider takes new orders, which ones answer for old ones, and where forms may lead to."""

import pytest

from portal import config
from portal.gateways import payments
from portal.gateways.payments import GatewayNotConfigured, Provider

STRIPE = {"stripe_secret_key": "sk_test_1", "stripe_webhook_secret": "whsec_1"}
RAZORPAY = {"razorpay_key_id": "rzp_test_1", "razorpay_key_secret": "s", "razorpay_webhook_secret": "w"}


@pytest.fixture
def connect(app, settings):
    """Connects with other settings during the test."""

    def change(**changes: str) -> None:
        payments.connect(settings.model_copy(update=changes))

    yield change
    payments.connect(config.current())


@pytest.mark.parametrize(
    ("changes", "provider", "others", "origins"),
    [
        ({}, Provider.SANDBOX, set(), ("http://localhost",)),
        (STRIPE | RAZORPAY, Provider.SANDBOX, {Provider.STRIPE, Provider.RAZORPAY}, ("http://localhost",)),
        (STRIPE | {"payment_gateway": "stripe"}, Provider.STRIPE, set(), ("https://checkout.stripe.com",)),
        (
            STRIPE | RAZORPAY | {"payment_gateway": "razorpay"},
            Provider.RAZORPAY,
            {Provider.STRIPE},
            ("https://rzp.io", "https://*.razorpay.com"),
        ),
    ],
)
def test_the_chosen_one_takes_orders_and_whoever_has_keys_answers(connect, changes, provider, others, origins):
    connect(**changes)
    assert payments.current().provider is provider
    assert payments.form_origins() == origins
    for each in Provider:
        if each in {provider, *others}:
            assert payments.by_name(each) is payments.by_name(each.value)
            assert payments.by_name(each).provider is each
        else:
            with pytest.raises(GatewayNotConfigured):
                payments.by_name(each)


@pytest.mark.parametrize("name", ["", "paypal", "SANDBOX", "../sandbox"])
def test_a_name_that_nobody_has_is_not_found(connect, name):
    with pytest.raises(GatewayNotConfigured, match="No payment provider"):
        payments.by_name(name)


def test_half_of_the_keys_is_not_enough(connect):
    connect(stripe_secret_key="sk_test_1", razorpay_key_id="rzp_test_1", razorpay_webhook_secret="w")
    for name in ("stripe", "razorpay"):
        with pytest.raises(GatewayNotConfigured):
            payments.by_name(name)
