"""The tests' own app behind a real socket of loopback, so that a browser meets what a test set up in the database."""

from contextlib import contextmanager
from threading import Thread
from types import SimpleNamespace

from werkzeug.serving import WSGIRequestHandler, make_server


class _Silent(WSGIRequestHandler):
    def log(self, *_arguments):
        """Says nothing."""


@contextmanager
def served(app):
    """The app at ``.url`` until the block ends."""
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=_Silent)
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield SimpleNamespace(url=f"http://localhost:{server.server_port}")
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
