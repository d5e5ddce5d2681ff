"""The page on which platform admins see which organization claims which domain, and verify by hand."""

from flask import Blueprint, url_for
from flask.typing import ResponseReturnValue

from portal.accounts.service import admin_actor_of
from portal.sso import queries
from portal.sso.schemas import ClaimsQuery
from portal.sso.service import domains
from portal.web.forms import query
from portal.web.gates import admin, client_address, require_user
from portal.web.page import page, redirect_to, toast

bp = Blueprint("sso_claims", __name__, url_prefix="/admin/domains")
PAGE_SIZE = 50


@bp.get("")
@admin
def index() -> ResponseReturnValue:
    """Claims that wait, or those that are verified."""
    wanted = query(ClaimsQuery)
    offset = (wanted.page - 1) * PAGE_SIZE
    found = queries.claims(q=wanted.q, waiting=wanted.state == "waiting", limit=PAGE_SIZE + 1, offset=offset)

    def url(**changes: object) -> str:
        kept = wanted.model_dump(exclude_defaults=True) | changes
        return url_for("sso_claims.index", **kept)

    views = [("waiting", "Waiting"), ("verified", "Verified")]
    return page(
        "sso/claims.html",
        block="claim_list",
        wanted=wanted,
        views=[
            {"label": label, "url": url(state=state, page=1), "is_current": state == wanted.state, "count": None} for state, label in views
        ],
        claims=found[:PAGE_SIZE],
        previous_url=url(page=wanted.page - 1) if wanted.page > 1 else "",
        next_url=url(page=wanted.page + 1) if len(found) > PAGE_SIZE else "",
    )


@bp.post("/<domain>/verify")
@admin
def verify(domain: str) -> ResponseReturnValue:
    """Takes a claimed domain as verified."""
    user = require_user()
    made = domains.verify_by_hand(domain, admin=user, actor=admin_actor_of(user, ip=client_address()))
    toast(f"{made.domain} is verified.")
    return redirect_to("sso_claims.index")
