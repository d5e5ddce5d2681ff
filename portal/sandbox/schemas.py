"""What the sandbox's page posts."""

from enum import StrEnum

from portal.web.schema import In


class Outcome(StrEnum):
    """How a payment goes."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"


class OutcomeIn(In):
    """One of the page's two buttons."""

    outcome: Outcome
