"""The endpoints that identity providers know: metadata, the start of a sign-in, the ACS, and logout."""

import re
from collections.abc import Mapping
from typing import Any

from flask import Blueprint, Response, request, session, url_for
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge

from portal import crypto
from portal.accounts.service import close_session
from portal.sso.rules.connections import Binding
from portal.sso.rules.messages import MOST_BODY, parameters
from portal.sso.rules.metadata import service_metadata
from portal.sso.rules.reasons import Reason, Refused
from portal.sso.rules.requests import Sent
from portal.sso.service import logout, parties, requests, sign_ins
from portal.sso.service.sign_ins import Visit
from portal.web import cookie
from portal.web.gates import client_address, public, signed
from portal.web.page import leave_to, local_path, page, redirect_to, redirect_to_path, toast
from portal.web.security import SLO_ORIGIN, allow_forms_to, csrf, origin_of, refusal_limit

bp = Blueprint("sso", __name__, url_prefix="/sso/saml/<connection_id>")
BROWSER_COOKIE = "portal_sso"
BROWSER_LASTS = 3600
TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")
SAML_NAMES = {"SAMLRequest", "SAMLResponse"}


@bp.get("/metadata")
@public
def metadata(connection_id: str) -> ResponseReturnValue:
    """Our own metadata for one connection."""
    xml = service_metadata(parties.ours(requests.require_party(connection_id)))
    return Response(xml, content_type="application/samlmetadata+xml; charset=utf-8")


@bp.get("/login")
@public
def login(connection_id: str) -> ResponseReturnValue:
    """Leads to the identity provider; its answer works once, in this browser."""
    browser = _browser() or crypto.random_token()
    wanted = local_path(request.args.get("next"), otherwise="") or None
    return _remembered(leave_to(requests.begin(connection_id, browser=browser, next_path=wanted).url), browser)


@bp.get("/test/<request_id>")
@public
def test(connection_id: str, request_id: str) -> ResponseReturnValue:
    """Leads to the identity provider for a test that an owner has prepared."""
    browser = _browser() or crypto.random_token()
    return _remembered(leave_to(requests.begin_test(connection_id, request_id, browser=browser).url), browser)


@bp.post("/acs")
@refusal_limit
@signed
def acs(connection_id: str) -> ResponseReturnValue:
    """Takes the identity provider's answer: signs in, shows a test's outcome, or refuses."""
    before = cookie.token()
    outcome = sign_ins.receive(connection_id, _posted, visit=_visit())
    if outcome.test is not None:
        return page("sso/tested.html", csrf_token=str, test=outcome.test, organization=outcome.organization, connection_id=connection_id)
    if outcome.user is None or outcome.organization is None:
        return _refused(outcome.reason, outcome.organization)
    if before:
        close_session(before)
    cookie.sign_in(outcome.user)
    if outcome.slo_url:
        session[SLO_ORIGIN] = origin_of(outcome.slo_url)
    wanted = outcome.next_path if outcome.was_asked else request.form.get("RelayState")
    return redirect_to_path(local_path(wanted, otherwise=url_for("home.show", slug=outcome.organization.slug)))


@bp.route("/slo", methods=["GET", "POST"])
@refusal_limit
@signed
def slo(connection_id: str) -> ResponseReturnValue:
    """Takes a logout message, by redirect or POST: signs out and answers, or hears that it is done there, too."""
    binding = Binding.POST if request.method == "POST" else Binding.REDIRECT
    query_string = request.query_string.decode(errors="replace")
    read = _posted if binding is Binding.POST else _asked
    outcome = logout.receive(connection_id, read, binding=binding, query_string=query_string, visit=_visit())
    if outcome.reason is not None:
        return _refused(outcome.reason, None)
    if outcome.answer is not None:
        return carried(outcome.answer)
    toast(
        "You are signed out, here and at your company." if outcome.is_done else "You are signed out here. Your company kept you signed in."
    )
    return redirect_to("signin.signin")


def carried(message: Sent) -> ResponseReturnValue:
    """Lets the browser carry a message to the identity provider: by a redirect, or by a form that it sends at once."""
    if not message.fields:
        return leave_to(message.url)
    allow_forms_to(message.url)
    return page("sso/post.html", message=message)


def _refused(reason: Reason | None, organization: Any) -> ResponseReturnValue:  # noqa: ANN401 - an Organization or None
    """A page without a CSRF token.

    Making one would put a fresh cookie in the place of the visitor's own, which a POST from elsewhere doesn't bring along; so anybody
    could sign people out.
    """
    if reason is not None and reason.is_about_person and organization is not None:
        return page("sso/barred.html", status=403, csrf_token=str, reason=reason.value, organization=organization)
    return page("sso/refused.html", status=403, csrf_token=str)


def _posted() -> Mapping[str, str]:
    """The posted fields; a message has 1 MB at most, and stands in the body alone."""
    request.max_content_length = request.max_form_memory_size = MOST_BODY
    try:
        pairs = [(name, value) for name, values in request.form.lists() for value in values]
    except RequestEntityTooLarge:
        raise Refused(Reason.TOO_LARGE) from None
    except HTTPException as error:
        raise Refused(Reason.MALFORMED, error.name) from None
    if SAML_NAMES & set(request.args):
        raise Refused(Reason.REPEATED_PARAMETER, "in the address, too")
    return parameters(pairs)


def _asked() -> Mapping[str, str]:
    """The parameters of the address, decoded."""
    return parameters([(name, value) for name, values in request.args.lists() for value in values])


def _visit() -> Visit:
    return Visit(browser=_browser(), ip=client_address(), user_agent=request.user_agent.string)


def _browser() -> str:
    """What this browser's own cookie says; it comes along with the identity provider's POST, which the sign-in cookie doesn't."""
    value = request.cookies.get(BROWSER_COOKIE, "")
    return value if TOKEN.fullmatch(value) else ""


def _remembered(response: Response, browser: str) -> Response:
    response.set_cookie(BROWSER_COOKIE, browser, max_age=BROWSER_LASTS, path="/sso", secure=True, httponly=True, samesite="None")
    return response


csrf.exempt(acs)
csrf.exempt(slo)
