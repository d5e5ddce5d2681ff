"""Pages of organizations: one's own, and members."""

from typing import Any

from flask import Blueprint, url_for
from flask.typing import ResponseReturnValue

from portal.orgs import queries
from portal.orgs.access import Access, org
from portal.orgs.rules import Role, roles_for
from portal.orgs.schemas import MembersQuery
from portal.web.forms import query
from portal.web.page import page

bp = Blueprint("orgs", __name__)
PAGE_SIZE = 25


@bp.get("/orgs/<slug>/members")
@org(Role.ORG_LEARNER)
def members(access: Access) -> ResponseReturnValue:
    """Everybody in the organization."""
    filters = query(MembersQuery)
    return page("orgs/members.html", block="member_list", access=access, filters=filters, **_member_list(access, filters))


def _member_list(access: Access, filters: MembersQuery) -> dict[str, Any]:
    organization = access.organization
    total = queries.count_members(organization.id, q=filters.q, role=filters.role)
    offset = (filters.page - 1) * PAGE_SIZE
    rows = queries.members(organization.id, q=filters.q, role=filters.role, limit=PAGE_SIZE, offset=offset)

    def page_url(number: int) -> str:
        return url_for("orgs.members", slug=organization.slug, q=filters.q or None, role=filters.role, page=number)

    return {
        "members": rows,
        "total": total,
        "seats": queries.seats(organization),
        "roles": sorted(roles_for(organization.kind), key=lambda role: -role.rank),
        "showing": f"{offset + 1 if rows else 0}–{offset + len(rows)} of {total}",
        "previous_url": page_url(filters.page - 1) if filters.page > 1 else "",
        "next_url": page_url(filters.page + 1) if offset + len(rows) < total else "",
    }
