"""JSON of plans and bookings."""

from flask import Blueprint, jsonify
from flask.typing import ResponseReturnValue

from portal.accounts.service import actor_of
from portal.billing.schemas import PaymentOut
from portal.bookings import queries, service
from portal.bookings.schemas import BookingOut, CheckoutIn, PlanIn, PlanOut
from portal.orgs import queries as orgs
from portal.orgs.access import Access, org, require_active, require_member, require_org_access
from portal.orgs.rules import Role
from portal.web.forms import json_body
from portal.web.gates import client_address, require_user, signed_in
from portal.web.openapi import describes, listed, wrapped
from portal.web.security import limiter

bp = Blueprint("bookings_api", __name__, url_prefix="/api")
NEWEST = 200


@bp.get("/organizations/<organization_id>/plans")
@org(Role.ORG_LEARNER)
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
@limiter.limit("60/minute")
@signed_in
@describes(
    body=CheckoutIn,
    answers={201: wrapped("booking", BookingOut, payment=PaymentOut)},
    refuses={403: ("NOT_A_MEMBER",), 404: ("PLAN_NOT_FOUND",), 409: ("SLOT_TAKEN",), 501: ("BILLING_MODE_NOT_ENABLED", "CARD_NOT_ENABLED")},
)
def checkout() -> ResponseReturnValue:
    """Books a session, on an organization or personally."""
    data = json_body(CheckoutIn)
    user = require_user()
    if data.organization_id is None:
        booking = service.checkout(data, organization=None, learner=user, actor=actor_of(user, ip=client_address()))
    else:
        found = orgs.by_id(data.organization_id)
        access = require_org_access(found, Role.ORG_LEARNER, user=user, ip=client_address())
        require_active(access.organization)
        require_member(access)
        booking = service.checkout(data, organization=access.organization, learner=user, actor=access.actor)
    return jsonify(booking=BookingOut.of(booking).to_json(), payment=PaymentOut.of(booking.payment).to_json()), 201


@bp.get("/bookings")
@signed_in
@describes(answers={200: listed(BookingOut)})
def list_bookings() -> ResponseReturnValue:
    """The caller's own bookings."""
    rows = queries.bookings_of(require_user().id, limit=NEWEST)
    return jsonify(items=[BookingOut.of(row).to_json() for row in rows], nextCursor=None)
