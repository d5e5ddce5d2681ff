"""Reading consultants, on their own and as members of provider organizations."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Select, func, select
from sqlalchemy.orm import contains_eager

from portal import db
from portal.accounts.models import User
from portal.orgs.models import Membership, Organization
from portal.orgs.rules import Kind, MembershipStatus, Role, Status
from portal.providers.models import Consultant

PROVIDING = (Kind.PROVIDER, Kind.HYBRID)


@dataclass(frozen=True, slots=True)
class Hosted:
    """A member who is a consultant, with their user, and what they are an expert in if they have said so."""

    member: Membership
    headline: str | None
    is_verified: bool

    @property
    def custom_rate(self) -> int | None:
        """Their own rate in basis points; None is the organization's."""
        return self.member.custom_consultant_payout_rate


@dataclass(frozen=True, slots=True)
class Face:
    """A consultant as the public sees them."""

    user_id: str
    name: str
    headline: str


def consultant(user_id: str) -> Consultant | None:
    """A user's profile as a consultant, verified or not."""
    return db.session.get(Consultant, user_id) if db.is_id(user_id) else None


def consultants(*, limit: int) -> Sequence[Consultant]:
    """All consultants with their users: those who wait to be verified first, longest first, then the newest."""
    statement = (
        select(Consultant)
        .join(Consultant.user)
        .options(contains_eager(Consultant.user))
        .order_by(Consultant.verified_at.is_not(None), Consultant.verified_at.desc(), Consultant.created_at)
        .limit(limit)
    )
    return db.session.scalars(statement).all()


def verified_consultants() -> Sequence[Consultant]:
    """Everybody who may give sessions, by name, with their users."""
    statement = (
        select(Consultant)
        .join(Consultant.user)
        .options(contains_eager(Consultant.user))
        .where(Consultant.verified_at.is_not(None))
        .order_by(func.lower(User.name), Consultant.user_id)
    )
    return db.session.scalars(statement).all()


def consultants_of(organization_id: str, *, status: MembershipStatus | None, limit: int, cursor: str | None = None) -> Sequence[Membership]:
    """Members who are consultants, newest first, with their users; removed ones only when they are asked for."""
    statement = _hosted(organization_id, status).options(contains_eager(Membership.user))
    if cursor is not None:
        statement = statement.where(Membership.id < cursor)
    return db.session.scalars(statement.order_by(Membership.id.desc()).limit(limit)).all()


def hosted(organization_id: str, *, status: MembershipStatus, limit: int, offset: int) -> Sequence[Hosted]:
    """Consultants of an organization in one status, by name; applications are longest waiting first."""
    is_pending = status is MembershipStatus.PENDING
    statement = (
        _hosted(organization_id, status)
        .outerjoin(Consultant, Consultant.user_id == Membership.user_id)
        .options(contains_eager(Membership.user))
        .add_columns(Consultant.headline, Consultant.verified_at.is_not(None))
        .order_by(*((Membership.applied_at,) if is_pending else (func.lower(User.name),)), Membership.id)
    )
    return [Hosted(row[0], row[1], row[2]) for row in db.session.execute(statement.limit(limit).offset(offset))]


@dataclass(frozen=True, slots=True)
class Counts:
    """How many consultants an organization has in each state."""

    active: int
    waiting: int
    suspended: int
    removed: int


def counts_of(organization_id: str) -> Counts:
    """How many consultants an organization has in each state."""
    statement = (
        select(Membership.status, func.count())
        .where(Membership.organization_id == organization_id, Membership.role == Role.ORG_CONSULTANT)
        .group_by(Membership.status)
    )
    found = {row[0]: row[1] for row in db.session.execute(statement)}
    order = (MembershipStatus.ACTIVE, MembershipStatus.PENDING, MembershipStatus.SUSPENDED, MembershipStatus.REMOVED)
    return Counts(*(found.get(status, 0) for status in order))


def public_provider(slug: str) -> Organization | None:
    """The provider organization with this address that is open to the public: an ACTIVE PROVIDER or HYBRID."""
    return db.session.scalar(_public().where(Organization.slug == slug.lower()))


def providers_for_all(*, q: str, limit: int, offset: int = 0) -> Sequence[tuple[Organization, int]]:
    """Provider organizations that are open to the public, by name, each with how many consultants it has."""
    number = (
        select(func.count())
        .where(
            Membership.organization_id == Organization.id,
            Membership.role == Role.ORG_CONSULTANT,
            Membership.status == MembershipStatus.ACTIVE,
        )
        .scalar_subquery()
    )
    statement = _public().add_columns(number)
    if q:
        pattern = db.containing(q)
        statement = statement.where(Organization.name.ilike(pattern) | Organization.industry.ilike(pattern))
    rows = db.session.execute(statement.order_by(func.lower(Organization.name), Organization.id).limit(limit).offset(offset))
    return [(row[0], row[1]) for row in rows]


def roster(organization_id: str, *, limit: int) -> Sequence[Face]:
    """The verified consultants of an organization, by name, as the public sees them."""
    statement = (
        select(User.id, User.name, Consultant.headline)
        .join(Membership, Membership.user_id == User.id)
        .join(Consultant, Consultant.user_id == User.id)
        .where(
            Membership.organization_id == organization_id,
            Membership.role == Role.ORG_CONSULTANT,
            Membership.status == MembershipStatus.ACTIVE,
            Consultant.verified_at.is_not(None),
        )
        .order_by(func.lower(User.name), User.id)
        .limit(limit)
    )
    return [Face(*row) for row in db.session.execute(statement)]


def _public() -> Select[Organization]:
    return select(Organization).where(Organization.status == Status.ACTIVE, Organization.kind.in_(PROVIDING))


def _hosted(organization_id: str, status: MembershipStatus | None) -> Select[Membership]:
    statement = (
        select(Membership)
        .join(Membership.user)
        .where(Membership.organization_id == organization_id, Membership.role == Role.ORG_CONSULTANT)
    )
    if status is None:
        return statement.where(Membership.status != MembershipStatus.REMOVED)
    return statement.where(Membership.status == status)
