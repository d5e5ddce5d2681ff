"""How a booking is covered: what each billing mode asks for, and when it refuses. Amounts are paise."""

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from types import MappingProxyType
from zoneinfo import ZoneInfo

from portal.billing.rules.gst import Place
from portal.billing.rules.states import PaymentMethod
from portal.errors import PaymentRequired
from portal.money import Paise
from portal.orgs.rules import BillingMode

HELD_FOR = timedelta(minutes=30)
"""How long a slot is held, and an order can be paid."""

METHODS: Mapping[BillingMode, PaymentMethod] = MappingProxyType(
    {
        BillingMode.TAG_ONLY: PaymentMethod.CARD,
        BillingMode.SEAT_PACK: PaymentMethod.ORG_CREDIT,
        BillingMode.INVOICED_MONTHLY: PaymentMethod.ORG_INVOICED,
        BillingMode.PREPAID_UNLIMITED: PaymentMethod.ORG_PREPAID,
    }
)


def with_tax(taxable: Paise, place: Place) -> Paise:
    """What an amount comes to with the GST that it will carry."""
    return taxable + place.tax(taxable).total


def refundable(method: PaymentMethod, amount: Paise, original_amount: Paise) -> Paise:
    """How much of a payment can be refunded at most: of a prepaid one its price, although nothing was charged for it."""
    return original_amount if method is PaymentMethod.ORG_PREPAID else amount


def check_limit(*, limit: Paise | None, exposure: Paise, after: Paise) -> None:
    """Refuses a booking that would lift what is owed above the credit limit.

    Args:
        limit: The organization's; None for no limit.
        exposure: What is owed before the booking, with GST.
        after: The same with the booking.

    Raises:
        PaymentRequired: ``CREDIT_LIMIT_REACHED``, with ``creditLimit`` and ``exposure``.
    """
    if limit is not None and after > limit:
        sentence = "Credit limit reached. Nothing was booked; ask an owner to settle invoices, or the platform to raise the limit."
        raise PaymentRequired(sentence, code="CREDIT_LIMIT_REACHED", extra={"creditLimit": limit, "exposure": exposure})


def check_contract(*, start: date | None, end: date | None, now: datetime, time_zone: str) -> None:
    """Refuses a booking outside the contract, whose days are both inclusive in the organization's zone.

    Args:
        start: The first day; None when it has always been running.
        end: The last day; None when it has no end.
        now: The moment of booking, UTC.
        time_zone: IANA name.

    Raises:
        PaymentRequired: ``CONTRACT_EXPIRED``.
    """
    today = now.astimezone(ZoneInfo(time_zone)).date()
    if end is not None and today > end:
        sentence = f"The licence has expired on {end:%d %b %Y}. Nothing was booked; ask an admin of your organization to renew it."
        raise PaymentRequired(sentence, code="CONTRACT_EXPIRED")
    if start is not None and today < start:
        sentence = f"The licence starts on {start:%d %b %Y}. Nothing was booked; ask an admin of your organization when to book."
        raise PaymentRequired(sentence, code="CONTRACT_EXPIRED")


def insufficient_credits(*, needed: Paise) -> PaymentRequired:
    """The refusal of a booking that the pool doesn't cover."""
    sentence = "Insufficient credits. Nothing was booked; ask an owner of your organization to buy credits."
    return PaymentRequired(sentence, code="INSUFFICIENT_CREDITS", extra={"needed": needed})
