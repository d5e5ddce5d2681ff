"""The document itself, and where it is served."""

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

from flask import Blueprint, Flask, Response, current_app, request

from portal.web.gates import public
from portal.web.openapi.described import describes
from portal.web.openapi.operations import Route, operation
from portal.web.openapi.refusals import REFUSALS, response_of
from portal.web.openapi.schemas import Json, Schemas

PREFIX = "/api/"
DOCUMENT = "openapi"  # where the app keeps it, once built
INFO = {
    "title": "Organization portal",
    "version": "1",
    "description": (
        "Sign in with the session cookie; calls that change something also send the header `X-CSRFToken`, which "
        "`GET /api/auth/csrf` gives. Money is integer paise. Instants are ISO 8601 in UTC with `Z`, dates `YYYY-MM-DD`. Lists are "
        '`{"items": […], "nextCursor": …}`, newest first. A refusal changes nothing and says why in `error` and `code`.'
    ),
}

bp = Blueprint("openapi", __name__, url_prefix="/api")


@bp.get("/openapi.json")
@describes(answers={200: dict[str, Any], 304: None})
@public
def show() -> Response:
    """This document."""
    if DOCUMENT not in current_app.extensions:
        current_app.extensions[DOCUMENT] = json.dumps(document(current_app), ensure_ascii=False)
    response = Response(current_app.extensions[DOCUMENT], mimetype="application/json")
    response.add_etag()
    response.make_conditional(request)
    return response


def undescribed(app: Flask) -> list[str]:
    """The endpoints of the API whose views don't say what they answer."""
    return sorted({route.endpoint for route in _routes(app) if route.described is None})


def document(app: Flask) -> Json:
    """The OpenAPI 3.1 document of every route below ``/api/``, as JSON would hold it. It is built anew at each call."""
    routes = sorted(_routes(app), key=lambda route: (route.path, route.method))
    schemas = Schemas(route.described for route in routes)
    times = Counter(route.endpoint for route in routes)
    paths: dict[str, Json] = {}
    for route in routes:
        name = route.endpoint if times[route.endpoint] == 1 else f"{route.endpoint}.{route.method}"
        paths.setdefault(route.path, {})[route.method] = {"operationId": name, **operation(route, schemas)}
    refusals = {f"Refused{status}": response_of(status) for status in REFUSALS}
    return {
        "openapi": "3.1.0",
        "info": INFO,
        "servers": [{"url": "/"}],
        "tags": [{"name": tag} for tag in sorted({route.tag for route in routes})],
        "paths": paths,
        "components": {
            "schemas": schemas.used_in([paths, refusals]),
            "responses": refusals,
            "securitySchemes": {
                "session": {"type": "apiKey", "in": "cookie", "name": app.config["SESSION_COOKIE_NAME"]},
                "csrf": {"type": "apiKey", "in": "header", "name": "X-CSRFToken", "description": "`GET /api/auth/csrf` gives it."},
            },
        },
    }


def _routes(app: Flask) -> Iterator[Route]:
    for rule in app.url_map.iter_rules():
        if rule.rule.startswith(PREFIX):
            for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}:
                yield Route(rule.endpoint, rule.rule, method.lower(), app.view_functions[rule.endpoint])
