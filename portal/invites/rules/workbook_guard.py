"""What a .xlsx file would unpack to, found out before calamine reads it.

calamine lays a sheet out as a full rectangle and copies a shared string into every cell that names it: 1.4 KB with the
two cells A1 and XFD1048576 ask for 512 GB and end the process. So everything is unpacked here under a limit, measured,
and packed anew without compression: what was measured is what is read.
"""

import io
import re
import struct
import zipfile
import zlib
from collections import Counter
from xml.parsers import expat

from portal.errors import Invalid
from portal.invites.rules.limits import (
    HEADER_WITHIN_LINES,
    MOST_COLUMNS,
    MOST_ROWS,
    refusal,
    too_many_columns,
    too_many_rows,
)

MOST_UNPACKED_BYTES = 200 * 1024 * 1024
MOST_RATIO = 100
MOST_CELLS = 4_000_000
MOST_STRING_BYTES = 100 * 1024 * 1024

_LOCAL_HEADER = struct.Struct("<26xHH")
_ENCRYPTED = 0x1
_KEPT = (".xml", ".rels")
_CELL_WITH_REFERENCE = re.compile(rb"""[<:]c r=["']([A-Z]{1,3})([0-9]{1,7})["']""")
_CELL = re.compile(rb"[<:]c[\s>/]")
_SHARED_CELL = re.compile(rb"""\st\s*=\s*["']s["']""")
_SHARED_INDEX = re.compile(rb"[<:]v>([0-9]+)</")
_STRING_ITEM = re.compile(rb"[<:]si[\s>/]")
_CELL_NAME = re.compile(r"([A-Za-z]{1,3})([0-9]{1,7})")
_LETTERS = 26


def repacked(data: bytes) -> bytes:
    """The workbook's XML in a new archive, measured and uncompressed.

    Raises:
        Invalid: ``CSV_UNREADABLE``, ``CSV_TOO_MUCH_INSIDE``, ``CSV_TOO_MANY_ROWS`` or ``CSV_TOO_MANY_COLUMNS``.
    """
    parts = _unpacked(data)
    names = {name.lower() for name in parts}
    if "xl/workbook.bin" in names or not any(name.startswith("xl/") for name in names):
        raise unreadable()
    for part in parts.values():
        _check_extent(part)
    _check_strings(list(parts.values()))
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as writing:
        for name, part in parts.items():
            writing.writestr(zipfile.ZipInfo(name), part)
    return archive.getvalue()


def unreadable() -> Invalid:
    """The refusal of a broken or foreign workbook."""
    return refusal(
        "This file can't be read as an Excel workbook. Open it in a spreadsheet program, save it as .xlsx or CSV, and upload that.",
        code="CSV_UNREADABLE",
    )


def too_much_inside() -> Invalid:
    """The refusal of what unpacks to more than a list of people can be."""
    return refusal(
        "This workbook unpacks to far more than a list of people. Copy the rows into a new workbook and upload that.",
        code="CSV_TOO_MUCH_INSIDE",
    )


def _unpacked(data: bytes) -> dict[str, bytes]:
    left = min(MOST_UNPACKED_BYTES, MOST_RATIO * len(data))
    parts = {}
    try:
        entries = zipfile.ZipFile(io.BytesIO(data)).infolist()
        for entry in entries:
            part = _part(data, entry, left)
            left -= len(part)
            if entry.filename.lower().endswith((*_KEPT, "workbook.bin")):
                parts[entry.filename] = part
    except (zipfile.BadZipFile, zlib.error, struct.error, ValueError, NotImplementedError, OSError, EOFError):
        raise unreadable() from None
    return parts


def _part(data: bytes, entry: zipfile.ZipInfo, left: int) -> bytes:
    """One entry, unpacked from its bytes: the size that an archive declares may be a lie."""
    if entry.flag_bits & _ENCRYPTED or entry.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
        raise unreadable()
    name_length, extra_length = _LOCAL_HEADER.unpack_from(data, entry.header_offset)
    start = entry.header_offset + _LOCAL_HEADER.size + name_length + extra_length
    packed = data[start : start + entry.compress_size]
    is_stored = entry.compress_type == zipfile.ZIP_STORED
    part = packed if is_stored else zlib.decompressobj(-zlib.MAX_WBITS).decompress(packed, left + 1)
    if len(part) > left:
        raise too_much_inside()
    return part


def _check_extent(xml: bytes) -> None:
    """Refuses a sheet whose rectangle is larger than what is read; other parts have no cells and pass.

    Nearly every program writes a cell as ``<c r="B7" …``, which is looked at as text; a sheet with any other cell, or
    with cells far out that may be empty, is parsed.
    """
    rows = columns = referenced = 0
    for match in _CELL_WITH_REFERENCE.finditer(xml):
        referenced += 1
        rows, columns = max(rows, int(match[2])), max(columns, _column(match[1].decode()))
    plain = b"\0" not in xml and sum(1 for _ in _CELL.finditer(xml)) == referenced
    if not plain or _too_far(rows, columns):
        rows, columns = _Extent(xml).measured()
        refused = _too_far(rows, columns)
        if refused:
            raise refused


def _too_far(rows: int, columns: int) -> Invalid | None:
    if rows > MOST_ROWS + HEADER_WITHIN_LINES:
        return too_many_rows()
    if columns > MOST_COLUMNS:
        return too_many_columns()
    return too_much_inside() if rows * columns > MOST_CELLS else None


def _column(letters: str) -> int:
    number = 0
    for letter in letters.upper():
        number = number * _LETTERS + ord(letter) - ord("A") + 1
    return number


class _Extent:
    """How far the cells with content reach, as an XML parser sees it."""

    def __init__(self, xml: bytes) -> None:
        self._xml = xml
        self._row = self._column = self._rows = self._columns = 0

    def measured(self) -> tuple[int, int]:
        parser = expat.ParserCreate()
        parser.StartElementHandler = self._start
        parser.StartDoctypeDeclHandler = self._refuse
        try:
            parser.Parse(self._xml, True)  # noqa: FBT003 - expat takes "this is all" by position only
        except (expat.ExpatError, ValueError):
            raise unreadable() from None
        return self._rows, self._columns

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        name = tag.rpartition(":")[2]
        if name == "row":
            self._row = int(attributes.get("r", self._row + 1))
            self._column = 0
        elif name == "c" and "r" in attributes:
            match = _CELL_NAME.fullmatch(attributes["r"])
            if match is None:
                raise unreadable()
            self._row, self._column = int(match[2]), _column(match[1])
        elif name == "c":
            self._column += 1
        elif name in {"v", "is", "f"}:
            self._rows, self._columns = max(self._rows, self._row), max(self._columns, self._column)

    @staticmethod
    def _refuse(*_declaration: object) -> None:
        raise unreadable()


def _check_strings(parts: list[bytes]) -> None:
    """Refuses shared strings that would grow past a limit when each cell gets its copy."""
    tables = [lengths for part in parts if (lengths := _string_lengths(part))]
    longest = max(map(max, tables), default=0)
    for part in parts:
        shared = sum(1 for _ in _SHARED_CELL.finditer(part)) if longest else 0
        if shared * longest > MOST_STRING_BYTES:
            uses = Counter(map(int, _SHARED_INDEX.findall(part)))
            unknown = max(0, shared - uses.total()) * longest
            known = sum(table[index] * count for table in tables for index, count in uses.items() if index < len(table))
            if unknown + known > MOST_STRING_BYTES:
                raise too_much_inside()


def _string_lengths(part: bytes) -> list[int]:
    starts = [match.start() for match in _STRING_ITEM.finditer(part)]
    return [after - before for before, after in zip(starts, [*starts[1:], len(part)], strict=True)] if starts else []
