"""A document's data as JSON: FORM GST INV-01, the e-invoice schema in version 1.1 (notification 60/2020 – Central Tax).

It is what the Invoice Registration Portal takes; it isn't registered here, so it has no IRN. Names and limits are the schema's;
amounts are rupees there. It is for registered recipients, special economic zones and exports.
"""

from datetime import date
from decimal import Decimal
from typing import Annotated, Literal, TypeAlias

import structlog
from pydantic import AliasGenerator, BaseModel, ConfigDict, Field, PlainSerializer, ValidationError

from portal.billing.rules.documents import CreditedLine, CreditNoteDocument, DocumentLine, InvoiceDocument, Party
from portal.billing.rules.gst import TaxKind
from portal.billing.service.documents.addresses import place_in, printable
from portal.money import WHOLE, Paise, allocate

log = structlog.get_logger()

NAME = "inv-01.json"
_ABROAD_PIN, _ABROAD_STATE = 999_999, "96"
_SHORTEST, _LONGEST = 3, 100

_Number = PlainSerializer(float, return_type=float)
Amount: TypeAlias = Annotated[Decimal, Field(ge=0, max_digits=14, decimal_places=2), _Number]
Total: TypeAlias = Annotated[Decimal, Field(ge=0, max_digits=16, decimal_places=2), _Number]
Gstin: TypeAlias = Annotated[str, Field(pattern=r"^[0-9]{2}[0-9A-Z]{13}$")]
Name: TypeAlias = Annotated[str, Field(min_length=_SHORTEST, max_length=_LONGEST)]
Pin: TypeAlias = Annotated[int, Field(ge=100_000, le=999_999)]
Day: TypeAlias = Annotated[str, Field(pattern=r"^[0-3][0-9]/[01][0-9]/20[0-9]{2}$")]
Number: TypeAlias = Annotated[str, Field(pattern=r"^[A-Z1-9][A-Z0-9/-]{0,15}$")]


def _published(name: str) -> str:
    return {"pos": "Pos", "gst_rt": "GstRt"}.get(name, "".join(part.capitalize() for part in name.split("_")))


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=AliasGenerator(serialization_alias=_published))


class TranDtls(_Part):
    """The kind of supply."""

    tax_sch: Literal["GST"] = "GST"
    sup_typ: Literal["B2B", "SEZWP", "SEZWOP", "EXPWP", "EXPWOP", "DEXP"]
    reg_rev: Literal["Y", "N"] = "N"


class DocDtls(_Part):
    """The document."""

    typ: Literal["INV", "CRN", "DBN"]
    no: Number
    dt: Day


class SellerDtls(_Part):
    """The supplier."""

    gstin: Gstin
    lgl_nm: Name
    addr1: Annotated[str, Field(min_length=1, max_length=_LONGEST)]
    addr2: Name | None = None
    loc: Annotated[str, Field(min_length=_SHORTEST, max_length=50)]
    pin: Pin
    stcd: Annotated[str, Field(pattern=r"^[0-9]{2}$")]


class BuyerDtls(_Part):
    """The recipient; ``URP`` (unregistered person) abroad."""

    gstin: Gstin | Literal["URP"]
    lgl_nm: Name
    pos: Annotated[str, Field(pattern=r"^[0-9]{2}$")]
    addr1: Annotated[str, Field(min_length=1, max_length=_LONGEST)]
    addr2: Name | None = None
    loc: Name
    pin: Pin
    stcd: Annotated[str, Field(pattern=r"^[0-9]{2}$")]


class Item(_Part):
    """One line."""

    sl_no: Annotated[str, Field(min_length=1, max_length=6)]
    prd_desc: Annotated[str, Field(min_length=_SHORTEST, max_length=300)]
    is_servc: Literal["Y", "N"] = "Y"
    hsn_cd: Annotated[str, Field(pattern=r"^[0-9]{4,8}$")]
    qty: Annotated[int, Field(ge=0)] = 1
    unit: Annotated[str, Field(min_length=3, max_length=8)] = "OTH"
    unit_price: Amount
    tot_amt: Amount
    ass_amt: Amount
    gst_rt: Annotated[Decimal, Field(ge=0, max_digits=6, decimal_places=3), _Number]
    igst_amt: Amount
    cgst_amt: Amount
    sgst_amt: Amount
    tot_item_val: Amount


class ValDtls(_Part):
    """The sums."""

    ass_val: Total
    cgst_val: Total
    sgst_val: Total
    igst_val: Total
    tot_inv_val: Total


class PrecDocDtls(_Part):
    """The document that this one changes."""

    inv_no: Number
    inv_dt: Day


class RefDtls(_Part):
    """What it refers to."""

    prec_doc_dtls: tuple[PrecDocDtls, ...]


class Inv01(_Part):
    """The whole of it."""

    version: Literal["1.1"] = "1.1"
    tran_dtls: TranDtls
    doc_dtls: DocDtls
    seller_dtls: SellerDtls
    buyer_dtls: BuyerDtls
    item_list: Annotated[tuple[Item, ...], Field(min_length=1, max_length=1000)]
    val_dtls: ValDtls
    ref_dtls: RefDtls | None = None


def inv_01_json(document: InvoiceDocument | CreditNoteDocument) -> bytes | None:
    """The document's data; None when the schema isn't for it, or (with a log line) when it can't be said in it.

    Each line's tax is its share of the document's, by largest remainder, so that the items sum to the totals exactly.
    """
    abroad = document.tax_kind is TaxKind.EXPORT
    if not document.recipient.gstin and not abroad:
        return None
    try:
        told = _told(document, abroad=abroad)
    except ValidationError as error:
        wrong = [".".join(map(str, found["loc"])) for found in error.errors()]
        log.warning("documents.no_inv_01", number=document.number, fields=wrong[:20])
        return None
    return told.model_dump_json(by_alias=True, exclude_none=True, indent=1).encode()


def _told(document: InvoiceDocument | CreditNoteDocument, *, abroad: bool) -> Inv01:
    is_note = isinstance(document, CreditNoteDocument)
    supply: Literal["EXPWOP", "SEZWP", "B2B"] = "EXPWOP" if abroad else "SEZWP" if document.tax_kind is TaxKind.SEZ else "B2B"
    return Inv01(
        tran_dtls=TranDtls(sup_typ=supply, reg_rev="Y" if document.reverse_charge == "Yes" else "N"),
        doc_dtls=DocDtls(typ="CRN" if is_note else "INV", no=document.number, dt=_day(document.issue_date)),
        seller_dtls=SellerDtls(gstin=document.supplier.gstin, **_located(document.supplier)),
        buyer_dtls=BuyerDtls(
            gstin="URP" if abroad else document.recipient.gstin,
            pos=document.place_of_supply[:2],
            **_located(document.recipient, abroad=abroad),
        ),
        item_list=_items(document),
        val_dtls=ValDtls(
            ass_val=_rupees(document.taxable),
            cgst_val=_rupees(document.cgst),
            sgst_val=_rupees(document.sgst),
            igst_val=_rupees(document.igst),
            tot_inv_val=_rupees(document.total),
        ),
        ref_dtls=RefDtls(prec_doc_dtls=(PrecDocDtls(inv_no=document.original_number, inv_dt=_day(document.original_date)),))
        if isinstance(document, CreditNoteDocument)
        else None,
    )


def _items(document: InvoiceDocument | CreditNoteDocument) -> tuple[Item, ...]:
    lines: tuple[DocumentLine | CreditedLine, ...] = document.lines
    amounts = [line.taxable for line in lines]
    cgst, sgst, igst = (allocate(head, amounts) for head in (document.cgst, document.sgst, document.igst))
    return tuple(
        Item(
            sl_no=str(line.number),
            prd_desc=printable(f"{line.description} {line.detail}")[:300].ljust(_SHORTEST, "."),
            hsn_cd=line.sac,
            qty=line.quantity,
            unit_price=_rupees(line.unit_price),
            tot_amt=_rupees(line.taxable),
            ass_amt=_rupees(line.taxable),
            gst_rt=Decimal(document.tax[0].rate) * 100 / WHOLE,
            igst_amt=_rupees(igst[at]),
            cgst_amt=_rupees(cgst[at]),
            sgst_amt=_rupees(sgst[at]),
            tot_item_val=_rupees(line.taxable + cgst[at] + sgst[at] + igst[at]),
        )
        for at, line in enumerate(lines)
    )


def _located(party: Party, *, abroad: bool = False) -> dict[str, object]:
    place = place_in(party.address_lines)
    lines = [printable(line)[:_LONGEST] for line in place.lines] or [printable(party.state_name)]
    second = ", ".join(lines[1:])[:_LONGEST]
    return {
        "lgl_nm": printable(party.name)[:_LONGEST],
        "addr1": lines[0],
        "addr2": second if len(second) >= _SHORTEST else None,
        "loc": (printable(place.city) or lines[-1])[:50],
        "pin": _ABROAD_PIN if abroad else int(place.pin or 0),
        "stcd": _ABROAD_STATE if abroad else party.state_code,
    }


def _day(day: date) -> str:
    return f"{day:%d/%m/%Y}"


def _rupees(amount: Paise) -> Decimal:
    return Decimal(amount) / 100
