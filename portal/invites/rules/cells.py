"""One cell: what counts as blank, how it is tidied, and how it is kept from running as a formula."""

import re

from portal.sheets import FORMULA_STARTS, GUARD

BLANK = (
    "\t\n\x0b\x0c\r\x1c\x1d\x1e\x1f \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004"
    "\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000"
    "\xad\u180e\u200b\u200c\u200d\u200e\u200f\u2060\ufeff"
)
"""White space, no-break spaces, and marks without a width, which exports leave around values."""

_UNSEEN = re.compile(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ufeff]")


def trimmed(cell: str) -> str:
    """The cell without blanks around it, no-break and zero-width ones included."""
    return cell.strip(BLANK)


def unguarded(cell: str) -> str:
    """The trimmed cell without the apostrophe that ``guarded`` put before it."""
    value = cell.strip(BLANK)
    if value.startswith(GUARD) and value[1:2] in FORMULA_STARTS:
        return value[1:].strip(BLANK)
    return value


def one_line(cell: str) -> str:
    """A person's name or another short text: one line, single spaces, no control or direction marks."""
    if cell.isprintable() and cell[:1] != GUARD:  # quick, and true of nearly every name; keeps the string that is there
        return cell if cell == (single := " ".join(cell.split())) else single
    return " ".join(_UNSEEN.sub(" ", unguarded(cell)).split())
