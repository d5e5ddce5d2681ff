"""Fetching what identity providers publish of themselves, from addresses that people typed: guarded against SSRF.

Each host is resolved once, every address of it must be a public one, and the connection goes to the very address that was checked
(a second look-up could answer otherwise). Redirects pass the same checks. Proxies of the environment aren't asked.
"""

import http.client
import ipaddress
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from http import HTTPStatus
from threading import Timer
from urllib.parse import urljoin, urlsplit

from portal.gateways.guard import refuse_inside_transaction

SECONDS = 10
MOST_BYTES = 1_000_000
MOST_REDIRECTS = 3
CHUNK = 65_536
MOST_LETTERS = 2_000


class FetchFailed(Exception):
    """It couldn't be fetched; the message is a sentence for people."""


def fetch(url: str, *, allow_local: bool) -> bytes:
    """The document at an address.

    Args:
        url: As somebody typed it.
        allow_local: Whether http and addresses of this machine or network are allowed (development only).

    Raises:
        FetchFailed: It isn't https, leads to a private address, is too large or too slow, or isn't there.
    """
    refuse_inside_transaction()
    ends = time.monotonic() + SECONDS
    for _hop in range(MOST_REDIRECTS + 1):
        found = _get(url, allow_local=allow_local, ends=ends)
        if isinstance(found, bytes):
            return found
        url = found
    raise FetchFailed("The metadata URL leads from one address to the next without an end.")


def _get(url: str, *, allow_local: bool, ends: float) -> bytes | str:
    """The document, or the address that it leads to."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise FetchFailed("The metadata URL isn't an address.") from None
    if not host or parts.username or len(url) > MOST_LETTERS or not url.isprintable() or " " in url:
        raise FetchFailed("The metadata URL isn't an address.")
    if parts.scheme != "https" and not (allow_local and parts.scheme == "http"):
        raise FetchFailed("The metadata URL must begin with https://.")
    address = _checked_address(host, port or (443 if parts.scheme == "https" else 80), allow_local=allow_local)
    try:
        with closing(_connect(parts.scheme, host, address, ends=ends)) as connection, _deadline(connection, ends=ends):
            path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
            connection.request("GET", path, headers={"Host": parts.netloc, "Accept": "application/samlmetadata+xml, */*;q=0.5"})
            with connection.getresponse() as answer:
                found = _read(answer, url=url)
                _left(ends)  # what was cut off looks like an end
                return found
    except ssl.SSLError as error:
        raise FetchFailed(f"The server at {host} has no certificate that we trust.") from error
    except (OSError, http.client.HTTPException, UnicodeError) as error:
        raise FetchFailed(f"The server at {host} doesn't answer as it should. Try again, or paste the metadata's XML.") from error


def _checked_address(host: str, port: int, *, allow_local: bool) -> tuple[str, int]:
    """One address of a host, when all of them are public."""
    try:
        found = [str(info[4][0]) for info in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
    except (OSError, UnicodeError) as error:
        raise FetchFailed(f"There is no server at {host}.") from error
    if not allow_local and not all(map(_is_public, found)):
        raise FetchFailed("The metadata URL leads to a private address. Paste the metadata's XML instead.")
    return found[0], port


def _is_public(text: str) -> bool:
    address = ipaddress.ip_address(text.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None)
        if inner is not None or address in NAT64:
            return inner is not None and _is_public(str(inner))
    return address.is_global and not address.is_multicast


NAT64 = ipaddress.ip_network("64:ff9b::/96")


def _connect(scheme: str, host: str, address: tuple[str, int], *, ends: float) -> http.client.HTTPConnection:
    """A connection to the checked address, whose certificate must be the host's."""
    connection = http.client.HTTPConnection(host, address[1], timeout=_left(ends))
    plain = socket.create_connection(address, timeout=_left(ends))
    try:
        context = ssl.create_default_context() if scheme == "https" else None
        connection.sock = context.wrap_socket(plain, server_hostname=host) if context else plain
    except BaseException:
        plain.close()
        raise
    return connection


@contextmanager
def _deadline(connection: http.client.HTTPConnection, *, ends: float) -> Iterator[None]:
    """Cuts the connection when the time is over: a timeout alone begins anew with each byte that drips in."""

    def cut() -> None:
        with suppress(OSError):
            connection.sock.shutdown(socket.SHUT_RDWR)

    timer = Timer(_left(ends), cut)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _read(answer: http.client.HTTPResponse, *, url: str) -> bytes | str:
    if answer.status in {301, 302, 303, 307, 308} and (target := answer.getheader("Location")):
        return urljoin(url, target)
    if answer.status != HTTPStatus.OK:
        raise FetchFailed(f"The server answered {answer.status} in place of the metadata.")
    parts: list[bytes] = []
    size = 0
    while True:
        chunk = answer.read1(CHUNK)
        if not chunk:
            return b"".join(parts)
        parts.append(chunk)
        size += len(chunk)
        if size > MOST_BYTES:
            raise FetchFailed("What is at the metadata URL is larger than 1 MB.")


def _left(ends: float) -> float:
    left = ends - time.monotonic()
    if left <= 0:
        raise FetchFailed(f"The server didn't send the metadata within {SECONDS} seconds.")
    return left
