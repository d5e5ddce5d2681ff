"""Mails about consultants, accounts and payouts."""

from datetime import datetime

from sqlalchemy import Enum, ForeignKey, Index, Uuid, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column, relationship

from portal.db import Base, Identified, Json
from portal.gateways.mail import Delivered, Delivery
from portal.orgs.models import Organization
from portal.providers.rules.occasions import Occasion


class ProviderMail(Delivered, Identified, Base):
    """A mail to an organization's people or to a consultant; ``facts`` is what it says, and never an account's number."""

    __tablename__ = "provider_mails"
    __table_args__ = (
        Index("ix_provider_mails_due", "delivery_due_at", postgresql_where=text(f"delivery = '{Delivery.QUEUED}'")),
        Index("ix_provider_mails_organization_id", "organization_id"),
    )

    organization_id: Mapped[str] = mapped_column(Uuid(as_uuid=False), ForeignKey("organizations.id"))
    occasion: Mapped[Occasion] = mapped_column(Enum(Occasion, native_enum=False, length=24))
    recipients: Mapped[list[str]] = mapped_column(JSONB)
    facts: Mapped[Json]
    created_at: Mapped[datetime]

    organization: Mapped[Organization] = relationship(lazy="raise")
