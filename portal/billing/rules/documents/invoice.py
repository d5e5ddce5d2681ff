"""A tax invoice."""

from dataclasses import asdict, dataclass
from datetime import date
from typing import Any, Self

from portal.billing.rules.documents.parts import DocumentLine, Party, TaxRow, check_sums, party_from, plain, tax_sums
from portal.billing.rules.gst import TaxKind
from portal.money import Paise


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoiceDocument:
    """A tax invoice with every particular of CGST rule 46; amounts in paise. Its payment status is not part of it.

    Attributes:
        number: Such as ``PF/26-27/0000001``.
        issue_date: In India; the due date too.
        period_start: The first day billed; None (as ``period_end``) for a purchase of credits.
        period_end: The last day billed.
        place_of_supply: Code and name of the State.
        tax_kind: Which heads of tax it shows.
        state_tax: ``SGST`` or ``UTGST``.
        tax: One row a rate.
        credit_applied: Open credit used when it was issued.
        total_in_words: Of ``total``.
        upi_uri: What the QR code says; empty for none.
        endorsement: What a zero-rated supply must say; else empty.

    Raises:
        ValueError: The sums don't add up. A wrong document is never printed.
    """

    number: str
    issue_date: date
    due_date: date
    period_start: date | None
    period_end: date | None
    supplier: Party
    recipient: Party
    place_of_supply: str
    tax_kind: TaxKind
    tax: tuple[TaxRow, ...]
    lines: tuple[DocumentLine, ...]
    taxable: Paise
    cgst: Paise
    sgst: Paise
    igst: Paise
    total: Paise
    total_in_words: str
    state_tax: str = "SGST"
    credit_applied: Paise = 0
    po_number: str = ""
    terms_text: str = ""
    bank_lines: tuple[str, ...] = ()
    upi_uri: str = ""
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

    @property
    def shows_quantity(self) -> bool:
        """Whether quantity and price say more than the taxable value: most invoices have one session a line."""
        return any(line.quantity != 1 or line.unit_price != line.taxable for line in self.lines)

    @property
    def payable(self) -> Paise:
        """What was to be paid when it was issued, paise."""
        return self.total - self.credit_applied

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values; dates as ``2026-12-01``."""
        return {name: plain(value) for name, value in asdict(self).items()}

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> Self:
        """The document that ``to_json`` gave."""
        values = dict(stored)
        for name in ("issue_date", "due_date", "period_start", "period_end"):
            values[name] = None if stored[name] is None else date.fromisoformat(stored[name])
        values["supplier"] = party_from(stored["supplier"])
        values["recipient"] = party_from(stored["recipient"])
        values["tax_kind"] = TaxKind(stored["tax_kind"])
        values["tax"] = tuple(TaxRow(**row) for row in stored["tax"])
        values["lines"] = tuple(
            DocumentLine(**{**line, "session_date": date.fromisoformat(line["session_date"])}) for line in stored["lines"]
        )
        values["bank_lines"] = tuple(stored["bank_lines"])
        return cls(**values)
