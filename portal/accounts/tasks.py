"""Jobs about users."""

from portal.accounts import service


def send_link(link_id: str) -> dict[str, int]:
    """Mails a verification or password link."""
    return {"sent": int(service.send_link(link_id))}
