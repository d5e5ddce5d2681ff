"""Pages of the audit log: filters, before → after, the log as a file."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from flask import Blueprint, url_for
from flask.typing import ResponseReturnValue

from portal import india, money
from portal.audit import queries
from portal.audit.models import AuditRow
from portal.audit.rules import Action
from portal.audit.schemas import AuditFilter, AuditQuery
from portal.orgs.access import Access, org
from portal.orgs.rules import FIELD_LABELS, BillingMode, Kind, MembershipStatus, PayoutFrequency, Role, SizeBucket, Status
from portal.orgs.rules.rates import percent_text
from portal.orgs.views.settings import tabs
from portal.web.filters import show_instant
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
        rows=[(row, _differences(row, organization.time_zone)) for row in rows],
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


def _differences(row: AuditRow, time_zone: str) -> list[tuple[str, str, str]]:
    """What changed: the field's name, before, after."""
    before, after = row.before or {}, row.after or {}
    return [
        (FIELD_LABELS.get(name) or WORDS.get(name, name), _text(name, before.get(name), time_zone), _text(name, after.get(name), time_zone))
        for name in {**before, **after}
    ]


def _text(name: str, value: Any, time_zone: str) -> str:  # noqa: ANN401 - any JSON value
    if value is None or value in ("", []):
        return "—"
    if isinstance(value, (dict, list)):
        return ", ".join(str(part) for part in (value.values() if isinstance(value, dict) else value) if part)
    if name in SHOWN:
        return SHOWN[name](value)
    if name == "startsAt":
        return show_instant(datetime.fromisoformat(str(value)), time_zone)
    return _word(name, "yes" if value is True else "no" if value is False else str(value))


def _word(name: str, text: str) -> str:
    """A code as people say it; their own words as they wrote them."""
    if name == "state_code":
        return india.STATES.get(text, text)
    if name not in CODED:
        return text
    return CODES.get(text) or text.removeprefix("ORG_").replace("_", " ").capitalize()


def _rate(value: int) -> str:
    return f"{percent_text(value)} %"


SHOWN: dict[str, Callable[[int], str]] = {
    **dict.fromkeys(("amount", "price", "credit_limit"), money.format_inr),
    **dict.fromkeys(("platform_commission_rate", "org_retain_rate", "consultant_payout_rate", "customConsultantPayoutRate"), _rate),
}
CODED = frozenset(
    {"kind", "status", "role", "billing_mode", "billingMode", "size_bucket", "payout_frequency"}
    | {"paymentMethod", "planType", "earningsRecipient", "platformRole"}
)
CODES = {
    member.value: member.label
    for kind in (Role, Status, MembershipStatus, Kind, BillingMode, SizeBucket, PayoutFrequency)
    for member in kind
}
WORDS = {
    "amount": "Amount",
    "billingMode": "How sessions are paid",
    "customConsultantPayoutRate": "Consultant's own share",
    "earningsRecipient": "Earnings go to",
    "email": "E-mail",
    "invited": "Invited",
    "kind": "Kind",
    "lines": "Lines",
    "paymentMethod": "Covered by",
    "plan": "Plan",
    "planType": "Type",
    "platformRole": "Platform role",
    "price": "Price",
    "reason": "Reason",
    "role": "Role",
    "slug": "Address",
    "startsAt": "Starts",
    "status": "Status",
    "title": "Title",
}
"""What people call what acts note beside the fields of an organization."""
