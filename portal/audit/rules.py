"""Who did what: the values that an audit row is made of."""

from dataclasses import dataclass
from enum import StrEnum


class Via(StrEnum):
    """In which capacity somebody acted."""

    MEMBER = "MEMBER"
    API_TOKEN = "API_TOKEN"  # noqa: S105 - the name of a capacity
    PLATFORM_ADMIN = "PLATFORM_ADMIN"
    PLATFORM_STAFF = "PLATFORM_STAFF"
    SELF = "SELF"
    SYSTEM = "SYSTEM"

    @property
    def label(self) -> str:
        """The capacity in words."""
        return {
            "MEMBER": "member",
            "API_TOKEN": "API token",
            "PLATFORM_ADMIN": "platform admin",
            "PLATFORM_STAFF": "platform staff",
            "SELF": "for themselves",
            "SYSTEM": "the portal",
        }[self.value]


class Action(StrEnum):
    """Everything that is written down."""

    USER_SIGNED_UP = "USER_SIGNED_UP"
    PASSWORD_CHANGED = "PASSWORD_CHANGED"  # noqa: S105 - the name of an act
    PLATFORM_ROLE_CHANGED = "PLATFORM_ROLE_CHANGED"
    ORG_DRAFTED = "ORG_DRAFTED"
    ORG_CREATED = "ORG_CREATED"
    ORG_LAUNCHED = "ORG_LAUNCHED"
    ORG_APPROVED = "ORG_APPROVED"
    ORG_REJECTED = "ORG_REJECTED"
    ORG_SUSPENDED = "ORG_SUSPENDED"
    ORG_REACTIVATED = "ORG_REACTIVATED"
    ORG_DEACTIVATED = "ORG_DEACTIVATED"
    MEMBER_ADDED = "MEMBER_ADDED"
    MEMBER_ROLE_CHANGED = "MEMBER_ROLE_CHANGED"
    MEMBER_SUSPENDED = "MEMBER_SUSPENDED"
    MEMBER_REACTIVATED = "MEMBER_REACTIVATED"
    MEMBER_REMOVED = "MEMBER_REMOVED"
    OWNERSHIP_TRANSFERRED = "OWNERSHIP_TRANSFERRED"
    PAYOUT_TERMS_CHANGED = "PAYOUT_TERMS_CHANGED"
    SETTINGS_CHANGED = "SETTINGS_CHANGED"
    API_TOKEN_CREATED = "API_TOKEN_CREATED"  # noqa: S105 - the name of an act
    API_TOKEN_REVOKED = "API_TOKEN_REVOKED"  # noqa: S105 - the name of an act
    INVITATION_SENT = "INVITATION_SENT"
    INVITATION_RESENT = "INVITATION_RESENT"
    INVITATION_REVOKED = "INVITATION_REVOKED"
    CREDITS_ORDERED = "CREDITS_ORDERED"
    CREDITS_BOUGHT = "CREDITS_BOUGHT"
    CREDITS_CANCELLED = "CREDITS_CANCELLED"
    BOOKING_CONFIRMED = "BOOKING_CONFIRMED"
    BOOKING_RELEASED = "BOOKING_RELEASED"
    REFUND_MADE = "REFUND_MADE"
    REFUND_FAILED = "REFUND_FAILED"
    INVITATION_RESTORED = "INVITATION_RESTORED"
    INVITATION_ACCEPTED = "INVITATION_ACCEPTED"
    INVITATIONS_IMPORTED = "INVITATIONS_IMPORTED"
    CONSULTANT_REGISTERED = "CONSULTANT_REGISTERED"
    CONSULTANT_VERIFIED = "CONSULTANT_VERIFIED"
    PLAN_CREATED = "PLAN_CREATED"
    PLAN_CHANGED = "PLAN_CHANGED"
    PLAN_RETIRED = "PLAN_RETIRED"
    BOOKING_MADE = "BOOKING_MADE"
    INVOICE_GENERATED = "INVOICE_GENERATED"
    INVOICE_PAID = "INVOICE_PAID"
    INVOICE_CANCELLED = "INVOICE_CANCELLED"
    CREDIT_NOTE_ISSUED = "CREDIT_NOTE_ISSUED"
    CREDIT_NOTE_VOIDED = "CREDIT_NOTE_VOIDED"
    CREDIT_PAID_OUT = "CREDIT_PAID_OUT"
    CONSULTANT_APPLIED = "CONSULTANT_APPLIED"
    CONSULTANT_APPROVED = "CONSULTANT_APPROVED"
    CONSULTANT_REJECTED = "CONSULTANT_REJECTED"
    PAYOUT_ACCOUNT_CHANGED = "PAYOUT_ACCOUNT_CHANGED"
    PAYOUT_ACCOUNT_REMOVED = "PAYOUT_ACCOUNT_REMOVED"
    PAYOUT_ACCOUNT_VERIFIED = "PAYOUT_ACCOUNT_VERIFIED"
    PAYOUT_ACCOUNT_REFUSED = "PAYOUT_ACCOUNT_REFUSED"
    PAYOUT_ACCOUNT_SUSPENDED = "PAYOUT_ACCOUNT_SUSPENDED"
    PAYOUT_INITIATED = "PAYOUT_INITIATED"
    PAYOUT_CLAIMED = "PAYOUT_CLAIMED"
    PAYOUT_COMPLETED = "PAYOUT_COMPLETED"
    PAYOUT_FAILED = "PAYOUT_FAILED"
    SSO_DOMAIN_CLAIMED = "SSO_DOMAIN_CLAIMED"
    SSO_DOMAIN_VERIFIED = "SSO_DOMAIN_VERIFIED"
    SSO_DOMAIN_LOST = "SSO_DOMAIN_LOST"
    SSO_DOMAIN_RELEASED = "SSO_DOMAIN_RELEASED"
    SSO_CONNECTION_CREATED = "SSO_CONNECTION_CREATED"
    SSO_CONNECTION_CHANGED = "SSO_CONNECTION_CHANGED"
    SSO_CONNECTION_REMOVED = "SSO_CONNECTION_REMOVED"
    SSO_SETTINGS_CHANGED = "SSO_SETTINGS_CHANGED"
    SSO_TESTED = "SSO_TESTED"
    SSO_BREAK_GLASS = "SSO_BREAK_GLASS"
    SSO_ACCOUNT_LINKED = "SSO_ACCOUNT_LINKED"
    USER_RENAMED = "USER_RENAMED"
    JOB_RUN_BY_HAND = "JOB_RUN_BY_HAND"

    @property
    def label(self) -> str:
        """The act in words, as people read it in the log."""
        return LABELS[self]


LABELS = {
    Action.USER_SIGNED_UP: "Account created",
    Action.PASSWORD_CHANGED: "Password changed",
    Action.PLATFORM_ROLE_CHANGED: "Platform role changed",
    Action.ORG_DRAFTED: "Setup begun",
    Action.ORG_CREATED: "Organization created",
    Action.ORG_LAUNCHED: "Organization opened",
    Action.ORG_APPROVED: "Organization approved",
    Action.ORG_REJECTED: "Organization rejected",
    Action.ORG_SUSPENDED: "Organization suspended",
    Action.ORG_REACTIVATED: "Organization reactivated",
    Action.ORG_DEACTIVATED: "Organization deactivated",
    Action.MEMBER_ADDED: "Member added",
    Action.MEMBER_ROLE_CHANGED: "Role changed",
    Action.MEMBER_SUSPENDED: "Member suspended",
    Action.MEMBER_REACTIVATED: "Member active again",
    Action.MEMBER_REMOVED: "Member removed",
    Action.OWNERSHIP_TRANSFERRED: "Ownership handed over",
    Action.PAYOUT_TERMS_CHANGED: "Payout terms changed",
    Action.SETTINGS_CHANGED: "Settings changed",
    Action.API_TOKEN_CREATED: "API token made",
    Action.API_TOKEN_REVOKED: "API token revoked",
    Action.INVITATION_SENT: "Invited",
    Action.INVITATION_RESENT: "Invited again",
    Action.INVITATION_REVOKED: "Invitation taken back",
    Action.CREDITS_ORDERED: "Credits ordered",
    Action.CREDITS_BOUGHT: "Credits bought",
    Action.CREDITS_CANCELLED: "Order of credits cancelled",
    Action.BOOKING_CONFIRMED: "Booking confirmed",
    Action.BOOKING_RELEASED: "Booking released",
    Action.REFUND_MADE: "Refunded",
    Action.REFUND_FAILED: "Refund failed",
    Action.INVITATION_RESTORED: "Invitation put back",
    Action.INVITATION_ACCEPTED: "Invitation accepted",
    Action.INVITATIONS_IMPORTED: "File of invitations confirmed",
    Action.CONSULTANT_REGISTERED: "Became a consultant",
    Action.CONSULTANT_VERIFIED: "Consultant verified",
    Action.PLAN_CREATED: "Plan added",
    Action.PLAN_CHANGED: "Plan changed",
    Action.PLAN_RETIRED: "Plan retired",
    Action.BOOKING_MADE: "Session booked",
    Action.INVOICE_GENERATED: "Invoice issued",
    Action.INVOICE_PAID: "Payment on an invoice",
    Action.INVOICE_CANCELLED: "Invoice cancelled",
    Action.CREDIT_NOTE_ISSUED: "Credit note issued",
    Action.CREDIT_NOTE_VOIDED: "Credit note voided",
    Action.CREDIT_PAID_OUT: "Credit paid out",
    Action.CONSULTANT_APPLIED: "Consultant applied",
    Action.CONSULTANT_APPROVED: "Consultant approved",
    Action.CONSULTANT_REJECTED: "Application rejected",
    Action.PAYOUT_ACCOUNT_CHANGED: "Payout account changed",
    Action.PAYOUT_ACCOUNT_REMOVED: "Payout account removed",
    Action.PAYOUT_ACCOUNT_VERIFIED: "Payout account verified",
    Action.PAYOUT_ACCOUNT_REFUSED: "Payout account refused",
    Action.PAYOUT_ACCOUNT_SUSPENDED: "Payout account suspended",
    Action.PAYOUT_INITIATED: "Payout begun",
    Action.PAYOUT_CLAIMED: "Payout taken up",
    Action.PAYOUT_COMPLETED: "Payout completed",
    Action.PAYOUT_FAILED: "Payout failed",
    Action.SSO_DOMAIN_CLAIMED: "Domain claimed",
    Action.SSO_DOMAIN_VERIFIED: "Domain verified",
    Action.SSO_DOMAIN_LOST: "Domain no longer verified",
    Action.SSO_DOMAIN_RELEASED: "Domain given up",
    Action.SSO_CONNECTION_CREATED: "Single sign-on connection added",
    Action.SSO_CONNECTION_CHANGED: "Single sign-on connection changed",
    Action.SSO_CONNECTION_REMOVED: "Single sign-on connection removed",
    Action.SSO_SETTINGS_CHANGED: "Single sign-on changed",
    Action.SSO_TESTED: "Single sign-on tested",
    Action.SSO_BREAK_GLASS: "Signed in by password in spite of single sign-on",
    Action.SSO_ACCOUNT_LINKED: "Account linked to single sign-on",
    Action.USER_RENAMED: "Name refreshed by single sign-on",
    Action.JOB_RUN_BY_HAND: "Job run by hand",
}


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
