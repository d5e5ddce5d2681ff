"""The whole portal on databases of its own, each process under a parent that starts it again, and what stands around it: a mail
server, a disk and a calendar. All of it can be broken by those who hold it."""

import asyncio
import email
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email import policy
from pathlib import Path
from threading import Event, Lock, RLock, Thread

import psutil
import psycopg
import redis
from aiosmtpd.controller import Controller
from rq import Queue

from portal import queue
from portal.local import postgres, processes, valkey
from tests.support.loopback import free_port

TOP = Path(__file__).resolve().parents[2]
STARTS = datetime(2026, 11, 12, 9, tzinfo=UTC)
STARTED_AGAIN_AFTER = 1.0
SECRETS = {"SECRET_KEY": "a secret of the tests, thirty-two characters or more", "DATA_ENCRYPTION_KEYS": "k1:" + "ab" * 32}
INSTANCES = {"web": 1, "worker": 2, "pdf": 1, "scheduler": 2}


@dataclass(frozen=True)
class Mail:
    """One message that the mail server has taken, and when (monotonic seconds)."""

    at: float
    message_id: str
    to: str
    subject: str


class MailServer:
    """An SMTP server that has bad days. What it has answered with 250 it has taken, and nothing else.

    Attributes:
        refuses: It answers 421 to each sender.
        slow_seconds: It takes so long to answer what it is sent.
    """

    def __init__(self) -> None:
        self.refuses, self.slow_seconds = False, 0.0
        self.refused = 0
        self._closed, self._inside = False, 0
        self._taken: list[Mail] = []
        self._controller = Controller(self, hostname="127.0.0.1", port=free_port())

    def start(self) -> str:
        """Listens, and returns its address."""
        self._controller.start()
        return f"smtp://127.0.0.1:{self._controller.port}"

    def stop(self) -> None:
        """Listens no more."""
        self._controller.stop()

    @property
    def taken(self) -> list[Mail]:
        """All that was taken so far."""
        return list(self._taken)

    @contextmanager
    def emptied(self) -> Iterator[None]:
        """Nobody is inside while the block runs: whoever was is let go with an answer, and nobody comes in."""
        self._closed = True
        end = time.monotonic() + 60
        while self._inside:
            assert time.monotonic() < end, "somebody is inside for a minute"
            time.sleep(0.05)
        time.sleep(1.5)  # the answer is written down
        try:
            yield
        finally:
            self._closed = False

    async def handle_MAIL(self, _server, _session, envelope, address, _options) -> str:  # noqa: N802 - aiosmtpd calls it
        """A sender."""
        if self.refuses or self._closed:
            self.refused += 1
            return "421 4.3.2 Not now"
        envelope.mail_from = address
        return "250 OK"

    async def handle_DATA(self, _server, _session, envelope) -> str:  # noqa: N802 - aiosmtpd calls it
        """A message: it is taken when its answer goes out; who hangs up before has not sent it."""
        self._inside += 1
        try:
            await asyncio.sleep(self.slow_seconds)
            read = email.message_from_bytes(envelope.content, policy=policy.default)
            self._taken.append(Mail(time.monotonic(), read["Message-ID"], ", ".join(envelope.rcpt_tos), read["Subject"]))
            return "250 OK"
        finally:
            self._inside -= 1


class Disk:
    """Where files are kept: a small file system of its own where this account may mount one, and otherwise a folder.

    It is filled to the last byte (ENOSPC); a folder is put out of the way by a file of its name (ENOTDIR).
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir()
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=96m", "portal-faults", str(folder)], capture_output=True, check=False)
        self.is_mounted = mounted.returncode == 0
        self.url = (folder / "files").as_uri()

    def fill(self) -> None:
        """Leaves no room."""
        if not self.is_mounted:
            (self._folder / "files").rename(self._folder / "away")
            (self._folder / "files").touch()
            return
        with (self._folder / "filler").open("ab", buffering=0) as filler, suppress(OSError):
            while True:
                filler.write(b"\0" * 4096)

    def free(self) -> None:
        """Gives the room back."""
        if self.is_mounted:
            (self._folder / "filler").unlink(missing_ok=True)
            return
        (self._folder / "files").unlink()
        (self._folder / "away").rename(self._folder / "files")

    def remove(self) -> None:
        """Takes the file system away."""
        if self.is_mounted:
            subprocess.run(["umount", "-l", str(self._folder)], check=True)


class Calendar:
    """The portal's clock: it goes on second by second, and jumps when nobody is in the middle of a mail (``CLOCK_FILE``)."""

    def __init__(self, path: Path, post: MailServer) -> None:
        self._path, self._post = path, post
        self._began, self._offset = time.monotonic(), timedelta()
        self._lock, self._over = Lock(), Event()
        self._write()
        self._thread = Thread(target=self._tick, daemon=True)
        self._thread.start()

    def now(self) -> datetime:
        """What the clock shows."""
        return STARTS + timedelta(seconds=time.monotonic() - self._began) + self._offset

    def jump(self, to: datetime) -> None:
        """Goes forward. A mail that is under way would be seen as given up: a jump of half an hour is a sender's death to others."""
        with self._post.emptied(), self._lock:
            self._offset += to - self.now()
            self._write()

    def stop(self) -> None:
        """Stands still."""
        self._over.set()
        self._thread.join()

    def _tick(self) -> None:
        while not self._over.wait(0.5):
            with self._lock:
                self._write()

    def _write(self) -> None:
        part = self._path.with_suffix(".part")
        part.write_text(self.now().isoformat())
        part.replace(self._path)


class Supervised:
    """One process of the Procfile under a parent that starts it again, as systemd does."""

    def __init__(self, name: str, command: str, *, environment: dict[str, str], log: Path) -> None:
        self.name, self.starts = name, 0
        self._command, self._environment, self._log = command, environment, log
        self._over = Event()
        self._process: subprocess.Popen[bytes] | None = None
        self._thread = Thread(target=self._keep, daemon=True)
        self._thread.start()

    def family(self) -> list[psutil.Process]:
        """The process and what it has forked, itself first."""
        try:
            itself = psutil.Process(self._process.pid)
            return [itself, *itself.children(recursive=True)]
        except (psutil.NoSuchProcess, AttributeError):
            return []

    def end(self) -> None:
        """Ends it for good."""
        self._over.set()
        for member in self.family():
            with suppress(psutil.NoSuchProcess):
                member.terminate()
        self._thread.join(timeout=30)

    def _keep(self) -> None:
        while not self._over.is_set():
            with self._log.open("ab") as log:
                self._process = subprocess.Popen(
                    ["bash", "-c", self._command], cwd=TOP, env=self._environment, stdout=log, stderr=log, start_new_session=True
                )
            self.starts += 1
            self._process.wait()
            self._over.wait(STARTED_AGAIN_AFTER)


class Stage:
    """Everything, running.

    Attributes:
        url: Where the web answers.
        databases: Held by whoever stops or starts a database, and by whoever needs them up.
    """

    def __init__(self, home: Path) -> None:
        self.home = home
        home.mkdir(parents=True, exist_ok=True)
        self.databases = RLock()
        self.post, self.disk = MailServer(), Disk(home / "disk")
        self.calendar = Calendar(home / "clock", self.post)
        self.log = home / "log"
        self.postgres, self.valkey = home / "postgres", home / "valkey"
        postgres.start(self.postgres, durable=True)
        port = free_port()
        self.url = f"http://localhost:{port}"
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith(("PORTAL_", "SUPPLIER_"))} | {
            **SECRETS,
            "DATABASE_URL": postgres.ensure_database(self.postgres, "portal"),
            "REDIS_URL": valkey.start(self.valkey, durable=True),
            "PORTAL_HOME": str(home),
            "PORT": str(port),
            "BASE_URL": self.url,
            "CLOCK_FILE": str(home / "clock"),
            "RATE_LIMITS": "off",
            "MAIL_URL": self.post.start(),
            "FILES_URL": self.disk.url,
            "PYTHONUNBUFFERED": "1",
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
            processes.MARK: str(home),
        }
        processes.migrate(self.environment)
        self.processes: list[Supervised] = []

    def open(self) -> None:
        """Starts the processes and waits until the web is ready."""
        commands = dict(line.split(": ", 1) for line in (TOP / "Procfile").read_text().splitlines())
        self.processes = [
            Supervised(name, commands[name], environment=self.environment, log=self.log)
            for name, number in INSTANCES.items()
            for _ in range(number)
        ]

    def named(self, name: str) -> list[Supervised]:
        """The processes of one kind."""
        return [process for process in self.processes if process.name == name]

    def flask(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Runs a command as an operator does."""
        command = [sys.executable, "-m", "flask", "--app", "wsgi", *arguments]
        return subprocess.run(command, cwd=TOP, env=self.environment, capture_output=True, text=True, check=False)

    def ask(self, statement: str, *values: object) -> list[tuple]:
        """Rows, from a connection of its own."""
        with psycopg.connect(self.environment["DATABASE_URL"].replace("+psycopg", "", 1)) as connection:
            return connection.execute(statement, values or None).fetchall()

    def ring(self, name: str) -> None:
        """Rings a job before all that waits; nothing happens while Valkey is away."""
        with suppress(redis.RedisError), redis.Redis.from_url(self.environment["REDIS_URL"]) as connection:
            Queue("default", connection=connection).enqueue_call(queue.PERFORM, args=(name,), timeout=600, retry=queue.RETRY, at_front=True)

    def lose_valkey(self) -> None:
        """Stops it and takes away all that it held."""
        valkey.stop(self.valkey)
        shutil.rmtree(self.valkey / "appendonlydir", ignore_errors=True)

    def close(self) -> None:
        """Ends everything."""
        for process in self.processes:
            process._over.set()
        for process in self.processes:
            process.end()
        processes.end(str(self.home))
        self.calendar.stop()
        self.post.stop()
        valkey.stop(self.valkey)
        postgres.stop(self.postgres)
        self.disk.remove()
