"""Forgetting what nobody needs any more."""

from datetime import timedelta

from sqlalchemy import delete, or_, select

from portal import clock, db
from portal.accounts.models import LoginSession
from portal.sso.models import Attempt, SeenMessage, SsoRequest, SsoSession

KEEP_REQUESTS = timedelta(days=1)
KEEP_ATTEMPTS = timedelta(days=180)


def forget() -> None:
    """Deletes requests and seen messages that are over, ended sessions of the index, and rows of the log after 180 days."""
    at = clock.now()
    over = select(LoginSession.id).where(or_(LoginSession.ended_at.is_not(None), LoginSession.expires_at < at))
    for statement in (
        delete(SsoRequest).where(SsoRequest.expires_at < at - KEEP_REQUESTS),
        delete(SeenMessage).where(SeenMessage.expires_at < at),
        delete(SsoSession).where(SsoSession.login_session_id.in_(over)),
        delete(Attempt).where(Attempt.at < at - KEEP_ATTEMPTS),
    ):
        db.session.execute(statement, execution_options={"synchronize_session": False})
