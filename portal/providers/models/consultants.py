"""Consultants: the experts who give sessions."""

from datetime import datetime

from sqlalchemy import ForeignKey, Uuid
from sqlalchemy.orm import Mapped, mapped_column, relationship

from portal.accounts.models import User
from portal.db import Base


class Consultant(Base):
    """A user who gives sessions, once a platform admin has verified them."""

    __tablename__ = "consultants"

    user_id: Mapped[str] = mapped_column(Uuid(as_uuid=False), ForeignKey("users.id"), primary_key=True)
    headline: Mapped[str]
    created_at: Mapped[datetime]
    verified_at: Mapped[datetime | None]

    user: Mapped[User] = relationship(lazy="raise")
