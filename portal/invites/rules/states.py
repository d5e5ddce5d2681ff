"""Where invitations and uploaded files stand."""

from datetime import timedelta
from enum import StrEnum

LASTS_DAYS = 14
LONGEST_DAYS = 30


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


def lasting(days: int = LASTS_DAYS) -> timedelta:
    """How long an invitation can be accepted."""
    return timedelta(days=days)
