"""How the account looks in JSON. Amounts are paise."""

from datetime import date
from typing import Annotated

from pydantic import Field

from portal.web.schema import In, Out


class StatementQuery(In):
    """Between which days, both inclusive, the account is wanted."""

    since: Annotated[date | None, Field(alias="from")] = None
    until: Annotated[date | None, Field(alias="to")] = None

    def last_day(self, today: date) -> date:
        """The last day that is wanted: without one it is today, or the first one when that is still to come."""
        return self.until or max(today, self.since or today)


class EntryOut(Out):
    """One line of the account."""

    date: date
    type: str
    number: str
    document_id: str
    debit: int
    credit: int
    balance: int


class StatementOut(Out):
    """The account: what was owed before, what happened, what is owed after."""

    since: Annotated[date | None, Field(serialization_alias="from")]
    until: Annotated[date, Field(serialization_alias="to")]
    opening: int
    entries: list[EntryOut]
    closing: int
