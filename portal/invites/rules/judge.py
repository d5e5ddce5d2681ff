"""The verdict on each row: who is invited, and why the others aren't."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from collections.abc import Mapping as AbstractMapping
from collections.abc import Set as AbstractSet
from enum import StrEnum
from functools import partial
from types import MappingProxyType
from typing import NamedTuple, TypeAlias

from portal.invites.rules.addresses import comparable, is_as_compared, parse_address
from portal.invites.rules.cells import one_line
from portal.invites.rules.columns import Mapping
from portal.invites.rules.dialect import Row
from portal.invites.rules.headers import glued
from portal.invites.rules.table import Table
from portal.orgs.rules import Kind, Role, roles_for

LONGEST_NAME = 120
"""In characters; a longer name is cut."""

_LONGEST_WRITTEN = 320
_LONGEST_SHOWN = 80
_GONE = frozenset(
    [
        "inactive",
        "terminated",
        "separated",
        "resigned",
        "retired",
        "disabled",
        "deactivated",
        "suspended",
        "deleted",
        "left",
        "former",
        "deceased",
        "false",
        "no",
        "n",
        "0",
    ]
)
_NO_ROLES: AbstractMapping[str, Role] = MappingProxyType({})


class Verdict(StrEnum):
    """What is proposed for a row."""

    NEW = "NEW"
    DUPLICATE_IN_FILE = "DUPLICATE_IN_FILE"
    ALREADY_MEMBER = "ALREADY_MEMBER"
    ALREADY_INVITED = "ALREADY_INVITED"
    INVALID_EMAIL = "INVALID_EMAIL"
    MISSING_EMAIL = "MISSING_EMAIL"
    UNKNOWN_ROLE = "UNKNOWN_ROLE"
    ROLE_NOT_ALLOWED = "ROLE_NOT_ALLOWED"
    OVER_SEAT_LIMIT = "OVER_SEAT_LIMIT"
    INACTIVE = "INACTIVE"

    @property
    def label(self) -> str:
        """The plain name."""
        return {
            "DUPLICATE_IN_FILE": "Duplicate in the file",
            "INVALID_EMAIL": "Invalid e-mail",
            "MISSING_EMAIL": "Missing e-mail",
            "ALREADY_MEMBER": "Already a member",
            "INACTIVE": "No longer active",
        }.get(self.value, self.value.replace("_", " ").capitalize())


class Judged(NamedTuple):
    """A row and its verdict.

    Attributes:
        line: The file's own line.
        email: The comparable address (``parse_address``), or what stands there when it is none.
        name: The person's name on one line, or nothing.
        role: What the person would be invited as; None when the role is unknown.
        role_text: What stands in the role column.
        verdict: What is proposed.
        message: Why, in a sentence.
        cells: The row as it stands in the file.
    """

    line: int
    email: str
    name: str
    role: Role | None
    role_text: str
    verdict: Verdict
    message: str
    cells: tuple[str, ...]


def judge(  # noqa: PLR0913 - each is a fact of its own that a verdict rests on
    table: Table,
    mapping: Mapping,
    *,
    kind: Kind,
    default_role: Role,
    members: AbstractSet[str],
    pending: AbstractSet[str],
    seats_left: int | None,
    allowed_roles: AbstractSet[Role],
    role_mapping: AbstractMapping[str, Role] = _NO_ROLES,
) -> Iterator[Judged]:
    """The verdict on every row, one after the other in the order of the file.

    The first reason counts: no longer active, no address, no valid one, the address stood above, its owner is a member
    or invited already, the role, the seats. A learner takes a seat from those left by the members and the rows above;
    an open invitation holds none. ``ORG_OWNER`` never comes from a file.

    Args:
        table: What ``read_table`` or ``entries_from_text`` made.
        mapping: Which column holds what.
        kind: The organization's, which decides the roles that there are.
        default_role: For rows that name none.
        members: Addresses of the organization's members.
        pending: Addresses with an open invitation.
        seats_left: Seats that no member holds; None for no limit.
        allowed_roles: What the inviter may hand out.
        role_mapping: What the user said that unknown roles mean, by their text in any case.
    """
    roles = _Roles(
        default=default_role,
        mapped=role_mapping,
        known=roles_for(kind),
        allowed=frozenset(allowed_roles),
    )
    members, pending = _comparable(members), _comparable(pending)
    bench = _Bench(mapping, roles=roles, members=members, pending=pending, seats_left=seats_left)
    return bench.judge(table.rows)


def invited_as(role: Role) -> str:
    """What a row is told that will be invited."""
    return f"Will be invited as {role.label}."


def unknown_roles(judged: Iterable[Judged]) -> list[str]:
    """The texts that stand where a role is expected and name none, each once whatever its case, in the file's order."""
    found = {row.role_text.casefold(): row.role_text for row in judged if row.verdict is Verdict.UNKNOWN_ROLE}
    return list(found.values())


def counts(judged: Iterable[Judged]) -> dict[Verdict, int]:
    """How many rows have each verdict; all verdicts are there, in their order, also those without a row."""
    counted = Counter(row.verdict for row in judged)
    return {verdict: counted[verdict] for verdict in Verdict}


def _comparable(addresses: AbstractSet[str]) -> AbstractSet[str]:
    return {address.lower() if address.isascii() else comparable(address) for address in addresses}


_Outcome: TypeAlias = tuple[Verdict, str]

_IS_MEMBER: _Outcome = (Verdict.ALREADY_MEMBER, "This person is a member already.")
IS_INVITED: _Outcome = (Verdict.ALREADY_INVITED, "This person has an open invitation already.")
_IS_INACTIVE: _Outcome = (Verdict.INACTIVE, "The file says that this person is no longer active.")
_HAS_NO_SEAT: _Outcome = (
    Verdict.OVER_SEAT_LIMIT,
    "No seat is left for this learner. Add seats or free one, and upload the row again.",
)


class _Opinion(NamedTuple):
    """What a role's text means here; ``outcome`` is as if there were seats."""

    role: Role | None
    text: str
    takes_seat: bool
    outcome: _Outcome


class _Roles(dict[str, _Opinion]):
    """What the texts of the role column mean; each distinct text is looked at once."""

    def __init__(self, *, default: Role, mapped: AbstractMapping[str, Role], known: frozenset[Role], allowed: frozenset[Role]) -> None:
        super().__init__()
        self._default = default
        self._known = known
        self._allowed = allowed
        self._names = {glued(name): role for role in Role for name in (role.value, role.label)}
        self._mapped = {one_line(text).casefold(): role for text, role in mapped.items()}

    def __missing__(self, cell: str) -> _Opinion:
        formed = self[cell] = self._form(one_line(cell))
        return formed

    def _form(self, text: str) -> _Opinion:
        role = self._mapped.get(text.casefold()) or (self._names.get(glued(text)) if text else self._default)
        shown = text[:_LONGEST_SHOWN]
        if role is None:
            sentence = f"“{shown}” is no role here. Say which role it means, or write one of the portal's roles."
            return _Opinion(None, text, takes_seat=False, outcome=(Verdict.UNKNOWN_ROLE, sentence))
        if role is Role.ORG_OWNER:
            sentence = "An owner is never made from a file. Choose another role here."
        elif role not in self._known:
            sentence = f"An organization of this kind has nobody with the role {role.label}. Choose another role."
        elif role not in self._allowed:
            sentence = f"You can't give out the role {role.label}. Choose another role."
        else:
            outcome = (Verdict.NEW, invited_as(role))
            return _Opinion(role, text, takes_seat=role is Role.ORG_LEARNER, outcome=outcome)
        return _Opinion(role, text, takes_seat=False, outcome=(Verdict.ROLE_NOT_ALLOWED, sentence))


class _Bench:
    """Judges rows one after the other, remembering the addresses and seats of those above."""

    def __init__(
        self,
        mapping: Mapping,
        *,
        roles: _Roles,
        members: AbstractSet[str],
        pending: AbstractSet[str],
        seats_left: int | None,
    ) -> None:
        self._email = mapping.email
        self._name = mapping.name
        self._role = mapping.role
        self._status = mapping.status
        self._opinions = roles
        self._members = members
        self._pending = pending
        self._seats_left = seats_left
        self._lines: dict[str, int] = {}

    def judge(self, rows: Iterable[Row]) -> Iterator[Judged]:
        # Names of its own, because a file has 100 000 rows and an attribute costs as much as a look-up in a dict.
        column, role_column, has_names, status = self._email, self._role, bool(self._name), self._status
        opinions, line_of, members, pending, seats_left = (
            self._opinions,
            self._lines.setdefault,
            self._members,
            self._pending,
            self._seats_left,
        )
        make: Callable[[tuple[object, ...]], Judged] = partial(tuple.__new__, Judged)  # as Judged(…), at half the price
        for line, cells in rows:
            written = cells[column]
            email, name, is_address = written, "", True
            if not is_as_compared(written):
                parsed = parse_address(written)
                is_address = parsed is not None
                email, name = parsed or (one_line(written)[:_LONGEST_WRITTEN], "")
            if has_names:
                name = self._name_in(cells) or name
            role, text, takes_seat, outcome = opinions["" if role_column is None else cells[role_column]]
            if status is not None and glued(cells[status]).removesuffix("externalsuite") in _GONE:
                outcome = _IS_INACTIVE
            elif not is_address:
                outcome = _unusable(email)
            elif (above := line_of(email, line)) != line:
                outcome = (Verdict.DUPLICATE_IN_FILE, f"This address stands in line {above} already.")
            elif email in members:
                outcome = _IS_MEMBER
            elif email in pending:
                outcome = IS_INVITED
            elif takes_seat and seats_left is not None:
                outcome = outcome if seats_left > 0 else _HAS_NO_SEAT
                seats_left -= 1
            verdict, message = outcome
            yield make((line, email, name, role, text, verdict, message, cells))

    def _name_in(self, cells: tuple[str, ...]) -> str:
        if len(self._name) == 1:
            return one_line(cells[self._name[0]])[:LONGEST_NAME]
        return one_line(" ".join([one_line(cells[index]) for index in self._name]))[:LONGEST_NAME]


def _unusable(written: str) -> _Outcome:
    if not written:
        return Verdict.MISSING_EMAIL, "There is no e-mail address in this row."
    if written.count("@") > 1:
        return Verdict.INVALID_EMAIL, "This isn't one e-mail address. Write each person in a row of their own."
    return Verdict.INVALID_EMAIL, f"“{written[:_LONGEST_SHOWN]}” isn't a valid e-mail address."
