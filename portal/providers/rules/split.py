"""How a session's price is shared out between the platform, the hosting organization and the consultant. Paise and basis points."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from fractions import Fraction

from portal.money import WHOLE, Paise, half_up, share
from portal.orgs.rules import EarningsRecipient
from portal.orgs.rules.rates import Rates


class Party(StrEnum):
    """Whose earnings a row is; the platform keeps its fee and has none."""

    CONSULTANT = "CONSULTANT"
    ORGANIZATION = "ORGANIZATION"

    @property
    def label(self) -> str:
        """The plain name."""
        return self.value.capitalize()


class EarningStatus(StrEnum):
    """PENDING until the hold is over, READY to be paid out, PAID with a payout; REFUNDED when nothing is left."""

    PENDING = "PENDING"
    READY = "READY"
    PAID = "PAID"
    REFUNDED = "REFUNDED"

    @property
    def label(self) -> str:
        """The plain name."""
        return {"PENDING": "On hold", "READY": "Ready", "PAID": "Paid out", "REFUNDED": "Refunded"}[self.value]

    @property
    def tone(self) -> str:
        """The colour of its pill."""
        return {"PENDING": "info", "READY": "good", "PAID": "paid", "REFUNDED": "void"}[self.value]


@dataclass(frozen=True, slots=True)
class Terms:
    """What is copied onto a payment when a session is booked; later changes don't touch it.

    Attributes:
        rates: They sum to 100 %.
        host_organization_id: Whose consultant gives the session, or None for an independent one.
        recipient: Who gets the consultant's share.
    """

    rates: Rates
    host_organization_id: str | None = None
    recipient: EarningsRecipient = EarningsRecipient.CONSULTANT


@dataclass(frozen=True, slots=True)
class Share:
    """What one party earns by a payment."""

    party: Party
    amount: Paise


TWO_WAY = Terms(Rates(platform=2_000, organization=0, consultant=8_000))
"""An independent consultant, or every booking while provider organizations are switched off."""

_HOLDS = {
    "CONSULTATION": timedelta(hours=24),
    "CLASS": timedelta(hours=24),
    "WEBINAR": timedelta(hours=48),
    "SUBSCRIPTION": timedelta(hours=168),
}


def three_way(rates: Rates, *, custom: int | None, recipient: EarningsRecipient, host_organization_id: str) -> Terms:
    """The terms of a hosted consultant: a rate of their own takes its difference from the organization's share."""
    if custom is not None:
        rates = Rates(platform=rates.platform, organization=WHOLE - rates.platform - custom, consultant=custom)
    return Terms(rates, host_organization_id, recipient)


def shares_of(gross: Paise, terms: Terms) -> tuple[Paise, Sequence[Share]]:
    """The platform's fee and what each party earns, summing exactly to the gross; a zero share is left out.

    The platform is rounded half-up, the consultant half-up within what is left, and the organization gets the remainder; without a
    host the remainder (a paisa of rounding at most) is the consultant's.
    """
    fee = share(gross, terms.rates.platform)
    consultant = min(share(gross, terms.rates.consultant), gross - fee)
    organization = gross - fee - consultant
    if terms.host_organization_id is None:
        consultant, organization = consultant + organization, 0
    elif terms.recipient is EarningsRecipient.ORGANIZATION:
        consultant, organization = 0, organization + consultant
    earned = (Share(Party.CONSULTANT, consultant), Share(Party.ORGANIZATION, organization))
    return fee, [each for each in earned if each.amount]


def reversed_so_far(shares: Sequence[Paise], refunded: Paise) -> list[Paise]:
    """How much of each share is taken back when so much of their sum was refunded, in all.

    It depends on the sum refunded alone, never on the steps; it never exceeds a share, and no part of it ever shrinks as the refunds
    grow: the shares are weighed by Webster's method, which is monotone where largest remainders aren't (Balinski and Young, *Fair
    Representation*, 1982).

    Args:
        shares: What the platform and each party got, none negative.
        refunded: From 0 to their sum.

    Raises:
        ValueError: More was refunded than there is.
    """
    gross = sum(shares)
    if not 0 <= refunded <= gross:
        raise ValueError(f"{refunded} of {gross} can't be refunded")
    if not gross:
        return [0] * len(shares)
    parts = [half_up(amount * refunded, gross) for amount in shares]
    places = [place for place, amount in enumerate(shares) if amount]
    while sum(parts) > refunded:
        parts[max(places, key=lambda place: (Fraction(2 * parts[place] - 1, shares[place]), place))] -= 1
    while sum(parts) < refunded:
        parts[min(places, key=lambda place: (Fraction(2 * parts[place] + 1, shares[place]), place))] += 1
    return parts


def hold_for(plan_type: str) -> timedelta:
    """How long earnings wait after the payment's success before they are ready."""
    return _HOLDS[plan_type]
