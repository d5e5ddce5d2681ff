"""Uploaded logos and banners: read as untrusted, limited in pixels, and encoded anew, so that only the picture itself is kept."""

import hashlib
import io
import re
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import PurePath

from PIL import ExifTags, Image, ImageFile

from portal.errors import Invalid, TooLarge
from portal.orgs.rules.outlines import Outline, holds_too_much, outline_of

MAX_BYTES = 2 * 1024 * 1024
MAX_PIXELS = 16_000_000
MOST_UNEVEN = 20
"""How many times longer than the other one side may be."""
MOST_SCANS = 50
"""How often a JPEG may go over its pixels. Programs do it ten times; each costs the whole picture's time, however few its bytes."""
JPEG_QUALITY = 86

SUFFIXES = {"png": "PNG", "jpg": "JPEG", "jpeg": "JPEG", "jpe": "JPEG", "jfif": "JPEG", "webp": "WEBP"}
_LONGEST_SUFFIX = 5
_FOREIGN = re.compile(rb"<script|<svg[\s:>/]|<!doctype|<html[\s>]|<\?php|%PDF-\d", re.IGNORECASE)
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""EXIF orientation → what turns it upright."""
_SIDEWAYS = range(5, 9)
"""EXIF orientations in which the sides change places."""
_ONE_AT_A_TIME = threading.Lock()
"""Filters of warnings belong to the whole process, and a decoded picture to its memory: threads take turns."""


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

    @property
    def digest(self) -> str:
        """The first 32 hexadecimal digits of the content's SHA-256."""
        return hashlib.sha256(self.content).hexdigest()[:32]

    def file_name(self, slot: Slot) -> str:
        """``logo-<digest>.png``, so that a name never changes its content."""
        return f"{slot}-{self.digest}.{self.suffix}"


def picture_from(content: bytes, *, file_name: str, slot: Slot) -> Picture:
    """Reads an uploaded PNG, JPEG or WebP and encodes it anew: upright, scaled down, without metadata; the same bytes for the same input.

    The file is walked and judged before any pixel is decoded. Of an animation the first picture is kept.

    Raises:
        TooLarge: ``IMAGE_TOO_LARGE``: it has more than 2 MB.
        Invalid: ``IMAGE_REFUSED``: it is something else, something more, broken, or has too many pixels.
    """
    if len(content) > MAX_BYTES:
        raise TooLarge("The picture is larger than 2 MB. Save it smaller and upload it again.", code="IMAGE_TOO_LARGE")
    if not content:
        raise _refused("The file is empty. Choose another.")
    try:
        outline = outline_of(content)
    except ValueError:
        raise _damaged() from None
    if outline is None:
        raise _refused("This is no PNG, JPEG or WebP picture. Save it as one of these and upload it again.")
    _check(outline, content, file_name=file_name)
    with _ONE_AT_A_TIME:
        bare = _decoded(content, outline, slot=slot)
        if outline.kind == "PNG" and holds_too_much(content, outline):
            raise _something_else()
        return _encoded(bare, slot=slot)


def _check(outline: Outline, content: bytes, *, file_name: str) -> None:
    suffix = PurePath(file_name).suffix.lower().lstrip(".")
    if suffix and SUFFIXES.get(suffix) != outline.kind:
        name = outline.kind.replace("WEBP", "WebP")
        is_plain = suffix.isalnum() and len(suffix) <= _LONGEST_SUFFIX
        called = f"The file is called .{suffix}, but" if is_plain else "Its name doesn’t say so, but the file"
        raise _refused(f"{called} holds a {name} picture. Give it the name of what it is, or save it anew, and upload it again.")
    width, height = outline.width, outline.height
    size = f"The picture is {width:,} × {height:,} pixels"
    if width * height > MAX_PIXELS:
        raise _refused(f"{size}, and at most {MAX_PIXELS // 1_000_000} megapixels are taken. Save it smaller and upload it again.")
    if not width or not height:
        raise _damaged()
    if max(width, height) > MOST_UNEVEN * min(width, height):
        raise _refused(f"{size}: much too long for its other side. Cut it and upload it again.")
    if content[outline.end :].strip(b"\0") or _FOREIGN.search(content):
        raise _something_else()
    if outline.scans > MOST_SCANS:
        raise _refused("The picture is stored in too many steps to be read in good time. Save it anew as a plain JPEG and upload it again.")


def _decoded(content: bytes, outline: Outline, *, slot: Slot) -> Image.Image:
    """The first picture in RGB or RGBA, upright and scaled down."""
    try:
        with _complete_only(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow warns of notes it can't read; they are dropped anyway
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(content), formats=(outline.kind,)) as image:
                if image.size != (outline.width, outline.height):  # two readers that don't agree: made to fool one of them
                    raise ValueError(image.size)  # noqa: TRY301 - it gets the answer that every other failure here gets
                image.draft("RGB", slot.box)  # a JPEG is decoded at a fraction of its size where that is enough
                image.load()
                return _fitted(image, slot=slot)
    except Exception:  # noqa: BLE001 - decoders fail on hostile bytes with whatever they happen to trip over
        raise _damaged() from None


@contextmanager
def _complete_only() -> Iterator[None]:
    """Pillow's switch for damaged pictures is the process's, and WeasyPrint turns it on when it is imported."""
    before = ImageFile.LOAD_TRUNCATED_IMAGES
    ImageFile.LOAD_TRUNCATED_IMAGES = False
    try:
        yield
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = before


def _fitted(image: Image.Image, *, slot: Slot) -> Image.Image:
    orientation = _orientation(image)
    if image.mode.startswith("I"):  # 16 bits a channel: Pillow cuts instead of scaling
        image = image.point(lambda value: value / 256).convert("L")
    is_keyed = "transparency" in image.info
    mode = "RGBA" if is_keyed or "A" in image.getbands() else "RGB"
    plain = image if image.mode == mode and not is_keyed else image.convert(mode)
    width, height = slot.box
    box = (height, width) if orientation in _SIDEWAYS else (width, height)
    plain.thumbnail(box, Image.Resampling.LANCZOS)  # before turning: less to turn
    if orientation in _TURNS:
        plain = plain.transpose(_TURNS[orientation])
    if plain.mode == "RGBA" and plain.getchannel("A").getextrema() == (255, 255):
        plain = plain.convert("RGB")
    bare = Image.new(plain.mode, plain.size)
    bare.paste(plain)
    return bare


def _orientation(image: Image.Image) -> int:
    """How the camera was held, 1 to 8 (EXIF 2.3, 4.6.4); a picture is none the worse for notes that can't be read."""
    with suppress(Exception):
        return int(image.getexif().get(ExifTags.Base.Orientation, 1))
    return 1


def _encoded(bare: Image.Image, *, slot: Slot) -> Picture:
    held = io.BytesIO()
    if slot is Slot.BANNER and bare.mode == "RGB":
        bare.save(held, "JPEG", quality=JPEG_QUALITY, progressive=True, optimize=True)
        suffix = "jpg"
    else:
        bare.save(held, "PNG", optimize=True)
        suffix = "png"
    return Picture(content=held.getvalue(), suffix=suffix, width=bare.width, height=bare.height)


def _damaged() -> Invalid:
    return _refused("The picture is damaged. Save it anew from the program that made it, and upload it again.")


def _something_else() -> Invalid:
    return _refused("The file holds something else beside the picture. Save it anew from a picture program, and upload it again.")


def _refused(sentence: str) -> Invalid:
    return Invalid(sentence, code="IMAGE_REFUSED", details={"file": [sentence]})
