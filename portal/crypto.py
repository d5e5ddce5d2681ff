"""Secrets: tokens in links, their hashes, and what is stored encrypted.

A token in a mailed link is derived from the row that it belongs to, so that a job can write the mail again after a crash
while the database holds only the token's hash.
"""

import base64
import hashlib
import hmac
import secrets

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_secret: list[bytes] = []
_keys: dict[str, AESGCM] = {}
_NONCE_BYTES = 12


class Undecipherable(Exception):
    """What is stored can't be read: its key is gone, or it was changed or moved to another row."""


def use_secret(secret_key: str) -> None:
    """Sets the key that tokens are derived with (``SECRET_KEY``), once at start."""
    _secret[:] = [hashlib.sha256(b"portal-tokens\0" + secret_key.encode()).digest()]


def derive_token(purpose: str, row_id: str, nonce: str) -> str:
    """The token of a row: unguessable without the secret key, the same each time (256 bits, URL-safe).

    Args:
        purpose: What the token allows, so that one can't stand in for another.
        row_id: The row's id.
        nonce: A random value of the row; a new one makes a new token.
    """
    message = f"{purpose}\0{row_id}\0{nonce}".encode()
    return base64.urlsafe_b64encode(hmac.digest(_secret[0], message, "sha256")).rstrip(b"=").decode()


def random_token() -> str:
    """A random value (256 bits, URL-safe)."""
    return secrets.token_urlsafe(32)


def hash_token(token: str) -> str:
    """What is stored of a token: its SHA-256, in hexadecimal. Tokens have 256 random bits, so no salt is needed."""
    return hashlib.sha256(token.encode()).hexdigest()


def use_keys(keys: str) -> None:
    """Sets the keys of what is stored encrypted (``DATA_ENCRYPTION_KEYS``: ``id:hex,id:hex``), once at start.

    The first one encrypts; the others still read what they encrypted, until it is written anew.
    """
    _keys.clear()
    for pair in keys.split(","):
        key_id, _separator, key = pair.strip().partition(":")
        _keys[key_id] = AESGCM(bytes.fromhex(key))


def first_key_id() -> str:
    """The id of the key that encrypts now."""
    return next(iter(_keys))


def encrypt(plain: bytes, *, about: str) -> str:
    """Encrypts by AES-256-GCM (NIST SP 800-38D) with a random nonce.

    Args:
        plain: What nobody may read.
        about: What it belongs to, such as a row's id. It is authenticated and not stored: moved elsewhere, it can't be read.

    Returns:
        ``<key id>.<nonce and ciphertext in base64>``.
    """
    key_id, key = next(iter(_keys.items()))
    nonce = secrets.token_bytes(_NONCE_BYTES)
    return f"{key_id}.{base64.b64encode(nonce + key.encrypt(nonce, plain, about.encode())).decode()}"


def decrypt(stored: str, *, about: str) -> bytes:
    """What ``encrypt`` was given.

    Raises:
        Undecipherable: See there.
    """
    key_id, _separator, text = stored.partition(".")
    if key_id not in _keys:
        raise Undecipherable(f"the key {key_id!r} isn't among DATA_ENCRYPTION_KEYS")
    try:
        sealed = base64.b64decode(text, validate=True)
        return _keys[key_id].decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], about.encode())
    except (InvalidTag, ValueError):
        raise Undecipherable("it was changed, or belongs elsewhere") from None
