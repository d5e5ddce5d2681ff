"""Numbers of documents: consecutive and gapless within their series (CGST rules 46(b) and 53(1A)(c))."""

from collections.abc import Callable, Sequence
from datetime import date

from sqlalchemy.dialects.postgresql import insert as upsert

from portal import config, db, india
from portal.billing.models import DocumentSeries
from portal.billing.rules import credit_note_number, invoice_number


def take_invoice_numbers(day: date, count: int) -> Sequence[str]:
    """The next ``count`` numbers of invoices dated ``day`` (the date in India).

    The series stays locked until the commit, so this comes last: nothing slow may follow.
    """
    return _take(config.current().invoice_series, day, count, number=invoice_number)


def take_credit_note_number(day: date) -> str:
    """The next number of a credit note dated ``day``; as ``take_invoice_numbers``."""
    return _take(config.current().credit_note_series, day, 1, number=credit_note_number)[0]


def _take(series: str, day: date, count: int, *, number: Callable[[str, date, int], str]) -> list[str]:
    row = {"seller_gstin": config.current().supplier_gstin, "series": series, "financial_year": india.financial_year(day)}
    statement = upsert(DocumentSeries).values(**row, last_number=count)
    statement = statement.on_conflict_do_update(index_elements=list(row), set_={"last_number": DocumentSeries.last_number + count})
    last = db.session.scalars(statement.returning(DocumentSeries.last_number)).one()
    return [number(series, day, sequence) for sequence in range(last - count + 1, last + 1)]
