"""A statement of account."""

from dataclasses import dataclass
from datetime import date

from portal.billing.rules.documents.parts import Party, check_sums
from portal.money import Paise


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementEntry:
    """What one document or payment did to the account.

    Attributes:
        on: The day, in India.
        what: The kind of entry in words, such as ``Invoice`` or ``Payment``.
        number: Of the document that it is about.
        debit: What it added to what is owed, paise.
        credit: What it took off, paise.
        balance: What was owed after it, paise; negative for open credit.
    """

    on: date
    what: str
    number: str
    debit: Paise
    credit: Paise
    balance: Paise


@dataclass(frozen=True, slots=True, kw_only=True)
class AgeBucket:
    """What is outstanding of one age, paise: ``Not due yet``, ``1 to 30 days``, and so on."""

    label: str
    amount: Paise


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementDocument:
    """An account between two days, both inclusive; amounts in paise.

    Attributes:
        since: The first day; None for the account's beginning.
        issue_date: The day on which the statement was made, in India.
        opening: What was owed before the first day.
        closing: What is owed at the end of the last day; negative for open credit.
        ageing: The outstanding amounts by age; may be empty.

    Raises:
        ValueError: A balance isn't the one before it plus debit minus credit.
    """

    supplier: Party
    recipient: Party
    since: date | None
    until: date
    issue_date: date
    opening: Paise
    entries: tuple[StatementEntry, ...]
    closing: Paise
    ageing: tuple[AgeBucket, ...] = ()
    bank_lines: tuple[str, ...] = ()
    currency: str = "INR"

    def __post_init__(self) -> None:
        balance, sums = self.opening, {}
        for at, entry in enumerate(self.entries, start=1):
            balance += entry.debit - entry.credit
            sums[f"the account to entry {at}"] = (balance, entry.balance)
        check_sums("Statement of account", {**sums, "opening and entries": (balance, self.closing)})

    @property
    def number(self) -> str:
        """What it is filed under: its period."""
        return f"{self.since:%d %b %Y} to {self.until:%d %b %Y}" if self.since else f"To {self.until:%d %b %Y}"

    @property
    def debits(self) -> Paise:
        """All that was added, paise."""
        return sum(entry.debit for entry in self.entries)

    @property
    def credits(self) -> Paise:
        """All that was taken off, paise."""
        return sum(entry.credit for entry in self.entries)
