"""What several kinds of document are made of."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from typing import TYPE_CHECKING, Any, Literal, Self
from urllib.parse import quote

from portal.billing.rules.gst import Tax, TaxKind
from portal.errors import Invalid
from portal.money import BasisPoints, Paise, format_rate, plain_amount

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Branding:
    """The pictures on a document, as ``data:`` addresses; empty for none."""

    supplier_logo: str = ""
    recipient_logo: str = ""


def fingerprint(*values: "DataclassInstance", version: str) -> str:
    """What a printed document is known by: 64 hexadecimal digits that change with anything in it.

    Args:
        values: All that goes into it.
        version: Of what puts it on paper.
    """
    said = [version, *({"is": type(value).__name__, **plain(asdict(value))} for value in values)]
    return hashlib.sha256(json.dumps(said, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def check_sums(number: str, sums: Mapping[str, tuple[Paise, Paise]]) -> None:
    """Refuses a document that doesn't add up.

    Args:
        number: Of the document.
        sums: What was added, to its sum and to what the document says, paise.

    Raises:
        ValueError: A sum is another one.
    """
    for what, (is_sum, said) in sums.items():
        if is_sum != said:
            raise ValueError(f"{number}: {what} sum to {is_sum} paise, the document says {said}")


def tax_sums(tax: Sequence[TaxRow], *, taxable: Paise, cgst: Paise, sgst: Paise, igst: Paise) -> dict[str, tuple[Paise, Paise]]:
    """What ``check_sums`` compares for the tax table."""
    return {
        "the taxed amounts": (sum(row.taxable for row in tax), taxable),
        "CGST": (sum(row.cgst for row in tax), cgst),
        "SGST": (sum(row.sgst for row in tax), sgst),
        "IGST": (sum(row.igst for row in tax), igst),
    }


def party_from(stored: Mapping[str, Any]) -> Party:
    """The party that a document's row has frozen."""
    return Party(**{**stored, "address_lines": tuple(stored["address_lines"])})


def plain(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    """Plain JSON values; dates as ``2026-12-01``."""
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, TaxKind):
        return value.value
    if isinstance(value, dict):
        return {name: plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    return value
