"""An organization's logo as documents print it."""

import base64
from io import BytesIO

import structlog
from PIL import Image

from portal.gateways import files

log = structlog.get_logger()

_LARGEST = (640, 240)  # pixels: 42 × 14 mm at 380 dots an inch


def address_of(organization_id: str, logo_file: str | None) -> str:
    """The logo as a ``data:`` address, small enough to print; empty when there is none, or none that can be decoded.

    Raises:
        OSError: The store can't be read now.
    """
    content = files.store().read(f"organizations/{organization_id}/{logo_file}") if logo_file else None
    if content is None:
        return ""
    try:
        return f"data:image/png;base64,{base64.b64encode(_fitted(content)).decode()}"
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:  # what Pillow raises, by the kind of file
        log.warning("documents.logo_undecodable", organization_id=organization_id, file=logo_file, error=str(error)[:200])
        return ""


def _fitted(content: bytes) -> bytes:
    """As PNG without transparency: PDF/A-3 allows it, yet blending it costs every reader time."""
    with Image.open(BytesIO(content)) as opened:
        opened.thumbnail(_LARGEST)
        picture = opened.convert("RGBA")
    paper = Image.new("RGBA", picture.size, "white")
    paper.alpha_composite(picture)
    written = BytesIO()
    paper.convert("RGB").save(written, "PNG", optimize=True)
    return written.getvalue()
