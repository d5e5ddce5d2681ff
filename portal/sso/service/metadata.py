"""Metadata by its address: fetched before a change, and read again each day so that a roll-over needs nobody."""

from datetime import timedelta

from sqlalchemy import select
from sqlalchemy.orm import selectinload

from portal import clock, db, queue
from portal.audit import service as audit
from portal.audit.rules import SYSTEM, Action
from portal.errors import DomainError, Invalid
from portal.gateways import metadata as gateway
from portal.gateways.metadata import FetchFailed
from portal.sso import queries
from portal.sso.models import Connection
from portal.sso.rules.connections import days_to_warn
from portal.sso.rules.events import Subject
from portal.sso.rules.metadata import read_metadata
from portal.sso.service import connections, parties
from portal.sso.service.notices import tell_owners

AGAIN = timedelta(hours=6)
HORIZON = timedelta(days=60)
AT_ONCE = 500


def fetch(url: str | None) -> bytes | None:
    """What is at a metadata URL that somebody gave, or None without one; with no transaction open.

    Raises:
        Invalid: ``METADATA_UNREACHABLE``: it can't be fetched, or mustn't.
    """
    if not url:
        return None
    failure = ""
    found = b""
    with db.outside():
        try:
            found = gateway.fetch(url.strip(), allow_local=parties.plain_http())
        except FetchFailed as error:
            failure = str(error)
    if failure:
        raise Invalid(failure, code="METADATA_UNREACHABLE", details={"metadata_url": [failure]})
    return found


def ring_due() -> int:
    """Rings for each connection whose metadata is due."""
    due = queries.metadata_due(clock.now(), limit=AT_ONCE)
    for connection_id in due:
        queue.enqueue("sso-read-metadata", connection_id)
    return len(due)


def refresh(connection_id: str) -> bool:
    """Reads a connection's metadata again; returns whether that worked. What was known stays when it didn't."""
    connection = db.session.get(Connection, connection_id)
    if connection is None or connection.metadata_url is None or connection.metadata_due_at is None:
        return False
    if connection.metadata_due_at > clock.now():
        return False
    url, failure, found = connection.metadata_url, "", b""
    with db.outside():
        try:
            found = gateway.fetch(url, allow_local=parties.plain_http())
        except FetchFailed as error:
            failure = str(error)
    locked = _lock(connection_id)
    if locked is None or locked.metadata_url != url:
        return False
    try:
        if not failure:
            _take(locked, found, url=url)
    except DomainError as error:
        failure = error.message
    if failure:
        locked.metadata_error = failure
        locked.metadata_due_at = clock.now() + AGAIN
    db.session.flush()
    return not failure


def check_certificates() -> int:
    """Queues the warnings that are due about certificates, 60, 30 and 7 days before they expire; returns how many."""
    now, told = clock.now(), 0
    for row in queries.expiring_certificates(now + HORIZON + timedelta(days=1)):
        days = days_to_warn((row.not_after - now).days, warned=row.warned_days)
        if days is None:
            continue
        row.warned_days = days
        tell_owners(
            row.connection.organization_id,
            Subject.CERTIFICATE,
            about=f"certificate:{row.id}:{days}",
            facts={
                "providerId": row.connection.provider_id,
                "notAfter": row.not_after.isoformat(),
                "fingerprint": row.fingerprint,
                "days": max((row.not_after - now).days, 0),
                "followsByItself": row.connection.metadata_url is not None,
            },
        )
        told += 1
    db.session.flush()
    return told


def _take(connection: Connection, found: bytes, *, url: str) -> None:
    published = read_metadata(found, now=clock.now(), plain_http=parties.plain_http())
    if published.entity_id != connection.idp_entity_id:
        raise Invalid(
            f"It is about another identity provider now ({published.entity_id[:100]}). Set the connection up anew if that is right."
        )
    before = sorted(row.fingerprint for row in connection.certificates)
    connections.publish(connection, published, url=url, by_itself=True)
    after = sorted(row.fingerprint for row in connection.certificates)
    if before != after:
        about = audit.Subject("sso-connection", connection.id, connection.provider_id)
        audit.record(
            SYSTEM,
            Action.SSO_CONNECTION_CHANGED,
            about,
            organization_id=connection.organization_id,
            before={"certificates": before},
            after={"certificates": after},
        )


def _lock(connection_id: str) -> Connection | None:
    statement = (
        select(Connection)
        .options(selectinload(Connection.certificates))
        .where(Connection.id == connection_id)
        .with_for_update(of=Connection)
        .execution_options(populate_existing=True)
    )
    return db.session.scalar(statement)
