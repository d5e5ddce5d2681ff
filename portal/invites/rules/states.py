"""Where invitations and uploaded files stand."""

from datetime import timedelta
from enum import StrEnum

LASTS_DAYS = 14
LONGEST_DAYS = 30
KEPT_FOR = timedelta(days=30)
"""How long the content of an uploaded file is kept, for its refused rows."""


class InvitationStatus(StrEnum):
    """``PENDING → ACCEPTED | REVOKED | EXPIRED``."""

    PENDING = "PENDING"
    ACCEPTED = "ACCEPTED"
    REVOKED = "REVOKED"
    EXPIRED = "EXPIRED"

    @property
    def label(self) -> str:
        """The plain name."""
        return self.value.capitalize()


class ImportStatus(StrEnum):
    """``CHECKED`` (read and judged, nothing sent) → ``RUNNING`` → ``DONE``, or ``FAILED``."""

    CHECKED = "CHECKED"
    RUNNING = "RUNNING"
    DONE = "DONE"
    FAILED = "FAILED"


def milestone(done: int, total: int) -> str:
    """What a screen reader is told about the sending: only at 0, 25, 50, 75 and 100 percent."""
    if done >= total:
        return "All invitations are on their way." if total else ""
    return f"{done * 4 // total * 25} % of the invitations are sent."


def lasting(days: int = LASTS_DAYS) -> timedelta:
    """How long an invitation can be accepted."""
    return timedelta(days=days)
