"""What a printed document says, as a frozen value.

Made once when the document is issued, stored beside it, and rendered from ever after.
"""

from dataclasses import asdict, dataclass
from datetime import date
from typing import Any, Literal, Self
from urllib.parse import quote

from portal.billing.rules.gst import Tax, TaxKind
from portal.errors import Invalid
from portal.money import BasisPoints, Paise, format_rate, plain_amount

Tone = Literal["due", "overdue", "part", "paid", "credit", "void"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Party:
    """Supplier or recipient as the document shows it.

    Attributes:
        address_lines: The postal address, country last.
        gstin: Empty when not registered.
        state_code: The GST State code; empty outside India.
        country: ISO 3166-1 alpha-2.
    """

    name: str
    address_lines: tuple[str, ...]
    gstin: str = ""
    pan: str = ""
    state_code: str = ""
    state_name: str = ""
    country: str = "IN"
    email: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentLine:
    """One session billed.

    Attributes:
        number: From 1.
        description: The session: its type and title.
        detail: Learner and consultant.
        session_date: In the organization's time zone.
        sac: The service accounting code.
        unit_price: Before tax, paise.
        taxable: ``quantity`` times ``unit_price``, paise.
    """

    number: int
    description: str
    detail: str
    session_date: date
    sac: str
    quantity: int
    unit_price: Paise
    taxable: Paise


@dataclass(frozen=True, slots=True, kw_only=True)
class TaxRow:
    """The tax on all that is taxable at one rate; amounts in paise."""

    rate: BasisPoints
    taxable: Paise
    cgst: Paise
    sgst: Paise
    igst: Paise

    @classmethod
    def of(cls, taxable: Paise, tax: Tax) -> Self:
        """The row of what ``Place.tax`` computed."""
        return cls(rate=tax.rate, taxable=taxable, cgst=tax.cgst, sgst=tax.sgst, igst=tax.igst)

    @property
    def total(self) -> Paise:
        """All heads together, paise."""
        return self.cgst + self.sgst + self.igst

    @property
    def rate_text(self) -> str:
        """``18%``."""
        return format_rate(self.rate)

    @property
    def half_rate_text(self) -> str:
        """``9%``: what CGST and SGST each are."""
        return format_rate(self.rate, parts=2)


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
            "the taxed amounts": (sum(row.taxable for row in self.tax), self.taxable),
            "CGST": (sum(row.cgst for row in self.tax), self.cgst),
            "SGST": (sum(row.sgst for row in self.tax), self.sgst),
            "IGST": (sum(row.igst for row in self.tax), self.igst),
            "the amounts": (self.taxable + self.cgst + self.sgst + self.igst, self.total),
        }
        for what, (is_sum, said) in sums.items():
            if is_sum != said:
                raise ValueError(f"{self.number}: {what} sum to {is_sum} paise, the document says {said}")

    @property
    def payable(self) -> Paise:
        """What was to be paid when it was issued, paise."""
        return self.total - self.credit_applied

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values; dates as ``2026-12-01``."""
        return {name: _plain(value) for name, value in asdict(self).items()}

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> Self:
        """The document that ``to_json`` gave."""
        values = dict(stored)
        for name in ("issue_date", "due_date", "period_start", "period_end"):
            values[name] = None if stored[name] is None else date.fromisoformat(stored[name])
        values["supplier"] = _party(stored["supplier"])
        values["recipient"] = _party(stored["recipient"])
        values["tax_kind"] = TaxKind(stored["tax_kind"])
        values["tax"] = tuple(TaxRow(**row) for row in stored["tax"])
        values["lines"] = tuple(
            DocumentLine(**{**line, "session_date": date.fromisoformat(line["session_date"])}) for line in stored["lines"]
        )
        values["bank_lines"] = tuple(stored["bank_lines"])
        return cls(**values)


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentStatusText:
    """The payment status as of the moment of rendering: the only live part of a document.

    Attributes:
        label: One or two words: ``Overdue``.
        detail: A sentence with amounts and dates.
        tone: Which colour and mark it has.
    """

    label: str
    detail: str
    tone: Tone


def upi_uri(*, upi_id: str, name: str, amount: Paise, reference: str) -> str:
    """The address behind a UPI QR code (NPCI's linking specification), or an empty text when there is nothing to pay.

    Args:
        upi_id: The payee's UPI id, such as ``prismforum@upi``; empty for none.
        name: The payee's name.
        amount: Paise.
        reference: The document's number, which comes back with the transfer.

    Raises:
        Invalid: The UPI id has no ``@``.
    """
    if not upi_id or amount <= 0:
        return ""
    if "@" not in upi_id:
        raise Invalid("A UPI id has an @ in it, such as name@bank.", code="UPI_ID_INVALID")
    fields = {"pa": upi_id, "pn": name, "am": plain_amount(amount), "cu": "INR", "tr": reference}
    return "upi://pay?" + "&".join(f"{key}={quote(value, safe='@/')}" for key, value in fields.items())


def _party(stored: dict[str, Any]) -> Party:
    return Party(**{**stored, "address_lines": tuple(stored["address_lines"])})


def _plain(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, TaxKind):
        return value.value
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return value
