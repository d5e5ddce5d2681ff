"""A provider's API on loopback, played by a function; and a real localstripe."""

import json
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from urllib.parse import parse_qs, urlsplit

LOCALSTRIPE = """
import sys
from aiohttp import web
from localstripe import server
server.store.dump_to_disk = lambda: None  # it would write below /tmp
web.run_app(server.app, host="127.0.0.1", port=int(sys.argv[1]), print=None)
"""


@dataclass(frozen=True)
class Asked:
    """One request."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes


@dataclass
class Server:
    """A running server.

    Attributes:
        url: Its address.
        answer: Request in, status and body out (a dict becomes JSON, None never answers).
        asked: What it was asked so far.
    """

    url: str
    answer: Callable[[Asked], tuple[int, dict | bytes] | None]
    asked: list[Asked] = field(default_factory=list)


@contextmanager
def serving(answer) -> Iterator[Server]:
    """Serves on a free port; ``server.answer`` may be changed meanwhile."""
    closing = Event()

    class Handler(BaseHTTPRequestHandler):
        def _serve(self) -> None:
            parts = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            query = {name: values[0] for name, values in parse_qs(parts.query).items()}
            asked = Asked(self.command, parts.path, query, {name.lower(): value for name, value in self.headers.items()}, body)
            server.asked.append(asked)
            answered = server.answer(asked)
            if answered is None:
                closing.wait(10)
                return
            status, content = answered
            sent = content if isinstance(content, bytes) else json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(sent)))
            self.end_headers()
            self.wfile.write(sent)

        do_GET = do_POST = do_DELETE = _serve  # noqa: N815 - the names that http.server calls

        def log_message(self, *_arguments) -> None:
            """Says nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        server = Server(f"http://127.0.0.1:{running.server_port}", answer)
        thread = Thread(target=running.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield server
        finally:
            closing.set()
            running.shutdown()
            thread.join()


def free_port() -> int:
    """A port of loopback that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@contextmanager
def localstripe() -> Iterator[str]:
    """Yields the address of a localstripe process of its own."""
    port = free_port()
    process = subprocess.Popen([sys.executable, "-c", LOCALSTRIPE, str(port)])
    try:
        end = time.monotonic() + 30
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                assert process.poll() is None, "localstripe has ended"
                assert time.monotonic() < end, "localstripe doesn't listen"
                time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(timeout=10)
