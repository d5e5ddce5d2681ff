"""JSON of invitations."""

from flask import Blueprint, jsonify
from flask.typing import ResponseReturnValue

from portal.invites import queries
from portal.invites.schemas import InvitationIn, InvitationOut, InvitationsQuery, JoinedOut, TokenIn
from portal.invites.service import invitations
from portal.orgs.access import Access, org
from portal.orgs.rules import Role
from portal.web.forms import json_body, query
from portal.web.gates import client_address, require_user, signed_in
from portal.web.openapi import describes, listed, wrapped
from portal.web.security import limiter, per_organization

bp = Blueprint("invites_api", __name__, url_prefix="/api/organizations")
PAGE_SIZE = 200


@bp.get("/<organization_id>/invitations")
@org(Role.ORG_ADMIN)
@describes(query=InvitationsQuery, answers={200: listed(InvitationOut)})
def list_invitations(access: Access) -> ResponseReturnValue:
    """Invitations in one status, newest first."""
    filters = query(InvitationsQuery)
    offset = (filters.page - 1) * PAGE_SIZE
    rows = queries.invitations_of(access.organization.id, status=filters.status, limit=PAGE_SIZE, offset=offset)
    return jsonify(items=[InvitationOut.of(row).to_json() for row in rows], nextCursor=None)


@bp.post("/<organization_id>/invitations")
@limiter.limit("60/hour", key_func=per_organization)
@org(Role.ORG_ADMIN)
@describes(
    body=InvitationIn,
    answers={200: wrapped("invitation", InvitationOut), 201: wrapped("invitation", InvitationOut)},
    refuses={409: ("ALREADY_MEMBER",), 501: ("NOT_ENABLED",)},
)
def invite(access: Access) -> ResponseReturnValue:
    """Invites one person, or renews their open invitation."""
    data = json_body(InvitationIn)
    row, is_new = invitations.invite_one(data, organization=access.organization, inviter=access.user, actor=access.actor)
    shown = InvitationOut.of(row, token=invitations.token_of(row)).to_json()
    return jsonify(invitation=shown), 201 if is_new else 200


@bp.delete("/<organization_id>/invitations/<invitation_id>")
@org(Role.ORG_ADMIN)
@describes(answers={200: wrapped("invitation", InvitationOut)})
def revoke(access: Access, invitation_id: str) -> ResponseReturnValue:
    """Takes an invitation back."""
    row = invitations.revoke(invitation_id, organization=access.organization, actor=access.actor)
    return jsonify(invitation=InvitationOut.of(row).to_json())


@bp.post("/<organization_id>/invitations/<invitation_id>/resend")
@limiter.limit("60/hour", key_func=per_organization)
@org(Role.ORG_ADMIN)
@describes(answers={200: wrapped("invitation", InvitationOut)})
def resend(access: Access, invitation_id: str) -> ResponseReturnValue:
    """Mails an invitation again with a new link."""
    row = invitations.resend(invitation_id, organization=access.organization, actor=access.actor)
    return jsonify(invitation=InvitationOut.of(row, token=invitations.token_of(row)).to_json())


@bp.post("/invitations/accept")
@signed_in
@describes(
    body=TokenIn,
    answers={200: wrapped("membership", JoinedOut)},
    refuses={
        403: ("EMAIL_MISMATCH",),
        404: ("INVITATION_NOT_FOUND",),
        409: ("INVITATION_ALREADY_ACCEPTED", "SEAT_LIMIT"),
        410: ("INVITATION_EXPIRED", "INVITATION_REVOKED"),
    },
)
def accept() -> ResponseReturnValue:
    """Joins the organization of an invitation."""
    membership = invitations.accept(json_body(TokenIn).token, user=require_user(), ip=client_address())
    return jsonify(membership=JoinedOut.model_validate(membership).to_json())
