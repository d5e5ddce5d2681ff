"""The one gate of organizations, for pages and API alike.

Signed in (401) → the organization exists and is no draft (404) → it isn't deactivated (403) → the caller is a member (403) →
the membership is active (403) → the rank suffices (403). Platform admins pass with owner's rank and are logged as themselves. An
API token acts as its maker, as a member and never as a platform admin, and on its own organization alone.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any, TypeVar

from flask import g, request

from portal.accounts.models import User
from portal.audit.rules import Actor, Via
from portal.errors import Conflict, Forbidden, NotFound
from portal.orgs import queries
from portal.orgs.models import Membership, Organization
from portal.orgs.rules import MembershipStatus, Role, Status
from portal.orgs.service import provider_orgs_are_on, provider_tier_off, require_open
from portal.web.bearer import admit, bearer
from portal.web.gates import admin, client_address, named, require_user
from portal.web.page import page, redirect_to
from portal.web.transactions import SAFE_METHODS

View = TypeVar("View", bound=Callable[..., Any])
Asked = tuple[Organization | None, Membership | None]


@dataclass(frozen=True, slots=True)
class Access:
    """What the gate found: the organization, who calls, and with which role.

    Attributes:
        membership: None for a platform admin who isn't a member.
        role: The member's role; ORG_OWNER for platform admins.
    """

    organization: Organization
    user: User
    membership: Membership | None
    role: Role
    actor: Actor

    @property
    def is_platform_admin(self) -> bool:
        """Whether they act for the platform, which an API token never does."""
        return self.actor.via is Via.PLATFORM_ADMIN

    def may(self, minimum: Role) -> bool:
        """Whether the role's rank suffices."""
        return self.role.rank >= minimum.rank


def require_org_access(asked: Asked, minimum_role: Role, *, user: User, ip: str | None, books: bool = False) -> Access:
    """Lets a user through, or says why not. Whoever calls by an API token is held to the token's organization.

    Args:
        asked: The organization that was asked for, if there is one, and the user's membership, if there is one.
        minimum_role: What the act needs.
        user: Who asks.
        ip: From where, for the audit log.
        books: It is about documents and money, which outlive the organization: platform admins get through to a deactivated one.

    Raises:
        NotFound: There is no such organization, or it is a draft.
        Forbidden: It is deactivated, or the user is no active member of sufficient rank.
    """
    organization, membership = asked
    token = bearer()
    is_admin = user.is_platform_admin and token is None
    if organization is None or organization.status is Status.DRAFT:
        raise NotFound("There is no such organization.", code="ORGANIZATION_NOT_FOUND")
    if organization.status is Status.DEACTIVATED and not (books and is_admin):
        raise Forbidden("Organization has been deactivated", code="ORGANIZATION_DEACTIVATED")
    if token is not None and token.organization_id != organization.id:
        raise Forbidden("This API token belongs to another organization.", code="TOKEN_OF_ANOTHER_ORGANIZATION")
    if is_admin:
        actor = Actor(user_id=user.id, name=user.name, via=Via.PLATFORM_ADMIN, ip=ip)
        return Access(organization, user, membership, Role.ORG_OWNER, actor)
    if membership is None or membership.status is MembershipStatus.REMOVED:
        raise Forbidden("Not a member of this organization", code="NOT_A_MEMBER")
    if membership.status is MembershipStatus.SUSPENDED:
        raise Forbidden("Membership is suspended", code="MEMBERSHIP_SUSPENDED")
    if membership.status is not MembershipStatus.ACTIVE:
        raise Forbidden("Your membership is waiting for approval.", code="MEMBERSHIP_PENDING")
    if membership.role.rank < minimum_role.rank:
        sentence = f"This needs the role {minimum_role.label} or above. Ask an admin of {organization.name}."
        raise Forbidden(sentence, code="ROLE_TOO_LOW")
    name, via = (user.name, Via.MEMBER) if token is None else (f"{user.name} (API token {token.name})", Via.API_TOKEN)
    actor = Actor(user_id=user.id, name=name, via=via, membership_id=membership.id, ip=ip)
    return Access(organization, user, membership, membership.role, actor)


def require_active(organization: Organization) -> None:
    """Lets only ACTIVE organizations do business.

    Raises:
        Conflict: ``ORGANIZATION_NOT_ACTIVE``: it is pending or suspended.
    """
    if organization.status is not Status.ACTIVE:
        sentence = f"{organization.name} is not active at the moment, so this can't be done. Ask the platform's staff."
        raise Conflict(sentence, code="ORGANIZATION_NOT_ACTIVE")


def require_member(access: Access) -> None:
    """Lets only members take sessions on the organization; a platform admin who is none may look, not book.

    Raises:
        Forbidden: ``NOT_A_MEMBER``.
    """
    if access.membership is None or access.membership.status is not MembershipStatus.ACTIVE:
        raise Forbidden("Not a member of this organization", code="NOT_A_MEMBER")


def org(minimum_role: Role, *, books: bool = False) -> Callable[[View], View]:
    """Marks a route as behind the gate; the view gets ``access`` in place of ``slug`` or ``organization_id``.

    A suspended organization is read-only: it answers whatever would change it with a 409.

    Args:
        minimum_role: What a member needs at least.
        books: As ``require_org_access``; platform admins may also settle what a closed organization owes.
    """

    def wrap(view: View) -> View:
        @wraps(view)
        def gated(**values: Any) -> Any:  # noqa: ANN401 - as the view
            admit(view)
            user = require_user()
            access = require_org_access(_asked_for(values, user), minimum_role, user=user, ip=client_address(), books=books)
            g.access = access
            if request.method not in SAFE_METHODS and not (books and access.is_platform_admin):
                require_open(access.organization)
            return view(access=access, **values)

        return named(gated, f"org({minimum_role})")  # type: ignore[return-value] # wraps() keeps the view's own shape

    return wrap


def provider_tier(view: View) -> View:
    """Marks an API route below its gate as one of provider organizations: 501 while they are switched off, 404 for a BUYER."""

    @wraps(view)
    def gated(**values: Any) -> Any:  # noqa: ANN401 - as the view
        if not provider_orgs_are_on():
            raise provider_tier_off()
        _require_provider(values.get("access"))
        return view(**values)

    return gated  # type: ignore[return-value] # wraps() keeps the view's own shape


def provider_page(view: View) -> View:
    """As ``provider_tier`` for pages, which say in a card that the tier is switched off."""

    @wraps(view)
    def gated(**values: Any) -> Any:  # noqa: ANN401 - as the view
        if not provider_orgs_are_on():
            if request.method not in SAFE_METHODS:
                raise provider_tier_off()
            return page("orgs/provider_tier.html")
        _require_provider(values.get("access"))
        return view(**values)

    return gated  # type: ignore[return-value] # wraps() keeps the view's own shape


def _require_provider(access: Access | None) -> None:
    if access is not None and not access.organization.kind.provides:
        raise NotFound(f"{access.organization.name} hosts no consultants, so it has no payouts either.", code="NOT_A_PROVIDER")


def bookkeeper(view: View) -> View:
    """Marks a route as for platform admins who keep an organization's books, also a suspended or deactivated one's."""

    @admin
    @wraps(view)
    def gated(**values: Any) -> Any:  # noqa: ANN401 - as the view
        user = require_user()
        access = require_org_access(_asked_for(values, user), Role.ORG_OWNER, user=user, ip=client_address(), books=True)
        g.access = access
        return view(access=access, **values)

    return gated  # type: ignore[return-value] # wraps() keeps the view's own shape


def _asked_for(values: dict[str, Any], user: User) -> Asked:
    """The organization of a URL, whose name for it is taken out of its values, and the user's place in it."""
    slug, organization_id = values.pop("slug", None), values.pop("organization_id", None)
    return queries.place(user.id, slug=slug, organization_id=organization_id)


def draft_creator(view: View) -> View:
    """Marks a route of the wizard: only the creator of a draft gets through, to everybody else it doesn't exist (404).

    A draft that was launched meanwhile leads its creator to the organization's home. The view gets ``draft`` in place of
    ``organization_id``.
    """

    @wraps(view)
    def gated(**values: Any) -> Any:  # noqa: ANN401 - as the view
        user = require_user()
        found = queries.by_id(values.pop("organization_id"))
        if found is None or found.created_by != user.id or found.status is Status.DEACTIVATED:
            raise NotFound("There is no such setup.", code="SETUP_NOT_FOUND")
        if found.status is not Status.DRAFT:
            return redirect_to("home.show", slug=found.slug)
        return view(draft=found, **values)

    return named(gated, "draft-creator")  # type: ignore[return-value] # wraps() keeps the view's own shape
