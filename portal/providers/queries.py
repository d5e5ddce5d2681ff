"""Reading consultants."""

from collections.abc import Sequence

from sqlalchemy import func, select
from sqlalchemy.orm import contains_eager

from portal import db
from portal.accounts.models import User
from portal.providers.models import Consultant


def consultant(user_id: str) -> Consultant | None:
    """A user's profile as a consultant, verified or not."""
    return db.session.get(Consultant, user_id) if db.is_id(user_id) else None


def consultants(*, limit: int) -> Sequence[Consultant]:
    """All consultants with their users: those who wait to be verified first, longest first, then the newest."""
    statement = (
        select(Consultant)
        .join(Consultant.user)
        .options(contains_eager(Consultant.user))
        .order_by(Consultant.verified_at.is_not(None), Consultant.verified_at.desc(), Consultant.created_at)
        .limit(limit)
    )
    return db.session.scalars(statement).all()


def verified_consultants() -> Sequence[Consultant]:
    """Everybody who may give sessions, by name, with their users."""
    statement = (
        select(Consultant)
        .join(Consultant.user)
        .options(contains_eager(Consultant.user))
        .where(Consultant.verified_at.is_not(None))
        .order_by(func.lower(User.name), Consultant.user_id)
    )
    return db.session.scalars(statement).all()
