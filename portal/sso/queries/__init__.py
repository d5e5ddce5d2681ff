"""Reads of single sign-on."""

from portal.sso.queries.connections import (
    CLOSED,
    WayIn,
    claimed_domain,
    claims,
    connections_of,
    domains_due,
    domains_of,
    expiring_certificates,
    metadata_due,
    party,
    require_connection,
    require_domain,
    settings_of,
    verified_domains,
    way_in,
)
from portal.sso.queries.sign_ins import attempts, notices_to_deliver, request, session_of_token, user_of_identity

__all__ = [
    "CLOSED",
    "WayIn",
    "attempts",
    "claimed_domain",
    "claims",
    "connections_of",
    "domains_due",
    "domains_of",
    "expiring_certificates",
    "metadata_due",
    "notices_to_deliver",
    "party",
    "request",
    "require_connection",
    "require_domain",
    "session_of_token",
    "settings_of",
    "user_of_identity",
    "verified_domains",
    "way_in",
]
