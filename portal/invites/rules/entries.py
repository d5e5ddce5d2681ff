"""Addresses typed or pasted into the textarea."""

import re

from portal.invites.rules.cells import trimmed
from portal.invites.rules.dialect import Row
from portal.invites.rules.limits import MOST_ROWS, check_size, too_many_rows
from portal.invites.rules.table import Table

_LINES = re.compile(r"\r\n|\r|\n")
_BETWEEN_SEMICOLONS = re.compile(r"""(?:"[^"]*"|<[^<>]*>|[^;])+""")
_BETWEEN_COMMAS = re.compile(r"""(?:"[^"]*"|<[^<>]*>|[^,])+""")


def entries_from_text(text: str) -> Table:
    """The people in a text, as a table of one column that ``propose_mapping`` and ``judge`` take.

    Addresses are separated by line breaks, semicolons, commas, or, where each word has an ``@``, by spaces. One
    entry each are also ``Bob <bob@x.com>``, ``Doe, John <john@x.com>`` and cells pasted from a sheet (``Bob TAB
    bob@x.com``). ``line`` counts the entries from 1, so that each has its own. An empty text is a table without rows.

    Raises:
        TooLarge: More than 5 MiB.
        Invalid: More than 100 000 entries (``CSV_TOO_MANY_ROWS``).
    """
    check_size(text.encode("utf-8", "replace"))
    entries = [entry for line in _LINES.split(text.replace("\0", " ")) for entry in _entries(line)]
    if len(entries) > MOST_ROWS:
        raise too_many_rows()
    rows = tuple(Row(number, (entry,)) for number, entry in enumerate(entries, 1))
    return Table(encoding="utf-8", delimiter=None, header_line=None, columns=("Email",), rows=rows)


def _entries(line: str) -> list[str]:
    if "\t" in line:
        return _pasted(line)
    found = []
    for piece in map(trimmed, _BETWEEN_SEMICOLONS.findall(line)):
        for entry in _apart(piece):
            words = entry.split()
            found += words if len(words) > 1 and all("@" in word and "<" not in word for word in words) else [entry]
    return [entry for entry in found if entry]


def _pasted(line: str) -> list[str]:
    """Cells of a row: one address, and the name in the others; any other mixture is entry by entry."""
    cells = [cell for cell in map(trimmed, line.split("\t")) if cell]
    addresses = [cell for cell in cells if "@" in cell]
    if len(addresses) != 1 or "<" in line:
        return [entry for cell in cells for entry in _entries(cell)]
    names = " ".join(cell for cell in cells if "@" not in cell)
    return [f"{names} <{addresses[0]}>" if names else addresses[0]]


def _apart(piece: str) -> list[str]:
    """Cuts at commas, but not inside ``Doe, John <john@x.com>``."""
    found: list[str] = []
    for part in map(trimmed, _BETWEEN_COMMAS.findall(piece)):
        if found and "@" not in found[-1] and "<" in part:
            found[-1] = f"{found[-1]}, {part}"
        else:
            found.append(part)
    return found
