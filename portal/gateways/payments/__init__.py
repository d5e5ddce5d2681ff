"""Payments: opening orders on a provider's hosted page, refunds and webhooks, behind one small Protocol.

The sandbox is the default; Stripe and Razorpay are used by their official clients, which are imported only where they are chosen.
"""

from functools import partial

from portal.config import Settings
from portal.gateways.choice import Choice, Makers
from portal.gateways.payments.contract import (
    Event,
    GatewayNotConfigured,
    GatewayRefused,
    GatewayUnavailable,
    Opened,
    Order,
    OrderState,
    OrderStatus,
    PaymentGateway,
    Provider,
    RefundOrder,
    RefundState,
    RefundStatus,
    SignatureInvalid,
)
from portal.gateways.payments.sandbox import Sandbox

__all__ = [
    "Event",
    "GatewayNotConfigured",
    "GatewayRefused",
    "GatewayUnavailable",
    "Opened",
    "Order",
    "OrderState",
    "OrderStatus",
    "PaymentGateway",
    "Provider",
    "RefundOrder",
    "RefundState",
    "RefundStatus",
    "SignatureInvalid",
    "by_name",
    "connect",
    "current",
    "form_origins",
]

_choice: Choice[PaymentGateway] = Choice("payment")
_origins: list[str] = []


def connect(settings: Settings) -> None:
    """Makes the chosen provider ready; nothing is called yet."""
    makers: Makers[PaymentGateway] = {}
    chosen = Provider(settings.payment_gateway)
    if chosen is Provider.SANDBOX:
        makers[Provider.SANDBOX] = partial(Sandbox, base_url=settings.base_url)
    if settings.stripe_secret_key and settings.stripe_webhook_secret:
        makers[Provider.STRIPE] = partial(_stripe, settings)
    if settings.razorpay_key_id and settings.razorpay_key_secret and settings.razorpay_webhook_secret:
        makers[Provider.RAZORPAY] = partial(_razorpay, settings)
    _choice.connect(makers, chosen=chosen)
    _origins[:] = {
        Provider.SANDBOX: [settings.base_url],
        Provider.STRIPE: ["https://checkout.stripe.com"],
        Provider.RAZORPAY: ["https://rzp.io", "https://*.razorpay.com"],  # the short address of a link, and where it leads
    }[chosen]


def current() -> PaymentGateway:
    """The provider that new orders go to (``PAYMENT_GATEWAY``)."""
    return _choice.current()


def by_name(provider: str) -> PaymentGateway:
    """The provider of an old payment or of a webhook, by its name.

    Raises:
        GatewayNotConfigured: There is no provider of that name, or its keys aren't set.
    """
    return _choice.by_name(provider)


def form_origins() -> tuple[str, ...]:
    """Where a form of ours may lead a browser to pay: the hosts of the provider's pages, for ``form-action``."""
    return tuple(_origins)


def _stripe(settings: Settings) -> PaymentGateway:
    from portal.gateways.payments.stripe import Stripe  # noqa: PLC0415 - half a second, spent only where Stripe is used

    return Stripe(
        secret_key=settings.stripe_secret_key,
        webhook_secret=settings.stripe_webhook_secret,
        api_base=settings.stripe_api_base,
    )


def _razorpay(settings: Settings) -> PaymentGateway:
    from portal.gateways.payments.razorpay import Razorpay  # noqa: PLC0415 - as above

    return Razorpay(
        key_id=settings.razorpay_key_id,
        key_secret=settings.razorpay_key_secret,
        webhook_secret=settings.razorpay_webhook_secret,
        api_base=settings.razorpay_api_base,
    )
