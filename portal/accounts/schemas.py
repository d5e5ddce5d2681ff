"""What comes in about users, and how they look in JSON."""

from datetime import datetime
from typing import Annotated

from email_validator import EmailNotValidError, validate_email
from pydantic import AfterValidator, StringConstraints

from portal.accounts.models import User
from portal.accounts.rules import PASSWORD_MAX, PlatformRole, normalize_email
from portal.web.schema import In, Out


def _address(value: str) -> str:
    try:
        checked = validate_email(value, check_deliverability=False, test_environment=True).normalized
    except EmailNotValidError:
        raise ValueError("Write a whole e-mail address, such as asha@example.com.") from None
    return normalize_email(checked)


Email = Annotated[str, StringConstraints(max_length=254), AfterValidator(_address)]
Name = Annotated[str, StringConstraints(min_length=1, max_length=120, pattern=r"^[^\x00-\x1f]*$")]
Password = Annotated[str, StringConstraints(min_length=1, max_length=PASSWORD_MAX, strip_whitespace=False)]


class SignUpIn(In):
    """A new account."""

    name: Name
    email: Email
    password: Password
    next: str | None = None


class EmailIn(In):
    """An address alone."""

    email: Email
    next: str | None = None


class SignInIn(In):
    """An address and its password."""

    email: Email
    password: Password
    next: str | None = None


class NewPasswordIn(In):
    """A new password."""

    password: Password


class UserOut(Out):
    """A user."""

    id: str
    name: str
    email: str
    platform_role: PlatformRole
    created_at: datetime

    @classmethod
    def of(cls, user: User) -> "UserOut":
        """The user as JSON shows them."""
        return cls.model_validate(user)
