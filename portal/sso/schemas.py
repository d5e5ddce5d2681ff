"""What comes in about single sign-on, and how it looks in JSON."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, StringConstraints

from portal.db import Json
from portal.orgs.rules import Role
from portal.sso.models import Attempt, Connection, Domain, SsoSettings
from portal.sso.rules.attributes import FIELDS
from portal.sso.rules.connections import Preset, ServiceProvider
from portal.web.schema import In, Out, PagedQuery

MOST_DOMAINS = 50
MOST_GROUPS = 200


def _preset(value: object) -> object:
    return value.strip().upper() if isinstance(value, str) else value


def _group_roles(value: object) -> object:
    """A form's lines ``group = role`` as JSON holds them; roles by their codes or plain names."""
    if not isinstance(value, str):
        return value
    found: dict[str, str] = {}
    for line in filter(None, map(str.strip, value.splitlines())):
        group, equals, role = line.rpartition("=")
        name = role.strip().upper()
        if not equals or not group.strip():
            raise ValueError(f"Write one group a line, such as: engineering = Manager. “{line[:60]}” isn't like that.")
        code = name if name.startswith("ORG_") else f"ORG_{name}"
        if code not in Role.__members__:
            raise ValueError(f"There is no role “{role.strip()[:40]}”.")
        found[group.strip()] = code
    return found


GroupRoles = Annotated[
    dict[Annotated[str, StringConstraints(min_length=1, max_length=256)], Role],
    Field(max_length=MOST_GROUPS),
    BeforeValidator(_group_roles),
]
ClaimName = Annotated[str, StringConstraints(max_length=256)]
Text = Annotated[str, StringConstraints(max_length=1_000_000)]
Url = Annotated[str, StringConstraints(max_length=2_000)]


class SsoPatch(In):
    """What to change; what isn't named stays."""

    allowed_email_domains: Annotated[list[Annotated[str, StringConstraints(max_length=254)]], Field(max_length=MOST_DOMAINS)] | None = None
    enforce_sso: Annotated[bool | None, Field(alias="enforceSSO")] = None
    default_role_for_auto_join: Role | None = None


class PolicyIn(In):
    """The page's form of the same."""

    enforce_sso: bool = False
    default_role_for_auto_join: Role


class DomainIn(In):
    """A domain to claim."""

    domain: Annotated[str, StringConstraints(min_length=1, max_length=254)]


class SamlConfigIn(In):
    """The identity provider by hand."""

    issuer: Annotated[str, StringConstraints(min_length=1, max_length=1_000)]
    entry_point: Url
    cert: Annotated[str, StringConstraints(max_length=100_000)] | list[Annotated[str, StringConstraints(max_length=20_000)]]
    slo_url: Url | None = None


class ProviderPatch(In):
    """What to change of a connection; what isn't named stays."""

    preset: Annotated[Preset, BeforeValidator(_preset)] | None = None
    metadata_xml: Text | None = None
    metadata_url: Url | None = None
    saml_config: SamlConfigIn | None = None
    allow_idp_initiated: bool | None = None
    is_primary: bool | None = None
    is_enabled: bool | None = None
    attribute_names: dict[str, ClaimName] | None = None
    group_roles: GroupRoles | None = None


class ProviderIn(ProviderPatch):
    """A new connection; the identity provider may be told later, because it wants to know our addresses first."""

    provider_id: Annotated[str, StringConstraints(min_length=1, max_length=64)]


class NewConnectionIn(In):
    """The page's first step."""

    preset: Annotated[Preset, BeforeValidator(_preset)]
    provider_id: Annotated[str, StringConstraints(max_length=64)] | None = None


class ManualIn(In):
    """The page's form of the identity provider by hand."""

    issuer: Annotated[str, StringConstraints(min_length=1, max_length=1_000)]
    entry_point: Annotated[str, StringConstraints(min_length=1, max_length=2_000)]
    certificates: Annotated[str, StringConstraints(min_length=1, max_length=100_000)]
    slo_url: Url | None = None


class MetadataUrlIn(In):
    """Where the identity provider publishes its metadata."""

    metadata_url: Annotated[str, StringConstraints(min_length=1, max_length=2_000)]


class MetadataXmlIn(In):
    """Metadata as it was copied."""

    metadata_xml: Annotated[str, StringConstraints(max_length=1_000_000)] | None = None


class DetailsIn(In):
    """The page's form of what a connection does."""

    allow_idp_initiated: bool = False
    is_enabled: bool = False
    is_primary: bool = False
    email_claim: ClaimName | None = None
    first_name_claim: ClaimName | None = None
    last_name_claim: ClaimName | None = None
    name_claim: ClaimName | None = None
    groups_claim: ClaimName | None = None
    group_roles: Annotated[GroupRoles, Field(default_factory=dict)]

    def attribute_names(self) -> dict[str, str]:
        """Field → the claim's name, where one was chosen."""
        columns = ("email_claim", "first_name_claim", "last_name_claim", "name_claim", "groups_claim")
        chosen = {field: getattr(self, column) for field, column in zip(FIELDS, columns, strict=True)}
        return {field: name for field, name in chosen.items() if name}


class DomainCheckQuery(In):
    """The address that wants to sign in; whatever stands here gets an answer of the same shape."""

    email: Annotated[str, StringConstraints(max_length=2_000)] = ""


class LogQuery(PagedQuery):
    """Which part of the sign-in log."""

    refused: bool = False


class ClaimsQuery(In):
    """Which claims platform admins look at."""

    q: Annotated[str, StringConstraints(max_length=100)] = ""
    state: Annotated[str, StringConstraints(pattern="^(waiting|verified)$")] = "waiting"
    page: Annotated[int, Field(ge=1, le=10_000)] = 1


class DomainOut(Out):
    """A claimed domain."""

    domain: str
    verified_at: datetime | None
    txt_record: str


class SsoOut(Out):
    """What an organization wants of single sign-on."""

    allowed_email_domains: list[str]
    enforce_sso: Annotated[bool, Field(serialization_alias="enforceSSO")]
    default_role_for_auto_join: Role
    domains: list[DomainOut]

    @classmethod
    def of(cls, wanted: SsoSettings, domains: list[Domain]) -> "SsoOut":
        """As JSON shows it."""
        return cls(
            allowed_email_domains=[domain.domain for domain in domains],
            enforce_sso=wanted.is_enforced,
            default_role_for_auto_join=wanted.default_role,
            domains=[DomainOut.model_validate(domain) for domain in domains],
        )


class CertificateOut(Out):
    """A certificate of the identity provider."""

    fingerprint: str
    not_before: datetime
    not_after: datetime


class ProviderOut(Out):
    """A connection: the identity provider as we know it, and what it must know of us. ``metadataUrl`` is our own metadata."""

    id: str
    provider_id: str
    preset: Preset
    is_primary: bool
    is_enabled: bool
    allow_idp_initiated: bool
    issuer: str | None
    entry_point: str | None
    idp_slo_url: str | None
    idp_metadata_url: str | None
    metadata_read_at: datetime | None
    metadata_error: str | None
    sp_entity_id: str
    acs_url: str
    slo_url: str
    metadata_url: str
    login_url: str
    attribute_names: dict[str, str]
    group_roles: dict[str, Role]
    certificates: list[CertificateOut]
    last_test: dict[str, Any] | None

    @classmethod
    def of(cls, connection: Connection, ours: ServiceProvider) -> "ProviderOut":
        """As JSON shows it."""
        names = ("id", "provider_id", "preset", "is_primary", "is_enabled", "allow_idp_initiated", "metadata_read_at", "metadata_error")
        more = ("attribute_names", "group_roles", "last_test")
        return cls(
            **{name: getattr(connection, name) for name in (*names, *more)},
            issuer=connection.idp_entity_id,
            entry_point=connection.idp_sso_url,
            idp_slo_url=connection.idp_slo_url,
            idp_metadata_url=connection.metadata_url,
            sp_entity_id=ours.entity_id,
            acs_url=ours.acs_url,
            slo_url=ours.slo_url,
            metadata_url=ours.entity_id,
            login_url=ours.login_url,
            certificates=[CertificateOut.model_validate(one) for one in connection.certificates],
        )


class AttemptOut(Out):
    """A row of the sign-in log."""

    id: str
    at: datetime
    provider_id: str
    kind: str
    outcome: str
    reason: str | None
    message: str | None
    detail: str | None
    email: str | None
    name_id: str | None
    ip: str | None

    @classmethod
    def of(cls, row: Attempt) -> "AttemptOut":
        """As JSON shows it."""
        names = ("id", "at", "provider_id", "kind", "reason", "detail", "email", "name_id", "ip")
        told = {"outcome": "REFUSED" if row.reason else "ACCEPTED", "message": row.reason.label if row.reason else None}
        return cls(**{name: getattr(row, name) for name in names}, **told)


class WayInOut(Out):
    """Whether an address must sign in by single sign-on, and where; the same for addresses that nobody has."""

    enforce_sso: Annotated[bool, Field(serialization_alias="enforceSSO")]
    provider_id: str | None = None
    sso_sign_in_url: str | None = None

    def to_json(self) -> Json:
        """Without members that aren't there."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)
