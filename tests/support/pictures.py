"""``python -m tests.support.pictures``: the pictures of docs/documents.md anew, after a template was changed. Look at them."""

import io
import subprocess
from pathlib import Path

from PIL import Image

from portal.billing.rules.documents import Branding
from portal.gateways.pdf import render_pdf
from tests.support import paper, world

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "pictures"
DOTS = 72
COLORS = 48


def main() -> None:
    """Writes each picture, a page of a document."""
    logo = Branding(recipient_logo=paper.data_address(world.picture(320, 96, color="#0f6b3c")))
    devanagari = paper.line(1, description="परामर्श: करियर योजना", detail="अनन्या राव, डॉ. रोहन मेहता के साथ")
    long = paper.line(2, description="Webinar: " + "Extraordinarily long titles of sessions and what becomes of them " * 2)
    people = paper.recipient(name="भारतीय शिक्षा एवं अनुसंधान प्रतिष्ठान, the Society for the Advancement of Long Organization Names")
    pages = {
        "invoice-1": (paper.html(paper.document(credit_applied=18_001), branding=logo, credited=18_001), 1),
        "invoice-40": (paper.html(_of(40), paid=1_000_000), 2),
        "invoice-200": (paper.html(_of(200)), 8),
        "invoice-names": (paper.html(paper.document(lines=[devanagari, long], recipient=people)), 1),
        "credit-note": (paper.credit_note_html(paper.credit_note(), settled=50_000), 1),
        "statement": (paper.statement_html(paper.statement(entries=8), branding=logo), 1),
    }
    for name, (html, page) in pages.items():
        command = ["pdftoppm", "-r", str(DOTS), "-f", str(page), "-l", str(page), "-png", "-"]
        picture = subprocess.run(command, input=render_pdf(html, title=name), capture_output=True, check=True).stdout
        with Image.open(io.BytesIO(picture)) as opened:
            opened.convert("RGB").quantize(COLORS, dither=Image.Dither.NONE).save(FOLDER / f"{name}.png", optimize=True)


def _of(lines: int) -> paper.InvoiceDocument:
    return paper.document(lines=[paper.line(at) for at in range(1, lines + 1)])


if __name__ == "__main__":
    main()
