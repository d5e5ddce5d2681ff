"""How a text file separates and quotes, and its records with their physical lines."""

import csv
import io
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import chain, islice
from typing import TYPE_CHECKING, NamedTuple

from portal.invites.rules import headers
from portal.invites.rules.cells import BLANK
from portal.invites.rules.limits import HEADER_WITHIN_LINES, MOST_CELL_BYTES, cell_too_long, check_cells, refusal

if TYPE_CHECKING:
    from _csv import Reader

DELIMITERS = (",", ";", "\t", "|")
UNSEPARATED = "\x1f"  # one column: the unit separator, which no export writes


class Row(NamedTuple):
    """One record.

    Attributes:
        line: Its first physical line, or the sheet's row.
        cells: As they stand in the file. Rows of a ``Table`` have as many as it has columns.
    """

    line: int
    cells: tuple[str, ...]


_SEP_LINE = re.compile(r'"?sep=(.)"?[ \t]*(?:\r\n|\r|\n|\Z)', re.IGNORECASE)
_SAMPLE_CHARACTERS = 64 * 1024
_SAMPLE_RECORDS = 200
_CLOSED = "\x1d"  # stands alone after the last record, unless a quotation mark is still open there
_LINE_BREAK = re.compile(r"\r\n|\r|\n")
_LONG = MOST_CELL_BYTES // 4


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a text is cut.

    Attributes:
        delimiter: One of ``DELIMITERS``, or None for a single column.
        quote: ``"`` or ``'``.
        skipped: Lines before the first record (Excel's ``sep=``).
        width: How many cells most records have.
    """

    delimiter: str | None
    quote: str
    skipped: int
    width: int


def recognise(text: str, *, delimiter: str | None) -> tuple[Dialect, str]:
    """The dialect of a text, and the text without its ``sep=`` line.

    The delimiter is the one Excel's first line names; else the one that splits a known e-mail header off; else the one
    that gives the most records one same width.

    Args:
        text: The file's text.
        delimiter: One of ``DELIMITERS`` to overrule what the content says.

    Raises:
        Invalid: ``CSV_DELIMITER_UNKNOWN``.
    """
    if delimiter is not None and delimiter not in DELIMITERS:
        raise refusal(
            "Choose comma, semicolon, tab or vertical bar as the delimiter.",
            code="CSV_DELIMITER_UNKNOWN",
            field="delimiter",
        )
    named, skipped = None, 0
    if match := _SEP_LINE.match(text):
        named, skipped, text = match[1] if match[1] in DELIMITERS else None, 1, text[match.end() :]
    sample = text[:_SAMPLE_CHARACTERS]
    candidates = (delimiter,) if delimiter else (named,) if named else DELIMITERS
    scored = [(_score(sample, candidate), candidate) for candidate in candidates]
    (_, _, width), best = max(scored, key=lambda pair: pair[0])
    overruled = delimiter or named
    chosen = best if overruled or width > 1 else None
    quote = _quote(sample, chosen or UNSEPARATED)
    return Dialect(delimiter=chosen, quote=quote, skipped=skipped, width=max(width, 1)), text


def records(text: str, dialect: Dialect) -> Iterator[Row]:
    """The records of a text that aren't blank, each with the file's own number of its first line.

    Raises:
        Invalid: ``CSV_CELL_TOO_LONG``; ``CSV_UNREADABLE`` when a quotation mark isn't closed where it should be.
    """
    # Read again from bytes, because a StringIO takes four bytes for each character.
    lines = io.TextIOWrapper(io.BytesIO(text.encode("utf-8", "surrogatepass")), "utf-8", "surrogatepass", newline="")
    reader = _reader(chain(lines, (_CLOSED,)), dialect.delimiter, dialect.quote)
    make: Callable[[tuple[object, ...]], Row] = partial(tuple.__new__, Row)  # as Row(…), at half the price
    before = 0
    cells: list[str] = []
    skipped = dialect.skipped
    try:
        for cells in reader:
            line, before = before + 1 + skipped, reader.line_num
            joined = "".join(cells)
            if before + skipped == line and len(joined) <= _LONG and joined[:1].isalnum():
                yield make((line, tuple(cells)))  # quick, and true of nearly every record: one short line that isn't blank
                continue
            if len(joined) > _LONG:
                check_cells(line, cells)
            if before + skipped != line and _swallowed(cells, dialect):
                raise _unclosed(line)
            if joined.strip(BLANK) and joined != _CLOSED:
                yield Row(line, tuple(cells))
    except csv.Error:  # with line ends left alone, csv knows one: a field longer than 128 KiB
        raise cell_too_long(before + 1 + skipped) from None
    if cells != [_CLOSED]:
        raise _unclosed(line)


def _unclosed(line: int) -> Exception:
    return refusal(
        f"A quotation mark opens in line {line} and isn't closed there. Mend that line and upload the file again.",
        code="CSV_UNREADABLE",
    )


def _swallowed(cells: list[str], dialect: Dialect) -> bool:
    """Whether a cell of several lines holds whole rows of other people: their quotation mark was another's.

    Such a row has an address, and as many delimiters as a row of this file.
    """
    if dialect.delimiter is None:
        return False
    for index, cell in enumerate(cells):
        lines = _LINE_BREAK.split(cell)
        for number, part in enumerate(lines[: max(len(lines) - 1, 1)]):
            expected = dialect.width - 1 - (0 if number else index)
            if expected > 0 and len(lines) > 1 and "@" in part and part.count(dialect.delimiter) == expected:
                return True
    return False


def _reader(lines: Iterator[str], delimiter: str | None, quote: str) -> "Reader":
    return csv.reader(lines, delimiter=delimiter or UNSEPARATED, quotechar=quote, skipinitialspace=True)


def _score(sample: str, delimiter: str) -> tuple[bool, int, int]:
    """Whether an e-mail header comes out, how many records have the commonest width above one, and that width."""
    reader = _reader(io.StringIO(sample, newline=""), delimiter, _quote(sample, delimiter))
    try:
        found = list(islice(reader, _SAMPLE_RECORDS))
    except csv.Error:
        return False, 0, 1
    widths = Counter(len(cells) for cells in found if len(cells) > 1)
    if not widths:
        return False, 0, 1
    width, count = max(widths.items(), key=lambda item: (item[1], item[0]))
    known = any(len(cells) > 1 and any(map(headers.is_email, cells)) for cells in found[:HEADER_WITHIN_LINES])
    return known, count, width


def _quote(sample: str, delimiter: str) -> str:
    """``'`` where it encloses cells in at least half of the lines and more often than ``"``; else ``"``."""
    lines = [line for line in _LINE_BREAK.split(sample)[:_SAMPLE_RECORDS] if line]
    single, double = (sum(map(bool, map(re.compile(_enclosed(mark, delimiter)).search, lines))) for mark in ("'", '"'))
    return "'" if single > double and single * 2 >= len(lines) else '"'


def _enclosed(mark: str, delimiter: str) -> str:
    edge = re.escape(delimiter)
    return f"(?:^|{edge}) ?{mark}[^{mark}]*{mark}(?:{edge}|$)"
