import json
from dataclasses import replace
from datetime import date

import pytest

from portal.billing.rules import DocumentLine, InvoiceDocument, Party, Place, TaxKind, TaxRow, upi_uri
from portal.errors import Invalid
from portal.money import in_words


def _line(number, taxable):
    return DocumentLine(
        number=number,
        description="Webinar: Writing",
        detail="Ananya Rao with Dr. Rohan Mehta",
        session_date=date(2026, 11, number),
        sac="999293",
        quantity=1,
        unit_price=taxable,
        taxable=taxable,
    )


@pytest.fixture
def document():
    tax = Place(supplier_state="29", buyer_state="29").tax(100_000)
    party = Party(name="Prism Forum", address_lines=("12 Residency Road", "Bengaluru"), state_code="29")
    return InvoiceDocument(
        number="PF/26-27/0000042",
        issue_date=date(2026, 12, 1),
        due_date=date(2026, 12, 31),
        period_start=date(2026, 11, 1),
        period_end=date(2026, 11, 30),
        supplier=party,
        recipient=replace(party, name="Acme"),
        place_of_supply="29 Karnataka",
        tax_kind=tax.kind,
        tax=(TaxRow.of(100_000, tax),),
        lines=(_line(1, 60_000), _line(2, 40_000)),
        taxable=100_000,
        cgst=9_000,
        sgst=9_000,
        igst=0,
        total=118_000,
        total_in_words=in_words(118_000),
        bank_lines=("Example Bank", "IFSC EXMP0000001"),
    )


def test_a_document_survives_being_stored(document):
    assert InvoiceDocument.from_json(json.loads(json.dumps(document.to_json()))) == document
    purchase = replace(document, period_start=None, period_end=None)
    back = InvoiceDocument.from_json(purchase.to_json())
    assert back == purchase
    assert back.tax_kind is TaxKind.INTRA


@pytest.mark.parametrize("change", [{"total": 1}, {"taxable": 1}, {"cgst": 1, "sgst": 17_999}, {"igst": 1}, {"tax": ()}, {"lines": ()}])
def test_a_document_that_does_not_add_up_is_not_made(document, change):
    with pytest.raises(ValueError, match="sum to"):
        replace(document, **change)


def test_credit_applied_lowers_what_is_to_be_paid_not_the_total(document):
    credited = replace(document, credit_applied=18_000)
    assert (credited.total, credited.payable) == (118_000, 100_000)


def test_rates_as_printed(document):
    row = document.tax[0]
    assert (row.rate_text, row.half_rate_text, row.total) == ("18%", "9%", 18_000)


def test_the_upi_address():
    made = upi_uri(upi_id="prismforum@upi", name="Prism & Forum", amount=118_000, reference="PF/26-27/0000042")
    assert made == "upi://pay?pa=prismforum@upi&pn=Prism%20%26%20Forum&am=1180.00&cu=INR&tr=PF/26-27/0000042"
    assert upi_uri(upi_id="", name="x", amount=1, reference="y") == ""
    assert upi_uri(upi_id="a@b", name="x", amount=0, reference="y") == ""
    with pytest.raises(Invalid):
        upi_uri(upi_id="ab", name="x", amount=1, reference="y")
