"""A request is one transaction: committed once, when its status is below 400; a GET can't write at all."""

from flask import Flask, Response, current_app, request

from portal import db

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
READS_THAT_WRITE = frozenset({"sso.login", "sso.test", "sso.slo"})  # SAML's own: browsers are led there by redirects


def begin_first(app: Flask) -> None:
    """Wires the start of each request's transaction: called before all else that looks into the database."""
    app.before_request(_begin)


def end_first(app: Flask) -> None:
    """Wires its end: called after all else, because Flask goes through what follows a request backwards.

    So an answer that becomes another one, because its commit failed, still gets its headers.
    """
    app.after_request(_end)


def _begin() -> None:
    if request.method in SAFE_METHODS and request.endpoint not in READS_THAT_WRITE:
        db.read_only()


def _end(response: Response) -> Response:
    try:
        db.finish_request(response.status_code)
    except Exception as error:  # noqa: BLE001 - the handlers of errors know each kind; Flask asks them no more at this point
        return current_app.make_response(current_app.handle_user_exception(error))
    return response
