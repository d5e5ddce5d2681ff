"""Payouts: money that goes to organizations' bank accounts, behind one small Protocol.

Paying by hand is the default; RazorpayX and Stripe Connect are used by their official clients, imported only where they are chosen.
"""

from collections.abc import Callable
from functools import partial

from portal.config import Settings
from portal.gateways.payouts.contract import (
    GatewayNotConfigured,
    GatewayRefused,
    GatewayUnavailable,
    PayoutGateway,
    PayoutProvider,
    Transfer,
    TransferState,
    TransferStatus,
)
from portal.gateways.payouts.manual import Manual

__all__ = [
    "GatewayNotConfigured",
    "GatewayRefused",
    "GatewayUnavailable",
    "PayoutGateway",
    "PayoutProvider",
    "Transfer",
    "TransferState",
    "TransferStatus",
    "by_name",
    "connect",
    "current",
]

_chosen: list[PayoutGateway] = []
_made: dict[PayoutProvider, PayoutGateway] = {}
_makers: dict[PayoutProvider, Callable[[], PayoutGateway]] = {}


def connect(settings: Settings) -> None:
    """Makes the chosen provider ready; nothing is called yet. Others with keys of their own still answer for their old payouts."""
    _made.clear()
    _makers.clear()
    _makers[PayoutProvider.MANUAL] = Manual
    if settings.razorpayx_key_id and settings.razorpayx_key_secret and settings.razorpayx_account_number:
        _makers[PayoutProvider.RAZORPAYX] = partial(_razorpayx, settings)
    if settings.stripe_secret_key:
        _makers[PayoutProvider.STRIPE] = partial(_stripe, settings)
    _chosen[:] = [by_name(settings.payout_gateway)]


def current() -> PayoutGateway:
    """The provider that new payouts go to (``PAYOUT_GATEWAY``)."""
    return _chosen[0]


def by_name(provider: str) -> PayoutGateway:
    """The provider of an old payout, by its name.

    Raises:
        GatewayNotConfigured: There is no provider of that name, or its keys aren't set.
    """
    try:
        name = PayoutProvider(provider)
        make = _makers[name]
    except (ValueError, KeyError):
        raise GatewayNotConfigured(f"No payout provider named {provider!r} is configured.") from None
    if name not in _made:
        _made[name] = make()
    return _made[name]


def _razorpayx(settings: Settings) -> PayoutGateway:
    from portal.gateways.payouts.razorpayx import RazorpayX  # noqa: PLC0415 - half a second, spent only where RazorpayX is used

    return RazorpayX(
        key_id=settings.razorpayx_key_id,
        key_secret=settings.razorpayx_key_secret,
        account_number=settings.razorpayx_account_number,
        api_base=settings.razorpay_api_base,
    )


def _stripe(settings: Settings) -> PayoutGateway:
    from portal.gateways.payouts.stripe import StripeTransfers  # noqa: PLC0415 - as above

    return StripeTransfers(secret_key=settings.stripe_secret_key, api_base=settings.stripe_api_base)
