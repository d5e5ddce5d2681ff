"""Forgetting what nobody needs any more."""

from datetime import timedelta

from sqlalchemy import delete, or_, select

from portal import clock, db
from portal.accounts.models import LoginSession
from portal.sso.models import Attempt, SeenMessage, SsoRequest, SsoSession

KEEP_REQUESTS = timedelta(days=1)
KEEP_ATTEMPTS = timedelta(days=180)


def forget() -> dict[str, int]:
    """Deletes requests and seen messages that are over, ended sessions of the index, and rows of the log after 180 days."""
    at = clock.now()
    over = select(LoginSession.id).where(or_(LoginSession.ended_at.is_not(None), LoginSession.expires_at < at))
    statements = {
        "requests": delete(SsoRequest).where(SsoRequest.expires_at < at - KEEP_REQUESTS),
        "seen": delete(SeenMessage).where(SeenMessage.expires_at < at),
        "sessions": delete(SsoSession).where(SsoSession.login_session_id.in_(over)),
        "attempts": delete(Attempt).where(Attempt.at < at - KEEP_ATTEMPTS),
    }
    options = {"synchronize_session": False}
    return {name: db.session.execute(statement, execution_options=options).rowcount for name, statement in statements.items()}
