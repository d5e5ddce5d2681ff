"""Reading users and their sign-ins."""

from collections.abc import Sequence
from datetime import datetime
from functools import cache

from sqlalchemy import Select, bindparam, select
from sqlalchemy.orm import contains_eager

from portal import clock, crypto, db
from portal.accounts.models import LoginSession, MailedLink, User
from portal.accounts.rules import LinkPurpose, normalize_email
from portal.gateways.mail import Delivery


def user_of_session(token: str) -> User | None:
    """Who is signed in with this token, or None when the sign-in has ended or expired."""
    user = db.session.scalar(_user_of_session(), {"hash": crypto.hash_token(token), "now": clock.now()})
    if user is not None:
        user.session_token = token
    return user


@cache
def _user_of_session() -> Select[User]:
    return (
        select(User)
        .join(LoginSession, LoginSession.user_id == User.id)
        .where(LoginSession.token_hash == bindparam("hash"), LoginSession.ended_at.is_(None), LoginSession.expires_at > bindparam("now"))
    )


def user_by_email(email: str) -> User | None:
    """The user with this address, in any case."""
    return db.session.scalar(select(User).where(User.email == normalize_email(email)))


def user_by_id(user_id: str) -> User | None:
    """The user with this id."""
    return db.session.get(User, user_id)


def link_by_token(token: str, purpose: LinkPurpose) -> MailedLink | None:
    """The mailed link that a token belongs to, used or not, expired or not."""
    statement = (
        select(MailedLink)
        .join(MailedLink.user)
        .options(contains_eager(MailedLink.user))
        .where(MailedLink.token_hash == crypto.hash_token(token), MailedLink.purpose == purpose)
    )
    return db.session.scalar(statement)


def links_to_deliver(at: datetime, *, limit: int) -> Sequence[str]:
    """Ids of links whose mail is due, for the sweep."""
    statement = (
        select(MailedLink.id)
        .where(MailedLink.delivery == Delivery.QUEUED, MailedLink.delivery_due_at <= at)
        .order_by(MailedLink.delivery_due_at)
        .limit(limit)
    )
    return db.session.scalars(statement).all()
