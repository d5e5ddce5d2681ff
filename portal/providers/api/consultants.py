"""JSON of consultants, on their own and as members of provider organizations."""

from flask import Blueprint, jsonify
from flask.typing import ResponseReturnValue

from portal.accounts.service import actor_of, admin_actor_of
from portal.errors import NotFound
from portal.orgs.access import Access, org, provider_tier
from portal.orgs.rules import MembershipStatus, Role
from portal.orgs.rules.tokens import TokenScope
from portal.orgs.schemas import MemberOut
from portal.orgs.service import provider_orgs_are_on, provider_tier_off
from portal.providers import queries
from portal.providers.schemas import (
    ApplyIn,
    ConsultantIn,
    ConsultantOut,
    ConsultantsQuery,
    DecisionIn,
    EarningOut,
    OwnEarningsQuery,
    ProviderOut,
)
from portal.providers.service import register as register_consultant
from portal.providers.service import roster
from portal.providers.service import verify as verify_consultant
from portal.web.bearer import scoped
from portal.web.forms import json_body, query
from portal.web.gates import admin, client_address, public, require_user, signed_in
from portal.web.openapi import describes, listed, wrapped
from portal.web.security import limiter

bp = Blueprint("providers_api", __name__, url_prefix="/api")
ONE = "/organizations/<organization_id>/consultants"
MOST_SHOWN = 500


@bp.post("/consultants/profile")
@signed_in
@describes(body=ConsultantIn, answers={201: wrapped("consultant", ConsultantOut)}, refuses={403: ("EMAIL_NOT_VERIFIED",)})
def register() -> ResponseReturnValue:
    """The caller becomes a consultant."""
    user = require_user()
    made = register_consultant(json_body(ConsultantIn), user=user, actor=actor_of(user, ip=client_address()))
    return jsonify(consultant=ConsultantOut.of(made).to_json()), 201


@bp.post("/admin/consultants/<user_id>/verify")
@admin
@describes(answers={200: wrapped("consultant", ConsultantOut)})
def verify(user_id: str) -> ResponseReturnValue:
    """A platform admin lets a consultant give sessions."""
    actor = admin_actor_of(require_user(), ip=client_address())
    return jsonify(consultant=ConsultantOut.of(verify_consultant(user_id, actor=actor)).to_json())


@bp.get("/consultants/me/earnings")
@signed_in
@describes(query=OwnEarningsQuery, answers={200: listed(EarningOut)})
def own_earnings() -> ResponseReturnValue:
    """What the caller's sessions earned them, newest first."""
    wanted = query(OwnEarningsQuery)
    found = queries.earnings_of_consultant(require_user().id, status=wanted.status, limit=wanted.limit + 1, cursor=wanted.cursor)
    shown = [row.earning for row in found[: wanted.limit]]
    return jsonify(items=[EarningOut.of(row).to_json() for row in shown], nextCursor=shown[-1].id if len(found) > len(shown) else None)


@bp.get(ONE)
@org(Role.ORG_LEARNER)
@scoped(TokenScope.READ)
@provider_tier
@describes(query=ConsultantsQuery, answers={200: listed(MemberOut)}, refuses={404: ("NOT_A_PROVIDER",), 501: ("NOT_ENABLED",)})
def list_consultants(access: Access) -> ResponseReturnValue:
    """The organization's consultants, newest first; below the role of an admin those who are active."""
    wanted = query(ConsultantsQuery)
    status = wanted.status if access.may(Role.ORG_ADMIN) else MembershipStatus.ACTIVE
    if wanted.status not in {None, status}:
        return jsonify(items=[], nextCursor=None)
    found = queries.consultants_of(access.organization.id, status=status, limit=wanted.limit + 1, cursor=wanted.cursor)
    shown = found[: wanted.limit]
    return jsonify(items=[MemberOut.of(row).to_json() for row in shown], nextCursor=shown[-1].id if len(found) > len(shown) else None)


@bp.post(ONE)
@org(Role.ORG_ADMIN)
@provider_tier
@describes(
    body=DecisionIn,
    answers={200: wrapped("member", MemberOut)},
    refuses={404: ("MEMBER_NOT_FOUND", "NOT_A_PROVIDER"), 409: ("NOT_PENDING",), 501: ("NOT_ENABLED",)},
)
def decide(access: Access) -> ResponseReturnValue:
    """Approves or rejects somebody who applied."""
    data = json_body(DecisionIn)
    member = roster.decide(data.member_id, data.action, organization=access.organization, actor=access.actor)
    return jsonify(member=MemberOut.of(member).to_json())


@bp.post(f"{ONE}/apply")
@limiter.limit("60/minute")
@signed_in
@provider_tier
@describes(
    body=ApplyIn,
    answers={201: wrapped("member", MemberOut)},
    refuses={
        403: ("CONSULTANT_NOT_VERIFIED", "EMAIL_NOT_VERIFIED", "ORGANIZATION_DEACTIVATED"),
        404: ("ORGANIZATION_NOT_FOUND",),
        409: ("ALREADY_APPLIED", "ALREADY_MEMBER", "ORGANIZATION_NOT_ACTIVE"),
        501: ("NOT_ENABLED",),
    },
)
def apply(organization_id: str) -> ResponseReturnValue:
    """The caller, a verified consultant, applies to give sessions for the organization."""
    user = require_user()
    member = roster.apply(organization_id, note=json_body(ApplyIn).note, user=user, actor=actor_of(user, ip=client_address()))
    return jsonify(member=MemberOut.of(member).to_json()), 201


@bp.get("/organizations/public/<slug>")
@public
@describes(answers={200: wrapped("organization", ProviderOut)}, refuses={404: ("ORGANIZATION_NOT_FOUND",), 501: ("NOT_ENABLED",)})
def show_provider(slug: str) -> ResponseReturnValue:
    """A provider organization as the public sees it, with its roster."""
    organization = queries.public_provider(slug)
    if organization is None:
        raise NotFound("There is no such provider organization.", code="ORGANIZATION_NOT_FOUND")
    if not provider_orgs_are_on():
        raise provider_tier_off()
    faces = queries.roster(organization.id, limit=MOST_SHOWN)
    return jsonify(organization=ProviderOut.of(organization, faces).to_json())
