"""E-mail addresses as people and exports write them."""

import re

import idna

from portal.invites.rules.cells import BLANK, one_line, unguarded

_ATOM = r"[a-z0-9!#$%&'*+/=?^_`{|}~-]++"
_DOMAIN = r"(?:(?!-)[a-z0-9-]{1,63}+(?<!-)\.)++(?:[a-z]{2,63}|xn--[a-z0-9-]{0,58}[a-z0-9])"
_PLAIN = re.compile(rf"{_ATOM}(?:\.{_ATOM})*+@{_DOMAIN}")
"""RFC 5321's dot-string at a domain of at least two labels. The mail job looks closer."""

_LONGEST = 254
_LONGEST_LOCAL_PART = 64
"""RFC 5321, 4.5.3.1, less the angle brackets of a path."""

is_as_compared = re.compile(rf"(?!')(?!.{{{_LONGEST_LOCAL_PART + 1}}}){_PLAIN.pattern}").fullmatch
"""Whether ``parse_address`` gives back what it gets: one short, plain address. True of nearly every one that a file has."""

_NAMED = re.compile(r"(?P<name>[^<>]*)<(?P<address>[^<>]*)>")
_QUOTES = BLANK + "\"'"
_MAILTO = "mailto:"
_LONGEST_VALUE = 1000


def parse_address(value: str) -> tuple[str, str] | None:
    """The address in its comparable form, and the display name that stands with it or nothing.

    Takes ``bob@x.com``, ``mailto:bob@x.com`` and ``Bob <bob@x.com>``, with blanks and quotation marks around. The
    address comes out in lower case, its domain in the ASCII form of IDNA 2008, so that ``Bob@Bücher.example`` equals
    ``bob@xn--bcher-kva.example``. Before the @ only ASCII is taken: few servers deliver anything else.

    Returns:
        Address and name; None when it isn't one address.
    """
    if is_as_compared(value):
        return value, ""  # the string that is there already is kept, which halves the memory
    value = unguarded(value)
    if len(value) > _LONGEST_VALUE:
        return None
    name = ""
    if match := _NAMED.fullmatch(value):
        name, value = one_line(match["name"]).strip(_QUOTES), match["address"].strip(BLANK)
    if value.lower().startswith(_MAILTO):
        value = value[len(_MAILTO) :].partition("?")[0]
    value = value.strip(_QUOTES)
    if not value.rpartition("@")[0].isascii():
        return None
    address = comparable(value)
    return (address, name) if _is_plain(address) else None


def comparable(address: str) -> str:
    """The trimmed address in lower case with an ASCII domain (IDNA 2008 with UTS 46); what can't be encoded stays."""
    address = address.strip(BLANK)
    local, at, domain = address.rpartition("@")
    if not address.isascii() and local.isascii():
        try:
            address = local + at + idna.encode(domain, uts46=True).decode()
        except (idna.IDNAError, UnicodeError):
            return address.lower()
    return address.lower()


def _is_plain(address: str) -> bool:
    return _PLAIN.fullmatch(address) is not None and len(address) <= _LONGEST and address.index("@") <= _LONGEST_LOCAL_PART
