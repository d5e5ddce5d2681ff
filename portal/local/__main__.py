"""``python -m portal.local run``: the whole portal on this machine, until Ctrl-C."""

import argparse
import fcntl
import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from portal.local import CannotStart, home_of, keys, processes, services

_STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def main() -> int:
    """Runs the command line and returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m portal.local", description="The portal on one machine.")
    parser.add_argument("command", choices=["run"], help="start the databases, the web, the worker and the scheduler")
    parser.parse_args()
    try:
        with _first_signal_interrupts():
            return _run(home_of(os.environ))
    except CannotStart as error:
        print(error, file=sys.stderr)  # noqa: T201 - a command speaks to its terminal
        return 1
    except KeyboardInterrupt:
        return 0


def _run(home: Path) -> int:
    port = _port(os.environ.get("PORT") or "8000")
    host = os.environ.get("BIND_HOST") or "127.0.0.1"
    with _only_run_of(home):
        processes.end(str(home))  # what a killed run left behind
        _refuse_busy(host, port)
        made = keys.made_or_kept(home, os.environ)
        with services(home) as addresses:
            own = {
                "PORTAL_HOME": str(home),
                "PORT": str(port),
                "BASE_URL": os.environ.get("BASE_URL") or f"http://localhost:{port}",
            }
            path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
            environment = {**os.environ, **addresses, **made, **own, "PATH": path, processes.MARK: str(home)}
            try:
                processes.migrate(environment)
                return _supervise(environment, host=host, port=port)
            finally:
                processes.end(str(home))


def _supervise(environment: dict[str, str], *, host: str, port: int) -> int:
    """Runs the Procfile until a signal (KeyboardInterrupt) or until one of its processes ends by itself (returns 1)."""
    command = [sys.executable, "-m", "honcho", "-f", "Procfile", "start"]
    honcho = subprocess.Popen(  # noqa: S603 - our own Procfile
        command, cwd=processes.ROOT, env=environment | {"PYTHONUNBUFFERED": "1"}, start_new_session=True
    )
    try:
        while honcho.poll() is None and not _answers(host, port):
            time.sleep(0.1)
        if honcho.poll() is None:
            address, home = environment["BASE_URL"], environment["PORTAL_HOME"]
            _say(f"The portal is at {address} and its data in {home}. Ctrl-C stops it.")
        honcho.wait()
        _say("One of the processes ended by itself, so all were stopped; its last words stand above.")
        return 1
    finally:
        honcho.terminate()
        honcho.wait()


@contextmanager
def _first_signal_interrupts() -> Iterator[None]:
    """Turns the first signal into KeyboardInterrupt; later ones are ignored, so that nothing is left half stopped."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        for number in _STOPPING:
            signal.signal(number, signal.SIG_IGN)
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in _STOPPING}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _only_run_of(home: Path) -> Iterator[None]:
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (home / "run.lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CannotStart(f"The portal already runs on {home}: stop that one, or set PORTAL_HOME and PORT to others.") from None
        yield


def _port(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) < 2**16:
        raise CannotStart(f"PORT must be a number from 1 to 65535, and {text} isn't.")
    return int(text)


def _refuse_busy(host: str, port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise CannotStart(
                f"The portal can't listen on {host}:{port} ({error.strerror}): stop what does, or set PORT={port + 1}."
            ) from None


def _answers(host: str, port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1" if host == "0.0.0.0" else host, port, timeout=5)  # noqa: S104 - compared, not bound
    try:
        connection.request("GET", "/healthz")
        connection.getresponse()
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
    return True


def _say(sentence: str) -> None:
    print(sentence, flush=True)  # noqa: T201 - a command speaks to its terminal


if __name__ == "__main__":
    sys.exit(main())
