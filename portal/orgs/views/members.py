"""Pages of members: the list with its filters, changing one or many, the list as a file."""

from datetime import datetime
from typing import Any

from flask import Blueprint, url_for
from flask.typing import ResponseReturnValue

from portal import config
from portal.orgs import queries
from portal.orgs.access import Access, org
from portal.orgs.models import Membership, Organization
from portal.orgs.rules import PROVIDER_TIER, MembershipStatus, Role, roles_for
from portal.orgs.rules.members import Plan
from portal.orgs.schemas import BulkIn, MemberPatch, MembersQuery, RoleIn, StatusIn
from portal.orgs.service import members as service
from portal.sheets import csv_bytes
from portal.web.filters import count
from portal.web.forms import Form, form_list, query
from portal.web.page import CSV, download, page, redirect_to, toast, wants_fragment

bp = Blueprint("members", __name__)
PAGE_SIZE = 25
NAMED_IN_TOAST = 3
DONE = {MembershipStatus.ACTIVE: "is active again", MembershipStatus.SUSPENDED: "is suspended", MembershipStatus.REMOVED: "was removed"}


@bp.get("/orgs/<slug>/members")
@org(Role.ORG_LEARNER)
def index(access: Access) -> ResponseReturnValue:
    """Everybody in the organization."""
    return _list_page(access)


@bp.get("/orgs/<slug>/learners")
@org(Role.ORG_LEARNER)
def learners(access: Access) -> ResponseReturnValue:
    """Those who take sessions and hold seats."""
    return _list_page(access, only_learners=True)


@bp.get("/orgs/<slug>/members.csv")
@org(Role.ORG_LEARNER)
def export(access: Access) -> ResponseReturnValue:
    """The list as a file, with the page's filters."""
    rows = queries.members(access.organization.id, query(MembersQuery), limit=None)
    header = ("Name", "E-mail", "Role", "Status", "Joined", "Seat since")
    cells = (
        (row.user.name, row.user.email, row.role.label, row.status.label, _iso(row.joined_at), _iso(row.seat_assigned_at)) for row in rows
    )
    return download(csv_bytes(header, cells), file_name=f"{access.organization.slug}-members.csv", media_type=CSV)


@bp.post("/orgs/<slug>/members/<member_id>/role")
@org(Role.ORG_ADMIN)
def change_role(access: Access, member_id: str) -> ResponseReturnValue:
    """Gives a member another role."""
    queries.require_member(access.organization.id, member_id)
    form = Form.posted(RoleIn)
    changed = form.submit(lambda data: _change(access, member_id, MemberPatch(role=data.role)))
    return _answer(access, form, done=f"{changed.user.name} is {changed.role.label} now." if changed else "")


@bp.post("/orgs/<slug>/members/<member_id>/status")
@org(Role.ORG_ADMIN)
def change_status(access: Access, member_id: str) -> ResponseReturnValue:
    """Suspends a member, removes them, or makes them active again."""
    queries.require_member(access.organization.id, member_id)
    form = Form.posted(StatusIn)
    changed = form.submit(lambda data: _change(access, member_id, MemberPatch(status=data.status)))
    return _answer(access, form, done=f"{changed.user.name} {DONE[changed.status]}." if changed else "")


@bp.post("/orgs/<slug>/members/bulk")
@org(Role.ORG_ADMIN)
def change_many(access: Access) -> ResponseReturnValue:
    """Does one thing to every member that is ticked."""
    form = Form.posted(BulkIn)
    form.values.pop("member_id", None)
    ids = form_list("member_id")
    plan = form.submit(
        lambda data: service.change_many(ids, data.change, organization=access.organization, actor_role=access.role, actor=access.actor)
    )
    return _answer(access, form, done=_told(plan) if plan else "")


def _change(access: Access, member_id: str, patch: MemberPatch) -> Membership:
    return service.change(member_id, patch, organization=access.organization, actor_role=access.role, actor=access.actor)


def _answer(access: Access, form: Form[Any], *, done: str) -> ResponseReturnValue:
    """The list again: as a fragment with a toast, or by a redirect; a refusal without JavaScript stands above the list."""
    if not form.is_valid:
        if not wants_fragment():
            return _list_page(access, form=form, status=422)
        sentences = [sentence for found in form.errors.values() for sentence in found] + form.messages
        toast(" ".join(sentences), tone="error")
        return _list_page(access)
    toast(done)
    if wants_fragment():
        return _list_page(access)
    return redirect_to("members.index", slug=access.organization.slug, **_kept(query(MembersQuery)))


def _told(plan: Plan) -> str:
    sentences = [f"{count(len(plan.changed), 'member was', 'members were')} changed."]
    shown = plan.refused[:NAMED_IN_TOAST]
    sentences += [f"Not {before.name}: {refusal.message}" for before, refusal in shown]
    if len(plan.refused) > len(shown):
        sentences.append(f"{len(plan.refused) - len(shown)} more stay as they are for reasons like these.")
    return " ".join(sentences)


def _list_page(access: Access, *, form: Form[Any] | None = None, status: int = 200, only_learners: bool = False) -> ResponseReturnValue:
    organization = access.organization
    filters = query(MembersQuery)
    if only_learners:
        filters = filters.model_copy(update={"role": Role.ORG_LEARNER})
    total = queries.count_members(organization.id, filters)
    offset = (filters.page - 1) * PAGE_SIZE
    rows = queries.members(organization.id, filters, limit=PAGE_SIZE, offset=offset)
    endpoint = "members.learners" if only_learners else "members.index"
    kept = _kept(filters)

    def url(number: int) -> str:
        return url_for(endpoint, slug=organization.slug, **{**kept, "page": number})

    roles = _roles(organization)
    return page(
        "orgs/members.html",
        block="member_list",
        status=status,
        access=access,
        form=form or Form(RoleIn),
        filters=filters,
        only_learners=only_learners,
        members=rows,
        total=total,
        seats=queries.seats(organization),
        roles=roles,
        grantable=[(role.value, role.label) for role in roles if role.rank <= access.role.rank],
        may_change=access.may(Role.ORG_ADMIN),
        statuses=list(MembershipStatus),
        kept=kept,
        showing=f"{offset + 1 if rows else 0}–{offset + len(rows)} of {total}",
        previous_url=url(filters.page - 1) if filters.page > 1 else "",
        next_url=url(filters.page + 1) if offset + len(rows) < total else "",
    )


def _roles(organization: Organization) -> list[Role]:
    """The roles that can be given here, highest first."""
    allowed = roles_for(organization.kind) - (frozenset() if config.current().enable_provider_orgs else PROVIDER_TIER)
    return sorted(allowed, key=lambda role: -role.rank)


def _kept(filters: MembersQuery) -> dict[str, Any]:
    """The filters as a URL keeps them, without those that say nothing."""
    kept = {"q": filters.q or None, "role": filters.role, "status": filters.status, "page": filters.page if filters.page > 1 else None}
    return {name: value for name, value in kept.items() if value is not None}


def _iso(value: datetime | None) -> str:
    return value.isoformat() if value else ""
