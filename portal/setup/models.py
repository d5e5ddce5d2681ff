"""What a setup that isn't launched yet remembers beside the draft organization itself."""

from datetime import datetime

from sqlalchemy import Enum, ForeignKey, Index, UniqueConstraint, Uuid, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from portal.db import Base, Identified
from portal.orgs.rules import Role


class SetupProgress(Base):
    """Which steps of a draft's wizard were saved, and when somebody last touched it.

    An abandoned draft keeps the row: ``cleaned_at`` says that its files are gone from the store.
    """

    __tablename__ = "setup_progress"
    __table_args__ = (
        Index("ix_setup_progress_touched_at", "touched_at", postgresql_where=text("abandoned_at IS NULL")),
        Index("ix_setup_progress_abandoned_at", "abandoned_at", postgresql_where=text("cleaned_at IS NULL")),
    )

    organization_id: Mapped[str] = mapped_column(Uuid(as_uuid=False), ForeignKey("organizations.id"), primary_key=True)
    steps_done: Mapped[list[str]] = mapped_column(JSONB, default=list)
    touched_at: Mapped[datetime]
    abandoned_at: Mapped[datetime | None]
    cleaned_at: Mapped[datetime | None]


class StagedInvitee(Identified, Base):
    """Somebody to be invited when the draft is launched."""

    __tablename__ = "staged_invitees"
    __table_args__ = (UniqueConstraint("organization_id", "email"),)

    organization_id: Mapped[str] = mapped_column(Uuid(as_uuid=False), ForeignKey("organizations.id"))
    email: Mapped[str]
    name: Mapped[str | None]
    role: Mapped[Role] = mapped_column(Enum(Role, native_enum=False, length=20))
