"""The templates' surroundings: the ``ui`` components, versions of static files, and what the layout shows."""

import hashlib
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any

from flask import Flask, url_for
from jinja2 import StrictUndefined
from whitenoise import WhiteNoise

from portal.config import Settings
from portal.web import stylesheet
from portal.web.page import pending_toasts
from portal.web.security import ONE_YEAR

NO_ID = "00000000-0000-0000-0000-000000000000"


class _Components:
    """``ui.button(…)`` in every template and every rendered block (an import at a template's top isn't visible in a block)."""

    def __init__(self, app: Flask) -> None:
        self._app = app

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - a Jinja macro
        environment = self._app.jinja_env
        macro = getattr(environment.get_template("components/ui.html").module, name)
        if not environment.auto_reload:
            setattr(self, name, macro)  # found at once from now on: a page asks for hundreds
        return macro


def init_app(app: Flask, settings: Settings, *, shell: Callable[[], Any]) -> None:
    """Wires the templates.

    Args:
        app: The app.
        settings: The settings.
        shell: What gives the layout its switcher and navigation (web knows no features, so the app passes it in).
    """
    app.jinja_env.undefined = StrictUndefined
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.jinja_env.globals["ui"] = _Components(app)
    app.jinja_env.globals["is_development"] = settings.portal_env == "development"
    app.context_processor(lambda: {"shell": _Lazy(shell), "toasts": _Lazy(pending_toasts)})
    in_development = settings.portal_env == "development"
    app.jinja_env.globals["stylesheet_url"] = stylesheet.init_app(app, in_development=in_development)
    static = Path(str(app.static_folder))
    app.jinja_env.globals["static_url"] = partial(_static_url, static)
    app.jinja_env.globals["url_of_each"] = url_of_each
    app.wsgi_app = WhiteNoise(  # type: ignore[method-assign] # Flask's own way to add middleware
        app.wsgi_app, root=str(static), prefix="static/", max_age=0 if in_development else ONE_YEAR, autorefresh=in_development
    )


def url_of_each(endpoint: str, name: str, **values: Any) -> Callable[[str], str]:  # noqa: ANN401 - a URL's values
    """For the rows of a list: ``url_for``, built once and filled in with each row's id.

    Args:
        endpoint: Whose address.
        name: The URL's value that is the row's id, a UUID: nothing in it needs escaping.
        values: The other ones, which are the same for all rows.
    """
    before, after = url_for(endpoint, **(values | {name: NO_ID})).split(NO_ID)
    return lambda row_id: f"{before}{row_id}{after}"


class _Lazy:
    """Asks only when a template looks: a fragment or an error page may need neither switcher nor toasts."""

    def __init__(self, ask: Callable[[], Any]) -> None:
        self._ask = ask
        self._answer: Any = None
        self._asked = False

    def _value(self) -> Any:  # noqa: ANN401 - whatever is asked for
        if not self._asked:
            self._answer, self._asked = self._ask(), True
        return self._answer

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever is asked for
        return getattr(self._value(), name)

    def __bool__(self) -> bool:
        return bool(self._value())

    def __iter__(self) -> Any:  # noqa: ANN401 - an iterator of whatever is asked for
        return iter(self._value())

    def __len__(self) -> int:
        return len(self._value())


@cache
def _static_url(static: Path, name: str) -> str:
    """The address of a file in ``static/``; it changes with what the file holds, so that browsers may keep it for good."""
    return f"/static/{name}?v={hashlib.sha256((static / name).read_bytes()).hexdigest()[:12]}"
