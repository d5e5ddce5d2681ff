"""Pages of settings: each group is a form of its own and saves alone; and the danger zone."""

from collections.abc import Mapping
from enum import Enum
from typing import Any, NamedTuple

from flask import Blueprint, request, url_for
from flask.typing import ResponseReturnValue

from portal import india, money
from portal.audit import queries as audit
from portal.audit.models import AuditRow
from portal.errors import NotFound
from portal.orgs import queries, service
from portal.orgs.access import Access, org
from portal.orgs.models import Organization
from portal.orgs.rules import FIELD_LABELS, BillingMode, PayoutFrequency, Role, SizeBucket
from portal.orgs.rules.images import Slot, picture_from
from portal.orgs.rules.rates import percent_text
from portal.orgs.schemas import ColorsIn, DeactivateIn, Group, InvoicingIn, PayingIn, ProfileIn, RevenueIn, TransferIn
from portal.orgs.schemas.fields import countries, time_zones
from portal.orgs.service import branding, members, settings
from portal.web.forms import Form, uploaded_file
from portal.web.page import page, redirect_to, toast

bp = Blueprint("settings", __name__)
MOST_HEIRS = 200
CODES: dict[str, dict[str, str]] = {
    "billing_mode": {mode.value: mode.label for mode in BillingMode},
    "size_bucket": {size.value: size.label for size in SizeBucket},
    "payout_frequency": {frequency.value: frequency.label for frequency in PayoutFrequency},
    "state_code": india.STATES,
}


class Place(NamedTuple):
    """A group's schema, the page that it stands on, and its name for people."""

    schema: type[Group]
    endpoint: str
    label: str


GROUPS = {
    "profile": Place(ProfileIn, "settings.show", "Organization"),
    "revenue": Place(RevenueIn, "settings.show", "Revenue and payouts"),
    "colors": Place(ColorsIn, "settings.show_branding", "Colours"),
    "paying": Place(PayingIn, "settings.show_billing", "Payment and seats"),
    "invoicing": Place(InvoicingIn, "settings.show_billing", "Invoices"),
}


class Difference(NamedTuple):
    """A field that two people changed in different ways."""

    label: str
    yours: str
    theirs: str


class Clash(NamedTuple):
    """An edit conflict: what differs, and who was first."""

    differences: list[Difference]
    change: AuditRow | None


@bp.get("/orgs/<slug>/settings")
@org(Role.ORG_ADMIN)
def show(access: Access) -> ResponseReturnValue:
    """What the organization is; for providers, how its sessions are split."""
    return _groups_page(access, "settings.show")


@bp.get("/orgs/<slug>/settings/billing")
@org(Role.ORG_ADMIN)
def show_billing(access: Access) -> ResponseReturnValue:
    """How it pays, and where its invoices go."""
    return _groups_page(access, "settings.show_billing")


@bp.get("/orgs/<slug>/settings/branding")
@org(Role.ORG_ADMIN)
def show_branding(access: Access) -> ResponseReturnValue:
    """Logo, banner and colours, with a preview."""
    return _groups_page(access, "settings.show_branding")


@bp.post("/orgs/<slug>/settings/groups/<group>")
@org(Role.ORG_ADMIN)
def save(access: Access, group: str) -> ResponseReturnValue:
    """Saves one group, unless somebody else changed it since the form was shown."""
    if group not in _groups_of(access.organization):
        raise NotFound("There is no such group of settings.", code="GROUP_NOT_FOUND")
    place = GROUPS[group]
    form = Form.posted(place.schema)
    seen = str(form.values.pop("seen", ""))
    saved = form.submit(
        lambda data: settings.change(
            access.organization.id,
            data.changes(),
            actor=access.actor,
            role=access.role,
            may_raise_limit=access.user.is_platform_admin,
            seen=seen,
        )
    )
    if saved is None:
        return _groups_page(access, place.endpoint, posted=(group, form), seen=seen, status=422)
    toast(f"{place.label}: your changes are saved.")
    return redirect_to(place.endpoint, slug=access.organization.slug)


@bp.post("/orgs/<slug>/settings/branding/preview")
@org(Role.ORG_ADMIN)
def preview(access: Access) -> ResponseReturnValue:
    """Shows colours without saving them; a POST, so that nothing of the form stands in an address."""
    form = Form.posted(ColorsIn)
    seen = str(form.values.pop("seen", ""))
    tried = form.submit(lambda data: data)
    return _groups_page(access, "settings.show_branding", posted=("colors", form), seen=seen, trying=True, status=200 if tried else 422)


@bp.post("/orgs/<slug>/settings/branding/<slot>")
@org(Role.ORG_ADMIN)
def upload(access: Access, slot: str) -> ResponseReturnValue:
    """Takes a logo or banner."""
    place = branding.slot_of(slot)
    form = Form(ColorsIn, colors_shown(access.organization))
    placed = form.submit_with(
        lambda: branding.place(_picture(place), slot=place, organization=access.organization, actor=access.actor), field=place.value
    )
    if placed is None:
        return _groups_page(access, "settings.show_branding", posted=("colors", form), status=422)
    toast(f"{place.label}: the new picture is in place.")
    return redirect_to("settings.show_branding", slug=access.organization.slug)


@bp.post("/orgs/<slug>/settings/branding/<slot>/remove")
@org(Role.ORG_ADMIN)
def remove_picture(access: Access, slot: str) -> ResponseReturnValue:
    """Takes a logo or banner away."""
    place = branding.slot_of(slot)
    branding.remove(place, organization=access.organization, actor=access.actor)
    toast(f"{place.label}: the picture is taken away.")
    return redirect_to("settings.show_branding", slug=access.organization.slug)


@bp.get("/orgs/<slug>/settings/danger")
@org(Role.ORG_OWNER)
def danger(access: Access) -> ResponseReturnValue:
    """Handing the ownership over, and ending the organization."""
    return _danger_page(access)


@bp.post("/orgs/<slug>/settings/danger/transfer")
@org(Role.ORG_OWNER)
def transfer(access: Access) -> ResponseReturnValue:
    """Makes somebody else the owner."""
    form = Form.posted(TransferIn)
    own = access.membership
    giver = own if own is not None and (own.role is Role.ORG_OWNER or not access.user.is_platform_admin) else None
    taker = form.submit(
        lambda data: members.transfer(
            data.member_id, typed_name=data.confirm_name, organization=access.organization, giver=giver, actor=access.actor
        )
    )
    if taker is None:
        return _danger_page(access, transfer=form, status=422)
    toast(f"{taker.user.name} is the owner of {access.organization.name} now.")
    return redirect_to("home.show", slug=access.organization.slug)


@bp.post("/orgs/<slug>/settings/danger/deactivate")
@org(Role.ORG_OWNER)
def deactivate(access: Access) -> ResponseReturnValue:
    """Ends the organization for good."""
    form = Form.posted(DeactivateIn)
    ended = form.submit(lambda data: service.deactivate(access.organization, typed_name=data.name, actor=access.actor))
    if ended is None:
        return _danger_page(access, deactivate=form, status=422)
    toast(f"{access.organization.name} is deactivated. What was not billed yet comes as a final invoice.")
    return redirect_to("home.organizations")


def shown(values: Mapping[str, Any]) -> dict[str, Any]:
    """Columns as a form's fields hold them: limits in rupees, rates in percent, lists one a line."""
    return {name: _text(name, value) for name, value in values.items()}


def colors_shown(organization: Organization) -> dict[str, Any]:
    """The colours in their form."""
    return shown(ColorsIn.values_of(organization))


def choices() -> dict[str, Any]:
    """What the selects and radios of an organization's forms offer."""
    return {
        "sizes": [("", "Choose a size"), *((size.value, size.label) for size in SizeBucket)],
        "modes": [(mode.value, mode.label, mode.explanation) for mode in BillingMode],
        "states": [("", "Choose a state"), *((code, f"{name} ({code})") for code, name in india.STATES.items())],
        "countries": list(countries().items()),
        "frequencies": [(frequency.value, frequency.label) for frequency in PayoutFrequency],
        "zones": [(zone, zone.replace("_", " ")) for zone in time_zones()],
    }


def _text(name: str, value: Any) -> Any:  # noqa: ANN401 - any column's value
    if isinstance(value, list):
        return "\n".join(value)
    if isinstance(value, bool) or value is None:
        return "true" if value else ""
    if name == "credit_limit":
        return money.plain_amount(value)
    if name.endswith("_rate"):
        return percent_text(value)
    return value.value if isinstance(value, Enum) else value


def _said(name: str, text: Any) -> str:  # noqa: ANN401 - a field's text
    """A field's text as people read it beside another's."""
    if name in {"is_sez", "auto_approve_consultants", "enforce_organization_plans"}:
        return "Yes" if text else "No"
    if text in CODES.get(name, {}):
        return CODES[name][str(text)]
    return str(text or "—").replace("\n", ", ")


def _groups_of(organization: Organization) -> list[str]:
    left_out = set() if organization.kind.provides else {"revenue"}
    left_out |= set() if organization.kind.buys else {"paying"}
    return [name for name in GROUPS if name not in left_out]


def _groups_page(
    access: Access,
    endpoint: str,
    *,
    posted: tuple[str, Form[Any]] | None = None,
    seen: str | None = None,
    trying: bool = False,
    status: int = 200,
) -> ResponseReturnValue:
    organization = access.organization
    groups = {name: GROUPS[name] for name in _groups_of(organization) if GROUPS[name].endpoint == endpoint}
    forms = {name: Form(place.schema, shown(place.schema.values_of(organization))) for name, place in groups.items()}
    fingerprints = {name: settings.fingerprint(organization, place.schema.columns_of()) for name, place in groups.items()}
    clash = None
    if posted:
        name, form = posted
        if form.refusal is not None and form.refusal.code == "EDIT_CONFLICT":
            clash = _clash(organization, form, theirs=forms[name].values)
        elif seen is not None:
            fingerprints[name] = seen  # what was shown first: a mistake in between mustn't hide what another saved
        forms[name] = form
    template = {"settings.show": "general", "settings.show_billing": "billing", "settings.show_branding": "branding"}[endpoint]
    return page(
        f"orgs/settings/{template}.html",
        block="brand_preview" if template == "branding" else "",
        status=status,
        access=access,
        organization=organization,
        forms=forms,
        labels=FIELD_LABELS,
        seen=fingerprints,
        clash=clash,
        clashing=posted[0] if posted and clash else "",
        tabs=tabs(access),
        preview=_preview(organization, posted[1] if posted and trying else None) if template == "branding" else None,
        **choices(),
    )


def _clash(organization: Organization, form: Form[Any], *, theirs: Mapping[str, Any]) -> Clash:
    """What differs between the posted form and what stands now, and who changed it."""
    names = [name for name in theirs if str(form.values.get(name) or "").replace("\r\n", "\n") != str(theirs[name] or "")]
    differences = [Difference(FIELD_LABELS[name], _said(name, form.values.get(name)), _said(name, theirs[name])) for name in names]
    form.messages = []
    return Clash(differences, audit.last_change(organization.id, form.schema.columns_of()))


def _preview(organization: Organization, form: Form[Any] | None) -> dict[str, str | None]:
    """The colours of the preview: those that somebody tries out, else those that are saved."""
    tried = form.submit(lambda data: data) if form and form.is_valid else None
    colors = tried or organization
    return {"primary": colors.primary_color, "secondary": colors.secondary_color}


def _picture(slot: Slot) -> Any:  # noqa: ANN401 - a Picture
    file_name, content = uploaded_file(slot.value)
    return picture_from(content, file_name=file_name, slot=slot)


def tabs(access: Access) -> list[dict[str, Any]]:
    """The pages of settings that the caller may open."""
    slug = access.organization.slug
    pages = [
        ("Organization", "settings.show", Role.ORG_ADMIN),
        ("Branding", "settings.show_branding", Role.ORG_ADMIN),
        ("Billing", "settings.show_billing", Role.ORG_ADMIN),
        ("API tokens", "tokens.index", Role.ORG_OWNER),
        ("Single sign-on", "sso_settings.show", Role.ORG_OWNER),
        ("Audit log", "audit_log.index", Role.ORG_ADMIN),
        ("Danger zone", "settings.danger", Role.ORG_OWNER),
    ]
    return [
        {"label": label, "url": url_for(endpoint, slug=slug), "is_current": _is_here(endpoint), "count": None}
        for label, endpoint, role in pages
        if access.may(role)
    ]


def _is_here(endpoint: str) -> bool:
    here = request.endpoint or ""
    if here == "settings.save":
        return GROUPS.get((request.view_args or {}).get("group", ""), Place(Group, "", "")).endpoint == endpoint
    parents = {
        "settings.upload": "settings.show_branding",
        "settings.preview": "settings.show_branding",
        "tokens.create": "tokens.index",
        "settings.transfer": "settings.danger",
        "settings.deactivate": "settings.danger",
    }
    if here.startswith("sso_settings."):
        return endpoint == "sso_settings.show"
    return parents.get(here, here) == endpoint


def _danger_page(
    access: Access, *, transfer: Form[TransferIn] | None = None, deactivate: Form[DeactivateIn] | None = None, status: int = 200
) -> ResponseReturnValue:
    heirs = queries.heirs(access.organization.id, without=access.user.id, limit=MOST_HEIRS)
    return page(
        "orgs/settings/danger.html",
        status=status,
        access=access,
        organization=access.organization,
        tabs=tabs(access),
        transfer=transfer or Form(TransferIn),
        deactivate=deactivate or Form(DeactivateIn),
        heirs=[(row.id, f"{row.user.name} ({row.role.label})") for row in heirs],
    )
