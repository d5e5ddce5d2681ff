"""API tokens: what they look like, what they allow, and how they stand."""

from datetime import datetime, timedelta
from enum import StrEnum

from portal.errors import Invalid

PREFIX = "portal_"
"""Begins each token, so that people and scanners of secrets know one when they see it."""
MOST_TOKENS = 50
LONGEST_LIFE = timedelta(days=5 * 366)
USE_NOTED_EVERY = timedelta(minutes=1)


class TokenScope(StrEnum):
    """What a token may be used for."""

    READ = "read"
    MEMBERS = "members"
    INVITATIONS = "invitations"
    BILLING = "billing"

    @property
    def label(self) -> str:
        """The scope in words."""
        return {"read": "Read everything", "members": "Members", "invitations": "Invitations", "billing": "Billing"}[self.value]

    @property
    def explanation(self) -> str:
        """What it allows, in a sentence."""
        return {
            "read": "Members, plans, invitations, billing, analytics and the log. It changes nothing.",
            "members": "Lists members, adds, changes and removes them.",
            "invitations": "Lists and sends invitations, uploads files of people, takes invitations back.",
            "billing": "Reads invoices and credits, issues the invoice of now, and starts payments.",
        }[self.value]


class TokenState(StrEnum):
    """How a token stands."""

    ACTIVE = "ACTIVE"
    EXPIRED = "EXPIRED"
    REVOKED = "REVOKED"
    STOPPED = "STOPPED"

    @property
    def label(self) -> str:
        """The state in a word."""
        return self.value.capitalize()

    @property
    def tone(self) -> str:
        """The pill's colour."""
        return {"ACTIVE": "good", "EXPIRED": "warn", "REVOKED": "mute", "STOPPED": "bad"}[self.value]


def state_of(*, revoked_at: datetime | None, expires_at: datetime | None, is_maker_owner: bool, now: datetime) -> TokenState:
    """How a token stands at an instant; it is stopped while its maker isn't an active owner."""
    if revoked_at is not None:
        return TokenState.REVOKED
    if expires_at is not None and expires_at <= now:
        return TokenState.EXPIRED
    return TokenState.ACTIVE if is_maker_owner else TokenState.STOPPED


def check_expiry(expires_at: datetime | None, *, now: datetime) -> None:
    """Makes sure that a token ends later than now, and within five years.

    Raises:
        Invalid: ``EXPIRY_REFUSED``.
    """
    if expires_at is None or now < expires_at <= now + LONGEST_LIFE:
        return
    sentence = "A token ends later than now and within five years, or never. Choose another date."
    raise Invalid(sentence, code="EXPIRY_REFUSED", details={"expires_at": [sentence]})
