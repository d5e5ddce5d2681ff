"""Bank accounts of provider organizations, and what is paid to them. Amounts are paise."""

from datetime import date, datetime

from sqlalchemy import CheckConstraint, Computed, Enum, ForeignKey, Index, UniqueConstraint, Uuid, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from portal.db import Base, Identified
from portal.orgs.models import Organization
from portal.providers.rules import AccountStatus, PayoutStatus


class PayoutAccount(Base):
    """Where an organization's payouts go. One that was removed stays as a row without a number, so that a new one rests first.

    ``number_sealed`` is encrypted about the organization's id (``portal.crypto``); ``key_id`` says by which key. ``provider_account``
    is the organization's account at Stripe, where payouts go through Stripe. ``scheduled_on`` is the first day of the last period
    that the job by frequency has looked at.
    """

    __tablename__ = "payout_accounts"
    __table_args__ = (
        CheckConstraint("(removed_at IS NULL) = (number_sealed IS NOT NULL)", name="has_number"),
        CheckConstraint("removed_at IS NOT NULL OR num_nonnulls(ifsc_code, routing_number, swift_code) > 0", name="has_bank_code"),
        CheckConstraint("length(last_four) <= 4", name="last_four_only"),
        CheckConstraint("status <> 'VERIFIED' OR removed_at IS NULL", name="verified_is_there"),
    )

    organization_id: Mapped[str] = mapped_column(Uuid(as_uuid=False), ForeignKey("organizations.id"), primary_key=True)
    account_holder_name: Mapped[str]
    bank_name: Mapped[str]
    number_sealed: Mapped[str | None]
    key_id: Mapped[str | None] = mapped_column(Computed("split_part(number_sealed, '.', 1)", persisted=True))
    last_four: Mapped[str]
    ifsc_code: Mapped[str | None]
    routing_number: Mapped[str | None]
    swift_code: Mapped[str | None]
    provider_account: Mapped[str | None]
    status: Mapped[AccountStatus] = mapped_column(Enum(AccountStatus, native_enum=False, length=24))
    status_reason: Mapped[str | None]
    changed_at: Mapped[datetime | None]
    removed_at: Mapped[datetime | None]
    scheduled_on: Mapped[date]
    created_at: Mapped[datetime]

    organization: Mapped[Organization] = relationship(lazy="raise")


class Payout(Identified, Base):
    """A batch of earnings that is paid to an organization. What it pays never changes; triggers see to it.

    ``due_at`` is when the bank is asked (again) about a transfer under way. ``claimed_at`` is when it was given to somebody to pay.
    """

    __tablename__ = "payouts"
    __table_args__ = (
        CheckConstraint("amount > 0", name="amount_positive"),
        CheckConstraint("amount = gross_revenue - platform_fee - consultant_shares - refunds", name="sums"),
        CheckConstraint("(status = 'COMPLETED') = (completed_at IS NOT NULL)", name="completed"),
        CheckConstraint("status <> 'PROCESSING' OR (provider IS NOT NULL AND claimed_at IS NOT NULL)", name="claimed"),
        CheckConstraint("status <> 'FAILED' OR failure IS NOT NULL", name="failed"),
        Index("ix_payouts_organization_id_id", "organization_id", "id"),
        Index("uq_payouts_open", "organization_id", unique=True, postgresql_where=text("status IN ('PENDING', 'PROCESSING')")),
        Index("ix_payouts_due", "due_at", postgresql_where=text("status = 'PROCESSING' AND due_at IS NOT NULL")),
        Index("ix_payouts_waiting", "id", postgresql_where=text("status <> 'COMPLETED'")),
    )

    organization_id: Mapped[str] = mapped_column(Uuid(as_uuid=False), ForeignKey("organizations.id"))
    amount: Mapped[int]
    gross_revenue: Mapped[int]
    platform_fee: Mapped[int]
    consultant_shares: Mapped[int]
    refunds: Mapped[int]
    earnings_count: Mapped[int]
    status: Mapped[PayoutStatus] = mapped_column(Enum(PayoutStatus, native_enum=False, length=12))
    attempts: Mapped[int] = mapped_column(default=0)
    provider: Mapped[str | None]
    provider_ref: Mapped[str | None]
    reference: Mapped[str | None]
    bank_name: Mapped[str]
    last_four: Mapped[str]
    failure: Mapped[str | None]
    created_by: Mapped[str | None] = mapped_column(Uuid(as_uuid=False), ForeignKey("users.id"))
    created_at: Mapped[datetime]
    claimed_at: Mapped[datetime | None]
    sent_at: Mapped[datetime | None]
    due_at: Mapped[datetime | None]
    completed_at: Mapped[datetime | None]

    organization: Mapped[Organization] = relationship(lazy="raise")


class PayoutLine(Identified, Base):
    """What a payout pays of one earning; below zero, what it recovers of one that was paid before its refund. Append-only."""

    __tablename__ = "payout_lines"
    __table_args__ = (
        UniqueConstraint("payout_id", "earning_id"),
        CheckConstraint("amount <> 0", name="amount_not_zero"),
        Index("ix_payout_lines_earning_id", "earning_id"),
    )

    payout_id: Mapped[str] = mapped_column(Uuid(as_uuid=False), ForeignKey("payouts.id"))
    earning_id: Mapped[str] = mapped_column(Uuid(as_uuid=False), ForeignKey("earnings.id"))
    amount: Mapped[int]
