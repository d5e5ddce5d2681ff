"""An organization's life after its launch: what platform admins decide, and what each status allows."""

from enum import StrEnum

from portal.errors import Conflict, Invalid
from portal.orgs.rules.organizations import Status


class Verdict(StrEnum):
    """What a platform admin decides about an organization."""

    APPROVE = "APPROVE"
    REJECT = "REJECT"
    SUSPEND = "SUSPEND"
    REACTIVATE = "REACTIVATE"

    @property
    def label(self) -> str:
        """The act in words."""
        return self.value.capitalize()

    @property
    def meaning(self) -> str:
        """What it means for the organization's people."""
        return {
            "APPROVE": "Bookings, invoices and payouts can start.",
            "REJECT": "The organization is closed, and nobody can open it any more.",
            "SUSPEND": "You can look at everything and change nothing until it is active again.",
            "REACTIVATE": "Everything works as before.",
        }[self.value]


TRANSITIONS = {
    Verdict.APPROVE: (Status.PENDING_VERIFICATION, Status.ACTIVE),
    Verdict.REJECT: (Status.PENDING_VERIFICATION, Status.DEACTIVATED),
    Verdict.SUSPEND: (Status.ACTIVE, Status.SUSPENDED),
    Verdict.REACTIVATE: (Status.SUSPENDED, Status.ACTIVE),
}


def verdicts_on(status: Status) -> list[Verdict]:
    """What can be decided about an organization in this status."""
    return [verdict for verdict, (before, _after) in TRANSITIONS.items() if before is status]


def decide(status: Status, verdict: Verdict, *, name: str, reason: str | None) -> Status:
    """The status that a decision leads to.

    Raises:
        Conflict: ``STATUS_CONFLICT``: it doesn't apply to the present status.
        Invalid: ``REASON_MISSING``: a rejection says why.
    """
    before, after = TRANSITIONS[verdict]
    if status is not before:
        sentence = f"{name} is {status.label.lower()} now, so it can't be {_done(verdict)}. Nothing was changed."
        raise Conflict(sentence, code="STATUS_CONFLICT")
    if verdict is Verdict.REJECT and not reason:
        sentence = "Say why: the organization's owner reads it."
        raise Invalid(sentence, code="REASON_MISSING", details={"reason": [sentence]})
    return after


def _done(verdict: Verdict) -> str:
    return {"APPROVE": "approved", "REJECT": "rejected", "SUSPEND": "suspended", "REACTIVATE": "reactivated"}[verdict.value]
