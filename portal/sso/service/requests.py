"""Asking an identity provider to sign somebody in, and keeping each request for its one answer."""

import secrets
from datetime import timedelta

from sqlalchemy import update

from portal import clock, crypto, db
from portal.accounts.models import User
from portal.errors import Gone, NotFound
from portal.sso import queries
from portal.sso.models import Connection, SsoRequest
from portal.sso.rules.events import Purpose
from portal.sso.rules.reasons import Reason, Refused
from portal.sso.rules.requests import Sent, sign_in_request
from portal.sso.service import parties

LASTS = timedelta(minutes=10)


def begin(connection_id: str, *, browser: str, next_path: str | None) -> Sent:
    """A request to sign in, which only this browser can answer.

    Args:
        connection_id: With whom.
        browser: The value of the browser's own cookie.
        next_path: Where it wants to go, a path of this site; also sent along as the RelayState.

    Raises:
        NotFound: There is no such connection.
        Conflict: ``CONNECTION_OFF``.
    """
    connection = require_party(connection_id)
    sent = sign_in_request(ours=parties.ours(connection), theirs=parties.theirs(connection), request_id=new_id(), relay_state=next_path)
    keep(connection, sent.id, purpose=Purpose.SIGN_IN, browser=browser, next_path=next_path)
    return sent


def prepare_test(connection: Connection, *, owner: User) -> str:
    """Keeps a request for an owner's test, which the first browser that opens it makes its own; returns its id.

    Raises:
        Conflict: ``CONNECTION_OFF``: the connection isn't set up yet.
    """
    parties.theirs(connection)
    request_id = new_id()
    keep(connection, request_id, purpose=Purpose.TEST, browser=None, started_by=owner.id)
    return request_id


def begin_test(connection_id: str, request_id: str, *, browser: str) -> Sent:
    """Sends a prepared test off from a browser.

    Raises:
        NotFound: There is no such test.
        Gone: It was opened before, or is older than ten minutes.
        Conflict: ``CONNECTION_OFF``.
    """
    connection = require_party(connection_id)
    statement = (
        update(SsoRequest)
        .where(
            SsoRequest.id == request_id,
            SsoRequest.connection_id == connection.id,
            SsoRequest.purpose == Purpose.TEST,
            SsoRequest.browser_hash.is_(None),
            SsoRequest.expires_at > clock.now(),
        )
        .values(browser_hash=crypto.hash_token(browser))
        .returning(SsoRequest.id)
    )
    if db.session.scalar(statement) is None:
        if queries.request(request_id, connection.id) is None:
            raise NotFound("There is no such test. Start it from the settings.", code="TEST_NOT_FOUND")
        raise Gone("This test was opened already, or is older than ten minutes. Start another one from the settings.", code="TEST_OVER")
    return sign_in_request(ours=parties.ours(connection), theirs=parties.theirs(connection), request_id=request_id, relay_state=None)


def use(request_id: str, connection: Connection, *, purposes: tuple[Purpose, ...], browser: str | None) -> SsoRequest:
    """Uses a request up, in the present transaction: of two answers at once, one waits for the other.

    Args:
        request_id: What the signed part of an answer names.
        connection: By which the answer came.
        purposes: What it may be for.
        browser: The value of the browser's own cookie; None where the answer needs none.

    Raises:
        Refused: It isn't ours, is over, was used, or is another browser's.
    """
    at = clock.now()
    statement = update(SsoRequest).where(
        SsoRequest.id == request_id,
        SsoRequest.connection_id == connection.id,
        SsoRequest.purpose.in_(purposes),
        SsoRequest.used_at.is_(None),
        SsoRequest.expires_at > at,
    )
    if browser is not None:
        statement = statement.where(SsoRequest.browser_hash == crypto.hash_token(browser))
    options = {"synchronize_session": False}
    used: SsoRequest | None = db.session.scalar(statement.values(used_at=at).returning(SsoRequest), execution_options=options)
    if used is not None:
        return used
    found = queries.request(request_id, connection.id)
    if found is None or found.purpose not in purposes or found.expires_at <= at:
        raise Refused(Reason.UNKNOWN_REQUEST, request_id[:80])
    raise Refused(Reason.REQUEST_USED if found.used_at is not None else Reason.OTHER_BROWSER, request_id[:80])


def keep(
    connection: Connection,
    request_id: str,
    *,
    purpose: Purpose,
    browser: str | None,
    next_path: str | None = None,
    started_by: str | None = None,
) -> None:
    """Writes down a request that goes out."""
    at = clock.now()
    row = SsoRequest(
        id=request_id,
        connection_id=connection.id,
        purpose=purpose,
        browser_hash=crypto.hash_token(browser) if browser else None,
        next_path=next_path,
        started_by=started_by,
        created_at=at,
        expires_at=at + LASTS,
    )
    db.session.add(row)
    db.session.flush()


def require_party(connection_id: str) -> Connection:
    """The connection of an address.

    Raises:
        NotFound: There is none, or its organization is closed.
    """
    connection = queries.party(connection_id)
    if connection is None or connection.organization.status in queries.CLOSED:
        raise NotFound("There is no such way of signing in. Start from the sign-in page.", code="CONNECTION_NOT_FOUND")
    return connection


def new_id() -> str:
    """A message's ID: an NCName (Core, 1.3.4) with 160 random bits."""
    return f"_{secrets.token_hex(20)}"
