"""Uploaded pictures: what is taken is encoded anew, and everything else gets one sentence."""

import io
import struct
import subprocess
import sys
import zlib
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from portal.errors import DomainError, Invalid, TooLarge
from portal.orgs.rules.images import MAX_BYTES, Picture, Slot, picture_from

BLUE = Image.new("RGB", (800, 300), "#1f5fd6")


def saved(image: Image.Image, kind: str, **options) -> bytes:
    held = io.BytesIO()
    image.save(held, kind, **options)
    return held.getvalue()


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_of(width: int, height: int, *more: bytes) -> bytes:
    """A PNG whose head claims a size; its pixels are another matter."""
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(more) + chunk(b"IDAT", zlib.compress(b"\0" * 1000)) + chunk(b"IEND", b"")


def reopened(picture: Picture) -> Image.Image:
    return Image.open(io.BytesIO(picture.content))


@pytest.mark.parametrize(
    ("image", "kind", "file_name"),
    [
        (BLUE, "PNG", "logo.png"),
        (BLUE, "JPEG", "LOGO.JPG"),
        (BLUE, "JPEG", "logo.jpeg"),
        (BLUE, "WEBP", "logo.webp"),
        (BLUE.convert("P"), "PNG", "palette.png"),
        (BLUE.convert("L"), "PNG", "grey.png"),
        (BLUE.convert("CMYK"), "JPEG", "print.jpg"),
        (Image.new("LA", (800, 300)), "PNG", "grey-alpha.png"),
        (Image.new("I;16", (800, 300), 30_000), "PNG", "deep.png"),
        (BLUE, "PNG", "no-suffix"),
    ],
)
def test_a_logo_becomes_a_png_that_fits_its_box(image, kind, file_name):
    picture = picture_from(saved(image, kind), file_name=file_name, slot=Slot.LOGO)
    again = reopened(picture)
    assert (again.format, again.size, picture.suffix) == ("PNG", (512, 192), "png")
    assert again.mode in {"RGB", "RGBA"}
    assert picture.file_name(Slot.LOGO).startswith("logo-")


def test_an_opaque_banner_becomes_a_jpeg_and_a_clear_one_stays_clear():
    assert reopened(picture_from(saved(BLUE, "PNG"), file_name="a.png", slot=Slot.BANNER)).format == "JPEG"
    clear = picture_from(saved(Image.new("RGBA", (800, 300), (0, 0, 0, 0)), "PNG"), file_name="a.png", slot=Slot.BANNER)
    assert reopened(clear).getpixel((5, 5)) == (0, 0, 0, 0)


def test_a_small_picture_is_not_scaled_up():
    assert picture_from(saved(Image.new("RGB", (20, 10)), "PNG"), file_name="a.png", slot=Slot.LOGO).width == 20


def test_the_same_input_gives_the_same_bytes_and_name():
    one, other = (picture_from(saved(BLUE, "PNG"), file_name="a.png", slot=Slot.LOGO) for _time in range(2))
    assert one.file_name(Slot.LOGO) == other.file_name(Slot.LOGO)


def test_what_a_camera_notes_is_gone_and_the_picture_stands_upright():
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    exif[0x010F] = "a camera"
    exif.get_ifd(0x8825)[2] = (12.0, 58.0, 0.0)  # where it was taken
    picture = picture_from(saved(BLUE, "JPEG", exif=exif), file_name="a.jpg", slot=Slot.BANNER)
    again = reopened(picture)
    assert again.height > again.width
    assert not again.getexif()
    assert b"camera" not in picture.content


def test_texts_inside_a_png_are_gone():
    notes = PngInfo()
    notes.add_text("Comment", "made by Asha at home")
    picture = picture_from(saved(BLUE, "PNG", pnginfo=notes), file_name="a.png", slot=Slot.LOGO)
    assert b"Asha" not in picture.content


def test_of_an_animation_the_first_picture_is_kept():
    frames = saved(BLUE, "WEBP", save_all=True, append_images=[Image.new("RGB", (800, 300), "red")])
    again = reopened(picture_from(frames, file_name="a.webp", slot=Slot.LOGO))
    assert getattr(again, "n_frames", 1) == 1
    assert again.convert("RGB").getpixel((10, 10))[2] > 150


NASTY = {
    "empty": (b"", "a.png", "empty"),
    "svg": (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "a.svg", "no PNG"),
    "svg called png": (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "a.png", "no PNG"),
    "html": (b"<!doctype html><title>x</title>", "a.png", "no PNG"),
    "pdf": (b"%PDF-1.7\n", "a.png", "no PNG"),
    "zip": (b"PK\x03\x04" + b"\0" * 40, "a.png", "no PNG"),
    "gif": (saved(BLUE, "GIF"), "a.png", "no PNG"),
    "bmp": (saved(Image.new("RGB", (20, 20)), "BMP"), "a.jpg", "no PNG"),
    "tiff": (saved(Image.new("RGB", (20, 20)), "TIFF"), "a.png", "no PNG"),
    "jpeg called png": (saved(BLUE, "JPEG"), "a.png", "called .png"),
    "png called webp": (saved(BLUE, "PNG"), "a.webp", "called .webp"),
    "png called svg": (saved(BLUE, "PNG"), "a.svg", "called .svg"),
    "png with a zip behind it": (saved(BLUE, "PNG") + b"PK\x03\x04\x14" * 9, "a.png", "something else"),
    "jpeg with html behind it": (saved(BLUE, "JPEG") + b"<html></html>", "a.jpg", "something else"),
    "webp with a script behind it": (saved(BLUE, "WEBP") + b"<script>1</script>", "a.webp", "something else"),
    "a script in a comment": (saved(BLUE, "JPEG", comment=b"<script>alert(1)</script>"), "a.jpg", "something else"),
    "cut off": (saved(BLUE, "PNG")[:200], "a.png", "damaged"),
    "cut off jpeg": (saved(BLUE, "JPEG")[:700], "a.jpg", "damaged|something else"),
    "wrong checksum": (saved(BLUE, "PNG")[:60] + b"\xff" + saved(BLUE, "PNG")[61:], "a.png", "damaged"),
    "20 000 pixels a side": (png_of(20_000, 20_000), "a.png", "16 megapixels"),
    "17 megapixels": (png_of(4_000, 4_300), "a.png", "4,000 × 4,300 pixels"),
    "a very long one": (saved(Image.new("RGB", (10, 4_000)), "PNG"), "a.png", "much too long"),
    "a text bomb": (png_of(10, 10, chunk(b"zTXt", b"a\0\0" + zlib.compress(b"x" * 90_000_000))), "a.png", "damaged"),
}


@pytest.mark.parametrize("name", NASTY)
def test_whatever_is_no_plain_picture_is_refused_with_one_sentence(name):
    content, file_name, words = NASTY[name]
    with pytest.raises(Invalid, match=words) as refused:
        picture_from(content, file_name=file_name, slot=Slot.LOGO)
    assert refused.value.code == "IMAGE_REFUSED"


def test_more_than_two_megabytes_are_too_large():
    with pytest.raises(TooLarge) as refused:
        picture_from(b"\0" * (MAX_BYTES + 1), file_name="a.png", slot=Slot.LOGO)
    assert refused.value.code == "IMAGE_TOO_LARGE"


def test_a_picture_of_20_000_pixels_a_side_costs_no_memory():
    script = (
        "import resource, sys\n"
        "from portal.errors import Invalid\n"
        "from portal.orgs.rules.images import Slot, picture_from\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "try:\n"
        "    picture_from(sys.stdin.buffer.read(), file_name='a.png', slot=Slot.LOGO)\n"
        "except Invalid:\n"
        "    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], input=png_of(20_000, 20_000), capture_output=True, check=True)
    assert int(done.stdout) < 20_000, "kilobytes"


SOUND = [saved(Image.effect_noise((40, 30), 40).convert("RGB"), kind) for kind in ("PNG", "JPEG", "WEBP")]


def with_byte(at: int, byte: int) -> bytes:
    content = bytearray(SOUND[at % len(SOUND)])
    content[at % len(content)] = byte
    return bytes(content)


@given(st.binary(max_size=300) | st.builds(with_byte, st.integers(0, 10_000), st.integers(0, 255)))
def test_any_bytes_give_a_picture_or_a_refusal(content):
    for file_name in ("a.png", "a.jpg", "a.webp", ""):
        with suppress(DomainError):
            picture = picture_from(content, file_name=file_name, slot=Slot.LOGO)
            assert reopened(picture).size == (picture.width, picture.height)
