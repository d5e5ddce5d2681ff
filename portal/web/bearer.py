"""``Authorization: Bearer`` on the JSON API (RFC 6750): a token in place of the sign-in cookie, which then counts for nothing.

A view takes tokens only when it says so with ``scoped``; the gates ask ``admit``. Web knows no feature's tables, so the app says how
a token is looked up.
"""

from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar

from flask import Flask, g, request
from flask_login import AnonymousUserMixin

from portal.errors import Forbidden, Unauthenticated

View = TypeVar("View", bound=Callable[..., Any])
CHALLENGE = "Bearer"
PREFIX = "/api/"


class Bearer(Protocol):
    """A token that was sent and is good."""

    id: Any
    name: Any
    organization_id: Any
    scopes: Any
    user: Any


def init_app(app: Flask, *, find: Callable[[str], Bearer | None], used: Callable[[Any], None]) -> None:
    """Wires the header; before anything that asks who calls.

    Args:
        app: The app.
        find: The good token with this text, or None.
        used: Notes that a token was used.
    """
    app.before_request(lambda: _identify(find, used))


def scoped(*any_of: str) -> Callable[[View], View]:
    """Marks a view, below its gate, as one that takes API tokens with any of these scopes. Without it, none gets in."""

    def mark(view: View) -> View:
        view.scopes = any_of  # type: ignore[attr-defined] # the mark that the gates and the OpenAPI document read
        return view

    return mark


def scopes_of(view: Callable[..., Any]) -> Sequence[str]:
    """The scopes any of which opens a view to API tokens; none, when none does."""
    found: Sequence[str] = getattr(view, "scopes", ())
    return found


def presented() -> bool:
    """Whether the caller sent a token, good or not."""
    return request.path.startswith(PREFIX) and request.headers.get("Authorization", "").split(" ", 1)[0].lower() == "bearer"


def bearer() -> Bearer | None:
    """The token that the caller acts by, or None for a signed-in person and for nobody."""
    found: Bearer | None = g.get("bearer")
    return found


def admit(view: Callable[..., Any]) -> None:
    """Lets callers without a token pass, and tokens when the view takes their scopes.

    Raises:
        Unauthenticated: ``TOKEN_INVALID``.
        Forbidden: ``TOKEN_NOT_TAKEN``: no token gets in here; ``SCOPE_MISSING``.
    """
    if not presented():
        return
    token = bearer()
    if token is None:
        sentence = "This API token is unknown, expired or revoked, or its maker is no owner any more. Ask an owner for a new one."
        raise Unauthenticated(sentence, code="TOKEN_INVALID")
    wanted = scopes_of(view)
    if not wanted:
        raise Forbidden("API tokens can't be used here. Sign in to do this.", code="TOKEN_NOT_TAKEN")
    if not set(wanted) & set(token.scopes):
        sentence = f"This API token lacks the scope {' or '.join(wanted)}. Ask an owner for a token that has it."
        raise Forbidden(sentence, code="SCOPE_MISSING", extra={"scopes": list(wanted)})


def _identify(find: Callable[[str], Bearer | None], used: Callable[[Any], None]) -> None:
    if not presented():
        return
    g._login_user = AnonymousUserMixin()  # noqa: SLF001 - where Flask-Login looks before it reads the cookie
    token = find(request.headers["Authorization"].partition(" ")[2].strip())
    if token is not None:
        g.bearer, g._login_user = token, token.user  # noqa: SLF001 - as above
        used(token)
