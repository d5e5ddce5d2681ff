"""What an organization is, and which words its URL may have."""

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
    def explanation(self) -> str:
        """One sentence for the person who chooses."""
        return {
            "BUYER": "You pay for sessions of your people.",
            "PROVIDER": "You host consultants and earn from their sessions.",
            "HYBRID": "You do both: buy sessions for your people, and host consultants.",
        }[self.value]

    @property
    def provides(self) -> bool:
        """Whether it hosts consultants, so that it has rates and payouts."""
        return self is not Kind.BUYER

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

    @property
    def label(self) -> str:
        """The plain name."""
        return {
            "DRAFT": "Draft",
            "PENDING_VERIFICATION": "Waiting for verification",
            "ACTIVE": "Active",
            "SUSPENDED": "Suspended",
            "DEACTIVATED": "Deactivated",
        }[self.value]

    @property
    def tone(self) -> str:
        """The colour of its pill."""
        return {
            "DRAFT": "draft",
            "PENDING_VERIFICATION": "warn",
            "ACTIVE": "good",
            "SUSPENDED": "bad",
            "DEACTIVATED": "void",
        }[self.value]


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

    @property
    def at_booking(self) -> str:
        """One sentence for the person who books."""
        return {
            "TAG_ONLY": "You pay by card now; the session is shown under the organization.",
            "SEAT_PACK": "The session draws on the organization's credits.",
            "INVOICED_MONTHLY": "The session comes onto the organization's next invoice.",
            "PREPAID_UNLIMITED": "The organization's licence covers the session.",
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


class PayoutFrequency(StrEnum):
    """How often earnings are paid out."""

    WEEKLY = "WEEKLY"
    BI_WEEKLY = "BI_WEEKLY"
    MONTHLY = "MONTHLY"

    @property
    def label(self) -> str:
        """The plain name."""
        return {"WEEKLY": "Every week", "BI_WEEKLY": "Every two weeks", "MONTHLY": "Every month"}[self.value]


FIELD_LABELS = {
    "name": "Name",
    "description": "Description",
    "industry": "Industry",
    "size_bucket": "Size",
    "website": "Website",
    "time_zone": "Time zone",
    "billing_mode": "How sessions are paid",
    "payment_terms_days": "Payment terms in days",
    "seats_total": "Seats for learners",
    "credit_limit": "Credit limit",
    "contract_start": "Contract starts",
    "contract_end": "Contract ends",
    "billing_email": "Billing e-mail",
    "billing_contacts": "Further billing contacts",
    "gstin": "GSTIN",
    "state_code": "State",
    "is_sez": "SEZ unit",
    "pan": "PAN",
    "country": "Country",
    "address": "Billing address",
    "line1": "Billing address",
    "line2": "Second line",
    "city": "City",
    "postal_code": "PIN code",
    "po_number": "PO number",
    "primary_color": "Primary colour",
    "secondary_color": "Secondary colour",
    "logo_file": "Logo",
    "banner_file": "Banner",
    "platform_commission_rate": "Platform's share",
    "org_retain_rate": "Organization's share",
    "consultant_payout_rate": "Consultant's share",
    "payout_frequency": "Payouts",
    "auto_approve_consultants": "Consultants are approved at once",
    "enforce_organization_plans": "Only the organization's plans",
}
"""What people call each field, in forms, conflicts and the log."""

RESERVED_SLUGS = frozenset(
    {"new", "setup", "admin", "api", "app", "explore", "org", "orgs", "organizations", "invite", "settings", "billing", "static"}
    | {"signin", "signup", "signout", "sso", "welcome", "media", "healthz", "readyz", "metrics", "help", "support", "about"}
)
_SLUG = re.compile(r"^[a-z0-9](?:[a-z0-9-]{0,58}[a-z0-9])?$")


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


def media_path(organization_id: str, file_name: str | None) -> str | None:
    """Where browsers get an uploaded picture; its name has a hash of its content, so what is there never changes."""
    return f"/media/organizations/{organization_id}/{file_name}" if file_name else None
