"""Metadata (SAML Metadata 2.0): what identity providers publish of themselves, and what we publish of us."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from lxml import etree
from onelogin.saml2.constants import OneLogin_Saml2_Constants as Names
from onelogin.saml2.idp_metadata_parser import OneLogin_Saml2_IdPMetadataParser
from onelogin.saml2.metadata import OneLogin_Saml2_Metadata
from onelogin.saml2.xml_utils import OneLogin_Saml2_XML

from portal.errors import Invalid
from portal.sso.rules.certificates import MOST_CERTIFICATES, Certificate, read_certificate
from portal.sso.rules.connections import Binding, ServiceProvider
from portal.sso.rules.messages import instant
from portal.sso.rules.reasons import Refused

MOST_METADATA = 1_000_000
MOST_URL = 2_000


@dataclass(frozen=True, slots=True)
class Published:
    """What an identity provider says of itself."""

    entity_id: str
    sso_url: str
    certificates: tuple[Certificate, ...]
    slo_url: str | None = None
    slo_binding: Binding | None = None
    slo_response_url: str | None = None
    valid_until: datetime | None = None


def read_metadata(xml: bytes, *, now: datetime, field: str = "metadata_xml", plain_http: bool = False) -> Published:
    """The identity provider in a metadata document.

    Args:
        xml: The document.
        now: What ``validUntil`` is compared with.
        field: Where an error stands.
        plain_http: Whether its addresses may be http (development only).

    Raises:
        Invalid: It can't be read, is over, or isn't about exactly one identity provider with what a sign-in needs.
    """
    try:
        return _read(xml, now=now, plain_http=plain_http)
    except (etree.XMLSyntaxError, UnicodeError, ValueError, Refused) as error:
        sentence = "This is no SAML metadata. Copy or upload the whole XML that your identity provider shows."
        raise _invalid(sentence, field) from error
    except Invalid as error:
        raise _invalid(error.message, field) from None


def check_url(text: str, *, what: str, field: str, plain_http: bool = False) -> str:
    """An address of the identity provider, to which browsers are led.

    Raises:
        Invalid: It isn't https, or no address.
    """
    parts = urlsplit(text.strip())
    schemes = {"https", "http"} if plain_http else {"https"}
    if parts.scheme not in schemes or not parts.hostname or parts.username or len(text) > MOST_URL or not text.strip().isprintable():
        raise _invalid(f"{what} must be an address that begins with https://.", field)
    return text.strip()


def service_metadata(ours: ServiceProvider) -> bytes:
    """Our own metadata: entity ID, ACS, logout by redirect and POST, and one certificate for signing and encryption."""
    sp = {
        "entityId": ours.entity_id,
        "assertionConsumerService": {"url": ours.acs_url, "binding": Names.BINDING_HTTP_POST},
        "singleLogoutService": {"url": ours.slo_url, "binding": Names.BINDING_HTTP_REDIRECT},
        "NameIDFormat": Names.NAMEID_UNSPECIFIED,
    }
    plain = OneLogin_Saml2_Metadata.builder(sp, authnsign=True, wsign=False, valid_until="", cache_duration="")
    keyed = OneLogin_Saml2_Metadata.add_x509_key_descriptors(plain, ours.certificate, add_encryption=True)
    root = OneLogin_Saml2_XML.to_etree(keyed)
    redirect = root.find(".//md:SingleLogoutService", namespaces=Names.NSMAP)
    by_post = etree.Element(f"{{{Names.NS_MD}}}SingleLogoutService", Binding=Binding.POST.uri, Location=ours.slo_url)
    redirect.addnext(by_post)
    xml: bytes = etree.tostring(root, encoding="UTF-8", xml_declaration=True, pretty_print=True)
    return xml


def _read(xml: bytes, *, now: datetime, plain_http: bool) -> Published:
    if len(xml) > MOST_METADATA:
        raise Invalid("This metadata is larger than 1 MB, so it is about more than your identity provider.")
    root = OneLogin_Saml2_XML.to_etree(xml)
    descriptors = root.xpath("//md:EntityDescriptor[md:IDPSSODescriptor]", namespaces=Names.NSMAP)
    if len(descriptors) != 1:
        raise Invalid(f"This metadata names {len(descriptors) or 'no'} identity providers. It must be about exactly one, yours.")
    [entity] = descriptors
    [provider, *_more] = entity.findall("md:IDPSSODescriptor", namespaces=Names.NSMAP)
    until = min(_ends(root) + _ends(entity) + _ends(provider), default=None)
    if until is not None and until <= now:
        raise Invalid(f"This metadata was valid until {until:%d %B %Y} only. Get the present one from your identity provider.")
    found = OneLogin_Saml2_IdPMetadataParser.parse(etree.tostring(entity))["idp"]
    sso_url = found.get("singleSignOnService", {}).get("url")
    if not found.get("entityId") or not sso_url:
        raise Invalid("This metadata offers no sign-in by redirect (SingleSignOnService with HTTP-Redirect).")
    multiple = found.get("x509certMulti", {}).get("signing")
    signing = multiple or ([found["x509cert"]] if found.get("x509cert") else [])
    if not signing:
        raise Invalid("This metadata holds no signing certificate.")
    unique = {one.fingerprint: one for one in map(read_certificate, signing)}
    if len(unique) > MOST_CERTIFICATES:
        raise Invalid(f"This metadata holds more than {MOST_CERTIFICATES} signing certificates.")
    slo_url, slo_binding, slo_response_url = _logout(provider)
    return Published(
        entity_id=found["entityId"],
        sso_url=check_url(sso_url, what="The sign-in URL in it", field="metadata_xml", plain_http=plain_http),
        certificates=tuple(unique.values()),
        slo_url=check_url(slo_url, what="The logout URL in it", field="metadata_xml", plain_http=plain_http) if slo_url else None,
        slo_binding=slo_binding,
        slo_response_url=check_url(slo_response_url, what="The logout URL in it", field="metadata_xml", plain_http=plain_http)
        if slo_response_url
        else None,
        valid_until=until,
    )


def _logout(provider: Any) -> tuple[str | None, Binding | None, str | None]:  # noqa: ANN401 - lxml has no types
    """Where logout messages go: by redirect where that is offered, else by POST."""
    for binding in Binding:
        for service in provider.findall("md:SingleLogoutService", namespaces=Names.NSMAP):
            if service.get("Binding") == binding.uri and service.get("Location"):
                return service.get("Location"), binding, service.get("ResponseLocation")
    return None, None, None


def _ends(element: Any) -> list[datetime]:  # noqa: ANN401 - lxml has no types
    return [instant(element.get("validUntil"), what="validUntil")] if element.get("validUntil") else []


def _invalid(sentence: str, field: str) -> Invalid:
    return Invalid(sentence, code="METADATA_INVALID", details={field: [sentence]})
