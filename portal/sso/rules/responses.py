"""Answers of identity providers: what python3-saml checks, and what it leaves to us (``docs/sso.md`` has the table)."""

import base64
import threading
from copy import deepcopy
from datetime import datetime
from typing import Any

from lxml import etree
from onelogin.saml2.constants import OneLogin_Saml2_Constants as Names
from onelogin.saml2.errors import OneLogin_Saml2_Error, OneLogin_Saml2_ValidationError
from onelogin.saml2.response import OneLogin_Saml2_Response
from onelogin.saml2.xml_utils import OneLogin_Saml2_XML

from portal.sso.rules.attributes import Claims
from portal.sso.rules.connections import IdentityProvider, ServiceProvider
from portal.sso.rules.messages import LONGEST_LIFE, SKEW, decoded, instant, library_settings, parsed, request_data, screen
from portal.sso.rules.reasons import Reason, Refused

TAGS = {f"{{{Names.NS_SAMLP}}}Response": "response", f"{{{Names.NS_SAML}}}Assertion": "assertion"}
LIBRARY = {
    OneLogin_Saml2_ValidationError.STATUS_CODE_IS_NOT_SUCCESS: Reason.NOT_SUCCESSFUL,
    OneLogin_Saml2_ValidationError.WRONG_ISSUER: Reason.WRONG_ISSUER,
    OneLogin_Saml2_ValidationError.WRONG_AUDIENCE: Reason.WRONG_AUDIENCE,
    OneLogin_Saml2_ValidationError.WRONG_DESTINATION: Reason.WRONG_DESTINATION,
    OneLogin_Saml2_ValidationError.EMPTY_DESTINATION: Reason.WRONG_DESTINATION,
    OneLogin_Saml2_ValidationError.WRONG_SUBJECTCONFIRMATION: Reason.WRONG_RECIPIENT,
    OneLogin_Saml2_ValidationError.INVALID_SIGNATURE: Reason.BAD_SIGNATURE,
    OneLogin_Saml2_ValidationError.NO_SIGNATURE_FOUND: Reason.BAD_SIGNATURE,
    OneLogin_Saml2_ValidationError.WRONG_SIGNED_ELEMENT: Reason.BAD_SIGNATURE,
    OneLogin_Saml2_ValidationError.INVALID_SIGNED_ELEMENT: Reason.BAD_SIGNATURE,
    OneLogin_Saml2_ValidationError.UNEXPECTED_SIGNED_ELEMENTS: Reason.BAD_SIGNATURE,
    OneLogin_Saml2_ValidationError.DEPRECATED_SIGNATURE_METHOD: Reason.WEAK_ALGORITHM,
    OneLogin_Saml2_ValidationError.DEPRECATED_DIGEST_METHOD: Reason.WEAK_ALGORITHM,
}


class _Schemas(threading.local):
    """The library's XML schemas, compiled once a thread: it does so for each message, which takes longer than the rest of its checks."""

    def __init__(self) -> None:
        self._compiled: dict[str, etree.XMLSchema] = {}

    def __call__(self, document: Any) -> etree.XMLSchema:  # noqa: ANN401 - lxml has no types
        address = document.docinfo.URL
        if address not in self._compiled:
            self._compiled[address] = etree.XMLSchema(document)
        return self._compiled[address]


OneLogin_Saml2_XML._schema_class = _Schemas()  # noqa: SLF001 - the library's one place to say so


class _Response(OneLogin_Saml2_Response):  # type: ignore[misc] # the library has no types
    """The library's, without its clock: it allows for none of a clock's skew in SubjectConfirmationData. We check all times."""

    def validate_timestamps(self, **_how: object) -> bool:
        return True

    def get_session_not_on_or_after(self) -> None:
        return None

    def _query_assertion(self, xpath_expr: str) -> Any:  # noqa: ANN401 - the library has no types
        found = super()._query_assertion(xpath_expr)
        if xpath_expr != "/saml:Subject/saml:SubjectConfirmation":
            return found
        timeless = deepcopy(found)
        for data in (data for node in timeless for data in node.iterchildren(f"{{{Names.NS_SAML}}}SubjectConfirmationData")):
            for name in ("NotBefore", "NotOnOrAfter"):
                data.attrib.pop(name, None)
        return timeless

    def signed_parts(self) -> tuple[str, ...]:
        return tuple(sorted((TAGS[tag] for tag in self.process_signed_elements()), reverse=True))

    @property
    def assertion(self) -> Any:  # noqa: ANN401 - lxml has no types
        return self._query_assertion("")[0]


def envelope_request(saml_response: str) -> str | None:
    """The request that an answer says it is about: unsigned, and so good for nothing but finding what it may be about."""
    try:
        found: str | None = parsed(decoded(saml_response), tag="Response").get("InResponseTo")
    except Refused:
        return None
    return found


def verify(saml_response: str, *, ours: ServiceProvider, theirs: IdentityProvider, now: datetime) -> Claims:
    """Everything about an answer that can be known without asking the database.

    Args:
        saml_response: As it was posted (base64).
        ours: Us.
        theirs: Whose keys must have signed it, chosen by the address that it came to.
        now: Each time may be off by ``SKEW``.

    Raises:
        Refused: Something isn't right.
    """
    xml = decoded(saml_response)
    parsed(xml, tag="Response")
    settings = library_settings(ours, theirs)
    try:
        response = _Response(settings, base64.b64encode(xml))
    except Exception as error:  # noqa: BLE001 - errors of xmlsec, lxml and the library have no class in common
        raise Refused(Reason.UNDECRYPTABLE, f"{type(error).__name__}: {error}") from None
    document = response.get_xml_document()
    if response.encrypted:
        screen(document)
    try:
        response.is_valid(request_data(ours.acs_url), raise_exceptions=True)
        claims = _claims(response)
    except (OneLogin_Saml2_ValidationError, OneLogin_Saml2_Error) as error:
        raise Refused(LIBRARY.get(error.code, Reason.MALFORMED), str(error)) from None
    _check_addresses(response.document, response.assertion, ours=ours, theirs=theirs)
    _check_times(response.assertion, now=now)
    return claims


def _claims(response: _Response) -> Claims:
    assertion = response.assertion
    name_id = response.get_nameid_data()
    envelope, signed = response.document.get("InResponseTo"), _confirmation(assertion).get("InResponseTo")
    if envelope != signed:
        raise Refused(Reason.UNKNOWN_REQUEST, "the envelope and what is signed name different requests")
    ends = response._query_assertion("/saml:AuthnStatement/@SessionNotOnOrAfter")  # noqa: SLF001 - our own subclass's
    return Claims(
        assertion_id=assertion.get("ID"),
        in_response_to=signed,
        name_id=name_id["Value"],
        name_id_format=name_id.get("Format", ""),
        name_qualifier=name_id.get("NameQualifier"),
        sp_name_qualifier=name_id.get("SPNameQualifier"),
        session_index=response.get_session_index(),
        session_ends=instant(ends[0], what="SessionNotOnOrAfter").timestamp() if ends else None,
        attributes=_attributes(response),
        signed=response.signed_parts(),
        is_encrypted=bool(response.encrypted),
    )


def _attributes(response: _Response) -> dict[str, tuple[str, ...]]:
    """Each attribute with the whole text of its values, so that markup inside a value can't cut it short."""
    found: dict[str, list[str]] = {}
    for attribute in response._query_assertion("/saml:AttributeStatement/saml:Attribute"):  # noqa: SLF001 - our own subclass's
        values = found.setdefault(attribute.get("Name"), [])
        for value in attribute.iterchildren(f"{{{Names.NS_SAML}}}AttributeValue"):
            text = "".join(value.itertext())
            if text.strip():
                values.append(text.strip(" \t\r\n"))
    return {name: tuple(values) for name, values in found.items() if values}


def _confirmation(assertion: Any) -> Any:  # noqa: ANN401 - lxml has no types
    """The one SubjectConfirmationData of the one bearer confirmation (Profiles, 4.1.4.2).

    Raises:
        Refused: There isn't exactly one.
    """
    found = assertion.findall("saml:Subject/saml:SubjectConfirmation", namespaces=Names.NSMAP)
    data = found[0].find("saml:SubjectConfirmationData", namespaces=Names.NSMAP) if len(found) == 1 else None
    if data is None or found[0].get("Method") != Names.CM_BEARER:
        raise Refused(Reason.WRONG_RECIPIENT, "not exactly one bearer confirmation")
    return data


def _check_addresses(document: Any, assertion: Any, *, ours: ServiceProvider, theirs: IdentityProvider) -> None:  # noqa: ANN401 - lxml
    """Destination, recipient, audience and issuer are there and exactly ours and theirs; the library takes none and longer ones."""
    if document.get("Destination") != ours.acs_url:
        raise Refused(Reason.WRONG_DESTINATION, str(document.get("Destination")))
    recipient = _confirmation(assertion).get("Recipient")
    if recipient != ours.acs_url:
        raise Refused(Reason.WRONG_RECIPIENT, str(recipient))
    issuer = assertion.findtext("saml:Issuer", namespaces=Names.NSMAP)
    if issuer != theirs.entity_id:
        raise Refused(Reason.WRONG_ISSUER, str(issuer))
    restrictions = assertion.findall("saml:Conditions/saml:AudienceRestriction", namespaces=Names.NSMAP)
    audiences = [[audience.text for audience in one.findall("saml:Audience", namespaces=Names.NSMAP)] for one in restrictions]
    if not audiences or any(ours.entity_id not in one for one in audiences):
        raise Refused(Reason.WRONG_AUDIENCE, str(audiences))


def _check_times(assertion: Any, *, now: datetime) -> None:  # noqa: ANN401 - lxml has no types
    """Each time that is there, with allowance for skew; the end must be there, at most 24 hours after the beginning."""
    issued = instant(assertion.get("IssueInstant"), what="IssueInstant")
    confirmation = _confirmation(assertion)
    [conditions] = assertion.findall("saml:Conditions", namespaces=Names.NSMAP)
    ends = [instant(confirmation.get("NotOnOrAfter"), what="NotOnOrAfter")]
    begins = [issued]
    for element in (conditions, confirmation):
        begins += [instant(element.get("NotBefore"), what="NotBefore")] if element.get("NotBefore") else []
    if conditions.get("NotOnOrAfter"):
        ends.append(instant(conditions.get("NotOnOrAfter"), what="NotOnOrAfter"))
    statements = assertion.findall("saml:AuthnStatement[@SessionNotOnOrAfter]", namespaces=Names.NSMAP)
    session_ends = [instant(one.get("SessionNotOnOrAfter"), what="SessionNotOnOrAfter") for one in statements]
    if max(ends) - issued > LONGEST_LIFE or now - issued > LONGEST_LIFE + SKEW:
        raise Refused(Reason.LIFETIME_TOO_LONG, str(max(ends) - issued))
    if min([*ends, *session_ends]) + SKEW <= now:
        raise Refused(Reason.EXPIRED, min([*ends, *session_ends]).isoformat())
    if max(begins) - SKEW > now:
        raise Refused(Reason.NOT_YET_VALID, max(begins).isoformat())
