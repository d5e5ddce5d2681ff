"""Pages: one's own organizations, an organization's home; and what the layout shows around every page."""

from typing import NamedTuple

from flask import Blueprint, g, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user

from portal.audit import queries as audit
from portal.billing import queries as billing
from portal.home import queries, rules
from portal.orgs import queries as orgs
from portal.orgs.access import Access, org
from portal.orgs.models import Organization
from portal.orgs.rules import BillingMode, Role
from portal.setup import queries as setup
from portal.web.gates import require_user, signed_in
from portal.web.page import page

bp = Blueprint("home", __name__)
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


class Marked(NamedTuple):
    """The organization that the page is about."""

    name: str
    slug: str
    kind: str
    logo_url: str | None


def shell() -> Shell | None:
    """The switcher, the side bar and the banner of the signed-in user, or None."""
    if not current_user.is_authenticated:
        return None
    access: Access | None = g.get("access")
    organization = access.organization if access else None
    places = [
        Place(
            name=membership.organization.name,
            slug=membership.organization.slug,
            role_label=membership.role.label,
            kind_label=membership.organization.kind.label,
            url=url_for("home.show", slug=membership.organization.slug),
            is_current=organization is not None and membership.organization_id == organization.id,
        )
        for membership in orgs.memberships_of(current_user.id)
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
    )


@bp.get("/orgs")
@signed_in
def organizations() -> ResponseReturnValue:
    """One's own organizations and unfinished setups."""
    user = require_user()
    return page("home/organizations.html", memberships=orgs.memberships_of(user.id), drafts=setup.drafts_of(user.id))


@bp.get("/orgs/<slug>/home")
@org(Role.ORG_LEARNER)
def show(access: Access) -> ResponseReturnValue:
    """An organization's home."""
    organization = access.organization
    sees_money = access.may(Role.ORG_MANAGER) and organization.kind.buys
    figures = queries.figures(organization.id)
    tasks = rules.checklist(members=figures.members, invitations=figures.invitations, plans=figures.plans, bookings=figures.bookings)
    return page(
        "home/show.html",
        access=access,
        figures=figures,
        seats=orgs.seats(organization),
        money=billing.summary(organization.id) if sees_money else None,
        is_invoiced=organization.billing_mode is BillingMode.INVOICED_MONTHLY,
        tasks=tasks if access.may(Role.ORG_ADMIN) and not all(task.is_done for task in tasks) else [],
        activity=audit.latest(organization.id, limit=RECENT) if access.may(Role.ORG_MANAGER) else [],
    )


def _marked(organization: Organization) -> Marked:
    return Marked(name=organization.name, slug=organization.slug, kind=organization.kind, logo_url=None)


def _links(access: Access) -> list[Link]:
    organization = access.organization
    found = rules.entries(kind=organization.kind, role=access.role, billing_mode=organization.billing_mode)
    here = request.blueprint, request.endpoint
    return [
        Link(
            label=entry.label,
            icon=entry.icon,
            url=url_for(entry.endpoint, slug=organization.slug),
            is_current=entry.endpoint in here or _is_part_of(entry.endpoint, here[1] or ""),
        )
        for entry in found
    ]


def _is_part_of(endpoint: str, here: str) -> bool:
    """Whether a page belongs to a side bar entry: the only entry of its blueprint, such as an import under Invitations."""
    single = {"invites.index", "billing.index"}
    return endpoint in single and endpoint.partition(".")[0] == here.partition(".")[0]
