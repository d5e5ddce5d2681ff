"""The web server's settings, each with its reason. ``gunicorn wsgi:app`` in this folder reads them by itself."""

import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

# Behind a proxy that ends TLS; never open to the world by itself.
bind = f"{os.environ.get('BIND_HOST') or '127.0.0.1'}:{os.environ.get('PORT') or '8000'}"

# The app is loaded once and forked: workers share its memory (about 150 MB) and start in milliseconds.
preload_app = True

# Threads wait for PostgreSQL side by side; Python computes in one of them at a time, so processes are for cores.
# A worker takes at most 16 connections of PostgreSQL (portal/db.py), and each thread rarely more than one.
worker_class = "gthread"
workers = int(os.environ.get("WEB_WORKERS") or 2)
threads = int(os.environ.get("WEB_THREADS") or 4)

# A worker that hangs for a minute is replaced. The longest answers (a PDF of hundreds of lines, a file of 100 000 people) take seconds.
timeout = 60
# On a stop, requests under way have 20 s; the unit's TimeoutStopSec is longer.
graceful_timeout = 20
# Longer than a proxy keeps its idle connections to us (60 s in nginx's upstream and in AWS's load balancers, if nobody says otherwise):
# a connection that we close while the proxy sends is a broken request, which it answers with 502.
keepalive = 75

# Memory that libraries lose over weeks is given back, one worker at a time.
max_requests = 20_000
max_requests_jitter = 2_000

# The workers' sign of life is a file: on a disk, a slow write would look like a dead worker.
worker_tmp_dir = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108 - the kernel's own, for a file that has no name

# Nobody steers a running server by a socket: who wants another number of workers starts it anew.
control_socket_disable = True

# Each process counts its requests in a file of its own, and whoever is asked for /metrics adds them up.
_counted = os.environ.get("PROMETHEUS_MULTIPROC_DIR") or tempfile.mkdtemp(prefix="portal-figures-", dir=worker_tmp_dir)
os.environ["PROMETHEUS_MULTIPROC_DIR"] = _counted


def on_starting(_server: Any) -> None:  # noqa: ANN401 - gunicorn's own
    """Figures begin at 0 with the server."""
    shutil.rmtree(_counted, ignore_errors=True)
    Path(_counted).mkdir(mode=0o700, parents=True)


def child_exit(_server: Any, worker: Any) -> None:  # noqa: ANN401 - gunicorn's own
    """What an ended worker has counted still counts."""
    from prometheus_client.multiprocess import mark_process_dead  # noqa: PLC0415 - reads the folder's name, which is set above

    mark_process_dead(worker.pid)  # type: ignore[no-untyped-call] # prometheus-client types its metrics only


def on_exit(_server: Any) -> None:  # noqa: ANN401 - gunicorn's own
    """Leaves nothing behind."""
    shutil.rmtree(_counted, ignore_errors=True)
