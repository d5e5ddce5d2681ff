"""Excel workbooks: the first visible sheet's records."""

import io
from collections.abc import Iterator
from datetime import date, datetime, time

from python_calamine import (
    CalamineError,
    CalamineSheet,
    CalamineWorkbook,
    PasswordError,
    SheetTypeEnum,
    SheetVisibleEnum,
)

from portal.errors import Invalid
from portal.invites.rules import workbook_guard
from portal.invites.rules.cells import BLANK
from portal.invites.rules.dialect import Row
from portal.invites.rules.limits import check_cells, refusal

_ZIP = (b"PK\x03\x04", b"PK\x05\x06")
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_ENCRYPTED = "EncryptedPackage".encode("utf-16-le")
"""The stream of an OLE file in which Office keeps an .xlsx with a password (MS-OFFCRYPTO 2.3.4.4)."""
_MIDNIGHT = time()


def container(data: bytes) -> str | None:
    """``xlsx`` or ``xls`` by the content's first bytes; None for text."""
    if data.startswith(_ZIP):
        return "xlsx"
    return "xls" if data.startswith(_OLE) else None


def records(data: bytes, kind: str) -> Iterator[Row]:
    """The rows of the first visible sheet that aren't blank, each with the sheet's own number.

    Args:
        data: The file.
        kind: What ``container`` said.

    Raises:
        Invalid: ``CSV_UNREADABLE``; it unpacks to far more than it should; ``CSV_NUL``; ``CSV_CELL_TOO_LONG``.
    """
    if kind == "xlsx":
        data = workbook_guard.repacked(data)
    for line, values in enumerate(_first_visible_sheet(data).iter_rows(), 1):
        cells = tuple(map(_shown, values))
        if "".join(cells).strip(BLANK):
            check_cells(line, list(cells))
            if any("\0" in cell for cell in cells):
                raise refusal(
                    f"Row {line} of the sheet has a NUL character in it. Remove it and upload the file again.",
                    code="CSV_NUL",
                )
            yield Row(line, cells)


def _first_visible_sheet(data: bytes) -> CalamineSheet:
    if data.startswith(_OLE) and _ENCRYPTED in data:
        raise _protected()
    try:
        workbook = CalamineWorkbook.from_filelike(io.BytesIO(data))
        for sheet in workbook.sheets_metadata:
            if sheet.typ == SheetTypeEnum.WorkSheet and sheet.visible == SheetVisibleEnum.Visible:
                return workbook.get_sheet_by_name(sheet.name)
    except PasswordError:
        raise _protected() from None
    except (CalamineError, OSError, ValueError):
        raise workbook_guard.unreadable() from None
    except BaseException as panic:
        # A panic of calamine's Rust on a broken file arrives as an exception outside Exception.
        if type(panic).__name__ == "PanicException":
            raise workbook_guard.unreadable() from None
        raise
    raise refusal("This workbook has no visible sheet. Show the sheet and upload the file again.", code="CSV_EMPTY")


def _protected() -> Invalid:
    return refusal("This workbook is protected by a password. Save it without one and upload it again.", code="CSV_UNREADABLE")


def _shown(value: object) -> str:
    """A cell as its sheet shows it: whole numbers without decimals, dates by ISO 8601."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else repr(value)
    if isinstance(value, datetime):
        return value.date().isoformat() if value.time() == _MIDNIGHT else value.isoformat(sep=" ")
    if isinstance(value, (date, time)):
        return value.isoformat()
    return str(value)
