"""Everything for one machine: an embedded PostgreSQL and Valkey, development keys, and the processes of the Procfile.

``services`` is what ``make run`` and the tests share; ``join`` lets a single ``flask`` command use the same databases.
This package starts before the settings are read, so it imports nothing else of the portal.
"""

import atexit
import fcntl
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO

from portal.local import keys, postgres, processes, valkey
from portal.local.errors import CannotStart

__all__ = ["CannotStart", "home_of", "join", "services"]

DATABASE = "portal"


def home_of(environment: Mapping[str, str]) -> Path:
    """The folder of this machine's data: ``PORTAL_HOME``, or ``var`` in the present folder; absolute."""
    return Path(environment.get("PORTAL_HOME") or "var").resolve()


@contextmanager
def services(home: Path, *, for_tests: bool = False) -> Iterator[dict[str, str]]:
    """Has a PostgreSQL and a Valkey running while the block runs, and yields their addresses.

    What ``DATABASE_URL`` or ``REDIS_URL`` names is used as it is, and its server isn't started. Several blocks, also of
    several processes, may use one home at once: the first starts the servers, the last one stops them.

    Args:
        home: The folder to keep the data in; made when missing.
        for_tests: Always own servers, whatever the environment names; they don't wait for the disk, and the home is
            deleted at the end.

    Yields:
        ``DATABASE_URL`` (``postgresql+psycopg://…``, database ``portal``) and ``REDIS_URL``.

    Raises:
        CannotStart: A server didn't start; the message says why and what to do.
    """
    home = home.resolve()
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    given: Mapping[str, str] = {} if for_tests else os.environ
    with (home / "users.lock").open("a") as users:
        try:
            with _alone(home):
                fcntl.flock(users, fcntl.LOCK_SH)
                addresses = {
                    "DATABASE_URL": _with_driver(given.get("DATABASE_URL", "")) or _start_postgres(home, durable=not for_tests),
                    "REDIS_URL": given.get("REDIS_URL") or valkey.start(home / "valkey", durable=not for_tests),
                }
            yield addresses
        finally:
            with _alone(home):
                if _is_last(users):
                    valkey.stop(home / "valkey")
                    postgres.stop(home / "postgres")
                    if for_tests:
                        shutil.rmtree(home)


def join() -> None:
    """Completes the environment of a single command (``flask users create …``), as ``make run`` does for its processes.

    Uses the servers that already run for this home, or starts them until the command ends, and brings a new database up
    to date. Does nothing in production or when all is set: there, a missing setting stops the start.

    Raises:
        CannotStart: A server or the database couldn't be made ready.
    """
    required = ("DATABASE_URL", "REDIS_URL", *keys.NAMES)
    if os.environ.get("PORTAL_ENV") == "production" or all(os.environ.get(name) for name in required):
        return
    home = home_of(os.environ)
    is_new = not os.environ.get("DATABASE_URL") and not (home / "postgres").exists()
    held = ExitStack()
    atexit.register(held.close)
    os.environ.update(held.enter_context(services(home)))
    os.environ.update(keys.made_or_kept(home, os.environ))
    os.environ["PORTAL_HOME"] = str(home)
    if is_new:
        processes.migrate(os.environ)


def _start_postgres(home: Path, *, durable: bool) -> str:
    folder = home / "postgres"
    postgres.start(folder, durable=durable)
    return postgres.ensure_database(folder, DATABASE)


def _with_driver(address: str) -> str:
    """A PostgreSQL address with SQLAlchemy's driver in it; other texts unchanged, for the settings to judge."""
    scheme, separator, rest = address.partition("://")
    return f"postgresql+psycopg{separator}{rest}" if scheme in {"postgres", "postgresql"} else address


@contextmanager
def _alone(home: Path) -> Iterator[None]:
    """Lets one process at a time start or stop the servers of a home."""
    with (home / "start.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _is_last(users: IO[str]) -> bool:
    """Whether nobody else uses the servers; the kernel has given back the lock of a process that was killed."""
    try:
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
