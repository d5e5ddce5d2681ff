"""HTML → PDF. Loads WeasyPrint (about a second) only when the first document is made or ``warm`` is called."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from portal.gateways.typesetting import Typesetter


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


def render_pdf(html: str, *, title: str, data: Sequence[DataFile] = (), metadata: Sequence[bytes] = ()) -> bytes:
    """Sets a document: PDF/A-3a (ISO 19005-3), so A4, fonts embedded, tagged for screen readers. The same input gives the same bytes.

    One at a time in a process: a second caller waits.

    Args:
        html: A whole well-formed document that ``portal.gateways.rendering`` made from ``templates/pdf/``; may name images in
            that folder and ``data:`` addresses, nothing else.
        title: What readers show as the document's name.
        data: Files to put inside.
        metadata: Further XMP, each an ``rdf:RDF`` element.

    Raises:
        PdfFailed: It names an image that can't be fetched or isn't allowed, or isn't well-formed.
    """
    return _typesetter().set(html, title=title, data=data, metadata=metadata)


def warm() -> None:
    """Loads WeasyPrint, the fonts and the stylesheet, so that the documents after it take a third of the time.

    A parent process calls this, and ``gc.freeze()``, before it forks workers.
    """
    _typesetter().warm()


class PdfFailed(Exception):
    """The document wasn't made; it names something that may not be fetched."""


@cache
def _typesetter() -> "Typesetter":
    from portal.gateways.typesetting import Typesetter  # noqa: PLC0415 - see the module: most processes make no PDF

    return Typesetter()
