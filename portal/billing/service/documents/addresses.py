"""Addresses as data files want them: documents freeze lines, data files ask for city and postal code."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

_PIN = re.compile(r"(?<!\d)[1-9][0-9]{5}(?!\d)")
_UNPRINTABLE = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True, slots=True)
class Located:
    """An address taken apart: its lines without city and postal code, and these; empty where they can't be told."""

    lines: tuple[str, ...]
    city: str
    pin: str


def place_in(lines: Sequence[str]) -> Located:
    """City and PIN code (six digits, the first not 0) are one line of an address, as a rule the last or the one before it."""
    for at in range(len(lines) - 1, -1, -1):
        if found := _PIN.search(lines[at]):
            city = (lines[at][: found.start()] + lines[at][found.end() :]).strip(" ,-–")
            return Located(tuple(line for number, line in enumerate(lines) if number != at), city, found[0])
    return Located(tuple(lines), "", "")


def printable(text: str) -> str:
    """The text without what XML 1.0 can't hold (section 2.2), on one line."""
    return " ".join(_UNPRINTABLE.sub(" ", text).split())
