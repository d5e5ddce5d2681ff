"""Consultants of an organization: applying, and what its admins decide. Each act holds the organization's row."""

from portal import clock, db
from portal.accounts.models import User
from portal.audit import service as audit
from portal.audit.rules import Action, Actor
from portal.errors import Conflict, Forbidden, NotFound
from portal.orgs import queries as members
from portal.orgs import service as orgs
from portal.orgs.models import Membership, Organization
from portal.orgs.rules import EarningsRecipient, MembershipStatus, Role, Status
from portal.providers import queries
from portal.providers.rules.occasions import Occasion
from portal.providers.rules.roster import Decision
from portal.providers.service import mails


def apply(organization_id: str, *, note: str | None, user: User, actor: Actor) -> Membership:
    """A verified consultant applies to a provider organization, which may approve everybody at once.

    Raises:
        NotFound: There is no such organization, or it hosts no consultants.
        Forbidden: ``CONSULTANT_NOT_VERIFIED``, ``EMAIL_NOT_VERIFIED``, or the organization was deactivated.
        Conflict: ``ALREADY_APPLIED``, ``ALREADY_MEMBER``, or ``ORGANIZATION_NOT_ACTIVE``: it is suspended.
    """
    _require_consultant(user)
    found = members.by_id(organization_id)
    if found is None or found.status is Status.DRAFT or not found.kind.provides:
        raise NotFound("There is no such provider organization.", code="ORGANIZATION_NOT_FOUND")
    organization = orgs.lock_open(found.id)
    membership = members.membership(organization.id, user.id)
    if membership is not None and membership.status is not MembershipStatus.REMOVED:
        raise _is_here_already(membership, organization)
    at = clock.now()
    if membership is None:
        membership = Membership(organization_id=organization.id, user_id=user.id, created_at=at)
        db.session.add(membership)
    is_in = organization.auto_approve_consultants
    membership.role, membership.status = Role.ORG_CONSULTANT, MembershipStatus.ACTIVE if is_in else MembershipStatus.PENDING
    membership.application_note, membership.applied_at = note, at
    membership.approved_at = membership.joined_at = at if is_in else None
    membership.seat_assigned_at = membership.custom_consultant_payout_rate = None
    membership.earnings_recipient = EarningsRecipient.CONSULTANT
    membership.user = user
    db.session.flush()
    after = {"status": membership.status, **({"note": note} if note else {})}
    audit.record(actor, Action.CONSULTANT_APPLIED, _subject(membership), organization_id=organization.id, after=after)
    occasion = Occasion.CONSULTANT_JOINED if is_in else Occasion.CONSULTANT_APPLIED
    mails.write(occasion, organization, to=members.admin_emails(organization.id), consultant=user.name)
    return membership


def decide(member_id: str, decision: Decision, *, organization: Organization, actor: Actor) -> Membership:
    """Takes a consultant who applied, or doesn't.

    Raises:
        NotFound: ``MEMBER_NOT_FOUND``.
        Conflict: ``NOT_PENDING``: somebody decided before, or the person never applied.
    """
    locked = orgs.lock_open(organization.id)
    membership = members.require_member(locked.id, member_id)
    if membership.status is not MembershipStatus.PENDING or membership.role is not Role.ORG_CONSULTANT:
        sentence = f"{membership.user.name} isn't waiting for approval any more. Nothing was changed."
        raise Conflict(sentence, code="NOT_PENDING")
    at = clock.now()
    if decision is Decision.APPROVE:
        membership.status, membership.approved_at, membership.joined_at = MembershipStatus.ACTIVE, at, at
        action, occasion = Action.CONSULTANT_APPROVED, Occasion.CONSULTANT_APPROVED
    else:
        membership.status = MembershipStatus.REMOVED
        action, occasion = Action.CONSULTANT_REJECTED, Occasion.CONSULTANT_REJECTED
    db.session.flush()
    before, after = {"status": MembershipStatus.PENDING}, {"status": membership.status}
    audit.record(actor, action, _subject(membership), organization_id=locked.id, before=before, after=after)
    mails.write(occasion, locked, to=[membership.user.email], consultant=membership.user.name)
    return membership


def _require_consultant(user: User) -> None:
    if user.email_verified_at is None:
        raise Forbidden("Confirm your e-mail address first; we have sent you a link.", code="EMAIL_NOT_VERIFIED")
    profile = queries.consultant(user.id)
    if profile is None or profile.verified_at is None:
        sentence = "Only verified consultants can apply. Make a consultant's profile first, and wait until the platform has verified it."
        raise Forbidden(sentence, code="CONSULTANT_NOT_VERIFIED")


def _is_here_already(membership: Membership, organization: Organization) -> Conflict:
    if membership.status is MembershipStatus.PENDING:
        sentence = f"You have applied already, and {organization.name} hasn't decided yet."
        return Conflict(sentence, code="ALREADY_APPLIED")
    if membership.role is Role.ORG_CONSULTANT:
        return Conflict(f"You are a consultant of {organization.name} already.", code="ALREADY_MEMBER")
    sentence = f"You are a member of {organization.name} already. Ask one of its admins to make you a consultant."
    return Conflict(sentence, code="ALREADY_MEMBER")


def _subject(membership: Membership) -> audit.Subject:
    return audit.Subject("member", membership.id, membership.user.name)
