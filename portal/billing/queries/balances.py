"""What organizations owe and are owed: outstanding amounts, open credit, exposure. Amounts are paise."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import BindParameter, ScalarSelect, Select, bindparam, exists, func, or_, select, true

from portal import clock, config, db
from portal.billing.models import Allocation, CreditNote, CreditNoteLine, GatewayReturn, InvoiceBalance, InvoiceLine, Payment
from portal.billing.queries.unbilled import is_unbilled
from portal.billing.rules import (
    Amounts,
    Bucket,
    CreditNoteStatus,
    PaymentStatus,
    Place,
    ageing,
    month_start,
    with_tax,
)
from portal.orgs.models import Organization


@dataclass(frozen=True, slots=True)
class Summary:
    """What the billing page's cards say.

    Attributes:
        open_credit: Of credit notes, for later invoices.
        unbilled: What the next invoice will bill so far, before GST.
        month_gross: Succeeded payments since the 1st of the month (UTC), before GST.
    """

    outstanding: int
    outstanding_count: int
    overdue: int
    open_credit: int
    unbilled: int
    unbilled_count: int
    month_gross: int
    month_count: int

    @property
    def net_balance(self) -> int:
        """What is owed in the end: outstanding minus open credit."""
        return self.outstanding - self.open_credit

    def exposure(self, place: Place) -> int:
        """All that is owed, with the GST that the unbilled part will carry."""
        return self.net_balance + with_tax(self.unbilled, place)


@dataclass(frozen=True, slots=True)
class Exposure:
    """What an organization owes.

    Attributes:
        unbilled: Of payments that no invoice has billed yet, net of refunds, before GST.
        owed: Outstanding on issued invoices, minus open credit.
        total: All of it, with the GST that the unbilled part will carry.
    """

    unbilled: int
    owed: int
    total: int


@dataclass(frozen=True, slots=True)
class OpenNote:
    """A credit note of which something is open."""

    id: str
    organization_id: str
    open_amount: int


def place_of(organization: Organization) -> Place:
    """Where supplies to an organization come from and go to, as it stands now."""
    supplier_state = config.current().supplier_state_code
    return Place(
        supplier_state=supplier_state,
        # IGST Act, section 12(2)(b)(ii): with no address on record, the place of supply is the supplier's.
        buyer_state=organization.state_code or supplier_state,
        buyer_country=organization.country,
        is_sez=organization.is_sez,
    )


def exposure(organization: Organization) -> Exposure:
    """What an organization owes now."""
    net = func.coalesce(func.sum(Payment.amount - Payment.refunded_amount), 0)
    waiting = select(net).where(Payment.organization_id == organization.id, is_unbilled()).scalar_subquery()
    outstanding = (
        select(func.coalesce(func.sum(InvoiceBalance.outstanding), 0))
        .where(InvoiceBalance.organization_id == organization.id, InvoiceBalance.outstanding > 0)
        .scalar_subquery()
    )
    unbilled, owed, credit = map(int, db.session.execute(select(waiting, outstanding, _open_credit(organization.id))).one())
    return Exposure(unbilled, owed - credit, owed - credit + with_tax(unbilled, place_of(organization)))


def summary(organization_id: str) -> Summary:
    """The figures of an organization now."""
    values = {"organization": organization_id, "today": clock.today(clock.INDIA), "since": month_start(clock.now())}
    row = db.session.execute(_summary(), values).one()
    return Summary(
        outstanding=int(row.owed),
        outstanding_count=row.invoices,
        overdue=int(row.overdue),
        open_credit=int(row.credit),
        unbilled=int(row.net),
        unbilled_count=row.payments,
        month_gross=int(row.gross),
        month_count=row.sessions,
    )


@cache
def _summary() -> Select[*tuple[Any, ...]]:
    asked = bindparam("organization", type_=InvoiceBalance.organization_id.type)
    owed = func.coalesce(func.sum(InvoiceBalance.outstanding), 0)
    is_overdue = InvoiceBalance.due_date < bindparam("today")
    documents = (
        select(
            owed.label("owed"),
            func.count().label("invoices"),
            func.coalesce(func.sum(InvoiceBalance.outstanding).filter(is_overdue), 0).label("overdue"),
        )
        .where(InvoiceBalance.organization_id == asked, InvoiceBalance.outstanding > 0)
        .subquery()
    )
    net = Payment.amount - Payment.refunded_amount
    waiting = (
        select(func.coalesce(func.sum(net), 0).label("net"), func.count().filter(net > 0).label("payments"))
        .where(Payment.organization_id == asked, is_unbilled())
        .subquery()
    )
    booked = (
        select(func.coalesce(func.sum(Payment.amount), 0).label("gross"), func.count().label("sessions"))
        .where(Payment.organization_id == asked, Payment.created_at >= bindparam("since"), Payment.status == PaymentStatus.SUCCEEDED)
        .subquery()
    )
    each = select(documents, _open_credit(asked).label("credit"), waiting, booked)
    return each.select_from(documents).join(waiting, true()).join(booked, true())


def ageing_of(organization_id: str) -> Sequence[Bucket]:
    """What is outstanding, by how long it has been overdue."""
    statement = (
        select(InvoiceBalance.due_date, func.sum(InvoiceBalance.outstanding), func.count())
        .where(InvoiceBalance.organization_id == organization_id, InvoiceBalance.outstanding > 0)
        .group_by(InvoiceBalance.due_date)
    )
    owed = [(due, int(amount), number) for due, amount, number in db.session.execute(statement)]
    return ageing(owed, today=clock.today(clock.INDIA))


def balance(invoice_id: str) -> InvoiceBalance:
    """What is left to pay of a sent invoice, as it is now."""
    statement = select(InvoiceBalance).where(InvoiceBalance.invoice_id == invoice_id).execution_options(populate_existing=True)
    return db.session.scalars(statement).one()


def balances(invoice_ids: Sequence[str]) -> dict[str, InvoiceBalance]:
    """Invoice → what is left to pay of it."""
    statement = select(InvoiceBalance).where(InvoiceBalance.invoice_id.in_(invoice_ids)).execution_options(populate_existing=True)
    return {row.invoice_id: row for row in db.session.scalars(statement)} if invoice_ids else {}


def open_notes(organization_ids: Sequence[str]) -> Sequence[OpenNote]:
    """Credit notes of which something is open, the oldest of each organization first."""
    statement = (
        select(CreditNote.id, CreditNote.organization_id, CreditNote.open_amount)
        .where(CreditNote.organization_id.in_(organization_ids), CreditNote.open_amount > 0)
        .order_by(CreditNote.organization_id, CreditNote.issued_at, CreditNote.id)
    )
    return [OpenNote(*row) for row in db.session.execute(statement)]


def credited_on(invoice_id: str) -> Amounts:
    """What the notes of an invoice that aren't void credit in sum."""
    columns = (CreditNote.taxable_amount, CreditNote.cgst, CreditNote.sgst, CreditNote.igst)
    statement = select(*(func.coalesce(func.sum(column), 0) for column in columns)).where(
        CreditNote.invoice_id == invoice_id, CreditNote.status != CreditNoteStatus.VOID
    )
    return Amounts(*map(int, db.session.execute(statement).one()))


def left_of_lines(invoice_id: str) -> dict[str, int]:
    """Line → how much of it can still be credited, before GST, in the order in which they are printed."""
    credited = (
        select(func.coalesce(func.sum(CreditNoteLine.taxable_amount), 0))
        .join(CreditNote, CreditNote.id == CreditNoteLine.credit_note_id)
        .where(CreditNoteLine.invoice_line_id == InvoiceLine.id, CreditNote.status != CreditNoteStatus.VOID)
        .scalar_subquery()
    )
    statement = select(InvoiceLine.id, InvoiceLine.taxable_amount - credited).where(InvoiceLine.invoice_id == invoice_id)
    return {line_id: int(left) for line_id, left in db.session.execute(statement.order_by(InvoiceLine.position))}


def is_allocated(gateway_order_id: str) -> bool:
    """Whether the money of an order was put on its invoice already, or goes back."""
    on_invoice = exists().where(Allocation.gateway_order_id == gateway_order_id)
    goes_back = exists().where(GatewayReturn.gateway_order_id == gateway_order_id)
    return bool(db.session.scalar(select(or_(on_invoice, goes_back))))


def _open_credit(organization_id: str | BindParameter[str]) -> ScalarSelect[int]:
    return (
        select(func.coalesce(func.sum(CreditNote.open_amount), 0))
        .where(CreditNote.organization_id == organization_id, CreditNote.open_amount > 0)
        .scalar_subquery()
    )
