"""Reading organizations and their people."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Select, and_, func, or_, select
from sqlalchemy.orm import contains_eager

from portal import db
from portal.accounts.models import User
from portal.orgs.models import Membership, Organization
from portal.orgs.rules import MembershipStatus, Role, Status

HIDDEN = (Status.DRAFT, Status.DEACTIVATED)


@dataclass(frozen=True, slots=True)
class Seats:
    """Seats of an organization; ``total`` is None when there is no limit."""

    used: int
    total: int | None

    @property
    def left(self) -> int | None:
        """How many more learners fit, or None for any number."""
        return None if self.total is None else max(self.total - self.used, 0)


def by_slug(slug: str) -> Organization | None:
    """The organization with this slug, whatever its status."""
    return db.session.scalar(select(Organization).where(Organization.slug == slug.lower()))


def by_id(organization_id: str) -> Organization | None:
    """The organization with this id, whatever its status."""
    return db.session.get(Organization, organization_id) if db.is_id(organization_id) else None


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


def visible_organizations() -> Sequence[Organization]:
    """Every organization but drafts and deactivated ones, for platform admins."""
    statement = select(Organization).where(Organization.status.not_in(HIDDEN)).order_by(Organization.created_at.desc())
    return db.session.scalars(statement).all()


def members(organization_id: str, *, q: str = "", role: Role | None = None, limit: int, offset: int = 0) -> Sequence[Membership]:
    """Members who aren't removed, by name, with their users."""
    statement = (
        _members(organization_id, q=q, role=role)
        .options(contains_eager(Membership.user))
        .order_by(func.lower(User.name), Membership.id)
        .limit(limit)
        .offset(offset)
    )
    return db.session.scalars(statement).all()


def count_members(organization_id: str, *, q: str = "", role: Role | None = None) -> int:
    """How many ``members`` would list."""
    counted = _members(organization_id, q=q, role=role).with_only_columns(func.count())
    return db.session.scalar(counted) or 0


def member_emails(organization_id: str) -> frozenset[str]:
    """The addresses of everybody who isn't removed."""
    return frozenset(db.session.scalars(_members(organization_id, q="", role=None).with_only_columns(User.email)))


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


def holds_seat(organization_id: str) -> ColumnElement[bool]:
    """The condition under which a membership holds a seat: an active learner."""
    return and_(
        Membership.organization_id == organization_id,
        Membership.status == MembershipStatus.ACTIVE,
        Membership.role == Role.ORG_LEARNER,
    )


def _members(organization_id: str, *, q: str, role: Role | None) -> Select[Membership]:
    statement = (
        select(Membership)
        .join(Membership.user)
        .where(Membership.organization_id == organization_id, Membership.status != MembershipStatus.REMOVED)
    )
    if q:
        pattern = "%" + q.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"
        statement = statement.where(or_(User.name.ilike(pattern), User.email.ilike(pattern)))
    if role is not None:
        statement = statement.where(Membership.role == role)
    return statement
