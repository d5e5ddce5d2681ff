"""What requests, rows of the log and notices are about."""

from enum import StrEnum


class Purpose(StrEnum):
    """What a request of ours is for."""

    SIGN_IN = "SIGN_IN"
    TEST = "TEST"
    LOGOUT = "LOGOUT"


class Kind(StrEnum):
    """What a row of the log is about."""

    SIGN_IN = "SIGN_IN"
    TEST = "TEST"
    LOGOUT = "LOGOUT"

    @property
    def label(self) -> str:
        """In words."""
        return {"SIGN_IN": "Sign-in", "TEST": "Test", "LOGOUT": "Sign-out"}[self.value]


class Subject(StrEnum):
    """What a notice to the owners is about."""

    CERTIFICATE = "CERTIFICATE"
    DOMAIN_LOST = "DOMAIN_LOST"
