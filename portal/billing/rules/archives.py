"""All documents of a period in one ZIP: how far it is."""

from datetime import date
from enum import StrEnum

from portal.errors import Invalid

MOST_DOCUMENTS = 2_000
"""In one archive: about 120 MB."""

MOST_ATTEMPTS = 5
"""Until an archive is given up: also a process that was killed is an attempt."""


class ArchiveStatus(StrEnum):
    """QUEUED until a worker takes it, RUNNING with progress, then DONE or FAILED."""

    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    DONE = "DONE"
    FAILED = "FAILED"

    @property
    def label(self) -> str:
        """The plain name."""
        return {"QUEUED": "Waiting", "RUNNING": "Being made", "DONE": "Ready", "FAILED": "Not made"}[self.value]

    @property
    def is_over(self) -> bool:
        """Whether nothing more happens."""
        return self in {ArchiveStatus.DONE, ArchiveStatus.FAILED}


def check_period(since: date, until: date, *, documents: int) -> None:
    """Refuses a period that makes no archive; both days are inclusive.

    Raises:
        Invalid: ``PERIOD_REVERSED``, ``PERIOD_EMPTY`` or ``PERIOD_TOO_LONG``.
    """
    if until < since:
        sentence = "The last day is before the first one."
        raise Invalid(sentence, code="PERIOD_REVERSED", details={"until": [sentence]})
    if not documents:
        sentence = "No document was issued in this period. Choose other days."
        raise Invalid(sentence, code="PERIOD_EMPTY", details={"since": [sentence]})
    if documents > MOST_DOCUMENTS:
        sentence = f"There are {documents:,} documents in this period; a ZIP holds {MOST_DOCUMENTS:,}. Choose a shorter one."
        raise Invalid(sentence, code="PERIOD_TOO_LONG", details={"since": [sentence]})
