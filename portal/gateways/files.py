"""Files: kept by key under ``FILES_URL``, in a folder or in a bucket of S3 (Supabase Storage and MinIO speak it).

A key is a relative path such as ``organizations/<id>/logo.png``. What a store can't do it says with an ``OSError``: the disk is
full or refuses, the bucket doesn't exist, the credentials don't suffice, the service is away. Nobody need know which store it is.
"""

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import unquote, urlsplit

import fsspec

from portal.gateways.guard import refuse_inside_transaction

ATTEMPTS = 3
CONNECT_SECONDS = 5
READ_SECONDS = 30
CALL_SECONDS = 60


class Files(Protocol):
    """A store of files by key. Every method raises ValueError for what is no key: a mistake of the caller."""

    def write(self, key: str, content: bytes) -> None:
        """Stores the content, replacing what was there; whole or not at all, and for good when it returns.

        Raises:
            OSError: It isn't known to be stored; the old content stays, or the new one is there.
            RuntimeError: Called inside a transaction that has written.
        """

    def read(self, key: str) -> bytes | None:
        """The content, or None when there is no such file.

        Raises:
            OSError: It can't be told, or can't be read.
        """

    def delete_all(self, prefix: str) -> None:
        """Deletes every file under ``prefix/`` and nothing else; harmless when there is nothing.

        Raises:
            OSError: Something may be left; call it again.
            RuntimeError: Called inside a transaction that has written.
        """


class FilesInFolder:
    """A folder of the machine, or one that several machines share."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def write(self, key: str, content: bytes) -> None:
        """Writes beside the file and renames, so that no reader and no crash ever meets a half."""
        refuse_inside_transaction()
        path = self._root / _checked(key)
        _make_folder(path.parent)
        part = path.parent / f".{secrets.token_hex(16)}.part"
        try:
            with part.open("xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
        _sync_folder(path.parent)

    def read(self, key: str) -> bytes | None:
        """The content of the file."""
        try:
            return (self._root / _checked(key)).read_bytes()
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return None

    def delete_all(self, prefix: str) -> None:
        """Deletes a folder with all that is in it."""
        refuse_inside_transaction()
        _delete_folder(self._root / _checked(prefix))


class FilesInBucket:
    """A bucket of S3, or a part of one; it must exist.

    Credentials and region come from where every client of S3 looks for them: ``AWS_ACCESS_KEY_ID``, ``AWS_SECRET_ACCESS_KEY``,
    ``AWS_DEFAULT_REGION``. They must allow to get, put, delete and list; without the last, S3 answers 403 for a file that isn't there,
    which ``read`` can't tell from a refusal.

    A connection is waited for 5 s and an answer 30 s, three times, and for all together a minute. The minute isn't spare: botocore sends
    ``Expect: 100-continue`` with each file, and aiohttp waits for the answer to that, and for room to send, without any end.
    """

    def __init__(self, root: str, *, endpoint_url: str) -> None:
        fsspec.get_filesystem_class("s3")  # half a second: spent here, before workers fork, and only where files are in S3
        botocore = import_module("botocore.exceptions")
        self._failures: tuple[type[Exception], ...] = (
            botocore.BotoCoreError,
            botocore.ClientError,
            import_module("aiohttp").ClientError,
        )
        self._root = root
        self._options: dict[str, Any] = {
            "use_listings_cache": False,  # other processes write, too
            "max_concurrency": 1,  # one GET reads a file; otherwise a HEAD goes first and tells less when it fails
            "config_kwargs": {
                "connect_timeout": CONNECT_SECONDS,
                "read_timeout": READ_SECONDS,
                "retries": {"mode": "standard", "total_max_attempts": ATTEMPTS},
                # Many that speak S3 don't know the newer trailing checksums; the signature covers the body anyway.
                "request_checksum_calculation": "when_required",
                "response_checksum_validation": "when_required",
            },
        }
        if endpoint_url:
            self._options["endpoint_url"] = endpoint_url
        self._kept: dict[int, Any] = {}

    def write(self, key: str, content: bytes) -> None:
        """Puts the object: S3 shows it when it is whole."""
        refuse_inside_transaction()
        path = self._path(key)
        with self._failing_as_os_error():
            self._system().pipe_file(path, content, timeout=CALL_SECONDS)

    def read(self, key: str) -> bytes | None:
        """The content of the object."""
        path = self._path(key)
        with self._failing_as_os_error():
            try:
                content: bytes = self._system().cat_file(path, timeout=CALL_SECONDS)
            except FileNotFoundError as error:
                if _code(error) == "NoSuchBucket":
                    raise
                return None
        return content

    def delete_all(self, prefix: str) -> None:
        """Deletes object by object: the call for many at once reports refusals in a way that s3fs drops."""
        refuse_inside_transaction()
        path = self._path(prefix)
        with self._failing_as_os_error():
            system = self._system()
            for found in system.find(path, timeout=CALL_SECONDS):
                if found.startswith(f"{path}/"):
                    system.rm_file(found, timeout=CALL_SECONDS)

    def _path(self, key: str) -> str:
        return f"{self._root}/{_checked(key)}"

    def _system(self) -> Any:  # noqa: ANN401 - fsspec publishes no types
        """The file system of this process: its thread and connections don't survive a fork, so it is asked for at each use.

        The parent's is kept in a forked child all the same: collecting it there would wait a second for the parent's thread,
        and close connections that the parent uses.
        """
        system = fsspec.filesystem("s3", **self._options)
        system.retries = 1  # botocore's are enough: s3fs would repeat all of them five times
        self._kept[os.getpid()] = system
        return system

    @contextmanager
    def _failing_as_os_error(self) -> Iterator[None]:
        """Most answers of S3 arrive as kinds of OSError; this makes it all that go wrong on the way."""
        try:
            yield
        except TimeoutError as error:
            raise TimeoutError(errno.ETIMEDOUT, str(error) or f"S3 didn't answer within {CALL_SECONDS} s") from error
        except self._failures as error:
            raise OSError(errno.EIO, f"{type(error).__name__}: {error}") from error


def _code(error: OSError) -> str | None:
    """S3's own word for an error that s3fs has translated."""
    response = getattr(error.__cause__, "response", None) or {}
    code: str | None = response.get("Error", {}).get("Code")
    return code


def _checked(key: str) -> str:
    """The key, when it names one place below the root and is the same in every store (s3fs reads ``?versionId=`` as a version)."""
    if any(part in {"", ".", ".."} for part in key.split("/")) or any(character in key for character in "\\\0?"):
        raise ValueError(f"{key!r} is no key of a file")
    return key


def _make_folder(folder: Path) -> None:
    """Makes a folder and its parents so that they survive a crash of the machine."""
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for made in missing:
        _sync_folder(made.parent)


def _sync_folder(folder: Path) -> None:
    """Has the names in a folder written to the disk."""
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(opened)
    except OSError as error:
        if error.errno not in {errno.EBADF, errno.EINVAL}:  # some network file systems can't do it for folders, and needn't
            raise
    finally:
        os.close(opened)


def _delete_folder(folder: Path) -> None:
    """Deletes a folder with all that is in it, also when another process is at it."""
    try:
        entries = list(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return
    for entry in entries:
        if entry.is_dir() and not entry.is_symlink():
            _delete_folder(entry)
        else:
            entry.unlink(missing_ok=True)
    with suppress(FileNotFoundError):
        folder.rmdir()


_files: list[Files] = []


def connect(url: str, *, endpoint_url: str = "") -> None:
    """Chooses the store by the scheme of ``FILES_URL``; nothing is opened yet.

    Args:
        url: ``file:///folder`` or ``s3://bucket/prefix``, percent-encoded where it needs to be.
        endpoint_url: The address of what speaks S3, or nothing for Amazon's own.

    Raises:
        ValueError: The address means no store.
    """
    parts = urlsplit(url)
    path = unquote(parts.path)
    plain = not (parts.query or parts.fragment or "@" in parts.netloc)
    if plain and parts.scheme == "file" and parts.netloc in {"", "localhost"} and path.startswith("/"):
        _files[:] = [FilesInFolder(Path(path))]
    elif plain and parts.scheme == "s3" and parts.netloc:
        _files[:] = [FilesInBucket(f"{parts.netloc}/{path.strip('/')}".rstrip("/"), endpoint_url=endpoint_url)]
    else:
        raise ValueError("FILES_URL must be an address such as file:///srv/portal/files or s3://bucket/prefix.")


def store() -> Files:
    """The configured store."""
    return _files[0]
