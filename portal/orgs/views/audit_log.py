"""Pages of the audit log: filters, before → after, the log as a file."""

from typing import Any

from flask import Blueprint, url_for
from flask.typing import ResponseReturnValue

from portal.audit import queries
from portal.audit.models import AuditRow
from portal.audit.rules import Action
from portal.audit.schemas import AuditFilter, AuditQuery
from portal.orgs.access import Access, org
from portal.orgs.rules import FIELD_LABELS, Role
from portal.orgs.views.settings import tabs
from portal.web.forms import query
from portal.web.page import CSV, download, page

bp = Blueprint("audit_log", __name__)


@bp.get("/orgs/<slug>/settings/audit")
@org(Role.ORG_ADMIN)
def index(access: Access) -> ResponseReturnValue:
    """Who did what, newest first."""
    filters, organization = query(AuditQuery), access.organization
    found = queries.rows(organization.id, filters, limit=filters.limit + 1, cursor=filters.cursor, time_zone=organization.time_zone)
    rows = found[: filters.limit]
    kept = filters.model_dump(mode="json", by_alias=True, include={"action", "q", "since", "until"}, exclude_none=True)
    older = url_for("audit_log.index", slug=organization.slug, **kept, cursor=rows[-1].id) if len(found) > len(rows) else ""
    return page(
        "orgs/settings/audit.html",
        block="audit_rows",
        access=access,
        organization=organization,
        tabs=tabs(access),
        filters=filters,
        actions=[("", "Every act"), *sorted(((action.value, action.label) for action in Action), key=lambda pair: pair[1])],
        rows=[(row, _differences(row)) for row in rows],
        older_url=older,
        newest_url=url_for("audit_log.index", slug=organization.slug, **kept) if filters.cursor else "",
        export_url=url_for("audit_log.export", slug=organization.slug, **kept),
    )


@bp.get("/orgs/<slug>/settings/audit.csv")
@org(Role.ORG_ADMIN)
def export(access: Access) -> ResponseReturnValue:
    """The log as a file, with the page's filters."""
    organization = access.organization
    content = queries.as_csv(organization.id, query(AuditFilter), time_zone=organization.time_zone)
    return download(content, file_name=f"{organization.slug}-audit.csv", media_type=CSV)


def _differences(row: AuditRow) -> list[tuple[str, str, str]]:
    """What changed: the field's name, before, after."""
    before, after = row.before or {}, row.after or {}
    return [(FIELD_LABELS.get(name, name), _text(before.get(name)), _text(after.get(name))) for name in {**before, **after}]


def _text(value: Any) -> str:  # noqa: ANN401 - any JSON value
    if value is None or value == "":
        return "—"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        return ", ".join(str(part) for part in value.values() if part)
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
