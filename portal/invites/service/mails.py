"""The mail of an invitation: its link, when it is rung for, and how it goes out."""

from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import select

from portal import clock, config, crypto, db, queue
from portal.gateways.mail import Message, deliver
from portal.gateways.rendering import render
from portal.invites import queries
from portal.invites.models import Invitation
from portal.invites.rules.states import InvitationStatus
from portal.orgs.rules import Status

TOKEN = "invitation"  # noqa: S105 - what the token is for, not the token
MAILS_A_JOB = 50


def token_of(row: Invitation) -> str:
    """The token of an invitation's link, derived anew (only its hash is stored)."""
    return crypto.derive_token(TOKEN, row.id, row.nonce)


def token_by_id(invitation_id: str) -> str:
    """As ``token_of``, for an invitation that was just made."""
    return token_of(db.session.get_one(Invitation, invitation_id))


def ring(invitation_ids: Sequence[str]) -> None:
    """Has the mails of these invitations sent by jobs after the commit."""
    for start in range(0, len(invitation_ids), MAILS_A_JOB):
        queue.enqueue("invites-send", *invitation_ids[start : start + MAILS_A_JOB])


def send(invitation_id: str) -> bool:
    """Sends the mail of an invitation that is due; returns whether it went out now."""
    row = db.session.scalar(select(Invitation).where(Invitation.id == invitation_id).with_for_update())
    if row is None or row.status is not InvitationStatus.PENDING or not row.is_to_be_delivered(clock.now()):
        return False
    inviter, organization = queries.inviter_and_organization(row)
    if organization.status not in {Status.ACTIVE, Status.PENDING_VERIFICATION}:
        return False
    subject = f"{inviter.name} invites you to {organization.name}"
    context = {
        "invitation": row,
        "role": row.role.label,
        "organization": organization,
        "inviter": inviter,
        "days_left": max((row.expires_at - clock.now()) // timedelta(days=1), 1),
        "url": f"{config.current().base_url}/organizations/invite/{token_of(row)}",
        "subject": subject,
    }
    message = Message(
        key=f"{row.id}-{row.renewals}" if row.renewals else row.id,
        to=[row.email],
        subject=subject,
        text=render("email/invitation.txt", **context),
        html=render("email/invitation.html", **context),
        at=row.created_at,
    )
    return deliver(row, message)
