"""WeasyPrint set up for speed: fonts and stylesheet loaded once, a small user-agent sheet, no collector meanwhile."""

import gc
import hashlib
import re
import threading
from collections.abc import Sequence
from importlib.resources import files
from io import BytesIO
from pathlib import Path
from urllib.parse import unquote, urlsplit
from xml.etree.ElementTree import ParseError, XMLParser

import cssselect2
import pydyf
import structlog
from weasyprint import CSS, HTML
from weasyprint import Attachment as Embedded
from weasyprint.css import ColorProfile
from weasyprint.document import Document
from weasyprint.text.ffi import fontconfig
from weasyprint.text.fonts import FontConfiguration
from weasyprint.urls import FatalURLFetchingError, URLFetcher, URLFetcherResponse

from portal.gateways.pdf import DataFile, PdfFailed
from portal.gateways.rendering import TEMPLATES
from portal.memory import without_collector

log = structlog.get_logger()

FOLDER = TEMPLATES / "pdf"
VARIANT = "pdf/a-3a"
_BASE_URL = f"{FOLDER.as_uri()}/"
_EVERY_FONT = '<html lang="en"><head><title>Warm</title></head><body><p>Aa 01 ₹ क <b>Bb 01 ₹ क</b></p></body></html>'
_RUPEE = "₹"
_INSTALL = "Install the packages of DejaVu and Lohit Devanagari."
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class Typesetter:
    """Makes PDFs, one at a time: WeasyPrint's font configuration isn't to be shared between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._fonts = FontConfiguration()
        self._has_fonts = bool(fontconfig.FcConfigGetFonts(self._fonts._config, fontconfig.FcSetSystem).nfont)  # noqa: SLF001 - no other way
        self._fetcher = _Fetcher()
        self._profile = (files("weasyprint.pdf") / "sRGB2014.icc").read_bytes()
        self._stylesheet = self._parse(FOLDER / "document.css")
        self._elements = self._parse(FOLDER / "elements.css")

    def set(self, html: str, *, title: str, identifier: str = "", data: Sequence[DataFile] = (), metadata: Sequence[bytes] = ()) -> bytes:
        """See ``portal.gateways.pdf.render_pdf``."""
        if not self._has_fonts:  # Pango would end the process
            raise PdfFailed(f"{title} wasn't made: this machine has no fonts. {_INSTALL}")
        with self._lock, without_collector():
            made = self._made(html, title=title, identifier=identifier, data=data, metadata=metadata)
            gc.collect(0)  # all of the document is garbage of the youngest generation: 8 ms, and the memory stays what it is
        return made

    def _made(self, html: str, *, title: str, identifier: str, data: Sequence[DataFile], metadata: Sequence[bytes]) -> bytes:
        try:
            document = _Source(html, fetcher=self._fetcher, elements=self._elements).render(
                font_config=self._fonts, stylesheets=[self._stylesheet], color_profiles=self._colours(), pdf_variant=VARIANT
            )
        except FatalURLFetchingError as error:
            raise PdfFailed(f"{title} wasn't made: {error.__cause__}") from error
        except ParseError as error:
            raise PdfFailed(f"{title} wasn't made: its template isn't well-formed ({error})") from error
        document.metadata.title = title
        document.metadata.attachments = [_embedded(file) for file in data]
        document.metadata.xmp_metadata = list(metadata)
        known_by = identifier or _digest(title, html, *(file.content for file in data), *metadata)
        made = document.write_pdf(pdf_variant=VARIANT, output_intent="", pdf_identifier=known_by.encode(), finisher=_write_once)
        _check_fonts(document, title=title)
        return bytes(made)

    def warm(self) -> None:
        """See ``portal.gateways.pdf.warm``."""
        self.set(_EVERY_FONT, title="Warm")

    def _colours(self) -> dict[str, ColorProfile]:
        """WeasyPrint's own profile; it would open the file anew for each document, and never close it."""
        return {"srgb": ColorProfile(BytesIO(self._profile), "sRGB2014.icc", "relative-colorimetric", (["r"], ["g"], ["b"]))}

    def _parse(self, path: Path) -> CSS:
        return CSS(filename=path, font_config=self._fonts, url_fetcher=self._fetcher)


class _Source(HTML):  # type: ignore[misc] # WeasyPrint publishes no types
    """HTML read by Python's parser in C, and with our own sheet in place of WeasyPrint's: a quarter of the rules.

    WeasyPrint's parser mends what browsers mend, in Python, which costs a tenth of the time; our templates are well-formed.
    """

    def __init__(self, html: str, *, fetcher: "_Fetcher", elements: CSS) -> None:
        parser = XMLParser()  # noqa: S314 - our own templates, in which everything else is escaped: there can't be an entity
        parser.feed(_NOT_XML.sub("\N{REPLACEMENT CHARACTER}", html.lstrip()))
        self.wrapper_element = cssselect2.ElementWrapper.from_html_root(parser.close(), content_language=None)
        self.etree_element = self.wrapper_element.etree_element
        self.base_url = _BASE_URL
        self.url_fetcher = fetcher
        self.media_type = "print"
        self._elements = elements

    def _ua_stylesheets(self, forms: bool = False) -> list[CSS]:  # noqa: ARG002, FBT001, FBT002 - WeasyPrint's own signature
        return [self._elements]


def _embedded(file: DataFile) -> Embedded:
    return Embedded(
        string=file.content,
        name=file.name,
        description=file.description,
        relationship=file.relationship,
        created=file.at,
        modified=file.at,
    )


def _digest(*parts: str | bytes) -> str:
    found = hashlib.sha256()
    for part in parts:
        content = part.encode() if isinstance(part, str) else part
        found.update(len(content).to_bytes(8, "big") + content)
    return found.hexdigest()[:32]


def _check_fonts(document: Document, *, title: str) -> None:
    """Refuses a document of money without rupee signs; any other character that no font has is shown as a box."""
    missing = {chr(codepoint) for font in document.fonts.values() for codepoint in font.missing}
    if _RUPEE in missing:
        raise PdfFailed(f"{title} wasn't made: no font of this machine has {_RUPEE}. {_INSTALL}")
    if missing:
        log.warning("pdf.characters_missing", title=title, characters="".join(sorted(missing))[:100])


class _Written(pydyf.Object):  # type: ignore[misc] # pydyf publishes no types
    """An object of the file, put into bytes once: pydyf asks for them twice, the second time for the sum that the identifier has."""

    data = b""
    compressible = False

    def __init__(self, other: pydyf.Object) -> None:
        super().__init__()
        self.number, self.generation, self.free = other.number, other.generation, other.free
        self.compressible = other.compressible
        self.data = other.data if other.free != "f" else b""


def _write_once(_document: object, pdf: pydyf.PDF) -> None:
    pdf.objects = [_Written(one) for one in pdf.objects]


class _Fetcher(URLFetcher):  # type: ignore[misc] # WeasyPrint publishes no types
    """Gives ``data:`` addresses and files of ``templates/pdf``; anything else ends the rendering.

    What people type is printed on documents, so nothing on a document may reach the network or another file.
    """

    def __init__(self) -> None:
        super().__init__(allowed_protocols={"data", "file"}, allow_redirects=False, fail_on_errors=True)

    def fetch(self, url: str, headers: dict[str, str] | None = None) -> URLFetcherResponse:
        parts = urlsplit(url)
        if parts.scheme == "data":
            return super().fetch(url, headers)
        path = Path(unquote(parts.path)).resolve()
        if parts.scheme != "file" or parts.netloc or not path.is_relative_to(FOLDER):
            raise ValueError(f"{url[:200]} may not be fetched")
        return super().fetch(path.as_uri(), headers)
