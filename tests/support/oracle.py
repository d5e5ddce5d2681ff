"""What every document of an organization must say, computed from nothing but the acts: an oracle that imports no code of the portal.

Money is integer paise; where a rate is applied, exact fractions are rounded once. Instants are UTC. An act that must be refused raises
``Refused`` with the HTTP status of the refusal and changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from typing import NamedTuple

SUPPLIER_STATE = "29"
GST = Fraction(18, 100)
INDIA = timedelta(hours=5, minutes=30)
AGEING = ((0, "not due"), (30, "1-30"), (60, "31-60"), (90, "61-90"))


class Refused(Exception):
    """The act is one that the domain refuses."""

    def __init__(self, status: int) -> None:
        super().__init__(f"refused with {status}")
        self.status = status


class Tax(NamedTuple):
    """Tax by its components, paise."""

    cgst: int = 0
    sgst: int = 0
    igst: int = 0

    def less(self, other: Tax) -> Tax:
        """What is left after ``other``; a component never goes below zero."""
        return Tax(*(max(0, mine - theirs) for mine, theirs in zip(self, other, strict=True)))


@dataclass(frozen=True)
class Buyer:
    """What of an organization its tax and its due dates follow from, as it stands at one moment."""

    state: str = SUPPLIER_STATE
    country: str = "IN"
    is_sez: bool = False
    terms: int = 30

    def tax(self, taxable: int) -> Tax:
        """GST on a taxable amount: none abroad, IGST to other states and SEZ units, two equal halves otherwise."""
        if self.country != "IN":
            return Tax()
        if self.is_sez or self.state != SUPPLIER_STATE:
            return Tax(igst=half_up(taxable * GST))
        half = half_up(taxable * GST / 2)
        return Tax(half, half, 0)


@dataclass(eq=False)
class Payment:
    """A booking's payment under INVOICED_MONTHLY; ``line`` is the one that bills it now."""

    id: str
    amount: int
    at: datetime
    session_date: date
    refunded: int = 0
    line: Line | None = None

    @property
    def net(self) -> int:
        """What is left of it after refunds."""
        return self.amount - self.refunded


@dataclass(eq=False)
class Line:
    """One payment on one invoice."""

    invoice: Invoice
    payment: Payment
    taxable: int
    id: str = ""

    @property
    def left(self) -> int:
        """How much of it no note has credited."""
        return self.taxable - sum(part for note in self.invoice.live_notes for line, part in note.items if line is self)


@dataclass(eq=False)
class Invoice:
    """A document that never changes, and what was put on it since."""

    account: Account
    buyer: Buyer
    start: datetime
    end: datetime
    issued_at: datetime
    is_automatic: bool
    lines: list[Line] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    id: str = ""
    number: str = ""
    paid: int = 0
    applied: int = 0
    is_cancelled: bool = False

    @property
    def taxable(self) -> int:
        """All lines together."""
        return sum(line.taxable for line in self.lines)

    @property
    def tax(self) -> Tax:
        """On the sum, not line by line."""
        return self.buyer.tax(self.taxable)

    @property
    def total(self) -> int:
        """What it asks for."""
        return self.taxable + sum(self.tax)

    @property
    def live_notes(self) -> list[Note]:
        """Its notes that weren't voided."""
        return [note for note in self.notes if not note.is_void]

    @property
    def settled(self) -> int:
        """What its own notes took off it."""
        return sum(note.settled for note in self.live_notes)

    @property
    def outstanding(self) -> int:
        """What is still to be paid; nothing of a cancelled one."""
        return 0 if self.is_cancelled else self.total - self.paid - self.settled - self.applied

    @property
    def due(self) -> date:
        """Counted from the day of issue in India."""
        return india(self.issued_at) + timedelta(days=self.buyer.terms)

    def status(self, now: datetime) -> str:
        """What people see of it."""
        if self.is_cancelled:
            return "CANCELLED"
        if self.outstanding == 0:
            return "PAID"
        return "OVERDUE" if india(now) > self.due else "SENT"


@dataclass(eq=False)
class Note:
    """A credit note; ``items`` are the lines it credits, before GST."""

    invoice: Invoice
    kind: str
    items: list[tuple[Line, int]]
    tax: Tax
    at: datetime
    is_refund: bool
    id: str = ""
    number: str = ""
    settled: int = 0
    applied: int = 0
    paid_out: int = 0
    is_void: bool = False

    @property
    def taxable(self) -> int:
        """All its lines together."""
        return sum(part for _line, part in self.items)

    @property
    def total(self) -> int:
        """With the tax it reverses."""
        return self.taxable + sum(self.tax)

    @property
    def open(self) -> int:
        """What nothing has used yet."""
        return 0 if self.is_void else self.total - self.settled - self.applied - self.paid_out

    @property
    def status(self) -> str:
        """What people see of it."""
        return "VOID" if self.is_void else "APPLIED" if self.open == 0 else "ISSUED"


class Movement(NamedTuple):
    """A line of the account."""

    at: datetime
    debit: int
    credit: int
    number: str


@dataclass
class Series:
    """The counters of the seller: one per kind of document and financial year."""

    last: dict[tuple[str, str], int] = field(default_factory=dict)

    def take(self, prefix: str, at: datetime, digits: int) -> str:
        """The next number (GST rule 46(b)); the year is India's, from April."""
        day = india(at)
        first = day.year if day.month >= 4 else day.year - 1
        year = f"{first % 100:02}-{(first + 1) % 100:02}"
        self.last[prefix, year] = self.last.get((prefix, year), 0) + 1
        return f"{prefix}/{year}/{self.last[prefix, year]:0{digits}}"


@dataclass(eq=False)
class Account:
    """One organization's money."""

    series: Series
    buyer: Buyer = field(default_factory=Buyer)
    payments: dict[str, Payment] = field(default_factory=dict)
    invoices: list[Invoice] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    movements: list[Movement] = field(default_factory=list)

    # Acts.

    def book(self, payment_id: str, amount: int, *, at: datetime, starts_at: datetime) -> None:
        """A session is booked; nobody pays yet."""
        self.payments[payment_id] = Payment(payment_id, amount, at, india(starts_at))

    def next_invoice(self, *, end: datetime, at: datetime, is_automatic: bool) -> Invoice | None:
        """What would be issued at ``at`` for everything before ``end``, without a number and without a trace; None: nothing to bill.

        Raises:
            Refused: An earlier period reaches to ``end`` already.
        """
        waiting = [payment for payment in self.payments.values() if payment.line is None and payment.net and payment.at < end]
        if not waiting:
            return None
        ends = [invoice.end for invoice in self.invoices if not invoice.is_cancelled]
        oldest = min(payment.at for payment in waiting).astimezone(UTC)
        start = max(ends) if ends else oldest.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        if start >= end:
            raise Refused(400)
        invoice = Invoice(self, self.buyer, start, end, at, is_automatic)
        invoice.lines = [Line(invoice, payment, payment.net) for payment in waiting]
        return invoice

    def issue(self, invoice: Invoice) -> Invoice:
        """Makes the next invoice a real one: numbered, its payments billed, open credit put on it, the oldest first."""
        invoice.number = self.series.take("PF", invoice.issued_at, 7)
        for line in invoice.lines:
            line.payment.line = line
        self.invoices.append(invoice)
        self.movements.append(Movement(invoice.issued_at, invoice.total, 0, invoice.number))
        for note in self.notes:
            part = min(note.open, invoice.outstanding)
            note.applied += part
            invoice.applied += part
        return invoice

    def invoice_by_hand(self, at: datetime) -> Invoice:
        """Closes the running period out; nothing to bill is a 400."""
        invoice = self.next_invoice(end=at, at=at, is_automatic=False)
        if invoice is None:
            raise Refused(400)
        return self.issue(invoice)

    def run_month(self, at: datetime) -> Invoice | None:
        """The job: bills up to the last month's end, whenever it runs; None where that is billed already or nothing waits."""
        end = at.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        try:
            invoice = self.next_invoice(end=end, at=at, is_automatic=True)
        except Refused:
            return None
        return self.issue(invoice) if invoice else None

    def pay(self, invoice: Invoice, amount: int, *, at: datetime) -> None:
        """Money comes in for an invoice."""
        if amount > invoice.outstanding:
            raise Refused(409)
        invoice.paid += amount
        self.movements.append(Movement(at, 0, amount, invoice.number))

    def refund(self, payment: Payment, amount: int | None, *, at: datetime) -> Note | None:
        """Gives a payment back; on a billed one by a note, and in full on an unpaid invoice it is un-billed."""
        wanted = payment.net if amount is None else amount
        if not payment.net or wanted > payment.net or (payment.line and wanted > payment.line.left):
            raise Refused(409)
        payment.refunded += wanted
        if payment.line is None:
            return None
        note = self._credit(payment.line.invoice, [(payment.line, wanted)], at=at, is_refund=True)
        if note.kind == "ADJUSTMENT" and payment.net == 0:
            payment.line = None
        return note

    def credit(self, invoice: Invoice, items: list[tuple[Line, int]], *, at: datetime) -> Note:
        """A note made by hand, line by line."""
        if invoice.is_cancelled or any(part > line.left for line, part in items):
            raise Refused(409)
        return self._credit(invoice, items, at=at, is_refund=False)

    def void(self, note: Note, *, at: datetime) -> None:
        """Takes a note made by hand back, of which nothing was applied or paid out."""
        if note.is_void or note.is_refund or note.applied or note.paid_out:
            raise Refused(409)
        note.is_void, note.settled = True, 0
        self.movements.append(Movement(at, note.total, 0, note.number))

    def cancel(self, invoice: Invoice, *, at: datetime) -> None:
        """Takes an untouched invoice back; its number stays used."""
        if invoice.is_cancelled or invoice.paid or invoice.applied or invoice.live_notes:
            raise Refused(409)
        invoice.is_cancelled = True
        for line in invoice.lines:
            line.payment.line = None
        self.movements.append(Movement(at, 0, invoice.total, invoice.number))

    def pay_out(self, amount: int, *, at: datetime) -> None:
        """Open credit goes to the organization's bank account, the oldest first."""
        if amount > self.open_credit:
            raise Refused(409)
        for note in self.notes:
            part = min(note.open, amount)
            if part:
                note.paid_out += part
                amount -= part
                self.movements.append(Movement(at, part, 0, note.number))

    def _credit(self, invoice: Invoice, items: list[tuple[Line, int]], *, at: datetime, is_refund: bool) -> Note:
        before = [sum(amounts) for amounts in zip(*(note.tax for note in invoice.live_notes), strict=True)] or [0, 0, 0]
        credited = sum(note.taxable for note in invoice.live_notes) + sum(part for _line, part in items)
        reversed_so_far = invoice.tax if credited == invoice.taxable else invoice.buyer.tax(credited)
        kind = "CREDIT" if invoice.paid or invoice.applied else "ADJUSTMENT"
        note = Note(invoice, kind, items, reversed_so_far.less(Tax(*before)), at, is_refund)
        note.number = self.series.take("PFCN", at, 5)
        note.settled = min(note.total, invoice.outstanding)
        invoice.notes.append(note)
        self.notes.append(note)
        self.movements.append(Movement(at, 0, note.total, note.number))
        return note

    # What follows.

    @property
    def outstanding(self) -> int:
        """Of all invoices."""
        return sum(invoice.outstanding for invoice in self.invoices)

    @property
    def open_credit(self) -> int:
        """Of all notes."""
        return sum(note.open for note in self.notes)

    @property
    def unbilled(self) -> list[int]:
        """What each payment that waits for an invoice will bring to it."""
        return [payment.net for payment in self.payments.values() if payment.line is None and payment.net]

    @property
    def exposure(self) -> int:
        """All that is owed, with the GST that the unbilled part will carry."""
        waiting = sum(self.unbilled)
        return waiting + sum(self.buyer.tax(waiting)) + self.outstanding - self.open_credit

    def booked_since(self, at: datetime) -> list[int]:
        """What was booked since, before refunds."""
        return [payment.amount for payment in self.payments.values() if payment.at >= at]

    def ageing(self, now: datetime) -> list[tuple[int, int]]:
        """Outstanding amount and number of invoices: not due, up to 30, 60, 90 days overdue, and beyond."""
        steps = [[0, 0] for _step in range(len(AGEING) + 1)]
        for invoice in self.invoices:
            if invoice.outstanding:
                days = (india(now) - invoice.due).days
                step = next((place for place, (most, _name) in enumerate(AGEING) if days <= most), len(AGEING))
                steps[step] = [steps[step][0] + invoice.outstanding, steps[step][1] + 1]
        return [(amount, number) for amount, number in steps]


def india(at: datetime) -> date:
    """The date of an instant in India."""
    return (at.astimezone(UTC) + INDIA).date()


def half_up(amount: Fraction) -> int:
    """To the paisa, half away from zero."""
    whole = (abs(amount) + Fraction(1, 2)) // 1
    return int(whole) if amount >= 0 else -int(whole)
