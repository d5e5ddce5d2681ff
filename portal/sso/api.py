"""JSON of single sign-on: domains, connections, the log."""

from flask import Blueprint, jsonify
from flask.typing import ResponseReturnValue

from portal.accounts.service import admin_actor_of
from portal.orgs.access import Access, org
from portal.orgs.models import Organization
from portal.orgs.rules import Role
from portal.sso import queries
from portal.sso.models import Connection
from portal.sso.rules.addresses import check_domain
from portal.sso.schemas import AttemptOut, DomainOut, LogQuery, ProviderIn, ProviderOut, ProviderPatch, SsoOut, SsoPatch
from portal.sso.service import connections, domains, metadata, parties, requests, settings
from portal.web.forms import json_body, query
from portal.web.gates import admin, client_address, require_user
from portal.web.openapi import describes, listed, wrapped

bp = Blueprint("sso_api", __name__, url_prefix="/api/organizations/<organization_id>/sso")
admin_bp = Blueprint("sso_admin_api", __name__, url_prefix="/api/admin")


@bp.get("")
@org(Role.ORG_OWNER)
@describes(answers={200: SsoOut})
def show(access: Access) -> ResponseReturnValue:
    """Domains, enforcement, and the role of newcomers."""
    return jsonify(_shown(access.organization))


@bp.patch("")
@org(Role.ORG_OWNER)
@describes(body=SsoPatch, answers={200: SsoOut}, refuses={403: ("EMAIL_NOT_VERIFIED",), 409: ("DOMAIN_ALREADY_CLAIMED", "SSO_NOT_READY")})
def change(access: Access) -> ResponseReturnValue:
    """Changes what is named; ``allowedEmailDomains`` is the whole list."""
    settings.change(json_body(SsoPatch), organization=access.organization, user=access.user, actor=access.actor)
    return jsonify(_shown(access.organization))


@bp.post("/domains/<domain>/verify")
@org(Role.ORG_OWNER)
@describes(answers={200: wrapped("domain", DomainOut)}, refuses={409: ("TXT_RECORD_MISSING", "DNS_FAILED")})
def verify_domain(access: Access, domain: str) -> ResponseReturnValue:
    """Looks the domain's TXT record up now."""
    found = queries.require_domain(access.organization.id, domain=domain.lower())
    return jsonify(domain=DomainOut.model_validate(domains.check(found, actor=access.actor)).to_json())


@bp.get("/providers")
@org(Role.ORG_OWNER)
@describes(answers={200: listed(ProviderOut)})
def index_providers(access: Access) -> ResponseReturnValue:
    """The connections, the primary one first."""
    return jsonify(items=[_provider(one) for one in queries.connections_of(access.organization.id)], nextCursor=None)


@bp.post("/providers")
@org(Role.ORG_OWNER)
@describes(body=ProviderIn, answers={201: wrapped("provider", ProviderOut)}, refuses={409: ("PROVIDER_ID_TAKEN",)})
def create_provider(access: Access) -> ResponseReturnValue:
    """Adds a connection, by the identity provider's metadata or by hand."""
    data = json_body(ProviderIn)
    fetched = metadata.fetch(data.metadata_url)
    made = connections.create(data, organization=access.organization, actor=access.actor, fetched=fetched)
    return jsonify(provider=_provider(made)), 201


@bp.get("/providers/<provider_id>")
@org(Role.ORG_OWNER)
@describes(answers={200: wrapped("provider", ProviderOut)})
def show_provider(access: Access, provider_id: str) -> ResponseReturnValue:
    """One connection."""
    return jsonify(provider=_provider(queries.require_connection(access.organization.id, provider_id=provider_id)))


@bp.patch("/providers/<provider_id>")
@org(Role.ORG_OWNER)
@describes(body=ProviderPatch, answers={200: wrapped("provider", ProviderOut)}, refuses={409: ("SSO_NOT_READY",)})
def change_provider(access: Access, provider_id: str) -> ResponseReturnValue:
    """Changes what is named of a connection."""
    connection = queries.require_connection(access.organization.id, provider_id=provider_id)
    data = json_body(ProviderPatch)
    fetched = metadata.fetch(data.metadata_url)
    made = connections.change(connection, data, organization=access.organization, actor=access.actor, fetched=fetched)
    return jsonify(provider=_provider(made))


@bp.delete("/providers/<provider_id>")
@org(Role.ORG_OWNER)
@describes(answers={200: wrapped("removed", bool)}, refuses={409: ("SSO_NOT_READY",)})
def remove_provider(access: Access, provider_id: str) -> ResponseReturnValue:
    """Removes a connection."""
    connection = queries.require_connection(access.organization.id, provider_id=provider_id)
    connections.remove(connection, organization=access.organization, actor=access.actor)
    return jsonify(removed=True)


@bp.post("/providers/<provider_id>/test")
@org(Role.ORG_OWNER)
@describes(answers={200: wrapped("testUrl", str)}, refuses={409: ("CONNECTION_OFF",)})
def test_provider(access: Access, provider_id: str) -> ResponseReturnValue:
    """Prepares a test: a browser that opens ``testUrl`` signs in at the identity provider, and nobody is signed in here."""
    connection = queries.require_connection(access.organization.id, provider_id=provider_id)
    request_id = requests.prepare_test(connection, owner=access.user)
    return jsonify(testUrl=parties.ours(connection).test_url(request_id))


@bp.get("/log")
@org(Role.ORG_OWNER)
@describes(query=LogQuery, answers={200: listed(AttemptOut)})
def log(access: Access) -> ResponseReturnValue:
    """Every attempt to sign in or out, newest first, with the reason of each refusal."""
    wanted = query(LogQuery)
    found = queries.attempts(access.organization.id, refused=wanted.refused, limit=wanted.limit + 1, cursor=wanted.cursor)
    shown = found[: wanted.limit]
    more = len(found) > wanted.limit
    return jsonify(items=[AttemptOut.of(row).to_json() for row in shown], nextCursor=shown[-1].id if more else None)


@admin_bp.post("/domains/<domain>/verify")
@admin
@describes(answers={200: wrapped("domain", DomainOut)})
def verify_by_hand(domain: str) -> ResponseReturnValue:
    """A platform admin takes a claimed domain as verified."""
    user = require_user()
    made = domains.verify_by_hand(check_domain(domain), admin=user, actor=admin_actor_of(user, ip=client_address()))
    return jsonify(domain=DomainOut.model_validate(made).to_json())


def _shown(organization: Organization) -> object:
    return SsoOut.of(settings.wanted(organization), list(queries.domains_of(organization.id))).to_json()


def _provider(connection: Connection) -> object:
    return ProviderOut.of(connection, parties.ours(connection)).to_json()
