"""Connections: the two parties of one, and the presets of the big identity providers."""

import re
from dataclasses import dataclass
from enum import StrEnum

from portal.errors import Invalid
from portal.orgs.rules import PROVIDER_TIER, Kind, Role, roles_for

PROVIDER_ID = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")
SIGNING_LASTS_DAYS = 3650
WARN_DAYS = (60, 30, 7)


class Preset(StrEnum):
    """Who the identity provider is."""

    OKTA = "OKTA"
    ENTRA = "ENTRA"
    GOOGLE = "GOOGLE"
    OTHER = "OTHER"

    @property
    def label(self) -> str:
        """Its name."""
        return {"OKTA": "Okta", "ENTRA": "Microsoft Entra ID", "GOOGLE": "Google Workspace", "OTHER": "Another SAML provider"}[self.value]


class Binding(StrEnum):
    """How a logout message travels."""

    REDIRECT = "REDIRECT"
    POST = "POST"

    @property
    def uri(self) -> str:
        """Its name in SAML (Bindings, 3.4.1 and 3.5.1)."""
        return {"REDIRECT": "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect", "POST": "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST"}[
            self.value
        ]


@dataclass(frozen=True, slots=True)
class ServiceProvider:
    """Us, as one connection's identity provider knows us. Every address comes from the settings, never from a request.

    Attributes:
        certificate: What answers are encrypted with and our messages verified by (PEM).
        private_key: Its key (PEM).
    """

    base_url: str
    connection_id: str
    certificate: str = ""
    private_key: str = ""

    @property
    def entity_id(self) -> str:
        """Our name, which is where our metadata is."""
        return f"{self._url}/metadata"

    @property
    def acs_url(self) -> str:
        """Where answers go."""
        return f"{self._url}/acs"

    @property
    def slo_url(self) -> str:
        """Where logout messages go."""
        return f"{self._url}/slo"

    @property
    def login_url(self) -> str:
        """Where a sign-in starts."""
        return f"{self._url}/login"

    def test_url(self, request_id: str) -> str:
        """Where a prepared test starts."""
        return f"{self._url}/test/{request_id}"

    @property
    def _url(self) -> str:
        return f"{self.base_url}/sso/saml/{self.connection_id}"


@dataclass(frozen=True, slots=True)
class IdentityProvider:
    """The other side.

    Attributes:
        certificates: All certificates that it may sign with (base64 of the DER), so that a roll-over is silent.
        slo_response_url: Where answers to its logout requests go, when that isn't ``slo_url``.
    """

    entity_id: str
    sso_url: str
    certificates: tuple[str, ...]
    slo_url: str | None = None
    slo_binding: Binding | None = None
    slo_response_url: str | None = None


def check_provider_id(text: str) -> str:
    """The short name by which an organization calls a connection.

    Raises:
        Invalid: It has other characters than letters, digits, ``.``, ``_`` and ``-``, or too many.
    """
    if not PROVIDER_ID.match(text):
        sentence = "Use 1 to 64 letters, digits, dots, hyphens or underscores, such as okta."
        raise Invalid(sentence, code="PROVIDER_ID_INVALID", details={"provider_id": [sentence]})
    return text


def grantable(kind: Kind, *, provider_orgs: bool) -> list[Role]:
    """The roles that people may get by signing in, highest first; never owner."""
    allowed = roles_for(kind) - {Role.ORG_OWNER} - (frozenset() if provider_orgs else PROVIDER_TIER)
    return sorted(allowed, key=lambda role: -role.rank)


def check_default_role(role: Role, *, kind: Kind, provider_orgs: bool, field: str = "default_role_for_auto_join") -> Role:
    """A role that people may get by signing in.

    Raises:
        Invalid: Owners aren't made that way, or the organization's kind has no such role.
    """
    if role not in grantable(kind, provider_orgs=provider_orgs):
        sentence = (
            "Nobody becomes owner by signing in. Choose another role."
            if role is Role.ORG_OWNER
            else f"{kind.label} organizations have no role {role.label}. Choose another."
        )
        raise Invalid(sentence, code="ROLE_NOT_ALLOWED", details={field: [sentence]})
    return role


def days_to_warn(days_left: int, *, warned: int | None) -> int | None:
    """The warning that is due for a certificate: the nearest of 60, 30 and 7 days, once each; None when there is none.

    Args:
        days_left: Whole days until it expires; negative afterwards.
        warned: The last warning that went out, if any.
    """
    due = [days for days in WARN_DAYS if days_left <= days]
    if not due or (warned is not None and min(due) >= warned):
        return None
    return min(due)
