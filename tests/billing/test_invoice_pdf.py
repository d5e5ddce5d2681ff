import gc
import hashlib
import io
import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest
from fontTools.ttLib import TTFont
from pypdf import PdfReader

from portal.billing.rules import Place
from portal.gateways.pdf import PdfFailed, render_pdf
from portal.gateways.rendering import qr_code
from tests.support import paper
from tests.support.paper import NUMBER

LINES_OF_A_LONG_ONE = 200


def _text(pdf):
    run = subprocess.run(["pdftotext", "-layout", "-", "-"], input=pdf, capture_output=True, check=True)
    return run.stdout.decode()


def _words(pdf):
    return " ".join(_text(pdf).split())


@pytest.fixture(scope="module")
def long_pdf():
    return paper.pdf(paper.document(lines=[paper.line(number) for number in range(1, LINES_OF_A_LONG_ONE + 1)]))


def test_every_particular_of_rule_46_is_printed():
    words = _words(paper.pdf(paper.document()))
    for particular in (
        "Tax invoice", NUMBER, "Original for recipient", "01 Dec 2026", "31 Dec 2026", "01 Nov 2026 to 30 Nov 2026",
        "Prism Forum Private Limited", "4th Floor, 12 Residency Road", "29AAGCP4321K1Z8",
        "Acme Learning Private Limited", "801 Palm Court", "29AAPFU0939F1ZR", "Karnataka (29)", "29 Karnataka",
        "PO-7781",
        "Consultation: Career planning", "Ananya Rao with Dr. Rohan Mehta", "02 Nov 2026", "999293", "1,000.01",
        "CGST 9%", "SGST 9%", "₹90.00", "₹1,180.01", "Rupees One Thousand One Hundred Eighty and One Paisa Only",
        "Reverse charge No", "Payment is due within 30 days.", "Account 000123456789", "IFSC EXMP0000001", "Pay by UPI",
        "Payment status", "Due", "₹1,180.01 is due by 31 Dec 2026.", "Digitally generated", "Page 1 of 1",
    ):  # fmt: skip
        assert particular in words
    assert "IGST" not in words


@pytest.mark.parametrize(
    ("place", "printed", "absent"),
    [
        (Place(supplier_state="29", buyer_state="27"), "IGST 18%", "CGST"),
        (
            Place(supplier_state="29", buyer_state="27", is_sez=True),
            "Supply meant for SEZ unit for authorised operations on payment of integrated tax",
            "CGST",
        ),
        (
            Place(supplier_state="29", buyer_state=None, buyer_country="US"),
            "without payment of integrated tax (LUT AD2903260001234)",
            "CGST",
        ),
        (Place(supplier_state="38", buyer_state="38"), "UTGST 9%", "IGST"),
    ],
)
def test_other_places_have_other_heads(place, printed, absent):
    words = _words(paper.pdf(paper.document(place=place)))
    assert printed in words
    assert absent not in words
    assert place.place_of_supply in words


def test_a_buyer_abroad_has_a_country():
    abroad = Place(supplier_state="29", buyer_state=None, buyer_country="US")
    recipient = paper.recipient(gstin="", state_code="", state_name="", country="US")
    assert "United States" in _words(paper.pdf(paper.document(place=abroad, recipient=recipient)))


def test_applied_credit_lowers_what_is_to_be_paid():
    words = _words(paper.pdf(paper.document(credit_applied=18_001), credited=18_001))
    assert "Credit applied \N{MINUS SIGN}₹180.01" in words
    assert "To pay ₹1,000.00" in words
    assert "₹1,000.00 is due by" in words


def test_two_hundred_lines_are_all_there_once_on_pages_with_heads(long_pdf):
    text = _text(long_pdf)
    pages = text.split("\f")[:-1]
    for number in range(1, LINES_OF_A_LONG_ONE + 1):
        assert text.count(f"1,00{number // 100}.{number % 100:02d}\n") == 1
    for at, page in enumerate(pages, start=1):
        assert f"Page {at} of {len(pages)}" in page
        assert ("Taxable value ₹" in page) == ("Dr. Rohan Mehta" in page)
    assert len(pages) == 8


def test_a_document_is_tagged_and_says_its_title_and_language(long_pdf):
    reader = PdfReader(io.BytesIO(long_pdf))
    catalog = reader.trailer["/Root"]
    assert catalog["/MarkInfo"]["/Marked"] == True  # noqa: E712 - pypdf's own boolean
    assert catalog["/Lang"] == "en-IN"
    assert catalog["/ViewerPreferences"]["/DisplayDocTitle"] == True  # noqa: E712 - pypdf's own boolean
    assert reader.metadata.title == f"Invoice {NUMBER}"
    assert "/Metadata" not in catalog or b"pdfuaid" not in catalog["/Metadata"].get_data(), "what nothing here checks isn't claimed"
    roles = _roles(catalog["/StructTreeRoot"])
    assert roles["/H1"] == 1
    assert roles["/TR"] > LINES_OF_A_LONG_ONE
    assert roles["/TH"] >= 7
    assert roles["/Figure"] == roles["figures described"] == 1


def _roles(root):
    found = {"figures described": 0}
    waiting = [root]
    while waiting:
        node = waiting.pop().get_object()
        if not hasattr(node, "get"):
            continue
        role = node.get("/S")
        found[role] = found.get(role, 0) + 1
        found["figures described"] += role == "/Figure" and bool(node.get("/Alt"))
        kids = node.get("/K", [])
        waiting.extend(kid for kid in (kids if isinstance(kids, list) else [kids]) if not isinstance(kid, int))
    return found


def test_rupees_and_devanagari_are_embedded_and_can_be_searched():
    line = paper.line(1, description="परामर्श: करियर योजना")
    pdf = paper.pdf(paper.document(lines=[line], recipient=paper.recipient(name="भारतीय शिक्षा प्रतिष्ठान")))
    fonts = subprocess.run(["pdffonts", "-"], input=pdf, capture_output=True, check=True).stdout.decode().splitlines()[2:]
    names = " ".join(fonts)
    assert "DejaVu-Sans" in names
    assert "Lohit-Devanagari" in names
    for font in fonts:
        embedded, subset, to_unicode = font.split()[-5:-2]
        assert (embedded, subset, to_unicode) == ("yes", "yes", "yes")
    words = _words(pdf)
    assert "योजना" in words
    assert "₹1,180.01" in words


def test_long_names_stay_on_the_page():
    name = "The Incorporated Society for the Advancement of Extraordinarily Long Organization Names " * 2
    lines = [paper.line(1, detail="x" * 400)]
    pdf = paper.pdf(paper.document(lines=lines, recipient=paper.recipient(name=name.strip())))
    words = _words(pdf)
    assert words.count("Advancement") >= 2
    assert words.count("x") >= 400
    boxes = subprocess.run(["pdftotext", "-bbox", "-", "-"], input=pdf, capture_output=True, check=True).stdout.decode()
    rights = [float(part.split('"')[1]) for part in boxes.split("xMax=")[1:]]
    assert max(rights) < 595.3


def test_a_name_of_ten_thousand_characters_is_printed_and_the_document_comes():
    name = "".join(f"{number:05d}-" for number in range(1667))[:10_000]
    made = paper.pdf(paper.document(recipient=paper.recipient(name=name), lines=[paper.line(1, detail=name)]))
    text = "".join(_text(made).split())
    assert text.count("01665") >= 2, "to its end, in the head and in the line"
    assert NUMBER in text
    assert f"Page{len(PdfReader(io.BytesIO(made)).pages)}of" in text
    boxes = subprocess.run(["pdftotext", "-bbox", "-", "-"], input=made, capture_output=True, check=True).stdout.decode()
    assert max(float(part.split('"')[1]) for part in boxes.split("xMax=")[1:]) < 595.3


def test_what_no_font_has_is_a_box_and_the_document_comes():
    words = _words(paper.pdf(paper.document(recipient=paper.recipient(name="Acme 𐎠 Ltd \x0b\x00"))))
    assert "Acme" in words
    assert "₹1,180.01" in words


@pytest.mark.parametrize("file", ["none", "lohit"])
def test_without_a_font_that_has_the_rupee_there_is_one_clear_error(tmp_path, file):
    listed = subprocess.run(["fc-list", "Lohit Devanagari", "file"], capture_output=True, check=True, text=True).stdout.strip().rstrip(":")
    folder = tmp_path / "fonts"
    folder.mkdir()
    if file == "lohit":
        (folder / "latin.ttf").symlink_to(_without_rupee(Path(listed.splitlines()[0].rstrip(":")), tmp_path / "made.ttf"))
    (tmp_path / "fonts.conf").write_text(f"<fontconfig><dir>{folder}</dir><cachedir>{tmp_path}/cache</cachedir></fontconfig>")
    program = (
        "from portal.gateways import pdf\n"
        "try: pdf.render_pdf('<html lang=\"en\"><body><p>₹ 1</p></body></html>', title='Invoice 1')\n"
        "except pdf.PdfFailed as failed: print(failed)"
    )
    environment = {**os.environ, "FONTCONFIG_FILE": str(tmp_path / "fonts.conf")}
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, text=True, env=environment)
    assert "Invoice 1 wasn't made: " in run.stdout
    assert "DejaVu" in run.stdout


def _without_rupee(font, made):
    opened = TTFont(font)
    for table in opened["cmap"].tables:
        table.cmap.pop(0x20B9, None)
    opened.save(made)
    return made


def test_what_people_type_is_printed_and_never_run():
    nasty = '<img src="https://evil.example/x.png"> <b>Acme & Söhne</b>'
    words = _words(paper.pdf(paper.document(lines=[paper.line(1, description=nasty)], recipient=paper.recipient(name=nasty))))
    assert '<img src="https://evil.example/x.png">' in words
    assert "<b>Acme & Söhne</b>" in words


@pytest.mark.parametrize(
    "address",
    [
        "https://example.com/x.png",
        "http://127.0.0.1/x.png",
        "file:///etc/hostname",
        "../layouts/app.html",
        "//host/x",
        "ftp://x/y",
    ],
)
def test_nothing_outside_the_folder_is_fetched(address):
    with pytest.raises(PdfFailed, match="may not be fetched"):
        render_pdf(f'<html lang="en"><p><img src="{address}" alt="x"/></p></html>', title="x")


def test_a_picture_of_our_own_is_fetched():
    html = f'<html lang="en"><p><img src="{qr_code("x")}" alt="x"/><img src="mark.svg" alt="y"/></p></html>'
    assert render_pdf(html, title="x").startswith(b"%PDF-1.7")


def test_weasyprint_has_nothing_to_complain_of(caplog):
    with caplog.at_level(logging.WARNING, logger="weasyprint"):
        paper.pdf(paper.document())
    assert caplog.records == []


def test_the_collector_is_as_it_was():
    assert gc.isenabled()
    gc.disable()
    try:
        paper.pdf(paper.document())
        assert not gc.isenabled()
    finally:
        gc.enable()
    paper.pdf(paper.document())
    assert gc.isenabled()


def test_the_same_document_gives_the_same_bytes_in_another_process_too(tmp_path):
    html = paper.html(paper.document())
    (tmp_path / "invoice.html").write_text(html)
    program = (
        "import hashlib, pathlib, sys; from portal.gateways.pdf import render_pdf; "
        "print(hashlib.sha256(render_pdf(pathlib.Path(sys.argv[1]).read_text(), title='x')).hexdigest())"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "invoice.html")]
    there = subprocess.run(command, capture_output=True, check=True, text=True).stdout.strip()
    here = [render_pdf(html, title="x") for _ in range(2)]
    assert here[0] == here[1]
    assert hashlib.sha256(here[0]).hexdigest() == there
    assert render_pdf(html, title="y") != here[0]
