"""Each request has an id, a line in the log, and a place in the figures; none of them says what people sent."""

import re
import time
from typing import Any
from uuid import uuid4

import structlog
from flask import Flask, Response, g, has_request_context, request
from prometheus_client import Counter, Histogram
from sqlalchemy import inspect

HEADER = "X-Request-Id"
QUIET = {"static", "operations.healthz", "operations.readyz", "operations.metrics"}
METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
_WELL_FORMED = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{7,63}")

log = structlog.get_logger()

REQUESTS = Counter("portal_requests", "Answered requests.", ("method", "route", "status"))
SECONDS = Histogram(
    "portal_request_seconds",
    "How long requests took.",
    ("route",),
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)


def init_app(app: Flask) -> None:
    """Wires the start and the end: called before everything else, so that it sees all of a request."""
    app.before_request(_begin)
    app.after_request(_end)


def route() -> str:
    """The route of the present request, without what stands in its address: a mailed link has its token there."""
    return request.url_rule.rule if request.url_rule is not None else "(none)"


def who_asks(_logger: object, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Adds to a line of the log who is signed in and which organization it is about, as far as that is known without asking."""
    if has_request_context():
        for name, row in (("user_id", g.get("_login_user")), ("organization_id", getattr(g.get("access"), "organization", None))):
            if (row_id := _identity(row)) is not None:
                event.setdefault(name, row_id)
    return event


def _identity(row: Any) -> str | None:  # noqa: ANN401 - a row, a stranger, or nothing
    """A row's id without asking the database, which may be what the line is about."""
    state = inspect(row, raiseerr=False) if row is not None else None
    identity = getattr(state, "identity", None)
    return str(identity[0]) if identity else None


def _begin() -> None:
    g.began = time.monotonic()
    given = request.headers.get(HEADER, "")
    g.request_id = given if _WELL_FORMED.fullmatch(given) else uuid4().hex
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(request_id=g.request_id)


def _end(response: Response) -> Response:
    took = time.monotonic() - g.get("began", time.monotonic())
    response.headers[HEADER] = g.get("request_id", "")
    if request.endpoint not in QUIET:
        method = request.method if request.method in METHODS else "OTHER"  # a stranger may send any word
        REQUESTS.labels(method, route(), str(response.status_code)).inc()
        SECONDS.labels(route()).observe(took)
        log.info("request", method=method, route=route(), status=response.status_code, milliseconds=int(took * 1000))
    return response
