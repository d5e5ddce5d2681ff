"""Security headers, CSRF tokens and rate limits."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from flask import Flask, Response, g, request, session
from flask_limiter import Limiter
from flask_login import current_user
from flask_wtf import CSRFProtect
from werkzeug.middleware.proxy_fix import ProxyFix

from portal.config import Settings
from portal.gateways.payments import form_origins
from portal.web.bearer import bearer, presented
from portal.web.gates import client_address

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; "
    "manifest-src 'self'; form-action {form_action}; base-uri 'none'; frame-ancestors 'none'"
)
CSRF_HEADER = "X-CSRFToken"
ONE_YEAR = 31_536_000
UNAVAILABLE_SECONDS = "5"


class _Csrf(CSRFProtect):  # type: ignore[misc] # Flask-WTF publishes no types
    """A call with a token needs no CSRF token: no other site can make a browser send that header, and the cookie counts for nothing."""

    def protect(self, *how: Any, **more: Any) -> None:  # noqa: ANN401 - Flask-WTF's own signature
        """Checks the CSRF token of what comes by cookie."""
        if not presented():
            super().protect(*how, **more)

    def _get_csrf_token(self) -> str | None:
        """The token of a form or a header. Flask-WTF's own looks through every field's name, and a part of a body may have none."""
        return request.form.get("csrf_token") or request.headers.get(CSRF_HEADER)


def _caller() -> str:
    """API tokens and users are counted by their ids, strangers by their address."""
    token = bearer()
    if token is not None:
        return f"token:{token.id}"
    return f"user:{current_user.id}" if current_user.is_authenticated else f"address:{client_address()}"


def tried_account() -> str:
    """What the sign-in limit per account counts by: the address that is being tried, in a form or in JSON."""
    body = request.args if request.method == "GET" else request.get_json(silent=True) if request.is_json else request.form
    email = body.get("email", "") if isinstance(body, Mapping) else ""
    return f"account:{str(email).strip().lower()}"


def per_organization() -> str:
    """What limits per organization count by: the one that the gate let the caller into, or the draft of the URL."""
    access = g.get("access")
    return f"organization:{access.organization.id if access else (request.view_args or {}).get('organization_id')}"


SIGN_IN_PER_ADDRESS = "20/minute"
SIGN_IN_PER_ACCOUNT = "10/minute"
INVITATIONS_PER_ORGANIZATION = "60/hour"
CHECKOUTS_PER_CALLER = "60/minute"
EVERYTHING_PER_CALLER = "600/minute"
csrf = _Csrf()
limiter = Limiter(key_func=_caller, strategy="moving-window")
# Each of these counts over all the routes that bear it, pages and API together.
sign_in_limit = limiter.shared_limit(SIGN_IN_PER_ADDRESS, scope="sign-in", key_func=lambda: f"address:{client_address()}")
account_limit = limiter.shared_limit(SIGN_IN_PER_ACCOUNT, scope="account", key_func=tried_account)
checkout_limit = limiter.shared_limit(CHECKOUTS_PER_CALLER, scope="checkout")
# This one stands below the gate: strangers must not use an organization's invitations up.
invitation_limit = limiter.shared_limit(INVITATIONS_PER_ORGANIZATION, scope="invitations", key_func=per_organization)
# A whole office signs in from one address, so what identity providers send counts only when it is refused.
refusal_limit = limiter.limit(
    SIGN_IN_PER_ADDRESS,
    key_func=lambda: f"address:{client_address()}",
    deduct_when=lambda response: response.status_code >= HTTPStatus.BAD_REQUEST,
)
SLO_ORIGIN = "slo_origin"


def init_app(app: Flask, settings: Settings) -> None:
    """Wires the headers, the CSRF check and the limits."""
    app.config.update(
        SECRET_KEY=settings.secret_key,
        SESSION_COOKIE_NAME="portal",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_SECURE=settings.is_https,
        WTF_CSRF_TIME_LIMIT=None,
        WTF_CSRF_HEADERS=[CSRF_HEADER],
        WTF_CSRF_SSL_STRICT=False,  # it asks for a Referer, which API clients and careful browsers don't send
        RATELIMIT_ENABLED=settings.rate_limits == "on",
        RATELIMIT_STORAGE_URI=_limits_address(settings.redis_url),
        RATELIMIT_HEADERS_ENABLED=True,
        RATELIMIT_IN_MEMORY_FALLBACK_ENABLED=True,
        RATELIMIT_APPLICATION=EVERYTHING_PER_CALLER,
    )
    if settings.proxy_hops:
        hops = settings.proxy_hops
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops, x_host=hops)  # type: ignore[method-assign] # Flask's own way
    csrf.init_app(app)
    app.after_request(_say_when)  # before the limiter's own, which it corrects: Flask runs them in reverse
    limiter.init_app(app)
    hsts = f"max-age={ONE_YEAR}; includeSubDomains" if settings.is_https else ""
    gateways = form_origins()
    app.after_request(lambda response: _headers(response, origins=gateways, hsts=hsts))


def allow_forms_to(url: str) -> None:
    """Lets the forms of the present page lead to another company's address: browsers refuse it otherwise, redirects included."""
    g.form_origins = (*g.get("form_origins", ()), origin_of(url))


def origin_of(url: str) -> str:
    """Scheme, host and port of an address, as a policy names them."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _form_action(response: Response, gateways: tuple[str, ...]) -> str:
    """Where forms may lead: here, to payment providers, and for who came by single sign-on to where signing out leads."""
    known = session.get(SLO_ORIGIN) if response.mimetype == "text/html" else None
    return " ".join(("'self'", *gateways, *g.get("form_origins", ()), *((known,) if known else ())))


def _limits_address(redis_url: str) -> str:
    return redis_url.replace("unix://", "redis+unix://", 1) if redis_url.startswith("unix://") else redis_url


def _say_when(response: Response) -> Response:
    """``Retry-After`` stands on refusals that end by themselves alone (RFC 9110, section 10.2.3); the limiter puts it on every answer."""
    if response.status_code == HTTPStatus.SERVICE_UNAVAILABLE:
        response.headers["Retry-After"] = UNAVAILABLE_SECONDS
    elif response.status_code == HTTPStatus.TOO_MANY_REQUESTS:
        response.headers["Retry-After"] = str(max(int(response.headers.get("Retry-After", "60")), 1))
    else:
        response.headers.pop("Retry-After", None)
    return response


def _headers(response: Response, *, origins: tuple[str, ...], hsts: str) -> Response:
    headers = response.headers
    headers.setdefault("Content-Security-Policy", CONTENT_SECURITY_POLICY.format(form_action=_form_action(response, origins)))
    headers.setdefault("X-Content-Type-Options", "nosniff")
    headers.setdefault("Referrer-Policy", "same-origin")
    headers.setdefault("Cross-Origin-Opener-Policy", "same-origin")
    headers.setdefault("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=()")
    if hsts:
        headers.setdefault("Strict-Transport-Security", hsts)
    if request.endpoint != "static":
        headers.setdefault("Cache-Control", "no-store")
    return response
