"""Which way an address signs in, and who may sign in by password in spite of it."""

from portal.accounts.models import User
from portal.audit import service as audit
from portal.audit.rules import Action, Actor, Via
from portal.errors import Forbidden
from portal.orgs import queries as orgs
from portal.orgs.rules import MembershipStatus, Role
from portal.sso import queries
from portal.sso.queries import WayIn
from portal.sso.rules.addresses import ascii_domain
from portal.sso.rules.connections import ServiceProvider


def way_of(email: str) -> WayIn | None:
    """How an address can sign in by single sign-on; looks at its domain alone, so that nobody learns who has an account."""
    return queries.way_in(ascii_domain(email.rpartition("@")[2]) or "")


def login_url(way: WayIn, *, base_url: str) -> str:
    """Where its sign-in starts."""
    return ServiceProvider(base_url, way.connection_id).login_url


def required(way: WayIn, *, base_url: str) -> Forbidden:
    """The refusal of a password where single sign-on is required; the same whether the password is right or there is an account."""
    sentence = f"{way.organization_name} requires that you sign in by its single sign-on, not by a password."
    return Forbidden(sentence, code="SSO_REQUIRED", extra={"ssoSignInUrl": login_url(way, base_url=base_url)})


def may_use_password(user: User, way: WayIn, *, ip: str | None) -> bool:
    """Whether a password that was right may be used in spite of enforcement.

    An owner of the very organization breaks the glass, which is logged. The platform's own staff can't come in by single sign-on at all,
    so nobody's enforcement binds them.
    """
    if user.is_platform_staff:
        return True
    membership = orgs.membership(way.organization_id, user.id)
    if membership is None or membership.role is not Role.ORG_OWNER or membership.status is not MembershipStatus.ACTIVE:
        return False
    actor = Actor(user_id=user.id, name=user.name, via=Via.MEMBER, membership_id=membership.id, ip=ip)
    about = audit.Subject("user", user.id, user.name)
    audit.record(actor, Action.SSO_BREAK_GLASS, about, organization_id=way.organization_id, after={"email": user.email})
    return True
