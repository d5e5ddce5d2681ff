"""Health, for load balancers and people; the style guide, for developers."""

from typing import Any

from flask import Blueprint, jsonify
from flask.typing import ResponseReturnValue

from portal import config, db, queue
from portal.errors import NotFound
from portal.web.errors import TITLES, ErrorPage
from portal.web.gates import public
from portal.web.page import page
from portal.web.security import limiter

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
