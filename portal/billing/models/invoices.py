"""Invoices, their numbers and mails, and the monthly run. All money is paise."""

from datetime import date, datetime
from typing import Any

from sqlalchemy import CheckConstraint, Enum, ForeignKey, Index, UniqueConstraint, Uuid, text
from sqlalchemy.dialects.postgresql import JSONB, ExcludeConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship
from sqlalchemy.sql.elements import TextClause

from portal.billing.rules import InvoiceStatus, Purpose, TaxKind
from portal.billing.rules.runs import RunStatus
from portal.db import Base, Identified, Json
from portal.gateways.mail import Delivered, Delivery
from portal.orgs.models import Organization

_period: Any = text("tstzrange(billing_cycle_start, billing_cycle_end)")
_live_period: TextClause = text("purpose = 'PERIOD' AND status <> 'CANCELLED'")


class Invoice(Identified, Base):
    """A tax invoice. A trigger refuses every change of what was sent, but for status, cancellation and the file's key."""

    __tablename__ = "invoices"
    __table_args__ = (
        Index("uq_invoices_seller_number", text("(supplier ->> 'gstin')"), "number", unique=True),
        CheckConstraint("(status = 'DRAFT') = (number IS NULL)", name="number_when_sent"),
        CheckConstraint("status = 'DRAFT' OR num_nulls(issued_at, issue_date, due_date) = 0", name="dates_when_sent"),
        CheckConstraint("tax_amount = cgst + sgst + igst AND amount = taxable_amount + tax_amount", name="sums"),
        CheckConstraint("cgst = sgst", name="equal_halves"),
        CheckConstraint("(purpose = 'PERIOD') = (billing_cycle_start IS NOT NULL AND billing_cycle_end IS NOT NULL)", name="period"),
        CheckConstraint("billing_cycle_start < billing_cycle_end", name="period_order"),
        CheckConstraint("(purpose = 'PURCHASE') = (purchase_id IS NOT NULL)", name="purchase"),
        CheckConstraint("(status = 'CANCELLED') = (cancelled_at IS NOT NULL)", name="cancelled"),
        UniqueConstraint("purchase_id"),
        ExcludeConstraint(("organization_id", "="), (_period, "&&"), name="ex_invoices_period", using="gist", where=_live_period),
        Index("ix_invoices_organization_id_issued_at", "organization_id", "issued_at", "id"),
    )

    organization_id: Mapped[str] = mapped_column(Uuid(as_uuid=False), ForeignKey("organizations.id"))
    purchase_id: Mapped[str | None] = mapped_column(Uuid(as_uuid=False), ForeignKey("credit_purchases.id"))
    purpose: Mapped[Purpose] = mapped_column(Enum(Purpose, native_enum=False, length=10))
    status: Mapped[InvoiceStatus] = mapped_column(Enum(InvoiceStatus, native_enum=False, length=10))
    number: Mapped[str | None]
    currency: Mapped[str] = mapped_column(default="INR")
    taxable_amount: Mapped[int]
    tax_rate: Mapped[int]
    cgst: Mapped[int]
    sgst: Mapped[int]
    igst: Mapped[int]
    tax_amount: Mapped[int]
    amount: Mapped[int]
    billing_cycle_start: Mapped[datetime | None]
    billing_cycle_end: Mapped[datetime | None]
    issue_date: Mapped[date | None]
    due_date: Mapped[date | None]
    issued_at: Mapped[datetime | None]
    supplier: Mapped[Json] = mapped_column(JSONB)
    recipient: Mapped[Json] = mapped_column(JSONB)
    particulars: Mapped[Json] = mapped_column(JSONB)
    place_of_supply: Mapped[str]
    tax_kind: Mapped[TaxKind] = mapped_column(Enum(TaxKind, native_enum=False, length=10))
    po_number: Mapped[str | None]
    payment_terms_days: Mapped[int]
    auto_generated: Mapped[bool]
    file_key: Mapped[str | None]
    created_at: Mapped[datetime]
    cancelled_at: Mapped[datetime | None]
    cancel_reason: Mapped[str | None]

    organization: Mapped[Organization] = relationship(lazy="raise")


class InvoiceLine(Identified, Base):
    """One payment on an invoice. A payment has one live line (``released_at`` is null) at most."""

    __tablename__ = "invoice_lines"
    __table_args__ = (
        UniqueConstraint("invoice_id", "position"),
        Index("uq_invoice_lines_live_payment", "payment_id", unique=True, postgresql_where=text("released_at IS NULL")),
        CheckConstraint("taxable_amount > 0", name="amount_positive"),
    )

    invoice_id: Mapped[str] = mapped_column(Uuid(as_uuid=False), ForeignKey("invoices.id"))
    payment_id: Mapped[str | None] = mapped_column(Uuid(as_uuid=False), ForeignKey("payments.id"))
    position: Mapped[int]
    description: Mapped[str]
    detail: Mapped[str]
    sac_code: Mapped[str]
    quantity: Mapped[int] = mapped_column(default=1)
    unit_price: Mapped[int]
    taxable_amount: Mapped[int]
    session_date: Mapped[date]
    released_at: Mapped[datetime | None]


class InvoiceMail(Delivered, Identified, Base):
    """A mail about an invoice, or about a credit note to it, with the document's PDF."""

    __tablename__ = "invoice_mails"
    __table_args__ = (
        UniqueConstraint("invoice_id", "occasion", "credit_note_id", postgresql_nulls_not_distinct=True),
        Index("ix_invoice_mails_due", "delivery_due_at", postgresql_where=text(f"delivery = '{Delivery.QUEUED}'")),
    )

    invoice_id: Mapped[str] = mapped_column(Uuid(as_uuid=False), ForeignKey("invoices.id"))
    credit_note_id: Mapped[str | None] = mapped_column(Uuid(as_uuid=False), ForeignKey("credit_notes.id"))
    occasion: Mapped[str]
    recipients: Mapped[list[str]] = mapped_column(JSONB)
    created_at: Mapped[datetime]

    invoice: Mapped[Invoice] = relationship(lazy="raise")


class DocumentSeries(Base):
    """The last number given in a series: one row per seller, financial year and document type (GST rule 46(b))."""

    __tablename__ = "document_series"

    seller_gstin: Mapped[str] = mapped_column(primary_key=True)
    series: Mapped[str] = mapped_column(primary_key=True)
    financial_year: Mapped[str] = mapped_column(primary_key=True)
    last_number: Mapped[int]


class BillingRun(Identified, Base):
    """The monthly run of one month: begun once, resumed until it is done."""

    __tablename__ = "billing_runs"
    __table_args__ = (UniqueConstraint("period_end"),)

    period_end: Mapped[datetime]
    as_of: Mapped[datetime]
    status: Mapped[RunStatus] = mapped_column(Enum(RunStatus, native_enum=False, length=10))
    started_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]
    invoices: Mapped[int] = mapped_column(default=0)
    payments: Mapped[int] = mapped_column(default=0)
    amount: Mapped[int] = mapped_column(default=0)
    failures: Mapped[list[Json]] = mapped_column(JSONB, default=list)
    skipped: Mapped[Json] = mapped_column(JSONB, default=dict, server_default=text("'{}'::jsonb"))
