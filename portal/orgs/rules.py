"""What an organization is, who may do what in it, and which words its URL may have."""

import re
import unicodedata
from enum import StrEnum

from portal.errors import Invalid


class Kind(StrEnum):
    """What an organization does: BUYER pays for sessions, PROVIDER hosts consultants, HYBRID does both."""

    BUYER = "BUYER"
    PROVIDER = "PROVIDER"
    HYBRID = "HYBRID"

    @property
    def label(self) -> str:
        """The plain name."""
        return {"BUYER": "Buyer", "PROVIDER": "Provider", "HYBRID": "Buyer and provider"}[self.value]

    @property
    def buys(self) -> bool:
        """Whether it pays for sessions, so that it has a billing mode."""
        return self is not Kind.PROVIDER


class Status(StrEnum):
    """Where an organization stands in its life."""

    DRAFT = "DRAFT"
    PENDING_VERIFICATION = "PENDING_VERIFICATION"
    ACTIVE = "ACTIVE"
    SUSPENDED = "SUSPENDED"
    DEACTIVATED = "DEACTIVATED"


class BillingMode(StrEnum):
    """What a sponsored booking does."""

    TAG_ONLY = "TAG_ONLY"
    SEAT_PACK = "SEAT_PACK"
    INVOICED_MONTHLY = "INVOICED_MONTHLY"
    PREPAID_UNLIMITED = "PREPAID_UNLIMITED"

    @property
    def label(self) -> str:
        """The plain name."""
        return {
            "TAG_ONLY": "People pay themselves",
            "SEAT_PACK": "Prepaid credits",
            "INVOICED_MONTHLY": "Monthly invoice",
            "PREPAID_UNLIMITED": "Prepaid licence",
        }[self.value]

    @property
    def explanation(self) -> str:
        """One sentence for the person who chooses."""
        return {
            "TAG_ONLY": "Each learner pays by card; bookings are shown under your organization.",
            "SEAT_PACK": "You buy credits in advance and bookings draw on them.",
            "INVOICED_MONTHLY": "Nobody pays at booking; you get one GST invoice on the 1st of each month.",
            "PREPAID_UNLIMITED": "A contract covers all bookings between two dates.",
        }[self.value]


class SizeBucket(StrEnum):
    """How many people an organization has."""

    SMALL_1_50 = "SMALL_1_50"
    MEDIUM_51_200 = "MEDIUM_51_200"
    LARGE_201_1000 = "LARGE_201_1000"
    ENTERPRISE_1000_PLUS = "ENTERPRISE_1000_PLUS"

    @property
    def label(self) -> str:
        """The plain name."""
        return {
            "SMALL_1_50": "1 to 50 people",
            "MEDIUM_51_200": "51 to 200 people",
            "LARGE_201_1000": "201 to 1,000 people",
            "ENTERPRISE_1000_PLUS": "More than 1,000 people",
        }[self.value]


class Role(StrEnum):
    """What a member may do; ``rank`` orders them."""

    ORG_OWNER = "ORG_OWNER"
    ORG_ADMIN = "ORG_ADMIN"
    ORG_MANAGER = "ORG_MANAGER"
    ORG_CONSULTANT = "ORG_CONSULTANT"
    ORG_SUPPORT = "ORG_SUPPORT"
    ORG_LEARNER = "ORG_LEARNER"

    @property
    def label(self) -> str:
        """The plain name: Owner, Admin, Manager, Consultant, Support, Learner."""
        return self.value.removeprefix("ORG_").capitalize()

    @property
    def rank(self) -> int:
        """A higher rank may do what a lower one may."""
        return RANKS[self]


RANKS = {
    Role.ORG_OWNER: 100,
    Role.ORG_ADMIN: 80,
    Role.ORG_MANAGER: 60,
    Role.ORG_CONSULTANT: 40,
    Role.ORG_SUPPORT: 30,
    Role.ORG_LEARNER: 20,
}
PROVIDER_TIER = frozenset({Role.ORG_CONSULTANT, Role.ORG_SUPPORT})


class MembershipStatus(StrEnum):
    """Where a membership stands; REMOVED rows are kept for the record."""

    PENDING = "PENDING"
    ACTIVE = "ACTIVE"
    SUSPENDED = "SUSPENDED"
    REMOVED = "REMOVED"

    @property
    def label(self) -> str:
        """The plain name."""
        return self.value.capitalize()


RESERVED_SLUGS = frozenset(
    {"new", "setup", "admin", "api", "app", "explore", "org", "orgs", "organizations", "invite", "settings", "billing", "static"}
    | {"signin", "signup", "signout", "sso", "welcome", "healthz", "readyz", "metrics", "help", "support", "about"}
)
_SLUG = re.compile(r"^[a-z0-9](?:[a-z0-9-]{0,58}[a-z0-9])?$")


def roles_for(kind: Kind) -> frozenset[Role]:
    """The roles that an organization of a kind has: BUYER no consultants, PROVIDER no learners."""
    if kind is Kind.BUYER:
        return frozenset(Role) - {Role.ORG_CONSULTANT}
    if kind is Kind.PROVIDER:
        return frozenset(Role) - {Role.ORG_LEARNER}
    return frozenset(Role)


def default_role(kind: Kind) -> Role:
    """What somebody is invited as when nothing is said."""
    return Role.ORG_CONSULTANT if kind is Kind.PROVIDER else Role.ORG_LEARNER


def invitable_roles(kind: Kind, *, inviter: Role, provider_orgs: bool) -> list[Role]:
    """The roles that a member may hand out, highest first: never above their own, owners never by invitation.

    Args:
        kind: The organization's kind.
        inviter: The inviting member's role.
        provider_orgs: Whether ``ENABLE_PROVIDER_ORGS`` is on; without it nobody becomes consultant or support.
    """
    allowed = roles_for(kind) - {Role.ORG_OWNER} - (frozenset() if provider_orgs else PROVIDER_TIER)
    return sorted((role for role in allowed if role.rank <= inviter.rank), key=lambda role: -role.rank)


def slugify(name: str) -> str:
    """A slug made from a name: ``Acme Learning Pvt. Ltd.`` → ``acme-learning-pvt-ltd``; may be empty."""
    ascii_name = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "-", ascii_name.lower()).strip("-")[:50].strip("-")


def check_slug(slug: str) -> str:
    """The slug in lower case.

    Raises:
        Invalid: It has other characters than a-z, 0-9 and inner hyphens, is longer than 60, or is a word of our own URLs.
    """
    lower = slug.strip().lower()
    if not _SLUG.fullmatch(lower):
        sentence = "Use 1 to 60 small letters, digits and hyphens, beginning and ending with a letter or digit."
        raise Invalid(sentence, code="SLUG_INVALID", details={"slug": [sentence]})
    if lower in RESERVED_SLUGS:
        sentence = f"The address “{lower}” is one of the portal's own. Choose another."
        raise Invalid(sentence, code="SLUG_RESERVED", details={"slug": [sentence]})
    return lower
