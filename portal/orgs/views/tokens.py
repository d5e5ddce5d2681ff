"""Page: the API tokens of an organization. A token that was made is shown on the answer to its form, and never again."""

from flask import Blueprint
from flask.typing import ResponseReturnValue

from portal import clock
from portal.orgs.access import Access, org, require_member
from portal.orgs.models import ApiToken
from portal.orgs.queries import tokens as queries
from portal.orgs.rules import Role
from portal.orgs.rules.tokens import TokenScope
from portal.orgs.schemas.tokens import TokenFormIn
from portal.orgs.service import tokens
from portal.orgs.views.settings import tabs
from portal.web.forms import Form, form_list
from portal.web.page import page, redirect_to, toast

bp = Blueprint("tokens", __name__)
SHOWN = 200
LASTS = [("30", "30 days"), ("90", "90 days"), ("365", "One year"), ("never", "Until it is revoked")]


@bp.get("/orgs/<slug>/settings/tokens")
@org(Role.ORG_OWNER)
def index(access: Access) -> ResponseReturnValue:
    """The tokens, and the form for another one."""
    return _tokens_page(access)


@bp.post("/orgs/<slug>/settings/tokens")
@org(Role.ORG_OWNER)
def create(access: Access) -> ResponseReturnValue:
    """Makes a token and shows it once; sending the same form again is refused, because its name is taken then."""
    form = Form.posted(TokenFormIn)
    form.values["scopes"] = form_list("scopes")
    made = form.submit(lambda data: _create(data, access))
    if made is None:
        return _tokens_page(access, form=form, status=422)
    row, secret = made
    return _tokens_page(access, made={"name": row.name, "token": secret}, status=201)


@bp.post("/orgs/<slug>/settings/tokens/<token_id>/revoke")
@org(Role.ORG_OWNER)
def revoke(access: Access, token_id: str) -> ResponseReturnValue:
    """Revokes a token."""
    row = tokens.revoke(token_id, organization=access.organization, actor=access.actor)
    toast(f"“{row.name}” is revoked and doesn’t work any more.")
    return redirect_to("tokens.index", slug=access.organization.slug)


def _create(data: TokenFormIn, access: Access) -> tuple[ApiToken, str]:
    require_member(access)
    return tokens.create(data.token, organization=access.organization, maker=access.user, actor=access.actor)


def _tokens_page(
    access: Access, *, form: Form[TokenFormIn] | None = None, made: dict[str, str] | None = None, status: int = 200
) -> ResponseReturnValue:
    now = clock.now()
    found = queries.tokens_of(access.organization.id, limit=SHOWN)
    return page(
        "orgs/settings/tokens.html",
        status=status,
        access=access,
        organization=access.organization,
        tabs=tabs(access),
        rows=[(row, row.state(is_maker_owner=is_owner, now=now)) for row, is_owner in found],
        form=form or Form(TokenFormIn, {"scopes": [], "lasts_days": "90"}),
        made=made,
        scopes=list(TokenScope),
        labels={scope.value: scope.label for scope in TokenScope},
        lasts=LASTS,
        may_make=access.membership is not None,
    )
