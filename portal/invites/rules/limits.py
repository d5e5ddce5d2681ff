"""How much is read; the same figures stand beside the field."""

from portal.errors import Invalid, TooLarge

MOST_BYTES = 5 * 1024 * 1024
MOST_ROWS = 100_000
MOST_COLUMNS = 200
MOST_CELL_BYTES = 32 * 1024
HEADER_WITHIN_LINES = 20

_WIDEST_CHARACTER = 4


def check_size(data: bytes) -> None:
    """Refuses more than 5 MiB.

    Raises:
        TooLarge: ``CSV_TOO_LARGE``.
    """
    if len(data) > MOST_BYTES:
        sentence = "This file is larger than 5 MB. Split it into smaller files and upload them one after the other."
        raise TooLarge(sentence, code="CSV_TOO_LARGE", details={"file": [sentence]})


def check_cells(line: int, cells: list[str]) -> None:
    """Refuses a cell of more than 32 KiB in UTF-8.

    Raises:
        Invalid: ``CSV_CELL_TOO_LONG``.
    """
    for cell in cells:
        if len(cell) * _WIDEST_CHARACTER > MOST_CELL_BYTES and len(cell.encode("utf-8", "replace")) > MOST_CELL_BYTES:
            raise cell_too_long(line)


def cell_too_long(line: int) -> Invalid:
    """The refusal of a cell above 32 KiB."""
    return refusal(
        f"A cell in line {line} is longer than 32 KB; perhaps a quotation mark is not closed there. Mend it and upload the file again.",
        code="CSV_CELL_TOO_LONG",
    )


def too_many_rows() -> Invalid:
    """The refusal of more than 100 000 data rows."""
    return refusal(
        "This file has more than 100,000 rows. Split it into smaller files and upload them one after the other.",
        code="CSV_TOO_MANY_ROWS",
    )


def too_many_columns() -> Invalid:
    """The refusal of more than 200 columns."""
    return refusal(
        "This file has more than 200 columns. Keep those for e-mail, name and role, and upload it again.",
        code="CSV_TOO_MANY_COLUMNS",
    )


def refusal(sentence: str, *, code: str, field: str = "file") -> Invalid:
    """A refusal that stands beside the field of the form."""
    return Invalid(sentence, code=code, details={field: [sentence]})
