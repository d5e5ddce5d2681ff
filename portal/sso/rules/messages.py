"""SAML messages as they come in: decoded within limits, and looked over before anything is believed or computed."""

import base64
import binascii
import re
import zlib
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

from lxml import etree
from onelogin.saml2.constants import OneLogin_Saml2_Constants as Names
from onelogin.saml2.settings import OneLogin_Saml2_Settings
from onelogin.saml2.xml_utils import OneLogin_Saml2_XML

from portal.sso.rules.connections import IdentityProvider, ServiceProvider
from portal.sso.rules.reasons import Reason, Refused

MOST_BODY = 1_000_000
MOST_XML = 256 * 1024
SKEW = timedelta(minutes=3, seconds=30)
LONGEST_LIFE = timedelta(hours=24)

XMLDSIG, XMLDSIG_MORE, XMLENC, XMLENC11 = (
    "http://www.w3.org/2000/09/xmldsig#",
    "http://www.w3.org/2001/04/xmldsig-more#",
    "http://www.w3.org/2001/04/xmlenc#",
    "http://www.w3.org/2009/xmlenc11#",
)
EXCLUSIVE = "http://www.w3.org/2001/10/xml-exc-c14n#"
INCLUSIVE = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315"
# What the library would take and mustn't: XSLT and XPath run as programs, SHA-1 and RSA 1.5 are broken.
ALLOWED = {
    "CanonicalizationMethod": {EXCLUSIVE, INCLUSIVE},
    "Transform": {EXCLUSIVE, INCLUSIVE, XMLDSIG + "enveloped-signature"},
    "SignatureMethod": {XMLDSIG_MORE + f"{key}-sha{size}" for key in ("rsa", "ecdsa") for size in (256, 384, 512)},
    "DigestMethod": {XMLENC + "sha256", XMLENC + "sha512", XMLDSIG_MORE + "sha384"},
    "EncryptionMethod": {
        *(XMLENC + f"aes{size}-cbc" for size in (128, 192, 256)),
        *(XMLENC11 + f"aes{size}-gcm" for size in (128, 192, 256)),
        XMLENC + "rsa-oaep-mgf1p",
        XMLENC11 + "rsa-oaep",
    },
}
# The digest inside OAEP may be SHA-1: it isn't a signature's (RFC 8017, appendix B.1).
IN_ENCRYPTION = {*ALLOWED["DigestMethod"], XMLDSIG + "sha1"}
INSTANT = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)?$")


def parameters(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Decoded parameters by their names.

    Raises:
        Refused: One came twice: whoever checks one and uses the other is deceived.
    """
    found: dict[str, str] = {}
    for name, value in pairs:
        if name in found:
            raise Refused(Reason.REPEATED_PARAMETER, name)
        found[name] = value
    return found


def decoded(text: str) -> bytes:
    """The XML of a message that was posted.

    Raises:
        Refused: It is no base64, or too long.
    """
    if len(text) > MOST_BODY:
        raise Refused(Reason.TOO_LARGE)
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        raise Refused(Reason.MALFORMED, "no base64") from None


def inflated(text: str) -> bytes:
    """The XML of a message that came in an address (Bindings, 3.4.4.1), never more than 256 KB of it.

    Raises:
        Refused: It is neither base64 nor deflated, or too long.
    """
    packed = decoded(text)
    unpacker = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        xml = unpacker.decompress(packed, MOST_XML + 1)
    except zlib.error:
        raise Refused(Reason.MALFORMED, "not deflated") from None
    if len(xml) > MOST_XML or unpacker.unconsumed_tail:
        raise Refused(Reason.TOO_LARGE)
    return xml


def parsed(xml: bytes, *, tag: str) -> Any:  # noqa: ANN401 - lxml has no types
    """The root of a message that holds nothing strange.

    Args:
        xml: UTF-8.
        tag: What the root must be, such as ``Response``.

    Raises:
        Refused: It isn't well-formed, declares a document type, holds comments or CDATA, or has one ID twice.
    """
    try:
        text = xml.decode()
        root = OneLogin_Saml2_XML.to_etree(xml)
    except (UnicodeError, ValueError, etree.XMLSyntaxError) as error:
        raise Refused(Reason.MALFORMED, str(error)) from None
    if (root.getroottree().docinfo.encoding or "UTF-8").upper() not in {"UTF-8", "US-ASCII", "ASCII"}:
        raise Refused(Reason.MALFORMED, "not UTF-8")
    # No identity provider sends these; they exist to make two readers of one text see different things.
    if "<!" in text or "<?" in text.removeprefix("\ufeff").lstrip().removeprefix("<?xml"):
        raise Refused(Reason.MALFORMED, "a comment, a document type, CDATA or a processing instruction")
    if root.tag != f"{{{Names.NS_SAMLP}}}{tag}":
        raise Refused(Reason.MALFORMED, f"a {etree.QName(root).localname}, not a {tag}")
    screen(root)
    return root


def screen(root: Any) -> None:  # noqa: ANN401 - lxml has no types
    """Looks over IDs, signatures and encryption before any of it is computed.

    Raises:
        Refused: An ID stands twice, a signature has other than one reference to its parent, or an algorithm isn't allowed.
    """
    ids = [value for name in ("ID", "Id", "id") for value in root.xpath(f"//@{name}")]
    if len(ids) != len(set(ids)):
        raise Refused(Reason.MALFORMED, "an ID that stands twice")
    for signature in _all(root, "ds:Signature"):
        references = _all(signature, "ds:Reference")
        if len(references) != 1 or references[0].get("URI") != f"#{signature.getparent().get('ID')}":
            raise Refused(Reason.BAD_SIGNATURE, "a signature that isn't about its parent alone")
    for kind, allowed in ALLOWED.items():
        for element in (*_all(root, f"ds:{kind}"), *_all(root, f"xenc:{kind}")):
            inside = element.getparent().tag == f"{{{Names.NS_XENC}}}EncryptionMethod"
            if element.get("Algorithm") not in (IN_ENCRYPTION if inside else allowed):
                raise Refused(Reason.WEAK_ALGORITHM, str(element.get("Algorithm")))
    if _all(root, "xenc:CipherReference"):
        raise Refused(Reason.MALFORMED, "a CipherReference")


def _all(root: Any, name: str) -> list[Any]:  # noqa: ANN401 - lxml has no types
    found: list[Any] = root.xpath(f"descendant-or-self::{name}", namespaces=Names.NSMAP)
    return found


def instant(text: str | None, *, what: str) -> datetime:
    """An instant of a message; SAML's are UTC (Core, 1.3.3).

    Raises:
        Refused: There is none, or it isn't one.
    """
    try:
        found = datetime.fromisoformat(text) if text and INSTANT.match(text) else None
    except ValueError:
        found = None
    if found is None:
        raise Refused(Reason.MALFORMED, f"{what} is {text!r}")
    return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)


@lru_cache(maxsize=256)
def library_settings(ours: ServiceProvider, theirs: IdentityProvider, *, signed: bool = False) -> OneLogin_Saml2_Settings:
    """What python3-saml is told about a connection (``docs/sso.md`` says why each of these).

    Args:
        ours: Us.
        theirs: The identity provider.
        signed: Whether each message must carry a signature of its own: for logout messages.
    """
    address = {"url": ours.acs_url, "binding": Names.BINDING_HTTP_POST}
    return OneLogin_Saml2_Settings(
        {
            "strict": True,
            "sp": {
                "entityId": ours.entity_id,
                "assertionConsumerService": address,
                "singleLogoutService": {"url": ours.slo_url, "binding": Names.BINDING_HTTP_REDIRECT},
                "NameIDFormat": Names.NAMEID_UNSPECIFIED,
                "x509cert": ours.certificate,
                "privateKey": ours.private_key,
            },
            "idp": {
                "entityId": theirs.entity_id,
                "singleSignOnService": {"url": escaped(theirs.sso_url)},
                "singleLogoutService": {
                    "url": escaped(theirs.slo_url or ""),
                    "responseUrl": escaped(theirs.slo_response_url or theirs.slo_url or ""),
                },
                "x509certMulti": {"signing": list(theirs.certificates)},
            },
            "security": {
                "authnRequestsSigned": True,
                "logoutRequestSigned": True,
                "logoutResponseSigned": True,
                "wantMessagesSigned": signed,
                "wantAssertionsSigned": False,
                "wantAttributeStatement": False,
                "requestedAuthnContext": False,
                "rejectDeprecatedAlgorithm": True,
                "allowRepeatAttributeName": True,
                "allowSingleLabelDomains": True,
                "signatureAlgorithm": Names.RSA_SHA256,
                "digestAlgorithm": Names.SHA256,
            },
        }
    )


def request_data(url: str) -> dict[str, Any]:
    """What the library wants to know of a request: the address from our settings, whatever the request's headers say."""
    parts = urlsplit(url)
    return {"https": "on" if parts.scheme == "https" else "off", "http_host": parts.netloc, "script_name": parts.path}


def escaped(text: str) -> str:
    """A text for the library's templates, which put it into XML as it is."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;")


def require_one(values: Mapping[str, str], name: str) -> str:
    """A parameter that must be there.

    Raises:
        Refused: It isn't.
    """
    if not values.get(name):
        raise Refused(Reason.MALFORMED, f"no {name}")
    return values[name]
