"""What the jobs did last."""

from datetime import datetime

from sqlalchemy import Index
from sqlalchemy.orm import Mapped

from portal.db import Base, Identified, Json


class JobRun(Identified, Base):
    """One run of a job that has a schedule: what it said, or why it failed."""

    __tablename__ = "job_runs"
    __table_args__ = (Index("ix_job_runs_name_started_at", "name", "started_at"),)

    name: Mapped[str]
    as_of: Mapped[datetime]
    started_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]
    summary: Mapped[Json | None]
    error: Mapped[str | None]
