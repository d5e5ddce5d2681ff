"""A file's bytes → a table of strings with the file's own line numbers."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from portal.errors import Invalid
from portal.invites.rules import dialect, headers, workbook
from portal.invites.rules.cells import trimmed, unguarded
from portal.invites.rules.dialect import Row
from portal.invites.rules.limits import (
    HEADER_WITHIN_LINES,
    MOST_COLUMNS,
    MOST_ROWS,
    check_size,
    refusal,
    too_many_columns,
    too_many_rows,
)
from portal.invites.rules.text import decode

NO_HEADER = 0
"""As ``header_line``: the file has no header, its first record is data."""

SAMPLES = 3
_SAMPLE_CHARACTERS = 80
_SAMPLE_ROWS = 1000
_TOTAL = re.compile(r"(?:grand |sub ?)?total\b|(?:row |record |head ?|employee )?count\b", re.IGNORECASE)
_TOTALS_AT_MOST = 3
_MOST_RECORDS = MOST_ROWS + 2 * HEADER_WITHIN_LINES
_PLACEHOLDER = re.compile(r"Column [0-9]+")
_STATUS_KEYS = {"status", "userid"}


@dataclass(frozen=True, slots=True)
class Table:
    """What a file says.

    Attributes:
        encoding: utf-8, utf-16, windows-1252, xlsx or xls.
        delimiter: ``,``, ``;``, TAB or ``|``; None for one column and for workbooks.
        header_line: The file's own line of the header; None without one.
        columns: The headers, trimmed; ``Column 3`` where the file has none.
        rows: The data rows that aren't blank.
    """

    encoding: str
    delimiter: str | None
    header_line: int | None
    columns: tuple[str, ...]
    rows: tuple[Row, ...]

    def samples(self) -> tuple[tuple[str, ...], ...]:
        """Up to three different values of each column, for the person who says which is which."""
        return tuple(tuple(islice(self._values(index), SAMPLES)) for index in range(len(self.columns)))

    def _values(self, index: int) -> Iterator[str]:
        seen = {""}
        for row in self.rows[:_SAMPLE_ROWS]:
            value = " ".join(trimmed(row.cells[index])[:_SAMPLE_CHARACTERS].split())
            if value not in seen:
                seen.add(value)
                yield value


def read_table(data: bytes, *, encoding: str | None = None, delimiter: str | None = None, header_line: int | None = None) -> Table:
    """Reads what an HR system exported: text with delimiters, .xlsx or .xls. The content decides, not the file's name.

    Args:
        data: The file.
        encoding: utf-8, utf-16 or windows-1252, to overrule what the content says; a workbook has its own.
        delimiter: One of ``, ; TAB |``, to overrule.
        header_line: The file's own line of the header, to overrule; ``NO_HEADER`` when there is none.

    Raises:
        TooLarge: More than 5 MiB (``CSV_TOO_LARGE``).
        Invalid: ``CSV_UNREADABLE``, ``CSV_NUL``, ``CSV_EMPTY``, ``CSV_TOO_MANY_ROWS``, ``CSV_TOO_MANY_COLUMNS``,
            ``CSV_CELL_TOO_LONG``, ``CSV_TOO_MUCH_INSIDE``; for an overruling that makes no sense
            ``CSV_ENCODING_UNKNOWN``, ``CSV_DELIMITER_UNKNOWN`` or ``CSV_HEADER_LINE``.
    """
    check_size(data)
    kind = workbook.container(data)
    if kind:
        found = _collected(workbook.records(data, kind))
        return _table(found, encoding=kind, delimiter=None, header_line=header_line)
    name, text = decode(data, encoding=None if encoding in {"xlsx", "xls"} else encoding)
    spoken, text = dialect.recognise(text, delimiter=delimiter)
    found = _collected(dialect.records(text, spoken))
    return _table(found, encoding=name, delimiter=spoken.delimiter, header_line=header_line)


def _collected(found: Iterator[Row]) -> list[Row]:
    rows = list(islice(found, _MOST_RECORDS + 1))
    if len(rows) > _MOST_RECORDS:
        raise too_many_rows()
    if not rows:
        raise refusal("There is nothing in this file. Choose another one.", code="CSV_EMPTY")
    return rows


def _table(found: list[Row], *, encoding: str, delimiter: str | None, header_line: int | None) -> Table:
    header, start = _header(found) if header_line is None else _header_on(found, header_line)
    rows = _without_totals(found[start:])
    if len(rows) > MOST_ROWS:
        raise too_many_rows()
    if not rows:
        raise _no_rows()
    columns, rows = _squared(header.cells if header else (), rows)
    if not rows:
        raise _no_rows()
    if header is None and len(columns) == 1:
        columns = ("Email",)
    return Table(
        encoding=encoding,
        delimiter=delimiter,
        header_line=header.line if header else None,
        columns=columns,
        rows=tuple(rows),
    )


def _no_rows() -> Invalid:
    return refusal("There is no row below the header of this file. Add people and upload it again.", code="CSV_EMPTY")


def _header(found: list[Row]) -> tuple[Row | None, int]:
    """The header and the index of the first data row.

    A known e-mail header decides, in a row without an address: below it "Email" is how somebody wants to be asked.
    Without one the first wide record is the header, unless it has an address in it; in a file of one column every line
    is somebody, so that a mistyped first address is shown and not taken for a header.
    """
    first = [row for row in found[:HEADER_WITHIN_LINES] if row.line <= HEADER_WITHIN_LINES]
    for index, row in enumerate(first):
        if any(map(headers.is_email, row.cells)) and not _has_address(row):
            return row, index + (2 if _is_second_header(row, found[index + 1 : index + 2]) else 1)
    width = max((_filled(row) for row in first), default=1)
    if width == 1:
        return None, 0
    for index, row in enumerate(first):
        if _filled(row) * 2 > width:
            return (None, index) if _has_address(row) else (row, index + 1)
    return None, 0


def _header_on(found: list[Row], line: int) -> tuple[Row | None, int]:
    if line == NO_HEADER:
        return None, 0
    for index, row in enumerate(found):
        if row.line == line:
            return row, index + (2 if _is_second_header(row, found[index + 1 : index + 2]) else 1)
    raise refusal(
        f"There is no row on line {line}. Choose the line on which the column names stand.",
        code="CSV_HEADER_LINE",
        field="header_line",
    )


def _is_second_header(header: Row, following: list[Row]) -> bool:
    """SuccessFactors writes keys (STATUS, USERID, EMAIL …) and below them their labels, in the user's language."""
    for row in following:
        below = [cell for cell, key in zip(row.cells, header.cells, strict=False) if headers.is_email(key)]
        if any(map(headers.is_email, below)):
            return True
        keys = set(map(headers.glued, header.cells))
        has_value = any("@" in cell or headers.glued(cell).endswith("active") for cell in row.cells)
        return keys >= _STATUS_KEYS and _filled(row) >= _filled(header) and not has_value
    return False


def _without_totals(rows: list[Row]) -> list[Row]:
    """Drops what reports write below their rows: ``Total: 45``, without an address."""
    for _ in range(_TOTALS_AT_MOST):
        if not rows:
            break
        cells = [cell for cell in map(trimmed, rows[-1].cells) if cell]
        if not cells or not _TOTAL.match(cells[0]) or any("@" in cell for cell in cells):
            break
        rows = rows[:-1]
    return rows


def _squared(header: tuple[str, ...], rows: list[Row]) -> tuple[tuple[str, ...], list[Row]]:
    """Columns and rows of one width: what stands beyond the header gets a column too, empty columns at the end none."""
    names = list(map(unguarded, header[: _reach(header)]))
    widths = {len(cells) for _line, cells in rows}
    wide = len(names)
    if max(widths) > wide:
        wide = max(wide, *(_reach(row.cells) for row in rows if len(row.cells) > wide))
    if _adds(names):
        for added in reversed(headers.ADDED):
            if len(names) > 1 and names[-1].casefold() == added:
                names.pop()
        wide = len(names)
        rows = [row for row in rows if _reach(row.cells[:wide])]
    if wide > MOST_COLUMNS:
        raise too_many_columns()
    names += [""] * (wide - len(names))
    columns = tuple(name or f"Column {number}" for number, name in enumerate(names, 1))
    if widths == {wide}:
        return columns, rows
    empty = ("",) * wide
    return columns, [row if len(row.cells) == wide else Row(row.line, (row.cells + empty)[:wide]) for row in rows]


def _reach(cells: tuple[str, ...]) -> int:
    """How many cells there are up to the last that isn't blank."""
    return next((index for index in range(len(cells), 0, -1) if trimmed(cells[index - 1])), 0)


def _adds(names: list[str]) -> bool:
    return any(name.casefold() in headers.ADDED[1:] for name in names)


def _has_address(row: Row) -> bool:
    return any("@" in cell for cell in row.cells)


def _filled(row: Row) -> int:
    return sum(1 for cell in row.cells if trimmed(cell))


def is_placeholder(column: str) -> bool:
    """Whether a column got its name from the reader because the file has none for it."""
    return _PLACEHOLDER.fullmatch(column) is not None
