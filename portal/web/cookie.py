"""The sign-in cookie: it carries the token of one sign-in, and is made anew each time somebody signs in."""

from typing import Any

from flask import request, session
from flask_login import current_user, login_user, logout_user

from portal.web.gates import client_address


def browser() -> dict[str, Any]:
    """What a sign-in notes about where it came from: ``ip`` and ``user_agent``."""
    return {"ip": client_address(), "user_agent": request.user_agent.string}


def sign_in(user: Any) -> None:  # noqa: ANN401 - the user is a feature's, and web knows no features
    """Puts the user's open session into a fresh cookie, so that whatever was planted before is worth nothing."""
    session.clear()
    login_user(user)
    session.permanent = True


def token() -> str:
    """The token that the cookie carries while its sign-in lasts, or an empty string."""
    return str(current_user.get_id()) if current_user.is_authenticated else ""


def sign_out() -> str:
    """Empties the cookie and returns the token that it carried, or an empty string."""
    carried = token()
    logout_user()
    session.clear()
    return carried
