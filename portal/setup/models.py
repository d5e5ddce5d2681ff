"""What a setup that isn't launched yet remembers beside the draft organization itself."""

from datetime import datetime

from sqlalchemy import Enum, ForeignKey, Index, UniqueConstraint, Uuid
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from portal.db import Base, Identified
from portal.orgs.rules import Role


class SetupProgress(Base):
    """Which steps of a draft's wizard were saved, and when somebody last touched it."""

    __tablename__ = "setup_progress"
    __table_args__ = (Index("ix_setup_progress_touched_at", "touched_at"),)

    organization_id: Mapped[str] = mapped_column(Uuid(as_uuid=False), ForeignKey("organizations.id"), primary_key=True)
    steps_done: Mapped[list[str]] = mapped_column(JSONB, default=list)
    touched_at: Mapped[datetime]


class StagedInvitee(Identified, Base):
    """Somebody to be invited when the draft is launched."""

    __tablename__ = "staged_invitees"
    __table_args__ = (UniqueConstraint("organization_id", "email"),)

    organization_id: Mapped[str] = mapped_column(Uuid(as_uuid=False), ForeignKey("organizations.id"))
    email: Mapped[str]
    name: Mapped[str | None]
    role: Mapped[Role] = mapped_column(Enum(Role, native_enum=False, length=20))
