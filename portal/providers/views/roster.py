"""The page of an organization's consultants: applications, the roster, and what is agreed with each."""

from typing import Any

from flask import Blueprint, url_for
from flask.typing import ResponseReturnValue

from portal.orgs import queries as orgs
from portal.orgs.access import Access, org, provider_page
from portal.orgs.models import Organization
from portal.orgs.rules import EarningsRecipient, MembershipStatus, Role
from portal.orgs.rules.rates import percent_text
from portal.orgs.service import members
from portal.providers import queries
from portal.providers.queries.consultants import Hosted
from portal.providers.rules.roster import Decision
from portal.providers.schemas import ConsultantsPageQuery, TermsForm, VerdictForm
from portal.providers.service import roster
from portal.web.forms import Form, query
from portal.web.page import page, redirect_to, toast

bp = Blueprint("consultants", __name__)
PAGE_SIZE = 25
MOST_APPLICATIONS = 50
DONE = {Decision.APPROVE: "is a consultant of yours now.", Decision.REJECT: "was not taken, and is told so."}
RECIPIENTS = ((EarningsRecipient.CONSULTANT.value, "The consultant"), (EarningsRecipient.ORGANIZATION.value, "The organization (salaried)"))


@bp.get("/orgs/<slug>/consultants")
@org(Role.ORG_LEARNER)
@provider_page
def index(access: Access) -> ResponseReturnValue:
    """Who gives sessions for the organization; admins also see who wants to."""
    return _roster_page(access)


@bp.post("/orgs/<slug>/consultants/<member_id>/decide")
@org(Role.ORG_ADMIN)
@provider_page
def decide(access: Access, member_id: str) -> ResponseReturnValue:
    """Approves or rejects an application."""
    form = Form.posted(VerdictForm)
    decided = form.submit(
        lambda data: (roster.decide(member_id, data.action, organization=access.organization, actor=access.actor), data.action)
    )
    if decided is None:
        return _roster_page(access, refused=form, status=422)
    member, decision = decided
    toast(f"{member.user.name} {DONE[decision]}")
    return redirect_to("consultants.index", slug=access.organization.slug)


@bp.post("/orgs/<slug>/consultants/<member_id>/terms")
@org(Role.ORG_ADMIN)
@provider_page
def change_terms(access: Access, member_id: str) -> ResponseReturnValue:
    """Changes what is agreed with one consultant; sessions that are booked keep their terms."""
    member = orgs.require_member(access.organization.id, member_id)
    form = Form.posted(TermsForm, prefix=f"terms-{member.id}")
    changed = form.submit(
        lambda data: members.change(
            member_id, data.as_patch(), organization=access.organization, actor_role=access.role, actor=access.actor
        )
    )
    if changed is None:
        return _roster_page(access, refused=form, refused_id=member.id, status=422)
    toast(f"The terms with {changed.user.name} hold for sessions that are booked from now on.")
    return redirect_to("consultants.index", slug=access.organization.slug)


def _roster_page(access: Access, *, refused: Form[Any] | None = None, refused_id: str = "", status: int = 200) -> ResponseReturnValue:
    organization, may_change = access.organization, access.may(Role.ORG_ADMIN)
    wanted = query(ConsultantsPageQuery)
    shown_status = wanted.status if may_change else MembershipStatus.ACTIVE
    found = queries.hosted(organization.id, status=shown_status, limit=PAGE_SIZE + 1, offset=(wanted.page - 1) * PAGE_SIZE)
    rows, more = found[:PAGE_SIZE], len(found) > PAGE_SIZE
    forms = {row.member.id: _terms_of(row) for row in rows}
    if refused is not None and refused_id in forms:
        forms[refused_id] = refused
    rates = (organization.platform_commission_rate, organization.org_retain_rate, organization.consultant_payout_rate)
    pending = MembershipStatus.PENDING
    return page(
        "providers/roster.html",
        block="roster_list",
        status=status,
        access=access,
        may_change=may_change,
        form=refused or Form(VerdictForm),
        refused_id=refused_id,
        forms=forms,
        rows=rows,
        tabs=_tabs(organization, shown_status) if may_change else [],
        applications=queries.hosted(organization.id, status=pending, limit=MOST_APPLICATIONS, offset=0) if may_change else [],
        recipients=RECIPIENTS,
        rates=[percent_text(rate) for rate in rates],
        previous_url=_url(organization, shown_status, page=wanted.page - 1) if wanted.page > 1 else "",
        next_url=_url(organization, shown_status, page=wanted.page + 1) if more else "",
        showing=f"Page {wanted.page}" if wanted.page > 1 or more else "",
    )


def _terms_of(row: Hosted) -> Form[Any]:
    rate = None if row.custom_rate is None else percent_text(row.custom_rate)
    shown = {"custom_consultant_payout_rate": rate, "earnings_recipient": row.member.earnings_recipient.value}
    return Form(TermsForm, shown, prefix=f"terms-{row.member.id}")


def _tabs(organization: Organization, shown: MembershipStatus) -> list[dict[str, Any]]:
    counts = queries.counts_of(organization.id)
    kinds = (
        (MembershipStatus.ACTIVE, "Active", counts.active),
        (MembershipStatus.SUSPENDED, "Suspended", counts.suspended),
        (MembershipStatus.REMOVED, "Removed", counts.removed),
    )
    return [
        {"label": label, "url": _url(organization, each), "count": number, "is_current": each is shown} for each, label, number in kinds
    ]


def _url(organization: Organization, status: MembershipStatus, *, page: int | None = None) -> str:
    return url_for("consultants.index", slug=organization.slug, status=status.value, page=page)
