"""Random histories of bookings, refunds, runs, payments and credit: after each act every sum is computed again and is as it must be."""

import random
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from portal import clock, db
from portal.billing import queries
from portal.billing.models import CreditNote, Invoice, Payment
from portal.billing.rules import ReasonCode
from portal.billing.schemas import CreditNoteIn, CreditPayoutIn, PayIn, RefundIn
from portal.billing.service import allocations, bills, credit_notes, invoices, refunds, runs
from portal.errors import DomainError
from portal.orgs.models import Organization
from tests.support import world

BEGINS = datetime(2026, 2, 3, 9, tzinfo=UTC)  # so that the financial year ends within the history
STEPS = 60
PRICES = (100_001, 33_333, 99_999, 12_345)
WEIGHTS = {"book": 4, "refund": 3, "run": 1, "issue_now": 1, "pay": 1, "credit": 1, "void": 1, "cancel": 1, "pay_out": 1}


class History:
    """One organization's acts, each chosen by chance."""

    def __init__(self, chance: random.Random) -> None:
        self.chance, self.hours, self.done = chance, 24, Counter()
        self.company = world.make_company()
        self.actor = world.as_self(self.company.owner)
        with db.unit_of_work():
            organization = db.session.get_one(Organization, self.company.organization.id)
            organization.state_code, organization.is_sez = chance.choice(["29", "33"]), chance.random() < 0.2
            organization.country = chance.choice(["IN", "IN", "IN", "DE"])

    def act(self) -> None:
        """Does something; what is refused changes nothing."""
        name = self.chance.choices(list(WEIGHTS), weights=list(WEIGHTS.values()))[0]
        try:
            with db.unit_of_work():
                getattr(self, name)()
            self.done[name] += 1
        except DomainError as refusal:
            self.done[refusal.code] += 1
        db.session.rollback()

    def book(self) -> None:
        self.hours += 2
        plan = world.make_plan(self.company.organization, self.company.owner, price=self.chance.choice(PRICES))
        world.book(self.company, self.company.owner, hours=24 + self.hours % 200 * 3, plan=plan)

    def refund(self) -> None:
        payment = self.one_of(Payment)
        left = payment.amount - payment.claimed_amount
        amount = None if self.chance.random() < 0.4 or left < 2 else self.chance.randint(1, left)
        refunds.refund(RefundIn(payment_id=payment.id, amount=amount, reason="It rained"), actor=self.actor)

    def run(self) -> None:
        runs.run_month()

    def issue_now(self) -> None:
        expected = bills.preview(db.session.get_one(Organization, self.company.organization.id))
        invoice = invoices.issue_now(self.company.organization.id, actor=self.actor)
        assert (expected.invoice["amount"], expected.applied) == (invoice.amount, queries.balance(invoice.id).applied_amount)
        columns = ("payment_id", "position", "description", "detail", "sac_code", "session_date")
        lines = queries.lines_of(invoice.id)
        assert [[getattr(line, name) for name in columns] for line in expected.lines] == [
            [getattr(x, name) for name in columns] for x in lines
        ]
        assert [line.amount for line in expected.lines] == [line.taxable_amount for line in lines]

    def pay(self) -> None:
        invoice = self.one_of(Invoice)
        outstanding = queries.balance(invoice.id).outstanding
        amount = None if self.chance.random() < 0.5 else self.chance.randint(1, max(1, outstanding))
        allocations.record(invoice.id, PayIn(amount=amount, method="UPI"), actor=self.actor)

    def credit(self) -> None:
        invoice = self.one_of(Invoice)
        amount = self.chance.randint(1, invoice.taxable_amount)
        data = CreditNoteIn(amount=amount, reason="The room was loud", reason_code=ReasonCode.GOODWILL)
        credit_notes.issue_by_hand(invoice.id, data, actor=self.actor)

    def void(self) -> None:
        credit_notes.void(self.one_of(CreditNote).id, reason=None, actor=self.actor)

    def cancel(self) -> None:
        invoices.cancel(self.one_of(Invoice).id, reason="A wrong address", actor=self.actor)

    def pay_out(self) -> None:
        available = queries.summary(self.company.organization.id).open_credit
        data = CreditPayoutIn(amount=self.chance.randint(1, max(1, available)), reference="NEFT 1")
        credit_notes.pay_out(self.company.organization.id, data, actor=self.actor)

    def one_of(self, model):
        """Any row of a table, or a refusal when there is none."""
        found = db.session.scalars(select(model).order_by(model.id)).all()
        if not found:
            raise DomainError("There is nothing yet.", code="NOTHING_YET")
        return self.chance.choice(found)

    def check(self) -> None:
        """Reconciliation, statement, ageing and exposure agree."""
        organization_id = self.company.organization.id
        assert queries.differences() == []
        figures = queries.summary(organization_id)
        account = queries.statement_of(organization_id, since=None, until=clock.today(clock.INDIA))
        assert account.closing == figures.net_balance
        assert sum(bucket.amount for bucket in queries.ageing_of(organization_id)) == figures.outstanding
        organization = db.session.get_one(Organization, organization_id)
        assert queries.exposure(organization).total == figures.exposure(queries.place_of(organization))


@pytest.mark.parametrize("seed", range(4))
def test_every_sum_holds_after_every_act(rung, app, seed):
    chance, now = random.Random(seed), BEGINS  # noqa: S311 - the same histories each time, nothing secret
    with app.app_context(), clock.as_of(now):
        history = History(chance)
    for _step in range(STEPS):
        now += timedelta(hours=chance.randint(1, 60))
        with app.app_context(), clock.as_of(now):
            history.act()
            history.check()
    assert history.done["book"] > 5
    assert history.done["refund"] > 2
    assert history.done["run"] + history.done["issue_now"] > 2
