"""The page on which platform admins verify consultants."""

from flask import Blueprint
from flask.typing import ResponseReturnValue

from portal.accounts.service import admin_actor_of
from portal.providers import queries, service
from portal.web.gates import admin, client_address, require_user
from portal.web.page import page, redirect_to, toast

bp = Blueprint("providers", __name__)
MOST_SHOWN = 100


@bp.get("/admin/consultants")
@admin
def index() -> ResponseReturnValue:
    """Consultants, those who wait first."""
    return page("providers/consultants.html", consultants=queries.consultants(limit=MOST_SHOWN))


@bp.post("/admin/consultants/<user_id>/verify")
@admin
def verify(user_id: str) -> ResponseReturnValue:
    """Lets a consultant give sessions."""
    made = service.verify(user_id, actor=admin_actor_of(require_user(), ip=client_address()))
    toast(f"“{made.headline}” is verified and can give sessions.")
    return redirect_to("providers.index")
