"""HTML → PDF. Loads WeasyPrint (about a second) only when the first document is made or ``warm`` is called."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from importlib.metadata import version
from typing import TYPE_CHECKING, Literal

from portal.gateways.rendering import TEMPLATES

if TYPE_CHECKING:
    from portal.gateways.typesetting import Typesetter

LIBRARIES = ("weasyprint", "pydyf", "factur-x", "segno")


@dataclass(frozen=True, slots=True, kw_only=True)
class DataFile:
    """A file that travels inside a PDF (ISO 19005-3).

    Attributes:
        name: What it is called inside.
        at: When it was made, UTC.
        relationship: What it is to the document: the same in data, or more about it.
    """

    name: str
    content: bytes
    description: str
    at: datetime
    relationship: Literal["Alternative", "Data", "Supplement"]


def render_pdf(html: str, *, title: str, identifier: str = "", data: Sequence[DataFile] = (), metadata: Sequence[bytes] = ()) -> bytes:
    """Sets a document: PDF/A-3a (ISO 19005-3), so A4, fonts embedded, tagged for screen readers. The same input gives the same bytes.

    One at a time in a process: a second caller waits.

    Args:
        html: A whole well-formed document that ``portal.gateways.rendering`` made from ``templates/pdf/``; may name images in
            that folder and ``data:`` addresses, nothing else.
        title: What readers show as the document's name.
        identifier: What the file is to be known by (ASCII letters and digits); made from all of it when none is given.
        data: Files to put inside.
        metadata: Further XMP, each an ``rdf:RDF`` element.

    Raises:
        PdfFailed: It names an image that can't be fetched or isn't allowed, isn't well-formed, or this machine has no font
            with a rupee sign.
    """
    return _typesetter().set(html, title=title, identifier=identifier, data=data, metadata=metadata)


def warm() -> None:
    """Loads WeasyPrint, the fonts and the stylesheet, so that the documents after it take a third of the time.

    A parent process calls this, and ``gc.freeze()``, before it forks workers.
    """
    _typesetter().warm()


def is_whole(content: bytes, identifier: str) -> bool:
    """Whether a file is a whole PDF, and the one that was made with this identifier."""
    return content.startswith(b"%PDF-") and content.rstrip().endswith(b"%%EOF") and identifier.encode() in content


@cache
def template_version() -> str:
    """A name for what turns values into paper: the templates and the libraries that set them. WeasyPrint isn't loaded for it."""
    found = hashlib.sha256()
    for name in LIBRARIES:
        found.update(f"{name} {version(name)}\0".encode())
    for path in sorted((TEMPLATES / "pdf").iterdir()):
        found.update(f"{path.name}\0".encode() + path.read_bytes() + b"\0")
    return found.hexdigest()[:16]


class PdfFailed(Exception):
    """The document wasn't made; the sentence says why."""


@cache
def _typesetter() -> "Typesetter":
    from portal.gateways.typesetting import Typesetter  # noqa: PLC0415 - see the module: most processes make no PDF

    return Typesetter()
