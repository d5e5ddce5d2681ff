"""Which claim is what: names that the vendors use, and a person made of claims."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from portal.orgs.rules import Role
from portal.sso.rules.connections import Preset
from portal.sso.rules.reasons import Reason, Refused

MOST_NAME = 120
MOST_GROUPS = 1_000
XMLSOAP = "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/"
MICROSOFT = "http://schemas.microsoft.com/"
FIELDS = ("email", "firstName", "lastName", "name", "groups")

Names = Mapping[str, tuple[str, ...]]
COMMON: Names = {
    "email": (
        "email",
        "mail",
        "Email",
        "emailAddress",
        "User.email",
        XMLSOAP + "emailaddress",
        "urn:oid:0.9.2342.19200300.100.1.3",
    ),
    "firstName": ("firstName", "givenName", "first_name", "firstname", "User.FirstName", XMLSOAP + "givenname", "urn:oid:2.5.4.42"),
    "lastName": ("lastName", "sn", "last_name", "lastname", "surname", "User.LastName", XMLSOAP + "surname", "urn:oid:2.5.4.4"),
    "name": (
        "displayName",
        MICROSOFT + "identity/claims/displayname",
        "name",
        "cn",
        XMLSOAP + "name",
        "urn:oid:2.16.840.1.113730.3.1.241",
    ),
    "groups": (
        "groups",
        "memberOf",
        MICROSOFT + "ws/2008/06/identity/claims/groups",
        MICROSOFT + "ws/2008/06/identity/claims/role",
        "http://schemas.xmlsoap.org/claims/Group",
    ),
}
PRESETS: Mapping[Preset, Names] = {
    Preset.OKTA: {"email": ("email",), "firstName": ("firstName",), "lastName": ("lastName",), "name": (), "groups": ("groups",)},
    Preset.GOOGLE: {"email": ("email",), "firstName": ("firstName",), "lastName": ("lastName",), "name": (), "groups": ("groups",)},
    Preset.ENTRA: {
        "email": (XMLSOAP + "emailaddress",),
        "firstName": (XMLSOAP + "givenname",),
        "lastName": (XMLSOAP + "surname",),
        "name": (MICROSOFT + "identity/claims/displayname",),
        "groups": (MICROSOFT + "ws/2008/06/identity/claims/groups",),
    },
    Preset.OTHER: COMMON,
}


@dataclass(frozen=True, slots=True)
class Claims:
    """What an answer asserts, after everything about it was found right.

    Attributes:
        name_id_format: As sent, or empty; the qualifiers too. A logout request must repeat all three.
        attributes: Name → values, each trimmed and not empty.
        signed: What carries a signature: ``response``, ``assertion`` or both.
        in_response_to: The request that it answers, or None.
        session_ends: When the identity provider wants the session to end (Unix seconds), or None.
    """

    assertion_id: str
    in_response_to: str | None
    name_id: str
    name_id_format: str
    name_qualifier: str | None
    sp_name_qualifier: str | None
    session_index: str | None
    session_ends: float | None
    attributes: Mapping[str, tuple[str, ...]]
    signed: tuple[str, ...]
    is_encrypted: bool

    @property
    def is_transient(self) -> bool:
        """Whether the NameID is another one each time (Core, 8.3.8), so that no account can be kept under it."""
        return self.name_id_format.endswith(":transient")


@dataclass(frozen=True, slots=True)
class Person:
    """Who an answer is about. The name is None when there is none."""

    email: str
    name: str | None
    groups: tuple[str, ...]


def person_of(claims: Claims, *, preset: Preset, names: Mapping[str, str]) -> Person:
    """Reads a person from claims.

    Args:
        claims: What was asserted.
        preset: Whose usual attribute names apply, and then the common ones.
        names: Field → attribute name, where the owner chose one.

    Raises:
        Refused: There is no e-mail address, or several.
    """
    found = {field: _values(claims.attributes, _candidates(field, preset, names)) for field in FIELDS}
    emails = found["email"] or ((claims.name_id,) if "@" in claims.name_id and not claims.is_transient else ())
    if not emails:
        raise Refused(Reason.NO_EMAIL)
    if len(emails) > 1:
        raise Refused(Reason.BAD_EMAIL, f"{len(emails)} values")
    return Person(emails[0], _name(found), _groups(found["groups"]))


def role_for(groups: Iterable[str], *, roles: Mapping[str, Role]) -> Role | None:
    """The highest role that a person's groups are mapped to, or None."""
    mapped = [roles[group] for group in groups if group in roles]
    return max(mapped, key=lambda role: role.rank, default=None)


def _candidates(field: str, preset: Preset, names: Mapping[str, str]) -> tuple[str, ...]:
    return (names[field],) if names.get(field) else (*PRESETS[preset][field], *COMMON[field])


def _values(attributes: Mapping[str, tuple[str, ...]], names: Iterable[str]) -> tuple[str, ...]:
    return next((attributes[name] for name in names if attributes.get(name)), ())


def _name(found: Mapping[str, tuple[str, ...]]) -> str | None:
    parts = [found[field][0] for field in ("firstName", "lastName") if found[field]]
    whole = next((name for name in found["name"] if "@" not in name), "")  # Entra's "name" is an address
    text = " ".join(parts) if parts and (len(parts) > 1 or not whole) else whole
    printable = "".join(letter if letter.isprintable() else " " for letter in text)
    return " ".join(printable.split())[:MOST_NAME].strip() or None


def _groups(values: tuple[str, ...]) -> tuple[str, ...]:
    """OneLogin joins all groups in one value with semicolons."""
    split = [part.strip() for value in values for part in (value.split(";") if len(values) == 1 else [value])]
    return tuple(part for part in split if part)[:MOST_GROUPS]
