"""The wizard: each step its own page and URL."""

from typing import Any, NamedTuple

from flask import Blueprint, url_for
from flask.typing import ResponseReturnValue

from portal import india
from portal.accounts.service import actor_of
from portal.invites import queries as invites
from portal.invites.rules import Verdict
from portal.invites.schemas import MappingIn, PeopleIn
from portal.invites.service import imports
from portal.invites.views import preview
from portal.orgs import service as orgs
from portal.orgs.access import draft_creator
from portal.orgs.models import Organization
from portal.orgs.rules import BillingMode, Kind, Role, SizeBucket, default_role, invitable_roles
from portal.orgs.schemas import BillingIn, OrgInfoIn
from portal.setup import queries, service
from portal.setup.rules import Step, next_step, steps_for
from portal.web.forms import Form, form_data, uploaded_file
from portal.web.gates import client_address, require_user, signed_in
from portal.web.page import page, redirect_to, toast

bp = Blueprint("setup", __name__)
BOOKABLE_MODES = (BillingMode.INVOICED_MONTHLY,)


class StepItem(NamedTuple):
    """A step as the list at the page's side shows it."""

    label: str
    url: str | None
    state: str


@bp.get("/orgs/new")
@signed_in
def new() -> ResponseReturnValue:
    """The first step of a new organization."""
    user = require_user()
    return _info_page(None, Form(OrgInfoIn, {"kind": Kind.BUYER, "billing_email": user.email}))


@bp.post("/orgs/new")
@signed_in
def create() -> ResponseReturnValue:
    """Saves the first step: the draft exists from now on."""
    user = require_user()
    form = Form.posted(OrgInfoIn)
    draft = form.submit(service.start, creator=user, actor=actor_of(user, ip=client_address()))
    if draft is None:
        return _info_page(None, form, status=422)
    return _onward(draft, Step.INFO)


@bp.get("/orgs/<organization_id>/setup/info")
@draft_creator
def info(draft: Organization) -> ResponseReturnValue:
    """The first step of a draft."""
    values = {name: getattr(draft, name) for name in OrgInfoIn.model_fields}
    return _info_page(draft, Form(OrgInfoIn, values))


@bp.post("/orgs/<organization_id>/setup/info")
@draft_creator
def save_info(draft: Organization) -> ResponseReturnValue:
    """Saves the first step again."""
    form = Form.posted(OrgInfoIn)
    saved = form.submit(service.save_info, draft=draft)
    return _info_page(draft, form, status=422) if saved is None else _onward(saved, Step.INFO)


@bp.get("/orgs/<organization_id>/setup/billing")
@draft_creator
def billing(draft: Organization) -> ResponseReturnValue:
    """How the organization will pay."""
    address = draft.address or {}
    values = {
        "billing_mode": draft.billing_mode or BillingMode.INVOICED_MONTHLY,
        "line1": address.get("line1"),
        "line2": address.get("line2"),
        "city": address.get("city"),
        "postal_code": address.get("postalCode"),
    }
    for name in ("gstin", "state_code", "payment_terms_days", "seats_total", "po_number"):
        values[name] = getattr(draft, name)
    return _billing_page(draft, Form(BillingIn, values))


@bp.post("/orgs/<organization_id>/setup/billing")
@draft_creator
def save_billing(draft: Organization) -> ResponseReturnValue:
    """Saves how the organization will pay."""
    form = Form.posted(BillingIn)
    saved = form.submit(service.save_billing, draft=draft)
    return _billing_page(draft, form, status=422) if saved is None else _onward(saved, Step.BILLING)


@bp.get("/orgs/<organization_id>/setup/invite")
@draft_creator
def invite(draft: Organization) -> ResponseReturnValue:
    """Who is to be invited at the launch."""
    return _invite_page(draft, Form(PeopleIn, {"role": default_role(draft.kind)}))


@bp.post("/orgs/<organization_id>/setup/invite")
@draft_creator
def stage(draft: Organization) -> ResponseReturnValue:
    """Stages the addresses of the text box."""
    form = Form.posted(PeopleIn)
    around = service.around(draft, creator=require_user())
    judged = form.submit(lambda data: imports.judge_text(data.people, default_role=data.role, around=around))
    if judged is None:
        return _invite_page(draft, form, status=422)
    service.stage(imports.people_in(judged, default_role=default_role(draft.kind)), draft=draft)
    refused = [row for row in judged if row.verdict is not Verdict.NEW]
    if not refused:
        return redirect_to("setup.invite", organization_id=draft.id)
    form.values["people"] = "\n".join(row.email for row in refused)
    form.errors = {"people": [f"{row.email}: {row.message}" for row in refused]}
    return _invite_page(draft, form)


@bp.post("/orgs/<organization_id>/setup/invite/upload")
@draft_creator
def upload(draft: Organization) -> ResponseReturnValue:
    """Reads a file and leads to its preview."""
    role, creator = default_role(draft.kind), require_user()
    form = Form(PeopleIn, {"role": role})
    around = service.around(draft, creator=creator)
    batch = form.submit_with(
        lambda: imports.stage(imports.Upload(*uploaded_file("file")), default_role=role, around=around, creator=creator),
        field="file",
    )
    if batch is None:
        return _invite_page(draft, form, status=422)
    return redirect_to("setup.show_import", organization_id=draft.id, import_id=batch.id)


@bp.get("/orgs/<organization_id>/setup/invite/imports/<import_id>")
@draft_creator
def show_import(draft: Organization, import_id: str) -> ResponseReturnValue:
    """The preview of a file."""
    batch = invites.require_import(draft.id, import_id)
    urls = {
        "self": url_for("setup.show_import", organization_id=draft.id, import_id=import_id),
        "mapping": url_for("setup.map_columns", organization_id=draft.id, import_id=import_id),
        "confirm": url_for("setup.confirm_import", organization_id=draft.id, import_id=import_id),
        "back": url_for("setup.invite", organization_id=draft.id),
    }
    shown = preview(batch, urls=urls)
    return page("setup/import.html", block="import_state", **_frame(draft, Step.INVITE), **shown)


@bp.post("/orgs/<organization_id>/setup/invite/imports/<import_id>/mapping")
@draft_creator
def map_columns(draft: Organization, import_id: str) -> ResponseReturnValue:
    """Takes the user's word for which column is which."""
    data = form_data(MappingIn)
    around = service.around(draft, creator=require_user())
    batch = invites.require_import(draft.id, import_id)
    imports.map_columns(batch, email=data.email, name=data.name, role=data.role, around=around)
    return redirect_to("setup.show_import", organization_id=draft.id, import_id=import_id)


@bp.post("/orgs/<organization_id>/setup/invite/imports/<import_id>/confirm")
@draft_creator
def confirm_import(draft: Organization, import_id: str) -> ResponseReturnValue:
    """Stages what is new."""
    number = service.stage_import(import_id, draft=draft, creator=require_user())
    if number:
        toast(f"{number} {'person is' if number == 1 else 'people are'} added. They are invited when you launch.")
    return redirect_to("setup.invite", organization_id=draft.id)


@bp.post("/orgs/<organization_id>/setup/invite/<invitee_id>/remove")
@draft_creator
def unstage(draft: Organization, invitee_id: str) -> ResponseReturnValue:
    """Forgets somebody who was to be invited."""
    service.unstage(invitee_id, draft=draft)
    return redirect_to("setup.invite", organization_id=draft.id)


@bp.get("/orgs/<organization_id>/setup/review")
@draft_creator
def review(draft: Organization) -> ResponseReturnValue:
    """Everything once more, with links to change it."""
    return page("setup/review.html", staged=queries.staged(draft.id), states=india.STATES, **_frame(draft, Step.REVIEW))


@bp.post("/orgs/<organization_id>/setup/launch")
@draft_creator
def launch(draft: Organization) -> ResponseReturnValue:
    """Opens the organization."""
    user = require_user()
    if service.launch(draft, owner=user, actor=actor_of(user, ip=client_address())):
        toast(f"{draft.name} is open. Your invitations are on the way.")
    return redirect_to("home.show", slug=draft.slug)


def _frame(draft: Organization | None, current: Step) -> dict[str, Any]:
    kind = draft.kind if draft else Kind.BUYER
    done = queries.progress(draft.id).steps_done if draft else []
    items = []
    for step in steps_for(kind):
        url = url_for(f"setup.{step.value}", organization_id=draft.id) if draft else None
        state = "current" if step is current else "done" if step.value in done else "todo"
        items.append(StepItem(label=step.label, url=url, state=state))
    return {"draft": draft, "steps": items, "here": current}


def _onward(draft: Organization, step: Step) -> ResponseReturnValue:
    return redirect_to(f"setup.{next_step(step, draft.kind).value}", organization_id=draft.id)


def _info_page(draft: Organization | None, form: Form[OrgInfoIn], *, status: int = 200) -> ResponseReturnValue:
    kinds = [(kind.value, kind.label) for kind in Kind if kind is Kind.BUYER or orgs.provider_orgs_are_on()]
    sizes = [("", "Choose a size"), *((size.value, size.label) for size in SizeBucket)]
    return page("setup/info.html", form=form, kinds=kinds, sizes=sizes, status=status, **_frame(draft, Step.INFO))


def _billing_page(draft: Organization, form: Form[BillingIn], *, status: int = 200) -> ResponseReturnValue:
    modes = [(mode.value, mode.label, mode.explanation) for mode in BOOKABLE_MODES]
    states = [("", "Choose a state"), *((code, f"{name} ({code})") for code, name in india.STATES.items())]
    return page("setup/billing.html", form=form, modes=modes, states=states, status=status, **_frame(draft, Step.BILLING))


def _invite_page(draft: Organization, form: Form[PeopleIn], *, status: int = 200) -> ResponseReturnValue:
    allowed = invitable_roles(draft.kind, inviter=Role.ORG_OWNER, provider_orgs=orgs.provider_orgs_are_on())
    return page(
        "setup/invite.html",
        form=form,
        roles=[(role.value, role.label) for role in allowed],
        staged=queries.staged(draft.id),
        status=status,
        **_frame(draft, Step.INVITE),
    )
