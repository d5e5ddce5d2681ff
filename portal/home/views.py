"""Pages: one's own organizations, an organization's home; and what the layout shows around every page."""

from datetime import date
from typing import NamedTuple

from flask import Blueprint, g, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user

from portal import money
from portal.audit import queries as audit
from portal.audit.schemas import AuditFilter
from portal.billing import queries as billing
from portal.home import rules, service
from portal.home.schemas import AnalyticsQuery
from portal.orgs import queries as orgs
from portal.orgs.access import Access, org
from portal.orgs.models import Organization
from portal.orgs.rules import BillingMode, Role, Status
from portal.orgs.schemas import OrganizationsQuery
from portal.orgs.service import members, provider_orgs_are_on
from portal.providers import queries as providers
from portal.setup import queries as setup
from portal.sheets import csv_bytes
from portal.web.forms import query
from portal.web.gates import STAFF_ROLES, require_user, signed_in
from portal.web.page import CSV, download, page, redirect_to

bp = Blueprint("home", __name__)
ADMIN_LINKS = (
    ("All organizations", "shield-check", "verification"),
    ("Consultants", "briefcase", "providers"),
    ("Domains", "link", "sso_claims"),
    ("Refunds", "undo-2", "refunds"),
    ("Invoicing", "receipt", "billing_admin"),
    ("Payouts", "banknote", "payouts_admin"),
    ("Jobs", "activity", "jobs"),
)
RECENT = 8


class Place(NamedTuple):
    """An organization in the switcher."""

    name: str
    slug: str
    role_label: str
    kind_label: str
    url: str
    is_current: bool


class Link(NamedTuple):
    """A link of the side bar."""

    label: str
    icon: str
    url: str
    is_current: bool
    is_locked: bool = False


class Banner(NamedTuple):
    """A line above the page that asks for something."""

    text: str
    action_label: str
    action_url: str


class Shell(NamedTuple):
    """What stands around a signed-in page."""

    organization: "Marked | None"
    organizations: list[Place]
    nav: list[Link]
    banner: Banner | None
    notice: str
    admin_nav: list[Link]


class Marked(NamedTuple):
    """The organization that the page is about."""

    name: str
    slug: str
    kind: str
    logo_url: str | None
    brand_url: str | None


def shell() -> Shell | None:
    """The switcher, the side bar and the banner of the signed-in user, or None."""
    if not current_user.is_authenticated:
        return None
    access: Access | None = g.get("access")
    organization = access.organization if access else None
    places = [
        Place(
            name=place.name,
            slug=place.slug,
            role_label=place.role.label,
            kind_label=place.kind.label,
            url=url_for("home.show", slug=place.slug),
            is_current=organization is not None and place.organization_id == organization.id,
        )
        for place in orgs.places_of(current_user.id)
    ]
    banner = None
    if current_user.email_verified_at is None:
        text = f"Please confirm your e-mail address: open the link that we sent to {current_user.email}."
        banner = Banner(text, "Send it again", url_for("signin.verify_resend"))
    return Shell(
        organization=_marked(organization) if organization else None,
        organizations=places,
        nav=_links(access) if access else [],
        banner=banner,
        notice=rules.notice(organization.name, organization.status, organization.status_reason) if organization else "",
        admin_nav=_admin_links(is_admin=current_user.is_platform_admin) if current_user.platform_role in STAFF_ROLES else [],
    )


@bp.get("/orgs")
@signed_in
def organizations() -> ResponseReturnValue:
    """One's own organizations and unfinished setups; who has neither begins at the welcome page."""
    user, wanted = require_user(), query(OrganizationsQuery)
    memberships, drafts = orgs.memberships_of(user.id), setup.drafts_of(user.id)
    if not memberships and not drafts and not user.is_platform_admin:
        return redirect_to("setup.welcome")
    words = wanted.q.casefold()
    shown = [row for row in memberships if words in row.organization.name.casefold() or words in row.organization.slug]
    return page("home/organizations.html", memberships=shown, drafts=drafts, filters=wanted, has_any=bool(memberships))


@bp.get("/orgs/<slug>/home")
@org(Role.ORG_LEARNER)
def show(access: Access) -> ResponseReturnValue:
    """An organization's home."""
    organization = access.organization
    sees_money = access.may(Role.ORG_MANAGER) and organization.kind.buys
    hosts = organization.kind.provides and provider_orgs_are_on()
    sees_earnings = hosts and access.may(Role.ORG_MANAGER)
    counted = service.figures(organization)
    consultants = providers.counts_of(organization.id) if hosts else None
    tasks = rules.checklist(
        members=counted.members,
        invitations=counted.invitations,
        plans=counted.plans,
        has_bookings=counted.has_bookings,
        consultants=consultants.active if consultants else None,
        has_account=providers.account_of(organization.id) is not None if hosts and _sees_checklist(access) else None,
    )
    return page(
        "home/show.html",
        access=access,
        figures=counted,
        seats=orgs.Seats(used=counted.seats, total=organization.seats_total),
        money=billing.summary(organization.id) if sees_money else None,
        pool=billing.pool(organization.id) if sees_money and organization.billing_mode is BillingMode.SEAT_PACK else None,
        earnings=providers.summary_of(organization.id) if sees_earnings else None,
        consultants=consultants,
        is_invoiced=organization.billing_mode is BillingMode.INVOICED_MONTHLY,
        tasks=tasks if _sees_checklist(access) and not all(task.is_done for task in tasks) else [],
        quick=rules.quick_actions(role=access.role) if organization.status in {Status.ACTIVE, Status.PENDING_VERIFICATION} else [],
        may_audit=access.may(Role.ORG_ADMIN),
        activity=audit.rows(organization.id, AuditFilter(), limit=RECENT) if access.may(Role.ORG_MANAGER) else [],
    )


@bp.post("/orgs/<slug>/checklist/dismiss")
@org(Role.ORG_ADMIN)
def dismiss_checklist(access: Access) -> ResponseReturnValue:
    """Puts the first steps away, for this member alone."""
    if access.membership is not None:
        members.hide_checklist(access.membership)
    return redirect_to("home.show", slug=access.organization.slug)


@bp.get("/orgs/<slug>/analytics")
@org(Role.ORG_MANAGER)
def analytics(access: Access) -> ResponseReturnValue:
    """Sessions, spend and seats by month, as charts with a table behind each."""
    wanted = query(AnalyticsQuery)
    figures = service.analytics(access.organization, months=int(wanted.months))
    names = [_month_name(row.month) for row in figures.months]
    months = list(zip(names, figures.months, strict=True))
    charts = [
        ("Sessions", "sessions", [(name, row.sessions, str(row.sessions)) for name, row in months]),
        ("Spend", "spend", [(name, row.spend, money.format_inr(row.spend)) for name, row in months]),
        ("Learners with a session", "learners", [(name, row.learners, str(row.learners)) for name, row in months]),
    ]
    return page(
        "home/analytics.html",
        block="figures",
        access=access,
        organization=access.organization,
        figures=figures,
        charts=[(title, name, rules.bars(items), max(items, key=lambda item: item[1])[2]) for title, name, items in charts],
        wanted=wanted,
        ranges=[(months, f"{months} months") for months in ("3", "6", "12", "24")],
    )


@bp.get("/orgs/<slug>/analytics.csv")
@org(Role.ORG_MANAGER)
def export_analytics(access: Access) -> ResponseReturnValue:
    """The months as a file; money in rupees."""
    figures = service.analytics(access.organization, months=int(query(AnalyticsQuery).months))
    rows = ((row.month, row.sessions, row.learners, money.plain_amount(row.spend)) for row in figures.months)
    content = csv_bytes(("Month", "Sessions", "Learners with a session", "Spend before GST (INR)"), rows)
    return download(content, file_name=f"{access.organization.slug}-analytics.csv", media_type=CSV)


def _month_name(month: str) -> str:
    """``2026-11`` → ``Nov 26``."""
    return f"{date.fromisoformat(month + '-01'):%b %y}"


def _sees_checklist(access: Access) -> bool:
    return access.may(Role.ORG_ADMIN) and access.membership is not None and access.membership.checklist_hidden_at is None


def _marked(organization: Organization) -> Marked:
    colors = [color.removeprefix("#") for color in (organization.primary_color, organization.secondary_color) if color]
    return Marked(
        name=organization.name,
        slug=organization.slug,
        kind=organization.kind,
        logo_url=organization.logo_path,
        brand_url=url_for("media.stylesheet", colors="-".join(colors)) if organization.primary_color else None,
    )


def _links(access: Access) -> list[Link]:
    organization = access.organization
    found = rules.entries(
        kind=organization.kind, role=access.role, billing_mode=organization.billing_mode, provider_orgs=provider_orgs_are_on()
    )
    here = request.blueprint, request.endpoint
    return [
        Link(
            label=entry.label,
            icon=entry.icon,
            url=url_for(entry.endpoint, slug=organization.slug),
            is_current=entry.endpoint in here or _is_part_of(entry.endpoint, here[1] or ""),
            is_locked=entry.is_locked,
        )
        for entry in found
    ]


def _admin_links(*, is_admin: bool) -> list[Link]:
    return [
        Link(label=label, icon=icon, url=url_for(f"{blueprint}.index"), is_current=request.blueprint == blueprint)
        for label, icon, blueprint in ADMIN_LINKS
        if is_admin or blueprint == "refunds"
    ]


def _is_part_of(endpoint: str, here: str) -> bool:
    """Whether a page belongs to a side bar entry: the only entry of its blueprint, such as an import under Invitations."""
    single = {"invites.index", "billing.index", "settings.show", "payouts.index", "consultants.index"}
    if endpoint == "settings.show" and here.startswith(("audit_log.", "sso_settings.", "tokens.")):
        return True
    return endpoint in single and endpoint.partition(".")[0] == here.partition(".")[0]
