"""Who did what: the values that an audit row is made of."""

from dataclasses import dataclass
from enum import StrEnum


class Via(StrEnum):
    """In which capacity somebody acted."""

    MEMBER = "MEMBER"
    PLATFORM_ADMIN = "PLATFORM_ADMIN"
    SELF = "SELF"
    SYSTEM = "SYSTEM"


class Action(StrEnum):
    """Everything that is written down."""

    USER_SIGNED_UP = "USER_SIGNED_UP"
    PASSWORD_CHANGED = "PASSWORD_CHANGED"  # noqa: S105 - the name of an act
    PLATFORM_ROLE_CHANGED = "PLATFORM_ROLE_CHANGED"
    ORG_DRAFTED = "ORG_DRAFTED"
    ORG_CREATED = "ORG_CREATED"
    ORG_LAUNCHED = "ORG_LAUNCHED"
    SETTINGS_CHANGED = "SETTINGS_CHANGED"
    INVITATION_SENT = "INVITATION_SENT"
    INVITATION_RESENT = "INVITATION_RESENT"
    INVITATION_REVOKED = "INVITATION_REVOKED"
    INVITATION_ACCEPTED = "INVITATION_ACCEPTED"
    INVITATIONS_IMPORTED = "INVITATIONS_IMPORTED"
    CONSULTANT_REGISTERED = "CONSULTANT_REGISTERED"
    CONSULTANT_VERIFIED = "CONSULTANT_VERIFIED"
    PLAN_CREATED = "PLAN_CREATED"
    PLAN_RETIRED = "PLAN_RETIRED"
    BOOKING_MADE = "BOOKING_MADE"
    INVOICE_GENERATED = "INVOICE_GENERATED"


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts, passed into every service.

    Attributes:
        user_id: The user, or None for the portal's own jobs.
        name: How the log names them, also after they changed their name.
        via: In which capacity.
        membership_id: The membership that allowed it, when there was one.
        ip: The caller's address, when there was one.
    """

    user_id: str | None
    name: str
    via: Via
    membership_id: str | None = None
    ip: str | None = None


SYSTEM = Actor(user_id=None, name="The portal", via=Via.SYSTEM)
