"""Mails to owners about what will stop working."""

from datetime import datetime

from sqlalchemy import Enum, ForeignKey, Index, Uuid, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column, relationship

from portal.db import Base, Identified, Json
from portal.gateways.mail import Delivered, Delivery
from portal.orgs.models import Organization
from portal.sso.rules.events import Subject


class Notice(Delivered, Identified, Base):
    """A mail to the owners. ``about`` is unique, so that each is sent once (``certificate:<id>:30``)."""

    __tablename__ = "sso_notices"
    __table_args__ = (
        Index("uq_sso_notices_about", "about", unique=True),
        Index("ix_sso_notices_organization_id", "organization_id"),
        Index("ix_sso_notices_due", "delivery_due_at", postgresql_where=text(f"delivery = '{Delivery.QUEUED}'")),
    )

    organization_id: Mapped[str] = mapped_column(Uuid(as_uuid=False), ForeignKey("organizations.id"))
    subject: Mapped[Subject] = mapped_column(Enum(Subject, native_enum=False, length=20))
    about: Mapped[str]
    facts: Mapped[Json]
    recipients: Mapped[list[str]] = mapped_column(JSONB)
    created_at: Mapped[datetime]

    organization: Mapped[Organization] = relationship(lazy="raise")
