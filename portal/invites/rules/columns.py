"""Which column holds what: proposed from the headers, or chosen by the user."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from portal.errors import Invalid
from portal.invites.rules import headers
from portal.invites.rules.addresses import parse_address
from portal.invites.rules.cells import trimmed
from portal.invites.rules.limits import refusal
from portal.invites.rules.table import Table, is_placeholder


@dataclass(frozen=True, slots=True)
class Mapping:
    """Which columns of a table, from 0, hold what.

    Attributes:
        email: The address.
        name: The name: no column, one, or first and last name in the order in which they are joined.
        role: The role; None when the default is meant for everybody.
        status: Who still works there.
    """

    email: int
    name: tuple[int, ...] = ()
    role: int | None = None
    status: int | None = None

    @classmethod
    def from_indexes(cls, table: Table, *, email: int, name: int | Sequence[int] | None = None, role: int | None = None) -> "Mapping":
        """The user's own choice; the status column goes by its header.

        Raises:
            Invalid: ``MAPPING_INVALID``: the table has no such column, or one column is to be two things.
        """
        names = () if name is None else (name,) if isinstance(name, int) else tuple(name)
        chosen = [email, *names, *([] if role is None else [role])]
        if not all(0 <= index < len(table.columns) for index in chosen):
            raise _invalid("There is no such column in this file. Choose another.")
        if len(set(chosen)) < len(chosen):
            raise _invalid("One column can't be two things. Choose a different column for each.")
        status = _only_first(table, headers.is_status)
        return cls(email=email, name=names, role=role, status=None if status in chosen else status)


def propose_mapping(table: Table) -> Mapping | None:
    """The mapping that the headers say; None when no column, or more than one, is known to hold the address at work.

    A table that is one column of addresses needs no header.
    """
    emails = [index for index, column in enumerate(table.columns) if headers.is_email(column)]
    if not emails and table.header_line is None:
        emails = _address_columns(table)
    if len(emails) != 1:
        return None
    return Mapping(
        email=emails[0],
        name=headers.name_columns(table.columns),
        role=_only_first(table, headers.is_role),
        status=_only_first(table, headers.is_status),
    )


def header_fingerprint(table: Table) -> str:
    """What a remembered mapping is kept under: the same for the same header row, however it is cased and punctuated.

    Files without a header share one fingerprint for each number of columns.
    """
    own = [column for column in table.columns if not is_placeholder(column)]
    named = [headers.glued(column) for column in own or table.columns]
    return hashlib.sha256("\x1f".join(named).encode()).hexdigest()


def _address_columns(table: Table) -> list[int]:
    """The only column that isn't blank, if at least half of it is addresses."""
    used = {index for row in table.rows for index, cell in enumerate(row.cells) if trimmed(cell)}
    if len(used) != 1:
        return []
    (only,) = used
    values = [row.cells[only] for row in table.rows]
    return [only] if sum(1 for value in values if parse_address(value)) * 2 >= len(values) else []


def _invalid(sentence: str) -> Invalid:
    return refusal(sentence, code="MAPPING_INVALID", field="mapping")


def _only_first(table: Table, is_known: "headers.Test") -> int | None:
    return next((index for index, column in enumerate(table.columns) if is_known(column)), None)
