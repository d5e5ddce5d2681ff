"""Logout messages of identity providers: always signed, about us, fresh."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from onelogin.saml2.auth import OneLogin_Saml2_Auth
from onelogin.saml2.constants import OneLogin_Saml2_Constants as Names
from onelogin.saml2.errors import OneLogin_Saml2_Error, OneLogin_Saml2_ValidationError
from onelogin.saml2.logout_request import OneLogin_Saml2_Logout_Request
from onelogin.saml2.logout_response import OneLogin_Saml2_Logout_Response
from onelogin.saml2.utils import OneLogin_Saml2_Utils

from portal.sso.rules.connections import Binding, IdentityProvider, ServiceProvider
from portal.sso.rules.messages import SKEW, decoded, inflated, instant, library_settings, parsed, request_data
from portal.sso.rules.reasons import Reason, Refused
from portal.sso.rules.responses import LIBRARY

FRESH = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class LogoutMessage:
    """A request or an answer about a sign-out.

    Attributes:
        is_request: Whether it asks; otherwise it answers.
        in_response_to: For an answer, the request of ours.
        session_indexes: For a request, the sessions to end; none means all of the person's.
        is_done: For an answer, whether the identity provider has signed the person out.
    """

    id: str
    is_request: bool
    name_id: str = ""
    session_indexes: tuple[str, ...] = ()
    in_response_to: str = ""
    is_done: bool = False


def read(
    fields: Mapping[str, str],
    *,
    binding: Binding,
    query_string: str,
    ours: ServiceProvider,
    theirs: IdentityProvider,
    now: datetime,
) -> LogoutMessage:
    """A logout message that was found right.

    Args:
        fields: Its parameters, decoded, none of them twice.
        binding: How it came.
        query_string: For a redirect, the letters that the signature is over.
        ours: Us.
        theirs: Whose keys must have signed it.
        now: Times may be off by ``SKEW``.

    Raises:
        Refused: Something isn't right.
    """
    asks, answers = "SAMLRequest" in fields, "SAMLResponse" in fields
    if asks == answers:
        raise Refused(Reason.MALFORMED, "not exactly one message")
    kind = "SAMLRequest" if asks else "SAMLResponse"
    tag = "LogoutRequest" if asks else "LogoutResponse"
    xml = inflated(fields[kind]) if binding is Binding.REDIRECT else decoded(fields[kind])
    root = parsed(xml, tag=tag)
    if binding is Binding.REDIRECT:
        _check_query(fields, query_string, kind=kind, ours=ours, theirs=theirs)
    else:
        _check_envelope(root, tag=tag, theirs=theirs)
    settings = library_settings(ours, theirs, signed=binding is Binding.REDIRECT)
    data = {**request_data(ours.slo_url), "get_data": dict(fields)}
    packed = base64.b64encode(xml).decode()
    try:
        if asks:
            OneLogin_Saml2_Logout_Request(settings, packed).is_valid(data, raise_exceptions=True)
        else:
            OneLogin_Saml2_Logout_Response(settings, packed).is_valid(data, raise_exceptions=True)
        _check_root(root, ours=ours, theirs=theirs, now=now)
        return _request(root, ours) if asks else _answer(root)
    except (OneLogin_Saml2_ValidationError, OneLogin_Saml2_Error) as error:
        raise Refused(LIBRARY.get(error.code, Reason.MALFORMED), str(error)) from None


def _check_query(fields: Mapping[str, str], query_string: str, *, kind: str, ours: ServiceProvider, theirs: IdentityProvider) -> None:
    """The signature over the address (Bindings, 3.4.4.1), as it came: Entra and ADFS write their escapes in lower case."""
    data = {**request_data(ours.slo_url), "query_string": query_string, "validate_signature_from_qs": True}
    auth = OneLogin_Saml2_Auth(data, library_settings(ours, theirs, signed=True))
    check = auth.validate_request_signature if kind == "SAMLRequest" else auth.validate_response_signature
    if not check(dict(fields)):
        weak = fields.get("SigAlg", "") in Names.DEPRECATED_ALGORITHMS
        raise Refused(Reason.WEAK_ALGORITHM if weak else Reason.BAD_SIGNATURE, str(auth.get_last_error_reason() or ""))


def _check_envelope(root: Any, *, tag: str, theirs: IdentityProvider) -> None:  # noqa: ANN401 - lxml has no types
    """The signature inside a posted message: one, of the whole message."""
    signatures = root.xpath("//ds:Signature", namespaces=Names.NSMAP)
    if len(signatures) != 1 or signatures[0].getparent() is not root:
        raise Refused(Reason.BAD_SIGNATURE, f"{len(signatures)} signatures")
    path = f"/samlp:{tag}/ds:Signature"
    if not OneLogin_Saml2_Utils.validate_sign(root, multicerts=[_pem(one) for one in theirs.certificates], xpath=path):
        raise Refused(Reason.BAD_SIGNATURE)


def _pem(certificate: str) -> str:
    return str(OneLogin_Saml2_Utils.format_cert(certificate))


def _check_root(root: Any, *, ours: ServiceProvider, theirs: IdentityProvider, now: datetime) -> None:  # noqa: ANN401 - lxml has no types
    if root.get("Destination") != ours.slo_url:
        raise Refused(Reason.WRONG_DESTINATION, str(root.get("Destination")))
    if root.findtext("saml:Issuer", namespaces=Names.NSMAP) != theirs.entity_id:
        raise Refused(Reason.WRONG_ISSUER)
    issued = instant(root.get("IssueInstant"), what="IssueInstant")
    if issued + FRESH + SKEW <= now:
        raise Refused(Reason.EXPIRED, issued.isoformat())
    if issued - SKEW > now:
        raise Refused(Reason.NOT_YET_VALID, issued.isoformat())


def _request(root: Any, ours: ServiceProvider) -> LogoutMessage:  # noqa: ANN401 - lxml has no types
    name_id = OneLogin_Saml2_Logout_Request.get_nameid(root, ours.private_key)
    indexes = OneLogin_Saml2_Logout_Request.get_session_indexes(root)
    return LogoutMessage(root.get("ID"), is_request=True, name_id=name_id or "", session_indexes=tuple(index for index in indexes if index))


def _answer(root: Any) -> LogoutMessage:  # noqa: ANN401 - lxml has no types
    code = root.find("samlp:Status/samlp:StatusCode", namespaces=Names.NSMAP)
    done = code is not None and code.get("Value") == Names.STATUS_SUCCESS
    return LogoutMessage(root.get("ID"), is_request=False, in_response_to=root.get("InResponseTo") or "", is_done=done)
