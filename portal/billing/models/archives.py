"""Archives: all documents of a period in one ZIP, made by a job."""

from datetime import date, datetime

from sqlalchemy import CheckConstraint, Enum, ForeignKey, Index, Uuid, text
from sqlalchemy.orm import Mapped, mapped_column

from portal.billing.rules.archives import ArchiveStatus
from portal.db import Base, Identified


class DocumentArchive(Identified, Base):
    """One archive that somebody asked for; its days are issue dates, both inclusive. The file is kept for a week.

    ``done`` of ``total`` documents are in; ``claimed_at`` is when a worker last said that it is at it.
    """

    __tablename__ = "document_archives"
    __table_args__ = (
        CheckConstraint("since <= until", name="period_order"),
        CheckConstraint("done BETWEEN 0 AND total", name="progress"),
        CheckConstraint("(status = 'DONE') = (file_key IS NOT NULL)", name="file"),
        CheckConstraint("(status IN ('DONE', 'FAILED')) = (finished_at IS NOT NULL)", name="finished"),
        Index("ix_document_archives_organization_id_id", "organization_id", "id"),
        Index("ix_document_archives_open", "created_at", postgresql_where=text("status IN ('QUEUED', 'RUNNING')")),
    )

    organization_id: Mapped[str] = mapped_column(Uuid(as_uuid=False), ForeignKey("organizations.id"))
    since: Mapped[date]
    until: Mapped[date]
    status: Mapped[ArchiveStatus] = mapped_column(Enum(ArchiveStatus, native_enum=False, length=10))
    total: Mapped[int]
    done: Mapped[int] = mapped_column(default=0)
    attempts: Mapped[int] = mapped_column(default=0)
    claimed_at: Mapped[datetime | None]
    file_key: Mapped[str | None]
    requested_by: Mapped[str | None] = mapped_column(Uuid(as_uuid=False), ForeignKey("users.id"))
    created_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]
