"""Any history of bookings and their money: whatever happens in whatever order, the sums hold after each step, and nothing stays open.

Organizations of all four billing modes and a person of their own book with one consultant; the provider has bad days, doorbells get
lost, doubled and mixed up, the clock moves. What ought to be there is kept in plain integers here and compared with plain SQL.
"""

import json
import os
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from sqlalchemy import text

from portal import clock, db, jobs
from portal.audit.rules import SYSTEM
from portal.billing import queries as billing
from portal.billing.schemas import RefundIn
from portal.billing.service import orders, refunds
from portal.bookings import service as bookings
from portal.bookings.schemas import CheckoutIn
from portal.errors import DomainError
from portal.gateways.payments import OrderStatus, RefundStatus
from portal.orgs.models import Organization
from tests.support import world
from tests.support.funding import BROKEN_CHAIN
from tests.support.paying import Bank, own_plan, post_signed, put_in, set_mode

START = datetime(2026, 3, 10, 6, 0, tzinfo=UTC)
FIRST_SLOT = START + timedelta(hours=20)
PRICES = {"TAG_ONLY": 40_001, "SEAT_PACK": 33_335, "INVOICED_MONTHLY": 10_003, "PREPAID_UNLIMITED": 70_007, "SELF": 25_000}
PAYERS = tuple(PRICES)
MONEY_JOBS = ("billing-ask-order", "billing-handle-event", "billing-move-refund", "bookings-settle-payment")
TIMED_JOBS = ("bookings-release-unpaid", "billing-cancel-stale-purchases", "sweep")
TABLES = """bookings, payments, refunds, gateway_orders, gateway_events, credit_purchases, credit_ledger, credit_pools, invoices,
            billing_runs, job_runs, audit_rows"""
LEGAL = {
    "payments": {("PENDING", "SUCCEEDED"), ("PENDING", "FAILED"), ("FAILED", "SUCCEEDED")},
    "bookings": {("HELD", "CONFIRMED"), ("HELD", "RELEASED"), ("RELEASED", "CONFIRMED")},
    "refunds": {("PENDING", "SUCCEEDED"), ("PENDING", "FAILED")},
    "credit_purchases": {("PENDING", "PROCESSED"), ("PENDING", "CANCELLED"), ("CANCELLED", "PROCESSED")},
    "gateway_orders": {
        ("NEW", "OPEN"), ("NEW", "PAID"), ("NEW", "FAILED"), ("NEW", "EXPIRED"), ("OPEN", "PAID"), ("OPEN", "FAILED"),
        ("OPEN", "EXPIRED"), ("FAILED", "PAID"), ("EXPIRED", "PAID"),
    },
}  # fmt: skip
REFUNDED = """
SELECT p.id FROM payments p LEFT JOIN refunds r ON r.payment_id = p.id GROUP BY p.id
HAVING p.claimed_amount <> coalesce(sum(r.amount) FILTER (WHERE r.status <> 'FAILED'), 0)
    OR p.refunded_amount <> coalesce(sum(r.amount) FILTER (WHERE r.status = 'SUCCEEDED'), 0)
    OR p.claimed_amount > CASE WHEN p.payment_method = 'ORG_PREPAID' THEN p.original_amount ELSE p.amount END
"""
DISAGREEING = """
SELECT b.id, b.status, p.status FROM payments p LEFT JOIN bookings b ON b.payment_id = p.id
LEFT JOIN gateway_orders o ON o.payment_id = p.id
WHERE b.id IS NULL OR (p.payment_method = 'CARD') <> (o.id IS NOT NULL)
   OR (b.status = 'HELD') <> (p.status = 'PENDING') OR (b.status = 'CONFIRMED' AND p.status <> 'SUCCEEDED')
   OR (p.status = 'SUCCEEDED' AND p.payment_method = 'CARD' AND o.status <> 'PAID')
   OR (p.status = 'SUCCEEDED' AND b.status = 'RELEASED' AND p.claimed_amount = 0
       AND NOT EXISTS (SELECT 1 FROM refunds r WHERE r.payment_id = p.id))
   OR (p.payment_method <> 'CARD' AND (p.status, b.status) <> ('SUCCEEDED', 'CONFIRMED'))
"""
OVERLAPPING = """
SELECT a.id, b.id FROM bookings a JOIN bookings b ON a.id < b.id AND a.consultant_id = b.consultant_id
WHERE a.status <> 'RELEASED' AND b.status <> 'RELEASED' AND a.during && b.during
"""
FIRST_PAYMENTS = """
SELECT id FROM organizations o WHERE (first_payment_at IS NOT NULL) <>
  (EXISTS (SELECT 1 FROM payments p WHERE p.organization_id = o.id)
   OR EXISTS (SELECT 1 FROM credit_purchases c WHERE c.organization_id = o.id))
"""
OPEN = """
SELECT 'order ' || id FROM gateway_orders WHERE status IN ('NEW', 'OPEN') UNION ALL
SELECT 'payment ' || p.id FROM payments p LEFT JOIN gateway_orders o ON o.payment_id = p.id
  WHERE p.status = 'PENDING' OR (p.status = 'FAILED' AND o.status = 'PAID') UNION ALL
SELECT 'booking ' || id FROM bookings WHERE status = 'HELD' UNION ALL SELECT 'refund ' || id FROM refunds WHERE status = 'PENDING' UNION ALL
SELECT 'purchase ' || id FROM credit_purchases WHERE status = 'PENDING' UNION ALL
SELECT 'event ' || id FROM gateway_events WHERE handled_at IS NULL
"""


@dataclass(frozen=True)
class Town:
    """Everybody there is; made once, while the money is swept away before each history."""

    app: object
    bells: list
    bank: Bank
    companies: dict[str, world.Company]
    learner: object
    consultant: object
    own_plan: object


@dataclass
class Model:
    """What ought to be there, in plain integers (paise)."""

    pool: int = 0
    bought: int = 0
    unbilled: int = 0
    limit: int | None = None
    left: dict[str, int] = field(default_factory=dict)
    methods: dict[str, str] = field(default_factory=dict)
    card_claims: dict[str, tuple[str, int]] = field(default_factory=dict)


def make_town(app, bells, bank) -> Town:
    with clock.as_of(START), app.app_context():
        consultant = world.make_consultant("meera@experts.test")
        learner = world.make_user("asha@acme.test")
        companies = {}
        for mode in PAYERS[:4]:
            company = world.make_company(f"{mode.title().replace('_', ' ')}", price=PRICES[mode], consultant=consultant)
            world.add_member(company.organization, learner, world.Role.ORG_LEARNER)
            set_mode(company.organization.id, mode)
            companies[mode] = company
        return Town(app, bells, bank, companies, learner, consultant, own_plan(consultant, price=PRICES["SELF"]))


def taxed(amount: int) -> int:
    """With 9 % CGST and 9 % SGST, each rounded half up to the paisa (section 170 of the CGST Act rounds the rest away)."""
    return amount + 2 * ((amount * 9 + 50) // 100)


class Histories(RuleBasedStateMachine):
    """One history. ``town`` is set by the test."""

    town: Town
    looks = 0
    """How often every sum was looked at, over all histories."""

    def __init__(self) -> None:
        super().__init__()
        self.model, self.now, self.rung_before = Model(), START, []
        self.seen: dict[str, dict[str, str]] = {table: {} for table in LEGAL}

    @initialize()
    def sweep_the_money_away(self) -> None:
        town = self.town
        with town.app.app_context(), db.database.engine.begin() as connection:
            connection.execute(text("SET LOCAL session_replication_role = replica"))
            connection.execute(text(f"TRUNCATE {TABLES} CASCADE"))
            connection.execute(text("UPDATE organizations SET first_payment_at = NULL, credit_limit = NULL"))
        town.bells.clear()
        town.bank.orders.clear()
        town.bank.refunds.clear()
        town.bank.is_down, town.bank.loses_answers, town.bank.refunds_are = False, False, RefundStatus.SUCCEEDED
        self.buy_credits(amount=100_000)
        self.have_all_paid(is_worked_off=True)

    # Acts of people.

    @rule(payer=st.sampled_from(PAYERS), slot=st.integers(0, 9))
    def book(self, payer, slot) -> None:
        starts_at = FIRST_SLOT + timedelta(hours=slot)
        expected = self._refusal(payer, starts_at)
        company = self.town.companies.get(payer)
        data = CheckoutIn(
            plan_id=company.plan.id if company else self.town.own_plan.id,
            starts_at=starts_at,
            organization_id=company.organization.id if company else None,
            consultant_id=self.town.consultant.id if company else None,
        )
        with self._acting():
            try:
                with db.unit_of_work():
                    who = {"learner": self.town.learner, "actor": world.as_self(self.town.learner)}
                    made = bookings.checkout(data, organization=company.organization if company else None, **who)
                    payment_id = made.payment_id
                    bookings.open_payment(made)
            except DomainError as refusal:
                refused = refusal.code
            else:
                refused = None
        assert refused == expected
        if refused is not None:
            return
        price = PRICES[payer]
        self.model.left[payment_id] = price
        self.model.methods[payment_id] = payer
        self.model.pool -= price if payer == "SEAT_PACK" else 0
        self.model.unbilled += price if payer == "INVOICED_MONTHLY" else 0

    @rule(amount=st.sampled_from([10_000, 33_335, 50_005, 100_000]))
    def buy_credits(self, amount) -> None:
        company = self.town.companies["SEAT_PACK"]
        with self._acting(), db.unit_of_work():
            who = {"buyer": company.owner, "actor": world.as_self(company.owner)}
            _purchase, order = orders.order_credits(amount, organization=company.organization, return_url="http://localhost/", **who)
            orders.open_now(order)

    @rule(number=st.integers(0, 99), part=st.sampled_from([None, 1, 3_333, 10_003, 40_002, 80_000]))
    def refund(self, number, part) -> None:
        if not self.model.left:
            return
        payment_id = list(self.model.left)[number % len(self.model.left)]
        payer, left = self.model.methods[payment_id], self.model.left[payment_id]
        amount, is_paid = left if part is None else part, self.seen["payments"][payment_id] == "SUCCEEDED"
        expected = (
            "PAYMENT_NOT_SUCCEEDED" if not is_paid else "NOTHING_LEFT" if not left else "ABOVE_WHAT_IS_LEFT" if amount > left else None
        )
        with self._acting():
            try:
                with db.unit_of_work():
                    made = refunds.refund(RefundIn(payment_id=payment_id, amount=part), actor=SYSTEM)
                    made_id, status = made.id, made.status
            except DomainError as refusal:
                refused = refusal.code
            else:
                refused = None
        assert refused == expected
        if refused is not None:
            return
        by_card = payer in {"TAG_ONLY", "SELF"}
        assert status == ("PENDING" if by_card else "SUCCEEDED")
        self.model.left[payment_id] -= amount
        self.model.pool += amount if payer == "SEAT_PACK" else 0
        self.model.unbilled -= amount if payer == "INVOICED_MONTHLY" else 0
        if by_card:
            self.model.card_claims[made_id] = (payment_id, amount)

    @rule(limit=st.sampled_from([None, 0, 11_802, 11_803, 25_000, 60_000]))
    def set_the_limit(self, limit) -> None:
        self.model.limit = limit
        with self._acting(), db.unit_of_work():
            db.session.get_one(Organization, self.town.companies["INVOICED_MONTHLY"].organization.id).credit_limit = limit

    # Acts at the provider: on time or late, told once, twice, in any order or never.

    @rule(number=st.integers(0, 99), wrong=st.integers(0, 9))
    def pay(self, number, wrong) -> None:
        if unpaid := [key for key, order in self.town.bank.orders.items() if order.status is not OrderStatus.PAID]:
            key = unpaid[number % len(unpaid)]
            self.town.bank.pay(key, amount=1 if wrong == 0 else None)

    @rule(is_worked_off=st.booleans())
    def have_all_paid(self, is_worked_off) -> None:
        """Everybody pays on a good day; the settling doorbells may be lost all the same."""
        bank = self.town.bank
        bank.is_down = bank.loses_answers = False
        for number, (key, order) in enumerate(bank.orders.items()):
            if order.status is OrderStatus.OPEN:
                bank.pay(key)
                self._tell(kind="order.paid", event_id=f"evt_at_{self.now.timestamp()}_{number}", order_id=key)
        if is_worked_off:
            self._work()
            return
        for bell in [bell for bell in self.town.bells if bell.name == "billing-handle-event"]:
            self._run(bell.name, *bell.ids)
        self.town.bells.clear()

    @rule(number=st.integers(0, 99))
    def decline(self, number) -> None:
        if waiting := [order for order in self.town.bank.orders.values() if order.status is OrderStatus.OPEN]:
            waiting[number % len(waiting)].status = OrderStatus.FAILED

    @rule(number=st.integers(0, 99), kind=st.sampled_from(["order.paid", "order.failed", "order.opened"]), event=st.integers(0, 30))
    def tell_of_an_order(self, number, kind, event) -> None:
        if keys := list(self.town.bank.orders):
            self._tell(kind=kind, event_id=f"evt_{event}", order_id=keys[number % len(keys)])

    @rule(number=st.integers(0, 99), event=st.integers(0, 30))
    def tell_of_a_refund(self, number, event) -> None:
        if keys := list(self.town.bank.refunds):
            order_id = self.town.bank.refunds[keys[number % len(keys)]][0].order_id
            self._tell(kind="refund.moved", event_id=f"evt_r{event}", order_id=order_id, refund_key=keys[number % len(keys)])

    @rule(is_down=st.booleans(), loses=st.booleans(), become=st.sampled_from(list(RefundStatus)))
    def have_a_day(self, is_down, loses, become) -> None:
        self.town.bank.is_down, self.town.bank.loses_answers, self.town.bank.refunds_are = is_down and loses, loses and not is_down, become

    @rule(number=st.integers(0, 99), status=st.sampled_from([RefundStatus.SUCCEEDED, RefundStatus.FAILED]))
    def decide_a_refund(self, number, status) -> None:
        if waiting := [key for key, (_order, now) in self.town.bank.refunds.items() if now is RefundStatus.PENDING]:
            self.town.bank.decide(waiting[number % len(waiting)], status)

    # Workers and the clock.

    @rule(number=st.integers(0, 99), times=st.integers(1, 2))
    def answer_a_bell(self, number, times) -> None:
        if self.town.bells:
            bell = self.town.bells.pop(number % len(self.town.bells))
            self.rung_before.append(bell)
            for _time in range(times):
                self._run(bell.name, *bell.ids)

    @rule()
    def answer_all_bells(self) -> None:
        self._work()

    @rule(number=st.integers(0, 99))
    def answer_an_old_bell_again(self, number) -> None:
        if self.rung_before:
            bell = self.rung_before[number % len(self.rung_before)]
            self._run(bell.name, *bell.ids)

    @rule()
    def lose_all_bells(self) -> None:
        self.town.bells.clear()

    @rule(name=st.sampled_from(TIMED_JOBS))
    def run_a_timed_job(self, name) -> None:
        self._run(name)

    @rule(minutes=st.sampled_from([1, 5, 29, 31, 180]))
    def let_time_pass(self, minutes) -> None:
        self.now += timedelta(minutes=minutes)

    # What holds after each step.

    @invariant()
    def every_sum_holds(self) -> None:
        Histories.looks += 1
        with self.town.app.app_context(), db.database.engine.connect() as connection:
            self._follow(connection)
            assert not connection.execute(text(REFUNDED)).all()
            assert not connection.execute(text(DISAGREEING)).all()
            assert not connection.execute(text(OVERLAPPING)).all()
            assert not connection.execute(text(FIRST_PAYMENTS)).all()
            assert connection.execute(text(BROKEN_CHAIN)).scalar_one() == 0
            pools = connection.execute(text("SELECT balance, total_purchased FROM credit_pools")).all()
            assert pools == ([(self.model.pool, self.model.bought)] if self.model.bought else [])
            last = connection.execute(text("SELECT balance_after FROM credit_ledger ORDER BY position DESC LIMIT 1")).scalar()
            in_sum = connection.execute(text("SELECT sum(delta) FROM credit_ledger")).scalar()
            assert (last or 0, in_sum or 0) == (self.model.pool, self.model.pool)
            assert self.model.pool >= 0
            claims = connection.execute(text("SELECT id::text, amount - claimed_amount, original_amount FROM payments")).all()
            for payment_id, left, original in claims:
                expected = self.model.left[payment_id]
                prepaid = self.model.methods[payment_id] == "PREPAID_UNLIMITED"
                assert left + (original if prepaid else 0) == expected
            assert len(claims) == len(self.model.left)
        with self._acting():
            found = billing.exposure(db.session.get_one(Organization, self.town.companies["INVOICED_MONTHLY"].organization.id))
            assert (found.unbilled, found.total) == (self.model.unbilled, taxed(self.model.unbilled))

    def teardown(self) -> None:
        """The provider is well again and tells of all it knows; sweeps bring everything to its end, and the books agree."""
        bank = self.town.bank
        bank.is_down = bank.loses_answers = False
        bank.refunds_are = RefundStatus.SUCCEEDED
        for key, (_order, status) in list(bank.refunds.items()):
            if status is RefundStatus.PENDING:
                bank.decide(key, RefundStatus.SUCCEEDED)
        for number, (key, order) in enumerate(bank.orders.items()):
            if order.status is OrderStatus.PAID:
                self._tell(kind="order.paid", event_id=f"evt_last_{number}", order_id=key)
        self.town.bells.clear()
        for _round in range(5):
            self.now += timedelta(minutes=11)
            for name in TIMED_JOBS:
                self._run(name)
            self._work()
        self.every_sum_holds()
        with self.town.app.app_context(), db.database.engine.connect() as connection:
            assert not connection.execute(text(OPEN)).all()
            self._agree_with_the_bank(connection)

    def _agree_with_the_bank(self, connection) -> None:
        bank = self.town.bank
        ours = "SELECT order_id FROM gateway_orders WHERE status = 'PAID'"
        paid = {key for key, order in bank.orders.items() if order.status is OrderStatus.PAID and order.received == order.asked.amount}
        assert set(connection.execute(text(ours)).scalars()) == paid
        succeeded = """SELECT o.order_id FROM gateway_orders o LEFT JOIN payments p ON p.id = o.payment_id
                       LEFT JOIN credit_purchases c ON c.id = o.purchase_id WHERE 'SUCCEEDED' = p.status OR 'PROCESSED' = c.status"""
        assert set(connection.execute(text(succeeded)).scalars()) == paid
        given = """SELECT coalesce(sum(r.amount), 0)::bigint FROM refunds r JOIN payments p ON p.id = r.payment_id
                   WHERE p.payment_method = 'CARD' AND r.status = 'SUCCEEDED'"""
        assert connection.execute(text(given)).scalar_one() == bank.given_back

    # How all that is done.

    @contextmanager
    def _acting(self):
        with clock.as_of(self.now), self.town.app.app_context():
            yield

    def _run(self, name, *ids) -> None:
        with self._acting():
            jobs.run(name, *ids)

    def _work(self) -> None:
        while self.town.bells:
            bell = self.town.bells.pop(0)
            if bell.name in MONEY_JOBS:  # documents and mails are tested elsewhere, and cost more than all this
                self.rung_before.append(bell)
                self._run(bell.name, *bell.ids)

    def _tell(self, *, kind, event_id, order_id, refund_key=None) -> None:
        told = {"id": event_id, "type": kind, "order_id": order_id, "refund_key": refund_key}
        with clock.as_of(self.now):
            answer = post_signed(self.town.app, json.dumps(told).encode())
        assert answer.status_code == 200

    def _refusal(self, payer, starts_at) -> str | None:
        """Which refusal a booking must meet."""
        if starts_at <= self.now:
            return "START_REFUSED"
        after = taxed(self.model.unbilled + PRICES[payer])
        if payer == "INVOICED_MONTHLY" and self.model.limit is not None and after > self.model.limit:
            return "CREDIT_LIMIT_REACHED"
        with self.town.app.app_context(), db.database.engine.connect() as connection:
            taken = "SELECT 1 FROM bookings WHERE starts_at = :at AND status <> 'RELEASED'"
            if connection.execute(text(taken), {"at": starts_at}).all():
                return "SLOT_TAKEN"
        return "INSUFFICIENT_CREDITS" if payer == "SEAT_PACK" and self.model.pool < PRICES[payer] else None

    def _follow(self, connection) -> None:
        """Takes over what the portal has learned of the provider, when it is true and the step is a legal one."""
        for table, legal in LEGAL.items():
            found = {str(row.id): row.status for row in connection.execute(text(f"SELECT id, status FROM {table}"))}  # noqa: S608 - S608: names of ours
            before = self.seen[table]
            assert before.keys() <= found.keys(), "nothing disappears"
            steps = {key: (before[key], now) for key, now in found.items() if key in before and before[key] != now}
            assert set(steps.values()) <= legal, (table, steps)
            changed = {key for key, now in found.items() if before.get(key) != now}
            self.seen[table] = found
            if table == "refunds":
                self._follow_refunds(connection, changed)
            if table == "credit_purchases":
                self._follow_purchases(connection, [key for key in changed if found[key] == "PROCESSED"])

    def _follow_refunds(self, connection, changed) -> None:
        for key in changed:
            status, own = self.seen["refunds"][key], key in self.model.card_claims
            row = connection.execute(
                text("SELECT payment_id::text, amount, created_by, reason FROM refunds WHERE id = :id"), {"id": key}
            ).one()
            by_card = self.model.methods[row.payment_id] in {"TAG_ONLY", "SELF"}
            if by_card and not own:  # given back by itself: only all of it, and only for a slot that was released
                assert (row.amount, row.created_by) == (self.model.left[row.payment_id], None)
                assert "released" in row.reason
                self.model.left[row.payment_id] -= row.amount
                self.model.card_claims[key] = (row.payment_id, row.amount)
            if by_card and status != "PENDING":
                assert self.town.bank.refunds[key][1].name == status
            if by_card and status == "FAILED":
                payment_id, amount = self.model.card_claims[key]
                self.model.left[payment_id] += amount

    def _follow_purchases(self, connection, processed) -> None:
        for key in processed:
            statement = """SELECT o.order_id, c.amount, c.payable FROM gateway_orders o
                           JOIN credit_purchases c ON c.id = o.purchase_id WHERE c.id = :id"""
            row = connection.execute(text(statement), {"id": key}).one()
            order = self.town.bank.orders[row.order_id]
            assert (order.status, order.received, order.asked.amount) == (OrderStatus.PAID, taxed(row.amount), taxed(row.amount))
            self.model.pool += row.amount
            self.model.bought += row.amount


def test_whatever_happens_in_whatever_order_the_money_is_right(rung, app, monkeypatch):
    bank = Bank()
    put_in(monkeypatch, bank)
    Histories.town = make_town(app, rung, bank)
    checks = list(HealthCheck)
    # As many as the whole suite has time for; HISTORIES=200 in the environment looks longer and elsewhere.
    histories = os.environ.get("HISTORIES")
    how = settings(
        max_examples=int(histories or "8"),
        stateful_step_count=40,
        deadline=None,
        database=None,
        derandomize=histories is None,
        suppress_health_check=checks,
    )
    run_state_machine_as_test(Histories, settings=how)
    assert Histories.looks > 200
