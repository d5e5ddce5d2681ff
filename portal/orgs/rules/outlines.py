"""What an image file's own structure says, read without decoding a pixel: its kind, its sides, and where it ends."""

import re
import struct
import zlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

MOST_PARTS = 4_000
"""How many chunks or segments a file may have; programs write a few hundred in 2 MB, and Pillow takes ever longer for each."""
MOST_COPIES = 8
"""How many smaller copies behind a JPEG are passed over; phones write one to three."""
_MISBUILT = "It isn’t built as its format prescribes."
_PNG_HEAD = b"\x89PNG\r\n\x1a\n"
_JPEG_HEAD = b"\xff\xd8\xff"
_MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]", re.DOTALL)
"""What ends the coded pixels of a JPEG scan: any marker but the stuffed zero and the restarts (ITU-T T.81, B.1.1.2)."""
_FILL = re.compile(rb"\xff+")
_NEXT_JPEG = re.compile(rb"\0*(?=\xff\xd8\xff)")
_EOI, _SOS = 0xD9, 0xDA
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_DEPTH_AT = 24
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
"""PNG colour type → samples a pixel (PNG, 11.2.1)."""


@dataclass(frozen=True, slots=True)
class Outline:
    """What a file's structure says before anything is decoded: the sides in pixels, and where the picture's own bytes end."""

    kind: str
    width: int
    height: int
    end: int
    scans: int = 1


def outline_of(content: bytes) -> Outline | None:
    """Walks a PNG, JPEG or WebP as its format prescribes; ``None`` where it is none of them.

    Raises:
        ValueError: It ends too early, or isn't built like that.
    """
    try:
        if content.startswith(_PNG_HEAD):
            return _outline_of_png(content)
        if content.startswith(_JPEG_HEAD):
            return _outline_of_jpeg(content)
        if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
            return _outline_of_webp(content)
    except (struct.error, IndexError):
        raise ValueError("It ends too early.") from None
    return None


def _png_chunks(content: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Each chunk's kind, where its data starts and where they end, up to and with ``IEND``."""
    at, kind = len(_PNG_HEAD), b""
    for _ in range(MOST_PARTS):
        length, kind = struct.unpack_from(">I4s", content, at)
        yield kind, at + 8, at + 8 + length
        at += length + 12
        if kind == b"IEND":
            return
    raise ValueError(_MISBUILT)


def _outline_of_png(content: bytes) -> Outline:
    width, height = struct.unpack_from(">II", content, len(_PNG_HEAD) + 8)
    chunks = list(_png_chunks(content))
    end = chunks[-1][2] + 4
    heads = [place for place, (kind, _, _) in enumerate(chunks) if kind == b"IHDR"]
    if heads != [0] or end > len(content):
        raise ValueError(_MISBUILT)
    return Outline("PNG", width, height, end=end)


def holds_too_much(content: bytes, outline: Outline) -> bool:
    """Whether a PNG's pixel chunks unpack to more than its pixels: a bomb, or something hidden behind them."""
    depth, color = content[_DEPTH_AT], content[_DEPTH_AT + 1]
    row = (outline.width * depth * _CHANNELS.get(color, 0) + 7) // 8
    room = outline.height * (row + 4) + 16  # an interlaced picture has more rows, and a byte before each
    unpacker = zlib.decompressobj()
    with suppress(zlib.error):  # Pillow has read the pixels: what is broken behind them is no bomb
        for kind, start, stop in _png_chunks(content):
            packed = content[start:stop] if kind == b"IDAT" else b""
            while packed and not unpacker.eof and room >= 0:
                room -= len(unpacker.decompress(packed, 1 << 16))
                packed = unpacker.unconsumed_tail
    return room < 0


def _outline_of_jpeg(content: bytes) -> Outline:
    """Phones put smaller copies behind a picture (CIPA DC-007, MPF): where it announces them they are its own, and left out."""
    first = _walk_jpeg(content, 0)
    end = first.end
    if b"MPF\0" in content[: first.end]:
        for _ in range(MOST_COPIES):
            following = _NEXT_JPEG.match(content, end)
            if following is None:
                break
            end = _walk_jpeg(content, following.end()).end
    return Outline("JPEG", first.width, first.height, end=end, scans=first.scans)


def _walk_jpeg(content: bytes, start: int) -> Outline:
    at, width, height, scans = start + 2, 0, 0, 0
    for _ in range(MOST_PARTS):
        marker = _FILL.match(content, at)
        if marker is None:
            raise ValueError(_MISBUILT)
        kind, at = content[marker.end()], marker.end() + 1
        if kind == _EOI:
            return Outline("JPEG", width, height, end=at, scans=scans)
        if kind in _FRAMES:
            height, width = struct.unpack_from(">HH", content, at + 3)
        at += int(struct.unpack_from(">H", content, at)[0])
        if kind == _SOS:
            scans += 1
            following = _MARKER.search(content, at)
            at = following.start() if following else len(content)
    raise ValueError(_MISBUILT)


def _outline_of_webp(content: bytes) -> Outline:
    """The first chunk tells the size: ``VP8X`` of the canvas, ``VP8L`` and ``VP8`` of the only picture (RFC 9649, 2.4-2.7)."""
    length, kind = struct.unpack_from("<I", content, 4)[0], content[12:16]
    end = 8 + int(length) + int(length) % 2
    if end > len(content):
        raise ValueError(_MISBUILT)
    if kind == b"VP8X":
        sides = tuple(1 + int.from_bytes(content[at : at + 3], "little") for at in (24, 27))
    elif kind == b"VP8L":
        packed = int(struct.unpack_from("<I", content, 21)[0])
        sides = (1 + (packed & 0x3FFF), 1 + (packed >> 14 & 0x3FFF))
    else:
        sides = tuple(side & 0x3FFF for side in struct.unpack_from("<HH", content, 26))
    return Outline("WEBP", sides[0], sides[1], end=end)
