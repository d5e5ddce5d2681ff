"""Payouts: when they are due, what they come to, and what the bank knows them by. Amounts are paise."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum

from portal.errors import Invalid
from portal.money import Paise, format_inr
from portal.orgs.rules import PayoutFrequency

LEAST_PAYOUT: Paise = 500_00
_FIRST_MONDAY = date(2024, 1, 1)  # two-week periods are counted from here


class PayoutStatus(StrEnum):
    """PENDING until it is processed, PROCESSING while the bank has it, then COMPLETED or FAILED (and then tried again)."""

    PENDING = "PENDING"
    PROCESSING = "PROCESSING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"

    @property
    def is_open(self) -> bool:
        """Whether it will be paid; an organization has one such at most."""
        return self in {PayoutStatus.PENDING, PayoutStatus.PROCESSING}

    @property
    def label(self) -> str:
        """The plain name."""
        return {"PENDING": "Waiting", "PROCESSING": "On its way", "COMPLETED": "Paid", "FAILED": "Failed"}[self.value]

    @property
    def tone(self) -> str:
        """The colour of its pill."""
        return {"PENDING": "info", "PROCESSING": "info", "COMPLETED": "paid", "FAILED": "bad"}[self.value]


@dataclass(frozen=True, slots=True)
class Due:
    """What is due of one earning: positive is to be paid, negative was paid before a refund and is recovered.

    Attributes:
        amount: What is due.
        gross: The payment's price.
        platform_fee: The payment's whole fee.
        share: What the party earned before refunds.
        reversed: What refunds took back.
    """

    amount: Paise
    gross: Paise
    platform_fee: Paise
    share: Paise
    reversed: Paise


@dataclass(frozen=True, slots=True)
class Totals:
    """What a payout's figures are: gross − platform's fee − consultants' shares − refunds = net."""

    gross_revenue: Paise = 0
    platform_fee: Paise = 0
    consultant_shares: Paise = 0
    refunds: Paise = 0

    @property
    def net(self) -> Paise:
        """What goes to the bank."""
        return self.gross_revenue - self.platform_fee - self.consultant_shares - self.refunds

    @classmethod
    def of(cls, dues: Iterable[Due]) -> "Totals":
        """The sums over what is due; recovered debt counts as refunds."""
        total = cls()
        for due in dues:
            if due.amount > 0:
                others = due.gross - due.platform_fee - due.share
                total = cls(
                    total.gross_revenue + due.gross,
                    total.platform_fee + due.platform_fee,
                    total.consultant_shares + others,
                    total.refunds + due.reversed,
                )
            else:
                total = cls(total.gross_revenue, total.platform_fee, total.consultant_shares, total.refunds - due.amount)
        return total


def check_due(amount: Paise, *, debt: Paise, anything: bool) -> None:
    """Makes sure that there is enough for a payout.

    Args:
        amount: What would be paid, with debt taken off.
        debt: What is recovered from it.
        anything: Whether any earning is ready.

    Raises:
        Invalid: ``NOTHING_READY`` or ``BELOW_MINIMUM`` (with ``amount`` and ``minimum``).
    """
    if not anything:
        sentence = "No earnings are ready to be paid out. They are ready when the hold after each session is over."
        raise Invalid(sentence, code="NOTHING_READY")
    if amount < LEAST_PAYOUT:
        taken = f" after {format_inr(debt)} for refunds of sessions that were paid out before" if debt else ""
        sentence = f"A payout is {format_inr(LEAST_PAYOUT)} at least; {format_inr(amount)} is ready{taken}. Nothing was paid out."
        raise Invalid(sentence, code="BELOW_MINIMUM", extra={"amount": amount, "minimum": LEAST_PAYOUT})


def period_start(frequency: PayoutFrequency, today: date) -> date:
    """The day on which the present period of payouts began: a Monday, every second Monday, or the 1st."""
    if frequency is PayoutFrequency.MONTHLY:
        return today.replace(day=1)
    days = 7 if frequency is PayoutFrequency.WEEKLY else 14
    return today - timedelta(days=(today - _FIRST_MONDAY).days % days)


def next_period(frequency: PayoutFrequency, today: date) -> date:
    """The first day of the period after the present one."""
    start = period_start(frequency, today)
    if frequency is PayoutFrequency.MONTHLY:
        return (start + timedelta(days=31)).replace(day=1)
    return start + timedelta(days=7 if frequency is PayoutFrequency.WEEKLY else 14)


def transfer_key(payout_id: str, attempt: int) -> str:
    """What the bank side knows a transfer by, so that it can't be paid twice.

    A new attempt has a key of its own, because a provider answers an old key with the old refusal; there is one only after a definite no.
    """
    key = f"org-payout-{payout_id}"
    return key if attempt <= 1 else f"{key}-{attempt}"
