"""Any history of bookings, refunds, holds, payouts and changed terms: every sum is as it must be, and nobody is paid too much."""

from collections import Counter
from datetime import timedelta
from itertools import count

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from portal import clock, db, jobs
from portal.accounts.models import User
from portal.audit.rules import SYSTEM
from portal.billing import queries as billing
from portal.billing.schemas import RefundIn
from portal.billing.service import refunds
from portal.bookings import service as bookings
from portal.bookings.rules import PlanType
from portal.bookings.schemas import CheckoutIn, OwnPlanIn
from portal.errors import Conflict, Invalid
from portal.orgs import queries as members
from portal.orgs.models import Organization
from portal.orgs.rules import Role
from portal.orgs.schemas import MemberPatch
from portal.orgs.service import members as terms
from portal.orgs.service import settings as rates
from portal.providers.schemas import ProcessIn
from portal.providers.service import payouts, transfers
from tests.support import world
from tests.support.paying import rows

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("book"), st.integers(100, 40_000_00), st.sampled_from(PlanType)),
        st.tuples(st.just("refund"), st.integers(0, 30), st.integers(1, 40_000_00)),
        st.tuples(st.just("refund all"), st.integers(0, 30)),
        st.tuples(st.just("days"), st.integers(1, 9)),
        st.tuples(st.just("begin")),
        st.tuples(st.just("complete")),
        st.tuples(st.just("fail")),
        st.tuples(st.just("rates"), st.integers(0, 3_000), st.integers(0, 3_000)),
        st.tuples(st.just("custom"), st.none() | st.integers(0, 7_000), st.sampled_from(["CONSULTANT", "ORGANIZATION"])),
    ),
    min_size=6,
    max_size=24,
)


class History:
    """A house, a buyer and a consultant, and what happens to them; refusals of the domain are part of it."""

    def __init__(self, house, consultant, learner, buyer) -> None:
        self.house, self.consultant, self.learner, self.buyer = house, consultant, learner, buyer
        self.at = clock.now()
        self.hours = count(24)
        self.payments: list[str] = []
        self.done, self.refused = Counter(), Counter()

    def do(self, name: str, *values) -> None:
        with clock.as_of(self.at), self.house.app.app_context():
            try:
                with db.unit_of_work():
                    getattr(self, name.replace(" ", "_"))(*values)
                self.done[name] += 1
            except (Conflict, Invalid) as refusal:
                self.refused[refusal.code] += 1

    def book(self, price, kind):
        consultant, learner = (db.session.get_one(User, each) for each in (self.consultant, self.learner))
        data = OwnPlanIn(plan_type=kind, title="Session", price=price, duration_minutes=30)
        plan = bookings.create_own_plan(data, consultant=consultant, actor=world.as_self(consultant))
        starts_at = clock.now() + timedelta(hours=next(self.hours))
        asked = CheckoutIn(plan_id=plan.id, starts_at=starts_at, organization_id=self.buyer)
        organization = db.session.get_one(Organization, self.buyer)
        made = bookings.checkout(asked, organization=organization, learner=learner, actor=world.as_self(learner))
        self.payments.append(made.payment_id)

    def refund(self, which, amount):
        if self.payments:
            payment = self.payments[which % len(self.payments)]
            refunds.refund(RefundIn(payment_id=payment, amount=amount, force_refund=bool(amount % 2)), actor=SYSTEM)

    def refund_all(self, which):
        if self.payments:
            refunds.refund(RefundIn(payment_id=self.payments[which % len(self.payments)], force_refund=True), actor=SYSTEM)

    def days(self, number):
        self.at += timedelta(days=number)
        with clock.as_of(self.at):
            jobs.run("providers-release-earnings")

    def begin(self):
        payouts.begin(db.session.get_one(Organization, self.house.id), actor=SYSTEM)

    def complete(self):
        self._process(reference="UTR1")

    def fail(self):
        [open_one] = self._open() or [None]
        if open_one:
            transfers.process(ProcessIn(payout_id=open_one), actor=SYSTEM)
            transfers.process(ProcessIn(payout_id=open_one, failure_reason="The bank was closed"), actor=SYSTEM)

    def rates(self, platform, organization):
        changes = {
            "platform_commission_rate": platform,
            "org_retain_rate": organization,
            "consultant_payout_rate": 10_000 - platform - organization,
        }
        rates.change(self.house.id, changes, actor=SYSTEM, role=Role.ORG_OWNER, may_raise_limit=True)

    def custom(self, rate, recipient):
        member = members.membership(self.house.id, self.consultant)
        patch = MemberPatch.model_construct(
            {"custom_consultant_payout_rate", "earnings_recipient"}, custom_consultant_payout_rate=rate, earnings_recipient=recipient
        )
        organization = db.session.get_one(Organization, self.house.id)
        terms.change(member.id, patch, organization=organization, actor_role=Role.ORG_OWNER, actor=SYSTEM)

    def _process(self, **how):
        for payout_id in self._open():
            transfers.process(ProcessIn(payout_id=payout_id, **how), actor=SYSTEM)

    def _open(self):
        statement = "SELECT id::text FROM payouts WHERE status IN ('PENDING', 'PROCESSING', 'FAILED') ORDER BY id LIMIT 1"
        return [row[0] for row in db.session.execute(text(statement))]

    def check(self) -> None:
        """What must hold after each step, by SQL alone."""
        with self.house.app.app_context():
            assert list(billing.differences()) == []
        [(negative, over)] = rows(
            self.house.app,
            """SELECT count(*) FILTER (WHERE share - reversed_amount < 0 OR settled_amount < 0),
                      count(*) FILTER (WHERE due_amount < 0 AND status IN ('PENDING')) FROM earnings""",
        )
        assert (negative, over) == (0, 0)
        [(earned, settled, due, paid)] = rows(
            self.house.app,
            """SELECT coalesce(sum(share - reversed_amount), 0), coalesce(sum(settled_amount), 0), coalesce(sum(due_amount), 0),
                      (SELECT coalesce(sum(amount), 0) FROM payouts) FROM earnings WHERE party = 'ORGANIZATION'""",
        )
        assert earned == settled + due
        assert settled == paid


@pytest.fixture
def scene(house):
    house.verified_account()
    buyer = house.buyer()
    return house, house.consultant().id, house.learner(of=buyer).id, buyer.id


@given(steps=STEPS)
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_sum_holds_after_each_step(scene, steps):
    history = History(*scene)
    for step in steps:
        history.do(*step)
        history.check()
    for name in ("days", "begin", "complete"):
        history.do(name, *([9] if name == "days" else []))
    history.check()


def test_a_history_goes_all_the_way(scene):
    history = History(*scene)
    for price in (40_000_00, 30_000_01):
        history.do("book", price, PlanType.SUBSCRIPTION)
    history.do("refund", 0, 10_000_00)
    for step in (("begin",), ("days", 9), ("begin",), ("fail",), ("complete",), ("refund", 1, 7), ("refund", 1, 8), ("refund all", 1)):
        history.do(*step)
        history.check()
    history.do("book", 40_000_00, PlanType.CLASS)
    for step in (("days", 3), ("begin",), ("complete",)):
        history.do(*step)
        history.check()
    assert history.done == {"book": 3, "refund": 2, "refund all": 1, "days": 2, "begin": 2, "fail": 1, "complete": 2}
    assert history.refused == {"NOTHING_READY": 1, "EARNINGS_PAID_OUT": 1}
    owed = rows(history.house.app, "SELECT sum(due_amount) FROM earnings WHERE party = 'ORGANIZATION'")
    assert owed[0][0] == 0
