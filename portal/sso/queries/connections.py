"""Reading connections, domains, and which way an address signs in."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import contains_eager, joinedload, selectinload

from portal import db
from portal.accounts.models import User
from portal.errors import NotFound
from portal.orgs.models import Organization
from portal.orgs.rules import Status
from portal.sso.models import Connection, Domain, IdpCertificate, SsoSettings

CLOSED = (Status.DRAFT, Status.DEACTIVATED)
OF_ORGANIZATION = (Organization.name, Organization.slug, Organization.status, Organization.kind, Organization.seats_total)


@dataclass(frozen=True, slots=True)
class WayIn:
    """How people of a verified domain can sign in."""

    organization_id: str
    organization_name: str
    connection_id: str
    provider_id: str
    is_enforced: bool


def party(connection_id: str) -> Connection | None:
    """A connection with its organization and certificates, as a message needs them: one statement."""
    if not db.is_id(connection_id):
        return None
    statement = (
        select(Connection)
        .options(joinedload(Connection.organization).load_only(*OF_ORGANIZATION), joinedload(Connection.certificates))
        .where(Connection.id == connection_id)
    )
    return db.session.scalars(statement).unique().one_or_none()


def connections_of(organization_id: str) -> Sequence[Connection]:
    """An organization's connections with their certificates, the primary one first."""
    statement = (
        select(Connection)
        .options(selectinload(Connection.certificates))
        .where(Connection.organization_id == organization_id)
        .order_by(Connection.is_primary.desc(), Connection.id)
    )
    return db.session.scalars(statement).all()


def require_connection(organization_id: str, *, connection_id: str = "", provider_id: str = "") -> Connection:
    """A connection of this organization, with its certificates, by its id or the organization's own name for it.

    Raises:
        NotFound: ``CONNECTION_NOT_FOUND``.
    """
    statement = select(Connection).options(selectinload(Connection.certificates)).where(Connection.organization_id == organization_id)
    if provider_id:
        found = db.session.scalar(statement.where(Connection.provider_id == provider_id))
    else:
        found = db.session.scalar(statement.where(Connection.id == connection_id)) if db.is_id(connection_id) else None
    if found is None:
        raise NotFound("There is no such connection.", code="CONNECTION_NOT_FOUND")
    return found


def settings_of(organization_id: str) -> SsoSettings | None:
    """What an organization wants, if it said anything yet."""
    return db.session.get(SsoSettings, organization_id)


def way_in(domain: str) -> WayIn | None:
    """How addresses of a domain (ASCII) can sign in; the same single statement for every domain, known or not."""
    statement = (
        select(
            Connection.id.label("connection_id"),
            Connection.provider_id,
            Organization.id.label("organization_id"),
            Organization.name,
            func.coalesce(SsoSettings.is_enforced, False).label("is_enforced"),
        )
        .select_from(Domain)
        .join(Organization, Organization.id == Domain.organization_id)
        .join(Connection, Connection.organization_id == Domain.organization_id)
        .outerjoin(SsoSettings, SsoSettings.organization_id == Domain.organization_id)
        .where(
            Domain.domain == domain,
            Domain.verified_at.is_not(None),
            Organization.status.not_in(CLOSED),
            Connection.is_enabled,
            Connection.idp_entity_id.is_not(None),
        )
        .order_by(Connection.is_primary.desc(), Connection.id)
        .limit(1)
    )
    row = db.session.execute(statement).one_or_none()
    return WayIn(row.organization_id, row.name, row.connection_id, row.provider_id, row.is_enforced) if row else None


def domains_of(organization_id: str) -> Sequence[Domain]:
    """What an organization claims, by name."""
    return db.session.scalars(select(Domain).where(Domain.organization_id == organization_id).order_by(Domain.domain)).all()


def verified_domains(organization_id: str) -> frozenset[str]:
    """The domains (ASCII) that count."""
    statement = select(Domain.domain).where(Domain.organization_id == organization_id, Domain.verified_at.is_not(None))
    return frozenset(db.session.scalars(statement))


def require_domain(organization_id: str, *, domain_id: str = "", domain: str = "") -> Domain:
    """A claimed domain of this organization.

    Raises:
        NotFound: ``DOMAIN_NOT_FOUND``.
    """
    statement = select(Domain).where(Domain.organization_id == organization_id)
    if domain:
        found = db.session.scalar(statement.where(Domain.domain == domain))
    else:
        found = db.session.scalar(statement.where(Domain.id == domain_id)) if db.is_id(domain_id) else None
    if found is None:
        raise NotFound("This organization claims no such domain.", code="DOMAIN_NOT_FOUND")
    return found


def claimed_domain(domain: str) -> Domain | None:
    """Whoever's claim of a domain, with the organization."""
    statement = select(Domain).options(joinedload(Domain.organization)).where(Domain.domain == domain)
    return db.session.scalar(statement)


def claims(*, q: str, waiting: bool, limit: int, offset: int = 0) -> Sequence[tuple[Domain, Organization, User | None]]:
    """Claims of all organizations for platform admins, each with who verified it by hand."""
    statement = (
        select(Domain, Organization, User)
        .join(Organization, Organization.id == Domain.organization_id)
        .outerjoin(User, User.id == Domain.verified_by)
        .where(Domain.verified_at.is_(None) if waiting else Domain.verified_at.is_not(None))
    )
    if q:
        pattern = db.containing(q)
        statement = statement.where(Domain.domain.ilike(pattern) | Organization.name.ilike(pattern))
    rows = db.session.execute(statement.order_by(Domain.id.desc()).limit(limit).offset(offset))
    return [(row[0], row[1], row[2]) for row in rows]


def metadata_due(at: datetime, *, limit: int) -> Sequence[str]:
    """Ids of connections whose metadata is to be read again."""
    statement = (
        select(Connection.id)
        .join(Connection.organization)
        .where(Connection.metadata_url.is_not(None), Connection.metadata_due_at <= at, Organization.status.not_in(CLOSED))
        .order_by(Connection.metadata_due_at)
        .limit(limit)
    )
    return db.session.scalars(statement).all()


def domains_due(at: datetime, *, limit: int) -> Sequence[str]:
    """Ids of domains whose record is to be looked up again."""
    statement = (
        select(Domain.id)
        .join(Domain.organization)
        .where(Domain.check_due_at <= at, Organization.status.not_in(CLOSED))
        .order_by(Domain.check_due_at)
        .limit(limit)
    )
    return db.session.scalars(statement).all()


def expiring_certificates(before: datetime) -> Sequence[IdpCertificate]:
    """Certificates of connections in use that expire before an instant, with connection and organization."""
    statement = (
        select(IdpCertificate)
        .join(IdpCertificate.connection)
        .join(Connection.organization)
        .options(contains_eager(IdpCertificate.connection).contains_eager(Connection.organization))
        .where(IdpCertificate.not_after < before, Connection.is_enabled, Organization.status.not_in(CLOSED))
        .order_by(IdpCertificate.id)
    )
    return db.session.scalars(statement).all()
