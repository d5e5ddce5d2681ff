"""How documents stand: the only live part of what is printed."""

from datetime import date, datetime

from portal import clock
from portal.billing.models import CreditNote, Invoice, InvoiceBalance
from portal.billing.rules import PaymentStatusText, payment_status
from portal.billing.rules.documents import credit_status


def standing_of(invoice: Invoice, balance: InvoiceBalance) -> PaymentStatusText:
    """How an invoice stands now."""
    return payment_status(
        total=invoice.amount,
        paid=balance.paid_amount,
        credited=balance.credited_amount + balance.applied_amount,
        due=invoice.due_date or clock.today(clock.INDIA),
        today=clock.today(clock.INDIA),
        settled_on=_day(balance.settled_at),
        cancelled_on=_day(invoice.cancelled_at),
    )


def standing_when_issued(invoice: Invoice, *, credit_applied: int) -> PaymentStatusText:
    """How an invoice stood when it was sent: with nothing paid, and with the open credit that was used for it (paise)."""
    assert invoice.issue_date
    assert invoice.due_date
    return payment_status(
        total=invoice.amount,
        paid=0,
        credited=credit_applied,
        due=invoice.due_date,
        today=invoice.issue_date,
        settled_on=invoice.issue_date if credit_applied == invoice.amount else None,
    )


def note_standing(note: CreditNote, *, original_number: str) -> PaymentStatusText:
    """Where a credit note's amount went until now."""
    return credit_status(
        total=note.amount,
        settled=note.settled_amount,
        applied=note.applied_amount,
        paid_out=note.paid_out_amount,
        original_number=original_number,
        voided_on=_day(note.voided_at),
    )


def _day(at: datetime | None) -> date | None:
    return at.astimezone(clock.INDIA).date() if at else None
