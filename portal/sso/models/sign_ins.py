"""What sign-ins leave behind: requests and messages that work once, identities, sessions, and the log."""

from datetime import datetime

from sqlalchemy import Enum, ForeignKey, Index, Uuid, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column, relationship

from portal.accounts.models import LoginSession, User
from portal.db import Base, Identified
from portal.sso.rules.events import Kind, Purpose
from portal.sso.rules.reasons import Reason


class SsoRequest(Base):
    """A request that we sent; its answer works once, in the browser that asked, within ten minutes.

    Attributes:
        id: The message's ID.
        browser_hash: Of the browser's own cookie; None for a test that no browser has opened yet, and for logout.
        next_path: Where the browser wanted to go.
        started_by: The owner who tests.
    """

    __tablename__ = "sso_requests"
    __table_args__ = (Index("ix_sso_requests_expires_at", "expires_at"), Index("ix_sso_requests_connection_id", "connection_id"))

    id: Mapped[str] = mapped_column(primary_key=True)
    connection_id: Mapped[str] = mapped_column(Uuid(as_uuid=False), ForeignKey("sso_connections.id", ondelete="CASCADE"))
    purpose: Mapped[Purpose] = mapped_column(Enum(Purpose, native_enum=False, length=10))
    browser_hash: Mapped[str | None]
    next_path: Mapped[str | None]
    started_by: Mapped[str | None] = mapped_column(Uuid(as_uuid=False), ForeignKey("users.id"))
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


class SeenMessage(Base):
    """An assertion or a logout request that was taken, kept until nobody would take it again by its own times."""

    __tablename__ = "sso_seen_messages"
    __table_args__ = (Index("ix_sso_seen_messages_expires_at", "expires_at"),)

    connection_id: Mapped[str] = mapped_column(Uuid(as_uuid=False), ForeignKey("sso_connections.id", ondelete="CASCADE"), primary_key=True)
    message_id: Mapped[str] = mapped_column(primary_key=True)
    expires_at: Mapped[datetime]


class Identity(Identified, Base):
    """Who a connection's NameID is. The user's stored e-mail address doesn't follow the claim."""

    __tablename__ = "sso_identities"
    __table_args__ = (
        Index("uq_sso_identities_connection_id_name_id", "connection_id", "name_id", unique=True),
        Index("ix_sso_identities_user_id", "user_id"),
    )

    connection_id: Mapped[str] = mapped_column(Uuid(as_uuid=False), ForeignKey("sso_connections.id", ondelete="CASCADE"))
    name_id: Mapped[str]
    user_id: Mapped[str] = mapped_column(Uuid(as_uuid=False), ForeignKey("users.id"))
    created_at: Mapped[datetime]

    user: Mapped[User] = relationship(lazy="raise")


class SsoSession(Identified, Base):
    """Which sign-in came from which session of the identity provider, so that a logout without any cookie finds it."""

    __tablename__ = "sso_sessions"
    __table_args__ = (
        Index("uq_sso_sessions_login_session_id", "login_session_id", unique=True),
        Index("ix_sso_sessions_connection_id_name_id", "connection_id", "name_id"),
    )

    connection_id: Mapped[str] = mapped_column(Uuid(as_uuid=False), ForeignKey("sso_connections.id", ondelete="CASCADE"))
    login_session_id: Mapped[str] = mapped_column(Uuid(as_uuid=False), ForeignKey("login_sessions.id", ondelete="CASCADE"))
    name_id: Mapped[str]
    name_id_format: Mapped[str]
    name_qualifier: Mapped[str | None]
    sp_name_qualifier: Mapped[str | None]
    session_index: Mapped[str | None]
    created_at: Mapped[datetime]

    login_session: Mapped[LoginSession] = relationship(lazy="raise")


class Attempt(Identified, Base):
    """A row of the sign-in log: what came, and what became of it. It outlives its connection.

    Attributes:
        reason: Why it was refused; None when it was taken.
        detail: What the checks found, for whoever sets the connection up.
        claims: Nothing but the names of the attributes that came.
    """

    __tablename__ = "sso_attempts"
    __table_args__ = (
        Index("ix_sso_attempts_organization_id_id", "organization_id", text("id DESC")),
        Index("ix_sso_attempts_at", "at"),
    )

    organization_id: Mapped[str] = mapped_column(Uuid(as_uuid=False), ForeignKey("organizations.id"))
    connection_id: Mapped[str] = mapped_column(Uuid(as_uuid=False))
    provider_id: Mapped[str]
    at: Mapped[datetime]
    kind: Mapped[Kind] = mapped_column(Enum(Kind, native_enum=False, length=10))
    reason: Mapped[Reason | None] = mapped_column(Enum(Reason, native_enum=False, length=24, create_constraint=False))
    detail: Mapped[str | None]
    email: Mapped[str | None]
    name_id: Mapped[str | None]
    user_id: Mapped[str | None] = mapped_column(Uuid(as_uuid=False), ForeignKey("users.id"))
    claims: Mapped[list[str] | None] = mapped_column(JSONB)
    ip: Mapped[str | None]
    user_agent: Mapped[str | None]
