"""What becomes of open invitations: sent again, taken back, and put back after that; one or many at once."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from portal import clock, crypto, db
from portal.audit import service as audit
from portal.audit.rules import Action, Actor
from portal.errors import Conflict, DomainError, Invalid, NotFound
from portal.invites import queries
from portal.invites.models import Invitation
from portal.invites.rules.states import InvitationStatus, lasting
from portal.invites.service import mails
from portal.orgs import queries as orgs_queries
from portal.orgs import service as orgs
from portal.orgs.models import Organization

MOST_AT_ONCE = 200


@dataclass(slots=True)
class Outcome:
    """What an act did: the invitations that changed, and those that stay as they are, each with why."""

    changed: list[Invitation] = field(default_factory=list)
    refused: list[tuple[Invitation, DomainError]] = field(default_factory=list)


def resend_many(invitation_ids: Sequence[str], *, organization: Organization, actor: Actor) -> Outcome:
    """Mails invitations again, each with a new link and a new expiry; the old links end.

    Raises:
        Invalid: ``INVITATIONS_MISSING``: none, or more than 200, are named.
    """
    found = _locked(_some(invitation_ids), organization)
    taken = queries.pending_emails(organization.id, [row.email for row in found if row.status is not InvitationStatus.PENDING])
    outcome = _sorted_out(found, lambda row: _resending_refused(row, taken))
    renew(outcome.changed, days=lasting().days, actor=actor)
    return outcome


def resend(invitation_id: str, *, organization: Organization, actor: Actor) -> Invitation:
    """As ``resend_many``, for one.

    Raises:
        NotFound: The organization has no such invitation.
        Conflict: It was accepted or revoked, or there is a newer one.
    """
    return _only(resend_many([invitation_id], organization=organization, actor=actor))


def revoke_many(invitation_ids: Sequence[str], *, organization: Organization, actor: Actor) -> Outcome:
    """Takes invitations back, also before their mails have gone out; harmless for those that were taken back already.

    All of one act bear the same ``revoked_at``, by which ``restore`` finds them.

    Raises:
        Invalid: ``INVITATIONS_MISSING``: none, or more than 200, are named.
    """
    outcome = _sorted_out(_locked(_some(invitation_ids), organization), _revoking_refused)
    at = clock.now()
    for row in outcome.changed:
        row.status, row.revoked_at = InvitationStatus.REVOKED, at
    _record(outcome.changed, Action.INVITATION_REVOKED, actor)
    return outcome


def revoke(invitation_id: str, *, organization: Organization, actor: Actor) -> Invitation:
    """As ``revoke_many``, for one; harmless when it was taken back already.

    Raises:
        NotFound: The organization has no such invitation.
        Conflict: It was accepted.
    """
    row = queries.invitation(organization.id, invitation_id)
    if row is not None and row.status is InvitationStatus.REVOKED:
        return row
    return _only(revoke_many([invitation_id], organization=organization, actor=actor))


def restore(revoked_at: datetime, *, organization: Organization, actor: Actor) -> Outcome:
    """Puts back what one act took back: the links work again until the date that they had, and mails that were held go out.

    Args:
        revoked_at: The instant of that act, UTC.
        organization: Theirs.
        actor: How the log names who does it.

    Raises:
        NotFound: ``NOTHING_TO_RESTORE``: nothing was taken back at that moment, or it was put back already.
    """
    orgs.lock_open(organization.id)
    found = queries.invitations_revoked_at(organization.id, revoked_at)
    if not found:
        raise NotFound("There is nothing to put back. Look at the list: it may have been done already.", code="NOTHING_TO_RESTORE")
    addresses = [row.email for row in found]
    taken = queries.pending_emails(organization.id, addresses)
    members = orgs_queries.member_emails(organization.id) & set(addresses)
    outcome = _sorted_out(found, lambda row: _restoring_refused(row, taken, members))
    for row in outcome.changed:
        row.status, row.revoked_at = InvitationStatus.PENDING, None
    _record(outcome.changed, Action.INVITATION_RESTORED, actor)
    mails.ring([row.id for row in outcome.changed if row.is_to_be_delivered(clock.now())])
    return outcome


def renew(rows: Sequence[Invitation], *, days: int, actor: Actor) -> None:
    """Gives invitations that the caller has locked a new link, a new expiry and a new mail."""
    at = clock.now()
    for row in rows:
        row.status = InvitationStatus.PENDING
        row.nonce = crypto.random_token()
        row.renewals += 1
        row.token_hash = crypto.hash_token(mails.token_of(row))
        row.expires_at = at + lasting(days)
        row.queue_delivery(at)
    _record(rows, Action.INVITATION_RESENT, actor)
    mails.ring([row.id for row in rows])


def _record(rows: Sequence[Invitation], action: Action, actor: Actor) -> None:
    db.session.flush()
    acts = [audit.Act(audit.Subject("invitation", row.id, row.email), organization_id=row.organization_id) for row in rows]
    audit.record_all(actor, action, acts)


def _some(invitation_ids: Sequence[str]) -> Sequence[str]:
    if not 1 <= len(invitation_ids) <= MOST_AT_ONCE:
        sentence = f"Tick between 1 and {MOST_AT_ONCE} invitations first."
        raise Invalid(sentence, code="INVITATIONS_MISSING", details={"invitation_id": [sentence]})
    return invitation_ids


def _locked(invitation_ids: Sequence[str], organization: Organization) -> Sequence[Invitation]:
    orgs.lock_open(organization.id)
    found = queries.invitations_to_change(organization.id, invitation_ids)
    if not found:
        raise NotFound("There is no such invitation.", code="INVITATION_NOT_FOUND")
    return found


def _sorted_out(rows: Sequence[Invitation], refusal_of: Callable[[Invitation], DomainError | None]) -> Outcome:
    outcome = Outcome()
    for row in rows:
        refusal = refusal_of(row)
        if refusal is None:
            outcome.changed.append(row)
        else:
            outcome.refused.append((row, refusal))
    return outcome


def _only(outcome: Outcome) -> Invitation:
    for _row, refusal in outcome.refused:
        raise refusal
    return outcome.changed[0]


def _resending_refused(row: Invitation, taken: frozenset[str]) -> DomainError | None:
    if row.status not in {InvitationStatus.PENDING, InvitationStatus.EXPIRED}:
        return Conflict(f"This invitation is {row.status.label.lower()} already. Nothing was sent.", code="INVITATION_CLOSED")
    if row.email in taken:
        return Conflict(f"{row.email} has a newer invitation. Resend that one.", code="ALREADY_INVITED")
    return None


def _revoking_refused(row: Invitation) -> DomainError | None:
    if row.status is InvitationStatus.ACCEPTED:
        return Conflict(f"{row.email} has accepted already. Remove the member instead.", code="INVITATION_ALREADY_ACCEPTED")
    if row.status is InvitationStatus.REVOKED:
        return Conflict(f"The invitation of {row.email} was taken back before.", code="INVITATION_REVOKED")
    return None


def _restoring_refused(row: Invitation, taken: frozenset[str], members: frozenset[str]) -> DomainError | None:
    if row.expires_at <= clock.now():
        return Conflict(f"The invitation of {row.email} has expired meanwhile. Invite them anew.", code="INVITATION_EXPIRED")
    if row.email in taken:
        return Conflict(f"{row.email} has a newer invitation, which stays.", code="ALREADY_INVITED")
    if row.email in members:
        return Conflict(f"{row.email} is a member already.", code="ALREADY_MEMBER")
    return None
