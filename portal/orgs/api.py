"""JSON of organizations and members."""

from flask import Blueprint, jsonify
from flask.typing import ResponseReturnValue

from portal.orgs import queries
from portal.orgs.access import Access, org
from portal.orgs.rules import Role
from portal.orgs.schemas import MemberOut, MembersQuery, OrganizationOut
from portal.web.forms import query
from portal.web.gates import require_user, signed_in

bp = Blueprint("orgs_api", __name__, url_prefix="/api/organizations")
PAGE_SIZE = 200


@bp.get("")
@signed_in
def list_organizations() -> ResponseReturnValue:
    """The caller's own organizations; for a platform admin all of them."""
    user = require_user()
    own = {membership.organization_id: membership for membership in queries.memberships_of(user.id)}
    found = queries.visible_organizations() if user.is_platform_admin else [membership.organization for membership in own.values()]
    used = queries.seats_used([organization.id for organization in found])
    items = [
        OrganizationOut.of(
            organization,
            seats_used=used.get(organization.id, 0),
            role=own[organization.id].role if organization.id in own else None,
        ).to_json()
        for organization in found
    ]
    return jsonify(items=items, nextCursor=None)


@bp.get("/<organization_id>")
@org(Role.ORG_LEARNER)
def show(access: Access) -> ResponseReturnValue:
    """One organization."""
    seats = queries.seats(access.organization)
    return jsonify(organization=OrganizationOut.of(access.organization, seats_used=seats.used, role=access.role).to_json())


@bp.get("/<organization_id>/members")
@org(Role.ORG_LEARNER)
def list_members(access: Access) -> ResponseReturnValue:
    """The members, by name."""
    filters = query(MembersQuery)
    offset = (filters.page - 1) * PAGE_SIZE
    rows = queries.members(access.organization.id, q=filters.q, role=filters.role, limit=PAGE_SIZE, offset=offset)
    return jsonify(items=[MemberOut.of(row).to_json() for row in rows], nextCursor=None)
