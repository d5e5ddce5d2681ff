"""The words that HR systems put above their columns."""

import re
from collections.abc import Callable
from typing import TypeAlias

from portal.invites.rules.cells import trimmed

Test: TypeAlias = Callable[[str], bool]
"""Says whether a header is known."""

ADDED = ("line", "error_code", "error_reason")
"""Columns that the refused-rows file adds and the reader passes over."""

_QUALIFIER = "(?:work|official|company|primary|business|corporate)"
_EMAIL = re.compile(rf"{_QUALIFIER}*(?:email(?:address|id)?|mail(?:id)?){_QUALIFIER}*|userprincipalname")
_BRACKETED = re.compile(r"\([^)]*\)|\[[^\]]*\]")
_NAMES = frozenset({"name", "fullname", "displayname", "employeename"})
_FIRST_NAMES = frozenset({"firstname", "givenname"})
_LAST_NAMES = frozenset({"lastname", "surname", "familyname"})
_ROLES = frozenset({"role", "portalrole", "access", "membertype"})
_STATUSES = frozenset(
    {
        "status",
        "employeestatus",
        "employmentstatus",
        "userstatus",
        "accountstatus",
        "active",
        "isactive",
        "accountenabled",
        "enabled",
    }
)
_LONGEST = 100


def glued(header: str) -> str:
    """A header as it is compared: small letters and digits only (``E-Mail Address`` → ``emailaddress``)."""
    return "".join(filter(str.isalnum, trimmed(header)[:_LONGEST].casefold()))


def is_email(header: str) -> bool:
    """Whether a header names the address at work. Private, manager's and emergency addresses are none."""
    return _EMAIL.fullmatch(glued(header)) is not None


def is_role(header: str) -> bool:
    """Whether a header names the role in the portal."""
    return _unbracketed(header) in _ROLES


def is_status(header: str) -> bool:
    """Whether a header says who still works there."""
    return _unbracketed(header) in _STATUSES


def name_columns(columns: tuple[str, ...]) -> tuple[int, ...]:
    """The columns that make up a person's name: one, or first and last; none is possible."""
    words = [_unbracketed(column) for column in columns]
    for known in (_NAMES, _FIRST_NAMES | _LAST_NAMES):
        found = [index for index, word in enumerate(words) if word in known]
        if found and known is _NAMES:
            return (found[0],)
    first = next((index for index, word in enumerate(words) if word in _FIRST_NAMES), None)
    last = next((index for index, word in enumerate(words) if word in _LAST_NAMES), None)
    return tuple(index for index in (first, last) if index is not None)


def _unbracketed(header: str) -> str:
    return glued(_BRACKETED.sub("", header[:_LONGEST]))
