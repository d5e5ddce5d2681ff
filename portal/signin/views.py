"""Pages: signing in (e-mail first, then the password), signing up, verifying an address, a new password, signing out."""

from flask import Blueprint, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user

from portal.accounts import service
from portal.accounts.rules import LinkPurpose
from portal.accounts.schemas import EmailIn, NewPasswordIn, SignInIn, SignUpIn
from portal.signin import service as passwords
from portal.sso.service import enforcement, logout
from portal.sso.views.saml import carried
from portal.web import cookie
from portal.web.cookie import browser
from portal.web.forms import Form
from portal.web.gates import client_address, public, require_user, signed_in
from portal.web.page import local_path, page, redirect_to, redirect_to_path, toast
from portal.web.security import account_limit, limiter, sign_in_limit

bp = Blueprint("signin", __name__)


@bp.get("/")
@public
def start() -> ResponseReturnValue:
    """Leads to where the visitor belongs."""
    return redirect_to("home.organizations" if current_user.is_authenticated else "signin.signin")


@bp.get("/signin")
@public
def signin() -> ResponseReturnValue:
    """Asks for the e-mail address first."""
    values = {"email": request.args.get("email", ""), "next": local_path(request.args.get("next"), otherwise="")}
    return page("signin/email.html", form=Form(EmailIn, values))


@bp.post("/signin")
@sign_in_limit
@public
def signin_email() -> ResponseReturnValue:
    """Goes on to the password of the address."""
    form = Form.posted(EmailIn)
    data = form.submit(lambda data: data)
    if data is None:
        return page("signin/email.html", form=form, status=422)
    way, wanted = enforcement.way_of(data.email), local_path(data.next, otherwise="") or None
    path = url_for("sso.login", connection_id=way.connection_id, next=wanted) if way else ""
    if way is not None and way.is_enforced:
        response = page("signin/sso.html", way=way, path=path, email=data.email)
        response.headers["Refresh"] = f"0; url={path}"  # a redirect after a form would be held to form-action
        return response
    return page("signin/password.html", form=Form(SignInIn, {"email": data.email, "next": data.next or ""}), way=way, path=path)


@bp.get("/signin/owner")
@public
def owner() -> ResponseReturnValue:
    """The password of an owner who can't come in by single sign-on."""
    return page("signin/owner.html", form=Form(SignInIn, {"email": request.args.get("email", "")}))


@bp.post("/signin/password")
@sign_in_limit
@account_limit
@public
def signin_password() -> ResponseReturnValue:
    """Signs in by password."""
    form = Form.posted(SignInIn)
    user = form.submit(passwords.sign_in, ip=client_address())
    if user is None:
        form.values["password"] = ""
        return page("signin/password.html", form=form, way=None, path="", status=422)
    service.close_session(cookie.sign_out())
    service.open_session(user, **browser())
    cookie.sign_in(user)
    return redirect_to_path(local_path(form.values.get("next"), otherwise=url_for("home.organizations")))


@bp.get("/signup")
@public
def signup() -> ResponseReturnValue:
    """Asks for what an account needs."""
    values = {"email": request.args.get("email", ""), "next": local_path(request.args.get("next"), otherwise="")}
    return page("signin/signup.html", form=Form(SignUpIn, values))


@bp.post("/signup")
@sign_in_limit
@public
def signup_post() -> ResponseReturnValue:
    """Makes the account and signs in."""
    form = Form.posted(SignUpIn)
    user = form.submit(passwords.sign_up, ip=client_address())
    if user is None:
        form.values["password"] = ""
        return page("signin/signup.html", form=form, status=422)
    service.close_session(cookie.sign_out())
    service.open_session(user, **browser())
    cookie.sign_in(user)
    toast(f"We have sent a link to {user.email}; open it to confirm the address.")
    return redirect_to_path(local_path(form.values.get("next"), otherwise=url_for("setup.welcome")))


@bp.post("/signout")
@public
def signout() -> ResponseReturnValue:
    """Ends the sign-in of this browser, and then the identity provider's if it came from one that takes that."""
    token = cookie.sign_out()
    message = logout.ask(token)
    service.close_session(token)
    if message is not None:
        return carried(message)
    toast("You are signed out.")
    return redirect_to("signin.signin")


@bp.get("/account")
@signed_in
def account() -> ResponseReturnValue:
    """Who is signed in."""
    return page("signin/account.html", user=require_user())


@bp.post("/account/signout-everywhere")
@signed_in
def signout_everywhere() -> ResponseReturnValue:
    """Ends the sign-ins of every browser."""
    service.close_all_sessions(require_user().id)
    cookie.sign_out()
    toast("Every browser is signed out, this one too.")
    return redirect_to("signin.signin")


@bp.post("/verify/resend")
@limiter.limit("5/minute")
@signed_in
def verify_resend() -> ResponseReturnValue:
    """Mails the verification link again."""
    user = require_user()
    service.resend_verification(user)
    toast(f"We have sent a new link to {user.email}.")
    return redirect_to("home.organizations")


@bp.get("/verify/<token>")
@public
def verify(token: str) -> ResponseReturnValue:
    """Asks to confirm, so that a mail scanner that opens links changes nothing."""
    link = service.usable_link(token, LinkPurpose.VERIFY_EMAIL)
    return page("signin/verify.html", link=link, token=token)


@bp.post("/verify/<token>")
@sign_in_limit
@public
def verify_post(token: str) -> ResponseReturnValue:
    """Takes the address as verified."""
    user = service.verify_email(token)
    toast(f"Thank you. {user.email} is confirmed.")
    return redirect_to("signin.start")


@bp.get("/forgot")
@public
def forgot() -> ResponseReturnValue:
    """Asks whose password is to be set anew."""
    return page("signin/forgot.html", form=Form(EmailIn, {"email": request.args.get("email", "")}), sent=False)


@bp.post("/forgot")
@sign_in_limit
@account_limit
@public
def forgot_post() -> ResponseReturnValue:
    """Mails a link when there is such an account, and says the same when there is none."""
    form = Form.posted(EmailIn)
    form.submit(lambda data: service.request_password_reset(data.email))
    if not form.is_valid:
        return page("signin/forgot.html", form=form, sent=False, status=422)
    return page("signin/forgot.html", form=form, sent=True)


@bp.get("/reset/<token>")
@public
def reset(token: str) -> ResponseReturnValue:
    """Asks for the new password."""
    link = service.usable_link(token, LinkPurpose.RESET_PASSWORD)
    return page("signin/reset.html", form=Form(NewPasswordIn), email=link.user.email, token=token)


@bp.post("/reset/<token>")
@sign_in_limit
@public
def reset_post(token: str) -> ResponseReturnValue:
    """Sets the new password and signs out everywhere."""
    form = Form.posted(NewPasswordIn)
    user = form.submit(lambda data: service.reset_password(token, password=data.password, ip=client_address()))
    if user is None:
        form.values = {}
        link = service.usable_link(token, LinkPurpose.RESET_PASSWORD)
        return page("signin/reset.html", form=form, email=link.user.email, token=token, status=422)
    service.close_session(cookie.sign_out())
    toast("Your new password is set, and every browser was signed out. Sign in with it now.")
    return redirect_to("signin.signin", email=user.email)
