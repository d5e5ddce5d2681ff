"""JSON of signing up, in and out."""

from flask import Blueprint, jsonify
from flask.typing import ResponseReturnValue
from flask_wtf.csrf import generate_csrf

from portal.accounts import service
from portal.accounts.schemas import SignInIn, SignUpIn, UserOut
from portal.orgs.queries import memberships_of
from portal.orgs.rules.tokens import TokenScope
from portal.orgs.schemas import MembershipOut
from portal.signin import service as passwords
from portal.sso.schemas import DomainCheckQuery, WayInOut
from portal.web import cookie
from portal.web.bearer import bearer, scoped
from portal.web.cookie import browser
from portal.web.forms import json_body, query
from portal.web.gates import client_address, public, require_user, signed_in
from portal.web.openapi import describes, wrapped
from portal.web.security import account_limit, sign_in_limit

bp = Blueprint("signin_api", __name__, url_prefix="/api/auth")


@bp.post("/signup")
@sign_in_limit
@public
@describes(body=SignUpIn, answers={201: wrapped("user", UserOut)}, refuses={403: ("SSO_REQUIRED",), 409: ("EMAIL_TAKEN",)})
def signup() -> ResponseReturnValue:
    """Makes an account and signs in."""
    user = passwords.sign_up(json_body(SignUpIn), ip=client_address())
    service.close_session(cookie.sign_out())
    service.open_session(user, **browser())
    cookie.sign_in(user)
    return jsonify(user=UserOut.of(user).to_json()), 201


@bp.post("/login")
@sign_in_limit
@account_limit
@public
@describes(body=SignInIn, answers={200: wrapped("user", UserOut)}, refuses={401: ("WRONG_CREDENTIALS",), 403: ("SSO_REQUIRED",)})
def login() -> ResponseReturnValue:
    """Signs in by password."""
    user = passwords.sign_in(json_body(SignInIn), ip=client_address())
    service.close_session(cookie.sign_out())
    service.open_session(user, **browser())
    cookie.sign_in(user)
    return jsonify(user=UserOut.of(user).to_json())


@bp.post("/logout")
@signed_in
@describes(answers={200: wrapped("signedOut", bool)})
def logout() -> ResponseReturnValue:
    """Ends the sign-in of this client."""
    service.close_session(cookie.sign_out())
    return jsonify(signedOut=True)


@bp.get("/me")
@signed_in
@scoped(*TokenScope)
@describes(answers={200: wrapped("user", UserOut, memberships=list[MembershipOut])})
def me() -> ResponseReturnValue:
    """Who is signed in, and where they are a member; by an API token, its maker and its organization."""
    user, token = require_user(), bearer()
    places = [
        MembershipOut.of(membership).to_json()
        for membership in memberships_of(user.id)
        if token is None or membership.organization_id == token.organization_id
    ]
    return jsonify(user=UserOut.of(user).to_json(), memberships=places)


@bp.get("/csrf")
@public
@describes(answers={200: wrapped("csrfToken", str)})
def csrf() -> ResponseReturnValue:
    """The token that state-changing calls send as ``X-CSRFToken``."""
    return jsonify(csrfToken=generate_csrf())


@bp.get("/sso/domain-check")
@sign_in_limit
@account_limit
@public
@describes(query=DomainCheckQuery, answers={200: WayInOut})
def domain_check() -> ResponseReturnValue:
    """Whether an address must sign in by single sign-on; looks at its domain alone."""
    return jsonify(passwords.way_in(query(DomainCheckQuery).email).to_json())
