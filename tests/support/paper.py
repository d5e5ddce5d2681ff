"""Made-up documents as their frozen values, and how they come out."""

import base64
from dataclasses import replace
from datetime import date, timedelta

from portal.billing.rules import Place, payment_status
from portal.billing.rules.documents import (
    AgeBucket,
    Branding,
    CreditedLine,
    CreditNoteDocument,
    DocumentLine,
    InvoiceDocument,
    Party,
    StatementDocument,
    StatementEntry,
    TaxRow,
    credit_status,
    upi_uri,
)
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


def html(made, *, branding=None, as_of=date(2026, 12, 5), **status):
    """An invoice as a page, with what is paid and credited (paise)."""
    usual = {"total": made.total, "paid": 0, "credited": 0, "due": made.due_date, "today": as_of}
    stands = payment_status(**{**usual, **status})
    return render("pdf/invoice.html", document=made, branding=branding or Branding(), status=stands, as_of=as_of)


def pdf(made, **status):
    """An invoice as a file."""
    return render_pdf(html(made, **status), title=f"Invoice {made.number}")


def credit_note(*, lines=None, place=None, **changes):
    """A credit note on the usual invoice."""
    lines = lines or tuple(
        CreditedLine(
            number=at,
            invoice_line=at + 2,
            description="Consultation: Career planning",
            detail="Ananya Rao with Dr. Rohan Mehta",
            session_date=date(2026, 11, at),
            sac="999293",
            taxable=50_000 + at,
        )
        for at in (1, 2)
    )
    place = place or Place(supplier_state="29", buyer_state="29")
    tax = place.tax(taxable := sum(each.taxable for each in lines))
    particulars = {
        "number": "PFCN/26-27/00007",
        "issue_date": date(2026, 12, 9),
        "original_number": NUMBER,
        "original_date": date(2026, 12, 1),
        "original_url": "https://portal.example/orgs/acme/billing/invoices/1",
        "is_adjustment": False,
        "reason": "Service deficiency",
        "reason_text": "The consultant left half way.",
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
        "total": taxable + tax.total,
        "total_in_words": in_words(taxable + tax.total),
        "endorsement": place.endorsement(lut="AD2903260001234"),
    }
    return CreditNoteDocument(**{**particulars, **changes})


def credit_note_html(made, *, branding=None, as_of=date(2026, 12, 9), **uses):
    """A credit note as a page, with where its credit went (paise)."""
    stands = credit_status(**{"total": made.total, "settled": 0, "original_number": made.original_number, **uses})
    return render("pdf/credit_note.html", document=made, branding=branding or Branding(), status=stands, as_of=as_of)


def statement(*, entries=3, **changes):
    """An account of so many invoices, each paid by half."""
    opening, made = 12_500_00, []
    balance = opening
    for at in range(entries):
        amount = 118_000 + at
        on = date(2026, 10, 1) + timedelta(days=at)
        for what, debit, credit in (("Invoice", amount, 0), ("Payment", 0, amount // 2)):
            balance += debit - credit
            entry = StatementEntry(on=on, what=what, number=f"PF/26-27/{at:07d}", debit=debit, credit=credit, balance=balance)
            made.append(entry)
    particulars = {
        "supplier": supplier(),
        "recipient": recipient(),
        "since": date(2026, 10, 1),
        "until": date(2026, 12, 31),
        "issue_date": date(2027, 1, 4),
        "opening": opening,
        "entries": tuple(made),
        "closing": balance,
        "ageing": (AgeBucket(label="Not due", amount=0), AgeBucket(label="1–30 days", amount=balance)),
        "bank_lines": ("Example Bank, Residency Road", "Account 000123456789", "IFSC EXMP0000001"),
    }
    return StatementDocument(**{**particulars, **changes})


def statement_html(made, *, branding=None):
    """A statement of account as a page."""
    return render("pdf/statement.html", document=made, branding=branding or Branding())


def data_address(png):
    """A picture as the ``data:`` address that documents print."""
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"
