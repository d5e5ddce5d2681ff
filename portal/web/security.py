"""Security headers, CSRF tokens and rate limits."""

from collections.abc import Mapping
from http import HTTPStatus
from urllib.parse import urlsplit

from flask import Flask, Response, g, request, session
from flask_limiter import Limiter
from flask_login import current_user
from flask_wtf import CSRFProtect
from werkzeug.middleware.proxy_fix import ProxyFix

from portal.config import Settings
from portal.gateways.payments import form_origins
from portal.web.gates import client_address

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; "
    "manifest-src 'self'; form-action {form_action}; base-uri 'none'; frame-ancestors 'none'"
)
ONE_YEAR = 31_536_000


def _caller() -> str:
    """Users are counted by their id, strangers by their address."""
    return f"user:{current_user.id}" if current_user.is_authenticated else f"address:{client_address()}"


def tried_account() -> str:
    """What the sign-in limit per account counts by: the address that is being tried, in a form or in JSON."""
    body = request.args if request.method == "GET" else request.get_json(silent=True) if request.is_json else request.form
    email = body.get("email", "") if isinstance(body, Mapping) else ""
    return f"account:{str(email).strip().lower()}"


def per_organization() -> str:
    """What limits per organization count by: the organization of the URL."""
    values = request.view_args or {}
    return f"organization:{values.get('slug') or values.get('organization_id')}"


SIGN_IN_PER_ADDRESS = "20/minute"
SIGN_IN_PER_ACCOUNT = "10/minute"
csrf = CSRFProtect()
limiter = Limiter(key_func=_caller, strategy="moving-window")
sign_in_limit = limiter.limit(SIGN_IN_PER_ADDRESS, key_func=lambda: f"address:{client_address()}")
account_limit = limiter.shared_limit(SIGN_IN_PER_ACCOUNT, scope="account", key_func=tried_account)
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
        WTF_CSRF_HEADERS=["X-CSRFToken"],
        WTF_CSRF_SSL_STRICT=False,  # it asks for a Referer, which API clients and careful browsers don't send
        RATELIMIT_ENABLED=settings.rate_limits == "on",
        RATELIMIT_STORAGE_URI=_limits_address(settings.redis_url),
        RATELIMIT_HEADERS_ENABLED=True,
        RATELIMIT_IN_MEMORY_FALLBACK_ENABLED=True,
        RATELIMIT_DEFAULT="600/minute",
    )
    if settings.proxy_hops:
        hops = settings.proxy_hops
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops, x_host=hops)  # type: ignore[method-assign] # Flask's own way
    csrf.init_app(app)
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
