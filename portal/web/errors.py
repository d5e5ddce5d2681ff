"""What a refusal looks like: a page, a fragment for HTMX, or JSON. Handlers never catch."""

from http import HTTPStatus
from typing import Any, NamedTuple
from urllib.parse import quote

import structlog
from flask import Flask, Response, g, jsonify, make_response, redirect, render_template, request, url_for
from flask_limiter import RateLimitExceeded
from flask_login import AnonymousUserMixin
from flask_wtf.csrf import CSRFError
from sqlalchemy.exc import DataError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from werkzeug.exceptions import HTTPException

from portal import db
from portal.errors import DomainError, NotFound, TooLarge, Unauthenticated
from portal.web.bearer import CHALLENGE
from portal.web.page import wants_fragment
from portal.web.tracing import route

log = structlog.get_logger()

TITLES = {
    400: "That didn't work",
    401: "Please sign in",
    402: "This can't be paid for",
    403: "You can't open this",
    404: "There is no such page",
    405: "That didn't work",
    409: "Something else happened first",
    410: "This link is over",
    413: "That is too large",
    415: "That can't be read",
    429: "Please wait a moment",
    500: "Something broke on our side",
    501: "This isn't switched on",
    503: "We'll be right back",
}
SENTENCES = {
    400: "The request can't be understood. Go back, check what you entered and send it again.",
    404: "The address may be mistyped, or what was here has moved. Nothing was changed.",
    405: "This address can't be used in that way. Go back and use the page's own buttons.",
    413: "What you sent is larger than we take. Nothing was changed.",
    415: "This address takes JSON. Send it with the header Content-Type: application/json.",
    429: "There were too many tries in a short time. Wait a minute and try again.",
    500: "We have been told about it. Nothing was changed; please try again in a moment.",
    503: "The portal can't reach its database at the moment. Nothing was changed; please try again in a minute.",
}
CODES = {kind.status: kind.default_code for kind in (NotFound, TooLarge)}  # whether we refuse or Werkzeug does


class ErrorPage(NamedTuple):
    """What the error templates show."""

    status: int
    title: str
    message: str
    code: str
    action_label: str
    action_url: str


def init_app(app: Flask) -> None:
    """Registers an answer for everything that can be raised."""
    app.register_error_handler(DomainError, _domain_error)
    app.register_error_handler(CSRFError, _csrf_error)
    app.register_error_handler(RateLimitExceeded, _rate_limit)
    app.register_error_handler(HTTPException, _http_error)
    app.register_error_handler(DataError, _impossible_value)
    for away in (*db.AWAY, PoolTimeoutError):
        app.register_error_handler(away, _unavailable)
    app.register_error_handler(Exception, _broken)


def wants_json() -> bool:
    """Whether the caller is an API client."""
    return request.path.startswith("/api/")


def answer(status: int, message: str, *, code: str, details: Any = None, extra: dict[str, Any] | None = None) -> Response:  # noqa: ANN401 - JSON
    """The same refusal for the three kinds of caller; what the request wrote is given up before the page is made."""
    db.abandon()
    if wants_json():
        body: dict[str, Any] = {"error": message, "code": code, **({"details": details} if details else {}), **(extra or {})}
        response = make_response(jsonify(body), status)
        if status == HTTPStatus.UNAUTHORIZED:
            response.headers["WWW-Authenticate"] = CHALLENGE  # RFC 9110, section 15.5.2
        return response
    error = ErrorPage(status, TITLES.get(status, TITLES[400]), message, code, "Go to the start page", "/")
    if wants_fragment():
        response = make_response(render_template("errors/_error.html", error=error), 422 if status in {400, 409} else status)
        response.headers["HX-Retarget"] = "#toasts"
        response.headers["HX-Reswap"] = "beforeend"
        return response
    return make_response(render_template("errors/error.html", error=error), status)


def _domain_error(error: DomainError) -> Response:
    if isinstance(error, Unauthenticated) and not wants_json():
        back = request.full_path.rstrip("?") if request.method == "GET" else "/"
        where = f"{url_for('signin.signin')}?next={quote(back)}"
        return Response(status=204, headers={"HX-Redirect": where}) if wants_fragment() else make_response(redirect(where, 303))
    details = {_camel(name): sentences for name, sentences in error.details.items()}
    return answer(error.status, error.message, code=error.code, details=details, extra=error.extra)


def _camel(name: str) -> str:
    head, *tail = name.split("_")
    return head + "".join(part.capitalize() for part in tail)


def _csrf_error(_error: CSRFError) -> Response:
    message = "This form is too old or came from another sign-in, so nothing was changed. Reload the page and send it again."
    if wants_json():
        message = "The header X-CSRFToken is missing or too old. GET /api/auth/csrf gives a new one."
    return answer(400, message, code="CSRF_FAILED")


def _rate_limit(error: RateLimitExceeded) -> Response:
    response = answer(429, SENTENCES[429], code="RATE_LIMITED")
    response.headers.setdefault("Retry-After", str(error.limit.limit.get_expiry() if error.limit else 60))
    return response


def _http_error(error: HTTPException) -> Any:  # noqa: ANN401 - redirects pass through as they are
    status = error.code or 500
    if status < HTTPStatus.BAD_REQUEST:
        return error
    message = SENTENCES.get(status, SENTENCES[400])
    response = answer(status, message, code=CODES.get(status) or HTTPStatus(status).phrase.upper().replace(" ", "_").replace("'", ""))
    if status == HTTPStatus.METHOD_NOT_ALLOWED and (allowed := error.get_response().headers.get("Allow")):
        response.headers["Allow"] = allowed
    return response


def _impossible_value(error: DataError) -> Response:
    """PostgreSQL can't hold what was sent: text with a NUL, a number of thirty digits."""
    log.warning("request.impossible_value", route=route(), error=str(error.orig))
    return answer(400, SENTENCES[400], code="INVALID")


def _unavailable(error: Exception) -> Response:
    log.error("database.unavailable", error=str(getattr(error, "orig", None) or error))
    g._login_user = AnonymousUserMixin()  # noqa: SLF001 - where Flask-Login looks before it asks the database who is signed in
    response = answer(503, SENTENCES[503], code="UNAVAILABLE")
    response.headers["Retry-After"] = "5"
    return response


def _broken(error: Exception) -> Response:
    log.error("request.broken", route=route(), exc_info=error)
    return answer(500, SENTENCES[500], code="INTERNAL_ERROR")
