"""Reading API tokens."""

from collections.abc import Sequence

from sqlalchemy import and_, func, or_, select
from sqlalchemy.orm import contains_eager

from portal import clock, crypto, db
from portal.accounts.models import User
from portal.orgs.models import ApiToken, Membership
from portal.orgs.rules import MembershipStatus, Role
from portal.orgs.rules.tokens import PREFIX

_MAKER_IS_OWNER = and_(
    Membership.organization_id == ApiToken.organization_id,
    Membership.user_id == ApiToken.user_id,
    Membership.status == MembershipStatus.ACTIVE,
    Membership.role == Role.ORG_OWNER,
)


def bearer_of(token: str) -> ApiToken | None:
    """The token that a client sent, with its maker; None when it is unknown, over, revoked, or its maker is no active owner any more."""
    if not token.startswith(PREFIX):
        return None
    statement = (
        select(ApiToken)
        .join(ApiToken.user)
        .join(Membership, _MAKER_IS_OWNER)
        .options(contains_eager(ApiToken.user))
        .where(
            ApiToken.token_hash == crypto.hash_token(token),
            ApiToken.revoked_at.is_(None),
            or_(ApiToken.expires_at.is_(None), ApiToken.expires_at > clock.now()),
        )
    )
    return db.session.scalar(statement)


def tokens_of(organization_id: str, *, limit: int, cursor: str | None = None) -> Sequence[tuple[ApiToken, bool]]:
    """Tokens, newest first, with their makers, and whether these are active owners still."""
    statement = (
        select(ApiToken, Membership.id.is_not(None))
        .join(ApiToken.user)
        .outerjoin(Membership, _MAKER_IS_OWNER)
        .options(contains_eager(ApiToken.user))
        .where(ApiToken.organization_id == organization_id)
    )
    if cursor is not None:
        statement = statement.where(ApiToken.id < cursor)
    return [(row[0], row[1]) for row in db.session.execute(statement.order_by(ApiToken.id.desc()).limit(limit))]


def token(organization_id: str, token_id: str) -> ApiToken | None:
    """One token of this organization, locked until the transaction ends."""
    if not db.is_id(token_id):
        return None
    statement = (
        select(ApiToken)
        .join(User, User.id == ApiToken.user_id)
        .options(contains_eager(ApiToken.user))
        .where(ApiToken.organization_id == organization_id, ApiToken.id == token_id)
        .with_for_update(of=ApiToken)
    )
    return db.session.scalar(statement)


def count_live(organization_id: str) -> int:
    """How many tokens aren't revoked or over."""
    statement = select(func.count()).where(
        ApiToken.organization_id == organization_id,
        ApiToken.revoked_at.is_(None),
        or_(ApiToken.expires_at.is_(None), ApiToken.expires_at > clock.now()),
    )
    return db.session.scalar(statement) or 0
