"""JSON of plans and bookings."""

from flask import Blueprint, Response, jsonify, make_response
from flask.typing import ResponseReturnValue

from portal.accounts.service import actor_of
from portal.billing.models import GatewayOrder
from portal.billing.schemas import PaymentOut
from portal.bookings import queries, service
from portal.bookings.models import Booking
from portal.bookings.rules import BookingStatus
from portal.bookings.schemas import BookingOut, CheckoutIn, OwnPlanIn, PlanIn, PlanOut, PlanPatch, PlansQuery
from portal.orgs import queries as orgs
from portal.orgs.access import Access, org, require_active, require_member, require_org_access
from portal.orgs.rules import Role
from portal.orgs.rules.tokens import TokenScope
from portal.web.bearer import scoped
from portal.web.forms import json_body, query
from portal.web.gates import client_address, require_user, signed_in
from portal.web.idempotency import answer_so_far, idempotent
from portal.web.openapi import IDS, describes, listed, wrapped
from portal.web.security import checkout_limit

bp = Blueprint("bookings_api", __name__, url_prefix="/api")
NEWEST = 200


@bp.get("/organizations/<organization_id>/plans")
@org(Role.ORG_LEARNER)
@scoped(TokenScope.READ)
@describes(answers={200: listed(PlanOut)})
def list_plans(access: Access) -> ResponseReturnValue:
    """The organization's catalogue."""
    rows = queries.plans_of_organization(access.organization.id)
    return jsonify(items=[PlanOut.of(row).to_json() for row in rows], nextCursor=None)


@bp.post("/organizations/<organization_id>/plans")
@org(Role.ORG_ADMIN)
@describes(body=PlanIn, answers={201: wrapped("plan", PlanOut)})
def create_plan(access: Access) -> ResponseReturnValue:
    """Adds a plan."""
    plan = service.create_plan(json_body(PlanIn), organization=access.organization, actor=access.actor)
    return jsonify(plan=PlanOut.of(plan).to_json()), 201


@bp.post("/checkout")
@checkout_limit
@signed_in
@idempotent
@describes(
    body=CheckoutIn,
    example={
        "planId": IDS["plan"],
        "startsAt": "2026-12-01T09:00:00Z",
        "organizationId": IDS["organization"],
        "consultantId": IDS["consultant"],
    },
    answers={201: wrapped("booking", BookingOut, payment=PaymentOut)},
    refuses={
        402: ("CONTRACT_EXPIRED", "CREDIT_LIMIT_REACHED", "INSUFFICIENT_CREDITS"),
        403: ("NOT_A_MEMBER",),
        404: ("PLAN_NOT_FOUND",),
        409: ("BILLING_MODE_MISSING", "SLOT_TAKEN"),
    },
)
def checkout() -> ResponseReturnValue:
    """Books a session, on an organization or personally."""
    data = json_body(CheckoutIn)
    user = require_user()
    if data.organization_id is None:
        booking = service.checkout(data, organization=None, learner=user, actor=actor_of(user, ip=client_address()))
    else:
        place = orgs.place(user.id, organization_id=data.organization_id)
        access = require_org_access(place, Role.ORG_LEARNER, user=user, ip=client_address())
        require_active(access.organization)
        require_member(access)
        booking = service.checkout(data, organization=access.organization, learner=user, actor=access.actor)
    if booking.status is BookingStatus.CONFIRMED:
        return _booked(booking, None)
    answer_so_far(_booked(booking, None))
    return _booked(booking, service.open_payment(booking))


def _booked(booking: Booking, order: GatewayOrder | None) -> Response:
    shown = {"booking": BookingOut.of(booking).to_json(), "payment": PaymentOut.of(booking.payment, order).to_json()}
    return make_response(jsonify(shown), 201)


@bp.get("/plans")
@signed_in
@describes(query=PlansQuery, answers={200: listed(PlanOut)})
def list_own_plans() -> ResponseReturnValue:
    """The plans of one consultant's own; without ``consultantId`` those of all, by consultant and title."""
    wanted = query(PlansQuery).consultant_id
    for_sale = [plan for plan, _name in queries.plans_for_sale(limit=NEWEST)] if wanted is None else queries.plans_of_consultant(wanted)
    rows = [plan for plan in for_sale if wanted is None or queries.may_sell(plan)]
    return jsonify(items=[PlanOut.of(row).to_json() for row in rows], nextCursor=None)


@bp.post("/plans")
@signed_in
@describes(body=OwnPlanIn, answers={201: wrapped("plan", PlanOut)}, refuses={403: ("CONSULTANT_NOT_VERIFIED",)})
def create_own_plan() -> ResponseReturnValue:
    """Adds a plan of the caller's own."""
    user = require_user()
    plan = service.create_own_plan(json_body(OwnPlanIn), consultant=user, actor=actor_of(user, ip=client_address()))
    return jsonify(plan=PlanOut.of(plan).to_json()), 201


@bp.patch("/organizations/<organization_id>/plans/<plan_id>")
@org(Role.ORG_ADMIN)
@describes(body=PlanPatch, example={"price": 120_000}, answers={200: wrapped("plan", PlanOut)}, refuses={404: ("PLAN_NOT_FOUND",)})
def change_plan(access: Access, plan_id: str) -> ResponseReturnValue:
    """Changes a plan; what is booked keeps its price."""
    plan = service.change_plan(plan_id, json_body(PlanPatch), organization=access.organization, actor=access.actor)
    return jsonify(plan=PlanOut.of(plan).to_json())


@bp.delete("/organizations/<organization_id>/plans/<plan_id>")
@org(Role.ORG_ADMIN)
@describes(answers={200: wrapped("plan", PlanOut)}, refuses={404: ("PLAN_NOT_FOUND",)})
def retire_plan(access: Access, plan_id: str) -> ResponseReturnValue:
    """Takes a plan out of the catalogue; its bookings stay."""
    plan = service.retire_plan(plan_id, organization=access.organization, actor=access.actor)
    return jsonify(plan=PlanOut.of(plan).to_json())


@bp.get("/bookings")
@signed_in
@describes(answers={200: listed(BookingOut)})
def list_bookings() -> ResponseReturnValue:
    """The caller's own bookings."""
    rows = queries.bookings_of(require_user().id, limit=NEWEST)
    return jsonify(items=[BookingOut.of(row).to_json() for row in rows], nextCursor=None)
