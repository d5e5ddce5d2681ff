"""Payout accounts: what a bank account needs, who may use it when."""

import re
from datetime import datetime, timedelta
from enum import StrEnum

from portal.errors import Conflict, Invalid

COOL_OFF = timedelta(hours=24)
"""How long a changed account rests, so that its owners can read the mail about the change before money goes there."""

_IFSC = re.compile(r"[A-Z]{4}0[A-Z0-9]{6}")
_SWIFT = re.compile(r"[A-Z]{6}[A-Z0-9]{2}(?:[A-Z0-9]{3})?")
_ROUTING = re.compile(r"[0-9]{9}")
_NUMBER = re.compile(r"[A-Z0-9]{4,34}")
_INDIAN_NUMBER = re.compile(r"[0-9]{9,18}")
_ABA_WEIGHTS = (3, 7, 1) * 3


class AccountStatus(StrEnum):
    """Where a payout account stands."""

    PENDING_VERIFICATION = "PENDING_VERIFICATION"
    VERIFIED = "VERIFIED"
    FAILED_VERIFICATION = "FAILED_VERIFICATION"
    SUSPENDED = "SUSPENDED"

    @property
    def label(self) -> str:
        """The plain name."""
        return {
            "PENDING_VERIFICATION": "Waiting to be verified",
            "VERIFIED": "Verified",
            "FAILED_VERIFICATION": "Refused",
            "SUSPENDED": "Suspended",
        }[self.value]

    @property
    def tone(self) -> str:
        """The colour of its pill."""
        return {"PENDING_VERIFICATION": "info", "VERIFIED": "good", "FAILED_VERIFICATION": "bad", "SUSPENDED": "bad"}[self.value]


class AccountAction(StrEnum):
    """What a platform admin decides about a payout account."""

    APPROVE = "APPROVE"
    REJECT = "REJECT"
    SUSPEND = "SUSPEND"

    @property
    def label(self) -> str:
        """The act in words."""
        return {"APPROVE": "Verify", "REJECT": "Refuse", "SUSPEND": "Suspend"}[self.value]


TRANSITIONS = {
    AccountAction.APPROVE: (
        frozenset({AccountStatus.PENDING_VERIFICATION, AccountStatus.FAILED_VERIFICATION, AccountStatus.SUSPENDED}),
        AccountStatus.VERIFIED,
    ),
    AccountAction.REJECT: (frozenset({AccountStatus.PENDING_VERIFICATION}), AccountStatus.FAILED_VERIFICATION),
    AccountAction.SUSPEND: (frozenset({AccountStatus.VERIFIED}), AccountStatus.SUSPENDED),
}


def actions_on(status: AccountStatus) -> list[AccountAction]:
    """What can be decided about an account in this status."""
    return [action for action, (before, _after) in TRANSITIONS.items() if status in before]


def decide_account(status: AccountStatus, action: AccountAction, *, reason: str | None) -> AccountStatus:
    """The status that a decision leads to.

    Raises:
        Conflict: ``STATUS_CONFLICT``: it doesn't apply to the present status.
        Invalid: ``REASON_MISSING``: whoever is refused or suspended reads why.
    """
    before, after = TRANSITIONS[action]
    if status not in before:
        raise Conflict(f"The account is {status.label.lower()} now, so that doesn't apply. Nothing was changed.", code="STATUS_CONFLICT")
    if action is not AccountAction.APPROVE and not reason:
        sentence = "Say why: the organization's owner reads it."
        raise Invalid(sentence, code="REASON_MISSING", details={"reason": [sentence]})
    return after


def cools_off_at(changed_at: datetime | None, *, now: datetime) -> datetime | None:
    """Until when a changed account rests, or None when it doesn't (any more)."""
    until = changed_at + COOL_OFF if changed_at else None
    return until if until and now < until else None


def last_four(number: str) -> str:
    """All that is ever shown of an account's number."""
    return number[-4:]


def check_bank(*, number: str | None, ifsc: str | None, routing: str | None, swift: str | None) -> None:
    """Makes sure that money can find an account; letters are capitals and spaces are gone by now.

    Raises:
        Invalid: A code has another form than its bank system gives it (RBI's IFSC, ABA's routing number with its check digit, ISO 9362),
            none is there, or the number can't be one.
    """
    details: dict[str, list[str]] = {}
    if not (ifsc or routing or swift):
        details["ifsc_code"] = ["Give the bank's code: the IFSC in India, a routing number or a SWIFT code elsewhere."]
    if ifsc and not _IFSC.fullmatch(ifsc):
        details["ifsc_code"] = ["An IFSC has four letters, a zero and six letters or digits, such as HDFC0001234."]
    if routing and not (_ROUTING.fullmatch(routing) and sum(map(_weighed, zip(routing, _ABA_WEIGHTS, strict=True))) % 10 == 0):
        details["routing_number"] = ["This is no routing number: it has nine digits, and its check digit must fit."]
    if swift and not _SWIFT.fullmatch(swift):
        details["swift_code"] = ["A SWIFT code has 8 or 11 letters and digits, such as HDFCINBB."]
    if number is not None and not (_INDIAN_NUMBER if ifsc else _NUMBER).fullmatch(number):
        form = "9 to 18 digits" if ifsc else "4 to 34 letters and digits"
        details["account_number"] = [f"An account number has {form}."]
    if details:
        raise Invalid("Some bank details can't be right. Nothing was changed.", code="BANK_DETAILS_INVALID", details=details)


def _weighed(pair: tuple[str, int]) -> int:
    digit, weight = pair
    return int(digit) * weight
