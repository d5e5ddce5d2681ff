"""The page of jobs, for platform admins."""

from flask import Blueprint
from flask.typing import ResponseReturnValue

from portal.accounts.service import admin_actor_of
from portal.operations import service
from portal.web.gates import admin, client_address, require_user
from portal.web.page import page, redirect_to, toast

bp = Blueprint("jobs", __name__, url_prefix="/admin/jobs")


@bp.get("")
@admin
def index() -> ResponseReturnValue:
    """Every job with its last and next run, the queues, and what they have given up."""
    return page("operations/jobs.html", board=service.board())


@bp.post("/<job_name>/run")
@admin
def run(job_name: str) -> ResponseReturnValue:
    """Rings a scheduled job now."""
    service.run_by_hand(job_name, actor=admin_actor_of(require_user(), ip=client_address()))
    toast(f"{job_name} is queued and runs in a moment.")
    return redirect_to("jobs.index")


@bp.post("/failed/<rq_id>/retry")
@admin
def retry(rq_id: str) -> ResponseReturnValue:
    """Puts a failed job back into its queue."""
    description = service.retry_failed(rq_id, actor=admin_actor_of(require_user(), ip=client_address()))
    toast(f"{description} is queued again.")
    return redirect_to("jobs.index")
