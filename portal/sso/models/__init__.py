"""Tables of single sign-on."""

from portal.sso.models.connections import Connection, Domain, IdpCertificate, SsoSettings
from portal.sso.models.notices import Notice
from portal.sso.models.sign_ins import Attempt, Identity, SeenMessage, SsoRequest, SsoSession

__all__ = [
    "Attempt",
    "Connection",
    "Domain",
    "Identity",
    "IdpCertificate",
    "Notice",
    "SeenMessage",
    "SsoRequest",
    "SsoSession",
    "SsoSettings",
]
