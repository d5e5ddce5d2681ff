"""Connections: adding, setting up by metadata or by hand, changing, removing."""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any

from sqlalchemy import select, update

from portal import clock, config, db
from portal.audit import service as audit
from portal.audit.rules import Action, Actor
from portal.db import Json
from portal.errors import Conflict, Invalid
from portal.orgs import service as orgs
from portal.orgs.models import Organization
from portal.orgs.rules import Role
from portal.sso import queries
from portal.sso.models import Connection, IdpCertificate
from portal.sso.rules.attributes import FIELDS
from portal.sso.rules.certificates import Certificate, make_pair, read_certificates
from portal.sso.rules.connections import Binding, Preset, check_default_role, check_provider_id
from portal.sso.rules.metadata import Published, check_url, read_metadata
from portal.sso.schemas import ProviderIn, ProviderPatch, SamlConfigIn
from portal.sso.service import parties
from portal.sso.service.settings import require_ready_if_enforced

REFRESH = timedelta(hours=20)  # the job comes once a day
MOST_CONNECTIONS = 20
TRUST = ("idp_entity_id", "idp_sso_url")


def create(data: ProviderIn, *, organization: Organization, actor: Actor, fetched: bytes | None = None) -> Connection:
    """Adds a connection, with a key pair of its own. The organization's first one is its primary one.

    Args:
        data: Its name, and the identity provider if it is known already.
        organization: Whose.
        actor: An owner.
        fetched: What was at ``metadata_url``.

    Raises:
        Conflict: ``PROVIDER_ID_TAKEN``, or too many.
        Invalid: The identity provider can't be understood.
    """
    orgs.lock_open(organization.id)
    provider_id = check_provider_id(data.provider_id)
    present = queries.connections_of(organization.id)
    if len(present) >= MOST_CONNECTIONS:
        raise Conflict(f"An organization has at most {MOST_CONNECTIONS} connections. Remove one first.", code="TOO_MANY_CONNECTIONS")
    connection_id, at = db.new_id(), clock.now()
    certificate, private_key = make_pair(f"Portal {connection_id}", now=at)
    connection = Connection(
        id=connection_id,
        organization_id=organization.id,
        provider_id=provider_id,
        preset=data.preset or Preset.OTHER,
        is_primary=not present,
        is_enabled=True,
        attribute_names={},
        group_roles={},
        certificate=certificate,
        private_key=parties.seal(connection_id, private_key),
        created_at=at,
        certificates=[],
    )
    sentence = f"There is a connection {provider_id} already. Choose another name."
    taken = Conflict(sentence, code="PROVIDER_ID_TAKEN", details={"provider_id": [sentence]})
    with db.refused_by({"uq_sso_connections_organization_id_provider_id": taken}):
        db.session.add(connection)
    _set(connection, data, organization=organization, fetched=fetched)
    audit.record(actor, Action.SSO_CONNECTION_CREATED, _about(connection), organization_id=organization.id, after=_facts(connection))
    return connection


def change(
    connection: Connection, data: ProviderPatch, *, organization: Organization, actor: Actor, fetched: bytes | None = None
) -> Connection:
    """Changes what is named.

    Raises:
        Conflict: ``SSO_NOT_READY``: sign-ins are enforced, and this would leave no tested connection.
        Invalid: The identity provider can't be understood, or a role isn't possible.
    """
    orgs.lock_open(organization.id)
    connection = _lock(connection)
    before = _facts(connection)
    _set(connection, data, organization=organization, fetched=fetched)
    after = _facts(connection)
    if before != after:
        changed = sorted(name for name in after if before[name] != after[name])
        audit.record(
            actor,
            Action.SSO_CONNECTION_CHANGED,
            _about(connection),
            organization_id=organization.id,
            before={name: before[name] for name in changed},
            after={name: after[name] for name in changed},
        )
    require_ready_if_enforced(organization.id)
    return connection


def remove(connection: Connection, *, organization: Organization, actor: Actor) -> None:
    """Removes a connection with what belongs to it; its rows of the sign-in log stay.

    Raises:
        Conflict: ``SSO_NOT_READY``: sign-ins are enforced, and there is no other tested connection.
    """
    orgs.lock_open(organization.id)
    before, was_primary = _facts(connection), connection.is_primary
    db.session.delete(connection)
    db.session.flush()
    left = queries.connections_of(organization.id)
    if was_primary and left:
        left[0].is_primary = True
        db.session.flush()
    audit.record(actor, Action.SSO_CONNECTION_REMOVED, _about(connection), organization_id=organization.id, before=before)
    require_ready_if_enforced(organization.id)


def publish(connection: Connection, published: Published, *, url: str | None, by_itself: bool = False) -> None:
    """Takes what an identity provider says of itself; when an owner points at another one, it must be tested again.

    Args:
        connection: Its certificates are loaded.
        published: What it says.
        url: Where that is read again each day, or None.
        by_itself: The daily reading, which needs no new test.
    """
    trusted = tuple(getattr(connection, column) for column in TRUST)
    connection.idp_entity_id = published.entity_id
    connection.idp_sso_url = published.sso_url
    connection.idp_slo_url = published.slo_url
    connection.idp_slo_binding = published.slo_binding if published.slo_url else None
    connection.idp_slo_response_url = published.slo_response_url
    connection.metadata_url = url
    connection.metadata_due_at = clock.now() + REFRESH if url else None
    connection.metadata_read_at = clock.now()
    connection.metadata_error = None
    connection.metadata_valid_until = published.valid_until
    _set_certificates(connection, published.certificates)
    if not by_itself and trusted != tuple(getattr(connection, column) for column in TRUST):
        connection.tested_at = None
    db.session.flush()


def _set(connection: Connection, data: ProviderPatch, *, organization: Organization, fetched: bytes | None) -> None:
    ways = [way for way in ("metadata_xml", "metadata_url", "saml_config") if getattr(data, way)]
    if len(ways) > 1:
        raise Invalid("Give the identity provider in one way: its metadata's XML, its metadata URL, or by hand.", code="TOO_MANY_WAYS")
    now, plain_http = clock.now(), parties.plain_http()
    if data.metadata_url and fetched is not None:
        publish(connection, read_metadata(fetched, now=now, field="metadata_url", plain_http=plain_http), url=data.metadata_url)
    elif data.metadata_xml:
        publish(connection, read_metadata(data.metadata_xml.strip().encode(), now=now, plain_http=plain_http), url=None)
    elif data.saml_config:
        publish(connection, _by_hand(data.saml_config, plain_http=plain_http), url=None)
    for column in ("preset", "allow_idp_initiated", "is_enabled"):
        if getattr(data, column) is not None:
            setattr(connection, column, getattr(data, column))
    if data.attribute_names is not None:
        connection.attribute_names = _names(data.attribute_names)
    if data.group_roles is not None:
        connection.group_roles = _roles(data.group_roles, organization)
    if data.is_primary and not connection.is_primary:
        statement = update(Connection).where(Connection.organization_id == organization.id, Connection.is_primary).values(is_primary=False)
        db.session.execute(statement)
        connection.is_primary = True
    db.session.flush()


def _by_hand(config_: SamlConfigIn, *, plain_http: bool) -> Published:
    entry_point = check_url(config_.entry_point, what="The sign-in URL", field="entry_point", plain_http=plain_http)
    slo_url = check_url(config_.slo_url, what="The logout URL", field="slo_url", plain_http=plain_http) if config_.slo_url else None
    texts = [config_.cert] if isinstance(config_.cert, str) else config_.cert
    certificates = {one.fingerprint: one for text in texts for one in read_certificates(text)}
    if not certificates:
        read_certificates("")
    return Published(
        entity_id=config_.issuer.strip(),
        sso_url=entry_point,
        certificates=tuple(certificates.values()),
        slo_url=slo_url,
        slo_binding=Binding.REDIRECT if slo_url else None,
    )


def _names(names: Mapping[str, str]) -> Json:
    if strange := names.keys() - set(FIELDS):
        sentence = f"There is no field {min(strange)}. The fields are {', '.join(FIELDS)}."
        raise Invalid(sentence, details={"attribute_names": [sentence]})
    return {field: name for field, name in names.items() if name}


def _roles(roles: Mapping[str, Role], organization: Organization) -> Json:
    provider_orgs = config.current().enable_provider_orgs
    return {
        group: check_default_role(role, kind=organization.kind, provider_orgs=provider_orgs, field="group_roles").value
        for group, role in roles.items()
    }


def _set_certificates(connection: Connection, certificates: Iterable[Certificate]) -> None:
    wanted = {one.fingerprint: one for one in certificates}
    present = {row.fingerprint: row for row in connection.certificates}
    connection.certificates = [row for row in connection.certificates if row.fingerprint in wanted]
    for fingerprint, one in wanted.items():
        if fingerprint not in present:
            row = IdpCertificate(
                fingerprint=fingerprint,
                der=one.der,
                subject=one.subject,
                not_before=one.not_before,
                not_after=one.not_after,
                created_at=clock.now(),
            )
            connection.certificates.append(row)


def _facts(connection: Connection) -> dict[str, Any]:
    """What the audit log keeps of a connection."""
    return {
        "providerId": connection.provider_id,
        "preset": connection.preset,
        "issuer": connection.idp_entity_id,
        "entryPoint": connection.idp_sso_url,
        "sloUrl": connection.idp_slo_url,
        "metadataUrl": connection.metadata_url,
        "isPrimary": connection.is_primary,
        "isEnabled": connection.is_enabled,
        "allowIdpInitiated": connection.allow_idp_initiated,
        "attributeNames": dict(connection.attribute_names),
        "groupRoles": dict(connection.group_roles),
        "certificates": sorted(row.fingerprint for row in connection.certificates),
    }


def _lock(connection: Connection) -> Connection:
    db.session.execute(select(Connection.id).where(Connection.id == connection.id).with_for_update())
    db.session.refresh(connection)
    return connection


def _about(connection: Connection) -> audit.Subject:
    return audit.Subject("sso-connection", connection.id, connection.provider_id)
