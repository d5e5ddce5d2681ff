"""Pages for platform admins: organizations that wait for verification, and all others."""

from typing import Any

from flask import Blueprint, url_for
from flask.typing import ResponseReturnValue

from portal.accounts.service import admin_actor_of
from portal.orgs import queries, service
from portal.orgs.rules import Status, Verdict, verdicts_on
from portal.orgs.schemas import OrganizationsQuery, ReasonedVerdictIn
from portal.web.forms import Form, query
from portal.web.gates import admin, client_address, require_user
from portal.web.page import page, redirect_to, toast

bp = Blueprint("verification", __name__)
PAGE_SIZE = 25
DONE = {Verdict.APPROVE: "approved", Verdict.REJECT: "rejected", Verdict.SUSPEND: "suspended", Verdict.REACTIVATE: "active again"}


@bp.get("/admin/organizations")
@admin
def index() -> ResponseReturnValue:
    """The queue, and the organizations in every other status."""
    return _page(Form(ReasonedVerdictIn))


@bp.post("/admin/organizations/<organization_id>/verify")
@admin
def decide(organization_id: str) -> ResponseReturnValue:
    """Approves, rejects, suspends or reactivates an organization."""
    actor = admin_actor_of(require_user(), ip=client_address())
    form = Form.posted(ReasonedVerdictIn)
    decided = form.submit(lambda data: (service.decide(organization_id, data.action, reason=data.reason, actor=actor), data.action))
    if decided is None:
        return _page(form, refused_id=organization_id, status=422)
    organization, verdict = decided
    toast(f"{organization.name} is {DONE[verdict]}.")
    return redirect_to("verification.index", **_kept(query(OrganizationsQuery)))


def _page(form: Form[ReasonedVerdictIn], *, refused_id: str = "", status: int = 200) -> ResponseReturnValue:
    filters = query(OrganizationsQuery)
    status_shown = filters.status or Status.PENDING_VERIFICATION
    offset = (filters.page - 1) * PAGE_SIZE
    found = queries.platform_organizations(q=filters.q, status=status_shown, limit=PAGE_SIZE + 1, offset=offset)
    counts = queries.counts_by_status()

    def url(**changes: Any) -> str:  # noqa: ANN401 - the filters' own values
        return url_for("verification.index", **{**_kept(filters), **changes})

    tabs = [
        {"label": each.label, "url": url(status=each.value, page=None), "count": counts[each], "is_current": each is status_shown}
        for each in counts
    ]
    return page(
        "orgs/verification.html",
        block="organization_list",
        status=status,
        form=form,
        refused_id=refused_id,
        filters=filters,
        status_shown=status_shown,
        tabs=tabs,
        rows=[(organization, creator, verdicts_on(organization.status)) for organization, creator in found[:PAGE_SIZE]],
        kept=_kept(filters),
        previous_url=url(page=filters.page - 1) if filters.page > 1 else "",
        next_url=url(page=filters.page + 1) if len(found) > PAGE_SIZE else "",
        showing=f"Page {filters.page}" if filters.page > 1 or len(found) > PAGE_SIZE else "",
    )


def _kept(filters: OrganizationsQuery) -> dict[str, Any]:
    kept = filters.model_dump(mode="json", exclude_none=True, exclude_defaults=True)
    return dict(kept)
