"""Jobs about invitations."""

import time

from portal import db, queue
from portal.db import Json
from portal.invites.service import imports, invitations, mails

ENOUGH_SECONDS = 120


def send(*invitation_ids: str) -> Json:
    """Mails invitations, each in a transaction of its own. When the mail server is slow, the rest is left to another job."""
    sent, began = 0, time.monotonic()
    for number, invitation_id in enumerate(invitation_ids):
        if time.monotonic() - began > ENOUGH_SECONDS:
            queue.enqueue("invites-send", *invitation_ids[number:])
            break
        sent += mails.send(invitation_id)
        db.checkpoint()
    return {"sent": sent}


def expire() -> Json:
    """Closes invitations that are past their date, and deletes the content of old files."""
    return {"job": "invites-expire", "done": invitations.expire(), "forgotten": imports.forget_contents()}
