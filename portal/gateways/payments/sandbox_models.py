"""The sandbox's own books. No other table refers to them: they stand for a company that isn't ours. Amounts are paise."""

from datetime import datetime

from sqlalchemy import CheckConstraint, Enum, ForeignKey, Index, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from portal.db import Base
from portal.gateways.payments.contract import OrderStatus, RefundStatus


class SandboxOrder(Base):
    """An order. OPEN past ``expires_at`` counts as EXPIRED."""

    __tablename__ = "sandbox_orders"
    __table_args__ = (
        UniqueConstraint("key"),
        CheckConstraint("amount > 0", name="amount_positive"),
        CheckConstraint("(status = 'PAID') = (payment_ref IS NOT NULL AND paid_at IS NOT NULL)", name="paid"),
    )

    id: Mapped[str] = mapped_column(Text, primary_key=True)
    key: Mapped[str]
    amount: Mapped[int]
    currency: Mapped[str]
    description: Mapped[str]
    payer_email: Mapped[str]
    return_url: Mapped[str]
    status: Mapped[OrderStatus] = mapped_column(Enum(OrderStatus, native_enum=False, length=10))
    payment_ref: Mapped[str | None]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    paid_at: Mapped[datetime | None]


class SandboxRefund(Base):
    """A refund of an order, or of a part of it."""

    __tablename__ = "sandbox_refunds"
    __table_args__ = (
        UniqueConstraint("key"),
        CheckConstraint("amount > 0", name="amount_positive"),
        Index("ix_sandbox_refunds_order_id", "order_id"),
    )

    id: Mapped[str] = mapped_column(Text, primary_key=True)
    key: Mapped[str]
    order_id: Mapped[str] = mapped_column(Text, ForeignKey("sandbox_orders.id"))
    amount: Mapped[int]
    status: Mapped[RefundStatus] = mapped_column(Enum(RefundStatus, native_enum=False, length=10))
    created_at: Mapped[datetime]


class SandboxWebhook(Base):
    """An event that is to be told to the portal. ``due_at`` is null when it was, or when the sandbox has given up."""

    __tablename__ = "sandbox_webhooks"
    __table_args__ = (
        Index("ix_sandbox_webhooks_due", "due_at", postgresql_where=text("due_at IS NOT NULL")),
        UniqueConstraint("order_id", "position"),
    )

    id: Mapped[str] = mapped_column(Text, primary_key=True)
    order_id: Mapped[str] = mapped_column(Text, ForeignKey("sandbox_orders.id"))
    position: Mapped[int]
    payload: Mapped[str]
    attempts: Mapped[int] = mapped_column(default=0)
    deliveries: Mapped[int] = mapped_column(default=0)
    error: Mapped[str | None]
    created_at: Mapped[datetime]
    due_at: Mapped[datetime | None]
