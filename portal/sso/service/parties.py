"""The two parties of a connection, as the rules want them."""

from functools import lru_cache

from portal import config, crypto
from portal.errors import Conflict
from portal.sso.models import Connection
from portal.sso.rules.connections import IdentityProvider, ServiceProvider


def ours(connection: Connection) -> ServiceProvider:
    """Us, with this connection's own key pair."""
    return ServiceProvider(
        base_url=config.current().base_url,
        connection_id=connection.id,
        certificate=connection.certificate,
        private_key=_private_key(connection.id, connection.private_key),
    )


def theirs(connection: Connection) -> IdentityProvider:
    """The identity provider of a connection whose certificates are loaded.

    Raises:
        Conflict: ``CONNECTION_OFF``: it is switched off or not set up yet.
    """
    if not connection.is_enabled or connection.idp_entity_id is None or connection.idp_sso_url is None:
        sentence = "This way of signing in is switched off, or isn't set up yet. Ask your company's admin."
        raise Conflict(sentence, code="CONNECTION_OFF")
    return IdentityProvider(
        entity_id=connection.idp_entity_id,
        sso_url=connection.idp_sso_url,
        certificates=tuple(certificate.der for certificate in connection.certificates),
        slo_url=connection.idp_slo_url,
        slo_binding=connection.idp_slo_binding,
        slo_response_url=connection.idp_slo_response_url,
    )


def seal(connection_id: str, private_key: str) -> str:
    """The private key as it is stored."""
    return crypto.encrypt(private_key.encode(), about=_about(connection_id))


def about(connection: Connection) -> str:
    """What a connection's private key is bound to: moved to another connection's row it can't be read."""
    return _about(connection.id)


def plain_http() -> bool:
    """Whether identity providers may be reached by http and on this machine (development only)."""
    return config.current().sso_allow_local_metadata


@lru_cache(maxsize=256)
def _private_key(connection_id: str, stored: str) -> str:
    return crypto.decrypt(stored, about=_about(connection_id)).decode()


def _about(connection_id: str) -> str:
    return f"sso-connection:{connection_id}"
