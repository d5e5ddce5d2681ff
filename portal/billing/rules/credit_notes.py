"""Credit notes: how much tax they reverse, what they settle, and where their open credit goes. Amounts are paise.

Crediting is cumulative: whatever the number of steps, all notes of an invoice together never reverse more than its tax, and
crediting everything reverses exactly that.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from portal.billing.rules.gst import Tax, TaxKind, tax_of_kind
from portal.errors import Conflict, Invalid
from portal.money import BasisPoints, Paise, allocate, format_inr


class CreditNoteKind(StrEnum):
    """ADJUSTMENT lowers what is still to be paid; CREDIT is given on an invoice that was paid, at least in part."""

    ADJUSTMENT = "ADJUSTMENT"
    CREDIT = "CREDIT"

    @property
    def label(self) -> str:
        """The plain name."""
        return self.value.capitalize()


class CreditNoteStatus(StrEnum):
    """ISSUED, or VOID; APPLIED (nothing left open) follows from the sums and is never stored."""

    ISSUED = "ISSUED"
    APPLIED = "APPLIED"
    VOID = "VOID"

    @property
    def label(self) -> str:
        """The plain name."""
        return {"ISSUED": "Open credit", "APPLIED": "Used up", "VOID": "Void"}[self.value]


class ReasonCode(StrEnum):
    """Why a credit note was issued."""

    REFUND = "REFUND"
    GOODWILL = "GOODWILL"
    CORRECTION = "CORRECTION"
    SERVICE_DEFICIENCY = "SERVICE_DEFICIENCY"
    DUPLICATE = "DUPLICATE"
    OTHER = "OTHER"

    @property
    def label(self) -> str:
        """The plain name."""
        return self.value.replace("_", " ").capitalize()


class MovementKind(StrEnum):
    """Where a note's amount went: SETTLED on its own invoice, APPLIED to another one, or PAID_OUT."""

    SETTLED = "SETTLED"
    APPLIED = "APPLIED"
    PAID_OUT = "PAID_OUT"


@dataclass(frozen=True, slots=True)
class Amounts:
    """A taxable amount and its taxes."""

    taxable: Paise
    cgst: Paise
    sgst: Paise
    igst: Paise

    @property
    def tax(self) -> Paise:
        """All heads together."""
        return self.cgst + self.sgst + self.igst

    @property
    def total(self) -> Paise:
        """With tax."""
        return self.taxable + self.tax


@dataclass(frozen=True, slots=True)
class Item:
    """How much of one invoice line is credited, before GST."""

    line_id: str
    taxable: Paise


def kind_of(*, paid: Paise, applied: Paise) -> CreditNoteKind:
    """CREDIT once money, or credit from elsewhere, was put on the invoice; ADJUSTMENT before."""
    return CreditNoteKind.CREDIT if paid or applied else CreditNoteKind.ADJUSTMENT


def reversed_tax(invoice: Amounts, before: Amounts, *, taxable: Paise, kind: TaxKind, rate: BasisPoints) -> Tax:
    """The tax of the next note: the tax on all that will then be credited, minus what its predecessors reversed.

    Args:
        invoice: The original.
        before: All its notes so far that aren't void.
        taxable: What the new note credits, before GST.
        kind: The original's kind of tax.
        rate: The original's rate.

    Raises:
        Conflict: ``ABOVE_INVOICE``: the invoice has less left.
    """
    left = invoice.taxable - before.taxable
    if taxable > left:
        sentence = f"Only {format_inr(left)} before GST of this invoice can still be credited. Nothing was issued."
        raise Conflict(sentence, code="ABOVE_INVOICE", extra={"left": left})
    if taxable == left:
        return Tax(invoice.cgst - before.cgst, invoice.sgst - before.sgst, invoice.igst - before.igst, rate, kind)
    whole = tax_of_kind(kind, before.taxable + taxable, rate=rate)
    # After a note was voided its successors may have reversed a paisa more than the sum asks for; never take tax back.
    return Tax(max(0, whole.cgst - before.cgst), max(0, whole.sgst - before.sgst), max(0, whole.igst - before.igst), rate, kind)


def spread(taxable: Paise, left: Sequence[Paise]) -> list[Paise]:
    """Shares one amount out over the lines by what is left of each; no line gets more than it has left.

    Raises:
        Conflict: ``ABOVE_INVOICE``: the lines have less left in sum.
    """
    if taxable > sum(left):
        sentence = f"Only {format_inr(sum(left))} before GST of this invoice can still be credited. Nothing was issued."
        raise Conflict(sentence, code="ABOVE_INVOICE", extra={"left": sum(left)})
    return allocate(taxable, left)


def check_items(items: Sequence[Item], left: dict[str, Paise]) -> None:
    """Refuses amounts that a line doesn't have left, and lines of other invoices.

    Raises:
        Invalid: ``LINE_UNKNOWN``, or ``LINE_TWICE``.
        Conflict: ``ABOVE_LINE``, with ``left``.
    """
    if len({item.line_id for item in items}) < len(items):
        raise Invalid("Name each line once. Nothing was issued.", code="LINE_TWICE")
    for item in items:
        if item.line_id not in left:
            raise Invalid("There is no such line on this invoice. Nothing was issued.", code="LINE_UNKNOWN")
        if item.taxable > left[item.line_id]:
            sentence = f"Only {format_inr(left[item.line_id])} before GST of this line can still be credited. Nothing was issued."
            raise Conflict(sentence, code="ABOVE_LINE", extra={"left": left[item.line_id]})


def shares(tax: Tax, items: Sequence[Item]) -> list[Amounts]:
    """What each line of a note shows of its tax, by largest remainder; both halves stay equal on each line."""
    weights = [item.taxable for item in items]
    halves, whole = allocate(tax.cgst, weights), allocate(tax.igst, weights)
    return [Amounts(item.taxable, half, half, igst) for item, half, igst in zip(items, halves, whole, strict=True)]


def oldest_first(amount: Paise, open_amounts: Sequence[tuple[str, Paise]]) -> list[tuple[str, Paise]]:
    """Takes an amount from open notes in their order: ``(note id, how much)`` for each that gives something.

    What the notes don't hold is left over.
    """
    taken = []
    for note_id, available in open_amounts:
        part = min(amount, available)
        if part > 0:
            taken.append((note_id, part))
            amount -= part
    return taken


def display_status(stored: CreditNoteStatus | str, open_amount: Paise) -> CreditNoteStatus:
    """What people see of a note: APPLIED once nothing of it is open."""
    status = CreditNoteStatus(stored)
    return CreditNoteStatus.APPLIED if status is CreditNoteStatus.ISSUED and open_amount == 0 else status
