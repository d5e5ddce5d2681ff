"""Public pages: companies that host consultants, and one of them with its roster."""

from flask import Blueprint, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user

from portal.accounts.service import actor_of
from portal.errors import NotFound
from portal.orgs import queries as members
from portal.orgs.access import provider_page
from portal.orgs.models import Organization
from portal.orgs.rules import MembershipStatus
from portal.orgs.service import provider_orgs_are_on
from portal.providers import queries
from portal.providers.schemas import ApplyIn, CompaniesQuery
from portal.providers.service import roster
from portal.web.forms import Form, query
from portal.web.gates import client_address, public, require_user, signed_in
from portal.web.page import page, redirect_to, toast

bp = Blueprint("explore", __name__)
PAGE_SIZE = 24
MOST_SHOWN = 200


@bp.get("/explore/companies")
@public
@provider_page
def companies() -> ResponseReturnValue:
    """Companies that host consultants."""
    wanted = query(CompaniesQuery)
    found = queries.providers_for_all(q=wanted.q, limit=PAGE_SIZE + 1, offset=(wanted.page - 1) * PAGE_SIZE)
    rows = found[:PAGE_SIZE]

    def url(number: int) -> str:
        return url_for("explore.companies", q=wanted.q or None, page=number)

    return page(
        "providers/companies.html",
        block="company_list",
        rows=rows,
        wanted=wanted,
        previous_url=url(wanted.page - 1) if wanted.page > 1 else "",
        next_url=url(wanted.page + 1) if len(found) > len(rows) else "",
        showing=f"Page {wanted.page}" if wanted.page > 1 or len(found) > len(rows) else "",
    )


@bp.get("/org/<slug>")
@public
def show(slug: str) -> ResponseReturnValue:
    """A company that hosts consultants, and who they are."""
    return _company_page(_found(slug), Form(ApplyIn))


@bp.post("/org/<slug>/apply")
@signed_in
@provider_page
def apply(slug: str) -> ResponseReturnValue:
    """Applies to give sessions for the company."""
    organization, user, form = _found(slug), require_user(), Form.posted(ApplyIn)
    member = form.submit(lambda data: roster.apply(organization.id, note=data.note, user=user, actor=actor_of(user, ip=client_address())))
    if member is None:
        return _company_page(organization, form, status=422)
    name = organization.name
    is_in = member.status is MembershipStatus.ACTIVE
    toast(f"You are a consultant of {name} now." if is_in else f"{name} has your application, and will answer you.")
    return redirect_to("explore.show", slug=organization.slug)


def _found(slug: str) -> Organization:
    organization = queries.public_provider(slug)
    if organization is None:
        raise NotFound("There is no such company, or it isn't open to the public.", code="ORGANIZATION_NOT_FOUND")
    return organization


def _company_page(organization: Organization, form: Form[ApplyIn], *, status: int = 200) -> ResponseReturnValue:
    if not provider_orgs_are_on():
        return page("orgs/provider_tier.html")
    user = current_user if current_user.is_authenticated else None
    mine = queries.consultant(user.id) if user else None
    colors = [color.removeprefix("#") for color in (organization.primary_color, organization.secondary_color) if color]
    return page(
        "providers/company.html",
        status=status,
        organization=organization,
        brand_url=url_for("media.stylesheet", colors="-".join(colors)) if organization.primary_color else None,
        roster=queries.roster(organization.id, limit=MOST_SHOWN),
        form=form,
        membership=members.membership(organization.id, user.id) if user else None,
        is_consultant=mine is not None and mine.verified_at is not None,
    )
