"""The stylesheets as one file: a telephone far away waits for one answer, not for two dozen.

Each component keeps a file of its own in ``static/css``; they are joined when they are first asked for.
"""

import hashlib
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path

from flask import Flask, Response

from portal.web.gates import public
from portal.web.security import ONE_YEAR, limiter

PATH = "/static/portal.css"
_FOUNDATION = ("tokens", "base", "layout")
_COMPONENTS = (
    *("button", "form", "card", "stat", "pill", "table", "toast", "dialog", "menu", "alert", "empty", "pagination", "progress", "wizard"),
    *("tabs", "definition", "timeline", "ageing", "brand", "chart", "sso"),
)
PARTS = ("vendor/bootstrap/bootstrap", *(f"css/{name}" for name in (*_FOUNDATION, *_COMPONENTS)))
PRINTED = "css/print"


def init_app(app: Flask, *, in_development: bool) -> Callable[[], str]:
    """Serves it, and returns what tells its address, which changes with what it holds.

    Args:
        app: The app.
        in_development: The files may change while it runs, and are read anew each time.
    """
    static = Path(str(app.static_folder))
    join: Callable[[], tuple[str, str]] = partial(_join, static)
    joined = join if in_development else cache(join)
    cached = "no-cache" if in_development else f"public, max-age={ONE_YEAR}, immutable"

    def stylesheet() -> Response:
        return Response(joined()[0], headers={"Content-Type": "text/css; charset=utf-8", "Cache-Control": cached})

    app.add_url_rule(PATH, "stylesheet", limiter.exempt(public(stylesheet)), methods=["GET"])
    return lambda: f"{PATH}?v={joined()[1]}"


def _join(static: Path) -> tuple[str, str]:
    """All of it, and a version that changes with it."""
    screen = "\n".join((static / f"{part}.css").read_text() for part in PARTS)
    printed = (static / f"{PRINTED}.css").read_text()
    css = f"{screen}\n@media print {{\n{printed}}}\n"
    return css, hashlib.sha256(css.encode()).hexdigest()[:12]
