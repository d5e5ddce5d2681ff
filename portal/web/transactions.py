"""A request is one transaction: committed once, when its status is below 400; a GET can't write at all."""

from flask import Flask, Response, request

from portal import db

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
READS_THAT_WRITE = frozenset({"sso.login", "sso.test", "sso.slo"})  # SAML's own: browsers are led there by redirects


def init_app(app: Flask) -> None:
    """Wires the start and the end of each request's transaction."""
    app.before_request(_begin)
    app.after_request(_end)


def _begin() -> None:
    if request.method in SAFE_METHODS and request.endpoint not in READS_THAT_WRITE:
        db.read_only()


def _end(response: Response) -> Response:
    db.finish_request(response.status_code)
    return response
