"""What we send: requests for a sign-in or a sign-out and answers to logout requests, all signed (RSA-SHA256)."""

from dataclasses import dataclass
from typing import Any

from onelogin.saml2.auth import OneLogin_Saml2_Auth
from onelogin.saml2.authn_request import OneLogin_Saml2_Authn_Request
from onelogin.saml2.constants import OneLogin_Saml2_Constants as Names
from onelogin.saml2.logout_request import OneLogin_Saml2_Logout_Request
from onelogin.saml2.logout_response import OneLogin_Saml2_Logout_Response
from onelogin.saml2.utils import OneLogin_Saml2_Utils

from portal.sso.rules.connections import Binding, IdentityProvider, ServiceProvider
from portal.sso.rules.messages import escaped, library_settings, request_data


@dataclass(frozen=True, slots=True)
class Subject:
    """Who is to be signed out, as the identity provider named them when they signed in."""

    name_id: str
    name_id_format: str
    name_qualifier: str | None
    sp_name_qualifier: str | None
    session_index: str | None


@dataclass(frozen=True, slots=True)
class Sent:
    """A message on its way to the identity provider, in the visitor's browser.

    Attributes:
        id: Its id, empty for answers.
        url: Where the browser goes; for POST, without the message.
        fields: What a form must post there; empty for a redirect.
    """

    id: str
    url: str
    fields: dict[str, str]


def sign_in_request(*, ours: ServiceProvider, theirs: IdentityProvider, request_id: str, relay_state: str | None) -> Sent:
    """The address that asks the identity provider to sign somebody in."""
    settings = library_settings(ours, theirs)
    request = _AuthnRequest(settings, request_id=request_id)
    parameters = {"SAMLRequest": request.get_request(), **({"RelayState": relay_state} if relay_state else {})}
    auth = OneLogin_Saml2_Auth(request_data(ours.login_url), settings)
    auth.add_request_signature(parameters, Names.RSA_SHA256)
    return Sent(request_id, _address(theirs.sso_url, parameters), {})


def logout_request(subject: Subject, *, ours: ServiceProvider, theirs: IdentityProvider) -> Sent | None:
    """The message that asks the identity provider to sign somebody out, or None when it takes none."""
    if not theirs.slo_url:
        return None
    message = OneLogin_Saml2_Logout_Request(
        library_settings(ours, theirs),
        name_id=subject.name_id,
        session_index=escaped(subject.session_index) if subject.session_index else None,
        nq=subject.name_qualifier,
        name_id_format=subject.name_id_format or None,
        spnq=subject.sp_name_qualifier,
    )
    return _send(message, theirs.slo_url, ours=ours, theirs=theirs, kind="SAMLRequest", relay_state=None)


def logout_answer(*, ours: ServiceProvider, theirs: IdentityProvider, in_response_to: str, relay_state: str | None) -> Sent | None:
    """The message that tells the identity provider that somebody is signed out here, or None when it takes none."""
    if not theirs.slo_url:
        return None
    message = OneLogin_Saml2_Logout_Response(library_settings(ours, theirs))
    message.build(escaped(in_response_to))
    url = theirs.slo_response_url or theirs.slo_url
    return _send(message, url, ours=ours, theirs=theirs, kind="SAMLResponse", relay_state=relay_state)


class _AuthnRequest(OneLogin_Saml2_Authn_Request):  # type: ignore[misc] # the library has no types
    """The library's, under an id of ours."""

    def __init__(self, settings: Any, *, request_id: str) -> None:  # noqa: ANN401 - the library has no types
        self._own_id = request_id
        super().__init__(settings, set_nameid_policy=True)

    def _generate_request_id(self) -> str:
        return self._own_id


def _send(
    message: Any,  # noqa: ANN401 - the library has no types
    url: str,
    *,
    ours: ServiceProvider,
    theirs: IdentityProvider,
    kind: str,
    relay_state: str | None,
) -> Sent:
    relayed = {"RelayState": relay_state} if relay_state else {}
    packed = message.get_request if kind == "SAMLRequest" else message.get_response
    if theirs.slo_binding is Binding.POST:
        xml = message.get_xml()
        signed = OneLogin_Saml2_Utils.add_sign(xml, ours.private_key, ours.certificate, False, Names.RSA_SHA256, Names.SHA256)  # noqa: FBT003 - debug, by position
        return Sent(message.id, url, {kind: OneLogin_Saml2_Utils.b64encode(signed), **relayed})
    parameters = {kind: packed(), **relayed}
    auth = OneLogin_Saml2_Auth(request_data(ours.slo_url), library_settings(ours, theirs))
    if kind == "SAMLRequest":
        auth.add_request_signature(parameters, Names.RSA_SHA256)
    else:
        auth.add_response_signature(parameters, Names.RSA_SHA256)
    return Sent(message.id, _address(url, parameters), {})


def _address(url: str, parameters: dict[str, str]) -> str:
    """In the library's own way, because the signature is over these very letters."""
    query = "&".join(f"{name}={OneLogin_Saml2_Utils.escape_url(value)}" for name, value in parameters.items())
    return f"{url}{'&' if '?' in url else '?'}{query}"
