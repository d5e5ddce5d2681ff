"""Bookings on a monthly invoice."""

from datetime import timedelta

import pytest
from sqlalchemy import func, select

from portal import clock, db
from portal.accounts.rules import PlatformRole
from portal.billing.models import Payment
from portal.bookings import service
from portal.bookings.models import Booking
from portal.bookings.rules import PlanType
from portal.bookings.schemas import BookForm, CheckoutIn
from portal.errors import Invalid, NotFound, PaymentRequired
from portal.orgs.models import Organization
from portal.orgs.rules import BillingMode, Role
from tests.support import world
from tests.support.together import at_once


@pytest.fixture
def acme(rung, app):
    with app.app_context():
        yield world.make_company()


def test_a_booking_copies_onto_its_payment_what_the_invoice_will_print(acme):
    learner = world.make_user("asha@acme.test")
    world.add_member(acme.organization, learner, Role.ORG_LEARNER)
    booking = world.book(acme, learner)
    payment = db.session.get_one(Payment, booking.payment_id)
    assert (payment.amount, payment.original_amount, payment.payment_method, payment.status) == (
        100_000,
        100_000,
        "ORG_INVOICED",
        "SUCCEEDED",
    )
    assert (payment.learner_name, payment.consultant_name, payment.plan_title, payment.sac_code) == (
        "Asha",
        "Meera",
        "Career coaching",
        "999293",
    )
    assert payment.session_starts_at == booking.starts_at
    assert db.session.get_one(Organization, acme.organization.id, populate_existing=True).first_payment_at is not None


def test_a_consultants_slot_is_sold_once_to_sixteen_at_once(acme, app):
    answers, refusals = at_once(app, [lambda: world.book(acme, acme.owner).id] * 16)
    assert len(answers) == 1
    assert {refusal.code for refusal in refusals} == {"SLOT_TAKEN"}
    assert db.session.scalar(select(func.count()).select_from(Payment)) == 1, "a refused booking leaves no payment"


def test_sessions_may_touch_and_webinars_may_share_a_time(acme):
    first = world.book(acme, acme.owner, hours=24)
    with db.unit_of_work():
        touching = CheckoutIn(
            plan_id=acme.plan.id,
            starts_at=first.starts_at + timedelta(minutes=30),
            organization_id=acme.organization.id,
            consultant_id=acme.consultant.id,
        )
        service.checkout(touching, organization=acme.organization, learner=acme.owner, actor=world.as_self(acme.owner))
    webinar = world.make_plan(acme.organization, acme.owner, plan_type=PlanType.WEBINAR)
    for _learner in range(2):
        world.book(acme, acme.owner, hours=24, plan=webinar)
    assert db.session.scalar(select(func.count()).select_from(Booking)) == 4


@pytest.mark.parametrize(
    ("change", "error", "code"),
    [
        ({"plan_id": "0199a000-0000-7000-8000-000000000000"}, NotFound, "PLAN_NOT_FOUND"),
        ({"plan_id": "nonsense"}, NotFound, "PLAN_NOT_FOUND"),
        ({"consultant_id": None}, Invalid, "CONSULTANT_UNKNOWN"),
        ({"consultant_id": "0199a000-0000-7000-8000-000000000000"}, Invalid, "CONSULTANT_UNKNOWN"),
        ({"starts_at": "2020-01-01T00:00:00Z"}, Invalid, "START_REFUSED"),
        ({"starts_at": "2040-01-01T00:00:00Z"}, Invalid, "START_REFUSED"),
        ({"starts_at": "2027-01-01T00:00:00"}, Invalid, "START_REFUSED"),
    ],
)
def test_bad_bookings_are_refused_and_leave_nothing(acme, change, error, code):
    good = {
        "plan_id": acme.plan.id,
        "starts_at": clock.now() + timedelta(days=1),
        "organization_id": acme.organization.id,
        "consultant_id": acme.consultant.id,
    }
    data = CheckoutIn(**{**good, **change})
    with pytest.raises(error) as refused, db.unit_of_work():
        service.checkout(data, organization=acme.organization, learner=acme.owner, actor=world.as_self(acme.owner))
    assert refused.value.code == code
    assert db.session.scalar(select(func.count()).select_from(Payment)) == 0


def test_another_organizations_plan_is_unknown_and_a_retired_one_cannot_be_booked(acme):
    other = world.make_company("Other")
    with pytest.raises(NotFound):
        world.book(acme, acme.owner, plan=other.plan)
    with db.unit_of_work():
        service.retire_plan(acme.plan.id, organization=acme.organization, actor=world.as_self(acme.owner))
    with pytest.raises(NotFound):
        world.book(acme, acme.owner)


@pytest.mark.parametrize(
    ("mode", "method", "payment", "booking", "amount"),
    [
        (BillingMode.TAG_ONLY, "CARD", "PENDING", "HELD", 100_000),
        (BillingMode.INVOICED_MONTHLY, "ORG_INVOICED", "SUCCEEDED", "CONFIRMED", 100_000),
        (BillingMode.PREPAID_UNLIMITED, "ORG_PREPAID", "SUCCEEDED", "CONFIRMED", 0),
    ],
)
def test_the_billing_mode_decides_who_pays_and_what_is_due_now(acme, mode, method, payment, booking, amount):
    with db.unit_of_work():
        organization = db.session.get_one(Organization, acme.organization.id)
        organization.billing_mode = mode
        organization.contract_start = organization.contract_end = clock.today(organization.time_zone)
    made = world.book(acme, acme.owner)
    paid = db.session.get_one(Payment, made.payment_id)
    assert (paid.payment_method, paid.status, made.status, paid.amount, paid.original_amount) == (method, payment, booking, amount, 100_000)


def test_without_credits_a_pool_pays_nothing_and_nothing_is_left(acme):
    with db.unit_of_work():
        db.session.get_one(Organization, acme.organization.id).billing_mode = BillingMode.SEAT_PACK
    with pytest.raises(PaymentRequired) as refused:
        world.book(acme, acme.owner)
    assert refused.value.code == "INSUFFICIENT_CREDITS"
    found = db.session.get_one(Organization, acme.organization.id, populate_existing=True)
    assert found.first_payment_at is None
    assert db.session.scalar(select(func.count()).select_from(Payment)) == 0


def test_the_page_takes_the_organizations_local_time(acme):
    tomorrow = (clock.now() + timedelta(days=1)).replace(hour=9, minute=30, second=0, microsecond=0, tzinfo=None)
    form = BookForm(plan_id=acme.plan.id, consultant_id=acme.consultant.id, starts_at=tomorrow)
    with db.unit_of_work():
        booking = service.book_from_page(form, organization=acme.organization, learner=acme.owner, actor=world.as_self(acme.owner))
    assert (booking.starts_at.hour, booking.starts_at.minute) == (4, 0)


def test_a_platform_admin_who_is_no_member_may_look_but_not_book(rung, app):
    with app.app_context():
        acme = world.make_company()
        admin = world.make_user("admin@portal.test", role=PlatformRole.ADMIN)
    client = world.sign_in(app.test_client(), admin)
    assert client.get(f"/orgs/{acme.organization.slug}/book").status_code == 200
    body = {
        "planId": acme.plan.id,
        "startsAt": (clock.now() + timedelta(days=1)).isoformat(),
        "organizationId": acme.organization.id,
        "consultantId": acme.consultant.id,
    }
    refused = client.post("/api/checkout", json=body, headers=world.csrf(client))
    assert (refused.status_code, refused.json["code"]) == (403, "NOT_A_MEMBER")
    assert client.post(f"/orgs/{acme.organization.slug}/book", data={}, headers=world.csrf(client)).status_code == 403
    member = world.sign_in(app.test_client(), acme.owner)
    booked = member.post("/api/checkout", json=body, headers=world.csrf(member))
    assert (booked.status_code, booked.json["payment"]["amount"], booked.json["booking"]["status"]) == (201, 100_000, "CONFIRMED")
