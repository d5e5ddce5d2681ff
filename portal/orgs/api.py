"""JSON of organizations, their members, pictures and log."""

from flask import Blueprint, jsonify
from flask.typing import ResponseReturnValue

from portal.accounts.service import actor_of, admin_actor_of
from portal.audit import queries as audit
from portal.audit.schemas import ActivityOut, AuditFilter, AuditQuery, AuditRowOut
from portal.orgs import queries, service
from portal.orgs.access import Access, org, require_member
from portal.orgs.models import Organization
from portal.orgs.queries import tokens as stored_tokens
from portal.orgs.rules import MembershipStatus, Role
from portal.orgs.rules.images import picture_from
from portal.orgs.rules.tokens import TokenScope
from portal.orgs.schemas import (
    MemberOut,
    MemberPatch,
    MembersListQuery,
    NewMemberIn,
    OrganizationIn,
    OrganizationOut,
    OrganizationPatch,
    ReasonedVerdictIn,
)
from portal.orgs.schemas.tokens import TokenIn, TokenOut
from portal.orgs.service import branding, members, settings, tokens
from portal.web.bearer import bearer, scoped
from portal.web.forms import json_body, query, uploaded_file
from portal.web.gates import admin, client_address, require_user, signed_in
from portal.web.openapi import describes, listed, wrapped
from portal.web.page import CSV, download
from portal.web.schema import PagedQuery

bp = Blueprint("orgs_api", __name__, url_prefix="/api")
ONE = "/organizations/<organization_id>"


@bp.get("/organizations")
@signed_in
@scoped(TokenScope.READ, TokenScope.MEMBERS, TokenScope.INVITATIONS, TokenScope.BILLING)
@describes(query=PagedQuery, answers={200: listed(OrganizationOut)})
def list_organizations() -> ResponseReturnValue:
    """The caller's own organizations; for a platform admin all of them, for an API token its own one."""
    user, token, wanted = require_user(), bearer(), query(PagedQuery)
    own = {
        row.organization_id: row for row in queries.memberships_of(user.id) if token is None or row.organization_id == token.organization_id
    }
    if user.is_platform_admin and token is None:
        found = queries.visible_organizations(limit=wanted.limit + 1, cursor=wanted.cursor)
    else:
        newest = sorted((row.organization for row in own.values()), key=lambda row: row.id, reverse=True)
        found = [row for row in newest if wanted.cursor is None or row.id < wanted.cursor][: wanted.limit + 1]
    shown = found[: wanted.limit]
    used = queries.seats_used([organization.id for organization in shown])
    items = [
        OrganizationOut.of(
            organization,
            seats_used=used.get(organization.id, 0),
            role=own[organization.id].role if organization.id in own else None,
        ).to_json()
        for organization in shown
    ]
    return jsonify(items=items, nextCursor=shown[-1].id if len(found) > len(shown) else None)


@bp.post("/organizations")
@signed_in
@describes(
    body=OrganizationIn, answers={201: wrapped("organization", OrganizationOut)}, refuses={409: ("SLUG_TAKEN",), 501: ("NOT_ENABLED",)}
)
def create() -> ResponseReturnValue:
    """Makes an organization; the caller is its owner."""
    user = require_user()
    made = service.create(json_body(OrganizationIn), creator=user, actor=actor_of(user, ip=client_address()))
    return jsonify(organization=OrganizationOut.of(made, seats_used=0, role=Role.ORG_OWNER).to_json()), 201


@bp.get(ONE)
@org(Role.ORG_LEARNER)
@scoped(TokenScope.READ)
@describes(answers={200: wrapped("organization", OrganizationOut)})
def show(access: Access) -> ResponseReturnValue:
    """One organization."""
    return _shown(access.organization, role=access.role)


@bp.patch(ONE)
@org(Role.ORG_ADMIN)
@describes(
    body=OrganizationPatch,
    example={"billingEmail": "accounts@acme.example", "paymentTermsDays": 45},
    answers={200: wrapped("organization", OrganizationOut)},
    refuses={400: ("BILLING_MODE_IMMUTABLE", "RATES_SUM"), 403: ("LIMIT_RAISE_FORBIDDEN",), 501: ("NOT_ENABLED",)},
)
def change(access: Access) -> ResponseReturnValue:
    """Changes what is named, and leaves the rest."""
    changed = settings.change(
        access.organization.id,
        json_body(OrganizationPatch).changes(),
        actor=access.actor,
        role=access.role,
        may_raise_limit=access.is_platform_admin,
    )
    return _shown(changed, role=access.role)


@bp.delete(ONE)
@org(Role.ORG_OWNER)
@describes(answers={200: wrapped("organization", OrganizationOut)})
def deactivate(access: Access) -> ResponseReturnValue:
    """Ends an organization for good."""
    return _shown(service.deactivate(access.organization, typed_name=None, actor=access.actor), role=access.role)


@bp.post("/admin/organizations/<organization_id>/verify")
@admin
@describes(body=ReasonedVerdictIn, answers={200: wrapped("organization", OrganizationOut)}, refuses={409: ("STATUS_CONFLICT",)})
def verify(organization_id: str) -> ResponseReturnValue:
    """Approves, rejects, suspends or reactivates an organization."""
    data, actor = json_body(ReasonedVerdictIn), admin_actor_of(require_user(), ip=client_address())
    return _shown(service.decide(organization_id, data.action, reason=data.reason, actor=actor), role=None)


@bp.get(f"{ONE}/members")
@org(Role.ORG_LEARNER)
@scoped(TokenScope.READ, TokenScope.MEMBERS)
@describes(query=MembersListQuery, answers={200: listed(MemberOut)})
def list_members(access: Access) -> ResponseReturnValue:
    """The members, newest first."""
    wanted = query(MembersListQuery)
    found = queries.newest_members(access.organization.id, wanted, limit=wanted.limit + 1, cursor=wanted.cursor)
    shown = found[: wanted.limit]
    items = [MemberOut.of(member, last_active_at=at).to_json() for member, at in shown]
    return jsonify(items=items, nextCursor=shown[-1][0].id if len(found) > len(shown) else None)


@bp.post(f"{ONE}/members")
@org(Role.ORG_ADMIN)
@scoped(TokenScope.MEMBERS)
@describes(
    body=NewMemberIn,
    example={"email": "dev@acme.example", "role": "ORG_LEARNER"},
    answers={201: wrapped("member", MemberOut)},
    refuses={404: ("USER_NOT_FOUND",), 409: ("ALREADY_MEMBER", "SEAT_LIMIT"), 501: ("NOT_ENABLED",)},
)
def add_member(access: Access) -> ResponseReturnValue:
    """Makes an existing user a member at once."""
    member = members.add(json_body(NewMemberIn), organization=access.organization, actor_role=access.role, actor=access.actor)
    return jsonify(member=MemberOut.of(member, last_active_at=queries.last_sign_in(member.user_id)).to_json()), 201


@bp.patch(f"{ONE}/members/<member_id>")
@org(Role.ORG_ADMIN)
@scoped(TokenScope.MEMBERS)
@describes(
    body=MemberPatch,
    example={"role": "ORG_MANAGER"},
    answers={200: wrapped("member", MemberOut)},
    refuses={
        400: ("LAST_OWNER", "ROLE_NOT_ALLOWED"),
        403: ("OWNER_PROTECTED", "ROLE_TOO_HIGH"),
        409: ("SEAT_LIMIT",),
        501: ("NOT_ENABLED",),
    },
)
def change_member(access: Access, member_id: str) -> ResponseReturnValue:
    """Changes a member's role, status or payout terms."""
    return _changed(access, member_id, json_body(MemberPatch))


@bp.delete(f"{ONE}/members/<member_id>")
@org(Role.ORG_ADMIN)
@scoped(TokenScope.MEMBERS)
@describes(answers={200: wrapped("member", MemberOut)}, refuses={400: ("LAST_OWNER",), 403: ("OWNER_PROTECTED",)})
def remove_member(access: Access, member_id: str) -> ResponseReturnValue:
    """Removes a member and frees the seat; the row is kept for the record."""
    return _changed(access, member_id, MemberPatch(status=MembershipStatus.REMOVED))


@bp.put(f"{ONE}/branding/<slot>")
@org(Role.ORG_ADMIN)
@describes(
    upload="file",
    answers={200: wrapped("organization", OrganizationOut)},
    refuses={400: ("IMAGE_REFUSED",), 413: ("IMAGE_TOO_LARGE",), 503: ("STORE_UNAVAILABLE",)},
)
def place_picture(access: Access, slot: str) -> ResponseReturnValue:
    """Takes a logo or banner: PNG, JPEG or WebP up to 2 MB, encoded anew."""
    place = branding.slot_of(slot)
    file_name, content = uploaded_file("file")
    picture = picture_from(content, file_name=file_name, slot=place)
    return _shown(branding.place(picture, slot=place, organization=access.organization, actor=access.actor), role=access.role)


@bp.delete(f"{ONE}/branding/<slot>")
@org(Role.ORG_ADMIN)
@describes(answers={200: wrapped("organization", OrganizationOut)})
def remove_picture(access: Access, slot: str) -> ResponseReturnValue:
    """Takes a logo or banner away."""
    return _shown(branding.remove(branding.slot_of(slot), organization=access.organization, actor=access.actor), role=access.role)


@bp.get(f"{ONE}/activity")
@org(Role.ORG_MANAGER)
@scoped(TokenScope.READ)
@describes(query=AuditQuery, answers={200: listed(ActivityOut)})
def activity(access: Access) -> ResponseReturnValue:
    """What happened in the organization, newest first."""
    return _log(access, ActivityOut)


@bp.get(f"{ONE}/audit")
@org(Role.ORG_ADMIN)
@scoped(TokenScope.READ)
@describes(query=AuditQuery, answers={200: listed(AuditRowOut)})
def audit_log(access: Access) -> ResponseReturnValue:
    """The whole log, with before and after."""
    return _log(access, AuditRowOut)


@bp.get(f"{ONE}/audit.csv")
@org(Role.ORG_ADMIN)
@scoped(TokenScope.READ)
@describes(csv=True, query=AuditFilter)
def export_audit(access: Access) -> ResponseReturnValue:
    """The whole log as a file."""
    organization = access.organization
    content = audit.as_csv(organization.id, query(AuditFilter), time_zone=organization.time_zone)
    return download(content, file_name=f"{organization.slug}-audit.csv", media_type=CSV)


@bp.get(f"{ONE}/tokens")
@org(Role.ORG_OWNER)
@describes(query=PagedQuery, answers={200: listed(TokenOut)})
def list_tokens(access: Access) -> ResponseReturnValue:
    """The API tokens, newest first, those that are over too."""
    wanted = query(PagedQuery)
    found = stored_tokens.tokens_of(access.organization.id, limit=wanted.limit + 1, cursor=wanted.cursor)
    shown = found[: wanted.limit]
    items = [TokenOut.of(row, is_maker_owner=is_owner).to_json() for row, is_owner in shown]
    return jsonify(items=items, nextCursor=shown[-1][0].id if len(found) > len(shown) else None)


@bp.post(f"{ONE}/tokens")
@org(Role.ORG_OWNER)
@describes(
    body=TokenIn,
    answers={201: wrapped("apiToken", TokenOut, token=str)},
    refuses={400: ("EXPIRY_REFUSED",), 403: ("NOT_A_MEMBER",), 409: ("TOKEN_NAME_TAKEN", "TOO_MANY_TOKENS")},
)
def create_token(access: Access) -> ResponseReturnValue:
    """Makes an API token of this organization. ``token`` is shown this once."""
    require_member(access)
    row, secret = tokens.create(json_body(TokenIn), organization=access.organization, maker=access.user, actor=access.actor)
    return jsonify(apiToken=TokenOut.of(row, is_maker_owner=True).to_json(), token=secret), 201


@bp.delete(f"{ONE}/tokens/<token_id>")
@org(Role.ORG_OWNER)
@describes(answers={200: wrapped("apiToken", TokenOut)}, refuses={404: ("TOKEN_NOT_FOUND",)})
def revoke_token(access: Access, token_id: str) -> ResponseReturnValue:
    """Revokes an API token: it stops working at once."""
    row = tokens.revoke(token_id, organization=access.organization, actor=access.actor)
    return jsonify(apiToken=TokenOut.of(row, is_maker_owner=True).to_json())


def _log(access: Access, shape: type[ActivityOut | AuditRowOut]) -> ResponseReturnValue:
    wanted, organization = query(AuditQuery), access.organization
    found = audit.rows(organization.id, wanted, limit=wanted.limit + 1, cursor=wanted.cursor, time_zone=organization.time_zone)
    shown = found[: wanted.limit]
    return jsonify(items=[shape.of(row).to_json() for row in shown], nextCursor=shown[-1].id if len(found) > len(shown) else None)


def _changed(access: Access, member_id: str, patch: MemberPatch) -> ResponseReturnValue:
    member = members.change(member_id, patch, organization=access.organization, actor_role=access.role, actor=access.actor)
    return jsonify(member=MemberOut.of(member, last_active_at=queries.last_sign_in(member.user_id)).to_json())


def _shown(organization: Organization, *, role: Role | None) -> ResponseReturnValue:
    seats = queries.seats(organization)
    return jsonify(organization=OrganizationOut.of(organization, seats_used=seats.used, role=role).to_json())
