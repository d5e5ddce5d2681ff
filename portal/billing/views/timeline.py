"""What happened to a document, in the order in which it happened, as sentences."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from portal.billing.models import Allocation, CreditMovement, CreditNote, Invoice, InvoiceBalance
from portal.billing.rules import AllocationMethod, MovementKind
from portal.money import format_inr
from portal.web.filters import show_date, show_instant

Event = tuple[datetime, str]


def of_invoice(
    invoice: Invoice,
    *,
    balance: InvoiceBalance,
    allocations: Sequence[Allocation],
    applied: Sequence[tuple[CreditMovement, CreditNote]],
    notes: Sequence[CreditNote],
    time_zone: str,
) -> list[dict[str, str]]:
    """The life of an invoice, for ``ui.timeline``; instants are shown in the organization's zone."""
    assert invoice.issued_at
    events: list[Event] = [(invoice.issued_at, f"Issued for {format_inr(invoice.amount)}, due by {show_date(invoice.due_date)}.")]
    events += [(move.created_at, f"{format_inr(move.amount)} of open credit from {note.number} was used.") for move, note in applied]
    events += [(row.paid_at, f"{format_inr(row.amount)} was paid {_how(row)}.") for row in allocations]
    events += [(note.issued_at, f"Credit note {note.number} for {format_inr(note.amount)} was issued.") for note in notes]
    events += [(note.voided_at, f"Credit note {note.number} was voided.") for note in notes if note.voided_at]
    if balance.settled_at:
        events.append((balance.settled_at, "Nothing is outstanding any more."))
    if invoice.cancelled_at:
        events.append((invoice.cancelled_at, f"Cancelled: {invoice.cancel_reason}"))
    return _shown(events, time_zone)


def of_note(note: CreditNote, *, movements: Sequence[tuple[CreditMovement, Invoice | None]], time_zone: str) -> list[dict[str, str]]:
    """The life of a credit note, as ``of_invoice``."""
    events: list[Event] = [(note.issued_at, f"Issued for {format_inr(note.amount)}.")]
    events += [(move.created_at, _where(move, invoice)) for move, invoice in movements]
    if note.voided_at:
        events.append((note.voided_at, f"Voided: {note.void_reason}" if note.void_reason else "Voided."))
    return _shown(events, time_zone)


def _how(row: Allocation) -> str:
    method = {AllocationMethod.UPI: "by UPI", AllocationMethod.ONLINE: "online", AllocationMethod.OTHER: "in another way"}
    words = method.get(row.method, f"by {row.method.label.lower()}")
    return f"{words}, reference {row.reference}" if row.reference else words


def _where(move: CreditMovement, invoice: Invoice | None) -> str:
    amount = format_inr(abs(move.amount))
    if invoice is None:
        return f"{amount} was paid out, reference {move.reference}." if move.reference else f"{amount} was paid out."
    if move.amount < 0:
        return f"{amount} was taken back from {invoice.number}."
    return f"{amount} was {'settled on' if move.kind is MovementKind.SETTLED else 'applied to'} {invoice.number}."


def _shown(events: Iterable[Event], time_zone: str) -> list[dict[str, str]]:
    in_order = sorted(events, key=lambda event: event[0])  # what happened in one instant stays as it is listed
    return [{"at": show_instant(at, time_zone), "text": text, "who": ""} for at, text in in_order]
