"""Uploaded logos and banners: read as untrusted, limited in pixels, and encoded anew, so that only the picture itself is kept."""

import hashlib
import io
import re
import struct
import warnings
from dataclasses import dataclass
from enum import StrEnum
from pathlib import PurePath

from PIL import Image, ImageOps, UnidentifiedImageError

from portal.errors import Invalid, TooLarge

MAX_BYTES = 2 * 1024 * 1024
MAX_PIXELS = 16_000_000
MOST_UNEVEN = 20
"""How many times longer than the other one side may be."""
JPEG_QUALITY = 86

FORMATS = {"PNG": ("png",), "JPEG": ("jpg", "jpeg", "jpe", "jfif"), "WEBP": ("webp",)}
SUFFIXES = {suffix: name for name, suffixes in FORMATS.items() for suffix in suffixes}
_PNG_HEAD = b"\x89PNG\r\n\x1a\n"
_JPEG_END = b"\xff\xd9"
_FOREIGN = re.compile(rb"<script|<svg[\s>]|<!doctype|<html[\s>]|<\?php|%PDF-1", re.IGNORECASE)
_SIDES = struct.Struct(">II")


class Slot(StrEnum):
    """Which picture of an organization."""

    LOGO = "logo"
    BANNER = "banner"

    @property
    def label(self) -> str:
        """The plain name."""
        return self.value.capitalize()

    @property
    def box(self) -> tuple[int, int]:
        """Width and height in pixels that the picture is scaled down to fit into; it is never scaled up."""
        return (512, 512) if self is Slot.LOGO else (1600, 400)


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture as it is kept. ``suffix`` is ``png`` or ``jpg``; the sides are pixels."""

    content: bytes
    suffix: str
    width: int
    height: int

    def file_name(self, slot: Slot) -> str:
        """``logo-<hash>.png``: the first 32 hexadecimal digits of the content's SHA-256, so that a name never changes its content."""
        return f"{slot}-{hashlib.sha256(self.content).hexdigest()[:32]}.{self.suffix}"


def picture_from(content: bytes, *, file_name: str, slot: Slot) -> Picture:
    """Reads an uploaded PNG, JPEG or WebP and encodes it anew: upright, scaled down, without metadata; the same bytes for the same input.

    The size in pixels is read from the file's head and judged before any pixel is decoded. Of an animation the first
    picture is kept.

    Raises:
        TooLarge: ``IMAGE_TOO_LARGE``: it has more than 2 MB.
        Invalid: ``IMAGE_REFUSED``: it is something else, something more, broken, or has too many pixels.
    """
    if len(content) > MAX_BYTES:
        raise TooLarge("The picture is larger than 2 MB. Save it smaller and upload it again.", code="IMAGE_TOO_LARGE")
    if not content:
        raise _refused("The file is empty. Choose another.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(content), formats=tuple(FORMATS)) as image:
                _check(image, content, file_name=file_name)
                return _encoded(image, slot=slot)
    except UnidentifiedImageError:
        raise _refused("This is no PNG, JPEG or WebP picture. Save it as one of these and upload it again.") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning, MemoryError):
        raise _too_many_pixels(0, 0) from None
    except (OSError, SyntaxError, ValueError, TypeError, KeyError, IndexError, struct.error, OverflowError, EOFError, ZeroDivisionError):
        raise _refused("The picture is damaged. Save it anew from the program that made it, and upload it again.") from None


def _check(image: Image.Image, content: bytes, *, file_name: str) -> None:
    found = str(image.format)
    suffix = PurePath(file_name).suffix.lower().lstrip(".")
    if suffix and SUFFIXES.get(suffix) != found:
        raise _refused(
            f"The file is called .{suffix}, but holds a {found.replace('WEBP', 'WebP')}. Save it as what it is called, and try again."
        )
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise _too_many_pixels(width, height)
    if max(width, height) > MOST_UNEVEN * min(width, height):
        raise _refused(f"The picture is {width:,} × {height:,} pixels: much too long for its other side. Cut it and upload it again.")
    if _end(content, found) < len(content.rstrip(b"\0")) or _FOREIGN.search(content):
        raise _refused("The file holds something else beside the picture. Save it anew from a picture program, and upload it again.")


def _end(content: bytes, found: str) -> int:
    """Where the picture's own bytes end; what follows them is none of it."""
    if found == "WEBP":
        return 8 + int(struct.unpack_from("<I", content, 4)[0]) + int(struct.unpack_from("<I", content, 4)[0]) % 2
    if found == "PNG":
        at, kind = len(_PNG_HEAD), b""
        while kind != b"IEND":
            length, kind = int(struct.unpack_from(">I", content, at)[0]), content[at + 4 : at + 8]
            at += length + 12
        return at
    last = content.rfind(_JPEG_END)
    return last + len(_JPEG_END) if last >= 0 else len(content)


def _encoded(image: Image.Image, *, slot: Slot) -> Picture:
    image.draft("RGB", slot.box)  # a JPEG is decoded at a fraction of its size where that is enough
    image.load()
    upright = ImageOps.exif_transpose(image)
    if upright.mode.startswith("I"):  # 16 bits a channel: Pillow cuts instead of scaling
        upright = upright.point(lambda value: value / 256).convert("L")
    is_clear = "A" in upright.getbands() or "transparency" in upright.info
    plain = upright.convert("RGBA" if is_clear else "RGB")
    plain.thumbnail(slot.box, Image.Resampling.LANCZOS)
    bare = Image.new(plain.mode, plain.size)
    bare.paste(plain)
    held = io.BytesIO()
    if slot is Slot.BANNER and not is_clear:
        bare.save(held, "JPEG", quality=JPEG_QUALITY, progressive=True, optimize=True)
        suffix = "jpg"
    else:
        bare.save(held, "PNG", optimize=True)
        suffix = "png"
    return Picture(content=held.getvalue(), suffix=suffix, width=bare.width, height=bare.height)


def _too_many_pixels(width: int, height: int) -> Invalid:
    size = f"is {width:,} × {height:,} pixels" if width else "has too many pixels"
    return _refused(f"The picture {size}, and at most {MAX_PIXELS // 1_000_000} megapixels are taken. Save it smaller and upload it again.")


def _refused(sentence: str) -> Invalid:
    return Invalid(sentence, code="IMAGE_REFUSED", details={"file": [sentence]})
