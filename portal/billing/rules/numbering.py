"""Numbers of invoices and credit notes (CGST rules 46(b) and 53(1A)(c)).

Consecutive, unique within a financial year, at most sixteen characters of ``A-Z 0-9 / -``. The sequence itself
comes from a counter row of the database; here it only becomes a number.
"""

import re
from datetime import date

from portal.errors import Invalid
from portal.india import financial_year

LONGEST = 16
INVOICE_DIGITS = 7
CREDIT_NOTE_DIGITS = 5
_ALLOWED = re.compile(r"[A-Z0-9/-]+")


def invoice_number(series: str, day: date, sequence: int) -> str:
    """``PF/26-27/0000001``.

    Args:
        series: The seller's series, such as ``PF``.
        day: The invoice's date, in India: it decides the financial year.
        sequence: The place in the series of that year, from 1.

    Raises:
        Invalid: The number would be longer than sixteen characters or hold other ones (``NUMBER_INVALID``).
    """
    return _number(series, day, sequence, digits=INVOICE_DIGITS)


def credit_note_number(series: str, day: date, sequence: int) -> str:
    """``PFCN/26-27/00001``: as ``invoice_number``, in a series of its own."""
    return _number(series, day, sequence, digits=CREDIT_NOTE_DIGITS)


def _number(series: str, day: date, sequence: int, *, digits: int) -> str:
    year = financial_year(day)
    width = min(digits, LONGEST - len(f"{series}/{year}/"))
    number = f"{series}/{year}/{sequence:0{max(width, 1)}d}"
    if len(number) > LONGEST or sequence < 1 or not _ALLOWED.fullmatch(number):
        raise Invalid(
            f"The document can't be numbered: {number} isn't a number of at most {LONGEST} capitals, digits, slashes "
            "and hyphens. Choose a shorter series in the settings; nothing was issued.",
            code="NUMBER_INVALID",
        )
    return number
