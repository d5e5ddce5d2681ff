"""What comes in about organizations: the wizard's steps, the groups of their settings, and JSON."""

from datetime import date, datetime
from typing import Annotated, Any, ClassVar, Self

from pydantic import Field, StringConstraints, model_validator

from portal import india
from portal.accounts.schemas import Email
from portal.errors import Invalid
from portal.orgs.models import Membership, Organization
from portal.orgs.rules import BillingMode, Kind, PayoutFrequency, Role, SizeBucket, Status, Verdict
from portal.orgs.schemas.fields import (
    Color,
    Contacts,
    Country,
    Description,
    Fraction,
    Gstin,
    Limit,
    LimitInRupees,
    Line,
    OrgName,
    Pan,
    Percent,
    PostalCode,
    Seats,
    Slug,
    StateCode,
    TermsDays,
    TimeZone,
    Website,
)
from portal.web.schema import In, Out

STATE_MISSING = "Choose the state, or enter the GSTIN: the tax on your invoices depends on it."


class Group(In):
    """A group of settings, saved alone: its fields are columns of the organization, but for those of the address."""

    in_address: ClassVar[dict[str, str]] = {}

    @classmethod
    def columns_of(cls) -> list[str]:
        """The columns that the group writes."""
        own = [name for name in cls.model_fields if name not in cls.in_address and name != "seen"]
        return [*own, "address"] if cls.in_address else own

    @classmethod
    def values_of(cls, organization: Organization) -> dict[str, Any]:
        """What stands in the group's fields now."""
        address = organization.address or {}
        own = {name: getattr(organization, name) for name in cls.model_fields if name not in cls.in_address and name != "seen"}
        return own | {name: address.get(key) for name, key in cls.in_address.items()}

    def changes(self) -> dict[str, Any]:
        """Column → value."""
        values = {name: getattr(self, name) for name in type(self).model_fields if name not in self.in_address and name != "seen"}
        if self.in_address:
            values["address"] = {key: getattr(self, name) for name, key in self.in_address.items()}
        return values


class ProfileIn(Group):
    """What the organization is called and what it does."""

    name: OrgName
    description: Description | None = None
    industry: Line | None = None
    size_bucket: SizeBucket | None = None
    website: Website | None = None
    time_zone: TimeZone = "Asia/Kolkata"


class OrgInfoIn(In):
    """The wizard's first step: what the organization is."""

    name: OrgName
    slug: Slug | None = None
    kind: Kind = Kind.BUYER
    billing_email: Email
    description: Description | None = None
    industry: Line | None = None
    size_bucket: SizeBucket | None = None
    website: Website | None = None


class PayingIn(Group):
    """How sessions are paid, and how many people may take them."""

    billing_mode: BillingMode
    payment_terms_days: TermsDays = 30
    seats_total: Seats | None = None
    credit_limit: LimitInRupees | None = None
    contract_start: date | None = None
    contract_end: date | None = None


class RecipientIn(Group):
    """Whom invoices are made out to, and who else gets them."""

    in_address: ClassVar[dict[str, str]] = {"line1": "line1", "line2": "line2", "city": "city", "postal_code": "postalCode"}

    billing_contacts: Contacts = Field(default_factory=list)
    gstin: Gstin | None = None
    state_code: StateCode | None = None
    is_sez: bool = False
    pan: Pan | None = None
    country: Country = "IN"
    line1: Line
    line2: Line | None = None
    city: Line
    postal_code: PostalCode
    po_number: Line | None = None

    @model_validator(mode="after")
    def _placed(self) -> Self:
        if self.country == "IN" and not (self.gstin or self.state_code):
            raise Invalid(STATE_MISSING, code="STATE_REQUIRED", details={"state_code": [STATE_MISSING]})
        return self


class InvoicingIn(RecipientIn):
    """As ``RecipientIn``, with the address that invoices go to."""

    billing_email: Email


class BillingIn(PayingIn, RecipientIn):
    """The wizard's billing step; the billing e-mail was asked for before."""


class RevenueIn(Group):
    """How a provider organization's sessions are split and paid out; rates are typed in percent."""

    platform_commission_rate: Percent = 1_000
    org_retain_rate: Percent = 500
    consultant_payout_rate: Percent = 8_500
    payout_frequency: PayoutFrequency = PayoutFrequency.MONTHLY
    auto_approve_consultants: bool = False
    enforce_organization_plans: bool = False


class ColorsIn(Group):
    """Brand colours."""

    primary_color: Color | None = None
    secondary_color: Color | None = None


class AddressIn(In):
    """A postal address."""

    line1: Line
    line2: Line | None = None
    city: Line
    postal_code: PostalCode
    state: Line | None = None
    country: Country | None = None


class OrganizationPatch(In):
    """Changes from an API client: what isn't named stays. Money is paise, rates are fractions."""

    name: OrgName | None = None
    description: Description | None = None
    industry: Line | None = None
    size_bucket: SizeBucket | None = None
    website: Website | None = None
    time_zone: TimeZone | None = None
    billing_mode: BillingMode | None = None
    billing_email: Email | None = None
    billing_contacts: Contacts | None = None
    address: AddressIn | None = None
    country: Country | None = None
    gstin: Gstin | None = None
    state_code: StateCode | None = None
    is_sez: bool | None = None
    pan: Pan | None = None
    payment_terms_days: TermsDays | None = None
    credit_limit: Limit | None = None
    seats_total: Seats | None = None
    contract_start: date | None = None
    contract_end: date | None = None
    po_number: Line | None = None
    primary_color: Color | None = None
    secondary_color: Color | None = None
    platform_commission_rate: Fraction | None = None
    org_retain_rate: Fraction | None = None
    consultant_payout_rate: Fraction | None = None
    payout_frequency: PayoutFrequency | None = None
    auto_approve_consultants: bool | None = None
    enforce_organization_plans: bool | None = None

    never_empty: ClassVar[frozenset[str]] = frozenset(
        {"name", "time_zone", "billing_email", "billing_contacts", "country", "is_sez", "payment_terms_days"}
        | {"platform_commission_rate", "org_retain_rate", "consultant_payout_rate", "payout_frequency"}
        | {"auto_approve_consultants", "enforce_organization_plans"}
    )

    @model_validator(mode="after")
    def _nothing_emptied(self) -> Self:
        emptied = sorted(name for name in self.model_fields_set & self.never_empty if getattr(self, name) is None)
        if emptied:
            raise Invalid("Some fields can't be empty. Nothing was changed.", details={name: ["This can't be empty."] for name in emptied})
        return self

    def changes(self) -> dict[str, Any]:
        """Column → value of what was named."""
        found = {name: getattr(self, name) for name in self.model_fields_set if name not in {"address", "kind", "slug"}}
        if "address" in self.model_fields_set and self.address is not None:
            found["address"] = self.address.model_dump(exclude={"country"}, by_alias=True)
            if self.address.country:
                found.setdefault("country", self.address.country)
            code = india.state_code(self.address.state or "")
            if code and not self.state_code:
                found["state_code"] = code
        return found


class OrganizationIn(OrganizationPatch):
    """A new organization from an API client."""

    name: OrgName
    slug: Slug | None = None
    kind: Kind
    billing_email: Email


class ReasonedVerdictIn(In):
    """A platform admin's decision about an organization."""

    action: Verdict
    reason: Annotated[str, StringConstraints(max_length=500)] | None = None


class DeactivateIn(In):
    """The organization's name, typed once more."""

    name: Annotated[str, StringConstraints(max_length=200)]


class OrganizationsQuery(In):
    """Filters of the platform's list of organizations."""

    q: Annotated[str, StringConstraints(max_length=100)] = ""
    status: Status | None = None
    page: Annotated[int, Field(ge=1, le=100_000)] = 1


class OrganizationOut(Out):
    """An organization. Money is paise; rates are fractions, for PROVIDER and HYBRID only."""

    id: str
    name: str
    slug: str
    kind: Kind
    status: Status
    status_reason: str | None
    billing_mode: BillingMode | None
    billing_email: str
    billing_contacts: list[str]
    description: str | None
    industry: str | None
    size_bucket: SizeBucket | None
    website: str | None
    address: dict[str, Any] | None
    country: str
    gstin: str | None
    state_code: str | None
    is_sez: bool
    pan: str | None
    po_number: str | None
    time_zone: str
    payment_terms_days: int
    credit_limit: int | None
    seats_total: int | None
    seats_used: int
    contract_start: date | None
    contract_end: date | None
    logo_url: str | None = None
    banner_url: str | None = None
    primary_color: str | None
    secondary_color: str | None
    platform_commission_rate: Fraction | None = None
    org_retain_rate: Fraction | None = None
    consultant_payout_rate: Fraction | None = None
    payout_frequency: PayoutFrequency | None = None
    auto_approve_consultants: bool | None = None
    enforce_organization_plans: bool | None = None
    created_at: datetime
    role: Role | None = None

    only_providers: ClassVar[frozenset[str]] = frozenset(RevenueIn.model_fields)

    @classmethod
    def of(cls, organization: Organization, *, seats_used: int, role: Role | None = None) -> "OrganizationOut":
        """The organization as JSON shows it to a member with this role."""
        hidden = cls.only_providers if not organization.kind.provides else frozenset()
        columns = {name: getattr(organization, name) for name in cls.model_fields if hasattr(organization, name) and name not in hidden}
        state = india.STATES.get(organization.state_code or "") or (organization.address or {}).get("state")
        address = organization.address and {**organization.address, "state": state, "country": organization.country}
        shown = cls.model_construct(**{**columns, "address": address}, seats_used=seats_used, role=role)
        shown.logo_url, shown.banner_url = organization.logo_path, organization.banner_path
        return shown

    def to_json(self) -> dict[str, Any]:
        """As ``Out``, without the provider's fields where the organization is none."""
        json = super().to_json()
        return json if self.kind.provides else {name: value for name, value in json.items() if name not in _PROVIDER_ALIASES}


_PROVIDER_ALIASES = {OrganizationOut.model_fields[name].serialization_alias or name for name in OrganizationOut.only_providers}


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
