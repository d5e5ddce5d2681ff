"""Reading identities, sessions and the sign-in log."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import contains_eager

from portal import crypto, db
from portal.accounts.models import LoginSession, User
from portal.gateways.mail import Delivery
from portal.sso.models import Attempt, Identity, Notice, SsoRequest, SsoSession


def user_of_identity(connection_id: str, name_id: str) -> User | None:
    """Who a connection's NameID is."""
    statement = (
        select(Identity)
        .join(Identity.user)
        .options(contains_eager(Identity.user))
        .where(Identity.connection_id == connection_id, Identity.name_id == name_id)
    )
    found = db.session.scalar(statement)
    return found.user if found else None


def request(request_id: str, connection_id: str) -> SsoRequest | None:
    """A request of ours."""
    statement = select(SsoRequest).where(SsoRequest.id == request_id, SsoRequest.connection_id == connection_id)
    return db.session.scalar(statement)


def session_of_token(token: str, *, at: datetime) -> SsoSession | None:
    """The identity provider's session that a running sign-in came from, if it came from one."""
    statement = (
        select(SsoSession)
        .join(SsoSession.login_session)
        .where(LoginSession.token_hash == crypto.hash_token(token), LoginSession.ended_at.is_(None), LoginSession.expires_at > at)
    )
    return db.session.scalar(statement)


def attempts(organization_id: str, *, refused: bool, limit: int, cursor: str | None) -> Sequence[Attempt]:
    """The sign-in log, newest first; all of it, or what was refused."""
    statement = select(Attempt).where(Attempt.organization_id == organization_id)
    if refused:
        statement = statement.where(Attempt.reason.is_not(None))
    if cursor is not None:
        statement = statement.where(Attempt.id < cursor)
    return db.session.scalars(statement.order_by(Attempt.id.desc()).limit(limit)).all()


def notices_to_deliver(at: datetime, *, limit: int) -> Sequence[str]:
    """Ids of notices whose mail is due, for the sweep."""
    statement = (
        select(Notice.id)
        .where(Notice.delivery == Delivery.QUEUED, Notice.delivery_due_at <= at)
        .order_by(Notice.delivery_due_at)
        .limit(limit)
    )
    return db.session.scalars(statement).all()
