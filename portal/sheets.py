"""Tables as files for spreadsheets: a cell is shown there and never run."""

import csv
import io
from collections.abc import Iterable

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
GUARD = "'"


def guarded(cell: str) -> str:
    """The cell as a spreadsheet shows it and never runs it: an apostrophe before ``= + - @``, TAB and CR (OWASP)."""
    return GUARD + cell if cell.startswith(FORMULA_STARTS) else cell


def csv_bytes(header: Iterable[str], rows: Iterable[Iterable[object]]) -> bytes:
    """A CSV file: UTF-8 with BOM, commas, CRLF (RFC 4180); None is an empty cell, and texts are guarded."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(map(guarded, header))
    writer.writerows([guarded(cell) if isinstance(cell, str) else "" if cell is None else cell for cell in row] for row in rows)
    return text.getvalue().encode("utf-8-sig")
