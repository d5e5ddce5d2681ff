"""Users: their roles on the platform, their addresses and passwords."""

from datetime import timedelta
from enum import StrEnum

from portal.errors import Invalid

PASSWORD_MIN = 10
PASSWORD_MAX = 200
SESSION_LASTS = timedelta(days=14)


class PlatformRole(StrEnum):
    """What a user is to the marketplace itself."""

    USER = "USER"
    STAFF = "STAFF"
    ADMIN = "ADMIN"


class LinkPurpose(StrEnum):
    """What a mailed link does."""

    VERIFY_EMAIL = "VERIFY_EMAIL"
    RESET_PASSWORD = "RESET_PASSWORD"  # noqa: S105 - the name of a purpose

    @property
    def lasts(self) -> timedelta:
        """How long the link works."""
        return timedelta(days=7) if self is LinkPurpose.VERIFY_EMAIL else timedelta(hours=2)


def normalize_email(email: str) -> str:
    """The form in which addresses are stored and compared: trimmed, lower case."""
    return email.strip().lower()


def check_password(password: str, *, email: str) -> str:
    """The password, when it is good enough (NIST SP 800-63B: long rather than odd).

    Raises:
        Invalid: It is shorter than 10 or longer than 200 characters, one repeated character, or the e-mail address.
    """
    sentence = ""
    if len(password) < PASSWORD_MIN:
        sentence = f"Use at least {PASSWORD_MIN} characters; a few words are easiest to remember."
    elif len(password) > PASSWORD_MAX:
        sentence = f"Use at most {PASSWORD_MAX} characters."
    elif len(set(password)) == 1 or normalize_email(password) in {email, email.partition("@")[0]}:
        sentence = "This password is too easy to guess. Choose another."
    if sentence:
        raise Invalid(sentence, code="PASSWORD_REFUSED", details={"password": [sentence]})
    return password
