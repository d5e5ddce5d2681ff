"""Why a message of an identity provider was refused: for the sign-in log, never for its sender."""

from enum import StrEnum

from portal.errors import Forbidden

PLAIN = "We couldn't sign you in. Nothing was changed. Start again from the sign-in page, or ask your company's admin."


class Reason(StrEnum):
    """The reasons, as they are stored; ``label`` is the sentence that the log shows."""

    MALFORMED = "MALFORMED"
    TOO_LARGE = "TOO_LARGE"
    REPEATED_PARAMETER = "REPEATED_PARAMETER"
    NOT_SUCCESSFUL = "NOT_SUCCESSFUL"
    BAD_SIGNATURE = "BAD_SIGNATURE"
    WEAK_ALGORITHM = "WEAK_ALGORITHM"
    UNDECRYPTABLE = "UNDECRYPTABLE"
    WRONG_ISSUER = "WRONG_ISSUER"
    WRONG_AUDIENCE = "WRONG_AUDIENCE"
    WRONG_RECIPIENT = "WRONG_RECIPIENT"
    WRONG_DESTINATION = "WRONG_DESTINATION"
    EXPIRED = "EXPIRED"
    NOT_YET_VALID = "NOT_YET_VALID"
    LIFETIME_TOO_LONG = "LIFETIME_TOO_LONG"
    UNREQUESTED = "UNREQUESTED"
    UNKNOWN_REQUEST = "UNKNOWN_REQUEST"
    REQUEST_USED = "REQUEST_USED"
    OTHER_BROWSER = "OTHER_BROWSER"
    REPLAYED = "REPLAYED"
    NO_EMAIL = "NO_EMAIL"
    BAD_EMAIL = "BAD_EMAIL"
    WRONG_DOMAIN = "WRONG_DOMAIN"
    ACCOUNT_ELSEWHERE = "ACCOUNT_ELSEWHERE"
    CONNECTION_OFF = "CONNECTION_OFF"
    BROKEN = "BROKEN"
    ORGANIZATION_CLOSED = "ORGANIZATION_CLOSED"
    SEATS_FULL = "SEATS_FULL"
    MEMBER_REMOVED = "MEMBER_REMOVED"
    MEMBER_SUSPENDED = "MEMBER_SUSPENDED"
    MEMBER_PENDING = "MEMBER_PENDING"
    PLATFORM_STAFF = "PLATFORM_STAFF"

    @property
    def label(self) -> str:
        """What was wrong, for the organization's owners."""
        return LABELS[self]

    @property
    def is_about_person(self) -> bool:
        """Whether the message was right and the person may not come in: they are told why."""
        return self in FOR_THE_PERSON


LABELS = {
    Reason.MALFORMED: "The message can't be read.",
    Reason.TOO_LARGE: "The message is larger than we take.",
    Reason.REPEATED_PARAMETER: "A parameter was sent twice.",
    Reason.NOT_SUCCESSFUL: "The identity provider didn't sign the person in.",
    Reason.BAD_SIGNATURE: "No valid signature of a certificate of this connection.",
    Reason.WEAK_ALGORITHM: "It is signed or encrypted in a way that isn't safe (such as SHA-1).",
    Reason.UNDECRYPTABLE: "It isn't encrypted for our certificate.",
    Reason.WRONG_ISSUER: "It comes from another identity provider than this connection's.",
    Reason.WRONG_AUDIENCE: "It is meant for another service: the audience isn't our entity ID.",
    Reason.WRONG_RECIPIENT: "It is meant for another address: the recipient isn't our ACS URL.",
    Reason.WRONG_DESTINATION: "It is meant for another address: the destination isn't ours.",
    Reason.EXPIRED: "It has expired.",
    Reason.NOT_YET_VALID: "It isn't valid yet. Is the identity provider's clock right?",
    Reason.LIFETIME_TOO_LONG: "It would be valid for more than 24 hours.",
    Reason.UNREQUESTED: "Nobody asked for it here, and this connection doesn't allow sign-ins that start at the identity provider.",
    Reason.UNKNOWN_REQUEST: "It answers a request that we didn't make, or that is older than ten minutes.",
    Reason.REQUEST_USED: "It answers a request that was answered already.",
    Reason.OTHER_BROWSER: "It answers a request of another browser.",
    Reason.REPLAYED: "The same message came a second time.",
    Reason.NO_EMAIL: "It names no e-mail address.",
    Reason.BAD_EMAIL: "It doesn't name exactly one plain e-mail address.",
    Reason.WRONG_DOMAIN: "The e-mail address isn't in a verified domain of this organization.",
    Reason.ACCOUNT_ELSEWHERE: "The account behind it isn't in a verified domain of this organization.",
    Reason.CONNECTION_OFF: "The connection is switched off or not set up yet.",
    Reason.BROKEN: "Something unexpected in it couldn't be processed.",
    Reason.ORGANIZATION_CLOSED: "The organization takes no new members at the moment.",
    Reason.SEATS_FULL: "All seats of the organization are taken.",
    Reason.MEMBER_REMOVED: "The person was removed from the organization.",
    Reason.MEMBER_SUSPENDED: "The person's membership is suspended.",
    Reason.MEMBER_PENDING: "The person's membership is waiting for approval.",
    Reason.PLATFORM_STAFF: "The person works for the platform and signs in by password.",
}
FOR_THE_PERSON = frozenset(
    {
        Reason.ORGANIZATION_CLOSED,
        Reason.SEATS_FULL,
        Reason.MEMBER_REMOVED,
        Reason.MEMBER_SUSPENDED,
        Reason.MEMBER_PENDING,
        Reason.PLATFORM_STAFF,
    }
)


class Refused(Forbidden):
    """A message was refused.

    Attributes:
        reason: For the log.
        detail: More for the log, such as what the library said.
    """

    def __init__(self, reason: Reason, detail: str = "") -> None:
        super().__init__(PLAIN, code="SSO_REFUSED")
        self.reason = reason
        self.detail = detail[:500]
