"""The processes of one machine: are they alive, which are ours, and how they end."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

import psycopg

from portal.local.errors import CannotStart

ROOT = Path(__file__).resolve().parents[2]
MARK = "PORTAL_RUN"
_PROC = Path("/proc")


def is_alive(pid: int, *, command: str = "") -> bool:
    """Whether a process runs (an ended one that nobody collected doesn't), and has ``command`` in its command line."""
    if _PROC.joinpath("self").exists():
        try:
            state = (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()[0]
            line = (_PROC / str(pid) / "cmdline").read_bytes()
        except (FileNotFoundError, ProcessLookupError):
            return False
        return state not in "ZX" and os.fsencode(command) in line
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def marked(mark: str) -> list[int]:
    """The processes that were started with ``PORTAL_RUN`` = ``mark`` in their environment, and their descendants."""
    wanted = os.fsencode(f"{MARK}={mark}")
    found = []
    for folder in _PROC.glob("[0-9]*"):
        try:
            if wanted in (folder / "environ").read_bytes().split(b"\0"):
                found.append(int(folder.name))
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
    return [pid for pid in found if pid != os.getpid() and is_alive(pid)]


def end(mark: str, *, seconds: float = 10) -> None:
    """Ends all marked processes: asks them first, and after ``seconds`` kills what is left."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        pids = marked(mark)
        for pid in pids:
            _signal(pid, number)
        if wait_until_gone(pids, seconds=seconds):
            return


def wait_until_gone(pids: Iterable[int], *, seconds: float) -> bool:
    """Waits until none of the processes is alive; False when one still is after ``seconds``."""
    deadline = time.monotonic() + seconds
    while any(is_alive(pid) for pid in pids):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def migrate(environment: Mapping[str, str]) -> None:
    """Brings the database up to date (``flask db upgrade``), unless it is: then the app needn't be loaded for it.

    Raises:
        CannotStart: A migration failed; the database is as it was before that migration.
    """
    if _is_current(environment["DATABASE_URL"]):
        return
    command = [sys.executable, "-m", "flask", "--app", "wsgi", "db", "upgrade"]
    done = subprocess.run(command, cwd=ROOT, env=dict(environment), check=False)  # noqa: S603 - our own command
    if done.returncode:
        raise CannotStart("The database couldn't be brought up to date: the reason stands above. Nothing else was started.")


def _is_current(database_url: str) -> bool:
    from alembic.script import ScriptDirectory  # noqa: PLC0415 - a second's import that most users of this module don't need

    try:
        with psycopg.connect(database_url.replace("+psycopg", "", 1), connect_timeout=5) as connection:
            applied = {version for (version,) in connection.execute("SELECT version_num FROM alembic_version")}
    except psycopg.Error:
        return False
    return applied == set(ScriptDirectory(str(ROOT / "migrations")).get_heads())


def _signal(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)
