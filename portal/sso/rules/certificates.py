"""Certificates: those of identity providers, and the ones that we make for ourselves."""

import base64
import binascii
import re
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from portal.errors import Invalid
from portal.sso.rules.connections import SIGNING_LASTS_DAYS

PEM = re.compile(r"-----BEGIN CERTIFICATE-----(.*?)-----END CERTIFICATE-----", re.DOTALL)
MOST_CERTIFICATES = 10
SHORTEST_KEY_BITS = 2048


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate that an identity provider signs with.

    Attributes:
        der: Base64 of the DER, in one line.
        fingerprint: SHA-256 of the DER, in hexadecimal.
    """

    der: str
    fingerprint: str
    subject: str
    not_before: datetime
    not_after: datetime


def read_certificates(text: str) -> tuple[Certificate, ...]:
    """The certificates in a text: PEM, one or several, or the base64 alone.

    Raises:
        Invalid: There is none, one can't be read, or its key is weak.
    """
    parts = PEM.findall(text) or ([text] if text.strip() else [])
    found = {one.fingerprint: one for one in map(read_certificate, parts)}
    if not found or len(found) > MOST_CERTIFICATES:
        raise _invalid(f"Give 1 to {MOST_CERTIFICATES} certificates, as your identity provider shows them (-----BEGIN CERTIFICATE-----).")
    return tuple(found.values())


def read_certificate(text: str) -> Certificate:
    """One certificate, from the base64 of its DER.

    Raises:
        Invalid: It can't be read, or its key is weak.
    """
    try:
        der = base64.b64decode("".join(text.split()), validate=True)
        certificate = x509.load_der_x509_certificate(der)
        key = certificate.public_key()
    except (binascii.Error, ValueError, TypeError):
        raise _invalid("This is no certificate (X.509). Copy it whole, with its first and last line.") from None
    if not isinstance(key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey) or (
        isinstance(key, rsa.RSAPublicKey) and key.key_size < SHORTEST_KEY_BITS
    ):
        raise _invalid("The certificate's key is too weak: it must be RSA with 2048 bits or more, or an elliptic curve.")
    return Certificate(
        der=base64.b64encode(der).decode(),
        fingerprint=certificate.fingerprint(hashes.SHA256()).hex(),
        subject=certificate.subject.rfc4514_string()[:200],
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
    )


def make_pair(name: str, *, now: datetime) -> tuple[str, str]:
    """A self-signed certificate for ten years and its key (RSA, 2048 bits), both PEM. Trust comes by the metadata, not by a chain."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=SHORTEST_KEY_BITS)
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name[:64])])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=SIGNING_LASTS_DAYS))
        .sign(key, hashes.SHA256())
    )
    pem = certificate.public_bytes(serialization.Encoding.PEM).decode()
    secret = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()).decode()
    return pem, secret


def _invalid(sentence: str) -> Invalid:
    return Invalid(sentence, code="CERTIFICATE_INVALID", details={"certificates": [sentence]})
