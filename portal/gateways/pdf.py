"""HTML → PDF. Loads WeasyPrint (about a second) only when the first document is made or ``warm`` is called."""

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from portal.gateways.typesetting import Typesetter


def render_pdf(html: str, *, title: str) -> bytes:
    """Sets a document: A4, fonts embedded, tagged for screen readers. The same HTML gives the same bytes.

    PDF/UA isn't claimed, since nothing here checks it. One at a time in a process: a second caller waits.

    Args:
        html: A whole document that ``portal.gateways.rendering`` made from ``templates/pdf/``; may name images in that
            folder and ``data:`` addresses, nothing else.
        title: What readers show as the document's name.

    Raises:
        PdfFailed: It names an image that can't be fetched or isn't allowed.
    """
    return _typesetter().set(html, title=title)


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
