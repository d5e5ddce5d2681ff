"""Payouts: money that goes to organizations' bank accounts, behind one small Protocol.

Paying by hand is the default; RazorpayX and Stripe Connect are used by their official clients, imported only where they are chosen.
"""

from functools import partial

from portal.config import Settings
from portal.gateways.choice import Choice, Makers
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

_choice: Choice[PayoutGateway] = Choice("payout")


def connect(settings: Settings) -> None:
    """Makes the chosen provider ready; nothing is called yet."""
    makers: Makers[PayoutGateway] = {PayoutProvider.MANUAL: Manual}
    if settings.razorpayx_key_id and settings.razorpayx_key_secret and settings.razorpayx_account_number:
        makers[PayoutProvider.RAZORPAYX] = partial(_razorpayx, settings)
    if settings.stripe_secret_key:
        makers[PayoutProvider.STRIPE] = partial(_stripe, settings)
    _choice.connect(makers, chosen=settings.payout_gateway)


def current() -> PayoutGateway:
    """The provider that new payouts go to (``PAYOUT_GATEWAY``)."""
    return _choice.current()


def by_name(provider: str) -> PayoutGateway:
    """The provider of an old payout, by its name.

    Raises:
        GatewayNotConfigured: There is no provider of that name, or its keys aren't set.
    """
    return _choice.by_name(provider)


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
