"""The document itself, and where it is served."""

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

from flask import Blueprint, Flask, Response, current_app, request
from flask.typing import ResponseReturnValue

from portal.web.gates import public
from portal.web.openapi.described import describes
from portal.web.openapi.docs import parts_of, shapes_of
from portal.web.openapi.examples import Json
from portal.web.openapi.links import links_of
from portal.web.openapi.operations import Route, operation
from portal.web.openapi.refusals import RATE_HEADERS, REFUSALS, response_of
from portal.web.openapi.schemas import Schemas
from portal.web.page import page

PREFIX = "/api/"
PAGE = "openapi.docs"  # below the same prefix, but for people
DOCUMENT = "openapi"  # where the app keeps it, once built
INFO = {
    "title": "Organization portal",
    "version": "1",
    "description": (
        "Programs send an API token of their organization: `Authorization: Bearer portal_…`, and nothing else. Who signs in by "
        "`POST /api/auth/login` has a session cookie; calls that change something then also send the header `X-CSRFToken`, which "
        "`GET /api/auth/csrf` gives. Money is integer paise. Instants are ISO 8601 in UTC with `Z`, dates `YYYY-MM-DD`. Lists are "
        '`{"items": […], "nextCursor": …}`, newest first; `?cursor=` with the `nextCursor` of one page gives the next. A refusal '
        "changes nothing and says why in `error` and `code`. Calls are counted a minute or an hour; `X-RateLimit-Remaining` says how many "
        "are left, and a 429 says in `Retry-After` when to come again."
    ),
}

TOKENS = (
    "An API token of one organization, made by an owner under Settings → API tokens. Each call needs one of the scopes that stand beside "
    "it: `read` (reads everything, changes nothing), `members`, `invitations`, `billing`. It acts in its maker's name, and stops when "
    "that person is no active owner any more."
)
TAGS = {
    "signin": "Signing up, in and out",
    "orgs": "Organizations, their members, tokens, pictures and log",
    "invites": "Invitations, one by one and from files",
    "bookings": "Plans, checkout and bookings",
    "billing": "Invoices, credit notes and the account of an organization",
    "billing_admin": "What platform admins do to documents",
    "credits": "Prepaid credits",
    "payments": "Payments and refunds",
    "providers": "Consultants and hosting organizations",
    "payouts": "Earnings, payout accounts and payouts",
    "sso": "Single sign-on: domains, connections and the log",
    "sso_admin": "What platform admins do to claimed domains",
    "home": "Analytics",
    "webhooks": "What payment providers tell",
    "openapi": "This document",
}

bp = Blueprint("openapi", __name__, url_prefix="/api")


@bp.get("/openapi.json")
@describes(answers={200: dict[str, Any], 304: None})
@public
def show() -> Response:
    """This document."""
    response = Response(_text(), mimetype="application/json")
    response.add_etag()
    response.make_conditional(request)
    return response


@bp.get("/docs")
@public
def docs() -> ResponseReturnValue:
    """The document as a page for people; ``?q=`` looks for calls."""
    q = " ".join(request.args.get("q", "").split())[:100]
    written = json.loads(_text())
    shown = parts_of(written, q=q, base_url=request.host_url.rstrip("/"))
    return page("openapi/docs.html", parts=shown, shapes=shapes_of(written), q=q, base_url=request.host_url.rstrip("/"))


def undescribed(app: Flask) -> list[str]:
    """The endpoints of the API whose views don't say what they answer."""
    return sorted({route.endpoint for route in _routes(app) if route.described is None})


def document(app: Flask) -> Json:
    """The OpenAPI 3.1 document of every route below ``/api/``, as JSON would hold it. It is built anew at each call."""
    routes = sorted(_routes(app), key=lambda route: (route.path, route.method))
    schemas = Schemas(route.described for route in routes)
    times = Counter(route.endpoint for route in routes)
    paths: dict[str, Json] = {}
    named = [(route.endpoint if times[route.endpoint] == 1 else f"{route.endpoint}.{route.method}", route) for route in routes]
    for name, route in named:
        shown = paths.setdefault(route.path, {})[route.method] = {"operationId": name, **operation(route, schemas)}
        for status, answer in route.described.answers.items() if route.described else ():
            if links := links_of(route, answer, named):
                shown["responses"][str(status)]["links"] = links
    refusals = {f"Refused{status}": response_of(status) for status in REFUSALS}
    return {
        "openapi": "3.1.0",
        "info": INFO,
        "servers": [{"url": "/"}],
        "tags": [{"name": tag, "description": TAGS.get(tag, tag.capitalize())} for tag in sorted({route.tag for route in routes})],
        "paths": paths,
        "components": {
            "schemas": schemas.used_in([paths, refusals]),
            "responses": refusals,
            "headers": {name: {"description": words, "schema": {"type": "string"}} for name, words in RATE_HEADERS.items()},
            "securitySchemes": {
                "apiToken": {"type": "http", "scheme": "bearer", "description": TOKENS},
                "session": {"type": "apiKey", "in": "cookie", "name": app.config["SESSION_COOKIE_NAME"]},
                "csrf": {"type": "apiKey", "in": "header", "name": "X-CSRFToken", "description": "`GET /api/auth/csrf` gives it."},
            },
        },
    }


def _text() -> str:
    if DOCUMENT not in current_app.extensions:
        current_app.extensions[DOCUMENT] = json.dumps(document(current_app), ensure_ascii=False)
    found: str = current_app.extensions[DOCUMENT]
    return found


def _routes(app: Flask) -> Iterator[Route]:
    for rule in app.url_map.iter_rules():
        if rule.rule.startswith(PREFIX) and rule.endpoint != PAGE:
            for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}:
                yield Route(rule.endpoint, rule.rule, method.lower(), app.view_functions[rule.endpoint])
