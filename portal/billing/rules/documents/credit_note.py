"""A credit note."""

from dataclasses import dataclass
from datetime import date

from portal.billing.rules.documents.parts import Party, PaymentStatusText, TaxRow, check_sums, tax_sums
from portal.billing.rules.gst import TaxKind
from portal.money import Paise, format_inr


@dataclass(frozen=True, slots=True, kw_only=True)
class CreditedLine:
    """How much of one line of the original invoice is credited.

    Attributes:
        number: From 1.
        invoice_line: The line's number on the original invoice.
        description: The session: its type and title.
        detail: Learner and consultant.
        session_date: In the organization's time zone.
        sac: The service accounting code.
        taxable: What is credited before tax, paise.
    """

    number: int
    invoice_line: int
    description: str
    detail: str
    session_date: date
    sac: str
    taxable: Paise

    @property
    def quantity(self) -> int:
        """Always 1: an amount is credited, not a count."""
        return 1

    @property
    def unit_price(self) -> Paise:
        """The whole of it, paise."""
        return self.taxable


@dataclass(frozen=True, slots=True, kw_only=True)
class CreditNoteDocument:
    """A credit note with every particular of CGST rule 53(1A); amounts in paise, all of them positive.

    What became of its credit isn't part of it: see ``credit_status``.

    Attributes:
        number: Such as ``PFCN/26-27/00001``.
        issue_date: In India; the original's too.
        original_number: Of the invoice that it reduces.
        original_url: Where that invoice can be seen; empty for no link.
        is_adjustment: It lowers what is still to be paid; otherwise it gives credit.
        reason: The reason's plain name.
        reason_text: What else was said of it; may be empty.
        place_of_supply: Code and name of the State.
        tax: One row a rate, of the tax that is reversed.

    Raises:
        ValueError: The sums don't add up. A wrong document is never printed.
    """

    number: str
    issue_date: date
    original_number: str
    original_date: date
    original_url: str = ""
    is_adjustment: bool
    reason: str
    reason_text: str = ""
    supplier: Party
    recipient: Party
    place_of_supply: str
    tax_kind: TaxKind
    tax: tuple[TaxRow, ...]
    lines: tuple[CreditedLine, ...]
    taxable: Paise
    cgst: Paise
    sgst: Paise
    igst: Paise
    total: Paise
    total_in_words: str
    state_tax: str = "SGST"
    endorsement: str = ""
    reverse_charge: str = "No"
    currency: str = "INR"

    def __post_init__(self) -> None:
        sums = {
            "the lines": (sum(line.taxable for line in self.lines), self.taxable),
            **tax_sums(self.tax, taxable=self.taxable, cgst=self.cgst, sgst=self.sgst, igst=self.igst),
            "the amounts": (self.taxable + self.cgst + self.sgst + self.igst, self.total),
        }
        check_sums(self.number, sums)


def credit_status(
    *,
    total: Paise,
    settled: Paise,
    applied: Paise = 0,
    paid_out: Paise = 0,
    original_number: str,
    voided_on: date | None = None,
) -> PaymentStatusText:
    """Where a note's credit went, and what is left of it: the only live part of the document.

    Args:
        total: The note's total, paise.
        settled: What it settled on its original invoice, paise.
        applied: What later invoices used, paise.
        paid_out: What was paid to the organization, paise.
        original_number: Of the invoice that it reduces.
        voided_on: When it was voided, if it was.
    """
    if voided_on is not None:
        return PaymentStatusText(label="Void", detail=f"Voided on {voided_on:%d %b %Y}. It credits nothing.", tone="void")
    left = total - settled - applied - paid_out
    parts = [
        (settled, f"{format_inr(settled)} settled on invoice {original_number}."),
        (applied, f"{format_inr(applied)} used by later invoices."),
        (paid_out, f"{format_inr(paid_out)} paid to your bank account."),
        (left, f"{format_inr(left)} is open and lowers your next invoice."),
    ]
    label = "Used up" if not left else "Open credit" if left == total else "Partly used"
    return PaymentStatusText(label=label, detail=" ".join(sentence for amount, sentence in parts if amount), tone="credit")
