"""Made-up documents as their frozen values, and how they come out."""

from dataclasses import replace
from datetime import date, timedelta

from portal.billing.rules import DocumentLine, InvoiceDocument, Party, Place, TaxRow, payment_status, upi_uri
from portal.gateways.pdf import render_pdf
from portal.gateways.rendering import render
from portal.money import in_words

NUMBER = "PF/26-27/0000042"


def supplier():
    return Party(
        name="Prism Forum Private Limited",
        address_lines=("4th Floor, 12 Residency Road", "Bengaluru 560025"),
        gstin="29AAGCP4321K1Z8",
        pan="AAGCP4321K",
        state_code="29",
        state_name="Karnataka",
    )


def recipient(**changes):
    party = Party(
        name="Acme Learning Private Limited",
        address_lines=("801 Palm Court", "Bengaluru 560001"),
        gstin="29AAPFU0939F1ZR",
        state_code="29",
        state_name="Karnataka",
        email="accounts@acme.example",
    )
    return replace(party, **changes)


def line(number, **changes):
    usual = DocumentLine(
        number=number,
        description="Consultation: Career planning",
        detail="Ananya Rao with Dr. Rohan Mehta",
        session_date=date(2026, 11, 1) + timedelta(days=number % 30),
        sac="999293",
        quantity=1,
        unit_price=100_000 + number,
        taxable=100_000 + number,
    )
    return replace(usual, **changes)


def document(*, lines=None, place=None, **changes: object):
    lines = lines or (line(1),)
    place = place or Place(supplier_state="29", buyer_state="29")
    tax = place.tax(taxable := sum(each.taxable for each in lines))
    total = taxable + tax.total
    particulars = {
        "number": NUMBER,
        "issue_date": date(2026, 12, 1),
        "due_date": date(2026, 12, 31),
        "period_start": date(2026, 11, 1),
        "period_end": date(2026, 11, 30),
        "supplier": supplier(),
        "recipient": recipient(),
        "place_of_supply": place.place_of_supply,
        "tax_kind": tax.kind,
        "state_tax": place.state_tax,
        "tax": (TaxRow.of(taxable, tax),),
        "lines": tuple(lines),
        "taxable": taxable,
        "cgst": tax.cgst,
        "sgst": tax.sgst,
        "igst": tax.igst,
        "total": total,
        "total_in_words": in_words(total),
        "po_number": "PO-7781",
        "terms_text": "Payment is due within 30 days.",
        "bank_lines": ("Example Bank, Residency Road", "Account 000123456789", "IFSC EXMP0000001"),
        "upi_uri": upi_uri(upi_id="prismforum@upi", name="Prism Forum", amount=total, reference=NUMBER),
        "endorsement": place.endorsement(lut="AD2903260001234"),
    }
    return InvoiceDocument(**{**particulars, **changes})


def html(document, **status: object):
    usual = {"total": document.total, "paid": 0, "credited": 0, "due": document.due_date, "today": date(2026, 12, 5)}
    return render("pdf/invoice.html", document=document, status=payment_status(**{**usual, **status}))


def pdf(document, **status: object):
    return render_pdf(html(document, **status), title=f"Invoice {document.number}")
