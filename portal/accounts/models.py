"""Users, their sign-ins, and the links that we mail to them."""

from datetime import datetime

from sqlalchemy import CheckConstraint, Enum, ForeignKey, Index, UniqueConstraint, Uuid, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from portal.accounts.rules import LinkPurpose, PlatformRole
from portal.db import Base, Identified
from portal.gateways.mail import Delivered, Delivery


class User(Identified, Base):
    """A person. Flask-Login asks ``get_id``, which is the token of the sign-in that the request came with."""

    __tablename__ = "users"
    __table_args__ = (UniqueConstraint("email"), CheckConstraint("email = lower(email)", name="email_lower"))

    email: Mapped[str]
    name: Mapped[str]
    password_hash: Mapped[str | None]
    email_verified_at: Mapped[datetime | None]
    platform_role: Mapped[PlatformRole] = mapped_column(Enum(PlatformRole, native_enum=False, length=10), default=PlatformRole.USER)
    created_at: Mapped[datetime]

    is_authenticated = True
    is_active = True
    is_anonymous = False
    session_token = ""
    session_id = ""

    def get_id(self) -> str:
        """The token of the sign-in, for the cookie."""
        return self.session_token

    @property
    def is_platform_admin(self) -> bool:
        """Whether they pass every organization's gate with owner's rank."""
        return self.platform_role is PlatformRole.ADMIN

    @property
    def is_platform_staff(self) -> bool:
        """Whether they are STAFF or ADMIN."""
        return self.platform_role is not PlatformRole.USER


class LoginSession(Identified, Base):
    """A sign-in of one browser; only its token's hash is stored. Ended rows stay until they expire."""

    __tablename__ = "login_sessions"
    __table_args__ = (UniqueConstraint("token_hash"), Index("ix_login_sessions_user_id", "user_id"))

    user_id: Mapped[str] = mapped_column(Uuid(as_uuid=False), ForeignKey("users.id"))
    token_hash: Mapped[str]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    ip: Mapped[str | None]
    user_agent: Mapped[str | None]

    user: Mapped[User] = relationship(lazy="raise")


class MailedLink(Delivered, Identified, Base):
    """A link that proves a mailbox: for verifying an address or setting a new password. It works once."""

    __tablename__ = "mailed_links"
    __table_args__ = (
        UniqueConstraint("token_hash"),
        Index("ix_mailed_links_user_id", "user_id"),
        Index("ix_mailed_links_due", "delivery_due_at", postgresql_where=text(f"delivery = '{Delivery.QUEUED}'")),
    )

    user_id: Mapped[str] = mapped_column(Uuid(as_uuid=False), ForeignKey("users.id"))
    purpose: Mapped[LinkPurpose] = mapped_column(Enum(LinkPurpose, native_enum=False, length=20))
    nonce: Mapped[str]
    token_hash: Mapped[str]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]

    user: Mapped[User] = relationship(lazy="raise")
