"""Uploaded pictures: what is taken is encoded anew, and everything else gets one sentence."""

import io
import struct
import subprocess
import sys
import time
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageChops, ImageFile, ImageOps
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


def png_of(width: int, height: int, *more: bytes, pixels: int = 1000) -> bytes:
    """A PNG whose head claims a size; its pixels are another matter."""
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(more) + chunk(b"IDAT", zlib.compress(b"\0" * pixels)) + chunk(b"IEND", b"")


def jpeg_with(segments: bytes) -> bytes:
    plain = saved(BLUE, "JPEG")
    return plain[:2] + segments + plain[2:]


def jpeg_of_scans(count: int) -> bytes:
    """A progressive JPEG whose shortest scan is said over and over: few bytes, and the whole picture's work for each."""
    parts = saved(Image.new("L", (1600, 1600), 128), "JPEG", progressive=True)[:-2].split(b"\xff\xda")
    return b"\xff\xda".join(parts + [min(parts[2:], key=len)] * count) + b"\xff\xd9"


def webp_of(width: int, height: int) -> bytes:
    """A WebP whose canvas claims a size."""
    canvas = b"VP8X" + struct.pack("<II", 10, 0) + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    body = b"WEBP" + canvas + saved(Image.new("RGB", (16, 16)), "WEBP")[12:]
    return b"RIFF" + struct.pack("<I", len(body)) + body


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


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_way_of_holding_the_camera_ends_upright(kind, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    drawn = Image.linear_gradient("L").resize((90, 60)).convert("RGB")
    drawn.paste("red", (0, 0, 20, 10))
    content = saved(drawn, kind, exif=exif)
    upright = ImageOps.exif_transpose(Image.open(io.BytesIO(content))).convert("RGB")
    picture = reopened(picture_from(content, file_name="", slot=Slot.LOGO))
    assert picture.size == upright.size
    assert not ImageChops.difference(picture, upright).getbbox()


def test_a_picture_on_its_side_is_fitted_as_it_will_stand():
    exif = Image.Exif()
    exif[0x0112] = 6
    content = saved(Image.new("RGB", (1000, 4000)), "PNG", exif=exif)
    picture = picture_from(content, file_name="a.png", slot=Slot.BANNER)
    assert (picture.width, picture.height) == (1600, 400)


@pytest.mark.parametrize("note", [b"hello", b"II*\0\x08\0\0\0\x05\0\x12\x01\x02\0\xff\xff\0\0\xff\xff\0\0"])
def test_notes_that_cannot_be_read_spoil_no_picture_and_warn_nobody(note):
    picture = picture_from(saved(BLUE, "JPEG", exif=b"Exif\0\0" + note), file_name="a.jpg", slot=Slot.LOGO)
    assert (picture.width, picture.height) == (512, 192)


def test_an_animation_told_wrong_in_a_png_warns_nobody():
    content = png_of(10, 10, chunk(b"acTL", struct.pack(">II", 0, 0)), pixels=310)
    assert picture_from(content, file_name="a.png", slot=Slot.LOGO).width == 10


def test_a_phone_s_picture_with_smaller_copies_behind_it_is_taken():
    content = saved(BLUE, "MPO", save_all=True, append_images=[Image.new("RGB", (80, 30), "red")])
    again = reopened(picture_from(content, file_name="a.jpg", slot=Slot.LOGO))
    assert again.getpixel((10, 10))[2] > 150


def test_a_clear_channel_that_clears_nothing_is_left_out():
    assert picture_from(saved(BLUE.convert("RGBA"), "PNG"), file_name="a.png", slot=Slot.BANNER).suffix == "jpg"


def test_sixteen_bits_keep_their_brightness():
    content = saved(Image.new("I;16", (8, 8), 30_000), "PNG")
    assert reopened(picture_from(content, file_name="a.png", slot=Slot.LOGO)).getpixel((0, 0)) == (117, 117, 117)


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
    "cut off jpeg": (saved(BLUE, "JPEG")[:700], "a.jpg", "damaged"),
    "wrong checksum": (saved(BLUE, "PNG")[:60] + b"\xff" + saved(BLUE, "PNG")[61:], "a.png", "damaged"),
    "20 000 pixels a side": (png_of(20_000, 20_000), "a.png", "20,000 × 20,000 pixels, and at most 16 megapixels are taken"),
    "17 megapixels": (png_of(4_000, 4_300), "a.png", "4,000 × 4,300 pixels"),
    "a very long one": (saved(Image.new("RGB", (10, 4_000)), "PNG"), "a.png", "much too long"),
    "a canvas of 16,384 a side": (webp_of(16_384, 16_384), "a.webp", "16,384 × 16,384 pixels"),
    "a canvas that its picture doesn't fill": (webp_of(900, 900), "a.webp", "damaged"),
    "jpeg with a zip behind it that ends like one": (saved(BLUE, "JPEG") + b"PK\x03\x04" * 9 + b"\xff\xd9", "a.jpg", "something else"),
    "jpeg with another unannounced": (saved(BLUE, "JPEG") * 2, "a.jpg", "something else"),
    "a newer pdf in a comment": (saved(BLUE, "JPEG", comment=b"%PDF-2.0"), "a.jpg", "something else"),
    "a pixel bomb": (png_of(10, 10, pixels=90_000_000), "a.png", "something else"),
    "two thousand scans": (jpeg_of_scans(2_000), "a.jpg", "too many steps"),
    "notes without end": (jpeg_with(b"\xff\xe1\0\x12Exif\0\0aaaaaaaaaa" * 100_000), "a.jpg", "damaged"),
    "filling without end": (jpeg_with(b"\xff" * 2_000_000 + b"\0"), "a.jpg", "damaged"),
    "a scan of filling": (saved(BLUE, "JPEG")[:-2] + b"\xff" * 2_000_000 + b"\0", "a.jpg", "damaged"),
    "tiny jpegs without end": (jpeg_with(b"\xff\xe2\0\x06MPF\0") + b"\xff\xd8\xff\xd9" * 400_000 + b"x", "a.jpg", "something else"),
    "chunks without end": (png_of(10, 10, chunk(b"prVt", b"") * 160_000), "a.png", "damaged"),
    "two heads": (png_of(10, 10, chunk(b"IHDR", struct.pack(">IIBBBBB", 9, 9, 8, 2, 0, 0, 0))), "a.png", "damaged"),
    "no width": (png_of(0, 10), "a.png", "damaged"),
    "cut off webp": (saved(BLUE, "WEBP")[:-20], "a.webp", "damaged"),
    "a name as long as a page": (saved(BLUE, "PNG"), "a." + "x" * 5_000, "^Its name doesn’t say so, but the file holds a PNG picture"),
    "a colour profile bomb": (png_of(10, 10, chunk(b"iCCP", b"a\0\0" + zlib.compress(b"x" * 90_000_000))), "a.png", "damaged"),
    "a text bomb": (png_of(10, 10, chunk(b"zTXt", b"a\0\0" + zlib.compress(b"x" * 90_000_000))), "a.png", "damaged"),
}


@pytest.mark.parametrize("are_damaged_ones_taken", [False, True], ids=["", "beside WeasyPrint"])
@pytest.mark.parametrize("name", NASTY)
def test_whatever_is_no_plain_picture_is_refused_with_one_sentence(name, are_damaged_ones_taken, monkeypatch):
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", are_damaged_ones_taken)
    content, file_name, words = NASTY[name]
    started = time.process_time()
    with pytest.raises(Invalid, match=words) as refused:
        picture_from(content, file_name=file_name, slot=Slot.LOGO)
    assert time.process_time() - started < 3, "seconds of work for a refusal"
    assert refused.value.code == "IMAGE_REFUSED"
    assert refused.value.details == {"file": [refused.value.message]}
    assert len(refused.value.message) < 200
    assert are_damaged_ones_taken is ImageFile.LOAD_TRUNCATED_IMAGES


def test_threads_leave_the_process_its_warnings():
    before = list(warnings.filters)
    content = saved(BLUE, "PNG")
    with ThreadPoolExecutor(4) as threads:
        made = list(threads.map(lambda _: picture_from(content, file_name="a.png", slot=Slot.LOGO).digest, range(40)))
    assert len(set(made)) == 1
    assert warnings.filters == before


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


NOISE = Image.effect_noise((40, 30), 40)
SOUND = [
    *(saved(NOISE.convert("RGB"), kind) for kind in ("PNG", "JPEG", "WEBP")),
    saved(NOISE.convert("P"), "PNG", transparency=3),
    saved(NOISE.convert("RGB"), "JPEG", progressive=True),
    saved(NOISE.convert("CMYK"), "JPEG"),
    saved(NOISE.convert("RGBA"), "WEBP", lossless=True),
    saved(NOISE.convert("RGB"), "WEBP", save_all=True, append_images=[NOISE.convert("RGB").rotate(180)]),
    saved(NOISE.convert("RGB"), "PNG", save_all=True, append_images=[NOISE.convert("RGB").rotate(180)]),
    saved(NOISE.convert("RGB"), "MPO", save_all=True, append_images=[NOISE.convert("RGB")]),
]


def changed(content: bytes, at: int, removed: int, put: bytes) -> bytes:
    at %= len(content)
    return content[:at] + put + content[at + removed :]


def rechecked(content: bytes) -> bytes:
    """A PNG with the checksums that its chunks ought to have, so that what was changed is read at all."""
    if not content.startswith(b"\x89PNG\r\n\x1a\n"):
        return content
    whole, at = content[:8], 8
    while at + 12 <= len(content):
        length, kind = struct.unpack_from(">I4s", content, at)
        whole += chunk(kind, content[at + 8 : at + 8 + length])
        at += length + 12
    return whole


MUTATED = st.builds(changed, st.sampled_from(SOUND), st.integers(0, 20_000) | st.integers(0, 60), st.integers(0, 9), st.binary(max_size=9))


@given(st.binary(max_size=300) | MUTATED | MUTATED.map(rechecked), st.sampled_from(Slot))
def test_any_bytes_give_a_picture_or_a_refusal(content, slot):
    for file_name in ("a.png", "a.jpg", "a.webp", ""):
        with suppress(DomainError):
            picture = picture_from(content, file_name=file_name, slot=slot)
            assert reopened(picture).size == (picture.width, picture.height)
