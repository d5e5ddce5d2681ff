"""Jobs about organizations."""

from portal.db import Json
from portal.orgs.service import lifecycle


def send_verdict(mail_id: str) -> Json:
    """Mails the owners what a platform admin decided."""
    return {"sent": int(lifecycle.send_verdict(mail_id))}
