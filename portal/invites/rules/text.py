"""Bytes of a text file → text."""

import codecs
import re

from portal.errors import Invalid
from portal.invites.rules.limits import refusal

ENCODINGS = {"utf-8": "UTF-8", "utf-16": "UTF-16", "windows-1252": "Windows-1252"}
"""Encodings of text files → how people write them."""

_SAMPLE_BYTES = 4096
_END_OF_FILE = "\x1a"  # what CP/M and DOS put after the text
_BOM = "\ufeff"
_MARKUP = re.compile(r"\s*<(?:!doctype|\?xml|html|head|body|meta|table)\b", re.IGNORECASE)
_MARKUP_WITHIN = 1000
_NO_TEXT = (b"%PDF-", b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"RIFF", b"\x1f\x8b", b"7z\xbc\xaf", b"Rar!", b"\x7fELF")
"""First bytes of documents, pictures, archives and programs."""


def decode(data: bytes, *, encoding: str | None) -> tuple[str, str]:
    """The text and the name of its encoding: by its BOM, else UTF-16 by its NULs, else strict UTF-8, else Windows-1252.

    Args:
        data: The file.
        encoding: One of ``ENCODINGS`` to overrule what the content says.

    Returns:
        Encoding and text, without BOM.

    Raises:
        Invalid: ``CSV_ENCODING_UNKNOWN``, ``CSV_UNREADABLE`` or ``CSV_NUL``.
    """
    if encoding is not None and encoding not in ENCODINGS:
        raise refusal("Choose UTF-8, UTF-16 or Windows-1252 as the encoding.", code="CSV_ENCODING_UNKNOWN", field="encoding")
    if data.startswith(_NO_TEXT):
        raise _no_table()
    name, text = (encoding, _decoded(data, encoding)) if encoding else _recognised(data)
    text = text.removeprefix(_BOM).rstrip(_END_OF_FILE)
    if "\0" in text:
        raise refusal(
            "This file has NUL characters in it, so it is no table of text. Export it as CSV or .xlsx and upload that.",
            code="CSV_NUL",
        )
    if _MARKUP.match(text[:_MARKUP_WITHIN]):
        raise _no_table()
    return name, text


def _no_table() -> Invalid:
    sentence = "This is a document, a picture or a web page, not a table, whatever its name says. Save it as CSV or .xlsx, and upload that."
    return refusal(sentence, code="CSV_UNREADABLE")


def _recognised(data: bytes) -> tuple[str, str]:
    if data.startswith(codecs.BOM_UTF8):
        return "utf-8", _decoded(data, "utf-8")
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or _utf_16_without_bom(data):
        return "utf-16", _decoded(data, "utf-16")
    try:
        return "utf-8", data.decode("utf-8")
    except UnicodeDecodeError:
        return "windows-1252", _decoded(data, "windows-1252")


def _decoded(data: bytes, encoding: str) -> str:
    codec = encoding
    if encoding == "utf-16" and not data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        codec = _utf_16_without_bom(data) or "utf-16-le"
    try:
        return data.decode(codec)
    except UnicodeDecodeError:
        raise refusal(
            f"This file can't be read as {ENCODINGS[encoding]}. Export it again as CSV in UTF-8, or as .xlsx.",
            code="CSV_UNREADABLE",
        ) from None


def _utf_16_without_bom(data: bytes) -> str | None:
    """UTF-16 shows by NULs at every other place: mostly Latin letters, always the delimiters and line ends."""
    sample = data[:_SAMPLE_BYTES]
    pairs = len(sample) // 2
    even, odd = sample[::2].count(0), sample[1::2].count(0)
    if odd * 4 > pairs and even * 20 <= pairs:
        return "utf-16-le"
    if even * 4 > pairs and odd * 20 <= pairs:
        return "utf-16-be"
    return None
