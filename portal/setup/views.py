"""The wizard: each step its own page and URL."""

from typing import Any, NamedTuple

from flask import Blueprint, url_for
from flask.typing import ResponseReturnValue

from portal import india
from portal.accounts.service import actor_of
from portal.invites import queries as invites
from portal.invites.schemas import PeopleIn
from portal.invites.service import imports
from portal.invites.views import imports as component
from portal.orgs import service as orgs
from portal.orgs.access import draft_creator
from portal.orgs.models import Organization
from portal.orgs.rules import FIELD_LABELS, BillingMode, Kind, Role, default_role, invitable_roles
from portal.orgs.rules.images import picture_from
from portal.orgs.schemas import BillingIn, ColorsIn, Group, OrgInfoIn, RevenueIn
from portal.orgs.service.branding import slot_of
from portal.orgs.views.settings import choices, shown
from portal.setup import queries, service
from portal.setup.rules import Step, next_step, steps_for
from portal.setup.schemas import OnboardingIn
from portal.web.filters import count
from portal.web.forms import Form, has_upload, uploaded_file
from portal.web.gates import client_address, require_user, signed_in
from portal.web.page import page, redirect_to, toast
from portal.web.schema import In
from portal.web.security import invitation_limit

bp = Blueprint("setup", __name__)
ONBOARDING = {"billing_mode": BillingMode.INVOICED_MONTHLY, "role": Role.ORG_LEARNER}


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
    values = shown(BillingIn.values_of(draft))
    values["billing_mode"] = values["billing_mode"] or BillingMode.INVOICED_MONTHLY
    return _step_page(draft, Step.BILLING, Form(BillingIn, values))


@bp.post("/orgs/<organization_id>/setup/billing")
@draft_creator
def save_billing(draft: Organization) -> ResponseReturnValue:
    """Saves how the organization will pay."""
    return _save(draft, Step.BILLING, BillingIn)


@bp.get("/orgs/<organization_id>/setup/rates")
@draft_creator
def rates(draft: Organization) -> ResponseReturnValue:
    """How sessions will be split."""
    return _step_page(draft, Step.RATES, Form(RevenueIn, shown(RevenueIn.values_of(draft))))


@bp.post("/orgs/<organization_id>/setup/rates")
@draft_creator
def save_rates(draft: Organization) -> ResponseReturnValue:
    """Saves how sessions will be split."""
    return _save(draft, Step.RATES, RevenueIn)


@bp.get("/orgs/<organization_id>/setup/branding")
@draft_creator
def branding(draft: Organization) -> ResponseReturnValue:
    """What the organization looks like."""
    return _step_page(draft, Step.BRANDING, Form(ColorsIn, shown(ColorsIn.values_of(draft))))


@bp.post("/orgs/<organization_id>/setup/branding")
@draft_creator
def save_branding(draft: Organization) -> ResponseReturnValue:
    """Saves the colours."""
    return _save(draft, Step.BRANDING, ColorsIn)


@bp.post("/orgs/<organization_id>/setup/branding/<slot>")
@draft_creator
def upload_picture(draft: Organization, slot: str) -> ResponseReturnValue:
    """Takes a logo or banner into the draft."""
    place = slot_of(slot)
    user = require_user()
    form = Form(ColorsIn, shown(ColorsIn.values_of(draft)))

    def act() -> Organization:
        file_name, content = uploaded_file(place.value)
        picture = picture_from(content, file_name=file_name, slot=place)
        return service.save_picture(picture, draft=draft, slot=place, actor=actor_of(user, ip=client_address()))

    if form.submit_with(act, field=place.value) is None:
        return _step_page(draft, Step.BRANDING, form, status=422)
    toast(f"{place.label}: the new picture is in place.")
    return redirect_to("setup.branding", organization_id=draft.id)


@bp.post("/orgs/<organization_id>/setup/branding/<slot>/remove")
@draft_creator
def remove_picture(draft: Organization, slot: str) -> ResponseReturnValue:
    """Takes a logo or banner out of the draft."""
    service.remove_picture(slot_of(slot), draft=draft, actor=actor_of(require_user(), ip=client_address()))
    return redirect_to("setup.branding", organization_id=draft.id)


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
    refused = form.submit(lambda data: service.stage_text(data.people, draft=draft, creator=require_user(), role=data.role))
    if refused is None:
        return _invite_page(draft, form, status=422)
    if not refused:
        return redirect_to("setup.invite", organization_id=draft.id)
    form.values["people"] = "\n".join(row.email for row in refused)
    form.errors = {"people": [f"{row.email}: {row.message}" for row in refused]}
    return _invite_page(draft, form)


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
    return _review_page(draft, Form(In))


@bp.post("/orgs/<organization_id>/setup/launch")
@draft_creator
def launch(draft: Organization) -> ResponseReturnValue:
    """Opens the organization; a second click finds it open."""
    user, form = require_user(), Form.posted(In)
    launched = form.submit(lambda _data: service.launch(draft, owner=user, actor=actor_of(user, ip=client_address())))
    if launched is None:
        return _review_page(draft, form, status=422)
    if launched:
        toast(f"{draft.name} is open." if draft.kind is Kind.BUYER else f"{draft.name} is set up and waits to be verified.")
    return redirect_to("home.show", slug=draft.slug)


@bp.post("/orgs/<organization_id>/setup/discard")
@draft_creator
def discard(draft: Organization) -> ResponseReturnValue:
    """Gives the setup up."""
    service.discard(draft, actor=actor_of(require_user(), ip=client_address()))
    toast(f"The setup of {draft.name} is given up. Nobody was invited.")
    return redirect_to("home.organizations")


@bp.get("/welcome")
@signed_in
def welcome() -> ResponseReturnValue:
    """What a new user does first: join with an invitation, or set up an organization."""
    return _welcome_page(Form(OnboardingIn, ONBOARDING | {"billing_email": require_user().email}))


@bp.post("/welcome")
@signed_in
def begin() -> ResponseReturnValue:
    """Saves the form as a draft, with the people to be invited; a file goes to its preview."""
    user = require_user()
    form = Form.posted(OnboardingIn)
    upload = imports.Upload(*uploaded_file("file")) if has_upload("file") else None
    if form.values.pop("upload", None) and upload is None:
        form.errors = {"file": ["Choose a file first."]}
        return _welcome_page(form, status=422)
    begun = form.submit(service.begin, upload=upload, creator=user, actor=actor_of(user, ip=client_address()))
    if begun is None:
        return _welcome_page(form, status=422)
    draft, batch = begun
    if batch is None:
        return _onward(draft, Step.INFO)
    return redirect_to("setup.show_import", organization_id=draft.id, import_id=batch.id)


def _desk(values: dict[str, Any]) -> component.Desk:
    draft: Organization = values["draft"]
    creator = require_user()
    provider_orgs = orgs.provider_orgs_are_on()
    return component.Desk(
        organization=draft,
        user=creator,
        roles=invitable_roles(draft.kind, inviter=Role.ORG_OWNER, provider_orgs=provider_orgs),
        around=lambda: service.around(draft, creator=creator),
        confirm=lambda import_id: service.stage_import(import_id, draft=draft, creator=creator),
        done=lambda number: f"{count(number, 'person is', 'people are')} added. They are invited when you launch.",
        url=lambda name, **own: url_for(f"setup.{name}", organization_id=draft.id, **own),
        refused=lambda form: _invite_page(draft, _with_file_errors(draft, form), status=422),
        after_confirm=lambda _import_id: url_for("setup.invite", organization_id=draft.id),
        sends=False,
        back_url=url_for("setup.invite", organization_id=draft.id),
        template="setup/import.html",
        context=_frame(draft, Step.INVITE),
        confirm_verb="Add",
        confirm_noun=("person", "people"),
    )


component.register(
    bp,
    prefix="/orgs/<organization_id>/setup/invite",
    gate=draft_creator,
    limit=invitation_limit,
    desk_of=_desk,
)


def _with_file_errors(draft: Organization, refused: Form[Any]) -> Form[PeopleIn]:
    form = Form(PeopleIn, {"role": default_role(draft.kind)})
    form.errors = refused.errors
    return form


def _frame(draft: Organization | None, current: Step) -> dict[str, Any]:
    kind = draft.kind if draft else Kind.BUYER
    done = queries.progress(draft.id).steps_done if draft else []
    items = []
    for step in steps_for(kind):
        url = url_for(f"setup.{step.value}", organization_id=draft.id) if draft else None
        state = "current" if step is current else "done" if step.value in done else "todo"
        items.append(StepItem(label=step.label, url=url, state=state))
    return {"draft": draft, "steps": items, "here": current, "labels": FIELD_LABELS}


def _onward(draft: Organization, step: Step) -> ResponseReturnValue:
    return redirect_to(f"setup.{next_step(step, draft.kind).value}", organization_id=draft.id)


def _info_page(draft: Organization | None, form: Form[OrgInfoIn], *, status: int = 200) -> ResponseReturnValue:
    kinds = [(kind.value, kind.label, kind.explanation) for kind in Kind if kind is Kind.BUYER or orgs.provider_orgs_are_on()]
    return page("setup/info.html", form=form, kinds=kinds, sizes=choices()["sizes"], status=status, **_frame(draft, Step.INFO))


def _welcome_page(form: Form[OnboardingIn], *, status: int = 200) -> ResponseReturnValue:
    user = require_user()
    allowed = invitable_roles(Kind.BUYER, inviter=Role.ORG_OWNER, provider_orgs=orgs.provider_orgs_are_on())
    return page(
        "setup/welcome.html",
        form=form,
        status=status,
        user=user,
        invitations=invites.open_invitations_of(user.email) if user.email_verified_at else [],
        drafts=queries.drafts_of(user.id),
        roles=[(role.value, role.label) for role in allowed],
        modes=choices()["modes"],
        labels=FIELD_LABELS,
        sizes=choices()["sizes"],
    )


def _save(draft: Organization, step: Step, schema: type[Group]) -> ResponseReturnValue:
    if step not in steps_for(draft.kind):
        return _without_step(draft, step)
    form = Form.posted(schema)
    saved = form.submit(service.save, draft=draft, step=step)
    return _step_page(draft, step, form, status=422) if saved is None else _onward(saved, step)


def _without_step(draft: Organization, step: Step) -> ResponseReturnValue:
    """The kind was changed meanwhile, on another device or by the back button: the setup goes on at its beginning."""
    toast(f"A {draft.kind.label.lower()} organization has no step “{step.label}”, so nothing was saved there.", tone="info")
    return redirect_to("setup.info", organization_id=draft.id)


def _review_page(draft: Organization, form: Form[In], *, status: int = 200) -> ResponseReturnValue:
    return page(
        "setup/review.html",
        form=form,
        staged=queries.staged(draft.id),
        states=india.STATES,
        rates=shown(RevenueIn.values_of(draft)),
        status=status,
        **_frame(draft, Step.REVIEW),
    )


def _step_page(draft: Organization, step: Step, form: Form[Any], *, status: int = 200) -> ResponseReturnValue:
    """A step whose form is a group of the organization's settings."""
    if step not in steps_for(draft.kind):
        return _without_step(draft, step)
    return page(f"setup/{step.value}.html", form=form, organization=draft, status=status, **choices(), **_frame(draft, step))


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
