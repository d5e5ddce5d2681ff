"""Pages: inviting people, uploaded files, and the page that an invitation's link opens."""

from typing import Any

from flask import Blueprint, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user

from portal import config
from portal.errors import NotFound
from portal.invites import queries
from portal.invites.models import InvitationImport
from portal.invites.rules import Verdict
from portal.invites.rules.states import ImportStatus, InvitationStatus
from portal.invites.schemas import InvitationsQuery, MappingIn, PeopleIn, PreviewQuery
from portal.invites.service import imports, invitations
from portal.orgs import queries as orgs
from portal.orgs.access import Access, org
from portal.orgs.models import Membership
from portal.orgs.rules import Role, default_role, invitable_roles
from portal.web.forms import Form, form_data, query, uploaded_file
from portal.web.gates import client_address, public, require_user, signed_in
from portal.web.page import page, redirect_to, toast
from portal.web.security import limiter, per_organization

bp = Blueprint("invites", __name__)
PAGE_SIZE = 50
IMPORTS_SHOWN = 10
UPLOADS = "60/hour"


@bp.get("/orgs/<slug>/invitations")
@org(Role.ORG_ADMIN)
def index(access: Access) -> ResponseReturnValue:
    """Inviting, and the invitations by status."""
    form = Form(PeopleIn, {"role": default_role(access.organization.kind)})
    return _index_page(access, form)


@bp.post("/orgs/<slug>/invitations")
@limiter.limit(UPLOADS, key_func=per_organization)
@org(Role.ORG_ADMIN)
def invite(access: Access) -> ResponseReturnValue:
    """Invites the addresses of the text box."""
    form = Form.posted(PeopleIn)
    judged = form.submit(lambda data: imports.judge_text(data.people, default_role=data.role, around=_around(access)))
    if judged is None:
        return _index_page(access, form, status=422)
    people = imports.people_in(judged, default_role=Role(form.values.get("role") or default_role(access.organization.kind)))
    made = invitations.invite(access.organization, people, inviter=access.user, actor=access.actor)
    refused = [row for row in judged if row.verdict is not Verdict.NEW]
    if made:
        toast(f"{len(made)} {'invitation is' if len(made) == 1 else 'invitations are'} on the way.")
    if not refused:
        return redirect_to("invites.index", slug=access.organization.slug)
    form.values["people"] = "\n".join(row.email for row in refused)
    form.errors = {"people": [f"{row.email}: {row.message}" for row in refused]}
    return _index_page(access, form)


@bp.post("/orgs/<slug>/invitations/upload")
@limiter.limit(UPLOADS, key_func=per_organization)
@org(Role.ORG_ADMIN)
def upload(access: Access) -> ResponseReturnValue:
    """Reads a file and leads to its preview."""
    role = default_role(access.organization.kind)
    form = Form(PeopleIn, {"role": role})
    batch = form.submit_with(
        lambda: imports.stage(imports.Upload(*uploaded_file("file")), default_role=role, around=_around(access), creator=access.user),
        field="file",
    )
    if batch is None:
        return _index_page(access, form, status=422)
    return redirect_to("invites.show_import", slug=access.organization.slug, import_id=batch.id)


@bp.get("/orgs/<slug>/invitations/imports/<import_id>")
@org(Role.ORG_ADMIN)
def show_import(access: Access, import_id: str) -> ResponseReturnValue:
    """The preview of a file, or how far its mails are."""
    batch = queries.require_import(access.organization.id, import_id)
    slug = access.organization.slug
    urls = {
        "self": url_for("invites.show_import", slug=slug, import_id=import_id),
        "mapping": url_for("invites.map_columns", slug=slug, import_id=import_id),
        "confirm": url_for("invites.confirm", slug=slug, import_id=import_id),
        "back": url_for("invites.index", slug=slug),
    }
    return page("invites/import.html", block="import_state", access=access, **preview(batch, urls=urls))


@bp.post("/orgs/<slug>/invitations/imports/<import_id>/mapping")
@org(Role.ORG_ADMIN)
def map_columns(access: Access, import_id: str) -> ResponseReturnValue:
    """Takes the user's word for which column is which."""
    batch = queries.require_import(access.organization.id, import_id)
    data = form_data(MappingIn)
    imports.map_columns(batch, email=data.email, name=data.name, role=data.role, around=_around(access))
    return redirect_to("invites.show_import", slug=access.organization.slug, import_id=import_id)


@bp.post("/orgs/<slug>/invitations/imports/<import_id>/confirm")
@org(Role.ORG_ADMIN)
def confirm(access: Access, import_id: str) -> ResponseReturnValue:
    """Sends what is new."""
    number = imports.confirm(import_id, around=_around(access), inviter=access.user, actor=access.actor)
    if number:
        toast(f"{number} {'invitation is' if number == 1 else 'invitations are'} on the way.")
    return redirect_to("invites.show_import", slug=access.organization.slug, import_id=import_id)


@bp.post("/orgs/<slug>/invitations/<invitation_id>/resend")
@limiter.limit(UPLOADS, key_func=per_organization)
@org(Role.ORG_ADMIN)
def resend(access: Access, invitation_id: str) -> ResponseReturnValue:
    """Mails an invitation again."""
    row = invitations.resend(invitation_id, organization=access.organization, actor=access.actor)
    toast(f"A new link is on the way to {row.email}. The old one ends.")
    return redirect_to("invites.index", slug=access.organization.slug)


@bp.post("/orgs/<slug>/invitations/<invitation_id>/revoke")
@org(Role.ORG_ADMIN)
def revoke(access: Access, invitation_id: str) -> ResponseReturnValue:
    """Takes an invitation back."""
    row = invitations.revoke(invitation_id, organization=access.organization, actor=access.actor)
    toast(f"The invitation of {row.email} was taken back.")
    return redirect_to("invites.index", slug=access.organization.slug)


@bp.get("/organizations/invite/<token>")
@public
def open_invitation(token: str) -> ResponseReturnValue:
    """Who invites whom, as what; opening it uses nothing up."""
    row = queries.by_token(token)
    if row is None:
        raise NotFound(
            "This invitation is not one of ours. Copy the whole address from the mail, or ask for a new one.",
            code="INVITATION_NOT_FOUND",
        )
    state = "open"
    if row.status is not InvitationStatus.PENDING:
        state = row.status.value.lower()
    elif not invitations.is_in_time(row):
        state = "expired"
    elif current_user.is_authenticated and current_user.email != row.email:
        state = "mismatch"
    return page("invites/accept.html", invitation=row, token=token, state=state, here=request.path)


@bp.post("/organizations/invite/<token>")
@signed_in
def accept(token: str) -> ResponseReturnValue:
    """Joins the organization."""
    return _welcomed(invitations.accept(token, user=require_user(), ip=client_address()))


@bp.post("/welcome/invitations/<invitation_id>/join")
@signed_in
def join(invitation_id: str) -> ResponseReturnValue:
    """Joins the organization of an invitation to one's own verified address."""
    membership = invitations.accept_own(invitation_id, user=require_user(), ip=client_address())
    return _welcomed(membership)


def preview(batch: InvitationImport, *, urls: dict[str, str]) -> dict[str, Any]:
    """What the preview component shows, on whichever page it stands."""
    filters = query(PreviewQuery)
    counts = queries.import_counts(batch.id)
    offset = (filters.page - 1) * PAGE_SIZE
    rows = queries.import_rows(batch.id, verdict=filters.verdict, limit=PAGE_SIZE + 1, offset=offset)
    is_checked = batch.status is ImportStatus.CHECKED
    return {
        "batch": batch,
        "urls": urls,
        "filters": filters,
        "counts": counts,
        "total": sum(counts.values()),
        "new": counts.get(Verdict.NEW, 0),
        "rows": rows[:PAGE_SIZE],
        "has_next": len(rows) > PAGE_SIZE,
        "samples": imports.samples(batch) if is_checked and batch.mapping is None else [],
        "progress": None if is_checked else queries.import_progress(batch.id),
    }


def _welcomed(membership: Membership) -> ResponseReturnValue:
    organization = orgs.by_id(membership.organization_id)
    assert organization is not None
    toast(f"Welcome to {organization.name}.")
    return redirect_to("home.show", slug=organization.slug)


def _around(access: Access) -> imports.Surroundings:
    return imports.surroundings(access.organization, allowed_roles=_roles(access))


def _roles(access: Access) -> list[Role]:
    provider_orgs = config.current().enable_provider_orgs
    return invitable_roles(access.organization.kind, inviter=access.role, provider_orgs=provider_orgs)


def _index_page(access: Access, form: Form[PeopleIn], *, status: int = 200) -> ResponseReturnValue:
    filters = query(InvitationsQuery)
    organization_id = access.organization.id
    offset = (filters.page - 1) * PAGE_SIZE
    rows = queries.invitations_of(organization_id, status=filters.status, limit=PAGE_SIZE + 1, offset=offset)
    return page(
        "invites/index.html",
        block="invitation_list",
        status=status,
        access=access,
        form=form,
        filters=filters,
        roles=[(role.value, role.label) for role in _roles(access)],
        counts=queries.counts_by_status(organization_id),
        invitations=rows[:PAGE_SIZE],
        has_next=len(rows) > PAGE_SIZE,
        imports=queries.imports_of(organization_id, limit=IMPORTS_SHOWN),
    )
