"""Payments: opening orders on a provider's hosted page, refunds and webhooks, behind one small Protocol.

The sandbox is the default; Stripe and Razorpay are used by their official clients, which are imported only where they are chosen.
"""

from collections.abc import Callable
from functools import partial

from portal.config import Settings
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

_chosen: list[PaymentGateway] = []
_made: dict[Provider, PaymentGateway] = {}
_makers: dict[Provider, Callable[[], PaymentGateway]] = {}
_origins: list[str] = []


def connect(settings: Settings) -> None:
    """Makes the chosen provider ready; nothing is called yet. Others with keys of their own are made when they are asked for."""
    _made.clear()
    _makers.clear()
    chosen = Provider(settings.payment_gateway)
    if chosen is Provider.SANDBOX:
        _makers[Provider.SANDBOX] = partial(Sandbox, base_url=settings.base_url)
        _origins[:] = [settings.base_url]
    if settings.stripe_secret_key and settings.stripe_webhook_secret:
        _makers[Provider.STRIPE] = partial(_stripe, settings)
    if settings.razorpay_key_id and settings.razorpay_key_secret and settings.razorpay_webhook_secret:
        _makers[Provider.RAZORPAY] = partial(_razorpay, settings)
    if chosen is Provider.STRIPE:
        _origins[:] = ["https://checkout.stripe.com"]
    elif chosen is Provider.RAZORPAY:
        _origins[:] = ["https://rzp.io", "https://*.razorpay.com"]  # the short address of a link, and where it leads
    _chosen[:] = [by_name(chosen)]


def current() -> PaymentGateway:
    """The provider that new orders go to (``PAYMENT_GATEWAY``)."""
    return _chosen[0]


def by_name(provider: str) -> PaymentGateway:
    """The provider of an old payment or of a webhook, by its name.

    Raises:
        GatewayNotConfigured: There is no provider of that name, or its keys aren't set.
    """
    try:
        name = Provider(provider)
        make = _makers[name]
    except (ValueError, KeyError):
        raise GatewayNotConfigured(f"No payment provider named {provider!r} is configured.") from None
    if name not in _made:
        _made[name] = make()
    return _made[name]


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
