"""Turning an asserted person into a user who may come in."""

from dataclasses import dataclass

from portal import clock, db
from portal.accounts import queries as people
from portal.accounts import service as accounts
from portal.accounts.models import User
from portal.accounts.rules import PlatformRole
from portal.audit import service as audit
from portal.audit.rules import Action, Actor, Via
from portal.errors import Conflict, Forbidden
from portal.orgs import queries as orgs_queries
from portal.orgs import service as orgs
from portal.orgs.models import Membership, Organization
from portal.orgs.rules import Role, Status
from portal.orgs.schemas import MemberPatch
from portal.orgs.service import members
from portal.sso import queries
from portal.sso.models import Connection, Identity
from portal.sso.rules.addresses import Address, address_of, require_domain
from portal.sso.rules.attributes import Claims, Person, person_of
from portal.sso.rules.provisioning import Known, Plan, Terms, decide
from portal.sso.rules.reasons import Reason, Refused
from portal.sso.service.settings import wanted

FULL = {"SEAT_LIMIT": Reason.SEATS_FULL, "ORGANIZATION_NOT_ACTIVE": Reason.ORGANIZATION_CLOSED}


@dataclass(frozen=True, slots=True)
class Found:
    """Who an assertion is about, and what is to be done."""

    address: Address
    person: Person
    user: User | None
    is_linked: bool
    membership: Membership | None
    plan: Plan


def weigh(claims: Claims, *, connection: Connection) -> Found:
    """Who it is and what would be done; nothing is written.

    Raises:
        Refused: They may not come in.
    """
    person = person_of(claims, preset=connection.preset, names=connection.attribute_names)
    verified = queries.verified_domains(connection.organization_id)
    address = require_domain(person.email, verified)
    linked = None if claims.is_transient else queries.user_of_identity(connection.id, claims.name_id)
    if linked is not None and not _is_within(linked.email, verified):
        raise Refused(Reason.ACCOUNT_ELSEWHERE, linked.email)
    user = linked or people.user_by_email(address.email)
    membership = orgs_queries.membership(connection.organization_id, user.id) if user else None
    known = Known(
        name=user.name if user else None,
        is_platform_staff=user.is_platform_staff if user else False,
        role=membership.role if membership else None,
        status=membership.status if membership else None,
    )
    plan = decide(person, known, _terms(connection, joins=membership is None))
    return Found(address, person, user, linked is not None, membership, plan)


def bring_in(claims: Claims, *, connection: Connection) -> Found:
    """Does what ``weigh`` says, and returns it with the user.

    Raises:
        Refused: They may not come in.
    """
    found = weigh(claims, connection=connection)
    if found.plan.joins or found.user is None or not found.is_linked:
        db.locked_by_name(f"sso:{connection.organization_id}:{found.address.email}")  # two tabs of somebody who comes for the first time
        found = weigh(claims, connection=connection)
    actor = Actor(user_id=None, name=f"Single sign-on ({connection.provider_id})", via=Via.SYSTEM)
    user = found.user or _create(found, actor=actor)
    accounts.hand_over(user, actor=actor)
    if found.plan.new_name:
        accounts.rename(user, found.plan.new_name, actor=actor)
    if not found.is_linked and not claims.is_transient:
        _link(user, claims, connection=connection, actor=actor, is_new=found.user is None)
    try:
        if found.plan.joins:
            _join(user, found.plan.role, connection=connection, actor=actor)
        elif found.plan.rises and found.membership is not None:
            _rise(found.membership, found.plan.role, organization=connection.organization, actor=actor)
    except (Conflict, Forbidden) as error:
        raise Refused(FULL.get(error.code, Reason.ORGANIZATION_CLOSED), error.message) from None
    return Found(found.address, found.person, user, is_linked=True, membership=found.membership, plan=found.plan)


def _terms(connection: Connection, *, joins: bool) -> Terms:
    organization = connection.organization
    return Terms(
        takes_members=organization.status in {Status.ACTIVE, Status.PENDING_VERIFICATION},
        seats_left=orgs_queries.seats(organization).left if joins and organization.seats_total is not None else None,
        default_role=wanted(organization).default_role if joins else Role.ORG_LEARNER,
        group_roles={group: Role(role) for group, role in connection.group_roles.items()},
    )


def _create(found: Found, *, actor: Actor) -> User:
    name = found.person.name or found.address.email.partition("@")[0]
    return accounts.create_user(email=found.address.email, name=name, password=None, role=PlatformRole.USER, actor=actor)


def _link(user: User, claims: Claims, *, connection: Connection, actor: Actor, is_new: bool) -> None:
    db.session.add(Identity(connection_id=connection.id, name_id=claims.name_id, user_id=user.id, created_at=clock.now()))
    db.session.flush()
    if not is_new:
        audit.record(
            actor,
            Action.SSO_ACCOUNT_LINKED,
            audit.Subject("user", user.id, user.name),
            organization_id=connection.organization_id,
            after={"provider": connection.provider_id, "nameId": claims.name_id[:200]},
        )


def _join(user: User, role: Role, *, connection: Connection, actor: Actor) -> None:
    membership = orgs.join(connection.organization_id, user, role=role)
    about = audit.Subject("member", membership.id, user.name)
    audit.record(actor, Action.MEMBER_ADDED, about, organization_id=connection.organization_id, after={"role": role})


def _rise(membership: Membership, role: Role, *, organization: Organization, actor: Actor) -> None:
    members.change(membership.id, MemberPatch(role=role), organization=organization, actor_role=Role.ORG_OWNER, actor=actor)


def _is_within(email: str, verified: frozenset[str]) -> bool:
    address = address_of(email)
    return address is not None and address.domain in verified
