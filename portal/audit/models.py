"""The append-only log. A trigger of the first migration refuses updates and deletes."""

from datetime import datetime

from sqlalchemy import Enum, Index, Uuid
from sqlalchemy.orm import Mapped, mapped_column

from portal.audit.rules import Action, Via
from portal.db import Base, Identified, Json


class AuditRow(Identified, Base):
    """One act: who, what, when, from where, and before → after."""

    __tablename__ = "audit_rows"
    __table_args__ = (
        Index("ix_audit_rows_organization_id_at", "organization_id", "at"),
        Index("ix_audit_rows_subject", "subject_type", "subject_id"),
    )

    at: Mapped[datetime]
    organization_id: Mapped[str | None] = mapped_column(Uuid(as_uuid=False))
    actor_user_id: Mapped[str | None] = mapped_column(Uuid(as_uuid=False))
    actor_name: Mapped[str]
    actor_membership_id: Mapped[str | None] = mapped_column(Uuid(as_uuid=False))
    via: Mapped[Via] = mapped_column(Enum(Via, native_enum=False, length=20))
    action: Mapped[Action] = mapped_column(Enum(Action, native_enum=False, length=40, create_constraint=False))
    subject_type: Mapped[str]
    subject_id: Mapped[str | None] = mapped_column(Uuid(as_uuid=False))
    subject_name: Mapped[str]
    before: Mapped[Json | None]
    after: Mapped[Json | None]
    ip: Mapped[str | None]
