"""Payments, refunds, and what the gateway was asked and said. Amounts are paise, before GST where a column doesn't say otherwise."""

from datetime import datetime

from sqlalchemy import CheckConstraint, Enum, ForeignKey, Index, UniqueConstraint, Uuid, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from portal.billing.rules import GatewayOrderStatus, PaymentMethod, PaymentStatus, RefundStatus
from portal.db import Base, Identified
from portal.orgs.rules import EarningsRecipient


class Payment(Identified, Base):
    """What a booking costs and how it was covered.

    Checkout copies onto it what its invoice line will print, so that billing reads no bookings table.
    The rates (basis points) by which it is shared out are copied at booking, too; without them nobody earns by it.
    ``billable_to_org_invoice_id`` points at the invoice that bills it. ``claimed_amount`` is ``refunded_amount`` and what
    refunds under way have claimed.
    """

    __tablename__ = "payments"
    __table_args__ = (
        CheckConstraint("amount >= 0 AND original_amount >= amount", name="amounts"),
        CheckConstraint("refunded_amount BETWEEN 0 AND claimed_amount", name="refunded_range"),
        CheckConstraint(
            "claimed_amount <= CASE WHEN payment_method = 'ORG_PREPAID' THEN original_amount ELSE amount END", name="claimed_range"
        ),
        CheckConstraint(
            "num_nulls(consultant_id, platform_rate, organization_rate, consultant_rate, earnings_recipient) IN (0, 5) AND "
            "(platform_rate IS NULL OR (platform_rate + organization_rate + consultant_rate = 10000 "
            "AND least(platform_rate, organization_rate, consultant_rate) >= 0))",
            name="rates",
        ),
        CheckConstraint("host_organization_id IS NOT NULL OR coalesce(organization_rate, 0) = 0", name="host"),
        Index(
            "ix_payments_unbilled",
            "organization_id",
            "created_at",
            postgresql_where=text(
                "payment_method = 'ORG_INVOICED' AND status = 'SUCCEEDED' AND billable_to_org_invoice_id IS NULL AND settled_at IS NULL"
            ),
        ),
        Index("ix_payments_organization_id_created_at", "organization_id", "created_at"),
        Index("ix_payments_invoice", "billable_to_org_invoice_id"),
        Index("ix_payments_payer_id", "payer_id"),
    )

    payer_id: Mapped[str] = mapped_column(Uuid(as_uuid=False), ForeignKey("users.id"))
    organization_id: Mapped[str | None] = mapped_column(Uuid(as_uuid=False), ForeignKey("organizations.id"))
    amount: Mapped[int]
    original_amount: Mapped[int]
    refunded_amount: Mapped[int] = mapped_column(default=0)
    claimed_amount: Mapped[int] = mapped_column(default=0)
    currency: Mapped[str] = mapped_column(default="INR")
    payment_method: Mapped[PaymentMethod] = mapped_column(Enum(PaymentMethod, native_enum=False, length=16))
    status: Mapped[PaymentStatus] = mapped_column(Enum(PaymentStatus, native_enum=False, length=10))
    created_at: Mapped[datetime]
    succeeded_at: Mapped[datetime | None]
    settled_at: Mapped[datetime | None]
    billable_to_org_invoice_id: Mapped[str | None] = mapped_column(Uuid(as_uuid=False), ForeignKey("invoices.id"))
    learner_name: Mapped[str]
    consultant_name: Mapped[str]
    plan_type: Mapped[str]
    plan_title: Mapped[str]
    sac_code: Mapped[str]
    session_starts_at: Mapped[datetime]
    consultant_id: Mapped[str | None] = mapped_column(Uuid(as_uuid=False), ForeignKey("consultants.user_id"))
    host_organization_id: Mapped[str | None] = mapped_column(Uuid(as_uuid=False), ForeignKey("organizations.id"))
    platform_rate: Mapped[int | None]
    organization_rate: Mapped[int | None]
    consultant_rate: Mapped[int | None]
    earnings_recipient: Mapped[EarningsRecipient | None] = mapped_column(Enum(EarningsRecipient, native_enum=False, length=12))


class Refund(Identified, Base):
    """Money given back for a payment. While it is PENDING its amount is claimed on the payment."""

    __tablename__ = "refunds"
    __table_args__ = (
        CheckConstraint("amount > 0", name="amount_positive"),
        CheckConstraint("(status = 'PENDING') = (finished_at IS NULL)", name="finished"),
        Index("ix_refunds_payment_id", "payment_id"),
        Index("ix_refunds_pending", "due_at", postgresql_where=text("status = 'PENDING'")),
    )

    payment_id: Mapped[str] = mapped_column(Uuid(as_uuid=False), ForeignKey("payments.id"))
    amount: Mapped[int]
    status: Mapped[RefundStatus] = mapped_column(Enum(RefundStatus, native_enum=False, length=10))
    reason: Mapped[str | None]
    created_by: Mapped[str | None] = mapped_column(Uuid(as_uuid=False), ForeignKey("users.id"))
    created_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]
    due_at: Mapped[datetime]
    provider_ref: Mapped[str | None]
    failure: Mapped[str | None]

    payment: Mapped[Payment] = relationship(lazy="raise")


class GatewayOrder(Identified, Base):
    """Money that was asked for at a provider, for one payment, one purchase of credits or an invoice. Its id is the key of the call.

    ``amount`` is what is charged. ``ask_at`` is when the sweep asks the provider again.
    """

    __tablename__ = "gateway_orders"
    __table_args__ = (
        UniqueConstraint("provider", "order_id"),
        UniqueConstraint("payment_id"),
        UniqueConstraint("purchase_id"),
        CheckConstraint("num_nonnulls(payment_id, purchase_id, invoice_id) = 1", name="one_subject"),
        Index("ix_gateway_orders_invoice_id", "invoice_id"),
        CheckConstraint("status = 'NEW' OR order_id IS NOT NULL OR status = 'FAILED'", name="opened"),
        Index("ix_gateway_orders_ask_at", "ask_at", postgresql_where=text("status IN ('NEW', 'OPEN')")),
    )

    payment_id: Mapped[str | None] = mapped_column(Uuid(as_uuid=False), ForeignKey("payments.id"))
    purchase_id: Mapped[str | None] = mapped_column(Uuid(as_uuid=False), ForeignKey("credit_purchases.id"))
    invoice_id: Mapped[str | None] = mapped_column(Uuid(as_uuid=False), ForeignKey("invoices.id"))
    provider: Mapped[str]
    order_id: Mapped[str | None]
    pay_url: Mapped[str | None]
    description: Mapped[str]
    payer_email: Mapped[str]
    return_url: Mapped[str]
    amount: Mapped[int]
    currency: Mapped[str]
    status: Mapped[GatewayOrderStatus] = mapped_column(Enum(GatewayOrderStatus, native_enum=False, length=10))
    payment_ref: Mapped[str | None]
    failure: Mapped[str | None]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    ask_at: Mapped[datetime]


class GatewayEvent(Identified, Base):
    """A webhook whose signature held, stored once by the provider's own id. It only says what to ask the provider about."""

    __tablename__ = "gateway_events"
    __table_args__ = (
        UniqueConstraint("provider", "event_id"),
        Index("ix_gateway_events_unhandled", "received_at", postgresql_where=text("handled_at IS NULL")),
    )

    provider: Mapped[str]
    event_id: Mapped[str]
    type: Mapped[str]
    order_id: Mapped[str | None]
    refund_key: Mapped[str | None]
    received_at: Mapped[datetime]
    handled_at: Mapped[datetime | None]
