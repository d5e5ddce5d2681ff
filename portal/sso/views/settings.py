"""Pages of single sign-on in an organization's settings: domains, enforcement, connections step by step, the log."""

from typing import Any

from flask import Blueprint, Response, url_for
from flask.typing import ResponseReturnValue

from portal import clock
from portal.orgs.access import Access, org
from portal.orgs.rules import Role
from portal.orgs.views.settings import tabs
from portal.sso import queries
from portal.sso.models import Connection
from portal.sso.rules.attributes import FIELDS
from portal.sso.rules.connections import Preset
from portal.sso.schemas import (
    DetailsIn,
    DomainIn,
    LogQuery,
    ManualIn,
    MetadataUrlIn,
    MetadataXmlIn,
    NewConnectionIn,
    PolicyIn,
    ProviderIn,
    ProviderPatch,
    SamlConfigIn,
    SsoPatch,
)
from portal.sso.service import connections, domains, metadata, parties, requests, settings
from portal.web.forms import Form, has_upload, query, uploaded_file
from portal.web.page import page, redirect_to, toast

bp = Blueprint("sso_settings", __name__, url_prefix="/orgs/<slug>/settings/sso")
PAGE_SIZE = 50
CLAIM_FIELDS = dict(zip(FIELDS, ("email_claim", "first_name_claim", "last_name_claim", "name_claim", "groups_claim"), strict=True))


@bp.get("")
@org(Role.ORG_OWNER)
def show(access: Access) -> ResponseReturnValue:
    """Everything at a glance."""
    return _page(access)


@bp.post("/policy")
@org(Role.ORG_OWNER)
def save_policy(access: Access) -> ResponseReturnValue:
    """Saves whether sign-ins are required this way, and the role of newcomers."""
    form = Form.posted(PolicyIn, prefix="policy")
    saved = form.submit(
        lambda data: settings.change(
            SsoPatch(enforce_sso=data.enforce_sso, default_role_for_auto_join=data.default_role_for_auto_join),
            organization=access.organization,
            user=access.user,
            actor=access.actor,
        )
    )
    if saved is None:
        return _page(access, policy=form, status=422)
    toast("Your changes are saved.")
    return redirect_to("sso_settings.show", slug=access.organization.slug)


@bp.post("/domains")
@org(Role.ORG_OWNER)
def claim(access: Access) -> ResponseReturnValue:
    """Claims a domain."""
    form = Form.posted(DomainIn, prefix="domain")
    made = form.submit(lambda data: domains.claim(data.domain, organization=access.organization, user=access.user, actor=access.actor))
    if made is None:
        return _page(access, domain=form, status=422)
    toast(f"{made.domain} is claimed. Publish its TXT record, then check it here.")
    return redirect_to("sso_settings.show", slug=access.organization.slug)


@bp.post("/domains/<domain_id>/check")
@org(Role.ORG_OWNER)
def check_domain(access: Access, domain_id: str) -> ResponseReturnValue:
    """Looks a domain's TXT record up."""
    found = queries.require_domain(access.organization.id, domain_id=domain_id)
    form = Form(DomainIn, prefix="domain")
    made = form.submit_with(lambda: domains.check(found, actor=access.actor), field="domain")
    if made is None:
        return _page(access, domain=form, status=422)
    toast(f"{made.domain} is verified.")
    return redirect_to("sso_settings.show", slug=access.organization.slug)


@bp.post("/domains/<domain_id>/release")
@org(Role.ORG_OWNER)
def release_domain(access: Access, domain_id: str) -> ResponseReturnValue:
    """Gives a domain up."""
    form = Form(DomainIn, prefix="domain")
    released = form.submit_with(
        lambda: settings.release_domain(access.organization, domain_id=domain_id, actor=access.actor), field="domain"
    )
    if released is None:
        return _page(access, domain=form, status=422)
    toast(f"{released} isn't claimed any more.")
    return redirect_to("sso_settings.show", slug=access.organization.slug)


@bp.get("/log")
@org(Role.ORG_OWNER)
def log(access: Access) -> ResponseReturnValue:
    """Each attempt to sign in or out, with its reason."""
    wanted = query(LogQuery)
    found = queries.attempts(access.organization.id, refused=wanted.refused, limit=PAGE_SIZE + 1, cursor=wanted.cursor)
    more = len(found) > PAGE_SIZE
    slug = access.organization.slug
    kept: dict[str, Any] = {"refused": "true"} if wanted.refused else {}
    views: list[tuple[str, dict[str, Any], bool]] = [("All", {}, False), ("Refused", {"refused": "true"}, True)]
    return page(
        "sso/log.html",
        block="attempt_list",
        access=access,
        organization=access.organization,
        tabs=tabs(access),
        views=[
            {
                "label": label,
                "url": url_for("sso_settings.log", slug=slug, **values),
                "is_current": refused == wanted.refused,
                "count": None,
            }
            for label, values, refused in views
        ],
        attempts=found[:PAGE_SIZE],
        next_url=url_for("sso_settings.log", slug=slug, cursor=found[PAGE_SIZE - 1].id, **kept) if more else "",
        first_url=url_for("sso_settings.log", slug=slug, **kept) if wanted.cursor else "",
    )


@bp.post("/connections")
@org(Role.ORG_OWNER)
def create(access: Access) -> ResponseReturnValue:
    """Adds a connection by its preset; its page then has our addresses and the steps."""
    form = Form.posted(NewConnectionIn, prefix="new")
    made = form.submit(
        lambda data: connections.create(
            ProviderIn(provider_id=data.provider_id or data.preset.value.lower(), preset=data.preset),
            organization=access.organization,
            actor=access.actor,
        )
    )
    if made is None:
        return _page(access, new=form, status=422)
    return _to_connection(access, made)


@bp.get("/connections/<connection_id>")
@org(Role.ORG_OWNER)
def connection(access: Access, connection_id: str) -> ResponseReturnValue:
    """One connection: steps, our addresses, the identity provider, certificates, test, details."""
    return _connection_page(access, queries.require_connection(access.organization.id, connection_id=connection_id))


@bp.post("/connections/<connection_id>/metadata-xml")
@org(Role.ORG_OWNER)
def save_xml(access: Access, connection_id: str) -> ResponseReturnValue:
    """Takes the identity provider's metadata, pasted or uploaded."""
    found = queries.require_connection(access.organization.id, connection_id=connection_id)
    form = Form.posted(MetadataXmlIn, prefix="xml")
    if has_upload("metadata_file"):
        form.values["metadata_xml"] = uploaded_file("metadata_file")[1].decode(errors="replace")
    form.values.pop("metadata_file", None)
    if not form.values.get("metadata_xml", "").strip():
        form.errors = {"metadata_xml": ["Paste the metadata's XML, or choose its file."]}
        return _connection_page(access, found, xml=form, status=422)
    return _saved(access, found, form, name="xml", patch=lambda data: ProviderPatch(metadata_xml=data.metadata_xml))


@bp.post("/connections/<connection_id>/metadata-url")
@org(Role.ORG_OWNER)
def save_url(access: Access, connection_id: str) -> ResponseReturnValue:
    """Fetches the identity provider's metadata, now and each day."""
    found = queries.require_connection(access.organization.id, connection_id=connection_id)
    form = Form.posted(MetadataUrlIn, prefix="url")
    return _saved(access, found, form, name="url", patch=lambda data: ProviderPatch(metadata_url=data.metadata_url))


@bp.post("/connections/<connection_id>/manual")
@org(Role.ORG_OWNER)
def save_manual(access: Access, connection_id: str) -> ResponseReturnValue:
    """Takes the identity provider by hand."""
    found = queries.require_connection(access.organization.id, connection_id=connection_id)
    form = Form.posted(ManualIn, prefix="manual")

    def patch(data: ManualIn) -> ProviderPatch:
        config = SamlConfigIn(issuer=data.issuer, entry_point=data.entry_point, cert=data.certificates, slo_url=data.slo_url)
        return ProviderPatch(saml_config=config)

    return _saved(access, found, form, name="manual", patch=patch)


@bp.post("/connections/<connection_id>/details")
@org(Role.ORG_OWNER)
def save_details(access: Access, connection_id: str) -> ResponseReturnValue:
    """Saves what the connection does: claims, groups, who may start a sign-in."""
    found = queries.require_connection(access.organization.id, connection_id=connection_id)
    form = Form.posted(DetailsIn, prefix="details")

    def patch(data: DetailsIn) -> ProviderPatch:
        return ProviderPatch(
            allow_idp_initiated=data.allow_idp_initiated,
            is_enabled=data.is_enabled,
            is_primary=data.is_primary or None,
            attribute_names=data.attribute_names(),
            group_roles=data.group_roles,
        )

    return _saved(access, found, form, name="details", patch=patch)


@bp.post("/connections/<connection_id>/test")
@org(Role.ORG_OWNER)
def test(access: Access, connection_id: str) -> ResponseReturnValue:
    """Prepares a test and leads to it."""
    found = queries.require_connection(access.organization.id, connection_id=connection_id)
    request_id = requests.prepare_test(found, owner=access.user)
    return leaving(
        url_for("sso.test", connection_id=found.id, request_id=request_id),
        heading=f"Testing {found.provider_id}",
        sentence="You are led to your identity provider. Nobody is signed in or changed by the test.",
    )


@bp.post("/connections/<connection_id>/remove")
@org(Role.ORG_OWNER)
def remove(access: Access, connection_id: str) -> ResponseReturnValue:
    """Removes a connection."""
    found = queries.require_connection(access.organization.id, connection_id=connection_id)
    form = Form(DetailsIn, prefix="details")

    def act() -> str:
        connections.remove(found, organization=access.organization, actor=access.actor)
        return found.provider_id

    removed = form.submit_with(act, field="is_enabled")
    if removed is None:
        kept = queries.require_connection(access.organization.id, connection_id=connection_id)
        form.values = _details(kept)
        return _connection_page(access, kept, details=form, status=422)
    toast(f"The connection {removed} is removed.")
    return redirect_to("sso_settings.show", slug=access.organization.slug)


def leaving(path: str, *, heading: str, sentence: str) -> Response:
    """A page that leads on by itself, to where no redirect may lead after a form: browsers hold redirects to ``form-action``, too."""
    response = page("sso/leaving.html", path=path, heading=heading, sentence=sentence)
    response.headers["Refresh"] = f"0; url={path}"
    return response


def _saved(access: Access, found: Connection, form: Form[Any], *, name: str, patch: Any) -> ResponseReturnValue:  # noqa: ANN401 - data → ProviderPatch
    connection_id = found.id

    def act(data: Any) -> Connection:  # noqa: ANN401 - the form's own schema
        change = patch(data)
        fetched = metadata.fetch(change.metadata_url)
        return connections.change(found, change, organization=access.organization, actor=access.actor, fetched=fetched)

    saved = form.submit(act)
    if saved is None:
        if "certificates" not in form.schema.model_fields and "certificates" in form.errors:
            form.messages += form.errors.pop("certificates")
        if form.errors.get("enforce_sso"):
            form.messages += form.errors.pop("enforce_sso")
        kept = queries.require_connection(access.organization.id, connection_id=connection_id)
        return _connection_page(access, kept, status=422, **{name: form})
    toast(f"{saved.provider_id}: your changes are saved.")
    return _to_connection(access, saved)


def _to_connection(access: Access, found: Connection) -> ResponseReturnValue:
    return redirect_to("sso_settings.connection", slug=access.organization.slug, connection_id=found.id)


def _page(
    access: Access,
    *,
    policy: Form[PolicyIn] | None = None,
    domain: Form[DomainIn] | None = None,
    new: Form[NewConnectionIn] | None = None,
    status: int = 200,
) -> ResponseReturnValue:
    organization = access.organization
    wanted = settings.wanted(organization)
    values = {"enforce_sso": "true" if wanted.is_enforced else "", "default_role_for_auto_join": wanted.default_role.value}
    return page(
        "sso/settings.html",
        status=status,
        access=access,
        organization=organization,
        tabs=tabs(access),
        policy=policy or Form(PolicyIn, values, prefix="policy"),
        domain=domain or Form(DomainIn, prefix="domain"),
        new=new or Form(NewConnectionIn, {"preset": Preset.OKTA.value}, prefix="new"),
        is_enforced=wanted.is_enforced,
        domains=queries.domains_of(organization.id),
        connections=[(one, _state(one)) for one in queries.connections_of(organization.id)],
        presets=[(preset.value, preset.label, None) for preset in Preset],
        roles=[(role.value, role.label) for role in settings.grantable_roles(organization)],
        now=clock.now(),
    )


def _connection_page(access: Access, found: Connection, *, status: int = 200, **forms: Form[Any]) -> ResponseReturnValue:
    manual = {"issuer": found.idp_entity_id or "", "entry_point": found.idp_sso_url or "", "slo_url": found.idp_slo_url or ""}
    fresh: dict[str, Any] = {
        "xml": Form(MetadataXmlIn, prefix="xml"),
        "url": Form(MetadataUrlIn, {"metadata_url": found.metadata_url or ""}, prefix="url"),
        "manual": Form(ManualIn, manual, prefix="manual"),
        "details": Form(DetailsIn, _details(found), prefix="details"),
    }
    return page(
        "sso/connection.html",
        status=status,
        access=access,
        organization=access.organization,
        tabs=tabs(access),
        connection=found,
        ours=parties.ours(found),
        state=_state(found),
        roles=settings.grantable_roles(access.organization),
        now=clock.now(),
        open_way=next((name for name in ("xml", "url", "manual") if name in forms), ""),
        **{**fresh, **forms},
    )


def _details(found: Connection) -> dict[str, Any]:
    flags = {name: "true" if getattr(found, name) else "" for name in ("allow_idp_initiated", "is_enabled", "is_primary")}
    groups = "\n".join(f"{group} = {Role(role).label}" for group, role in found.group_roles.items())
    return {**flags, **{column: found.attribute_names.get(field, "") for field, column in CLAIM_FIELDS.items()}, "group_roles": groups}


def _state(found: Connection) -> tuple[str, str]:
    """A connection's state: tone and word."""
    if not found.is_configured:
        return "draft", "Not set up"
    if not found.is_enabled:
        return "mute", "Switched off"
    if all(one.not_after <= clock.now() for one in found.certificates):
        return "bad", "Certificate expired"
    return ("good", "Tested") if found.tested_at else ("warn", "Not tested")
