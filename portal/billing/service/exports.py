"""Documents and the account as CSV, for spreadsheets and bookkeeping. Amounts are in rupees with two decimals."""

from decimal import Decimal

from portal import clock
from portal.billing import queries
from portal.billing.queries import Filters, Listed
from portal.billing.rules import display_status, note_status
from portal.money import Paise
from portal.sheets import csv_bytes

MOST_ROWS = 20_000
_COLUMNS = (
    "type",
    "number",
    "status",
    "issue date",
    "due date",
    "original invoice",
    "PO number",
    "place of supply",
    "taxable value",
    "CGST",
    "SGST",
    "IGST",
    "total",
    "outstanding or open",
)


def documents_csv(organization_id: str, filters: Filters) -> bytes:
    """Invoices and credit notes, newest first; what credits is negative."""
    found = queries.documents_of(organization_id, filters, limit=MOST_ROWS)
    return csv_bytes(_COLUMNS, [_row(document) for document in found])


def statement_csv(statement: queries.Statement) -> bytes:
    """The account: an opening line, its entries, and a closing line."""
    rows: list[tuple[object, ...]] = [("", "opening", "", "", "", rupees(statement.opening))]
    rows += [
        (
            entry.date.isoformat(),
            entry.label.lower(),
            entry.number,
            rupees(entry.debit) if entry.debit else "",
            rupees(entry.credit) if entry.credit else "",
            rupees(entry.balance),
        )
        for entry in statement.entries
    ]
    rows.append((statement.until.isoformat(), "closing", "", "", "", rupees(statement.closing)))
    return csv_bytes(("date", "entry", "number", "debit", "credit", "balance"), rows)


def _row(document: Listed) -> tuple[object, ...]:
    if document.invoice is not None and document.balance is not None:
        invoice, left = document.invoice, document.balance
        standing = display_status(invoice.status, left.outstanding, invoice.due_date, clock.today(clock.INDIA))
        amounts = (invoice.taxable_amount, invoice.cgst, invoice.sgst, invoice.igst, invoice.amount, left.outstanding)
        dates = (f"{invoice.issue_date}", f"{invoice.due_date}")
        head = ("invoice", invoice.number or "", standing.value, *dates, "", invoice.po_number or "", invoice.place_of_supply)
        return (*head, *map(rupees, amounts))
    note = document.note
    assert note is not None
    standing_of_note = note_status(note.status, note.open_amount)
    taken = (note.taxable_amount, note.cgst, note.sgst, note.igst, note.amount, note.open_amount)
    head = (
        "credit note",
        note.number,
        standing_of_note.value,
        f"{note.issue_date}",
        "",
        note.invoice.number or "",
        "",
        note.place_of_supply,
    )
    return (*head, *(rupees(-amount) for amount in taken))


def rupees(amount: Paise) -> Decimal:
    """``-1180.00``: a number, so that spreadsheets add it up."""
    return Decimal(amount).scaleb(-2)
