"""Logs for machines (JSON in production) and for people (development), and Sentry where a DSN is set: no secrets in either."""

import logging
import re
import sys
from typing import Any, TextIO, cast

import sentry_sdk
import structlog
from sentry_sdk.types import Event, Hint

from portal.config import Settings

_SECRET_NAMES = re.compile(r"password|secret|token|authorization|cookie|csrf|dsn|api_?key|account_number", re.IGNORECASE)
_SECRET_VALUES = re.compile(
    r"(?P<before>://[^/\s:@]*:)[^@\s/]+(?=@)"  # the password in an address
    r"|(?P<detail>DETAIL: ).*"  # PostgreSQL's, with the values of a row
    r"|(?P<path>/(?:verify|reset|organizations/invite)/)[A-Za-z0-9_-]{20,}"
)
_HIDDEN = "…"
_handlers: list[logging.Handler] = []


class _StandardError(logging.StreamHandler[TextIO]):
    """Standard error as it is when something is said: tests and servers put others in its place."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)

    @property
    def stream(self) -> TextIO:  # type: ignore[override] # logging's own last resort does the same
        """The present one."""
        return sys.stderr


def configure_logging(settings: Settings, *, who_asks: structlog.typing.Processor) -> None:
    """One line an event, on standard error; third parties' warnings come the same way.

    Args:
        settings: Those of the process.
        who_asks: Adds the person and the organization of the present request (services know no requests, so the app passes it in).
    """
    as_json = settings.portal_env == "production"
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        who_asks,
        structlog.processors.format_exc_info,
        _without_secrets,
    ]
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    renderer: list[structlog.typing.Processor] = (
        [structlog.processors.JSONRenderer()] if as_json else [_on_one_line, structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())]
    )
    handler = _StandardError()
    remove = structlog.stdlib.ProcessorFormatter.remove_processors_meta
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processors=[remove, *renderer]))
    root = logging.getLogger()
    for old in _handlers:
        root.removeHandler(old)
    _handlers[:] = [handler]
    root.addHandler(handler)
    root.setLevel(logging.WARNING)
    logging.getLogger("portal").setLevel(logging.INFO)


def watch_errors(settings: Settings) -> None:
    """Tells Sentry of errors when ``SENTRY_DSN`` is set: with what the log has, and nothing that people sent."""
    if not settings.sentry_dsn:
        return
    sentry_sdk.init(
        dsn=settings.sentry_dsn,
        environment=settings.portal_env,
        send_default_pii=False,
        include_local_variables=False,
        max_request_body_size="never",
        max_breadcrumbs=0,
        before_send=scrubbed,
    )


def scrubbed(event: Event, _hint: Hint) -> Event:
    """An event without what people sent: no cookies, headers, query, body or address; links that are mailed have their tokens in it."""
    request = event.get("request")
    if isinstance(request, dict):
        event["request"] = {"method": request.get("method"), "url": event.get("transaction", "")}
    event.pop("user", None)
    event.pop("breadcrumbs", None)
    return cast("Event", _clean(event))


def _without_secrets(_logger: object, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    return {name: _HIDDEN if _SECRET_NAMES.search(name) and name != "event" else _clean(value) for name, value in event.items()}


def _clean(value: Any) -> Any:  # noqa: ANN401 - whatever is logged
    if isinstance(value, str):
        return _SECRET_VALUES.sub(lambda match: (match["before"] or match["detail"] or match["path"]) + _HIDDEN, value)
    if isinstance(value, dict):
        return {name: _HIDDEN if _SECRET_NAMES.search(str(name)) else _clean(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_clean(each) for each in value]
    return value


def _on_one_line(_logger: object, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """What people sent can't begin a line of its own; a traceback may."""
    return {
        name: value.encode("unicode_escape").decode("ascii", "replace")
        if isinstance(value, str) and not value.isprintable() and name not in {"exception", "timestamp", "level"}
        else value
        for name, value in event.items()
    }
