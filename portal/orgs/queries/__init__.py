"""Reading organizations and their people."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import BindParameter, ColumnElement, Select, and_, bindparam, case, func, or_, select
from sqlalchemy.orm import contains_eager

from portal import db
from portal.accounts.models import LoginSession, User
from portal.errors import NotFound
from portal.gateways.mail import Delivery
from portal.orgs.models import Membership, Organization, VerdictMail
from portal.orgs.rules import Kind, MembershipStatus, Role, Status
from portal.orgs.schemas.members import MembersFilter

HIDDEN = (Status.DRAFT, Status.DEACTIVATED)


class Place(NamedTuple):
    """What a user's switcher shows of an organization."""

    organization_id: str
    name: str
    slug: str
    kind: Kind
    role: Role


@dataclass(frozen=True, slots=True)
class Seats:
    """Seats of an organization; ``total`` is None when there is no limit."""

    used: int
    total: int | None

    @property
    def left(self) -> int | None:
        """How many more learners fit, or None for any number."""
        return None if self.total is None else max(self.total - self.used, 0)


def place(user_id: str, *, slug: str | None = None, organization_id: str | None = None) -> tuple[Organization | None, Membership | None]:
    """The organization with a slug or an id, and a user's place in it, whatever the status of either; one statement of each request."""
    if slug is None and not db.is_id(organization_id):
        return None, None
    found = db.session.execute(
        _place(by_slug=slug is not None), {"asked": slug.lower() if slug else organization_id, "user": user_id}
    ).first()
    return (found[0], found[1]) if found else (None, None)


@cache
def _place(*, by_slug: bool) -> Select[*tuple[Any, ...]]:
    theirs = and_(Membership.organization_id == Organization.id, Membership.user_id == bindparam("user"))
    asked = (Organization.slug if by_slug else Organization.id) == bindparam("asked")
    return select(Organization, Membership).outerjoin(Membership, theirs).where(asked)


def by_id(organization_id: str) -> Organization | None:
    """The organization with this id, whatever its status."""
    return db.session.get(Organization, organization_id) if db.is_id(organization_id) else None


def by_ids(organization_ids: Collection[str]) -> dict[str, Organization]:
    """Id → organization, of those that there are."""
    found = db.session.scalars(select(Organization).where(Organization.id.in_(organization_ids))) if organization_ids else ()
    return {row.id: row for row in found}


def membership(organization_id: str, user_id: str) -> Membership | None:
    """A user's place in an organization, whatever its status."""
    statement = select(Membership).where(Membership.organization_id == organization_id, Membership.user_id == user_id)
    return db.session.scalar(statement)


def memberships_of(user_id: str) -> Sequence[Membership]:
    """A user's active places, with their organizations, by name; no drafts and nothing deactivated."""
    statement = (
        select(Membership)
        .join(Membership.organization)
        .options(contains_eager(Membership.organization))
        .where(Membership.user_id == user_id, Membership.status == MembershipStatus.ACTIVE, Organization.status.not_in(HIDDEN))
        .order_by(func.lower(Organization.name), Organization.id)
    )
    return db.session.scalars(statement).all()


def places_of(user_id: str) -> Sequence[Place]:
    """As ``memberships_of``, without the rows themselves: each page shows them."""
    return [Place(*row) for row in db.session.execute(_places_of(), {"user": user_id})]


@cache
def _places_of() -> Select[*tuple[Any, ...]]:
    return (
        select(Organization.id, Organization.name, Organization.slug, Organization.kind, Membership.role)
        .join(Membership.organization)
        .where(Membership.user_id == bindparam("user"), Membership.status == MembershipStatus.ACTIVE, Organization.status.not_in(HIDDEN))
        .order_by(func.lower(Organization.name), Organization.id)
    )


def visible_organizations(*, limit: int, cursor: str | None = None) -> Sequence[Organization]:
    """Organizations but drafts and deactivated ones, newest first, for platform admins."""
    statement = select(Organization).where(Organization.status.not_in(HIDDEN))
    if cursor is not None:
        statement = statement.where(Organization.id < cursor)
    return db.session.scalars(statement.order_by(Organization.id.desc()).limit(limit)).all()


def platform_organizations(*, q: str = "", status: Status | None, limit: int, offset: int = 0) -> Sequence[tuple[Organization, User]]:
    """Launched organizations in one status (or all), longest waiting first, each with the user who set it up."""
    statement = (
        _launched(q=q, status=status)
        .with_only_columns(Organization, User)
        .join(User, User.id == Organization.created_by)
        .order_by(Organization.launched_at.desc() if status is None else Organization.launched_at, Organization.id)
        .limit(limit)
        .offset(offset)
    )
    return [(row[0], row[1]) for row in db.session.execute(statement)]


def counts_by_status() -> dict[Status, int]:
    """How many launched organizations there are in each status."""
    statement = (
        _launched(q="", status=None).with_only_columns(Organization.status, func.count().label("number")).group_by(Organization.status)
    )
    found: dict[Status, int] = {row.status: row.number for row in db.session.execute(statement)}
    return {status: found.get(status, 0) for status in Status if status is not Status.DRAFT}


def members(
    organization_id: str,
    filters: MembersFilter,
    *,
    limit: int | None,
    offset: int = 0,
) -> Sequence[Membership]:
    """Members by name, with their users; removed ones only when they are asked for."""
    statement = _members(organization_id, filters).options(contains_eager(Membership.user)).order_by(func.lower(User.name), Membership.id)
    return db.session.scalars(statement.limit(limit).offset(offset)).all()


def newest_members(
    organization_id: str, filters: MembersFilter, *, limit: int, cursor: str | None
) -> Sequence[tuple[Membership, datetime | None]]:
    """Members, newest first, each with their last sign-in; ``cursor`` is the last id of the page before."""
    last_sign_in = select(func.max(LoginSession.created_at)).where(LoginSession.user_id == Membership.user_id).scalar_subquery()
    statement = _members(organization_id, filters).options(contains_eager(Membership.user)).add_columns(last_sign_in)
    if cursor is not None:
        statement = statement.where(Membership.id < cursor)
    return [(row[0], row[1]) for row in db.session.execute(statement.order_by(Membership.id.desc()).limit(limit))]


def last_sign_in(user_id: str) -> datetime | None:
    """When a user signed in last."""
    return db.session.scalar(select(func.max(LoginSession.created_at)).where(LoginSession.user_id == user_id))


def count_members(organization_id: str, filters: MembersFilter) -> int:
    """How many ``members`` would list."""
    statement = select(func.count()).select_from(Membership)
    if filters.q:
        statement = statement.join(Membership.user)
    return db.session.scalar(statement.where(*_wanted(organization_id, filters))) or 0


def members_by_ids(organization_id: str, member_ids: Sequence[str]) -> Sequence[Membership]:
    """Members of this organization by their ids, whatever their status, as they are now, with their users, by name."""
    known = [member_id for member_id in member_ids if db.is_id(member_id)]
    statement = (
        select(Membership)
        .join(Membership.user)
        .options(contains_eager(Membership.user))
        .where(Membership.organization_id == organization_id, Membership.id.in_(known))
        .order_by(func.lower(User.name), Membership.id)
        .execution_options(populate_existing=True)
    )
    return db.session.scalars(statement).all()


def require_member(organization_id: str, member_id: str) -> Membership:
    """A member of this organization, whatever their status.

    Raises:
        NotFound: ``MEMBER_NOT_FOUND``.
    """
    found = members_by_ids(organization_id, [member_id])
    if not found:
        raise NotFound("There is no such member.", code="MEMBER_NOT_FOUND")
    return found[0]


def heirs(organization_id: str, *, without: str | None, limit: int) -> Sequence[Membership]:
    """Active members who could become owner, highest ranks first."""
    rank = case({role.value: role.rank for role in Role}, value=Membership.role, else_=0)
    statement = (
        select(Membership)
        .join(Membership.user)
        .options(contains_eager(Membership.user))
        .where(Membership.organization_id == organization_id, Membership.status == MembershipStatus.ACTIVE, Membership.user_id != without)
        .order_by(rank.desc(), func.lower(User.name))
        .limit(limit)
    )
    return db.session.scalars(statement).all()


def standing_of(membership_id: str) -> Membership | None:
    """A membership as it is now."""
    statement = select(Membership).where(Membership.id == membership_id).execution_options(populate_existing=True)
    return db.session.scalar(statement)


def highest_custom_rate(organization_id: str) -> int:
    """The highest rate of its own that a present member has, in basis points; 0 without any."""
    statement = select(func.max(Membership.custom_consultant_payout_rate)).where(
        Membership.organization_id == organization_id, Membership.status != MembershipStatus.REMOVED
    )
    return db.session.scalar(statement) or 0


def owner_emails(organization_id: str) -> Sequence[str]:
    """The addresses of the active owners."""
    return _emails_of(organization_id, Role.ORG_OWNER)


def admin_emails(organization_id: str) -> Sequence[str]:
    """The addresses of the active owners and admins."""
    return _emails_of(organization_id, Role.ORG_OWNER, Role.ORG_ADMIN)


def _emails_of(organization_id: str, *roles: Role) -> Sequence[str]:
    statement = (
        select(User.email)
        .join(Membership, Membership.user_id == User.id)
        .where(
            Membership.organization_id == organization_id,
            Membership.status == MembershipStatus.ACTIVE,
            Membership.role.in_(roles),
        )
        .order_by(User.email)
    )
    return db.session.scalars(statement).all()


def verdicts_to_deliver(at: datetime, *, limit: int) -> Sequence[str]:
    """Ids of mails about decisions that are due, for the sweep."""
    statement = (
        select(VerdictMail.id)
        .where(VerdictMail.delivery == Delivery.QUEUED, VerdictMail.delivery_due_at <= at)
        .order_by(VerdictMail.delivery_due_at)
        .limit(limit)
    )
    return db.session.scalars(statement).all()


def count_active_owners(organization_id: str) -> int:
    """How many active owners there are."""
    statement = select(func.count()).where(
        Membership.organization_id == organization_id,
        Membership.status == MembershipStatus.ACTIVE,
        Membership.role == Role.ORG_OWNER,
    )
    return db.session.scalar(statement) or 0


def member_emails(organization_id: str) -> frozenset[str]:
    """The addresses of everybody who isn't removed."""
    # As one array, because a row of its own for each of many thousands costs as much as the rest of an upload's questions.
    statement = _members(organization_id, MembersFilter()).with_only_columns(func.array_agg(User.email))
    return frozenset(db.session.scalar(statement) or ())


def seats(organization: Organization) -> Seats:
    """How many seats are held, of how many."""
    used = db.session.scalar(select(func.count()).select_from(Membership).where(holds_seat(organization.id)))
    return Seats(used=used or 0, total=organization.seats_total)


def seats_used(organization_ids: Sequence[str]) -> dict[str, int]:
    """Held seats of each organization; those without any are left out."""
    statement = (
        select(Membership.organization_id, func.count().label("used"))
        .where(
            Membership.organization_id.in_(organization_ids),
            Membership.status == MembershipStatus.ACTIVE,
            Membership.role == Role.ORG_LEARNER,
        )
        .group_by(Membership.organization_id)
    )
    return {row.organization_id: row.used for row in db.session.execute(statement)}


def holds_seat(organization_id: str | BindParameter[str]) -> ColumnElement[bool]:
    """The condition under which a membership holds a seat: an active learner."""
    return and_(
        Membership.organization_id == organization_id,
        Membership.status == MembershipStatus.ACTIVE,
        Membership.role == Role.ORG_LEARNER,
    )


def _members(organization_id: str, filters: MembersFilter) -> Select[Membership]:
    return select(Membership).join(Membership.user).where(*_wanted(organization_id, filters))


def _wanted(organization_id: str, filters: MembersFilter) -> list[ColumnElement[bool]]:
    """What the filters ask of a membership, and with ``q`` of its user."""
    status = Membership.status != MembershipStatus.REMOVED if filters.status is None else Membership.status == filters.status
    wanted: list[ColumnElement[bool]] = [Membership.organization_id == organization_id, status]
    if filters.q:
        pattern = db.containing(filters.q)
        wanted.append(or_(User.name.ilike(pattern), User.email.ilike(pattern)))
    if filters.role is not None:
        wanted.append(Membership.role == filters.role)
    return wanted


def _launched(*, q: str, status: Status | None) -> Select[Organization]:
    statement = select(Organization).where(Organization.launched_at.is_not(None))
    if status is not None:
        statement = statement.where(Organization.status == status)
    if q:
        pattern = db.containing(q)
        statement = statement.where(or_(Organization.name.ilike(pattern), Organization.slug.ilike(pattern)))
    return statement
