"""What the portal asks of whoever pays organizations. Amounts are paise."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from portal.gateways.payments.contract import GatewayNotConfigured, GatewayRefused, GatewayUnavailable, asking

__all__ = [
    "GatewayNotConfigured",
    "GatewayRefused",
    "GatewayUnavailable",
    "PayoutGateway",
    "PayoutProvider",
    "Transfer",
    "TransferState",
    "TransferStatus",
    "asking",
]


class PayoutProvider(StrEnum):
    """Who moves the money."""

    MANUAL = "manual"
    RAZORPAYX = "razorpayx"
    STRIPE = "stripe"

    @property
    def label(self) -> str:
        """Its name."""
        return {"manual": "By hand", "razorpayx": "RazorpayX", "stripe": "Stripe"}[self.value]


@dataclass(frozen=True, slots=True)
class Transfer:
    """Money that is to arrive at a bank account.

    Attributes:
        key: ``org-payout-<id>``: the same key is the same transfer.
        amount: Paise.
        currency: Three letters, upper case.
        organization_id: Whose it is, for the provider's own book of contacts.
        email: Where the provider may write to them.
        holder: Whose name the account is in.
        number: The account's number, in this process's memory alone.
        ifsc: The bank's code in India, or None.
        provider_account: The organization's account at the provider (Stripe Connect's ``acct_…``), or None.
    """

    key: str
    amount: int
    currency: str
    organization_id: str
    email: str
    holder: str
    number: str = field(repr=False)
    ifsc: str | None
    provider_account: str | None


class TransferStatus(StrEnum):
    """Where a transfer stands. UNKNOWN: the provider has never heard of it; PENDING may still become either end."""

    UNKNOWN = "UNKNOWN"
    PENDING = "PENDING"
    PAID = "PAID"
    FAILED = "FAILED"


@dataclass(frozen=True, slots=True)
class TransferState:
    """What the provider says of a transfer now.

    Attributes:
        status: Where it stands.
        ref: The provider's id of it.
        reference: What the bank statement shows (in India the UTR), once there is one.
        reason: Why it failed, as far as the provider says, or empty.
    """

    status: TransferStatus
    ref: str | None = None
    reference: str | None = None
    reason: str = ""


class PayoutGateway(Protocol):
    """A provider. Both acts call the outside world and refuse to inside a transaction that has written.

    Both raise ``GatewayUnavailable`` when the outcome is unknown; ``transfer`` raises ``GatewayRefused`` for a definite no.
    """

    @property
    def provider(self) -> PayoutProvider:
        """Which one it is."""

    @property
    def by_hand(self) -> bool:
        """Whether people move the money and say so, so that neither act is ever called."""

    def transfer(self, order: Transfer) -> TransferState:
        """Sends the money, once for each key."""

    def state(self, order: Transfer) -> TransferState:
        """How the transfer of this key stands."""
