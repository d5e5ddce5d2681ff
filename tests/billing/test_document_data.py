"""The data inside documents: Factur-X and INV-01, from the value, valid, and equal to what is printed."""

import json
import subprocess
from dataclasses import replace

import pytest
from facturx import xml_check_xsd
from lxml import etree
from pypdf import PdfReader

from portal.billing.rules import Place, payment_status
from portal.billing.rules.gst import TaxKind
from portal.billing.service.documents import factur_x, inv_01
from portal.billing.service.documents.addresses import place_in
from portal.billing.service.documents.printing import Sheet, typeset
from tests.support import paper

PLACES = {
    "intra": Place(supplier_state="29", buyer_state="29"),
    "inter": Place(supplier_state="29", buyer_state="27"),
    "sez": Place(supplier_state="29", buyer_state="27", is_sez=True),
    "export": Place(supplier_state="29", buyer_state=None, buyer_country="US"),
}


def _abroad():
    return paper.recipient(gstin="", state_code="", state_name="", country="US", address_lines=("1 Main St", "Springfield"))


def _all(xml, path):
    return [node.text for node in etree.fromstring(xml).iterfind(f".//{{*}}{path}")]


@pytest.mark.parametrize("where", PLACES)
@pytest.mark.parametrize("lines", [1, 3, 200])
def test_the_xml_of_an_invoice_is_valid_and_says_what_is_printed(where, lines):
    recipient = _abroad() if where == "export" else paper.recipient()
    made = paper.document(lines=[paper.line(at) for at in range(1, lines + 1)], place=PLACES[where], recipient=recipient)
    xml = factur_x.invoice_xml(made)
    assert xml_check_xsd(xml, flavor="factur-x", level="en16931")
    assert _all(xml, "TypeCode")[0] == "380"
    assert _all(xml, "GrandTotalAmount") == [f"{made.total / 100:.2f}"]
    assert _all(xml, "DuePayableAmount") == [f"{made.payable / 100:.2f}"]
    assert _all(xml, "TaxTotalAmount") == [f"{(made.cgst + made.sgst + made.igst) / 100:.2f}"]
    assert len(_all(xml, "LineID")) == lines
    assert set(_all(xml, "CategoryCode")) == {"G" if where == "export" else "S"}


@pytest.mark.parametrize("where", PLACES)
def test_the_xml_of_a_credit_note_is_valid_and_names_its_original(where):
    made = paper.credit_note(place=PLACES[where])
    xml = factur_x.credit_note_xml(made)
    assert xml_check_xsd(xml, flavor="factur-x", level="en16931")
    assert _all(xml, "TypeCode")[0] == "381"
    assert paper.NUMBER in _all(xml, "IssuerAssignedID")
    assert "Service deficiency" in _all(xml, "Content")[0]


def test_applied_credit_is_prepaid():
    xml = factur_x.invoice_xml(paper.document(credit_applied=18_001))
    assert _all(xml, "TotalPrepaidAmount") == ["180.01"]
    assert _all(xml, "DuePayableAmount") == ["1000.00"]


def test_what_xml_cannot_hold_is_left_out():
    made = paper.document(recipient=paper.recipient(name="A\x00c\x0bme <&> \ud800"), lines=[paper.line(1, detail="\x1b[0m")])
    xml = factur_x.invoice_xml(made)
    assert xml_check_xsd(xml, flavor="factur-x", level="en16931")
    assert "A c me <&>" in _all(xml, "Name")


@pytest.mark.parametrize(("where", "supply"), [("intra", "B2B"), ("inter", "B2B"), ("sez", "SEZWP"), ("export", "EXPWOP")])
def test_inv_01_sums_exactly_and_keeps_to_the_schema(where, supply):
    recipient = _abroad() if where == "export" else paper.recipient()
    made = paper.document(lines=[paper.line(at, taxable=99, unit_price=99) for at in range(1, 8)], place=PLACES[where], recipient=recipient)
    told = json.loads(inv_01.inv_01_json(made))
    assert (told["Version"], told["TranDtls"]["SupTyp"], told["DocDtls"]) == (
        "1.1",
        supply,
        {"Typ": "INV", "No": paper.NUMBER, "Dt": "01/12/2026"},
    )
    values = told["ValDtls"]
    for item_head, head in (
        ("AssAmt", "AssVal"),
        ("CgstAmt", "CgstVal"),
        ("SgstAmt", "SgstVal"),
        ("IgstAmt", "IgstVal"),
        ("TotItemVal", "TotInvVal"),
    ):
        assert sum(round(item[item_head] * 100) for item in told["ItemList"]) == round(values[head] * 100)
    assert round(values["TotInvVal"] * 100) == made.total
    assert told["BuyerDtls"]["Gstin"] == ("URP" if where == "export" else "29AAPFU0939F1ZR")
    assert told["BuyerDtls"]["Pin"] == (999999 if where == "export" else 560001)
    assert all(item["IsServc"] == "Y" and item["HsnCd"] == "999293" for item in told["ItemList"])
    inv_01.Inv01.model_validate(_snake(told))


def _snake(told):
    names = {inv_01._published(name): name for part in inv_01._Part.__subclasses__() for name in part.model_fields}
    if isinstance(told, dict):
        return {names[name]: _snake(value) for name, value in told.items()}
    return [_snake(one) for one in told] if isinstance(told, list) else told


def test_inv_01_of_a_note_is_a_crn_and_names_its_original():
    told = json.loads(inv_01.inv_01_json(paper.credit_note()))
    assert told["DocDtls"]["Typ"] == "CRN"
    assert told["RefDtls"] == {"PrecDocDtls": [{"InvNo": paper.NUMBER, "InvDt": "01/12/2026"}]}


def test_inv_01_is_not_for_the_unregistered_nor_for_addresses_without_a_pin():
    assert inv_01.inv_01_json(paper.document(recipient=paper.recipient(gstin=""))) is None
    assert inv_01.inv_01_json(paper.document(recipient=paper.recipient(address_lines=("Somewhere",)))) is None


def test_an_address_is_taken_apart():
    assert place_in(("4th Floor", "Bengaluru 560025", "Karnataka")) == place_in(("4th Floor", "560025, Bengaluru", "Karnataka"))
    found = place_in(("Plot 1234567", "12 Road", "Pune - 411 001"))
    assert (found.city, found.pin) == ("", "")
    found = place_in(("Plot 400001 A", "12 Road", "Pune 411001"))
    assert (found.lines, found.city, found.pin) == (("Plot 400001 A", "12 Road"), "Pune", "411001")


def _sheet(made, **changes):
    status = payment_status(total=made.total, paid=0, credited=0, due=made.issue_date, today=made.issue_date)
    usual = {"document": made, "status": status, "as_of": made.issue_date, "organization_id": "o1", "logo_file": None}
    return Sheet(**{**usual, **changes})


@pytest.fixture(scope="module")
def pdf(tmp_path_factory):
    path = tmp_path_factory.mktemp("pdf") / "invoice.pdf"
    path.write_bytes(typeset(_sheet(paper.document())))
    return path


def test_both_files_are_inside_and_come_out_as_they_went_in(pdf):
    inside = PdfReader(pdf).attachments
    made = paper.document()
    assert inside == {"factur-x.xml": [factur_x.invoice_xml(made)], "inv-01.json": [inv_01.inv_01_json(made)]}
    listed = subprocess.run(["qpdf", "--list-attachments", str(pdf)], capture_output=True, check=True, text=True).stdout
    assert "factur-x.xml" in listed
    assert "inv-01.json" in listed


def test_the_file_is_sound_and_says_that_it_is_pdf_a_3a_and_factur_x(pdf):
    assert (
        "No syntax or stream encoding errors"
        in subprocess.run(["qpdf", "--check", str(pdf)], capture_output=True, check=True, text=True).stdout
    )
    catalog = PdfReader(pdf).trailer["/Root"]
    xmp = etree.fromstring(catalog["/Metadata"].get_data().strip())
    said = {etree.QName(node).localname: node.text for node in xmp.iter() if isinstance(node.tag, str)}
    attributes = {etree.QName(name).localname: value for node in xmp.iter() for name, value in node.attrib.items()}
    assert {**said, **attributes}["part"] == "3"
    assert {**said, **attributes}["conformance"] == "A"
    assert (said["ConformanceLevel"], said["DocumentFileName"]) == ("EN 16931", "factur-x.xml")
    assert catalog["/OutputIntents"][0]["/S"] == "/GTS_PDFA1"
    relations = {file.get_object()["/UF"]: file.get_object()["/AFRelationship"] for file in catalog["/AF"]}
    assert relations == {"factur-x.xml": "/Alternative", "inv-01.json": "/Data"}
    info = subprocess.run(["pdfinfo", str(pdf)], capture_output=True, check=True, text=True).stdout
    assert "Tagged:          yes" in info
    assert "Encrypted:       no" in info


def test_same_value_same_bytes_and_another_one_another_key():
    made = paper.document()
    sheet = _sheet(made)
    assert typeset(sheet) == typeset(_sheet(paper.document()))
    keys = {
        sheet.key,
        _sheet(replace(made, po_number="PO-1")).key,
        _sheet(made, organization_id="o2").key,
        _sheet(made, logo_file="logo-1.png").key,
        _sheet(made, as_of=made.due_date).key,
        _sheet(made, status=replace(sheet.status, label="Overdue")).key,
    }
    assert len(keys) == 6
    assert sheet.key.encode() in typeset(sheet)


def test_the_kinds_of_tax_are_those_of_the_places():
    assert {place.kind for place in PLACES.values()} == set(TaxKind)
