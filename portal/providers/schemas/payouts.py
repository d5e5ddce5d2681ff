"""What comes in about accounts and payouts, and how they look in JSON. Amounts are paise."""

import re
from datetime import date, datetime
from typing import Annotated, Self

from pydantic import BeforeValidator, Field, SecretStr, StringConstraints, model_validator

from portal.errors import Invalid
from portal.providers.models import Earning, Payout, PayoutAccount
from portal.providers.rules import AccountAction, AccountStatus, EarningStatus, Party, PayoutStatus
from portal.web.schema import In, Out, PagedQuery, RowId

_BETWEEN = re.compile(r"[\s-]+")


def _compact(value: object) -> object:
    """``hdfc 0001234`` → ``HDFC0001234``: as banks print it, with spaces or hyphens, or as it is stored."""
    return (_BETWEEN.sub("", value).upper() or None) if isinstance(value, str) else value


Code = Annotated[str, BeforeValidator(_compact), StringConstraints(max_length=11)]
Number = Annotated[SecretStr, BeforeValidator(_compact)]  # its form is the bank's: rules.check_bank
Words = Annotated[str, StringConstraints(min_length=2, max_length=120, pattern=r"^[^\x00-\x1f]*$")]
Reason = Annotated[str, StringConstraints(min_length=3, max_length=500)]
Reference = Annotated[str, StringConstraints(min_length=3, max_length=100, pattern=r"^[^\x00-\x1f]*$")]


class AccountForm(In):
    """A bank account from the page, where an empty number keeps the present one."""

    account_holder_name: Words
    bank_name: Words
    account_number: Number | None = None
    ifsc_code: Code | None = None
    routing_number: Code | None = None
    swift_code: Code | None = None


class AccountIn(AccountForm):
    """A bank account from an API client; the number can be written and never read."""

    account_number: Number | None


class AccountOut(Out):
    """A bank account, of whose number only the end is shown."""

    account_holder_name: str
    bank_name: str
    account_number_last4: str
    ifsc_code: str | None
    routing_number: str | None
    swift_code: str | None
    status: AccountStatus
    status_reason: str | None
    changed_at: datetime | None
    created_at: datetime

    @classmethod
    def of(cls, account: PayoutAccount) -> "AccountOut":
        """The account as JSON shows it."""
        own = {name: getattr(account, name) for name in cls.model_fields if hasattr(account, name)}
        return cls(account_number_last4=account.last_four, **own)


class AccountDecisionIn(In):
    """What a platform admin decides about an account; ``providerAccount`` is the organization's at Stripe (``acct_…``)."""

    action: AccountAction
    reason: Reason | None = None
    provider_account: Annotated[str, StringConstraints(pattern=r"^acct_[A-Za-z0-9]{4,60}$")] | None = None


class PayoutForm(In):
    """Nothing is said: a payout takes all that is ready."""


class PayoutOut(Out):
    """A payout. gross − platform's fee − consultants' shares − refunds = net = amount."""

    id: str
    organization_id: str
    amount: int
    gross_revenue: int
    platform_fee: int
    consultant_shares: int
    refunds: int
    net_payout: int
    status: PayoutStatus
    earnings_count: int
    reference: str | None
    failure: str | None
    account_number_last4: str
    created_at: datetime
    completed_at: datetime | None

    @classmethod
    def of(cls, payout: Payout) -> "PayoutOut":
        """The payout as JSON shows it."""
        own = {name: getattr(payout, name) for name in cls.model_fields if hasattr(payout, name)}
        return cls(net_payout=payout.amount, account_number_last4=payout.last_four, **own)


class ProcessIn(In):
    """Which payout is paid now, or all that wait.

    ``reference`` completes one that was paid by hand; ``failureReason`` says that one that was paid by hand didn't arrive.
    """

    payout_id: str | None = None
    reference: Reference | None = None
    failure_reason: Reason | None = None

    @model_validator(mode="after")
    def _about_one(self) -> Self:
        if self.payout_id is None and (self.reference or self.failure_reason):
            sentence = "Say which payout this is about."
            raise Invalid(sentence, details={"payout_id": [sentence]})
        if self.reference and self.failure_reason:
            sentence = "A payout has arrived or has failed, not both."
            raise Invalid(sentence, details={"failure_reason": [sentence]})
        return self


class FailedPayoutOut(Out):
    """A payout that couldn't be paid now, and why."""

    payout_id: str
    error: str
    code: str


class EarningOut(Out):
    """What one party earned by a payment; ``platformFee`` is the payment's whole fee."""

    id: str
    payment_id: str
    party: Party
    consultant_id: str
    organization_id: str | None
    gross_amount: int
    platform_fee: int
    share: int
    refunded_amount: int
    status: EarningStatus
    hold_until: datetime
    created_at: datetime

    @classmethod
    def of(cls, earning: Earning) -> "EarningOut":
        """The earning as JSON shows it."""
        own = {name: getattr(earning, name) for name in cls.model_fields if hasattr(earning, name)}
        return cls(refunded_amount=earning.reversed_amount, **own)


class OwnEarningsQuery(PagedQuery):
    """Which of one's own earnings are wanted."""

    status: EarningStatus | None = None


class EarningsQuery(OwnEarningsQuery):
    """Which earnings of an organization's sessions are wanted: its own, or its consultants' shares."""

    party: Party = Party.ORGANIZATION


class EarningsPageQuery(In):
    """Which earnings the page shows, and from where on."""

    status: EarningStatus | None = None
    cursor: RowId | None = None


class AccountsQuery(In):
    """Which payout accounts the page of platform admins shows."""

    status: AccountStatus | None = None


class PeriodQuery(In):
    """The first and the last day of a statement; without them the present month."""

    since: Annotated[date | None, Field(alias="from")] = None
    until: Annotated[date | None, Field(alias="to")] = None
