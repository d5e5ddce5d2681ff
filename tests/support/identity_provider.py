"""An identity provider of the tests' own making: answers in the shape of any vendor, signed by its keys, and bent as attackers do.

What is emulated here is the shape of messages (``tests/sso/vendor_profiles.json`` says how each is known); real identity providers are
in ``tests/support/real_idps.py``.
"""

import base64
import json
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit

import xmlsec
from lxml import etree

from portal.sso.rules.certificates import make_pair, read_certificates

PROFILES = json.loads((Path(__file__).resolve().parents[1] / "sso" / "vendor_profiles.json").read_text())
SAMLP, SAML, DS = "urn:oasis:names:tc:SAML:2.0:protocol", "urn:oasis:names:tc:SAML:2.0:assertion", "http://www.w3.org/2000/09/xmldsig#"
NS = {"samlp": SAMLP, "saml": SAML, "ds": DS}
XSI = "http://www.w3.org/2001/XMLSchema-instance"
PLAIN = {
    "ns": ["samlp", "saml"],
    "id_prefix": "_",
    "sign": "both",
    "xsi_type": False,
    "issuer_format": None,
    "nameid_format": "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress",
    "nameid_from": "email",
    "attributes": {"email": "email", "firstName": "first", "lastName": "last", "groups": "groups"},
    "attr_nameformat": "urn:oasis:names:tc:SAML:2.0:attrname-format:basic",
    "class_ref": "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport",
    "not_before": -60,
    "lifetime": 300,
    "entity_id": "https://idp.acme.test/metadata",
    "sso_url": "https://idp.acme.test/sso",
    "slo_url": "https://idp.acme.test/slo",
}
SHA1 = {"sign": xmlsec.Transform.RSA_SHA1, "digest": xmlsec.Transform.SHA1}


@cache
def key_pair(name: str) -> tuple[str, str]:
    """A certificate and its key, the same each time for one name."""
    return make_pair(name, now=datetime(2026, 1, 1, tzinfo=UTC))


@dataclass(frozen=True)
class Us:
    """What the identity provider knows of the portal."""

    entity_id: str
    acs_url: str
    slo_url: str
    certificate: str = ""


@dataclass
class Provider:
    """One identity provider.

    Attributes:
        profile: How its messages look.
        keys: Whose key signs.
        known_keys: Whose certificates its metadata holds; more than one during a roll-over.
        clock: How far its clock is off.
    """

    profile: dict = field(default_factory=lambda: dict(PLAIN))
    keys: str = "idp"
    known_keys: tuple[str, ...] = ("idp",)
    clock: timedelta = timedelta()
    made: int = 0

    @classmethod
    def like(cls, vendor: str) -> "Provider":
        """One whose answers look like a vendor's."""
        return cls(profile={**PLAIN, **PROFILES[vendor]})

    @property
    def entity_id(self) -> str:
        """Its name."""
        return self.profile["entity_id"]

    def metadata(self, *, slo_binding: str = "HTTP-Redirect", valid_until: str = "") -> str:
        """What it publishes."""
        keys = "".join(
            f'<md:KeyDescriptor use="signing"><ds:KeyInfo xmlns:ds="{DS}"><ds:X509Data><ds:X509Certificate>'
            f"{read_certificates(key_pair(name)[0])[0].der}</ds:X509Certificate></ds:X509Data></ds:KeyInfo></md:KeyDescriptor>"
            for name in self.known_keys
        )
        slo_url = self.profile.get("slo_url")
        slo = (
            f'<md:SingleLogoutService Binding="urn:oasis:names:tc:SAML:2.0:bindings:{slo_binding}" Location="{_text(slo_url)}"/>'
            if slo_url
            else ""
        )
        until = f' validUntil="{valid_until}"' if valid_until else ""
        return (
            f'<md:EntityDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata" entityID="{_text(self.entity_id)}"{until}>'
            f'<md:IDPSSODescriptor protocolSupportEnumeration="{SAMLP}">{keys}{slo}'
            f'<md:SingleSignOnService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect" '
            f'Location="{_text(self.profile["sso_url"])}"/></md:IDPSSODescriptor></md:EntityDescriptor>'
        )

    def answer(
        self,
        us: Us,
        *,
        to: str | None,
        email: str = "alice@acme.test",
        first: str = "Alice",
        last: str = "Archer",
        name_id: str | None = None,
        groups: tuple[str, ...] = (),
        attributes: dict[str, list[str]] | None = None,
        bend: Callable[[etree._Element], None] = lambda _root: None,
        sign: str | None = None,
        algorithms: dict | None = None,
        encrypt_for: str | None = None,
        at: datetime | None = None,
        **changes: str | None,
    ) -> str:
        """An answer, as a browser posts it (base64).

        Args:
            us: For whom.
            to: The request that it answers, or None when nobody asked.
            bend: Changes the whole message before it is signed.
            sign: ``both``, ``response``, ``assertion`` or ``none``.
            encrypt_for: A certificate (PEM) that the assertion is encrypted for.
            changes: Other values than the usual: ``audience, recipient, destination, not_on_or_after, conditions_until, not_before,
                session_index, session_until, issuer, status, name_id_format, assertion_id, issued, envelope_to``; None leaves one out.
        """
        self.made += 1
        now = (at or datetime.now(UTC)) + self.clock
        who = _values(email=email, first=first, last=last, groups=groups)
        root = etree.fromstring(self._xml(us, to=to, now=now, who=who, name_id=name_id, attributes=attributes, changes=changes))
        bend(root)
        how = sign or self.profile["sign"]
        assertion = root.find("saml:Assertion", NS)
        if how in {"both", "assertion"}:
            sign_element(assertion, self.keys, **(algorithms or {}))
        if encrypt_for:
            encrypt(assertion, encrypt_for)
        if how in {"both", "response"}:
            sign_element(root, self.keys, **(algorithms or {}))
        return base64.b64encode(etree.tostring(root)).decode()

    def _xml(self, us, *, to, now, who, name_id, attributes, changes) -> str:
        profile, prefixes = self.profile, self.profile["ns"]
        p, a = prefixes[0] + ":", (prefixes[1] + ":" if prefixes[1] else "")
        declare = f'xmlns:{prefixes[1]}="{SAML}"' if prefixes[1] else f'xmlns="{SAML}"'

        def value(name: str, usual: str | None) -> str | None:
            return changes.get(name, usual)

        def attribute(name: str, given: str | None) -> str:
            return f' {name}="{_text(given)}"' if given is not None else ""

        def stamp(seconds: float) -> str:
            return (now + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")

        until = stamp(profile["lifetime"])
        issuer = value("issuer", self.entity_id)
        issuer_xml = f"<{a}Issuer {{}}{attribute('Format', profile['issuer_format'])}>{_text(issuer)}</{a}Issuer>" if issuer else ""
        number = f"{profile['id_prefix']}{self.made:032x}"
        identifier = value("assertion_id", f"{number}a{now.timestamp():.6f}".replace(".", ""))
        audience = value("audience", us.entity_id)
        restriction = f"<{a}AudienceRestriction><{a}Audience>{_text(audience)}</{a}Audience></{a}AudienceRestriction>" if audience else ""
        claims = "".join(
            f'<{a}Attribute Name="{_text(name)}"{attribute("NameFormat", profile["attr_nameformat"])}>'
            + "".join(f"<{a}AttributeValue{_typed(profile)}>{_text(one)}</{a}AttributeValue>" for one in values)
            + f"</{a}Attribute>"
            for name, values in (attributes if attributes is not None else self._attributes(who)).items()
        )
        statement = f"<{a}AttributeStatement>{claims}</{a}AttributeStatement>" if claims else ""
        confirmation = (
            f"<{a}SubjectConfirmationData{attribute('NotOnOrAfter', value('not_on_or_after', until))}"
            f"{attribute('Recipient', value('recipient', us.acs_url))}{attribute('InResponseTo', to)}/>"
        )
        status = value("status", "urn:oasis:names:tc:SAML:2.0:status:Success")
        shown_name = name_id if name_id is not None else who[profile["nameid_from"]][0]
        return (
            f'<{p}Response xmlns:{prefixes[0]}="{SAMLP}" ID="{number}r{now.timestamp():.0f}" Version="2.0" IssueInstant="{stamp(0)}"'
            f"{attribute('Destination', value('destination', us.acs_url))}{attribute('InResponseTo', value('envelope_to', to))}>"
            f'{issuer_xml.format(declare)}<{p}Status><{p}StatusCode Value="{status}"/></{p}Status>'
            f'<{a}Assertion {declare} ID="{identifier}" Version="2.0" IssueInstant="{value("issued", stamp(0))}">{issuer_xml.format("")}'
            f"<{a}Subject><{a}NameID{attribute('Format', value('name_id_format', profile['nameid_format']))}>"
            f"{_text(shown_name)}</{a}NameID>"
            f'<{a}SubjectConfirmation Method="urn:oasis:names:tc:SAML:2.0:cm:bearer">{confirmation}</{a}SubjectConfirmation></{a}Subject>'
            f"<{a}Conditions{attribute('NotBefore', value('not_before', stamp(profile['not_before'])))}"
            f"{attribute('NotOnOrAfter', value('conditions_until', until))}>{restriction}</{a}Conditions>"
            f'<{a}AuthnStatement AuthnInstant="{stamp(0)}"{attribute("SessionIndex", value("session_index", f"s{self.made}"))}'
            f"{attribute('SessionNotOnOrAfter', value('session_until', None))}>"
            f"<{a}AuthnContext><{a}AuthnContextClassRef>{profile['class_ref']}</{a}AuthnContextClassRef></{a}AuthnContext>"
            f"</{a}AuthnStatement>"
            f"{statement}</{a}Assertion></{p}Response>"
        )

    def _attributes(self, who: dict[str, list[str]]) -> dict[str, list[str]]:
        sources = self.profile["attributes"]
        found = {name: [source[1:]] if source.startswith("=") else who[source] for name, source in sources.items()}
        return {name: values for name, values in found.items() if values}

    def logout_request(self, us: Us, *, name_id: str = "alice@acme.test", session_index: str | None = None, **changes: str) -> str:
        """A logout request's XML, not signed yet."""
        now = datetime.now(UTC) + self.clock
        self.made += 1
        index = f"<samlp:SessionIndex>{_text(session_index)}</samlp:SessionIndex>" if session_index else ""
        identifier = changes.get("id", f"_lr{self.made}x{now.timestamp():.0f}")
        return (
            f'<samlp:LogoutRequest xmlns:samlp="{SAMLP}" xmlns:saml="{SAML}" ID="{identifier}" '
            f'Version="2.0" IssueInstant="{changes.get("issued", now.strftime("%Y-%m-%dT%H:%M:%SZ"))}" '
            f'Destination="{changes.get("destination", us.slo_url)}">'
            f"<saml:Issuer>{_text(changes.get('issuer', self.entity_id))}</saml:Issuer>"
            f'<saml:NameID Format="{self.profile["nameid_format"]}">{_text(name_id)}</saml:NameID>{index}</samlp:LogoutRequest>'
        )

    def logout_answer(self, us: Us, *, to: str) -> str:
        """A logout answer's XML, not signed yet."""
        now = datetime.now(UTC) + self.clock
        self.made += 1
        return (
            f'<samlp:LogoutResponse xmlns:samlp="{SAMLP}" xmlns:saml="{SAML}" ID="_la{self.made}x{now.timestamp():.0f}" Version="2.0" '
            f'IssueInstant="{now:%Y-%m-%dT%H:%M:%SZ}" Destination="{us.slo_url}" InResponseTo="{to}">'
            f"<saml:Issuer>{_text(self.entity_id)}</saml:Issuer><samlp:Status>"
            f'<samlp:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:Success"/></samlp:Status></samlp:LogoutResponse>'
        )

    def query(self, xml: str, *, name: str = "SAMLRequest", lower: bool = False, relay_state: str | None = None, **how: str) -> str:
        """A message in an address, signed as Bindings 3.4.4.1 says; ``lower`` writes escapes as Entra and ADFS do."""
        packer = zlib.compressobj(wbits=-15)
        packed = base64.b64encode(packer.compress(xml.encode()) + packer.flush()).decode()
        algorithm = how.get("algorithm", "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256")

        def escaped(text: str) -> str:
            return _lowered(quote(text, safe="")) if lower else quote(text, safe="")

        parts = [f"{name}={escaped(packed)}"]
        parts += [f"RelayState={escaped(relay_state)}"] if relay_state is not None else []
        parts.append(f"SigAlg={escaped(algorithm)}")
        signed = "&".join(parts)
        context = xmlsec.SignatureContext()
        context.key = xmlsec.Key.from_memory(key_pair(how.get("keys", self.keys))[1], xmlsec.KeyFormat.PEM, None)
        transform = xmlsec.Transform.RSA_SHA1 if algorithm.endswith("rsa-sha1") else xmlsec.Transform.RSA_SHA256
        signature = base64.b64encode(context.sign_binary(signed.encode(), transform)).decode()
        return f"{signed}&Signature={escaped(signature)}"

    def posted(self, xml: str, *, keys: str | None = None) -> str:
        """A message for a form, signed inside."""
        root = etree.fromstring(xml)
        sign_element(root, keys or self.keys)
        return base64.b64encode(etree.tostring(root)).decode()


def sign_element(element, keys: str, *, sign=xmlsec.Transform.RSA_SHA256, digest=xmlsec.Transform.SHA256) -> None:
    """Puts an enveloped signature behind the element's Issuer."""
    certificate, key = key_pair(keys)
    signature = xmlsec.template.create(element, xmlsec.Transform.EXCL_C14N, sign, ns="ds")
    issuer = element.find("saml:Issuer", NS)
    if issuer is not None:
        issuer.addnext(signature)
    else:
        element.insert(0, signature)
    reference = xmlsec.template.add_reference(signature, digest, uri=f"#{element.get('ID')}")
    xmlsec.template.add_transform(reference, xmlsec.Transform.ENVELOPED)
    xmlsec.template.add_transform(reference, xmlsec.Transform.EXCL_C14N)
    xmlsec.template.add_x509_data(xmlsec.template.ensure_key_info(signature))
    xmlsec.tree.add_ids(element, ["ID"])
    context = xmlsec.SignatureContext()
    context.key = xmlsec.Key.from_memory(key, xmlsec.KeyFormat.PEM, None)
    context.key.load_cert_from_memory(certificate, xmlsec.KeyFormat.PEM)
    context.sign(signature)


def encrypt(assertion, certificate: str) -> None:
    """Replaces an assertion by an EncryptedAssertion (AES-256, RSA-OAEP)."""
    wrapper = etree.Element(f"{{{SAML}}}EncryptedAssertion", nsmap={"saml": SAML})
    assertion.getparent().replace(assertion, wrapper)
    wrapper.append(assertion)
    data = xmlsec.template.encrypted_data_create(wrapper, xmlsec.Transform.AES256, type=xmlsec.EncryptionType.ELEMENT, ns="xenc")
    xmlsec.template.encrypted_data_ensure_cipher_value(data)
    info = xmlsec.template.encrypted_data_ensure_key_info(data, ns="ds")
    key = xmlsec.template.add_encrypted_key(info, xmlsec.Transform.RSA_OAEP)
    xmlsec.template.encrypted_data_ensure_cipher_value(key)
    manager = xmlsec.KeysManager()
    manager.add_key(xmlsec.Key.from_memory(certificate, xmlsec.KeyFormat.CERT_PEM, None))
    context = xmlsec.EncryptionContext(manager)
    context.key = xmlsec.Key.generate(xmlsec.KeyData.AES, 256, xmlsec.KeyDataType.SESSION)
    context.encrypt_xml(data, assertion)


def xml_of(answer: str):
    """The message in an answer, to be bent after it was signed."""
    return etree.fromstring(base64.b64decode(answer))


def packed(root) -> str:
    """A bent message as a browser posts it."""
    return base64.b64encode(etree.tostring(root)).decode()


def request_in(url: str) -> etree._Element:
    """The request that an address carries."""
    [text] = parse_qs(urlsplit(url).query)["SAMLRequest"]
    return etree.fromstring(zlib.decompress(base64.b64decode(text), -15))


def _lowered(text: str) -> str:
    head, *parts = text.split("%")
    return head + "".join(f"%{part[:2].lower()}{part[2:]}" for part in parts)


def _values(*, email: str, first: str, last: str, groups: tuple[str, ...]) -> dict[str, list[str]]:
    return {
        "email": [email],
        "mail": [email],
        "upn": [email],
        "first": [first],
        "last": [last],
        "display": [f"{first} {last}"],
        "groups": list(groups),
        "group_ids": list(groups),
        "group_list": [";".join(groups)] if groups else [],
        "oid": ["aaaaaaaa-0000-4000-8000-000000000001"],
    }


def _typed(profile: dict) -> str:
    return f' xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns:xsi="{XSI}" xsi:type="xs:string"' if profile["xsi_type"] else ""


def _text(value: str | None) -> str:
    return (value or "").replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;")
