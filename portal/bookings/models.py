"""Plans and bookings."""

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, Enum, ForeignKey, Index, UniqueConstraint, Uuid, text
from sqlalchemy.dialects.postgresql import TSTZRANGE, ExcludeConstraint, Range
from sqlalchemy.orm import Mapped, mapped_column, relationship

from portal.accounts.models import User
from portal.billing.models import Payment
from portal.bookings.rules import BookingStatus, PlanType
from portal.db import Base, Identified

_is_consultation: Any = text("plan_type = 'CONSULTATION' AND status IN ('HELD', 'CONFIRMED')")


class Plan(Identified, Base):
    """Something bookable. ``price`` is paise before GST. It belongs to an organization or to a consultant."""

    __tablename__ = "plans"
    __table_args__ = (
        CheckConstraint("price >= 0", name="price_not_negative"),
        CheckConstraint("duration_minutes BETWEEN 5 AND 1440", name="duration_range"),
        CheckConstraint("organization_id IS NOT NULL OR consultant_id IS NOT NULL", name="has_owner"),
        Index("ix_plans_organization_id", "organization_id"),
        Index("ix_plans_consultant_id", "consultant_id"),
    )

    organization_id: Mapped[str | None] = mapped_column(Uuid(as_uuid=False), ForeignKey("organizations.id"))
    consultant_id: Mapped[str | None] = mapped_column(Uuid(as_uuid=False), ForeignKey("consultants.user_id"))
    plan_type: Mapped[PlanType] = mapped_column(Enum(PlanType, native_enum=False, length=16))
    title: Mapped[str]
    description: Mapped[str | None]
    price: Mapped[int]
    duration_minutes: Mapped[int]
    is_active: Mapped[bool] = mapped_column(default=True)
    created_at: Mapped[datetime]


class Booking(Identified, Base):
    """One session bought. A consultant's consultations never overlap, by exclusion constraint."""

    __tablename__ = "bookings"
    __table_args__ = (
        UniqueConstraint("payment_id"),
        Index("ix_bookings_learner_id_starts_at", "learner_id", "starts_at"),
        Index("ix_bookings_organization_id_starts_at", "organization_id", "starts_at"),
        ExcludeConstraint(("consultant_id", "="), ("during", "&&"), name="ex_bookings_slot", using="gist", where=_is_consultation),
    )

    plan_id: Mapped[str] = mapped_column(Uuid(as_uuid=False), ForeignKey("plans.id"))
    plan_type: Mapped[PlanType] = mapped_column(Enum(PlanType, native_enum=False, length=16))
    learner_id: Mapped[str] = mapped_column(Uuid(as_uuid=False), ForeignKey("users.id"))
    consultant_id: Mapped[str] = mapped_column(Uuid(as_uuid=False), ForeignKey("consultants.user_id"))
    organization_id: Mapped[str | None] = mapped_column(Uuid(as_uuid=False), ForeignKey("organizations.id"))
    payment_id: Mapped[str] = mapped_column(Uuid(as_uuid=False), ForeignKey("payments.id"))
    starts_at: Mapped[datetime]
    during: Mapped[Range[datetime]] = mapped_column(TSTZRANGE)
    status: Mapped[BookingStatus] = mapped_column(Enum(BookingStatus, native_enum=False, length=10))
    created_at: Mapped[datetime]

    plan: Mapped[Plan] = relationship(lazy="raise")
    payment: Mapped[Payment] = relationship(lazy="raise")
    learner: Mapped[User] = relationship(lazy="raise", foreign_keys=[learner_id])
