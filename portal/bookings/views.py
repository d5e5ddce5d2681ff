"""Pages: the catalogue of plans, and booking."""

from flask import Blueprint
from flask.typing import ResponseReturnValue

from portal.bookings import queries, service
from portal.bookings.rules import PlanType
from portal.bookings.schemas import BookForm, PlanForm
from portal.orgs.access import Access, org, require_active, require_member
from portal.orgs.rules import Role
from portal.providers.queries import verified_consultants
from portal.web.forms import Form
from portal.web.page import page, redirect_to, toast
from portal.web.security import limiter

bp = Blueprint("bookings", __name__)
PLAN_TYPES = [(plan_type.value, plan_type.label) for plan_type in PlanType]


@bp.get("/orgs/<slug>/plans")
@org(Role.ORG_LEARNER)
def plans(access: Access) -> ResponseReturnValue:
    """What can be booked."""
    return _plans_page(access, Form(PlanForm, {"plan_type": PlanType.CONSULTATION, "duration_minutes": 60}))


@bp.post("/orgs/<slug>/plans")
@org(Role.ORG_ADMIN)
def create_plan(access: Access) -> ResponseReturnValue:
    """Adds a plan."""
    form = Form.posted(PlanForm)
    plan = form.submit(service.create_plan, organization=access.organization, actor=access.actor)
    if plan is None:
        return _plans_page(access, form, status=422)
    toast(f"“{plan.title}” can be booked now.")
    return redirect_to("bookings.plans", slug=access.organization.slug)


@bp.post("/orgs/<slug>/plans/<plan_id>/retire")
@org(Role.ORG_ADMIN)
def retire_plan(access: Access, plan_id: str) -> ResponseReturnValue:
    """Takes a plan out of the catalogue."""
    plan = service.retire_plan(plan_id, organization=access.organization, actor=access.actor)
    toast(f"“{plan.title}” can't be booked any more. Its bookings stay.")
    return redirect_to("bookings.plans", slug=access.organization.slug)


@bp.get("/orgs/<slug>/book")
@org(Role.ORG_LEARNER)
def book(access: Access) -> ResponseReturnValue:
    """The booking page."""
    return _book_page(access, Form(BookForm))


@bp.post("/orgs/<slug>/book")
@limiter.limit("60/minute")
@org(Role.ORG_LEARNER)
def checkout(access: Access) -> ResponseReturnValue:
    """Books a session on the organization."""
    require_active(access.organization)
    require_member(access)
    form = Form.posted(BookForm)
    booking = form.submit(service.book_from_page, organization=access.organization, learner=access.user, actor=access.actor)
    if booking is None:
        return _book_page(access, form, status=422)
    toast(f"Your session “{booking.plan.title}” is booked.")
    return redirect_to("bookings.book", slug=access.organization.slug)


def _plans_page(access: Access, form: Form[PlanForm], *, status: int = 200) -> ResponseReturnValue:
    with_retired = access.may(Role.ORG_ADMIN)
    rows = queries.plans_of_organization(access.organization.id, with_retired=with_retired)
    return page("bookings/plans.html", status=status, access=access, plans=rows, form=form, plan_types=PLAN_TYPES)


def _book_page(access: Access, form: Form[BookForm], *, status: int = 200) -> ResponseReturnValue:
    return page(
        "bookings/book.html",
        status=status,
        access=access,
        form=form,
        plans=queries.plans_of_organization(access.organization.id),
        consultants=verified_consultants(),
        bookings=queries.bookings_of(access.user.id, organization_id=access.organization.id, limit=25),
    )
