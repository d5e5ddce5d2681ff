"""Files: kept by key under ``FILES_URL`` through fsspec (a folder, or S3 and what speaks it)."""

from typing import Protocol
from urllib.parse import unquote, urlsplit

import fsspec

from portal.gateways.guard import refuse_inside_transaction


class Files(Protocol):
    """A store of files by key."""

    def write(self, key: str, content: bytes) -> None:
        """Stores the content, replacing what was there; whole or not at all."""

    def read(self, key: str) -> bytes | None:
        """The content, or None when there is no such file."""

    def delete_all(self, prefix: str) -> None:
        """Deletes everything under a prefix; harmless when there is nothing."""


class FilesByFsspec:
    """Any file system that fsspec knows."""

    def __init__(self, url: str, *, endpoint_url: str) -> None:
        parts = urlsplit(url)
        options = {"client_kwargs": {"endpoint_url": endpoint_url}} if endpoint_url else {}
        self._system = fsspec.filesystem(parts.scheme, **options)
        self._root = unquote(f"{parts.netloc}{parts.path}").rstrip("/")

    def write(self, key: str, content: bytes) -> None:
        """Stores the content under the key."""
        refuse_inside_transaction()
        path = self._path(key)
        self._system.makedirs(path.rpartition("/")[0], exist_ok=True)
        part = f"{path}.part"
        self._system.pipe_file(part, content)
        self._system.mv(part, path)

    def read(self, key: str) -> bytes | None:
        """The content of the key."""
        try:
            content: bytes = self._system.cat_file(self._path(key))
        except FileNotFoundError:
            return None
        return content

    def delete_all(self, prefix: str) -> None:
        """Deletes everything under the prefix."""
        refuse_inside_transaction()
        path = self._path(prefix)
        if self._system.exists(path):
            self._system.rm(path, recursive=True)

    def _path(self, key: str) -> str:
        if not key or any(part in {"", ".", ".."} for part in key.split("/")):
            raise ValueError(f"{key!r} is no key of a file")
        return f"{self._root}/{key}"


_files: list[Files] = []


def connect(url: str, *, endpoint_url: str = "") -> None:
    """Chooses the store by the scheme of ``FILES_URL``; nothing is opened yet."""
    _files[:] = [FilesByFsspec(url, endpoint_url=endpoint_url)]


def store() -> Files:
    """The configured store."""
    return _files[0]
