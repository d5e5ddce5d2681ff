"""Pages: inviting people, the invitations by status, and the page that an invitation's link opens."""

import itertools
from typing import Any

from flask import Blueprint, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user

from portal import config
from portal.errors import NotFound
from portal.invites import queries
from portal.invites.models import Invitation
from portal.invites.rules import Verdict
from portal.invites.rules.states import InvitationStatus
from portal.invites.schemas import BulkIn, InvitationsQuery, PeopleIn, RestoreQuery
from portal.invites.service import changes, imports, invitations, verdicts
from portal.invites.views import imports as component
from portal.orgs import queries as orgs
from portal.orgs.access import Access, org
from portal.orgs.models import Membership
from portal.orgs.rules import Role, Status, default_role, invitable_roles
from portal.web.filters import count
from portal.web.forms import Form, form_list, query
from portal.web.gates import client_address, public, require_user, signed_in
from portal.web.page import page, redirect_to, toast, wants_fragment
from portal.web.security import invitation_limit

bp = Blueprint("invites", __name__)
PAGE_SIZE = 25
IMPORTS_SHOWN = 10
NAMED_IN_TOAST = 3
REVOKED = ("invitation was taken back", "invitations were taken back")
RESENT = ("new link is on the way", "new links are on the way")


@bp.get("/orgs/<slug>/invitations")
@org(Role.ORG_ADMIN)
def index(access: Access) -> ResponseReturnValue:
    """Inviting, and the invitations by status."""
    form = Form(PeopleIn, {"role": default_role(access.organization.kind)})
    return _index_page(access, form)


@bp.post("/orgs/<slug>/invitations")
@org(Role.ORG_ADMIN)
@invitation_limit
def invite(access: Access) -> ResponseReturnValue:
    """Invites the addresses of the text box."""
    form = Form.posted(PeopleIn)
    judged = form.submit(lambda data: verdicts.judge_text(data.people, default_role=data.role, around=_around(access)))
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


@bp.post("/orgs/<slug>/invitations/<invitation_id>/resend")
@org(Role.ORG_ADMIN)
@invitation_limit
def resend(access: Access, invitation_id: str) -> ResponseReturnValue:
    """Mails an invitation again."""
    row = changes.resend(invitation_id, organization=access.organization, actor=access.actor)
    toast(f"A new link is on the way to {row.email}. The old one ends.")
    return _list_again(access)


@bp.post("/orgs/<slug>/invitations/<invitation_id>/revoke")
@org(Role.ORG_ADMIN)
def revoke(access: Access, invitation_id: str) -> ResponseReturnValue:
    """Takes an invitation back."""
    row = changes.revoke(invitation_id, organization=access.organization, actor=access.actor)
    toast(f"The invitation of {row.email} was taken back.", undo_url=_undo_url(access, row))
    return _list_again(access)


@bp.post("/orgs/<slug>/invitations/bulk")
@org(Role.ORG_ADMIN)
@invitation_limit
def change_many(access: Access) -> ResponseReturnValue:
    """Resends or takes back every invitation that is ticked."""
    form, ids = Form.posted(BulkIn), form_list("invitation_id")
    form.values.pop("invitation_id", None)
    act = {"resend": changes.resend_many, "revoke": changes.revoke_many}
    outcome = form.submit(lambda data: act[data.known](ids, organization=access.organization, actor=access.actor))
    if outcome is None:
        toast(" ".join([*itertools.chain(*form.errors.values()), *form.messages]), tone="error")
        return _list_again(access)
    is_revoked = bool(outcome.changed) and outcome.changed[0].revoked_at is not None
    done = REVOKED if is_revoked else RESENT
    undo_url = _undo_url(access, outcome.changed[0]) if is_revoked else None
    toast(_told(outcome, *done), undo_url=undo_url)
    return _list_again(access)


@bp.post("/orgs/<slug>/invitations/restore")
@org(Role.ORG_ADMIN)
def restore(access: Access) -> ResponseReturnValue:
    """Puts back what one act took back."""
    outcome = changes.restore(query(RestoreQuery).revoked_at, organization=access.organization, actor=access.actor)
    toast(_told(outcome, "invitation is open again", "invitations are open again"))
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
    elif row.organization.status not in {Status.ACTIVE, Status.PENDING_VERIFICATION}:
        state = "closed"
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


def _undo_url(access: Access, revoked: Invitation) -> str | None:
    at = revoked.revoked_at
    return url_for("invites.restore", slug=access.organization.slug, revoked_at=at.isoformat()) if at else None


def _told(outcome: changes.Outcome, one: str, many: str) -> str:
    sentences = [f"{count(len(outcome.changed), one, many)}."]
    sentences += [refusal.message for _row, refusal in outcome.refused[:NAMED_IN_TOAST]]
    if len(outcome.refused) > NAMED_IN_TOAST:
        sentences.append(f"{len(outcome.refused) - NAMED_IN_TOAST} more stay as they are for reasons like these.")
    return " ".join(sentences)


def _list_again(access: Access) -> ResponseReturnValue:
    if wants_fragment():
        return _index_page(access, Form(PeopleIn, {"role": default_role(access.organization.kind)}))
    filters = query(InvitationsQuery)
    return redirect_to("invites.index", slug=access.organization.slug, status=filters.status.value, page=filters.page)


def _welcomed(membership: Membership) -> ResponseReturnValue:
    organization = orgs.by_id(membership.organization_id)
    assert organization is not None
    toast(f"Welcome to {organization.name}.")
    return redirect_to("home.show", slug=organization.slug)


def _around(access: Access) -> verdicts.Surroundings:
    return verdicts.surroundings(access.organization, allowed_roles=_roles(access))


def _roles(access: Access) -> list[Role]:
    provider_orgs = config.current().enable_provider_orgs
    return invitable_roles(access.organization.kind, inviter=access.role, provider_orgs=provider_orgs)


def _desk(values: dict[str, Any]) -> component.Desk:
    access: Access = values["access"]
    slug = access.organization.slug
    return component.Desk(
        organization=access.organization,
        user=access.user,
        roles=_roles(access),
        around=lambda: _around(access),
        confirm=lambda import_id: imports.confirm(import_id, around=_around(access), inviter=access.user, actor=access.actor),
        done=lambda number: f"{count(number, 'invitation is', 'invitations are')} on the way.",
        url=lambda name, **own: url_for(f"invites.{name}", slug=slug, **own),
        refused=lambda form: _index_page(access, _with_file_errors(access, form), status=422),
        after_confirm=lambda import_id: url_for("invites.show_import", slug=slug, import_id=import_id),
        sends=True,
        back_url=url_for("invites.index", slug=slug),
        template="invites/import.html",
        context={"access": access},
        confirm_verb="Send",
        confirm_noun=("invitation", "invitations"),
    )


component.register(
    bp,
    prefix="/orgs/<slug>/invitations",
    gate=org(Role.ORG_ADMIN),
    limit=invitation_limit,
    desk_of=_desk,
)


def _with_file_errors(access: Access, refused: Form[Any]) -> Form[PeopleIn]:
    form = Form(PeopleIn, {"role": default_role(access.organization.kind)})
    form.errors = refused.errors
    return form


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
