"""What the edge itself remembers."""

from datetime import datetime

from sqlalchemy import Index, Uuid
from sqlalchemy.orm import Mapped, mapped_column

from portal.db import Base


class IdempotentAnswer(Base):
    """The first answer to a call with an ``Idempotency-Key``. The answer is encrypted: it may hold a token that is shown once."""

    __tablename__ = "idempotent_answers"
    __table_args__ = (Index("ix_idempotent_answers_created_at", "created_at"),)

    caller_id: Mapped[str] = mapped_column(Uuid(as_uuid=False), primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    fingerprint: Mapped[str]
    status: Mapped[int | None]
    answer: Mapped[str | None]
    created_at: Mapped[datetime]
