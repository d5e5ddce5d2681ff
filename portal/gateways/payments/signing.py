"""Reading webhooks: their headers, HMAC-SHA256 over the raw body, and the JSON inside."""

import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Any

from portal.gateways.payments.contract import SignatureInvalid


def sign(secret: str, signed: bytes) -> str:
    """HMAC-SHA256 (RFC 2104), hexadecimal."""
    return hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()


def is_signed(secret: str, signed: bytes, signature: str) -> bool:
    """Whether the signature is the one of these bytes, found out in constant time."""
    return hmac.compare_digest(sign(secret, signed).encode(), signature.encode())


def header(headers: Mapping[str, str], name: str) -> str:
    """A header by its name in any case.

    Raises:
        SignatureInvalid: It is missing or empty.
    """
    for given, value in headers.items():
        if given.lower() == name.lower() and value:
            return value
    raise SignatureInvalid(f"The header {name} is missing.")


def content(body: bytes) -> dict[str, Any]:
    """The JSON object of a body whose signature was right.

    Raises:
        SignatureInvalid: It isn't one, so it can't be the provider's.
    """
    try:
        found = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise SignatureInvalid("The body is no JSON.") from error
    if not isinstance(found, dict):
        raise SignatureInvalid("The body is no JSON object.")
    return found


def text_at(found: Mapping[str, Any], *path: str) -> str | None:
    """The text at the end of a path of keys, or None when there is none."""
    place: Any = found
    for key in path:
        place = place.get(key) if isinstance(place, dict) else None
    return place if isinstance(place, str) and place else None
