"""What comes in about organizations and members, and how they look in JSON."""

from datetime import date, datetime
from typing import Annotated, Any, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from portal import india
from portal.accounts.schemas import Email
from portal.errors import Invalid
from portal.orgs.models import Membership, Organization
from portal.orgs.rules import BillingMode, Kind, MembershipStatus, Role, SizeBucket, Status
from portal.web.schema import In, Out


def _website(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in {"https", "http"} or "." not in parts.netloc:
        raise ValueError("Write a whole address, such as https://example.com.")
    return value


def _gstin(value: str) -> str:
    try:
        return india.check_gstin(value)
    except Invalid as error:
        raise ValueError(error.message) from None


def _state(value: str) -> str:
    if value not in india.STATES:
        raise ValueError("Choose one of the states.")
    return value


OrgName = Annotated[str, StringConstraints(min_length=2, max_length=120, pattern=r"^[^\x00-\x1f]*$")]
Line = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f]*$")]
Website = Annotated[str, StringConstraints(max_length=200), AfterValidator(_website)]
Gstin = Annotated[str, AfterValidator(_gstin)]
StateCode = Annotated[str, AfterValidator(_state)]
Description = Annotated[str, StringConstraints(max_length=1000)]


class Address(In):
    """A postal address."""

    line1: Line
    line2: Line | None = None
    city: Line
    postal_code: Annotated[str, StringConstraints(min_length=3, max_length=12)]
    state: Line
    country: Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$")] = "IN"


class OrgInfoIn(In):
    """The wizard's first step: what the organization is."""

    name: OrgName
    slug: Annotated[str, StringConstraints(max_length=60)] | None = None
    kind: Kind = Kind.BUYER
    billing_email: Email
    description: Description | None = None
    industry: Line | None = None
    size_bucket: SizeBucket | None = None
    website: Website | None = None


class BillingIn(In):
    """How the organization pays, where its invoices go, and how many seats it has."""

    billing_mode: BillingMode
    gstin: Gstin | None = None
    state_code: StateCode | None = None
    line1: Line
    line2: Line | None = None
    city: Line
    postal_code: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9 -]{3,12}$")]
    payment_terms_days: Annotated[int, Field(ge=0, le=180)] = 30
    seats_total: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    po_number: Line | None = None

    @model_validator(mode="after")
    def _state_of_gstin(self) -> Self:
        if self.gstin and self.state_code and self.gstin[:2] != self.state_code:
            raise ValueError("The state must be the one in the first two digits of the GSTIN.")
        return self

    @property
    def state(self) -> str | None:
        """The two-digit GST state code: the GSTIN's, or the chosen one."""
        return self.gstin[:2] if self.gstin else self.state_code


class OrganizationOut(Out):
    """An organization. Money is paise."""

    id: str
    name: str
    slug: str
    kind: Kind
    status: Status
    billing_mode: BillingMode | None
    billing_email: str
    description: str | None
    industry: str | None
    size_bucket: SizeBucket | None
    website: str | None
    address: dict[str, Any] | None
    country: str
    gstin: str | None
    state_code: str | None
    is_sez: bool
    time_zone: str
    payment_terms_days: int
    credit_limit: int | None
    seats_total: int | None
    seats_used: int
    contract_start: date | None
    contract_end: date | None
    logo_url: str | None = None
    primary_color: str | None
    created_at: datetime
    role: Role | None = None

    @classmethod
    def of(cls, organization: Organization, *, seats_used: int, role: Role | None = None) -> "OrganizationOut":
        """The organization as JSON shows it to a member with this role."""
        columns = {name: getattr(organization, name) for name in cls.model_fields if hasattr(organization, name)}
        return cls(**columns, seats_used=seats_used, role=role)


class MemberOut(Out):
    """A membership with its user."""

    id: str
    user_id: str
    name: str
    email: str
    role: Role
    status: MembershipStatus
    seat_assigned_at: datetime | None

    @classmethod
    def of(cls, membership: Membership) -> "MemberOut":
        """The member as JSON shows them."""
        return cls(
            id=membership.id,
            user_id=membership.user_id,
            name=membership.user.name,
            email=membership.user.email,
            role=membership.role,
            status=membership.status,
            seat_assigned_at=membership.seat_assigned_at,
        )


class MembershipOut(Out):
    """A user's own place, as ``/api/auth/me`` lists it."""

    organization_id: str
    name: str
    slug: str
    role: Role
    kind: Kind
    billing_mode: BillingMode | None

    @classmethod
    def of(cls, membership: Membership) -> "MembershipOut":
        """The place as JSON shows it."""
        organization = membership.organization
        return cls(
            organization_id=organization.id,
            name=organization.name,
            slug=organization.slug,
            role=membership.role,
            kind=organization.kind,
            billing_mode=organization.billing_mode,
        )


class MembersQuery(In):
    """Filters of the list of members."""

    q: Annotated[str, StringConstraints(max_length=100)] = ""
    role: Role | None = None
    page: Annotated[int, Field(ge=1, le=100_000)] = 1
