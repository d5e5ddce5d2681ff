"""Money that came for invoices, and what is left to pay of each. All of it is paise."""

from datetime import date, datetime

from sqlalchemy import CheckConstraint, Computed, Enum, ForeignKey, Index, UniqueConstraint, Uuid, text
from sqlalchemy.orm import Mapped, mapped_column

from portal.billing.rules import AllocationMethod, RefundStatus
from portal.db import Base, Identified

_OUTSTANDING = "CASE WHEN is_cancelled THEN 0 ELSE amount - paid_amount - credited_amount - applied_amount END"


class InvoiceBalance(Base):
    """What is left to pay of a sent invoice. Triggers alone write it, from allocations, credit movements and cancellations.

    ``credited_amount`` is what its own notes settled, ``applied_amount`` credit from elsewhere, ``settled_at`` when nothing was
    left to pay.
    """

    __tablename__ = "invoice_balances"
    __table_args__ = (
        CheckConstraint("paid_amount >= 0 AND credited_amount >= 0 AND applied_amount >= 0", name="not_negative"),
        CheckConstraint("paid_amount + credited_amount + applied_amount <= amount", name="within_the_invoice"),
        CheckConstraint("NOT is_cancelled OR paid_amount + credited_amount + applied_amount = 0", name="cancelled_unused"),
        Index("ix_invoice_balances_outstanding", "organization_id", "due_date", postgresql_where=text("outstanding > 0")),
        Index("ix_invoice_balances_due_date", "due_date", postgresql_where=text("outstanding > 0")),
    )

    invoice_id: Mapped[str] = mapped_column(Uuid(as_uuid=False), ForeignKey("invoices.id"), primary_key=True)
    organization_id: Mapped[str] = mapped_column(Uuid(as_uuid=False), ForeignKey("organizations.id"))
    amount: Mapped[int]
    due_date: Mapped[date]
    paid_amount: Mapped[int] = mapped_column(server_default="0")
    credited_amount: Mapped[int] = mapped_column(server_default="0")
    applied_amount: Mapped[int] = mapped_column(server_default="0")
    is_cancelled: Mapped[bool] = mapped_column(server_default=text("false"))
    outstanding: Mapped[int] = mapped_column(Computed(_OUTSTANDING, persisted=True))
    settled_at: Mapped[datetime | None]


class Allocation(Identified, Base):
    """Money put on an invoice: append-only."""

    __tablename__ = "invoice_allocations"
    __table_args__ = (
        UniqueConstraint("gateway_order_id"),
        CheckConstraint("amount > 0", name="amount_positive"),
        CheckConstraint("(method = 'ONLINE') = (gateway_order_id IS NOT NULL)", name="online"),
        Index("ix_invoice_allocations_invoice_id", "invoice_id"),
        Index("ix_invoice_allocations_organization_id", "organization_id", "paid_at"),
    )

    organization_id: Mapped[str] = mapped_column(Uuid(as_uuid=False), ForeignKey("organizations.id"))
    invoice_id: Mapped[str] = mapped_column(Uuid(as_uuid=False), ForeignKey("invoices.id"))
    gateway_order_id: Mapped[str | None] = mapped_column(Uuid(as_uuid=False), ForeignKey("gateway_orders.id"))
    amount: Mapped[int]
    method: Mapped[AllocationMethod] = mapped_column(Enum(AllocationMethod, native_enum=False, length=14))
    reference: Mapped[str | None]
    paid_at: Mapped[datetime]
    created_by: Mapped[str | None] = mapped_column(Uuid(as_uuid=False), ForeignKey("users.id"))
    created_at: Mapped[datetime]


class GatewayReturn(Identified, Base):
    """Money paid online for an invoice that had less left to pay: it goes back by the provider, by this row's id."""

    __tablename__ = "gateway_returns"
    __table_args__ = (
        UniqueConstraint("gateway_order_id"),
        CheckConstraint("amount > 0", name="amount_positive"),
        CheckConstraint("(status = 'PENDING') = (finished_at IS NULL)", name="finished"),
        Index("ix_gateway_returns_pending", "due_at", postgresql_where=text("status = 'PENDING'")),
    )

    gateway_order_id: Mapped[str] = mapped_column(Uuid(as_uuid=False), ForeignKey("gateway_orders.id"))
    amount: Mapped[int]
    status: Mapped[RefundStatus] = mapped_column(Enum(RefundStatus, native_enum=False, length=10))
    created_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]
    due_at: Mapped[datetime]
    provider_ref: Mapped[str | None]
    failure: Mapped[str | None]
