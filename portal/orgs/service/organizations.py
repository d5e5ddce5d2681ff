"""Acts on organizations themselves: drafting, opening, locking."""

from datetime import datetime

from sqlalchemy import select

from portal import clock, config, crypto, db
from portal.accounts.models import User
from portal.audit import service as audit
from portal.audit.rules import Action, Actor, Via
from portal.errors import Conflict, Forbidden, Invalid, NotEnabled
from portal.orgs.models import Membership, Organization
from portal.orgs.rules import (
    PROVIDER_TIER,
    BillingMode,
    Kind,
    MembershipStatus,
    Role,
    Status,
    check_slug,
    roles_for,
    slugify,
)
from portal.orgs.schemas import OrgInfoIn

INFO_FIELDS = ("name", "kind", "billing_email", "description", "industry", "size_bucket", "website")


def draft(data: OrgInfoIn, *, creator: User, actor: Actor) -> Organization:
    """Starts an organization as a DRAFT that only its creator sees.

    Raises:
        Conflict: ``SLUG_TAKEN``.
        NotEnabled: The kind needs ``ENABLE_PROVIDER_ORGS``.
    """
    require_kind(data.kind)
    organization = Organization(
        **{field: getattr(data, field) for field in INFO_FIELDS},
        slug=_free_slug(data),
        status=Status.DRAFT,
        created_by=creator.id,
        created_at=clock.now(),
    )
    with db.refused_by({"uq_organizations_slug": _slug_taken()}):
        db.session.add(organization)
    audit.record(actor, Action.ORG_DRAFTED, subject(organization), organization_id=organization.id, after={"name": organization.name})
    return organization


def save_info(organization: Organization, data: OrgInfoIn) -> None:
    """Changes what a DRAFT is called and what it is.

    Raises:
        Conflict: ``SLUG_TAKEN``.
    """
    require_kind(data.kind)
    with db.refused_by({"uq_organizations_slug": _slug_taken()}):
        if data.slug and data.slug != organization.slug:
            organization.slug = check_slug(data.slug)
        for field in INFO_FIELDS:
            setattr(organization, field, getattr(data, field))


def open_for_business(organization: Organization, *, owner: User, actor: Actor) -> Membership:
    """Turns a DRAFT that the caller has locked into an organization with its first owner."""
    at = clock.now()
    organization.status = Status.ACTIVE if organization.kind is Kind.BUYER else Status.PENDING_VERIFICATION
    organization.launched_at = at
    if not organization.kind.buys:
        organization.billing_mode = None
    membership = Membership(
        organization_id=organization.id,
        user_id=owner.id,
        role=Role.ORG_OWNER,
        status=MembershipStatus.ACTIVE,
        joined_at=at,
        created_at=at,
    )
    db.session.add(membership)
    db.session.flush()
    launched_by = Actor(user_id=actor.user_id, name=actor.name, via=Via.MEMBER, membership_id=membership.id, ip=actor.ip)
    after = {"status": organization.status, "kind": organization.kind, "billingMode": organization.billing_mode}
    audit.record(launched_by, Action.ORG_LAUNCHED, subject(organization), organization_id=organization.id, after=after)
    return membership


def lock(organization_id: str) -> Organization:
    """The organization's row, locked until the transaction ends, so that seats and limits are counted one at a time."""
    return _held(organization_id, alone=True)


def lock_open(organization_id: str) -> Organization:
    """As ``lock``, for what changes the organization: a suspended one is read-only, a deactivated one is over.

    Raises:
        Conflict: ``ORGANIZATION_NOT_ACTIVE``: it is suspended.
        Forbidden: ``ORGANIZATION_DEACTIVATED``.
    """
    organization = lock(organization_id)
    require_open(organization)
    return organization


def require_open(organization: Organization) -> None:
    """Lets an organization be changed.

    Raises:
        Conflict: ``ORGANIZATION_NOT_ACTIVE``: it is suspended, and so read-only.
        Forbidden: ``ORGANIZATION_DEACTIVATED``.
    """
    if organization.status is Status.SUSPENDED:
        sentence = f"{organization.name} is suspended, so nothing in it can be changed. Ask the platform's staff."
        raise Conflict(sentence, code="ORGANIZATION_NOT_ACTIVE")
    if organization.status is Status.DEACTIVATED:
        raise Forbidden("Organization has been deactivated", code="ORGANIZATION_DEACTIVATED")


def provider_orgs_are_on() -> bool:
    """Whether ``ENABLE_PROVIDER_ORGS`` is set."""
    return config.current().enable_provider_orgs


def require_kind(kind: Kind) -> None:
    """Makes sure that the kind is switched on.

    Raises:
        NotEnabled: It is PROVIDER or HYBRID while ``ENABLE_PROVIDER_ORGS`` is off.
    """
    if kind is not Kind.BUYER and not provider_orgs_are_on():
        raise provider_tier_off()


def require_role(organization: Organization, role: Role) -> None:
    """Makes sure that an organization has this role.

    Raises:
        NotEnabled: The role belongs to the provider tier, which is off.
        Invalid: ``ROLE_NOT_ALLOWED``: the organization's kind has no such role.
    """
    if role in PROVIDER_TIER and not provider_orgs_are_on():
        raise provider_tier_off()
    if role not in roles_for(organization.kind):
        sentence = f"{organization.kind.label} organizations have no role {role.label}. Choose another."
        raise Invalid(sentence, code="ROLE_NOT_ALLOWED", details={"role": [sentence]})


def provider_tier_off() -> NotEnabled:
    """The answer of everything that belongs to provider organizations while they are switched off."""
    flag = "ENABLE_PROVIDER_ORGS"
    return NotEnabled("Provider organizations are not switched on in this portal.", code="NOT_ENABLED", extra={"flag": flag})


def lock_to_charge(organization_id: str) -> Organization:
    """The organization as it is now, held as it is until the transaction ends, and marked as one that has a payment.

    Bookings share the lock, and a change of mode, a suspension or a lower limit waits for them. The very first payment, and
    bookings under a credit limit, take it alone: what they decide on may not move meanwhile.

    Raises:
        Conflict: ``ORGANIZATION_NOT_ACTIVE``: it isn't active any more.
    """
    columns = (Organization.first_payment_at, Organization.billing_mode, Organization.credit_limit)
    seen = db.session.execute(select(*columns).where(Organization.id == organization_id)).one()
    alone = _charges_alone(*seen)
    organization = _held(organization_id, alone=alone)
    if not alone and _charges_alone(organization.first_payment_at, organization.billing_mode, organization.credit_limit):
        # A limit was set in between. Those who share the row would wait for each other if each wanted it alone; so they queue.
        db.locked_by_name(f"charge {organization_id}")
    if organization.status is not Status.ACTIVE:
        raise Conflict("The organization is not active at the moment, so nothing can be booked on it.", code="ORGANIZATION_NOT_ACTIVE")
    if organization.first_payment_at is None:
        organization.first_payment_at = clock.now()
    return organization


def _charges_alone(first_payment_at: datetime | None, mode: BillingMode | None, credit_limit: int | None) -> bool:
    return first_payment_at is None or (mode is BillingMode.INVOICED_MONTHLY and credit_limit is not None)


def _held(organization_id: str, *, alone: bool) -> Organization:
    # FOR NO KEY UPDATE: rows that only refer to the organization (earnings of a host, mails) needn't wait, and so can't deadlock.
    statement = select(Organization).where(Organization.id == organization_id).with_for_update(read=not alone, key_share=alone)
    return db.session.scalars(statement.execution_options(populate_existing=True)).one()


def subject(organization: Organization) -> audit.Subject:
    """How the log names an organization."""
    return audit.Subject("organization", organization.id, organization.name)


def _free_slug(data: OrgInfoIn) -> str:
    if data.slug:
        return check_slug(data.slug)
    base = slugify(data.name) or "organization"
    taken = set(db.session.scalars(select(Organization.slug).where(Organization.slug.startswith(base, autoescape=True))))
    candidates = [base, *(f"{base}-{number}" for number in range(2, len(taken) + 3))]
    for candidate in candidates:
        if candidate not in taken:
            try:
                return check_slug(candidate)
            except Invalid:
                continue
    return f"{base}-{crypto.random_token()[:6].lower().replace('_', 'x').replace('-', 'x')}"


def _slug_taken() -> Conflict:
    sentence = "Another organization has this address already. Choose another."
    return Conflict(sentence, code="SLUG_TAKEN", details={"slug": [sentence]})
