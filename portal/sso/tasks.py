"""Jobs of single sign-on."""

from portal.db import Json
from portal.sso.service import domains, forgetting, metadata, notices


def refresh_metadata() -> Json:
    """Rings for each connection whose metadata is to be read again."""
    return {"job": "sso-refresh-metadata", "rung": metadata.ring_due()}


def read_metadata(connection_id: str) -> Json:
    """Reads one connection's metadata again."""
    return {"read": int(metadata.refresh(connection_id))}


def check_certificates() -> Json:
    """Warns owners of certificates that expire in 60, 30 or 7 days."""
    return {"job": "sso-check-certificates", "warned": metadata.check_certificates()}


def recheck_domains() -> Json:
    """Rings for each domain whose record is to be looked up."""
    return {"job": "sso-recheck-domains", "rung": domains.ring_due()}


def check_domain(domain_id: str) -> Json:
    """Looks one domain's record up."""
    return {"verified": int(domains.recheck(domain_id))}


def send_notice(notice_id: str) -> Json:
    """Mails a notice to an organization's owners."""
    return {"sent": int(notices.send_notice(notice_id))}


def forget() -> Json:
    """Forgets what is over."""
    forgetting.forget()
    return {"job": "sso-forget"}
