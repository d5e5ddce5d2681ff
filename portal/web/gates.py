"""Who may call a route. Every route names its gate; a test walks the URL map and fails for one without.

Gates here need no feature's tables. ``portal.orgs.access`` has the one for organizations.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

from flask import request
from flask_login import current_user

from portal.errors import Forbidden, Unauthenticated
from portal.web.bearer import admit

View = TypeVar("View", bound=Callable[..., Any])

STAFF_ROLES = ("STAFF", "ADMIN")


def named(view: View, gate: str) -> View:
    """Marks a view with the name of its gate."""
    view.gate = gate  # type: ignore[attr-defined] # the mark that the route test reads
    return view


def public(view: View) -> View:
    """Anybody may call it."""
    return named(view, "public")


def signed(view: View) -> View:
    """The caller proves itself by a signature or a token that the view checks."""
    return named(view, "signed")


def signed_in(view: View) -> View:
    """Any user who is signed in."""
    return _behind(view, gate="signed-in", check=require_user)


def staff(view: View) -> View:
    """Platform staff and platform admins."""
    return _behind(view, gate="staff", check=lambda: _require_platform_role(STAFF_ROLES))


def admin(view: View) -> View:
    """Platform admins."""
    return _behind(view, gate="admin", check=lambda: _require_platform_role(("ADMIN",)))


def require_user() -> Any:  # noqa: ANN401 - the user is a feature's, and web knows no features
    """The signed-in user.

    Raises:
        Unauthenticated: Nobody is signed in (pages lead to the sign-in, the API answers 401).
    """
    if not current_user.is_authenticated:
        raise Unauthenticated("Sign in to go on.")
    return current_user._get_current_object()  # noqa: SLF001 - the proxy's documented way to its object


def client_address() -> str:
    """The caller's IP address, as far as the trusted proxies tell it."""
    return request.remote_addr or ""


def _require_platform_role(roles: tuple[str, ...]) -> None:
    if require_user().platform_role not in roles:
        raise Forbidden("Only the platform's own staff can do this.")


def _behind(view: View, *, gate: str, check: Callable[[], Any]) -> View:
    @wraps(view)
    def gated(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - as the view
        admit(view)
        check()
        return view(*args, **kwargs)

    return named(gated, gate)  # type: ignore[return-value] # wraps() keeps the view's own shape
