"""Acts on API tokens: making, revoking, noting that one was used."""

from datetime import datetime

from sqlalchemy import or_, update

from portal import clock, crypto, db
from portal.accounts.models import User
from portal.audit import service as audit
from portal.audit.rules import Action, Actor
from portal.errors import Conflict, NotFound
from portal.orgs.models import ApiToken, Organization
from portal.orgs.queries import tokens as queries
from portal.orgs.rules.tokens import MOST_TOKENS, PREFIX, USE_NOTED_EVERY, TokenScope, check_expiry
from portal.orgs.schemas.tokens import TokenIn
from portal.orgs.service.organizations import lock_open

HINT_LETTERS = 4


def create(data: TokenIn, *, organization: Organization, maker: User, actor: Actor) -> tuple[ApiToken, str]:
    """Makes a token; only its hash is stored, so that the second of what is returned is shown now or never.

    Raises:
        Invalid: ``EXPIRY_REFUSED``.
        Conflict: ``TOKEN_NAME_TAKEN``, or ``TOO_MANY_TOKENS``.
    """
    locked = lock_open(organization.id)
    at = clock.now()
    check_expiry(data.expires_at, now=at)
    if queries.count_live(locked.id) >= MOST_TOKENS:
        sentence = f"{locked.name} has {MOST_TOKENS} API tokens, which is the most. Revoke one that nobody needs first."
        raise Conflict(sentence, code="TOO_MANY_TOKENS")
    secret = PREFIX + crypto.random_token()
    row = ApiToken(
        organization_id=locked.id,
        user_id=maker.id,
        user=maker,
        name=data.name,
        token_hash=crypto.hash_token(secret),
        hint=secret[-HINT_LETTERS:],
        scopes=[scope.value for scope in TokenScope if scope in data.scopes],
        created_at=at,
        expires_at=data.expires_at,
    )
    taken = f"There is a token called “{data.name}” already. Choose another name, or revoke that one first."
    refusal = Conflict(taken, code="TOKEN_NAME_TAKEN", details={"name": [taken]})
    with db.refused_by({"uq_api_tokens_live_name": refusal}):
        db.session.add(row)
    after = {"scopes": row.scopes, "expiresAt": data.expires_at.isoformat() if data.expires_at else None}
    audit.record(actor, Action.API_TOKEN_CREATED, _subject(row), organization_id=locked.id, after=after)
    return row, secret


def revoke(token_id: str, *, organization: Organization, actor: Actor) -> ApiToken:
    """Ends a token at once; harmless when it is revoked already.

    Raises:
        NotFound: ``TOKEN_NOT_FOUND``.
    """
    row = queries.token(organization.id, token_id)
    if row is None:
        raise NotFound("There is no such API token.", code="TOKEN_NOT_FOUND")
    if row.revoked_at is None:
        row.revoked_at = clock.now()
        audit.record(actor, Action.API_TOKEN_REVOKED, _subject(row), organization_id=organization.id)
        db.session.flush()
    return row


def note_use(row: ApiToken) -> None:
    """Notes when a token was used, at most once a minute and in a transaction of its own, so that a GET stays one that writes nothing."""
    now = clock.now()
    if not _is_due(row.last_used_at, now=now):
        return
    still_due = or_(ApiToken.last_used_at.is_(None), ApiToken.last_used_at <= now - USE_NOTED_EVERY)
    with db.apart() as own:
        own.execute(update(ApiToken).where(ApiToken.id == row.id, still_due).values(last_used_at=now))


def _is_due(last_used_at: datetime | None, *, now: datetime) -> bool:
    return last_used_at is None or last_used_at <= now - USE_NOTED_EVERY


def _subject(row: ApiToken) -> audit.Subject:
    return audit.Subject("api_token", row.id, row.name)
