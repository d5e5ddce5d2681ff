"""What an organization decides about people who want to give sessions for it."""

from enum import StrEnum


class Decision(StrEnum):
    """What becomes of an application."""

    APPROVE = "APPROVE"
    REJECT = "REJECT"

    @property
    def label(self) -> str:
        """The act in words."""
        return self.value.capitalize()
