"""GST on services of one supplier: which tax, and how much (IGST Act sections 5, 7, 8, 12, 16; CGST Act section 9)."""

from dataclasses import dataclass
from enum import StrEnum

from portal import india
from portal.errors import Invalid
from portal.money import WHOLE, BasisPoints, Paise, half_up, share

STANDARD_RATE: BasisPoints = 1_800
DEFAULT_SAC = "999293"
_FOREIGN = "96"


class TaxKind(StrEnum):
    """Which tax a supply bears.

    INTRA: within one State, CGST and SGST (UTGST). INTER: between States, IGST. SEZ: to a unit in a special economic
    zone, always IGST. EXPORT: to another country, zero-rated.
    """

    INTRA = "INTRA"
    INTER = "INTER"
    SEZ = "SEZ"
    EXPORT = "EXPORT"


@dataclass(frozen=True, slots=True)
class Tax:
    """The tax on one taxable amount.

    Attributes:
        cgst: Central tax, paise; equals ``sgst`` always.
        sgst: State (or Union territory) tax, paise.
        igst: Integrated tax, paise.
        rate: The whole rate in basis points; 0 for exports.
        kind: Why it is this tax.
    """

    cgst: Paise
    sgst: Paise
    igst: Paise
    rate: BasisPoints
    kind: TaxKind

    @property
    def total(self) -> Paise:
        """All heads together, paise."""
        return self.cgst + self.sgst + self.igst


def tax_of_kind(kind: TaxKind, taxable: Paise, *, rate: BasisPoints) -> Tax:
    """The tax of a kind that is known already, as on a document that was issued; see ``Place.tax``."""
    if kind is TaxKind.EXPORT:
        return Tax(cgst=0, sgst=0, igst=0, rate=0, kind=kind)
    if kind is TaxKind.INTRA:
        half = half_up(taxable * rate, 2 * WHOLE)
        return Tax(cgst=half, sgst=half, igst=0, rate=rate, kind=kind)
    return Tax(cgst=0, sgst=0, igst=share(taxable, rate), rate=rate, kind=kind)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a supply comes from and goes to; decides the kind of tax.

    Attributes:
        supplier_state: The supplier's State code.
        buyer_state: The organization's State code: from its GSTIN or chosen. Not looked at for buyers abroad.
        buyer_country: ISO 3166-1 alpha-2.
        is_sez: Whether the buyer is a unit in a special economic zone.
    """

    supplier_state: str
    buyer_state: str | None
    buyer_country: str = india.COUNTRY
    is_sez: bool = False

    @property
    def kind(self) -> TaxKind:
        """The kind of tax.

        Raises:
            Invalid: The buyer is in India and its State isn't known (``STATE_REQUIRED``).
        """
        if self.buyer_country != india.COUNTRY:
            return TaxKind.EXPORT
        if self.buyer_state not in india.STATES:
            sentence = "The organization's State isn't known, and GST depends on it. Enter a GSTIN or choose the State."
            raise Invalid(sentence, code="STATE_REQUIRED", details={"stateCode": [sentence]})
        if self.is_sez:
            return TaxKind.SEZ
        return TaxKind.INTRA if self.buyer_state == self.supplier_state else TaxKind.INTER

    @property
    def state_tax(self) -> str:
        """What the State's half is called here: ``SGST``, or ``UTGST`` in a Union territory without a legislature."""
        return "UTGST" if self.supplier_state in india.UNION_TERRITORIES else "SGST"

    @property
    def place_of_supply(self) -> str:
        """``29 Karnataka``: code and name of the State, or ``96 Outside India``.

        Raises:
            Invalid: As ``kind``.
        """
        if self.kind is TaxKind.EXPORT or self.buyer_state is None:
            return f"{_FOREIGN} Outside India"
        return f"{self.buyer_state} {india.state_name(self.buyer_state)}"

    def tax(self, taxable: Paise, *, rate: BasisPoints = STANDARD_RATE) -> Tax:
        """The tax on everything that is taxable at one rate, each head rounded half-up on the magnitude.

        Within a State one half is computed and copied, so that the two are equal to the paisa.

        Args:
            taxable: The taxable total at this rate, paise; negative for what is taken back.
            rate: The whole rate, basis points.

        Raises:
            Invalid: As ``kind``.
        """
        return tax_of_kind(self.kind, taxable, rate=rate)

    def endorsement(self, *, lut: str = "") -> str:
        """What the document must say of a zero-rated supply; see ``endorsement_of``."""
        return endorsement_of(self.kind, lut=lut)


def endorsement_of(kind: TaxKind, *, lut: str = "") -> str:
    """What the document must say of a zero-rated supply (CGST rule 46, proviso); empty for any other.

    Args:
        kind: The kind of tax.
        lut: The number of the supplier's letter of undertaking, under which exports bear no tax.
    """
    if kind is TaxKind.SEZ:
        return "Supply meant for SEZ unit for authorised operations on payment of integrated tax"
    if kind is TaxKind.EXPORT:
        number = f" (LUT {lut})" if lut else ""
        return f"Supply meant for export under letter of undertaking without payment of integrated tax{number}"
    return ""


def tax(
    taxable: Paise,
    *,
    rate: BasisPoints,
    supplier_state: str,
    buyer_state: str | None,
    buyer_country: str,
    is_sez: bool,
) -> Tax:
    """The tax on everything that is taxable at one rate: ``Place.tax`` in one call."""
    place = Place(supplier_state=supplier_state, buyer_state=buyer_state, buyer_country=buyer_country, is_sez=is_sez)
    return place.tax(taxable, rate=rate)
