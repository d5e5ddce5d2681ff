"""Health and figures, for machines; the style guide, for developers."""

import hmac
from typing import Any

from flask import Blueprint, Response, jsonify, request
from flask.typing import ResponseReturnValue

from portal import config, db, queue
from portal.errors import NotFound
from portal.operations.service import figures
from portal.web.errors import TITLES, ErrorPage
from portal.web.gates import public, signed
from portal.web.page import page
from portal.web.security import limiter

PLAIN = "text/plain; charset=utf-8"

bp = Blueprint("operations", __name__)


@bp.get("/healthz")
@limiter.exempt
@public
def healthz() -> ResponseReturnValue:
    """Whether this process answers at all."""
    return jsonify(status="ok")


@bp.get("/readyz")
@limiter.exempt
@public
def readyz() -> ResponseReturnValue:
    """Whether the database and Redis answer now, so that requests can be served."""
    checks = {"database": db.is_reachable(), "queue": queue.is_reachable()}
    ready = all(checks.values())
    said = {name: "ok" if works else "unreachable" for name, works in checks.items()}
    return jsonify(status="ready" if ready else "not ready", checks=said), 200 if ready else 503


@bp.get("/metrics")
@limiter.exempt
@signed
def metrics() -> ResponseReturnValue:
    """The figures for Prometheus, for who sends ``METRICS_TOKEN`` as a bearer token; without that setting there is no such page."""
    token = config.current().metrics_token
    if not token:
        raise NotFound("There is no such page.")
    given = request.headers.get("Authorization", "")
    if not hmac.compare_digest(given.encode(), f"Bearer {token}".encode()):
        return Response("The token is missing or wrong.\n", 401, {"WWW-Authenticate": "Bearer"}, content_type=PLAIN)
    return Response(figures.exposition(), content_type=figures.CONTENT_TYPE)


@bp.get("/styleguide")
@public
def styleguide() -> ResponseReturnValue:
    """Every component in every state; in development only."""
    if config.current().portal_env != "development":
        raise NotFound("There is no such page.")
    return page("styleguide.html", **_samples())


def _samples() -> dict[str, Any]:
    message = "Another organization has this address already. Choose another."
    return {"error": ErrorPage(409, TITLES[409], message, "SLUG_TAKEN", "Go to the start page", "/")}
