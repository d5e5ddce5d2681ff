"""What sessions earn. Amounts are paise."""

from datetime import datetime

from sqlalchemy import CheckConstraint, Computed, Enum, ForeignKey, Index, UniqueConstraint, Uuid, text
from sqlalchemy.orm import Mapped, mapped_column

from portal.db import Base, Identified
from portal.providers.rules import EarningStatus, Party


class Earning(Identified, Base):
    """What one party earns by one payment. Payments stand above in the house, so they are known by their id alone.

    ``organization_id`` is the hosting organization, on the consultant's row too. ``reversed_amount`` and ``settled_amount`` are
    written by triggers, from reversals and the lines of payouts; ``due_amount`` is what is left, below zero when more was paid out
    than refunds have left.
    """

    __tablename__ = "earnings"
    __table_args__ = (
        UniqueConstraint("payment_id", "party"),
        CheckConstraint("share > 0 AND platform_fee >= 0 AND share + platform_fee <= gross_amount", name="share_range"),
        CheckConstraint("reversed_amount BETWEEN 0 AND share", name="reversed_range"),
        CheckConstraint("settled_amount BETWEEN 0 AND share", name="settled_range"),
        CheckConstraint("(status = 'REFUNDED') = (reversed_amount = share)", name="refunded"),
        CheckConstraint("party = 'CONSULTANT' OR organization_id IS NOT NULL", name="has_host"),
        CheckConstraint("status <> 'PENDING' OR settled_amount = 0", name="paid_when_ready"),
        Index("ix_earnings_held", "hold_until", postgresql_where=text("status = 'PENDING'")),
        Index(
            "ix_earnings_due",
            "organization_id",
            "id",
            postgresql_where=text("party = 'ORGANIZATION' AND status <> 'PENDING' AND due_amount <> 0"),
        ),
        Index("ix_earnings_organization_id_id", "organization_id", "id"),
        Index("ix_earnings_consultant_id_id", "consultant_id", "id"),
    )

    payment_id: Mapped[str] = mapped_column(Uuid(as_uuid=False), ForeignKey("payments.id"))
    party: Mapped[Party] = mapped_column(Enum(Party, native_enum=False, length=12))
    consultant_id: Mapped[str] = mapped_column(Uuid(as_uuid=False), ForeignKey("consultants.user_id"))
    organization_id: Mapped[str | None] = mapped_column(Uuid(as_uuid=False), ForeignKey("organizations.id"))
    title: Mapped[str]
    gross_amount: Mapped[int]
    platform_fee: Mapped[int]
    share: Mapped[int]
    reversed_amount: Mapped[int] = mapped_column(default=0)
    settled_amount: Mapped[int] = mapped_column(default=0)
    due_amount: Mapped[int] = mapped_column(Computed("share - reversed_amount - settled_amount", persisted=True))
    status: Mapped[EarningStatus] = mapped_column(Enum(EarningStatus, native_enum=False, length=10))
    hold_until: Mapped[datetime]
    created_at: Mapped[datetime]


class EarningReversal(Identified, Base):
    """A part of an earning that a refund took back. Append-only."""

    __tablename__ = "earning_reversals"
    __table_args__ = (
        UniqueConstraint("earning_id", "refund_id"),
        CheckConstraint("amount > 0", name="amount_positive"),
        Index("ix_earning_reversals_refund_id", "refund_id"),
    )

    earning_id: Mapped[str] = mapped_column(Uuid(as_uuid=False), ForeignKey("earnings.id"))
    refund_id: Mapped[str] = mapped_column(Uuid(as_uuid=False), ForeignKey("refunds.id"))
    amount: Mapped[int]
    created_at: Mapped[datetime]
