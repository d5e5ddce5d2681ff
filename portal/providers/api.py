"""JSON of consultants."""

from flask import Blueprint, jsonify
from flask.typing import ResponseReturnValue

from portal.accounts.service import actor_of, admin_actor_of
from portal.providers import service
from portal.providers.schemas import ConsultantIn, ConsultantOut
from portal.web.forms import json_body
from portal.web.gates import admin, client_address, require_user, signed_in
from portal.web.openapi import describes, wrapped

bp = Blueprint("providers_api", __name__, url_prefix="/api")


@bp.post("/consultants/profile")
@signed_in
@describes(body=ConsultantIn, answers={201: wrapped("consultant", ConsultantOut)}, refuses={403: ("EMAIL_NOT_VERIFIED",)})
def register() -> ResponseReturnValue:
    """The caller becomes a consultant."""
    user = require_user()
    made = service.register(json_body(ConsultantIn), user=user, actor=actor_of(user, ip=client_address()))
    return jsonify(consultant=ConsultantOut.model_validate(made).to_json()), 201


@bp.post("/admin/consultants/<user_id>/verify")
@admin
@describes(answers={200: wrapped("consultant", ConsultantOut)})
def verify(user_id: str) -> ResponseReturnValue:
    """A platform admin lets a consultant give sessions."""
    user = require_user()
    actor = admin_actor_of(user, ip=client_address())
    return jsonify(consultant=ConsultantOut.model_validate(service.verify(user_id, actor=actor)).to_json())
