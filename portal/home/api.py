"""JSON of analytics."""

from flask import Blueprint, jsonify
from flask.typing import ResponseReturnValue

from portal.home import service
from portal.home.schemas import AnalyticsOut, AnalyticsQuery
from portal.orgs.access import Access, org
from portal.orgs.rules import Role
from portal.orgs.rules.tokens import TokenScope
from portal.web.bearer import scoped
from portal.web.forms import query
from portal.web.openapi import describes

bp = Blueprint("home_api", __name__, url_prefix="/api/organizations")


@bp.get("/<organization_id>/analytics")
@org(Role.ORG_MANAGER)
@scoped(TokenScope.READ)
@describes(query=AnalyticsQuery, answers={200: AnalyticsOut})
def analytics(access: Access) -> ResponseReturnValue:
    """Sessions, spend and seats by month."""
    return jsonify(service.analytics(access.organization, months=int(query(AnalyticsQuery).months)).to_json())
