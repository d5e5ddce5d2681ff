"""Jobs about invitations."""

from portal import db
from portal.db import Json
from portal.invites.service import imports, invitations, mails


def send(*invitation_ids: str) -> Json:
    """Mails invitations, each in a transaction of its own."""
    sent = 0
    for invitation_id in invitation_ids:
        sent += mails.send(invitation_id)
        db.checkpoint()
    return {"sent": sent}


def expire() -> Json:
    """Closes invitations that are past their date, and deletes the content of old files."""
    return {"job": "invites-expire", "done": invitations.expire(), "forgotten": imports.forget_contents()}
