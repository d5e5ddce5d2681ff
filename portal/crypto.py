"""Secrets: tokens in links, their hashes, and what is stored encrypted.

A token in a mailed link is derived from the row that it belongs to, so that a job can write the mail again after a crash
while the database holds only the token's hash.
"""

import base64
import hashlib
import hmac
import secrets

_secret: list[bytes] = []


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
