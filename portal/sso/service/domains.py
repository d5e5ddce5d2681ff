"""Claiming domains, and verifying them by DNS or by hand."""

from datetime import timedelta

from sqlalchemy import delete, or_, select

from portal import clock, crypto, db, queue
from portal.accounts.models import User
from portal.audit import service as audit
from portal.audit.rules import SYSTEM, Action, Actor
from portal.errors import Conflict, Forbidden, NotFound
from portal.gateways import dns
from portal.gateways.dns import DnsFailed
from portal.orgs.models import Organization
from portal.orgs.rules import Status
from portal.sso import queries
from portal.sso.models import Domain
from portal.sso.rules.addresses import check_domain
from portal.sso.rules.events import Subject
from portal.sso.service.notices import tell_owners

RECHECK = timedelta(days=7)
RETRY = timedelta(hours=6)
FIRST_RETRY = timedelta(hours=1)
ABANDONED = timedelta(days=14)
MOST_MISSED = 3
AT_ONCE = 500


def claim(text: str, *, organization: Organization, user: User, actor: Actor) -> Domain:
    """Claims a domain for an organization; it counts once it is verified. Claiming one's own again changes nothing.

    A claim that nobody verified in 14 days, and those of deactivated organizations, give way.

    Raises:
        Forbidden: ``EMAIL_NOT_VERIFIED``: the claimant's own address isn't proved.
        Invalid: It is no domain, or a public one.
        Conflict: ``DOMAIN_ALREADY_CLAIMED``, naming the domain.
    """
    domain = check_domain(text)
    if user.email_verified_at is None:
        raise Forbidden("Confirm your own e-mail address first: open the link that we sent to it.", code="EMAIL_NOT_VERIFIED")
    at = clock.now()
    present = queries.claimed_domain(domain)
    if present is not None and present.organization_id == organization.id:
        return present
    if present is not None:
        _give_way(domain)
    row = Domain(
        organization_id=organization.id, domain=domain, token=crypto.random_token(), claimed_at=at, check_due_at=at + FIRST_RETRY, missed=0
    )
    sentence = f"{domain} is claimed by an organization already. If it is yours, ask the platform's staff."
    taken = Conflict(sentence, code="DOMAIN_ALREADY_CLAIMED", details={"domain": [sentence]}, extra={"domain": domain})
    with db.refused_by({"uq_sso_domains_domain": taken}):
        db.session.add(row)
    audit.record(actor, Action.SSO_DOMAIN_CLAIMED, _about(row), organization_id=organization.id, after={"domain": domain})
    return row


def release(domain: Domain, *, actor: Actor) -> None:
    """Gives a domain up."""
    db.session.delete(domain)
    db.session.flush()
    audit.record(
        actor, Action.SSO_DOMAIN_RELEASED, _about(domain), organization_id=domain.organization_id, before={"domain": domain.domain}
    )


def check(domain: Domain, *, actor: Actor) -> Domain:
    """Looks the record up now, outside of any transaction; returns the domain, which is verified.

    Raises:
        Conflict: ``TXT_RECORD_MISSING``, or ``DNS_FAILED`` when nobody could say.
    """
    domain_id, name, wanted = domain.id, domain.domain, domain.txt_record
    found, failure = _look_up(name)
    locked = _lock(domain_id)
    if locked is None:
        raise NotFound("This organization claims no such domain.", code="DOMAIN_NOT_FOUND")
    _record(locked, is_there=wanted in found, failure=failure, actor=actor)
    if locked.verified_at is not None:
        return locked
    db.checkpoint()  # what was found out stays, whatever the answer says
    if failure:
        raise Conflict("The domain's name servers don't answer at the moment. Try again later.", code="DNS_FAILED")
    sentence = f"There is no TXT record {wanted} at {name} yet. It can take an hour until everybody sees a new record."
    raise Conflict(sentence, code="TXT_RECORD_MISSING")


def recheck(domain_id: str) -> bool:
    """As ``check``, for a job; returns whether it is verified."""
    domain = db.session.get(Domain, domain_id)
    if domain is None or domain.check_due_at is None or domain.check_due_at > clock.now():
        return False
    wanted = domain.txt_record
    found, failure = _look_up(domain.domain)
    locked = _lock(domain_id)
    if locked is None:
        return False
    _record(locked, is_there=wanted in found, failure=failure, actor=SYSTEM)
    return locked.verified_at is not None


def ring_due() -> int:
    """Rings for each domain whose look-up is due."""
    due = queries.domains_due(clock.now(), limit=AT_ONCE)
    for domain_id in due:
        queue.enqueue("sso-check-domain", domain_id)
    return len(due)


def verify_by_hand(name: str, *, admin: User, actor: Actor) -> Domain:
    """A platform admin takes a claimed domain as verified, because they know whose it is.

    Raises:
        NotFound: ``DOMAIN_NOT_FOUND``: nobody claims it.
    """
    found = queries.claimed_domain(check_domain(name))
    domain = _lock(found.id) if found else None
    if domain is None:
        raise NotFound("No organization claims this domain.", code="DOMAIN_NOT_FOUND")
    if domain.verified_at is None:
        domain.verified_by = admin.id
        _verify(domain, actor=actor)
        domain.check_due_at = None
    db.session.flush()
    return domain


def _look_up(name: str) -> tuple[tuple[str, ...], str]:
    failure = ""
    found: tuple[str, ...] = ()
    with db.outside():
        try:
            found = dns.texts(name)
        except DnsFailed as error:
            failure = str(error)[:300]
    return found, failure


def _record(domain: Domain, *, is_there: bool, failure: str, actor: Actor) -> None:
    """Notes what a look-up found; a verified domain is lost only after three weekly ones that found the record gone."""
    at = clock.now()
    domain.check_error = failure or None
    domain.checked_at = at
    if failure:
        domain.check_due_at = at + RETRY if domain.verified_by is None else None
        return
    if is_there:
        domain.missed = 0
        if domain.verified_at is None:
            _verify(domain, actor=actor)
        domain.check_due_at = at + RECHECK
    elif domain.verified_at is None:
        domain.check_due_at = at + FIRST_RETRY if at - domain.claimed_at < ABANDONED else None
    elif domain.verified_by is None:
        domain.missed += 1
        domain.check_due_at = at + RECHECK
        if domain.missed >= MOST_MISSED:
            _lose(domain)
    db.session.flush()


def _verify(domain: Domain, *, actor: Actor) -> None:
    domain.verified_at = clock.now()
    audit.record(
        actor,
        Action.SSO_DOMAIN_VERIFIED,
        _about(domain),
        organization_id=domain.organization_id,
        after={"domain": domain.domain, "by": "hand" if domain.verified_by else "DNS"},
    )


def _lose(domain: Domain) -> None:
    domain.verified_at = None
    domain.missed = 0
    domain.check_due_at = None
    audit.record(SYSTEM, Action.SSO_DOMAIN_LOST, _about(domain), organization_id=domain.organization_id, before={"domain": domain.domain})
    about = f"domain:{domain.id}:{clock.now():%Y%m%d}"
    tell_owners(domain.organization_id, Subject.DOMAIN_LOST, about=about, facts={"domain": domain.domain, "txtRecord": domain.txt_record})


def _give_way(domain: str) -> None:
    """Takes a claim away that nobody stands behind any more."""
    over = select(Organization.id).where(Organization.status == Status.DEACTIVATED)
    stale = Domain.verified_at.is_(None) & (Domain.claimed_at < clock.now() - ABANDONED)
    db.session.execute(delete(Domain).where(Domain.domain == domain, or_(stale, Domain.organization_id.in_(over))))


def _lock(domain_id: str) -> Domain | None:
    statement = select(Domain).where(Domain.id == domain_id).with_for_update().execution_options(populate_existing=True)
    return db.session.scalar(statement)


def _about(domain: Domain) -> audit.Subject:
    return audit.Subject("domain", domain.id, domain.domain)
