"""How an invoice stands today, in words: the box on the printed document."""

from datetime import date

from portal.billing.rules.documents import PaymentStatusText
from portal.money import Paise, format_inr


def payment_status(
    *,
    total: Paise,
    paid: Paise,
    credited: Paise,
    due: date,
    today: date,
    settled_on: date | None = None,
    cancelled_on: date | None = None,
) -> PaymentStatusText:
    """Due, Overdue, Part paid, Paid, Settled by credit, Cancelled: with the amounts and dates.

    Args:
        total: The invoice's total, paise.
        paid: Money received for it, paise.
        credited: What its own credit notes and credit from elsewhere settled, paise.
        due: The due date.
        today: The date in India.
        settled_on: When the last of it was settled, if nothing is outstanding.
        cancelled_on: When it was cancelled, if it was.
    """
    outstanding = total - paid - credited
    if cancelled_on is not None:
        return PaymentStatusText(label="Cancelled", detail=f"Cancelled on {_day(cancelled_on)}. Nothing is to be paid.", tone="void")
    if outstanding <= 0:
        return _settled(paid=paid, credited=credited, settled_on=settled_on)
    settled = _sum_of(paid=paid, credited=credited)
    if today > due:
        days = (today - due).days
        late = f"{format_inr(outstanding)} was due on {_day(due)}, {days} {'day' if days == 1 else 'days'} ago."
        return PaymentStatusText(label="Overdue", detail=f"{settled} {late}".strip(), tone="overdue")
    remains = f"{format_inr(outstanding)} is due by {_day(due)}."
    if settled:
        label = "Part paid" if paid else "Part credited"
        return PaymentStatusText(label=label, detail=f"{settled} {remains}", tone="part")
    return PaymentStatusText(label="Due", detail=remains, tone="due")


def _settled(*, paid: Paise, credited: Paise, settled_on: date | None) -> PaymentStatusText:
    when = f" on {_day(settled_on)}" if settled_on else ""
    if not paid and credited:
        return PaymentStatusText(label="Settled by credit", detail=f"Settled by credit{when}. Nothing is to be paid.", tone="credit")
    amounts = _sum_of(paid=paid, credited=credited) if credited else f"{format_inr(paid)} received."
    return PaymentStatusText(label=f"Paid{when}", detail=f"{amounts} Nothing is to be paid.", tone="paid")


def _sum_of(*, paid: Paise, credited: Paise) -> str:
    parts = [f"{format_inr(paid)} paid"] if paid else []
    parts += [f"{format_inr(credited)} credited"] if credited else []
    return f"{' and '.join(parts)}." if parts else ""


def _day(day: date) -> str:
    return f"{day:%d %b %Y}"
