"""Signing in and up by password, where single sign-on allows it."""

from portal import config
from portal.accounts import service as accounts
from portal.accounts.models import User
from portal.accounts.schemas import SignInIn, SignUpIn
from portal.errors import Unauthenticated
from portal.sso.schemas import WayInOut
from portal.sso.service import enforcement


def sign_in(data: SignInIn, *, ip: str | None) -> User:
    """The user whose address and password these are.

    Where single sign-on is required, everybody gets the same refusal, whether the password is right or not, and as slowly; only an owner
    of the organization that requires it breaks the glass.

    Raises:
        Unauthenticated: ``WRONG_CREDENTIALS``.
        Forbidden: ``SSO_REQUIRED``, with ``ssoSignInUrl``.
    """
    way = enforcement.way_of(data.email)
    if way is None or not way.is_enforced:
        return accounts.sign_in(data)
    refusal = enforcement.required(way, base_url=config.current().base_url)
    try:
        user = accounts.sign_in(data)
    except Unauthenticated:
        raise refusal from None
    if not enforcement.may_use_password(user, way, ip=ip):
        raise refusal
    return user


def sign_up(data: SignUpIn, *, ip: str | None) -> User:
    """Makes an account with a password.

    Raises:
        Conflict: ``EMAIL_TAKEN``.
        Forbidden: ``SSO_REQUIRED``: accounts of this domain come by single sign-on.
        Invalid: The password is too weak.
    """
    way = enforcement.way_of(data.email)
    if way is not None and way.is_enforced:
        raise enforcement.required(way, base_url=config.current().base_url)
    return accounts.sign_up(data, ip=ip)


def way_in(email: str) -> WayInOut:
    """Whether an address must sign in by single sign-on, and where."""
    way = enforcement.way_of(email)
    if way is None or not way.is_enforced:
        return WayInOut(enforce_sso=False)
    url = enforcement.login_url(way, base_url=config.current().base_url)
    return WayInOut(enforce_sso=True, provider_id=way.provider_id, sso_sign_in_url=url)
