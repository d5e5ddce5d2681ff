"""Payments of organizations that are given back: never more than was paid whoever asks at once, and each the way that it came."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from portal import db
from portal.accounts.rules import PlatformRole
from portal.audit.rules import Action, Actor, Via
from portal.billing.models import Payment
from portal.billing.schemas import RefundIn
from portal.billing.service import invoices, refunds
from portal.orgs.models import Organization
from portal.orgs.rules import Role
from tests.support import world
from tests.support.funding import assert_chained, fund, pool_of, session_at
from tests.support.lint import XHTML
from tests.support.pages import Visitor
from tests.support.paying import make_shop, rows, set_mode
from tests.support.together import at_once

PRICE = 100_000
CREDITS = 1_000_000
MODES = {"SEAT_PACK": "ORG_CREDIT", "INVOICED_MONTHLY": "ORG_INVOICED", "PREPAID_UNLIMITED": "ORG_PREPAID"}
NOBODY = "0199a000-0000-7000-8000-000000000000"


@pytest.fixture
def shop(rung, app):
    """The organization's own plan costs ``PRICE``; it has credits, should it book on them."""
    made = make_shop(app, rung)
    fund(made, CREDITS)
    return made


@pytest.fixture(params=MODES)
def mode(request, shop):
    """Each way of paying for a session without a card."""
    use(shop, request.param)
    return request.param


@pytest.fixture
def staff(shop):
    """A signed-in client of the platform's staff."""
    with shop.app.app_context():
        user = world.make_user("staff@portal.test", name="Farah", role=PlatformRole.STAFF)
    return world.sign_in(shop.app.test_client(), user)


def use(shop, mode: str) -> None:
    with shop.app.app_context():
        set_mode(shop.company.organization.id, mode)


def paid(shop, number: int = 0) -> str:
    with shop.app.app_context():
        return session_at(shop, number)


def amounts(shop, payment_id: str) -> tuple[int, int]:
    """What is claimed and what is refunded, paise."""
    return tuple(rows(shop.app, "SELECT claimed_amount, refunded_amount FROM payments WHERE id = :id", id=payment_id)[0])


def made(shop) -> list[tuple[int, str]]:
    """Amount and status of each refund, oldest first."""
    return [tuple(row) for row in rows(shop.app, "SELECT amount, status FROM refunds ORDER BY id")]


def giving(payment_id: str, amount: int | None):
    """A refund in a transaction of its own."""

    def give():
        with db.unit_of_work():
            return refunds.refund(RefundIn(payment_id=payment_id, amount=amount), actor=world.SYSTEM).amount

    return give


def owed(shop) -> dict:
    owner = world.sign_in(shop.app.test_client(), shop.company.owner)
    return owner.get(f"/api/organizations/{shop.company.organization.id}/billing").json


def test_sixty_of_a_hundred_is_given_back_once_to_thirty_two_at_once(shop, mode):
    payment_id = paid(shop)
    answers, refusals = at_once(shop.app, [giving(payment_id, 60_000)] * 32)
    assert answers == [60_000]
    assert [(refusal.status, refusal.code, refusal.extra) for refusal in refusals] == [(409, "ABOVE_WHAT_IS_LEFT", {"left": 40_000})] * 31
    assert (amounts(shop, payment_id), made(shop)) == ((60_000, 60_000), [(60_000, "SUCCEEDED")])
    assert shop.count("SELECT count(*) FROM audit_rows WHERE action = 'REFUND_MADE'") == 1
    assert pool_of(shop)[0] == (CREDITS - 40_000 if mode == "SEAT_PACK" else CREDITS)
    assert_chained(shop)


@pytest.mark.parametrize("amount", [None, 7_001])
def test_parts_and_wholes_at_once_sum_to_no_more_than_the_payment(shop, mode, amount):
    payment_id = paid(shop)
    acts = [giving(payment_id, amount if number % 2 else 30_000) for number in range(32)]
    answers, refusals = at_once(shop.app, acts)
    assert sum(answers) == sum(given for given, _status in made(shop)) <= PRICE
    assert amounts(shop, payment_id) == (sum(answers), sum(answers))
    assert {refusal.code for refusal in refusals} <= {"ABOVE_WHAT_IS_LEFT", "NOTHING_LEFT"}
    left = PRICE - sum(answers)
    assert left == 0 if amount is None else left < 30_000, "nobody was refused while there was enough"
    assert pool_of(shop)[0] == (CREDITS - left if mode == "SEAT_PACK" else CREDITS)
    assert_chained(shop)


def test_a_part_then_the_rest_and_then_nothing(shop, staff, mode):
    payment_id = paid(shop)
    part = shop.refund(payment_id, client=staff, amount=33_333, reason="The session was short.")
    assert part.status_code == 200
    refund = part.json["refund"]
    assert {name: refund[name] for name in ("paymentId", "amount", "status", "reason")} == {
        "paymentId": payment_id,
        "amount": 33_333,
        "status": "SUCCEEDED",
        "reason": "The session was short.",
    }
    assert part.json["creditNote"] is None
    above = shop.refund(payment_id, client=staff, amount=66_668)
    assert (above.status_code, above.json["code"], above.json["left"]) == (409, "ABOVE_WHAT_IS_LEFT", 66_667)
    assert "₹666.67" in above.json["error"]
    rest = shop.refund(payment_id, client=staff)
    assert (rest.status_code, rest.json["refund"]["amount"]) == (200, 66_667)
    for amount in (None, 1, PRICE):
        again = shop.refund(payment_id, client=staff, amount=amount)
        assert (again.status_code, again.json["code"], again.json["left"]) == (409, "NOTHING_LEFT", 0)
    assert (amounts(shop, payment_id), made(shop)) == ((PRICE, PRICE), [(33_333, "SUCCEEDED"), (66_667, "SUCCEEDED")])
    shown = shop.client.get(f"/api/payments/{payment_id}").json["payment"]
    assert (shown["refundedAmount"], shown["paymentMethod"], shown["status"]) == (PRICE, MODES[mode], "SUCCEEDED")
    assert pool_of(shop) == (CREDITS, CREDITS), "what came back wasn't bought"
    assert_chained(shop)


def test_any_number_of_steps_gives_back_the_whole_to_the_paisa(shop, mode):
    payment_id, number = paid(shop), 32
    steps = [PRICE // number] * (number - 1)
    answers, refusals = at_once(shop.app, [giving(payment_id, step) for step in steps])
    assert (sorted(answers), refusals) == (steps, [])
    with shop.app.app_context():
        assert giving(payment_id, None)() == PRICE - sum(steps)
    assert amounts(shop, payment_id) == (PRICE, PRICE)
    assert pool_of(shop)[0] == CREDITS
    assert_chained(shop)


def test_amounts_that_are_none_are_refused_and_nothing_is_recorded(shop, staff):
    payment_id = paid(shop)
    for amount in (0, -1, -PRICE, 1.5, 100.0, "100", "₹1", True, False, 10**11 + 1, 10**18, 10**30, [], {}, [100]):
        answer = shop.refund(payment_id, client=staff, amount=amount)
        assert (answer.status_code, list(answer.json["details"])) == (400, ["amount"]), amount
    for body in ('{"paymentId": "%s", "amount": NaN}', '{"paymentId": "%s", "amount": 1e400}', '{"paymentId": "%s", "amount": -0.0}'):
        headers = {**world.csrf(staff), "Content-Type": "application/json"}
        assert staff.post("/api/payments/refunds", data=body % payment_id, headers=headers).status_code == 400, body
    for amount in (PRICE + 1, 10**11):
        above = shop.refund(payment_id, client=staff, amount=amount)
        assert (above.status_code, above.json["code"]) == (409, "ABOVE_WHAT_IS_LEFT"), amount
    assert (made(shop), amounts(shop, payment_id)) == ([], (0, 0))
    assert shop.count("SELECT count(*) FROM audit_rows WHERE action = 'REFUND_MADE'") == 0


def test_other_fields_that_make_no_sense_are_named(shop, staff):
    payment_id = paid(shop)
    for more, field in (
        ({"reason": "ab"}, "reason"),
        ({"reason": "x" * 501}, "reason"),
        ({"reason": 7}, "reason"),
        ({"forceRefund": "perhaps"}, "forceRefund"),
        ({"organizationId": shop.company.organization.id}, "organizationId"),
        ({"status": "SUCCEEDED"}, "status"),
    ):
        answer = shop.refund(payment_id, client=staff, amount=1, **more)
        assert answer.status_code == 400, more
        assert field.lower() in {name.replace("_", "").lower() for name in answer.json["details"]}, more
    missing = staff.post("/api/payments/refunds", json={"amount": 1}, headers=world.csrf(staff))
    assert (missing.status_code, list(missing.json["details"])) == (400, ["paymentId"])
    assert made(shop) == []


def test_unknown_payments_and_ids_of_other_things_are_not_found(shop, staff):
    booked = shop.booked(on_organization=True)
    unknown = (NOBODY, "nonsense", "", "\x00", "' OR 1=1 --", "0" * 5_000)
    for other in (*unknown, booked.booking_id, shop.company.organization.id, shop.learner.id, shop.company.plan.id):
        answer = shop.refund(other, client=staff)
        assert (answer.status_code, answer.json["code"]) == (404, "PAYMENT_NOT_FOUND"), other
    assert shop.refund(booked.payment_id.upper(), client=staff).status_code == 200, "ids know no case"


def test_only_staff_refunds_by_api_and_on_the_page(shop, staff):
    payment_id = paid(shop)
    with shop.app.app_context():
        people = [shop.company.owner, shop.learner, shop.company.consultant, world.make_user("stranger@other.test")]
        for role in (Role.ORG_ADMIN, Role.ORG_MANAGER):
            people.append(world.make_user(f"{role.value.lower()}@acme.test"))
            world.add_member(shop.company.organization, people[-1], role)
    for user in people:
        client = world.sign_in(shop.app.test_client(), user)
        assert shop.refund(payment_id, client=client, amount=1).status_code == 403, user.email
        assert client.get("/api/payments/refunds").status_code == 403
        assert client.get("/admin/refunds").status_code == 403
        form = {"payment_id": payment_id, "amount": "1", "reason": "I want it back."}
        assert client.post("/admin/refunds", data=form, headers=world.csrf(client)).status_code == 403
    nobody = shop.app.test_client()
    assert nobody.post("/api/payments/refunds", json={"paymentId": payment_id}, headers=world.csrf(nobody)).status_code == 401
    assert staff.post("/api/payments/refunds", json={"paymentId": payment_id}).json["code"] == "CSRF_FAILED"
    assert made(shop) == []
    with shop.app.app_context():
        admin = world.make_user("admin@portal.test", role=PlatformRole.ADMIN)
    assert shop.refund(payment_id, client=world.sign_in(shop.app.test_client(), admin), amount=1).status_code == 200
    assert shop.refund(payment_id, client=staff, amount=1).status_code == 200


@pytest.mark.parametrize(("role", "via"), [(PlatformRole.STAFF, Via.PLATFORM_STAFF), (PlatformRole.ADMIN, Via.PLATFORM_ADMIN)])
def test_the_log_says_who_gave_back_what_and_from_where(shop, role, via):
    use(shop, "INVOICED_MONTHLY")
    payment_id = paid(shop)
    with shop.app.app_context():
        user = world.make_user("farah@portal.test", name="Farah", role=role)
    client = world.sign_in(shop.app.test_client(), user)
    refund_id = shop.refund(payment_id, client=client, amount=25_000, reason="Goodwill.").json["refund"]["id"]
    statement = """SELECT actor_user_id::text, actor_name, via, organization_id::text, subject_type, subject_id::text, subject_name, before,
                   after, ip FROM audit_rows WHERE action = :action"""
    [row] = rows(shop.app, statement, action=Action.REFUND_MADE)
    assert tuple(row) == (
        user.id,
        "Farah",
        via,
        shop.company.organization.id,
        "refund",
        refund_id,
        "Career coaching, Asha",
        None,
        {"amount": 25_000, "payment": payment_id, "paymentMethod": "ORG_INVOICED"},
        "127.0.0.1",
    )
    [refund] = rows(shop.app, "SELECT created_by::text, reason FROM refunds")
    assert tuple(refund) == (user.id, "Goodwill.")


def test_exposure_and_the_next_invoice_fall_by_what_was_given_back(shop, staff):
    use(shop, "INVOICED_MONTHLY")
    first, second, third = (paid(shop, number) for number in range(3))
    assert owed(shop)["exposure"] == 354_000
    shop.refund(first, client=staff, amount=33_333)
    shop.refund(second, client=staff)
    found = owed(shop)
    assert found["pendingCharges"] == {"amount": 166_667, "paymentCount": 2}
    assert found["exposure"] == 166_667 + 2 * 15_000
    with shop.app.app_context():
        with db.unit_of_work():
            invoice = invoices.issue_now(shop.company.organization.id, actor=world.as_self(shop.company.owner))
        assert (invoice.taxable_amount, invoice.cgst, invoice.sgst, invoice.amount) == (166_667, 15_000, 15_000, 196_667)
        settled = db.session.get_one(Payment, second, populate_existing=True)
        assert (settled.billable_to_org_invoice_id, settled.settled_at is None) == (None, False)
    lines = rows(shop.app, "SELECT payment_id::text, taxable_amount FROM invoice_lines ORDER BY position")
    assert [tuple(line) for line in lines] == [(first, 66_667), (third, PRICE)]
    again = shop.refund(second, client=staff)
    assert (again.status_code, again.json["code"]) == (409, "NOTHING_LEFT")


def test_refunds_and_the_invoice_at_once_bill_each_paisa_once(shop):
    """A refund that comes before the invoice lowers its line; one that comes after it leaves the line as it was sent."""
    use(shop, "INVOICED_MONTHLY")
    payments = [paid(shop, number) for number in range(8)]

    def bill():
        with db.unit_of_work():
            return invoices.issue_now(shop.company.organization.id, actor=world.as_self(shop.company.owner)).taxable_amount

    acts = [giving(payment_id, 40_000) for payment_id in payments for _twice in range(2)]
    acts.insert(8, bill)
    answers, refusals = at_once(shop.app, acts)
    given = [answer for answer in answers if answer == 40_000]
    [billed] = [answer for answer in answers if answer != 40_000]
    assert len(given) + len(refusals) == 16
    assert sum(amount for amount, _status in made(shop)) == 40_000 * len(given)
    lines = rows(
        shop.app, "SELECT l.taxable_amount, p.amount - p.refunded_amount FROM invoice_lines l JOIN payments p ON p.id = l.payment_id"
    )
    assert sum(line for line, _net in lines) == billed
    assert all(line in {PRICE, 60_000, 20_000} and line >= net for line, net in lines)
    assert refusals == []
    [credited] = rows(shop.app, "SELECT coalesce(sum(taxable_amount), 0) FROM credit_notes")
    assert billed - credited[0] == 8 * PRICE - 16 * 40_000


def test_nothing_moves_for_a_prepaid_session_and_its_price_is_the_most(shop, staff):
    use(shop, "PREPAID_UNLIMITED")
    payment_id = paid(shop)
    before = owed(shop)
    assert shop.refund(payment_id, client=staff, amount=PRICE + 1).json["left"] == PRICE
    assert shop.refund(payment_id, client=staff).json["refund"]["amount"] == PRICE
    after = owed(shop)
    assert {**after, "monthToDate": None} == {**before, "monthToDate": None}
    assert shop.count("SELECT count(*) FROM credit_ledger") == 1
    [row] = rows(shop.app, "SELECT amount, original_amount, refunded_amount FROM payments")
    assert tuple(row) == (0, PRICE, PRICE)


@pytest.mark.parametrize("status", ["SUSPENDED", "DEACTIVATED"])
def test_the_platform_gives_back_also_what_a_closed_organization_paid(shop, staff, status):
    payment_id = paid(shop)
    with shop.app.app_context(), db.unit_of_work():
        db.session.get_one(Organization, shop.company.organization.id).status = status
    assert shop.refund(payment_id, client=staff).status_code == 200
    assert pool_of(shop)[0] == CREDITS


def test_refunds_of_two_payments_of_two_organizations_stay_apart(shop, staff):
    with shop.app.app_context():
        other = world.make_company("Other", price=PRICE)
        theirs = world.book(other, other.owner).payment_id
    ours = paid(shop)
    shop.refund(ours, client=staff, amount=10_000)
    assert (amounts(shop, ours), amounts(shop, theirs)) == ((10_000, 10_000), (0, 0))
    stranger = world.sign_in(shop.app.test_client(), other.owner)
    unseen = stranger.get(f"/api/payments/{ours}")
    assert (unseen.status_code, unseen.json["code"]) == (404, "PAYMENT_NOT_FOUND")
    assert stranger.get(f"/api/payments/{theirs}").status_code == 200
    assert staff.get(f"/api/payments/{ours}").json["payment"]["refundedAmount"] == 10_000


def test_plain_sql_cannot_give_back_more_than_was_paid(shop):
    for number, mode in enumerate(MODES):
        use(shop, mode)
        paid(shop, number)
    change = "UPDATE payments SET claimed_amount = :claimed, refunded_amount = :refunded"
    for claimed, refunded in ((PRICE + 1, 0), (0, 1), (-1, -1), (5, 6)):
        values = {"claimed": claimed, "refunded": refunded}
        for method in MODES.values():
            over = text(f"{change} WHERE payment_method = :method")
            with shop.app.app_context(), pytest.raises(IntegrityError), db.database.engine.begin() as connection:
                connection.execute(over, {**values, "method": method})


def test_refunds_are_listed_newest_first_page_by_page_and_by_status(shop, staff):
    payment_id = paid(shop)
    ids = [shop.refund(payment_id, client=staff, amount=amount).json["refund"]["id"] for amount in (100, 200, 300)]
    card = shop.booked()
    held = shop.refund(card.payment_id, client=staff)
    assert (held.status_code, held.json["code"]) == (409, "PAYMENT_NOT_SUCCEEDED")
    first = staff.get("/api/payments/refunds", query_string={"limit": 2}).json
    assert [item["id"] for item in first["items"]] == ids[:0:-1]
    rest = staff.get("/api/payments/refunds", query_string={"limit": 2, "cursor": first["nextCursor"]}).json
    assert ([item["id"] for item in rest["items"]], rest["nextCursor"]) == (ids[:1], None)
    by_status = {status: staff.get("/api/payments/refunds", query_string={"status": status}) for status in ("SUCCEEDED", "FAILED", "LOST")}
    assert [len(by_status[status].json["items"]) for status in ("SUCCEEDED", "FAILED")] == [3, 0]
    assert (by_status["LOST"].status_code, list(by_status["LOST"].json["details"])) == (400, ["status"])


class Desk(Visitor):
    """The page of refunds, as the staff uses it without JavaScript."""

    def find(self, words: str):
        """Searches for payments."""
        return self.get(f"/admin/refunds?q={words}")

    def form(self, action: str):
        """The first form that gives back; the one that searches goes to the same path."""
        posts = [
            form for form in self._tree().iter(XHTML + "form") if form.get("method") == "post" and form.get("action", "").startswith(action)
        ]
        assert posts, f"{self.path} has no form to {action}"
        return posts[0]

    def give(self, payment_id: str, *, status: int = 200, **fields: str):
        """Posts what the form would, whatever stands on the page."""
        values = {"csrf_token": self.client.get("/api/auth/csrf").json["csrfToken"], "payment_id": payment_id, **fields}
        return self._arrive(self.client.post("/admin/refunds", data=values), "/admin/refunds", status=status)


@pytest.fixture
def desk(shop):
    with shop.app.app_context():
        user = world.make_user("desk@portal.test", role=PlatformRole.STAFF)
    desk = Desk(shop.app)
    world.sign_in(desk.client, user)
    return desk


def test_on_the_page_amounts_are_rupees_and_left_empty_it_is_the_rest(shop, desk):
    payment_id = paid(shop)
    desk.find("Asha").submit("/admin/refunds", amount="1,23.45", reason="Too long.", status=422)
    assert made(shop) == []
    desk.find(payment_id).submit("/admin/refunds", amount="₹ 123.45", reason="The line broke.")
    assert "₹123.45 was given back." in desk.words
    assert made(shop) == [(12_345, "SUCCEEDED")]
    desk.find("Acme")
    assert "₹876.55 can be given back" in desk.words
    desk.submit("/admin/refunds", reason="The rest, too.")
    assert made(shop) == [(12_345, "SUCCEEDED"), (87_655, "SUCCEEDED")]
    assert "Nothing left" in desk.find("Asha").words
    desk.give(payment_id, amount="1", reason="Once more.", status=422)
    assert "refunded in full already" in desk.words


def test_on_the_page_what_is_no_amount_stands_beside_a_sentence_and_gives_nothing(shop, desk):
    payment_id = paid(shop)
    for amount in ("0", "-1", "1.234", "1e3", "NaN", "abc", "1000.01", "999999999999999", "0x10", "½", "٣"):
        desk.give(payment_id, amount=amount, reason="Trying.", status=422)
    for reason in ("", "ab", "x" * 501):
        desk.give(payment_id, amount="1", reason=reason, status=422)
    assert made(shop) == []
    for unknown in (NOBODY, "nonsense"):
        answer = desk.client.post(
            "/admin/refunds", data={"payment_id": unknown, "reason": "Trying."}, headers=world.csrf(desk.client), follow_redirects=True
        )
        assert answer.status_code in {404, 422}
    assert made(shop) == []


def test_the_actor_of_a_refund_by_the_portal_itself_is_the_portal(shop):
    payment_id = paid(shop)
    with shop.app.app_context():
        payment = db.session.get_one(Payment, payment_id)
        with db.unit_of_work():
            refunds.give_back(payment, reason="The consultant fell ill.")
    [row] = rows(shop.app, "SELECT via, actor_user_id FROM audit_rows WHERE action = 'REFUND_MADE'")
    assert tuple(row) == (Via.SYSTEM, None)
    assert isinstance(world.SYSTEM, Actor)
    assert pool_of(shop)[0] == CREDITS
