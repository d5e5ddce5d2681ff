"""``Idempotency-Key``: one act and one answer however often and however simultaneously it is asked for, and nothing readable at rest."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import text

from portal import clock, crypto, db, jobs
from portal.accounts.rules import PlatformRole
from portal.web import idempotency
from tests.support import world
from tests.support.funding import caller, fund, pool_of
from tests.support.paying import Bank, make_shop, put_in, rows, set_mode
from tests.support.together import at_once

PRICE = 100_000
CREDITS = 10_000_000
MANY = 32
CHECKOUT = "/api/checkout"
REFUNDS = "/api/payments/refunds"
TOMORROW = clock.wall().replace(hour=9, minute=0, second=0, microsecond=0) + timedelta(days=1)


@pytest.fixture
def shop(rung, app):
    """The organization books on credits; its own plan costs ``PRICE``."""
    made = make_shop(app, rung)
    fund(made, CREDITS)
    return made


@pytest.fixture
def learner(shop):
    return caller(shop.app, shop.learner)


@pytest.fixture
def staff(shop):
    with shop.app.app_context():
        user = world.make_user("staff@portal.test", role=PlatformRole.STAFF)
    return caller(shop.app, user)


@pytest.fixture
def two_keys():
    """What the app reads with, as it was, when the test has replaced it."""
    kept = dict(crypto._keys)
    yield
    crypto._keys.clear()
    crypto._keys.update(kept)


def booking(shop, *, hours: int = 24, personal: bool = False) -> dict:
    """The body of a checkout; the same hours make the same body."""
    starts_at = TOMORROW + timedelta(hours=hours)
    if personal:
        return {"planId": shop.plan.id, "startsAt": starts_at.isoformat()}
    mine = {"planId": shop.company.plan.id, "consultantId": shop.company.consultant.id, "organizationId": shop.company.organization.id}
    return {**mine, "startsAt": starts_at.isoformat()}


def counted(shop, *tables: str) -> list[int]:
    return [shop.count(f"SELECT count(*) FROM {table}") for table in tables]  # noqa: S608 - names of ours


def asked(calls) -> list[tuple[int, object]]:
    """Status and JSON of each answer, as the threads got them."""
    return [(answer.status_code, answer.json) for answer in calls]


def test_the_same_checkout_thirty_two_times_at_once_is_one_booking_and_one_answer(shop, learner):
    body = booking(shop)
    answers, _refusals = at_once(shop.app, [lambda: learner.post(CHECKOUT, body, key="one")] * MANY)
    found = asked(answers)
    assert len(found) == MANY
    assert found[0][0] == 201
    assert all(answer == found[0] for answer in found)
    assert sum("Idempotency-Replayed" in answer.headers for answer in answers) == MANY - 1
    assert counted(shop, "bookings", "payments", "idempotent_answers") == [1, 1, 1]
    assert pool_of(shop)[0] == CREDITS - PRICE
    assert shop.count("SELECT count(*) FROM audit_rows WHERE action = 'BOOKING_MADE'") == 1


def test_the_same_checkout_by_card_at_once_opens_one_order(shop, learner, monkeypatch):
    bank = Bank()
    put_in(monkeypatch, bank)
    body = booking(shop, personal=True)
    answers, _refusals = at_once(shop.app, [lambda: learner.post(CHECKOUT, body, key="one")] * MANY)
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json["booking"]["id"] for answer in answers}) == 1
    assert (counted(shop, "bookings", "payments", "gateway_orders"), len(bank.orders)) == ([1, 1, 1], 1)
    again = learner.post(CHECKOUT, body, key="one")
    first = next(answer for answer in answers if "Idempotency-Replayed" not in answer.headers)
    assert again.json == first.json, "where to pay is in the answer that is kept"
    assert again.json["payment"]["gateway"]["orderId"] in bank.orders


def test_a_checkout_whose_provider_is_down_is_not_booked_twice_by_trying_again(shop, learner, monkeypatch):
    bank = Bank(is_down=True)
    put_in(monkeypatch, bank)
    body = booking(shop, personal=True)
    first, again = (learner.post(CHECKOUT, body, key="one") for _time in range(2))
    assert (first.status_code, first.json) == (201, again.json)
    assert first.json["payment"]["gateway"] is None
    assert counted(shop, "bookings", "payments", "gateway_orders") == [1, 1, 1]


def test_a_process_that_dies_while_it_asks_the_provider_leaves_an_answer(shop, learner, monkeypatch):
    """Booked and committed, then killed before the answer went out: whoever asks again is told of that very booking."""

    class Killed(Bank):
        def open(self, order):
            self.asked.append(order.key)
            raise KeyboardInterrupt

    put_in(monkeypatch, Killed())
    body = booking(shop, personal=True)
    with pytest.raises(KeyboardInterrupt):
        learner.post(CHECKOUT, body, key="one")
    put_in(monkeypatch, Bank())
    again = learner.post(CHECKOUT, body, key="one")
    assert (again.status_code, again.headers["Idempotency-Replayed"]) == (201, "true")
    [[booking_id]] = rows(shop.app, "SELECT id::text FROM bookings")
    assert again.json["booking"]["id"] == booking_id


def test_a_checkout_is_answered_although_its_key_was_forgotten_while_the_provider_was_asked(shop, learner, monkeypatch):
    """As when the clock goes a month on just then, and the sweep with it: the answer used to be a 500 beside a booking."""

    class Slow(Bank):
        def open(self, order):
            with db.database.engine.begin() as another:
                another.execute(text("DELETE FROM idempotent_answers"))
            return super().open(order)

    put_in(monkeypatch, Slow())
    answer = learner.post(CHECKOUT, booking(shop, personal=True), key="one")
    assert answer.status_code == 201
    assert counted(shop, "bookings", "idempotent_answers") == [1, 0]


def test_the_same_refund_thirty_two_times_at_once_is_given_once(shop, learner, staff):
    payment_id = learner.post(CHECKOUT, booking(shop)).json["payment"]["id"]
    body = {"paymentId": payment_id, "amount": 10_000, "reason": "Goodwill."}
    answers, _refusals = at_once(shop.app, [lambda: staff.post(REFUNDS, body, key="one")] * MANY)
    found = asked(answers)
    assert (found[0][0], found[0][1]["refund"]["amount"]) == (200, 10_000)
    assert all(answer == found[0] for answer in found)
    assert counted(shop, "refunds") == [1]
    assert pool_of(shop)[0] == CREDITS - PRICE + 10_000


def test_the_same_purchase_thirty_two_times_at_once_is_ordered_once(shop):
    owner = caller(shop.app, shop.company.owner)
    url = f"/api/organizations/{shop.company.organization.id}/credits/purchase"
    answers, _refusals = at_once(shop.app, [lambda: owner.post(url, {"amount": 50_000}, key="one")] * MANY)
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json["purchase"]["id"] for answer in answers}) == 1
    assert counted(shop, "credit_purchases", "gateway_orders", "sandbox_orders") == [1, 1, 1]


def test_the_same_close_out_thirty_two_times_at_once_is_one_invoice(shop, learner):
    with shop.app.app_context():
        set_mode(shop.company.organization.id, "INVOICED_MONTHLY")
    learner.post(CHECKOUT, booking(shop))
    owner = caller(shop.app, shop.company.owner)
    url = f"/api/organizations/{shop.company.organization.id}/billing/generate-invoice"
    answers, _refusals = at_once(shop.app, [lambda: owner.post(url, {}, key="one")] * 8)
    found = asked(answers)
    assert found[0][0] == 201
    assert all(answer == found[0] for answer in found)
    assert counted(shop, "invoices") == [1]


def test_thirty_two_keys_are_thirty_two_acts(shop, learner, staff):
    payment_id = learner.post(CHECKOUT, booking(shop)).json["payment"]["id"]
    body = {"paymentId": payment_id, "amount": 1_000}
    acts = [lambda number=number: staff.post(REFUNDS, body, key=f"key {number}") for number in range(MANY)]
    answers, _refusals = at_once(shop.app, acts)
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json["refund"]["id"] for answer in answers}) == MANY
    assert pool_of(shop)[0] == CREDITS - PRICE + MANY * 1_000


def test_without_a_key_every_call_counts(shop, learner, staff):
    payment_id = learner.post(CHECKOUT, booking(shop)).json["payment"]["id"]
    first, second = (staff.post(REFUNDS, {"paymentId": payment_id, "amount": 1_000}) for _time in range(2))
    assert first.json["refund"]["id"] != second.json["refund"]["id"]
    assert counted(shop, "refunds", "idempotent_answers") == [2, 0]


def test_another_call_under_the_same_key_is_a_conflict_and_does_nothing(shop, learner):
    first = learner.post(CHECKOUT, booking(shop), key="one")
    others = [
        (CHECKOUT, booking(shop, hours=30)),
        (CHECKOUT, booking(shop, personal=True)),
        (CHECKOUT, {}),
        (f"{CHECKOUT}?again", booking(shop)),
    ]
    for path, body in others:
        refused = learner.post(path, body, key="one")
        assert (refused.status_code, refused.json["code"]) == (409, "IDEMPOTENCY_KEY_REUSED"), (path, body)
    assert counted(shop, "bookings", "idempotent_answers") == [1, 1]
    assert learner.post(CHECKOUT, booking(shop), key="one").json == first.json


def test_of_two_bodies_under_one_key_at_once_one_is_done_and_the_other_refused(shop, learner):
    bodies = [booking(shop), booking(shop, hours=30)]
    answers, _refusals = at_once(shop.app, [lambda body=body: learner.post(CHECKOUT, body, key="one") for body in bodies * 8])
    assert sorted(answer.status_code for answer in answers) == [201] * 8 + [409] * 8
    assert {answer.json["code"] for answer in answers if answer.status_code == 409} == {"IDEMPOTENCY_KEY_REUSED"}
    assert counted(shop, "bookings") == [1]


def test_a_key_is_each_callers_own(shop, learner):
    owner = caller(shop.app, shop.company.owner)
    mine = learner.post(CHECKOUT, booking(shop), key="one")
    theirs = owner.post(CHECKOUT, booking(shop, hours=30), key="one")
    assert (mine.status_code, theirs.status_code) == (201, 201)
    assert mine.json["booking"]["learnerId"] != theirs.json["booking"]["learnerId"]
    same = owner.post(CHECKOUT, booking(shop), key="one")
    assert (same.status_code, same.json["code"]) == (409, "IDEMPOTENCY_KEY_REUSED"), "they aren't shown what the other got"
    assert counted(shop, "bookings", "idempotent_answers") == [2, 2]


def test_another_sign_in_of_the_same_person_gets_the_first_answer(shop, learner):
    first = learner.post(CHECKOUT, booking(shop), key="one")
    assert caller(shop.app, shop.learner).post(CHECKOUT, booking(shop), key="one").json == first.json
    assert counted(shop, "bookings") == [1]


def test_a_first_answer_is_not_given_to_who_has_lost_the_right_to_ask(shop, staff, learner):
    payment_id = learner.post(CHECKOUT, booking(shop)).json["payment"]["id"]
    body = {"paymentId": payment_id, "amount": 1_000}
    assert staff.post(REFUNDS, body, key="one").status_code == 200
    with shop.app.app_context(), db.unit_of_work():
        db.session.execute(text("UPDATE users SET platform_role = 'USER' WHERE email = 'staff@portal.test'"))
    assert staff.post(REFUNDS, body, key="one").status_code == 403
    signed_out = replace(staff, headers={name: value for name, value in staff.headers.items() if name != "Cookie"})
    assert signed_out.post(REFUNDS, body, key="one").status_code in {400, 401}


def test_a_refusal_is_not_kept_and_the_same_key_may_succeed_later(shop, learner):
    body = booking(shop)
    with shop.app.app_context():
        set_mode(shop.company.organization.id, "INVOICED_MONTHLY", credit_limit=0)
    for _time in range(2):
        refused = learner.post(CHECKOUT, body, key="one")
        assert (refused.status_code, refused.json["code"]) == (402, "CREDIT_LIMIT_REACHED")
        assert "Idempotency-Replayed" not in refused.headers
    assert counted(shop, "bookings", "idempotent_answers") == [0, 0]
    assert learner.post(CHECKOUT, booking(shop, hours=30), key="one").status_code == 402, "nothing was done under this key"
    with shop.app.app_context():
        set_mode(shop.company.organization.id, "INVOICED_MONTHLY", credit_limit=None)
    assert learner.post(CHECKOUT, body, key="one").status_code == 201
    assert learner.post(CHECKOUT, body, key="one").headers["Idempotency-Replayed"] == "true"
    assert counted(shop, "bookings") == [1]


def test_refusals_at_once_let_the_next_one_try(shop, learner):
    """A pool that is filled while the same call waits behind one that is refused."""
    with shop.app.app_context():
        set_mode(shop.company.organization.id, "INVOICED_MONTHLY", credit_limit=0)
    answers, _refusals = at_once(shop.app, [lambda: learner.post(CHECKOUT, booking(shop), key="one")] * 16)
    assert {(answer.status_code, answer.json["code"]) for answer in answers} == {(402, "CREDIT_LIMIT_REACHED")}
    assert counted(shop, "bookings", "idempotent_answers") == [0, 0]


def test_bad_input_is_refused_alike_each_time_and_leaves_the_key_free(shop, learner):
    for body in ({}, {"planId": 7}, {**booking(shop), "startsAt": "yesterday"}, {**booking(shop), "planId": "nonsense"}):
        first, again = (learner.post(CHECKOUT, body, key="one") for _time in range(2))
        assert first.status_code in {400, 404}
        assert asked([first]) == asked([again])
    assert learner.post(CHECKOUT, booking(shop), key="one").status_code == 201


def test_a_key_is_kept_for_a_day_and_is_free_afterwards(shop):
    begin = clock.now().replace(microsecond=0)
    body = booking(shop, hours=24 * 20)
    seen = []
    for after in (timedelta(), timedelta(hours=24), timedelta(hours=24, seconds=1)):
        with clock.as_of(begin + after):
            learner = caller(shop.app, shop.learner)
            seen.append(learner.post(CHECKOUT, body, key="one"))
    first, kept, forgotten = seen
    assert (first.status_code, kept.json) == (201, first.json)
    assert (forgotten.status_code, forgotten.json["code"]) == (409, "SLOT_TAKEN"), "it is a call of its own, and the slot is gone"
    with clock.as_of(begin + timedelta(hours=24, seconds=2)):
        other = caller(shop.app, shop.learner).post(CHECKOUT, booking(shop, hours=24 * 21), key="one")
    assert other.status_code == 201, "another call under the key of yesterday"
    assert counted(shop, "bookings", "idempotent_answers") == [2, 1]


def test_a_forgotten_key_is_taken_once_by_many_at_once(shop):
    with clock.as_of(clock.now() - timedelta(hours=25)):
        caller(shop.app, shop.learner).post(CHECKOUT, booking(shop, hours=24 * 20), key="one")
    learner = caller(shop.app, shop.learner)
    body = booking(shop, hours=24 * 21)
    answers, _refusals = at_once(shop.app, [lambda: learner.post(CHECKOUT, body, key="one")] * MANY)
    found = asked(answers)
    assert found[0][0] == 201
    assert all(answer == found[0] for answer in found)
    assert counted(shop, "bookings", "idempotent_answers") == [2, 1]


def test_the_sweep_deletes_what_is_older_than_a_day_and_nothing_else(shop, learner):
    for number, hours in enumerate((25, 24.1, 23.9, 0)):
        with clock.as_of(clock.now() - timedelta(hours=hours)):
            caller(shop.app, shop.learner).post(CHECKOUT, booking(shop, hours=24 * 20 + number), key=f"{hours}")
    with shop.app.app_context():
        jobs.run("sweep")
    assert sorted(row.key for row in rows(shop.app, "SELECT key FROM idempotent_answers")) == ["0", "23.9"]
    assert counted(shop, "bookings") == [4]
    with shop.app.app_context(), db.unit_of_work():
        assert idempotency.forget_old_answers() == 0


def test_nothing_of_an_answer_can_be_read_in_the_database(shop):
    owner = caller(shop.app, shop.company.owner)
    url = f"/api/organizations/{shop.company.organization.id}/invitations"
    made = owner.post(url, {"email": "kavya@acme.test", "role": "ORG_LEARNER"}, key="an invitation")
    assert made.status_code == 201
    token = made.json["token"] if "token" in made.json else made.json["invitation"]["token"]
    again = owner.post(url, {"email": "kavya@acme.test", "role": "ORG_LEARNER"}, key="an invitation")
    assert again.json == made.json, "the token that is shown once is shown again to who asks again"
    [row] = rows(shop.app, "SELECT * FROM idempotent_answers")
    stored = json.dumps([str(value) for value in row])
    for secret in (token, "kavya@acme.test", "ORG_LEARNER", made.json["invitation"]["id"]):
        assert secret not in stored
    assert row.answer.startswith("k1.")
    assert (row.status, row.key, str(row.caller_id)) == (201, "an invitation", shop.company.owner.id)
    everything = "SELECT string_agg(t::text, ' ') FROM invitations t"
    assert token not in rows(shop.app, everything)[0][0]


def test_answers_outlive_a_change_of_keys_as_long_as_the_old_one_is_there(shop, learner, settings, two_keys):
    body = booking(shop)
    first = learner.post(CHECKOUT, body, key="old")
    crypto.use_keys(f"k2:{'cd' * 32},{settings.data_encryption_keys}")
    assert learner.post(CHECKOUT, body, key="old").json == first.json
    later = learner.post(CHECKOUT, booking(shop, hours=30), key="new")
    stored = {row.key: row.answer.partition(".")[0] for row in rows(shop.app, "SELECT key, answer FROM idempotent_answers")}
    assert stored == {"old": "k1", "new": "k2"}
    crypto.use_keys(f"k2:{'cd' * 32}")
    assert learner.post(CHECKOUT, booking(shop, hours=30), key="new").json == later.json
    assert learner.post(CHECKOUT, body, key="old").status_code >= 400, "it can't be read any more"
    assert counted(shop, "bookings") == [2], "and it isn't done again"


def test_an_answer_moved_to_another_key_or_caller_is_not_given_out(shop, learner):
    first = learner.post(CHECKOUT, booking(shop), key="one")
    second = learner.post(CHECKOUT, booking(shop, hours=30), key="two")
    assert (first.status_code, second.status_code) == (201, 201)
    with shop.app.app_context(), db.unit_of_work():
        swap = "UPDATE idempotent_answers a SET answer = b.answer FROM idempotent_answers b WHERE a.key = 'one' AND b.key = 'two'"
        db.session.execute(text(swap))
    moved = learner.post(CHECKOUT, booking(shop), key="one")
    assert moved.status_code >= 400
    assert second.json["booking"]["id"] not in moved.text


def test_keys_that_are_none_are_refused_and_nothing_is_done(shop, learner):
    client = shop.app.test_client(use_cookies=False)
    for key in ("", "x" * 201, "x" * 5_000, "é", "kéy", "a\tb", "a\x7fb", "a\x00b", "\u2028", "🔑"):
        environ = {"HTTP_IDEMPOTENCY_KEY": key.encode().decode("latin-1")}
        answer = client.post(CHECKOUT, json=booking(shop), headers=learner.headers, environ_overrides=environ)
        assert (answer.status_code, answer.json["code"]) == (400, "IDEMPOTENCY_KEY_INVALID"), key
    assert counted(shop, "bookings", "idempotent_answers") == [0, 0]


def test_odd_keys_are_keys_all_the_same(shop, learner):
    keys = ["x", "x" * 200, "X", "a b", "'; DROP TABLE bookings; --", "%s%(x)s", "{}", '"quoted"', "../..", "a,b", "0", "null"]
    for number, key in enumerate(keys):
        first, again = (learner.post(CHECKOUT, booking(shop, hours=24 + number), key=key) for _time in range(2))
        assert (first.status_code, again.headers["Idempotency-Replayed"]) == (201, "true"), key
        assert first.json == again.json
    assert counted(shop, "bookings", "idempotent_answers") == [len(keys)] * 2


def test_a_key_without_a_sign_in_or_a_token_does_nothing(shop):
    nobody = shop.app.test_client()
    answer = nobody.post(CHECKOUT, json=booking(shop), headers={**world.csrf(nobody), "Idempotency-Key": "one"})
    assert answer.status_code == 401
    assert counted(shop, "bookings", "idempotent_answers") == [0, 0]
