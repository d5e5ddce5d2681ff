"""The wizard's pages: each kind's steps, what a step refuses, the review, and a new user's first page."""

import io

import pytest
from sqlalchemy import func, select

from portal import config, db
from portal.invites.models import Invitation
from portal.orgs.models import Organization
from portal.orgs.rules import BillingMode, Kind, Status
from portal.setup import queries
from portal.setup.rules import Step, missing_steps, next_step, steps_for
from tests.support import world
from tests.support.pages import Visitor

BILLING = {"billing_mode": "INVOICED_MONTHLY", "line1": "1 MG Road", "city": "Bengaluru", "postal_code": "560001", "state_code": "29"}


@pytest.fixture
def visitor(rung, app):
    with app.app_context():
        user = world.make_user("owner@acme.test", name="Olga")
    guest = Visitor(app)
    world.sign_in(guest.client, user)
    return guest


def begin(visitor, *, kind: str = "BUYER", name: str = "Acme") -> str:
    """Saves the first step and returns the draft's path."""
    visitor.get("/orgs/new").submit("/orgs/new", name=name, kind=kind)
    return visitor.path.rpartition("/")[0]


def only_organization(app) -> Organization:
    with app.app_context():
        return db.session.scalars(select(Organization)).one()


@pytest.mark.parametrize(
    ("kind", "labels"),
    [
        (Kind.BUYER, ["Org info", "Billing & seats", "Branding", "Invite team", "Review"]),
        (Kind.PROVIDER, ["Org info", "Revenue rates", "Branding", "Invite team", "Review"]),
        (Kind.HYBRID, ["Org info", "Billing & seats", "Revenue rates", "Branding", "Invite team", "Review"]),
    ],
)
def test_each_kind_has_its_steps(kind, labels):
    steps = steps_for(kind)
    assert [step.label for step in steps] == labels
    assert [next_step(step, kind) for step in steps] == [*steps[1:], Step.REVIEW]
    required = set(missing_steps([], kind))
    assert required == set(steps) - {Step.BRANDING, Step.INVITE, Step.REVIEW}


def test_a_buyer_walks_all_steps_and_is_open(app, visitor):
    base = begin(visitor)
    assert visitor.path == f"{base}/billing"
    visitor.submit(
        f"{base}/billing", **{**BILLING, "seats_total": "25", "credit_limit": "5,00,000", "billing_contacts": "a@acme.test\nb@acme.test"}
    )
    assert visitor.path == f"{base}/branding"
    visitor.submit(f"{base}/branding", primary_color="#1F5FD6")
    assert visitor.path == f"{base}/invite"
    visitor.submit(f"{base}/invite", people="asha@acme.test, dev@acme.test")
    visitor.get(f"{base}/review")
    for words in ("₹5,00,000.00", "25", "Karnataka", "2 people are invited"):
        assert words in visitor.words
    visitor.submit(f"{base}/launch")
    assert (visitor.path, visitor.heading) == ("/orgs/acme/home", "Acme")
    organization = only_organization(app)
    assert (organization.status, organization.credit_limit, organization.primary_color) == (Status.ACTIVE, 50_000_000, "#1f5fd6")
    assert organization.billing_contacts == ["a@acme.test", "b@acme.test"]
    with app.app_context():
        assert db.session.scalar(select(func.count()).select_from(Invitation)) == 2


def test_a_launched_draft_leads_its_creator_home_from_every_step(visitor):
    base = begin(visitor)
    visitor.submit(f"{base}/billing", **BILLING)
    visitor.get(f"{base}/review").submit(f"{base}/launch")
    for step in ("info", "billing", "branding", "invite", "review"):
        assert visitor.get(f"{base}/{step}").path == "/orgs/acme/home"


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        ({"gstin": "29AAGCP4321K1Z9"}, "gstin", "typing mistake"),
        ({"gstin": "29AAGCP4321K1Z8", "state_code": "33"}, "state_code", "first two digits"),
        ({"state_code": ""}, "state_code", "Choose the state"),
        ({"pan": "AB"}, "pan", "five letters"),
        ({"seats_total": "0"}, "seats_total", "1 or more"),
        ({"seats_total": "many"}, "seats_total", "whole number"),
        ({"credit_limit": "1,50"}, "credit_limit", "amount in rupees"),
        ({"contract_start": "2026-12-01", "contract_end": "2026-11-01"}, "contract_end", "can't end before"),
        ({"billing_contacts": "nobody"}, "billing_contacts", "whole e-mail address"),
        ({"postal_code": "!"}, "postal_code", ""),
    ],
)
def test_a_wrong_value_is_explained_beside_its_field_and_nothing_is_saved(app, visitor, changes, field, words):
    base = begin(visitor)
    visitor.submit(f"{base}/billing", status=422, **{**BILLING, **changes})
    assert words in visitor.words
    assert f'id="f-{field}-error"' in visitor.answer.text
    assert only_organization(app).address is None


def test_a_slug_that_is_taken_or_ours_is_refused(app, visitor):
    with app.app_context():
        world.make_organization(world.make_user("other@acme.test"), name="Taken")
    for slug, words in (("taken", "address already"), ("new", "portal's own"), ("a b", "small letters")):
        visitor.get("/orgs/new").submit("/orgs/new", status=422, name="Acme", slug=slug)
        assert words in visitor.words


def test_kinds_are_hidden_while_the_flag_is_off(visitor):
    assert "Buyer and provider" not in visitor.get("/orgs/new").words


def test_a_hybrid_sets_its_rates_and_waits_to_be_verified(app, visitor, provider_orgs):
    base = begin(visitor, kind="HYBRID")
    visitor.submit(f"{base}/billing", **BILLING)
    assert visitor.path == f"{base}/rates"
    wrong = {"platform_commission_rate": "10", "org_retain_rate": "6", "consultant_payout_rate": "85"}
    visitor.submit(f"{base}/rates", status=422, **wrong)
    assert "these sum to 101 %" in visitor.words
    visitor.submit(f"{base}/rates", **{**wrong, "org_retain_rate": "7.5", "consultant_payout_rate": "82.5"})
    visitor.get(f"{base}/review").submit(f"{base}/launch")
    assert "waiting to be verified" in visitor.words
    organization = only_organization(app)
    assert (organization.status, organization.org_retain_rate, organization.consultant_payout_rate) == (
        Status.PENDING_VERIFICATION,
        750,
        8_250,
    )


def test_a_provider_has_no_billing_step_and_no_billing_mode(app, visitor, provider_orgs):
    base = begin(visitor, kind="PROVIDER")
    assert visitor.path == f"{base}/rates"
    visitor.submit(f"{base}/rates")
    visitor.get(f"{base}/review").submit(f"{base}/launch")
    assert only_organization(app).billing_mode is None


def test_a_step_that_the_kind_does_not_have_leads_back_to_the_beginning(app, visitor):
    path = begin(visitor)
    for answer in (
        visitor.client.get(f"{path}/rates"),
        visitor.client.post(f"{path}/rates", data={"retain": "5"}, headers=world.csrf(visitor.client)),
    ):
        assert (answer.status_code, answer.location) == (303, f"{path}/info")
    assert "has no step “Revenue rates”" in visitor.get(f"{path}/info").words


def test_a_draft_of_a_kind_that_was_switched_off_meanwhile_cannot_be_launched(app, visitor, settings, provider_orgs):
    base = begin(visitor, kind="PROVIDER")
    visitor.submit(f"{base}/rates")
    config.use(settings)
    visitor.get(f"{base}/review")
    visitor.submit(f"{base}/launch", status=501)
    assert only_organization(app).status is Status.DRAFT


def test_what_was_broken_since_it_was_saved_stops_the_launch(app, visitor):
    base = begin(visitor)
    visitor.submit(f"{base}/billing", **BILLING)
    with app.app_context(), db.unit_of_work():
        db.session.scalars(select(Organization)).one().state_code = None
    visitor.get(f"{base}/review").submit(f"{base}/launch", status=422)
    assert "Choose the state" in visitor.words
    assert only_organization(app).status is Status.DRAFT


def test_a_logo_is_taken_and_what_lies_about_its_type_is_not(app, visitor):
    base = begin(visitor)
    headers = world.csrf(visitor.client)
    wrong = {"logo": (io.BytesIO(b"<svg xmlns='http://www.w3.org/2000/svg'/>"), "logo.png")}
    answer = visitor.client.post(f"{base}/branding/logo", data=wrong, headers=headers)
    assert (answer.status_code, "no PNG, JPEG or WebP" in answer.text) == (422, True)
    assert only_organization(app).logo_file is None
    right = {"logo": (io.BytesIO(world.picture()), "logo.png")}
    assert visitor.client.post(f"{base}/branding/logo", data=right, headers=headers).status_code == 303
    path = only_organization(app).logo_path
    assert f'src="{path}"' in visitor.get(f"{base}/branding").answer.text
    assert visitor.client.get(path).headers["Cache-Control"] == "public, max-age=31536000, immutable"
    visitor.submit(f"{base}/branding/logo/remove")
    assert only_organization(app).logo_file is None


def test_a_store_that_is_full_is_said_plainly_and_the_old_picture_stays(app, visitor, monkeypatch):
    base = begin(visitor)

    def full(_key, _content):
        raise OSError(28, "No space left on device")

    with app.app_context():
        monkeypatch.setattr(world.branding.files.store(), "write", full, raising=False)
    data = {"logo": (io.BytesIO(world.picture()), "logo.png")}
    answer = visitor.client.post(f"{base}/branding/logo", data=data, headers=world.csrf(visitor.client))
    assert (answer.status_code, "the old one stays" in answer.text) == (422, True)
    assert only_organization(app).logo_file is None


def test_a_new_user_begins_at_the_welcome_page_and_goes_on_with_what_it_saved(app, visitor):
    assert visitor.get("/orgs").path == "/welcome"
    visitor.submit(
        "/welcome", name="Acme", billing_email="finance@acme.test", billing_mode="SEAT_PACK", people="asha@acme.test", industry="Food"
    )
    assert visitor.heading == "Set up Acme: billing & seats"
    organization = only_organization(app)
    assert (organization.status, organization.billing_mode, organization.industry) == (Status.DRAFT, BillingMode.SEAT_PACK, "Food")
    with app.app_context():
        assert queries.staged_emails(organization.id) == {"asha@acme.test"}
    assert "Resume setup" in visitor.get("/welcome").words
    assert "Setups to finish" in visitor.get("/orgs").words


def test_addresses_that_cannot_be_invited_keep_the_welcome_form_and_save_nothing(app, visitor):
    fields = {"name": "Acme", "billing_email": "finance@acme.test", "billing_mode": "TAG_ONLY", "people": "asha@acme.test\nnobody"}
    visitor.get("/welcome").submit("/welcome", status=422, **fields)
    assert "nobody:" in visitor.words
    with app.app_context():
        assert db.session.scalar(select(func.count()).select_from(Organization)) == 0


def test_a_file_on_the_welcome_page_goes_to_its_preview(app, visitor):
    fields = {"name": "Acme", "billing_email": "finance@acme.test", "billing_mode": "TAG_ONLY", "role": "ORG_LEARNER"}
    data = {**fields, "file": (io.BytesIO(b"Work Email\nasha@acme.test\n"), "hr.csv")}
    answer = visitor.client.post("/welcome", data=data, headers=world.csrf(visitor.client))
    assert answer.status_code == 303
    assert "Add 1 person" in visitor.get(answer.location).words


def test_a_file_that_cannot_be_read_leaves_no_draft_behind(app, visitor):
    fields = {"name": "Acme", "billing_email": "finance@acme.test", "billing_mode": "TAG_ONLY", "role": "ORG_LEARNER"}
    data = {**fields, "file": (io.BytesIO(b"\x00\x01\x02" * 50), "hr.csv")}
    answer = visitor.client.post("/welcome", data=data, headers=world.csrf(visitor.client))
    assert answer.status_code == 422
    with app.app_context():
        assert db.session.scalar(select(func.count()).select_from(Organization)) == 0


def test_an_invitation_to_ones_own_verified_address_can_be_joined_from_the_welcome_page(app, visitor):
    with app.app_context():
        inviter = world.make_user("boss@other.test", name="Bo")
        organization = world.make_organization(inviter, name="Other")
        world.invite(organization, inviter, "owner@acme.test")
    visitor.get("/welcome")
    assert "Bo invites you as Learner" in visitor.words
    [form] = [element.get("action") for element in visitor._tree().iter() if str(element.get("action", "")).endswith("/join")]
    assert visitor.submit(form).path == "/orgs/other/home"


def test_somebody_elses_invitation_cannot_be_joined_by_its_id(app, visitor):
    with app.app_context():
        inviter = world.make_user("boss@other.test")
        organization = world.make_organization(inviter, name="Other")
        invitation_id = world.invite(organization, inviter, "asha@acme.test")
    answer = visitor.client.post(f"/welcome/invitations/{invitation_id}/join", headers=world.csrf(visitor.client))
    assert answer.status_code == 404
