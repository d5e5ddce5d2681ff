"""What somebody decided about an uploaded file: how it is read, which column is which, what roles mean, what rows say instead."""

from collections.abc import Mapping as AbstractMapping
from dataclasses import dataclass, field, replace
from typing import Any

from portal.invites.rules.columns import Mapping
from portal.invites.rules.dialect import Row
from portal.invites.rules.table import Table
from portal.orgs.rules import Role


@dataclass(frozen=True, slots=True)
class Edit:
    """A row as it was mended: what stands here counts instead of the file's cells."""

    email: str
    name: str = ""
    role: str = ""


@dataclass(frozen=True, slots=True)
class Choices:
    """Everything that was decided; None and empty leave it to the content.

    Attributes:
        encoding: ``utf-8``, ``utf-16`` or ``windows-1252``.
        delimiter: ``,``, ``;``, TAB or ``|``.
        header_line: The file's own line, or 0 for none.
        columns: Indexes from 0: ``email``, and perhaps ``name`` (one or several) and ``role``.
        roles: What unknown roles mean, by their text.
        edits: Line → what it says instead.
        dropped: Lines that nobody wants.
    """

    encoding: str | None = None
    delimiter: str | None = None
    header_line: int | None = None
    columns: AbstractMapping[str, Any] | None = None
    roles: AbstractMapping[str, Role] = field(default_factory=dict)
    edits: AbstractMapping[int, Edit] = field(default_factory=dict)
    dropped: frozenset[int] = frozenset()

    @classmethod
    def from_json(cls, stored: AbstractMapping[str, Any]) -> "Choices":
        """The choices as their row keeps them."""
        return cls(
            encoding=stored.get("encoding"),
            delimiter=stored.get("delimiter"),
            header_line=stored.get("headerLine"),
            columns=stored.get("columns"),
            roles={text: Role(role) for text, role in stored.get("roles", {}).items()},
            edits={int(line): Edit(**edit) for line, edit in stored.get("edits", {}).items()},
            dropped=frozenset(stored.get("dropped", ())),
        )

    def to_json(self) -> dict[str, Any]:
        """As ``from_json`` reads it."""
        return {
            "encoding": self.encoding,
            "delimiter": self.delimiter,
            "headerLine": self.header_line,
            "columns": dict(self.columns) if self.columns else None,
            "roles": {text: role.value for text, role in self.roles.items()},
            "edits": {str(line): {"email": edit.email, "name": edit.name, "role": edit.role} for line, edit in self.edits.items()},
            "dropped": sorted(self.dropped),
        }

    def read_otherwise(self, *, encoding: str | None, delimiter: str | None, header_line: int | None) -> "Choices":
        """How the file is read. When that is new, what was said about columns and rows may be about others now, and is forgotten."""
        if (encoding, delimiter, header_line) == (self.encoding, self.delimiter, self.header_line):
            return self
        return Choices(encoding=encoding, delimiter=delimiter, header_line=header_line, roles=self.roles)

    def mend(self, line: int, edit: Edit) -> "Choices":
        """One row says something else."""
        return replace(self, edits={**self.edits, line: edit}, dropped=self.dropped - {line})

    def drop(self, line: int) -> "Choices":
        """One row isn't wanted, or is wanted again."""
        return replace(self, dropped=self.dropped ^ {line})

    def mapping(self, table: Table) -> Mapping | None:
        """The columns that were chosen, or None when nobody has chosen.

        Raises:
            Invalid: ``MAPPING_INVALID``: the table has no such columns.
        """
        if self.columns is None:
            return None
        return Mapping.from_indexes(table, email=self.columns["email"], name=self.columns.get("name"), role=self.columns.get("role"))


def mended(table: Table, mapping: Mapping, choices: Choices) -> tuple[Table, Mapping]:
    """The table with the mended rows in place and without the dropped ones.

    A file without a column for names or roles gets one where a mended row names one. Whoever is mended is wanted, whatever
    the file's status says.
    """
    if not choices.edits and not choices.dropped:
        return table, mapping
    if not mapping.name and any(edit.name for edit in choices.edits.values()):
        table = _widened(table, "Name")
        mapping = replace(mapping, name=(len(table.columns) - 1,))
    if mapping.role is None and any(edit.role for edit in choices.edits.values()):
        table = _widened(table, "Role")
        mapping = replace(mapping, role=len(table.columns) - 1)
    rows = tuple(_mended(row, mapping, choices.edits.get(row.line)) for row in table.rows if row.line not in choices.dropped)
    return replace(table, rows=rows), mapping


def _widened(table: Table, column: str) -> Table:
    return replace(table, columns=(*table.columns, column), rows=tuple(Row(row.line, (*row.cells, "")) for row in table.rows))


def _mended(row: Row, mapping: Mapping, edit: Edit | None) -> Row:
    if edit is None:
        return row
    cells = list(row.cells)
    cells[mapping.email] = edit.email
    for place, index in enumerate(mapping.name):
        cells[index] = edit.name if place == 0 else ""
    if mapping.role is not None:
        cells[mapping.role] = edit.role
    if mapping.status is not None:
        cells[mapping.status] = ""
    return Row(row.line, tuple(cells))
