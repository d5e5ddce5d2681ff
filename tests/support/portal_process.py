"""The real thing: ``python -m portal.local run`` with its web, worker and scheduler processes, on a free port of loopback."""

import email
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from email import policy
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
OURS = ("DATABASE_URL", "REDIS_URL", "SECRET_KEY", "DATA_ENCRYPTION_KEYS", "PORTAL_HOME", "PORT", "BASE_URL")
SLOWEST_START = 240
"""Seconds: on a machine that has much else to do, migrations and six processes take minutes."""


class PortalProcess:
    """A running portal: its address, its home, and the clock that it looks at."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.clock = home / "clock"
        self.output = home / "output"
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"http://localhost:{self.port}"
        self.environment = {name: value for name, value in os.environ.items() if name not in OURS} | {
            "PORTAL_HOME": str(home),
            "PORT": str(self.port),
            "CLOCK_FILE": str(self.clock),
            "RATE_LIMITS": "off",
            "PYTHONUNBUFFERED": "1",
        }

    def start(self) -> None:
        """Starts it and waits until it is ready."""
        self._out = self.output.open("ab")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "portal.local", "run"], cwd=TOP, env=self.environment, stdout=self._out, stderr=self._out
        )
        try:
            self.wait_for("/readyz", 200, seconds=SLOWEST_START)
        except BaseException:
            self.stop()  # nobody else would
            raise

    def stop(self) -> int:
        """Sends what Ctrl-C sends and returns the exit status."""
        self.process.send_signal(signal.SIGINT)
        status = self.process.wait(timeout=60)
        self._out.close()
        return status

    def get(self, path: str, *, headers: dict[str, str] | None = None) -> tuple[int, str]:
        """Status and body of a page; 0 when nobody answers."""
        asked = urllib.request.Request(self.url + path, headers=headers or {})  # noqa: S310 - our own address
        try:
            with urllib.request.urlopen(asked, timeout=15) as answer:  # noqa: S310 - our own address
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()
        except OSError:
            return 0, ""

    def wait_for(self, path: str, status: int, *, seconds: float = 60) -> None:
        """Waits until a page answers with a status."""
        self.until(lambda: self.get(path)[0] == status, f"{path} to answer {status}", seconds=seconds)

    def until(self, holds, what: str, *, seconds: float = 60):
        """Waits until something holds, and returns it."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            found = holds()
            if found:
                return found
            time.sleep(0.2)
        raise AssertionError(f"waited {seconds} s for {what}\n{self.output.read_text()[-4000:]}")

    def flask(self, *arguments: str) -> str:
        """Runs a command as an operator does, and returns what it printed."""
        command = [sys.executable, "-m", "flask", "--app", "wsgi", *arguments]
        done = subprocess.run(command, cwd=TOP, env=self.environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def mails(self, to: str) -> list[email.message.EmailMessage]:
        """The mails that went to an address."""
        read = [email.message_from_bytes(path.read_bytes(), policy=policy.default) for path in self.home.glob("mail/*.eml")]
        return [message for message in read if message["To"] == to]

    def link(self, to: str, part: str, *, seconds: float = 60) -> str:
        """The link with ``part`` in it from a mail to an address, once the worker has sent it."""
        pattern = re.compile(rf"{re.escape(self.url)}\S*{part}\S*")

        def found():
            texts = [message.get_body(("plain",)).get_content() for message in self.mails(to)]
            return next((match.group() for text in texts if (match := pattern.search(text))), None)

        return self.until(found, f"a mail to {to}", seconds=seconds)


@contextmanager
def running(home: Path):
    """A portal that runs until the block ends, and ends cleanly."""
    portal = PortalProcess(home)
    try:
        portal.start()
        yield portal
    finally:
        status = portal.stop()
    assert status == 0, portal.output.read_text()[-4000:]
