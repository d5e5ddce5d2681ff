"""Taking an identity provider's answer: a sign-in, a test, or a refusal that is logged and told to nobody else."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import structlog
from sqlalchemy import update
from sqlalchemy.dialects.postgresql import Insert, insert

from portal import clock, db
from portal.accounts import service as accounts
from portal.accounts.models import User
from portal.audit import service as audit
from portal.audit.rules import Action, Actor, Via
from portal.db import Json
from portal.errors import Conflict
from portal.orgs.models import Organization
from portal.sso import queries
from portal.sso.models import Attempt, Connection, SeenMessage, SsoRequest, SsoSession
from portal.sso.rules.attributes import Claims, person_of
from portal.sso.rules.events import Kind, Purpose
from portal.sso.rules.messages import SKEW, require_one
from portal.sso.rules.reasons import Reason, Refused
from portal.sso.rules.responses import envelope_request, verify
from portal.sso.service import parties, requests
from portal.sso.service.provisioning import Found, bring_in, weigh

log = structlog.get_logger()
SEEN_LASTS = timedelta(hours=24) + 4 * SKEW
Read = Callable[[], Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class Visit:
    """Where a message came from. ``browser`` is the value of the browser's own cookie, or empty."""

    browser: str
    ip: str | None
    user_agent: str | None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an answer.

    Attributes:
        user: Who is signed in now, with the token of their session; None otherwise.
        next_path: Where they wanted to go.
        was_asked: Whether it answers a request of ours.
        reason: Why it was refused.
        organization: By whose connection it came.
        slo_url: Where signing out will lead, or None.
        test: What a test found, when it was one.
    """

    user: User | None = None
    next_path: str | None = None
    was_asked: bool = False
    reason: Reason | None = None
    organization: Organization | None = None
    slo_url: str | None = None
    test: Json | None = None


@dataclass(slots=True)
class Progress:
    """How far the checks came: what a refusal must still write down."""

    connection: Connection
    visit: Visit
    kind: Kind = Kind.SIGN_IN
    text: str = ""
    claims: Claims | None = None
    request_id: str | None = None
    tester: str | None = None
    email: str | None = None
    seen: list[str] = field(default_factory=list)


def receive(connection_id: str, read: Read, *, visit: Visit) -> Outcome:
    """Takes an answer that was posted to a connection's address. Nothing that it holds can make this raise.

    Args:
        connection_id: From the address; nothing in the message chooses the connection.
        read: Gives the fields, decoded, none of them twice; may refuse.
        visit: Where it came from.
    """
    connection = queries.party(connection_id)
    if connection is None or connection.organization.status in queries.CLOSED:
        log.info("sso.unknown_connection", connection=connection_id[:60])
        return Outcome(reason=Reason.CONNECTION_OFF)
    progress = Progress(connection, visit)
    try:
        progress.text = require_one(fields := read(), "SAMLResponse")
        return _take(progress, fields)
    except Refused as error:
        refusal = error
    except Exception as error:
        log.exception("sso.broken", connection=connection.id)
        refusal = Refused(Reason.BROKEN, type(error).__name__)
    return _refuse(progress, refusal)


def _take(progress: Progress, _fields: Mapping[str, str]) -> Outcome:
    connection, visit = progress.connection, progress.visit
    try:
        theirs = parties.theirs(connection)
    except Conflict:
        raise Refused(Reason.CONNECTION_OFF) from None
    claims = verify(progress.text, ours=parties.ours(connection), theirs=theirs, now=clock.now())
    progress.claims, progress.email = claims, _email(claims, connection)
    request = _request_of(claims, connection, visit)
    if request is not None:
        progress.request_id, progress.tester = request.id, request.started_by
        progress.kind = Kind.TEST if request.purpose is Purpose.TEST else Kind.SIGN_IN
    see(connection, claims.assertion_id)
    if progress.kind is Kind.TEST:
        found = weigh(claims, connection=connection)
        return _report(progress, found)
    found = bring_in(claims, connection=connection)
    user = _sign_in(found, claims, progress)
    return Outcome(
        user=user,
        next_path=request.next_path if request else None,
        was_asked=request is not None,
        organization=connection.organization,
        slo_url=connection.idp_slo_url,
    )


def see(connection: Connection, message_id: str) -> None:
    """Takes a message for the first and only time.

    Raises:
        Refused: ``REPLAYED``.
    """
    statement = _seen(connection, message_id).returning(SeenMessage.message_id)
    if db.session.scalar(statement) is None:
        raise Refused(Reason.REPLAYED, message_id[:80])


def attempt(progress: Progress, *, refusal: Refused | None, user_id: str | None = None) -> Attempt:
    """A row of the sign-in log."""
    claims, connection, visit = progress.claims, progress.connection, progress.visit
    return Attempt(
        organization_id=connection.organization_id,
        connection_id=connection.id,
        provider_id=connection.provider_id,
        at=clock.now(),
        kind=progress.kind,
        reason=refusal.reason if refusal else None,
        detail=_printable(refusal.detail) if refusal and refusal.detail else None,
        email=_printable(progress.email or "")[:254] or None,
        name_id=_printable(claims.name_id)[:254] if claims else None,
        user_id=user_id,
        claims=[_printable(name)[:200] for name in list(claims.attributes)[:50]] if claims else None,
        ip=visit.ip,
        user_agent=_printable(visit.user_agent or "")[:300] or None,
    )


def record_refusal(progress: Progress, refusal: Refused) -> None:
    """Writes a refusal down in a transaction of its own: the log's row, and what mustn't work a second time."""
    row = attempt(progress, refusal=refusal)
    claims, connection = progress.claims, progress.connection
    with db.apart() as own:
        own.add(row)
        if claims is not None:
            own.execute(_seen(connection, claims.assertion_id))
        if progress.request_id is not None:
            own.execute(update(SsoRequest).where(SsoRequest.id == progress.request_id).values(used_at=clock.now()))
        if progress.kind is Kind.TEST:
            found = _found(progress, outcome="REFUSED", refusal=refusal)
            own.execute(update(Connection).where(Connection.id == connection.id).values(last_test=found, tested_at=None))


def _request_of(claims: Claims, connection: Connection, visit: Visit) -> SsoRequest | None:
    """The request that an answer is to, used up; None for one that nobody asked for, where that is allowed."""
    if claims.in_response_to is None:
        if not connection.allow_idp_initiated:
            raise Refused(Reason.UNREQUESTED)
        return None
    return requests.use(claims.in_response_to, connection, purposes=(Purpose.SIGN_IN, Purpose.TEST), browser=visit.browser)


def _email(claims: Claims, connection: Connection) -> str | None:
    """What the log calls the person, whatever is wrong with it."""
    try:
        return person_of(claims, preset=connection.preset, names=connection.attribute_names).email
    except Refused:
        return None


def _sign_in(found: Found, claims: Claims, progress: Progress) -> User:
    user, visit = found.user, progress.visit
    assert user is not None
    until = datetime.fromtimestamp(claims.session_ends, UTC) if claims.session_ends else None
    accounts.open_session(user, ip=visit.ip, user_agent=visit.user_agent, until=until)
    row = SsoSession(
        connection_id=progress.connection.id,
        login_session_id=user.session_id,
        name_id=claims.name_id,
        name_id_format=claims.name_id_format,
        name_qualifier=claims.name_qualifier,
        sp_name_qualifier=claims.sp_name_qualifier,
        session_index=claims.session_index,
        created_at=clock.now(),
    )
    db.session.add_all([row, attempt(progress, refusal=None, user_id=user.id)])
    db.session.flush()
    return user


def _report(progress: Progress, found: Found) -> Outcome:
    """Keeps what a successful test found; nobody is signed in by it."""
    connection = progress.connection
    told = _found(progress, outcome="SUCCEEDED", would=found.plan.told(found.address.email))
    connection.last_test = told
    connection.tested_at = clock.now()
    db.session.add(attempt(progress, refusal=None))
    db.session.flush()
    actor = Actor(user_id=progress.tester, name="An owner", via=Via.MEMBER)
    about = audit.Subject("sso-connection", connection.id, connection.provider_id)
    audit.record(actor, Action.SSO_TESTED, about, organization_id=connection.organization_id, after={"outcome": "SUCCEEDED"})
    return Outcome(organization=connection.organization, test=told)


def _refuse(progress: Progress, refusal: Refused) -> Outcome:
    db.abandon()
    if progress.kind is Kind.SIGN_IN and progress.request_id is None and refusal.reason is not Reason.BROKEN:
        _find_test(progress)
    record_refusal(progress, refusal)
    told = _found(progress, outcome="REFUSED", refusal=refusal) if progress.kind is Kind.TEST else None
    return Outcome(reason=refusal.reason, organization=progress.connection.organization, test=told)


def _find_test(progress: Progress) -> None:
    """Whether a refused answer belongs to a test that this very browser runs: then its owner is shown what was wrong."""
    request_id = envelope_request(progress.text) if progress.text and progress.visit.browser else None
    if request_id is None:
        return
    try:
        request = requests.use(request_id, progress.connection, purposes=(Purpose.TEST,), browser=progress.visit.browser)
    except Refused:
        request = None
    if request is not None:
        progress.kind, progress.request_id, progress.tester = Kind.TEST, request.id, request.started_by
    db.abandon()


def _found(progress: Progress, *, outcome: str, refusal: Refused | None = None, would: str | None = None) -> Json:
    """What a test found, as the page and the API show it."""
    claims = progress.claims
    return {
        "at": clock.now().isoformat(),
        "outcome": outcome,
        "reason": refusal.reason if refusal else None,
        "message": refusal.reason.label if refusal else None,
        "detail": _printable(refusal.detail) if refusal and refusal.detail else None,
        "would": would,
        "nameId": _printable(claims.name_id) if claims else None,
        "nameIdFormat": _printable(claims.name_id_format) if claims else None,
        "signed": list(claims.signed) if claims else [],
        "encrypted": claims.is_encrypted if claims else None,
        "claims": {_printable(name): [_printable(value)[:500] for value in values[:20]] for name, values in claims.attributes.items()}
        if claims
        else {},
    }


def _seen(connection: Connection, message_id: str) -> Insert:
    row = {"connection_id": connection.id, "message_id": message_id, "expires_at": clock.now() + SEEN_LASTS}
    return insert(SeenMessage).values(**row).on_conflict_do_nothing()


def _printable(text: str) -> str:
    """What somebody sent, as text that a database and a page can hold."""
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)
