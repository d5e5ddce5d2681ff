"""Credit limit and contract: what is owed never passes the limit whatever happens at once, and a licence ends at midnight over there."""

from datetime import UTC, date, datetime, timedelta
from threading import Event
from time import sleep
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import text

from portal import clock, db
from portal.audit.rules import Action
from portal.billing.rules import METHODS
from portal.billing.schemas import RefundIn
from portal.billing.service import invoices, refunds
from portal.orgs.rules import BillingMode, Role
from portal.orgs.service import settings
from tests.support import world
from tests.support.funding import fund, session_at, sessions
from tests.support.paying import make_shop, rows, set_mode
from tests.support.together import at_once

PRICE = 100_000
WITH_TAX = 118_000
MANY = 32


@pytest.fixture
def shop(rung, app):
    """The organization's own plan costs ``PRICE`` before GST."""
    return make_shop(app, rung)


def bills_monthly(shop, limit: int | None, **values) -> None:
    """It has booked before: the very first payment is made alone anyhow."""
    values = {"first_payment_at": clock.now(), "credit_limit": limit, **values}
    with shop.app.app_context():
        set_mode(shop.company.organization.id, "INVOICED_MONTHLY", **values)


def licensed(shop, start: date | None, end: date | None, *, zone: str = "Asia/Kolkata") -> None:
    values = {"contract_start": start, "contract_end": end, "time_zone": zone, "first_payment_at": clock.now()}
    with shop.app.app_context():
        set_mode(shop.company.organization.id, "PREPAID_UNLIMITED", **values)


def summary(shop) -> dict:
    owner = world.sign_in(shop.app.test_client(), shop.company.owner)
    return owner.get(f"/api/organizations/{shop.company.organization.id}/billing").json


def change(shop, **values):
    """An owner's change of settings, in a transaction of its own."""
    with db.unit_of_work():
        actor = world.as_self(shop.company.owner)
        settings.change(shop.company.organization.id, values, actor=actor, role=Role.ORG_OWNER, may_raise_limit=False)
        return values


def paid_in_sum(shop) -> int:
    return shop.count("SELECT coalesce(sum(amount), 0)::bigint FROM payments")


@pytest.mark.parametrize(
    ("limit", "booked"),
    [(0, 0), (WITH_TAX - 1, 0), (WITH_TAX, 1), (5 * WITH_TAX + WITH_TAX - 1, 5), (MANY * WITH_TAX, MANY)],
)
def test_thirty_two_at_once_never_owe_more_than_the_limit(shop, limit, booked):
    bills_monthly(shop, limit)
    answers, refusals = at_once(shop.app, sessions(shop, MANY))
    assert (len(answers), len(refusals)) == (booked, MANY - booked)
    for refusal in refusals:
        assert (refusal.status, refusal.code, refusal.extra["creditLimit"]) == (402, "CREDIT_LIMIT_REACHED", limit)
        assert refusal.extra["exposure"] % WITH_TAX == 0
        assert limit - WITH_TAX < refusal.extra["exposure"] <= limit, "as it was before this booking"
    found = summary(shop)
    assert (found["exposure"], found["creditLimit"]) == (booked * WITH_TAX, limit)
    assert found["pendingCharges"] == {"amount": booked * PRICE, "paymentCount": booked}
    assert shop.count("SELECT count(*) FROM bookings") == booked


@pytest.mark.parametrize(
    ("place", "limit", "booked"),
    [
        ({"state_code": "27"}, 2 * WITH_TAX, 2),
        ({"country": "SG", "state_code": None}, 2 * PRICE, 2),
        ({"country": "SG", "state_code": None}, 2 * PRICE - 1, 1),
    ],
)
def test_the_limit_counts_the_gst_of_the_place_of_supply(shop, place, limit, booked):
    bills_monthly(shop, limit, **place)
    answers, refusals = at_once(shop.app, sessions(shop, 4))
    assert (len(answers), {refusal.code for refusal in refusals}) == (booked, {"CREDIT_LIMIT_REACHED"})


def test_the_gst_of_odd_amounts_is_that_of_their_sum(shop):
    with shop.app.app_context():
        plan = world.make_plan(shop.company.organization, shop.company.owner, price=10_003)
    bills_monthly(shop, 3 * 10_003 + 2 * 2_701)  # 9 % of 30 009 is 2 700.81; three times 9 % of 10 003 would be 2 700
    acts = [lambda place=place: world.book(shop.company, shop.learner, hours=24 + place, plan=plan).id for place in range(8)]
    answers, _refusals = at_once(shop.app, acts)
    assert (len(answers), summary(shop)["exposure"]) == (3, 35_411)
    with shop.app.app_context():
        set_mode(shop.company.organization.id, "INVOICED_MONTHLY", credit_limit=4 * 10_003 + 2 * 3_601 - 1)
    answers, _refusals = at_once(shop.app, [lambda: world.book(shop.company, shop.learner, hours=90, plan=plan).id])
    assert answers == [], "a paisa short"


@pytest.mark.parametrize("lowered", [0, 3 * WITH_TAX])
def test_a_limit_that_is_lowered_meanwhile_holds_from_then_on(shop, lowered):
    bills_monthly(shop, 10 * WITH_TAX)
    acts = sessions(shop, 24)
    acts.insert(5, lambda: change(shop, credit_limit=lowered))
    answers, refusals = at_once(shop.app, acts)
    [changed] = rows(shop.app, "SELECT at FROM audit_rows WHERE action = :action", action=Action.SETTINGS_CHANGED)
    before = shop.count("SELECT count(*) FROM payments WHERE created_at < :at", at=changed.at)
    after = shop.count("SELECT count(*) FROM payments WHERE created_at >= :at", at=changed.at)
    room = max(lowered // WITH_TAX - before, 0)
    assert before <= 10
    assert after <= room
    assert len(answers) == before + after + 1
    assert before + after >= min(lowered // WITH_TAX, 24)
    for refusal in refusals:
        assert refusal.extra["creditLimit"] in {10 * WITH_TAX, lowered}
        assert refusal.extra["exposure"] + WITH_TAX > refusal.extra["creditLimit"]


def test_a_limit_that_is_set_while_bookings_wait_for_it_holds_for_all_of_them(shop):
    """They began without a limit, on a shared lock; the limit is there when they get it."""
    bills_monthly(shop, None)
    organization_id = shop.company.organization.id
    with shop.app.app_context():
        session_at(shop, 200)
    is_held = Event()

    def set_limit():
        waiting = text("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()")
        with db.database.engine.begin() as connection:
            connection.execute(
                text("UPDATE organizations SET credit_limit = :limit WHERE id = :id"), {"limit": 3 * WITH_TAX, "id": organization_id}
            )
            is_held.set()
            for _moment in range(200):
                with db.database.engine.connect() as other:
                    if other.execute(waiting).scalar_one() >= 8:
                        break
                sleep(0.02)
            else:
                pytest.fail("the bookings don't wait for the one who sets the limit")

    def book(place):
        assert is_held.wait(20)
        return session_at(shop, place)

    answers, refusals = at_once(shop.app, [set_limit, *[lambda place=place: book(place) for place in range(8)]])
    assert (len(answers), [refusal.code for refusal in refusals]) == (3, ["CREDIT_LIMIT_REACHED"] * 6)
    assert summary(shop)["exposure"] == 3 * WITH_TAX


def test_refunds_and_invoices_at_once_with_bookings_keep_what_is_owed_within_the_limit(shop):
    bills_monthly(shop, 6 * WITH_TAX)
    with shop.app.app_context():
        paid = [session_at(shop, 100 + place) for place in range(6)]

    def give_back(payment_id):
        with db.unit_of_work():
            return refunds.refund(RefundIn(payment_id=payment_id), actor=world.SYSTEM).payment_id

    def bill():
        with db.unit_of_work():
            return invoices.issue_now(shop.company.organization.id, actor=world.as_self(shop.company.owner)).id

    acts = [*sessions(shop, 24), bill, *[lambda one=one: give_back(one) for one in paid[:3]]]
    _answers, refusals = at_once(shop.app, [acts[(number * 9) % 28] for number in range(28)])
    assert {refusal.code for refusal in refusals} <= {"CREDIT_LIMIT_REACHED"}
    given = shop.count("SELECT count(*) FROM refunds WHERE status = 'SUCCEEDED'")
    made = shop.count("SELECT count(*) FROM payments")
    assert 6 <= made <= 6 + given
    assert summary(shop)["exposure"] == (made - given) * WITH_TAX <= 6 * WITH_TAX


def test_the_refusal_over_http_names_limit_and_exposure_and_nothing_is_recorded(shop):
    bills_monthly(shop, 2 * WITH_TAX)
    for hours in (24, 25):
        assert shop.checkout(on_organization=True, hours=hours).status_code == 201
    refused = shop.checkout(on_organization=True, hours=26)
    assert refused.status_code == 402
    assert {name: refused.json[name] for name in ("code", "creditLimit", "exposure")} == {
        "code": "CREDIT_LIMIT_REACHED",
        "creditLimit": 2 * WITH_TAX,
        "exposure": 2 * WITH_TAX,
    }
    assert refused.json["error"].startswith("Credit limit reached.")
    assert paid_in_sum(shop) == 2 * PRICE
    assert shop.checkout(hours=26).status_code == 201, "one's own card has no limit"


def test_a_refund_makes_room_again_and_an_invoice_does_not(shop):
    bills_monthly(shop, 2 * WITH_TAX)
    with shop.app.app_context():
        paid = [session_at(shop, place) for place in range(2)]
        with db.unit_of_work():
            refunds.refund(RefundIn(payment_id=paid[0], amount=PRICE // 2), actor=world.SYSTEM)
    assert summary(shop)["exposure"] == WITH_TAX + WITH_TAX // 2
    assert shop.checkout(on_organization=True, hours=30).json["code"] == "CREDIT_LIMIT_REACHED"
    with shop.app.app_context(), db.unit_of_work():
        invoices.issue_now(shop.company.organization.id, actor=world.as_self(shop.company.owner))
    refused = shop.checkout(on_organization=True, hours=30)
    assert (refused.json["code"], refused.json["exposure"]) == ("CREDIT_LIMIT_REACHED", WITH_TAX + WITH_TAX // 2)


def test_the_limit_is_of_monthly_billing_alone(shop):
    fund(shop, 10 * PRICE)
    for number, mode in enumerate(("SEAT_PACK", "TAG_ONLY", "PREPAID_UNLIMITED")):
        with shop.app.app_context():
            set_mode(shop.company.organization.id, mode, credit_limit=0)
        assert shop.checkout(on_organization=True, hours=24 + number).status_code == 201, mode


def test_one_organizations_limit_is_none_of_anothers(shop):
    bills_monthly(shop, WITH_TAX)
    with shop.app.app_context():
        other = world.make_company("Other", price=PRICE)
        set_mode(other.organization.id, "INVOICED_MONTHLY", credit_limit=2 * WITH_TAX)
        for hours in (24, 25):
            world.book(other, other.owner, hours=hours)
    assert shop.checkout(on_organization=True).status_code == 201
    assert shop.checkout(on_organization=True, hours=30).json["exposure"] == WITH_TAX


DAY = date(2027, 3, 14)
ZONES = ("Asia/Kolkata", "America/New_York", "Pacific/Kiritimati", "Pacific/Marquesas")


@pytest.mark.parametrize("zone", ZONES)
def test_a_contract_counts_from_midnight_to_midnight_of_the_organizations_zone(shop, zone):
    """On 14 March 2027 the clocks of New York go forward."""
    licensed(shop, DAY, DAY, zone=zone)
    begins = datetime(2027, 3, 14, tzinfo=ZoneInfo(zone)).astimezone(UTC)
    ends = datetime(2027, 3, 15, tzinfo=ZoneInfo(zone)).astimezone(UTC)
    minute = timedelta(minutes=1)
    moments = [
        (begins - minute, "starts"),
        (begins, ""),
        (begins + minute, ""),
        (ends - minute, ""),
        (ends - timedelta(microseconds=1), ""),
        (ends, "expired"),
        (ends + minute, "expired"),
    ]
    for number, (moment, refusal) in enumerate(moments):
        with clock.as_of(moment):
            client = world.sign_in(shop.app.test_client(), shop.learner)
            answer = shop.checkout(on_organization=True, hours=24 + 30 * number, client=client)
        if refusal:
            assert (answer.status_code, answer.json["code"]) == (402, "CONTRACT_EXPIRED"), moment
            assert refusal in answer.json["error"]
            assert "14 Mar 2027" in answer.json["error"]
            assert "admin" in answer.json["error"]
        else:
            assert answer.status_code == 201, (moment, answer.text)
    assert shop.count("SELECT count(*) FROM payments") == 4


def test_an_end_without_a_start_and_a_start_without_an_end(shop):
    today = clock.today("Asia/Kolkata")
    day = timedelta(days=1)
    windows = [
        (None, None, 201),
        (None, today, 201),
        (None, today - day, 402),
        (today, None, 201),
        (today + day, None, 402),
        (today - day, today + day, 201),
        (today - 2 * day, today - day, 402),
        (today + day, today + 2 * day, 402),
    ]
    for number, (start, end, status) in enumerate(windows):
        licensed(shop, start, end)
        answer = shop.checkout(on_organization=True, hours=24 + number)
        assert answer.status_code == status, (start, end, answer.text)
        assert status == 201 or answer.json["code"] == "CONTRACT_EXPIRED"


def test_the_moment_of_booking_counts_not_that_of_the_session(shop):
    today = clock.today("Asia/Kolkata")
    licensed(shop, today, today)
    assert shop.checkout(on_organization=True, hours=24 * 40).status_code == 201
    licensed(shop, today + timedelta(days=30), today + timedelta(days=60))
    assert shop.checkout(on_organization=True, hours=24 * 41).json["code"] == "CONTRACT_EXPIRED"


def test_a_prepaid_booking_costs_nothing_now_and_keeps_its_price(shop):
    licensed(shop, None, None)
    made = shop.checkout(on_organization=True).json["payment"]
    assert (made["amount"], made["originalAmount"], made["paymentMethod"], made["status"]) == (0, PRICE, "ORG_PREPAID", "SUCCEEDED")
    found = summary(shop)
    assert (found["exposure"], found["outstanding"]["amount"], found["pendingCharges"]) == (0, 0, None)
    with shop.app.app_context():
        plan = world.make_plan(shop.company.organization, shop.company.owner, price=PRICE)
        world.book(shop.company, shop.learner, hours=30, plan=plan)
    refused = world.sign_in(shop.app.test_client(), shop.company.owner)
    url = f"/api/organizations/{shop.company.organization.id}/billing/generate-invoice"
    assert refused.post(url, headers=world.csrf(refused)).json["code"] == "NOT_INVOICED_MONTHLY"


def test_thirty_two_prepaid_bookings_at_once_all_go_through(shop):
    licensed(shop, None, None)
    answers, refusals = at_once(shop.app, sessions(shop, MANY))
    assert (len(answers), refusals) == (MANY, [])
    assert tuple(rows(shop.app, "SELECT sum(amount)::bigint, sum(original_amount)::bigint FROM payments")[0]) == (0, MANY * PRICE)


def test_a_licence_that_is_ended_meanwhile_stops_bookings_from_then_on(shop):
    licensed(shop, None, None)
    yesterday = clock.today("Asia/Kolkata") - timedelta(days=1)
    acts = sessions(shop, 24)
    acts.insert(4, lambda: change(shop, contract_end=yesterday))
    answers, refusals = at_once(shop.app, acts)
    assert {refusal.code for refusal in refusals} <= {"CONTRACT_EXPIRED"}
    assert len(answers) + len(refusals) == 25
    [changed] = rows(shop.app, "SELECT at FROM audit_rows WHERE action = :action", action=Action.SETTINGS_CHANGED)
    assert shop.count("SELECT count(*) FROM payments WHERE created_at > :at", at=changed.at) == 0


PAIRS = [(before, after) for before in BillingMode for after in BillingMode if before is not after]


@pytest.mark.parametrize(("before", "after"), PAIRS, ids=[f"{before}-{after}" for before, after in PAIRS])
def test_thirty_two_at_once_never_mix_the_modes(shop, before, after):
    """Bookings and changes of mode at once: all payments are of the mode that stays, and none changed after the first of them."""
    fund(shop, MANY * PRICE)
    with shop.app.app_context():
        set_mode(shop.company.organization.id, before, first_payment_at=None)
    modes = [after, before]
    changes = [lambda number=number: change(shop, billing_mode=modes[number % 2]) for number in range(12)]
    acts = [*changes, *sessions(shop, 20)]
    answers, refusals = at_once(shop.app, [acts[(number * 5) % MANY] for number in range(MANY)])
    assert {refusal.code for refusal in refusals} <= {"BILLING_MODE_IMMUTABLE"}
    booked = [answer for answer in answers if isinstance(answer, str)]
    assert len(booked) == 20
    organization = "SELECT billing_mode, first_payment_at FROM organizations WHERE id = :id"
    [stays] = rows(shop.app, organization, id=shop.company.organization.id)
    methods = rows(shop.app, "SELECT DISTINCT payment_method FROM payments")
    assert [row.payment_method for row in methods] == [METHODS[BillingMode(stays.billing_mode)]]
    assert stays.first_payment_at is not None
    changed = "SELECT count(*) FROM audit_rows WHERE action = 'SETTINGS_CHANGED' AND at > :at"
    assert shop.count(changed, at=stays.first_payment_at) == 0
    drawn = 20 * PRICE if stays.billing_mode == BillingMode.SEAT_PACK else 0
    assert shop.count("SELECT balance FROM credit_pools") == MANY * PRICE - drawn


def test_refused_bookings_leave_the_mode_free(shop):
    bills_monthly(shop, 0, first_payment_at=None)
    at_once(shop.app, sessions(shop, 8))
    assert paid_in_sum(shop) == 0
    with shop.app.app_context():
        assert change(shop, billing_mode=BillingMode.TAG_ONLY)
