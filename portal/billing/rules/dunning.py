"""Reminders of what is due, and the ageing of what is owed."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from portal.money import Paise


@dataclass(frozen=True, slots=True)
class Bucket:
    """One step of the ageing: how long what is in it has been overdue."""

    label: str
    amount: Paise
    invoices: int


BUCKETS = (("Not due yet", 0), ("1–30 days", 30), ("31–60 days", 60), ("61–90 days", 90))
OLDEST = "Over 90 days"


def reminder_due(*, due: date, issued: date, today: date, stages: Sequence[int]) -> int | None:
    """The latest stage that has come, or None when none has; stages before the issue date never come.

    Args:
        due: The due date.
        issued: The issue date: on that day the invoice itself went out.
        today: The date in India.
        stages: Days after the due date on which reminders go out.
    """
    come = [stage for stage in stages if issued < due + timedelta(days=stage) <= today]
    return max(come, default=None)


def ageing(owed: Iterable[tuple[date, Paise, int]], *, today: date) -> list[Bucket]:
    """What is outstanding by how long it has been overdue; the buckets sum to it.

    Args:
        owed: Due date, outstanding amount and number of invoices, in any order.
        today: The date in India.
    """
    labels = [*(label for label, _days in BUCKETS), OLDEST]
    amounts, counts = [0] * len(labels), [0] * len(labels)
    for due, amount, number in owed:
        days = (today - due).days
        index = next((index for index, (_label, most) in enumerate(BUCKETS) if days <= most), len(BUCKETS))
        amounts[index] += amount
        counts[index] += number
    return [Bucket(label, amount, count) for label, amount, count in zip(labels, amounts, counts, strict=True)]
