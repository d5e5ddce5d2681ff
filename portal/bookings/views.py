"""Pages: the catalogue of plans, and booking."""

from flask import Blueprint
from flask.typing import ResponseReturnValue

from portal.accounts.service import actor_of
from portal.billing import queries as billing
from portal.billing.service import payments
from portal.bookings import queries, service
from portal.bookings.rules import BookingStatus, PlanType
from portal.bookings.schemas import BookForm, OwnPlanForm, PlanForm
from portal.errors import NotFound
from portal.orgs.access import Access, org, require_active, require_member
from portal.orgs.rules import Role
from portal.orgs.service import provider_orgs_are_on
from portal.providers import service as providers
from portal.providers.queries import consultant, earnings_of_consultant, summary_of_consultant, verified_consultants
from portal.providers.schemas import ConsultantIn
from portal.web.forms import Form
from portal.web.gates import client_address, require_user, signed_in
from portal.web.page import leave_to, page, redirect_to, toast
from portal.web.security import checkout_limit

bp = Blueprint("bookings", __name__)
MOST_SHOWN = 200
MOST_EARNINGS = 25
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
    return _book_page(access, Form(BookForm, {"payer": "organization" if access.organization.billing_mode else "self"}))


@bp.post("/orgs/<slug>/book")
@checkout_limit
@org(Role.ORG_LEARNER)
def checkout(access: Access) -> ResponseReturnValue:
    """Books a session, on the organization or personally."""
    require_active(access.organization)
    require_member(access)
    form = Form.posted(BookForm)
    booking = form.submit(service.book_from_page, organization=access.organization, learner=access.user, actor=access.actor)
    if booking is None:
        return _book_page(access, form, status=422)
    if booking.status is BookingStatus.HELD:
        order = service.open_payment(booking)
        if order is not None and order.pay_url is not None:
            return leave_to(order.pay_url)
        return redirect_to("bookings.show", booking_id=booking.id)
    toast(f"Your session “{booking.plan.title}” is booked.")
    return redirect_to("bookings.book", slug=access.organization.slug)


@bp.get("/bookings")
@signed_in
def index() -> ResponseReturnValue:
    """All sessions that somebody booked, on whichever organization."""
    user = require_user()
    return page("bookings/index.html", bookings=queries.bookings_of(user.id, limit=MOST_SHOWN))


@bp.get("/bookings/<booking_id>")
@signed_in
def show(booking_id: str) -> ResponseReturnValue:
    """One booking: whether it is paid, and where to pay it; for whoever may look at its payment."""
    booking = queries.booking(booking_id)
    if booking is None or not payments.is_visible(booking.payment, require_user()):
        raise NotFound("There is no such booking.", code="BOOKING_NOT_FOUND")
    order = billing.order_of_payment(booking.payment_id)
    is_mine = booking.learner_id == require_user().id
    return page(
        "bookings/show.html",
        block="booking",
        booking=booking,
        order=order,
        is_payable=is_mine and order is not None and not order.status.is_over,
    )


@bp.get("/consulting")
@signed_in
def consulting() -> ResponseReturnValue:
    """A consultant's own page: the profile, and the plans of their own."""
    return _consulting_page(Form(ConsultantIn), Form(OwnPlanForm, {"plan_type": PlanType.CONSULTATION, "duration_minutes": 60}))


@bp.post("/consulting/profile")
@signed_in
def register() -> ResponseReturnValue:
    """Makes the user a consultant who waits to be verified."""
    user, form = require_user(), Form.posted(ConsultantIn)
    made = form.submit(providers.register, user=user, actor=actor_of(user, ip=client_address()))
    if made is None:
        return _consulting_page(form, Form(OwnPlanForm), status=422)
    toast("Your profile was sent to the platform. You can offer plans as soon as it is verified.")
    return redirect_to("bookings.consulting")


@bp.post("/consulting/plans")
@signed_in
def create_own_plan() -> ResponseReturnValue:
    """Adds a plan of the consultant's own."""
    user, form = require_user(), Form.posted(OwnPlanForm)
    plan = form.submit(service.create_own_plan, consultant=user, actor=actor_of(user, ip=client_address()))
    if plan is None:
        return _consulting_page(Form(ConsultantIn), form, status=422)
    toast(f"“{plan.title}” can be booked now.")
    return redirect_to("bookings.consulting")


@bp.post("/consulting/plans/<plan_id>/retire")
@signed_in
def retire_own_plan(plan_id: str) -> ResponseReturnValue:
    """Takes a plan out of the consultant's own offer."""
    user = require_user()
    plan = service.retire_own_plan(plan_id, consultant=user, actor=actor_of(user, ip=client_address()))
    toast(f"“{plan.title}” can't be booked any more. Its bookings stay.")
    return redirect_to("bookings.consulting")


def _consulting_page(profile: Form[ConsultantIn], form: Form[OwnPlanForm], *, status: int = 200) -> ResponseReturnValue:
    user = require_user()
    return page(
        "bookings/consulting.html",
        status=status,
        consultant=consultant(user.id),
        profile=profile,
        form=form,
        plans=queries.plans_of_consultant(user.id, with_retired=True),
        plan_types=PLAN_TYPES,
        may_apply=provider_orgs_are_on(),
        summary=summary_of_consultant(user.id),
        earnings=earnings_of_consultant(user.id, limit=MOST_EARNINGS),
    )


def _plans_page(access: Access, form: Form[PlanForm], *, status: int = 200) -> ResponseReturnValue:
    with_retired = access.may(Role.ORG_ADMIN)
    rows = queries.plans_of_organization(access.organization.id, with_retired=with_retired)
    return page("bookings/plans.html", status=status, access=access, plans=rows, form=form, plan_types=PLAN_TYPES)


def _book_page(access: Access, form: Form[BookForm], *, status: int = 200) -> ResponseReturnValue:
    mode = access.organization.billing_mode
    on_it = mode.at_booking if mode else ""
    return page(
        "bookings/book.html",
        status=status,
        access=access,
        form=form,
        payers=[("organization", access.organization.name, on_it), ("self", "Myself", "You pay by card now. Nobody else sees it.")],
        may_sponsor=mode is not None,
        plans=queries.plans_of_organization(access.organization.id),
        own_plans=queries.plans_for_sale(limit=MOST_SHOWN),
        consultants=verified_consultants(),
        bookings=queries.bookings_of(access.user.id, organization_id=access.organization.id, limit=25),
    )
