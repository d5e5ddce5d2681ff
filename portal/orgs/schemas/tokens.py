"""What comes in about API tokens, and how they look in JSON."""

from datetime import datetime, timedelta
from typing import Annotated, Literal

from pydantic import AwareDatetime, Field, StringConstraints

from portal import clock
from portal.orgs.models import ApiToken
from portal.orgs.rules.tokens import TokenScope, TokenState
from portal.web.schema import In, Out

TokenName = Annotated[str, StringConstraints(min_length=1, max_length=80, pattern=r"^[^\x00-\x1f\x7f]*$")]
Scopes = Annotated[set[TokenScope], Field(min_length=1)]


class TokenIn(In):
    """A new token: its name, what it may be used for, and when it ends (never, without ``expiresAt``)."""

    name: TokenName
    scopes: Scopes
    expires_at: AwareDatetime | None = None


class TokenFormIn(In):
    """The form of a new token: the days that it lasts."""

    name: TokenName
    scopes: Scopes
    lasts_days: Literal["30", "90", "365", "never"]

    @property
    def token(self) -> TokenIn:
        """The token that is asked for."""
        ends = None if self.lasts_days == "never" else clock.now() + timedelta(days=int(self.lasts_days))
        return TokenIn(name=self.name, scopes=self.scopes, expires_at=ends)


class TokenOut(Out):
    """A token: ``hint`` is how it ends. The token itself is shown once, when it is made."""

    id: str
    name: str
    hint: str
    scopes: list[TokenScope]
    state: TokenState
    created_by: str
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    revoked_at: datetime | None

    @classmethod
    def of(cls, row: ApiToken, *, is_maker_owner: bool) -> "TokenOut":
        """The token as JSON shows it; ``createdBy`` is the maker's name."""
        return cls(
            id=row.id,
            name=row.name,
            hint=row.hint,
            scopes=[scope for scope in TokenScope if scope in row.scopes],
            state=row.state(is_maker_owner=is_maker_owner, now=clock.now()),
            created_by=row.user.name,
            created_at=row.created_at,
            expires_at=row.expires_at,
            last_used_at=row.last_used_at,
            revoked_at=row.revoked_at,
        )
