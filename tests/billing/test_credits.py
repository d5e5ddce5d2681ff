"""Credits: many who draw on one pool at once never take more than it holds, and its ledger says where each paisa went."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from portal import clock, db
from portal.billing.rules import LedgerReason
from portal.billing.schemas import RefundIn
from portal.billing.service import credits as pool
from portal.billing.service import refunds
from portal.errors import PaymentRequired
from portal.orgs.models import Organization
from tests.support import world
from tests.support.funding import assert_chained, fund, pool_of, session_at, sessions
from tests.support.pages import Visitor
from tests.support.paying import make_shop, rows, set_mode
from tests.support.together import at_once

PRICE = 100_000
MANY = 32
LEDGER = "SELECT delta, reason, balance_after, payment_id, member_id FROM credit_ledger ORDER BY position"


@pytest.fixture
def shop(rung, app):
    """The organization's own plan costs ``PRICE``."""
    return make_shop(app, rung)


def api(shop, more: str = "") -> str:
    return f"/api/organizations/{shop.company.organization.id}/credits{more}"


def moved(shop, delta: int, reason: LedgerReason = LedgerReason.ADJUSTMENT) -> None:
    with shop.app.app_context(), db.unit_of_work():
        pool.move(shop.company.organization.id, delta, reason=reason)


def payments(shop) -> int:
    return shop.count("SELECT count(*) FROM payments")


@pytest.mark.parametrize(
    ("held", "booked"),
    [(PRICE - 1, 0), (PRICE, 1), (8 * PRICE - 1, 7), (MANY * PRICE, MANY)],
)
def test_thirty_two_at_once_take_what_the_pool_covers_and_no_more(shop, held, booked):
    fund(shop, held)
    answers, refusals = at_once(shop.app, sessions(shop, MANY))
    assert len(answers) == booked
    assert [(refusal.status, refusal.code, refusal.extra) for refusal in refusals] == [(402, "INSUFFICIENT_CREDITS", {"needed": PRICE})] * (
        MANY - booked
    )
    assert pool_of(shop)[0] == held - booked * PRICE
    assert_chained(shop)
    drawn = "SELECT payment_id::text FROM credit_ledger WHERE reason = 'booking' AND delta = -:price"
    assert sorted(row.payment_id for row in rows(shop.app, drawn, price=PRICE)) == sorted(answers)
    assert (payments(shop), shop.count("SELECT count(*) FROM bookings")) == (booked, booked), "a refused booking leaves nothing"
    assert shop.count("SELECT count(*) FROM audit_rows WHERE action = 'BOOKING_MADE'") == booked


def test_two_organizations_that_book_at_once_draw_on_their_own_pools(shop):
    fund(shop, 3 * PRICE)
    with shop.app.app_context():
        other = world.make_company("Other", price=PRICE)
        set_mode(other.organization.id, "SEAT_PACK", first_payment_at=clock.now())
        with db.unit_of_work():
            pool.move(other.organization.id, 5 * PRICE, reason=LedgerReason.PURCHASE)
    elsewhere = [lambda place=place: world.book(other, other.owner, hours=24 + place).payment_id for place in range(16)]
    answers, _refusals = at_once(shop.app, [act for pair in zip(sessions(shop, 16), elsewhere, strict=True) for act in pair])
    assert len(answers) == 8
    held = "SELECT balance, (SELECT count(*) FROM payments p WHERE p.organization_id = c.organization_id) FROM credit_pools c"
    assert sorted(tuple(row) for row in rows(shop.app, held)) == [(0, 3), (0, 5)]
    assert_chained(shop)


def test_refunds_to_the_pool_while_bookings_and_purchases_go_on_lose_and_make_no_paisa(shop):
    fund(shop, 8 * PRICE)
    with shop.app.app_context():
        paid = [session_at(shop, place) for place in range(8)]

    def give_back(payment_id):
        with db.unit_of_work():
            return refunds.refund(RefundIn(payment_id=payment_id, amount=PRICE // 2), actor=world.SYSTEM).amount

    def top_up():
        with db.unit_of_work():
            return pool.move(shop.company.organization.id, PRICE, reason=LedgerReason.PURCHASE).delta

    later = [lambda place=place: session_at(shop, place) for place in range(100, 116)]
    acts = [*later, *[lambda one=one: give_back(one) for one in paid], *[top_up] * 8]
    answers, refusals = at_once(shop.app, [acts[(number * 7) % MANY] for number in range(MANY)])
    booked = sum(isinstance(answer, str) for answer in answers)
    assert len(answers) == booked + 16, "every refund and every purchase goes through"
    assert {refusal.code for refusal in refusals} <= {"INSUFFICIENT_CREDITS"}
    assert len(refusals) == 16 - booked
    assert pool_of(shop) == (8 * PRICE + 4 * PRICE - booked * PRICE, 16 * PRICE)
    by_reason = "SELECT reason, sum(delta)::bigint AS moved, count(*) AS number FROM credit_ledger GROUP BY reason"
    sums = {row.reason: (row.moved, row.number) for row in rows(shop.app, by_reason)}
    assert sums == {
        "purchase": (16 * PRICE, 9),
        "booking": (-(8 + booked) * PRICE, 8 + booked),
        "refund": (4 * PRICE, 8),
    }
    assert_chained(shop)


def test_a_refund_makes_room_for_exactly_one_of_thirty_two(shop):
    fund(shop, PRICE)
    with shop.app.app_context():
        paid = session_at(shop, 0)
        with pytest.raises(PaymentRequired):
            session_at(shop, 1)
        with db.unit_of_work():
            refunds.refund(RefundIn(payment_id=paid), actor=world.SYSTEM)
    answers, refusals = at_once(shop.app, [lambda place=place: session_at(shop, place) for place in range(2, 2 + MANY)])
    assert (len(answers), len(refusals), pool_of(shop)) == (1, MANY - 1, (0, PRICE))
    assert_chained(shop)


def test_the_ledger_names_the_payment_and_who_booked(shop):
    fund(shop, 3 * PRICE)
    payment_id = shop.booked(on_organization=True).payment_id
    membership = "SELECT id FROM memberships WHERE user_id = :id"
    [[member_id]] = rows(shop.app, membership, id=shop.learner.id)
    with shop.app.app_context(), db.unit_of_work():
        refunds.refund(RefundIn(payment_id=payment_id, amount=1), actor=world.SYSTEM)
    found = [tuple(row) for row in rows(shop.app, LEDGER)]
    assert [row[:3] for row in found] == [
        (3 * PRICE, "purchase", 3 * PRICE),
        (-PRICE, "booking", 2 * PRICE),
        (1, "refund", 2 * PRICE + 1),
    ]
    assert [str(row[3]) for row in found] == ["None", payment_id, payment_id]
    assert found[1][4] == member_id
    owner = world.sign_in(shop.app.test_client(), shop.company.owner)
    shown = owner.get(api(shop)).json["ledger"]
    assert [(row["delta"], row["reason"], row["balanceAfter"], row["paymentId"]) for row in shown] == [
        (1, "refund", 2 * PRICE + 1, payment_id),
        (-PRICE, "booking", 2 * PRICE, payment_id),
        (3 * PRICE, "purchase", 3 * PRICE, None),
    ]
    assert shown[1]["memberId"] == str(member_id)


def test_a_platform_admin_who_is_a_member_is_named_in_the_ledger_as_any_member(shop):
    fund(shop, PRICE)
    with shop.app.app_context():
        admin = world.make_user("admin@portal.test", role=world.PlatformRole.ADMIN)
        member_id = world.add_member(shop.company.organization, admin, world.Role.ORG_LEARNER).id
    booked = shop.checkout(on_organization=True, client=world.sign_in(shop.app.test_client(), admin))
    assert booked.status_code == 201
    assert rows(shop.app, "SELECT member_id::text FROM credit_ledger WHERE reason = 'booking'") == [(member_id,)]


def test_the_refusal_over_http_is_a_402_that_says_what_to_do(shop):
    fund(shop, PRICE - 1)
    with shop.app.app_context():
        set_mode(shop.company.organization.id, "SEAT_PACK", first_payment_at=None)
    refused = shop.checkout(on_organization=True)
    assert (refused.status_code, refused.json["code"]) == (402, "INSUFFICIENT_CREDITS")
    assert refused.json["error"].startswith("Insufficient credits.")
    assert (payments(shop), pool_of(shop)[0]) == (0, PRICE - 1)
    first_payment = "SELECT first_payment_at FROM organizations WHERE id = :id"
    assert rows(shop.app, first_payment, id=shop.company.organization.id) == [(None,)]


def test_credits_do_not_pay_what_a_learner_books_personally(shop):
    fund(shop, 10 * PRICE)
    made = shop.checkout()
    assert (made.status_code, made.json["payment"]["paymentMethod"]) == (201, "CARD")
    assert pool_of(shop) == (10 * PRICE, 10 * PRICE)


ROW = """INSERT INTO credit_ledger (id, organization_id, position, delta, reason, balance_after, created_at)
         SELECT gen_random_uuid(), organization_id, {}, {}, 'adjustment', {}, now() FROM credit_pools"""
FORGED = {
    "a changed row": "UPDATE credit_ledger SET delta = delta + 1, balance_after = balance_after + 1",
    "a change that changes nothing": "UPDATE credit_ledger SET note = note",
    "a deleted row": "DELETE FROM credit_ledger WHERE position = 2",
    "no rows deleted": "DELETE FROM credit_ledger WHERE false",
    "an emptied table": "TRUNCATE credit_ledger",
    "an emptied table and what hangs on it": "TRUNCATE credit_pools CASCADE",
    "a deleted pool": "DELETE FROM credit_pools",
    "a balance below zero": "UPDATE credit_pools SET balance = -1",
    "a balance without a movement": "UPDATE credit_pools SET balance = balance + 1",
    "a balance and a count without a movement": "UPDATE credit_pools SET balance = balance + 1, entries = entries + 1",
    "a count without a movement": "UPDATE credit_pools SET entries = entries + 1",
    "an earlier balance again": "UPDATE credit_pools SET balance = 300000, entries = 1",
    "a pool that was never used": "UPDATE credit_pools SET balance = 0, entries = 0",
    "a movement that the pool doesn't know": ROW.format(3, 5, 200_005),
    "a movement that does not follow": ROW.format(3, 5, 200_006),
    "a movement of nothing": ROW.format(3, 0, 200_000),
    "a movement below zero": ROW.format(3, -200_001, -1),
    "a second row at one position": ROW.format(2, 5, 300_005),
    "a gap": ROW.format(4, 5, 200_005),
    "a place before the first": ROW.format(0, 5, 5),
}


def is_taken(shop, *statements: str) -> bool:
    """Whether the database would let somebody commit these; nothing of it stays."""
    with shop.app.app_context(), db.database.engine.connect() as connection:
        try:
            for statement in (*statements, "SET CONSTRAINTS ALL IMMEDIATE"):
                connection.execute(text(statement))
        except DBAPIError:
            return False
        finally:
            connection.rollback()
    return True


def test_plain_sql_changes_nothing_of_what_was_recorded(shop):
    fund(shop, 3 * PRICE)
    with shop.app.app_context():
        session_at(shop, 0)
    follows = "UPDATE credit_pools SET balance = balance + 5, entries = entries + 1"
    assert is_taken(shop, ROW.format(3, 5, 200_005), follows), "a movement as it should be"
    assert [name for name, statement in FORGED.items() if is_taken(shop, statement)] == []


def test_the_first_movement_of_a_pool_is_not_written_beside_it(shop):
    pool_made = f"INSERT INTO credit_pools (organization_id) VALUES ('{shop.company.organization.id}')"  # noqa: S608 - an id of ours
    follows = "UPDATE credit_pools SET balance = 5, entries = 1"
    assert is_taken(shop, pool_made, ROW.format(1, 5, 5), follows)
    assert not is_taken(shop, pool_made, ROW.format(1, 5, 5))


def test_a_pool_that_was_never_filled_gives_nothing(shop):
    for delta in (-1, -PRICE, -(10**15)):
        with shop.app.app_context(), pytest.raises(PaymentRequired) as refused, db.unit_of_work():
            pool.move(shop.company.organization.id, delta, reason=LedgerReason.ADJUSTMENT)
        assert (refused.value.code, refused.value.extra) == ("INSUFFICIENT_CREDITS", {"needed": -delta})
    assert shop.count("SELECT count(*) FROM credit_ledger") == 0


def test_only_purchases_count_as_bought(shop):
    fund(shop, PRICE)
    moved(shop, 500)
    moved(shop, 300, LedgerReason.REFUND)
    moved(shop, -800)
    moved(shop, 7, LedgerReason.PURCHASE)
    assert pool_of(shop) == (PRICE + 7, PRICE + 7)
    assert_chained(shop)


def test_managers_and_above_see_the_pool_and_others_do_not(shop):
    fund(shop, PRICE)
    slug = shop.company.organization.slug
    for role in (world.Role.ORG_LEARNER, world.Role.ORG_MANAGER, world.Role.ORG_ADMIN, world.Role.ORG_OWNER):
        with shop.app.app_context():
            user = world.make_user(f"{role.value.lower()}@acme.test")
            world.add_member(shop.company.organization, user, role)
        client = world.sign_in(shop.app.test_client(), user)
        answers = [client.get(path) for path in (api(shop), api(shop, "/purchases"), f"/orgs/{slug}/credits")]
        if role is world.Role.ORG_LEARNER:
            assert [answer.status_code for answer in answers] == [403] * 3
            assert all("1,000" not in answer.text for answer in answers)
        else:
            assert [answer.status_code for answer in answers] == [200] * 3, role
            assert answers[0].json["pool"] == {"balance": PRICE, "totalPurchased": PRICE}


def test_nobody_outside_sees_or_buys(shop):
    fund(shop, PRICE)
    with shop.app.app_context():
        other = world.make_company("Other")
        staff = world.make_user("staff@portal.test", role=world.PlatformRole.STAFF)
        admin = world.make_user("admin@portal.test", role=world.PlatformRole.ADMIN)
    paths = (api(shop), api(shop, "/purchases"))
    for user in (other.owner, staff):
        client = world.sign_in(shop.app.test_client(), user)
        assert [client.get(path).status_code for path in paths] == [403, 403]
    assert [shop.app.test_client().get(path).status_code for path in paths] == [401, 401]
    assert world.sign_in(shop.app.test_client(), admin).get(api(shop)).json["pool"]["balance"] == PRICE
    for unknown in ("0199a000-0000-7000-8000-000000000000", "nonsense"):
        answer = shop.client.get(f"/api/organizations/{unknown}/credits")
        assert (answer.status_code, answer.json["code"]) == (404, "ORGANIZATION_NOT_FOUND")
    theirs = world.sign_in(shop.app.test_client(), other.owner).get(f"/api/organizations/{other.organization.id}/credits")
    assert theirs.json == {"pool": {"balance": 0, "totalPurchased": 0}, "ledger": []}


def test_the_ledger_is_read_page_by_page_to_its_end(shop):
    fund(shop, 10_000)
    for number in range(1, 12):
        moved(shop, -number)
    owner = world.sign_in(shop.app.test_client(), shop.company.owner)
    read, before = [], None
    while True:
        page = owner.get(api(shop), query_string={"limit": 5, **({"before": before} if before else {})}).json["ledger"]
        if not page:
            break
        assert len(page) <= 5
        read += page
        before = page[-1]["position"]
    assert [row["position"] for row in read] == list(range(12, 0, -1))
    assert [row["delta"] for row in read] == [*range(-11, 0), 10_000]


def test_a_wrong_page_of_the_ledger_is_named(shop):
    fund(shop, PRICE)
    owner = world.sign_in(shop.app.test_client(), shop.company.owner)
    for name, value in (
        [("limit", each) for each in ("0", "201", "x", "1.5")] + [("before", each) for each in ("0", "-1", "x")] + [("page", "2")]
    ):
        answer = owner.get(api(shop), query_string={name: value})
        assert (answer.status_code, list(answer.json["details"])) == (400, [name]), value
    for beyond in (10**12, 2**63 - 1, 2**63, 10**30):
        shown = owner.get(api(shop), query_string={"before": str(beyond)})
        assert (shown.status_code, len(shown.json.get("ledger", []))) in {(200, 1), (400, 0)}, beyond


def test_purchases_are_read_page_by_page_and_only_ones_own(shop):
    fund(shop, PRICE)
    owner = world.sign_in(shop.app.test_client(), shop.company.owner)
    made = []
    for amount in (10_000, 20_000, 30_000):
        answer = owner.post(api(shop, "/purchase"), json={"amount": amount}, headers=world.csrf(owner))
        made.append(answer.json["purchase"]["id"])
    first = owner.get(api(shop, "/purchases"), query_string={"limit": 2}).json
    assert [item["id"] for item in first["items"]] == made[:0:-1]
    rest = owner.get(api(shop, "/purchases"), query_string={"limit": 2, "cursor": first["nextCursor"]}).json
    assert ([item["id"] for item in rest["items"]], rest["nextCursor"]) == (made[:1], None)
    with shop.app.app_context():
        other = world.make_company("Other")
    stranger = world.sign_in(shop.app.test_client(), other.owner)
    theirs = f"/api/organizations/{other.organization.id}/credits/purchases"
    assert stranger.get(theirs, query_string={"cursor": made[-1]}).json == {"items": [], "nextCursor": None}
    wrong = owner.get(api(shop, "/purchases"), query_string={"cursor": "nonsense"})
    assert (wrong.status_code, list(wrong.json["details"])) == (400, ["cursor"])


def test_other_billing_modes_have_an_empty_pool_and_a_page_that_says_so(shop):
    owner = Visitor(shop.app)
    world.sign_in(owner.client, shop.company.owner)
    for mode in ("TAG_ONLY", "INVOICED_MONTHLY", "PREPAID_UNLIMITED"):
        with shop.app.app_context():
            set_mode(shop.company.organization.id, mode)
        assert owner.client.get(api(shop)).json == {"pool": {"balance": 0, "totalPurchased": 0}, "ledger": []}
        summary = owner.client.get(f"/api/organizations/{shop.company.organization.id}/billing").json
        assert summary["creditBalance"] is None
        owner.get(f"/orgs/{shop.company.organization.slug}/credits")
        assert "doesn’t book on credits" in owner.words
        assert "Buy credits" not in owner.words


def test_the_page_shows_the_balance_the_movements_and_older_ones(shop):
    fund(shop, 12_345_678)
    shop.booked(on_organization=True)
    for _number in range(55):
        moved(shop, -1)
    owner = Visitor(shop.app)
    world.sign_in(owner.client, shop.company.owner)
    owner.get(f"/orgs/{shop.company.organization.slug}/credits")
    assert "₹1,22,456.23" in owner.words, "the balance"
    assert "₹1,23,456.78" in owner.words, "what was bought"
    assert "Positions 8 to 57" in owner.words
    assert "Career coaching, Asha" not in owner.words
    owner.get(f"/orgs/{shop.company.organization.slug}/credits?before=8")
    assert "Career coaching, Asha with Meera" in owner.words
    assert "Positions 1 to 7" in owner.words


def test_a_suspended_organizations_pool_is_shown_and_not_drawn_on(shop):
    fund(shop, PRICE)
    with shop.app.app_context(), db.unit_of_work():
        db.session.get_one(Organization, shop.company.organization.id).status = "SUSPENDED"
    refused = shop.checkout(on_organization=True)
    assert (refused.status_code, refused.json["code"]) == (409, "ORGANIZATION_NOT_ACTIVE")
    owner = world.sign_in(shop.app.test_client(), shop.company.owner)
    assert owner.get(api(shop)).json["pool"]["balance"] == PRICE
