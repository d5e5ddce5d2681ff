"""Signing out on both sides."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import structlog
from sqlalchemy import select, update

from portal import clock, db
from portal.accounts.models import LoginSession
from portal.errors import Conflict
from portal.sso import queries
from portal.sso.models import Connection, SsoSession
from portal.sso.rules.connections import Binding
from portal.sso.rules.events import Kind, Purpose
from portal.sso.rules.logout import LogoutMessage
from portal.sso.rules.logout import read as read_message
from portal.sso.rules.reasons import Reason, Refused
from portal.sso.rules.requests import Sent, Subject, logout_answer, logout_request
from portal.sso.service import parties, requests
from portal.sso.service.sign_ins import Progress, Visit, attempt, record_refusal, see

log = structlog.get_logger()
MOST_RELAYED = 1_000


@dataclass(frozen=True, slots=True)
class LoggedOut:
    """What became of a logout message.

    Attributes:
        reason: Why it was refused; None when it was taken.
        answer: What the browser carries back to the identity provider that asked.
        is_done: For an answer to us, whether the identity provider has signed the person out, too.
    """

    reason: Reason | None = None
    answer: Sent | None = None
    is_done: bool = False


def ask(token: str) -> Sent | None:
    """What asks the identity provider to sign out whoever signed in here by it; None when there is nothing to ask.

    Args:
        token: Of the sign-in that ends now.
    """
    session = queries.session_of_token(token, at=clock.now()) if token else None
    connection = queries.party(session.connection_id) if session else None
    if session is None or connection is None:
        return None
    subject = Subject(session.name_id, session.name_id_format, session.name_qualifier, session.sp_name_qualifier, session.session_index)
    try:
        sent = logout_request(subject, ours=parties.ours(connection), theirs=parties.theirs(connection))
    except Conflict:
        return None
    if sent is not None:
        requests.keep(connection, sent.id, purpose=Purpose.LOGOUT, browser=None)
    return sent


def receive(connection_id: str, read: Callable[[], Mapping[str, str]], *, binding: Binding, query_string: str, visit: Visit) -> LoggedOut:
    """Takes a logout message: a request of the identity provider, or its answer to ours. Nothing in it can make this raise."""
    connection = queries.party(connection_id)
    if connection is None:
        log.info("sso.unknown_connection", connection=connection_id[:60])
        return LoggedOut(reason=Reason.CONNECTION_OFF)
    progress = Progress(connection, visit, kind=Kind.LOGOUT)
    try:
        fields = read()
        return _take(progress, fields, binding=binding, query_string=query_string)
    except Refused as error:
        refusal = error
    except Exception as error:
        log.exception("sso.broken", connection=connection.id)
        refusal = Refused(Reason.BROKEN, type(error).__name__)
    db.abandon()
    record_refusal(progress, refusal)
    return LoggedOut(reason=refusal.reason)


def _take(progress: Progress, fields: Mapping[str, str], *, binding: Binding, query_string: str) -> LoggedOut:
    connection = progress.connection
    try:
        ours, theirs = parties.ours(connection), parties.theirs(connection)
    except Conflict:
        raise Refused(Reason.CONNECTION_OFF) from None
    message = read_message(fields, binding=binding, query_string=query_string, ours=ours, theirs=theirs, now=clock.now())
    if not message.is_request:
        requests.use(message.in_response_to, connection, purposes=(Purpose.LOGOUT,), browser=None)
        db.session.add(attempt(progress, refusal=None))
        db.session.flush()
        return LoggedOut(is_done=message.is_done)
    see(connection, message.id)
    user_id = _end_sessions(connection, message)
    row = attempt(progress, refusal=None, user_id=user_id)
    row.name_id = message.name_id[:254]
    db.session.add(row)
    db.session.flush()
    relay_state = fields.get("RelayState", "")[:MOST_RELAYED] or None
    return LoggedOut(answer=logout_answer(ours=ours, theirs=theirs, in_response_to=message.id, relay_state=relay_state), is_done=True)


def _end_sessions(connection: Connection, message: LogoutMessage) -> str | None:
    """Ends the sessions that a request names, by the server's own index: cookies may not have come along."""
    named = select(SsoSession.login_session_id).where(SsoSession.connection_id == connection.id, SsoSession.name_id == message.name_id)
    if message.session_indexes:
        named = named.where(SsoSession.session_index.in_(message.session_indexes))
    statement = (
        update(LoginSession)
        .where(LoginSession.id.in_(named), LoginSession.ended_at.is_(None))
        .values(ended_at=clock.now())
        .returning(LoginSession.user_id)
        .execution_options(synchronize_session=False)
    )
    ended: list[str] = list(db.session.scalars(statement))
    return ended[0] if ended else None
