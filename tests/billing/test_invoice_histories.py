"""Any history of an organization's invoices agrees with an oracle that knows no code of the portal, and reconciles after each step.

Two organizations in any of the tax cases book, are billed by hand and by the job, pay, are refunded and credited, move to another
state between two invoices, over months and over the end of a financial year. All of it goes through the JSON API.
"""

import json
import os
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import ClassVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule, run_state_machine_as_test
from sqlalchemy import text

from portal import clock, db, jobs
from portal.accounts.rules import PlatformRole
from portal.billing import queries as billing
from tests.support import world
from tests.support.agreement import assert_agrees, assert_invoice, assert_note, assert_preview, assert_statement, spread_of
from tests.support.funding import caller
from tests.support.oracle import Account, Buyer, Invoice, Line, Note, Refused, Series, india
from tests.support.paying import Bank, post_signed, put_in

START = datetime(2026, 2, 20, 6, 0, tzinfo=UTC)
PRICES = (100, 333, 10_003, 33_335, 99_999, 1_000_050)
CASES = {
    "intra": {"stateCode": "29", "gstin": None, "isSez": False, "country": "IN"},
    "intra with GSTIN": {"gstin": "29AABCU9603R1ZJ", "isSez": False, "country": "IN"},
    "inter": {"stateCode": "33", "gstin": None, "isSez": False, "country": "IN"},
    "inter with GSTIN": {"gstin": "27AABCU9603R1ZN", "isSez": False, "country": "IN"},
    "SEZ unit": {"gstin": "29AABCU9603R1ZJ", "isSez": True, "country": "IN"},
    "abroad": {"stateCode": None, "gstin": None, "isSez": False, "country": "US"},
}
TABLES = """bookings, payments, refunds, gateway_orders, gateway_events, invoices, invoice_lines, invoice_balances, invoice_allocations,
            credit_notes, credit_note_lines, credit_movements, document_series, billing_runs, job_runs, audit_rows, invoice_mails"""
HAS_INVOICES = precondition(lambda self: any(account.invoices for account in self.accounts))
HAS_NOTES = precondition(lambda self: any(account.notes for account in self.accounts))
MONEY_JOBS = ("billing-ask-order", "billing-handle-event")
WHICH = st.integers(0, 99)
PARTS = st.sampled_from([None, 1, 2, 50, 99, 3_333, 5_001, 10_003, 40_002])


@dataclass(frozen=True)
class Town:
    """Everybody there is; made once, while the money is swept away before each history."""

    app: object
    bells: list
    bank: Bank
    companies: tuple[world.Company, ...]
    plans: dict[tuple[str, int], str]
    learner: object
    admin: object


def make_town(app, bells, bank) -> Town:
    with clock.as_of(START), app.app_context():
        admin = world.make_user("admin@portal.test", role=PlatformRole.ADMIN)
        consultant, learner = world.make_consultant(), world.make_user("asha@acme.test")
        companies = tuple(world.make_company(name, consultant=consultant) for name in ("Acme", "Birla"))
        plans = {}
        for company in companies:
            world.add_member(company.organization, learner, world.Role.ORG_LEARNER)
            for price in PRICES:
                plans[company.organization.id, price] = world.make_plan(company.organization, company.owner, price=price).id
        return Town(app, bells, bank, companies, plans, learner, admin)


class Histories(RuleBasedStateMachine):
    """One history. ``town`` is set by the test."""

    town: Town
    looks = 0
    acts: ClassVar[dict[str, int]] = {"done": 0, "refused": 0}

    def __init__(self) -> None:
        super().__init__()
        self.now, self.slot, self.callers, self.signed_in_at = START, 0, {}, None
        self.series, self.touched = Series(), set()
        self.accounts = [Account(self.series) for _company in self.town.companies]

    @initialize(cases=st.tuples(st.sampled_from(list(CASES)), st.sampled_from(list(CASES))))
    def sweep_the_money_away(self, cases) -> None:
        with self.town.app.app_context(), db.database.engine.begin() as connection:
            connection.execute(text("SET LOCAL session_replication_role = replica"))
            connection.execute(text(f"TRUNCATE {TABLES} CASCADE"))
            connection.execute(text("UPDATE organizations SET first_payment_at = NULL, payment_terms_days = 30"))
        self.town.bells.clear()
        self.town.bank.orders.clear()
        for which, case in enumerate(cases):
            self.move(which, case, 30)
            for price in PRICES[which::2]:
                self.book(which, price)
            self.generate_an_invoice(which)
            self.book(which, PRICES[-1])

    # Acts of people.

    @rule(which=WHICH, price=st.sampled_from(PRICES))
    def book(self, which, price) -> None:
        company, account = self._at(which)
        self.slot += 1
        starts_at = self.now.replace(minute=0, second=0) + timedelta(days=2, hours=self.slot)
        body = {"planId": self.town.plans[company.organization.id, price], "startsAt": starts_at.isoformat()}
        body |= {"organizationId": company.organization.id, "consultantId": company.consultant.id}
        made = self._post(self.town.learner, "/api/checkout", body, status=201)["payment"]
        account.book(made["id"], price, at=self.now, starts_at=starts_at)

    @rule(which=WHICH, number=WHICH, part=PARTS)
    def refund(self, which, number, part) -> None:
        _company, account = self._at(which)
        if payments := list(account.payments.values()):
            payment = payments[number % len(payments)]
            body = {"paymentId": payment.id, "reason": "Not held"} | ({} if part is None else {"amount": part})
            with self._expecting(lambda: account.refund(payment, part, at=self.now)) as (status, note):
                found = self._post(self.town.admin, "/api/payments/refunds", body, status=status or 200)
            if status is None:
                assert found["refund"]["status"] == "SUCCEEDED"
                self._take_note(found["creditNote"], note)
                shown = self._get(self.town.admin, f"/api/payments/{payment.id}")["payment"]
                billed_by = payment.line.invoice.id if payment.line else None
                assert (shown["refundedAmount"], shown["billableToOrgInvoiceId"]) == (payment.refunded, billed_by)

    @rule(which=WHICH)
    def generate_an_invoice(self, which) -> None:
        company, account = self._at(which)
        path = f"/api/organizations/{company.organization.id}/billing"
        preview = account.next_invoice(end=self.now, at=self.now, is_automatic=False)
        assert_preview(self._get(company.owner, f"{path}/preview")["invoice"], preview, open_credit=account.open_credit)
        with self._expecting(lambda: account.invoice_by_hand(self.now)) as (status, invoice):
            found = self._post(company.owner, f"{path}/generate-invoice", {}, status=status or 201)
        if status is None:
            self._take_invoice(found["invoice"], invoice)
            assert_invoice(found["invoice"], invoice, now=self.now)

    @HAS_INVOICES
    @rule(which=WHICH, number=WHICH, part=PARTS, online=st.booleans())
    def pay(self, which, number, part, online) -> None:
        company, account = self._at(which, having="invoices")
        invoice = account.invoices[number % len(account.invoices)]
        amount = part or invoice.outstanding or 1
        path = f"/api/organizations/{company.organization.id}/billing/invoices/{invoice.id}/pay"
        how = {} if online else {"method": "BANK_TRANSFER", "reference": f"UTR {self.slot}"}
        with self._expecting(lambda: account.pay(invoice, amount, at=self.now)) as (status, _none):
            who = company.owner if online else self.town.admin
            found = self._post(who, path, {"amount": amount, **how}, status=status or 201)
        if status is None and online:
            self._settle(found["gateway"]["orderId"])
        elif status is None:
            assert (found["allocation"]["amount"], found["allocation"]["method"]) == (amount, "BANK_TRANSFER")

    @HAS_INVOICES
    @rule(which=WHICH, number=WHICH, part=PARTS)
    def credit_an_amount(self, which, number, part) -> None:
        _company, account = self._at(which, having="invoices")
        invoice = account.invoices[number % len(account.invoices)]
        left = sum(line.left for line in invoice.lines)
        amount = part or left or 1
        body = {"amount": amount, "reason": "Goodwill", "reasonCode": "GOODWILL"}
        is_refused = invoice.is_cancelled or amount > left
        found = self._credit(invoice, body, status=409 if is_refused else 201)
        if not is_refused:
            note = account.credit(invoice, spread_of(found, invoice, amount), at=self.now)
            self._take_note(found, note)

    @HAS_INVOICES
    @rule(which=WHICH, number=WHICH, parts=st.lists(PARTS, min_size=1, max_size=4))
    def credit_lines(self, which, number, parts) -> None:
        _company, account = self._at(which, having="invoices")
        invoice = account.invoices[number % len(account.invoices)]
        items: list[tuple[Line, int]] = [
            (line, part or line.left or 1) for line, part in zip(invoice.lines[number % 3 :], parts, strict=False)
        ]
        if not items:
            return
        sent = [{"invoiceLineId": line.id, "amount": part} for line, part in items]
        body = {"items": sent, "reason": "Wrong price", "reasonCode": "CORRECTION"}
        with self._expecting(lambda: account.credit(invoice, items, at=self.now)) as (status, note):
            found = self._credit(invoice, body, status=status or 201)
        if status is None:
            self._take_note(found, note)

    @HAS_NOTES
    @rule(which=WHICH, number=WHICH)
    def void(self, which, number) -> None:
        _company, account = self._at(which, having="notes")
        note = account.notes[number % len(account.notes)]
        with self._expecting(lambda: account.void(note, at=self.now)) as (status, _none):
            self._post(self.town.admin, f"/api/admin/credit-notes/{note.id}/void", {"reason": "A mistake"}, status=status or 200)

    @HAS_INVOICES
    @rule(which=WHICH, number=WHICH)
    def cancel(self, which, number) -> None:
        _company, account = self._at(which, having="invoices")
        invoice = account.invoices[number % len(account.invoices)]
        with self._expecting(lambda: account.cancel(invoice, at=self.now)) as (status, _none):
            self._post(self.town.admin, f"/api/admin/invoices/{invoice.id}/cancel", {"reason": "A mistake"}, status=status or 200)

    @HAS_NOTES
    @rule(which=WHICH, part=PARTS)
    def pay_credit_out(self, which, part) -> None:
        company, account = self._at(which, having="notes")
        amount = part or account.open_credit or 1
        path = f"/api/admin/organizations/{company.organization.id}/credit-payout"
        with self._expecting(lambda: account.pay_out(amount, at=self.now)) as (status, _none):
            self._post(self.town.admin, path, {"amount": amount, "reference": "UTR 7"}, status=status or 201)

    @rule(which=WHICH, case=st.sampled_from(list(CASES)), terms=st.sampled_from([0, 15, 30]))
    def move(self, which, case, terms) -> None:
        """The organization moves, registers, or gets other terms; its documents so far don't follow."""
        company, account = self._at(which)
        path = f"/api/organizations/{company.organization.id}"
        self._call("patch", company.owner, path, {**CASES[case], "paymentTermsDays": terms}, status=200)
        state = (CASES[case].get("gstin") or CASES[case].get("stateCode") or "")[:2]
        account.buyer = Buyer(state, CASES[case]["country"], CASES[case]["isSez"], terms)

    # The clock and the job.

    @rule(hours=st.sampled_from([1, 30, 24 * 11, 24 * 40]))
    def let_time_pass(self, hours) -> None:
        self.now += timedelta(hours=hours)
        self.touched.add(self.now.day % 2)

    @rule(minutes=st.sampled_from([0, 1, 90, 3 * 24 * 60]), times=st.integers(1, 2))
    def begin_a_month(self, minutes, times) -> None:
        """The job runs on the 1st at 00:00 UTC, or late, once or twice."""
        self.touched |= {0, 1}
        first = self.now.replace(day=1, hour=0, minute=0, second=0) + timedelta(days=32)
        self.now = first.replace(day=1) + timedelta(minutes=minutes)
        issued = [
            (company, account, account.run_month(self.now)) for company, account in zip(self.town.companies, self.accounts, strict=True)
        ]
        expected = [invoice for _company, _account, invoice in issued if invoice]
        for time in range(times):
            with clock.as_of(self.now), self.town.app.app_context():
                said = jobs.run("billing-monthly-run")
            assert said["invoices"] == (0 if time else len(expected))
            assert said["amount"] == (0 if time else sum(invoice.total for invoice in expected))
        taken = {}
        for company, account, invoice in issued:
            if invoice:
                known = {known.id for known in account.invoices}
                listed = self._get(company.owner, f"/api/organizations/{company.organization.id}/billing/invoices?limit=200")["items"]
                [found] = [item for item in listed if item["type"] == "INVOICE" and item["id"] not in known]
                taken[found["invoiceNumber"]] = invoice
                self._take_invoice(found, invoice)
        assert sorted(taken) == sorted(invoice.number for invoice in expected)
        for number, invoice in taken.items():  # which of them comes first is left to the run
            account = invoice.account
            account.movements[:] = [move._replace(number=number) if move.number == invoice.number else move for move in account.movements]
        for number, invoice in taken.items():
            invoice.number = number

    @rule(minutes=st.sampled_from([-1, 1]))
    def come_to_the_end_of_a_financial_year(self, minutes) -> None:
        """31 March 18:30 UTC is midnight in India: what is issued around it has another year in its number."""
        midnight = datetime(self.now.year, 3, 31, 18, 30, tzinfo=UTC)
        if midnight - timedelta(days=60) < self.now < midnight - timedelta(minutes=5):
            self.now = midnight + timedelta(minutes=minutes)
            for which in range(2):
                self.generate_an_invoice(which)

    # What holds after each step.

    @invariant()
    def the_api_says_what_the_oracle_says(self) -> None:
        Histories.looks += 1
        self.now += timedelta(seconds=1)
        for which in self.touched:
            company = self.town.companies[which]
            path = f"/api/organizations/{company.organization.id}/billing"
            read = partial(self._read_below, company.owner, path)
            assert_agrees(self.accounts[which], read, now=self.now)
            if Histories.looks % 3 == 0:
                since = (None, india(self.now) - timedelta(days=31), india(self.now))[Histories.looks // 3 % 3]
                assert_statement(self.accounts[which], read, since=since)
        self.touched.clear()
        with clock.as_of(self.now), self.town.app.app_context():
            assert not billing.differences()

    def teardown(self) -> None:
        """Both organizations still agree, and so does the command."""
        self.touched |= {0, 1}
        self.the_api_says_what_the_oracle_says()
        with clock.as_of(self.now):
            said = self.town.app.test_cli_runner().invoke(args=["billing", "reconcile", "--json"])
        assert (said.exit_code, json.loads(said.stdout)) == (0, [])

    # How all that is done.

    def _at(self, which: int, *, having: str = "") -> tuple[world.Company, Account]:
        place = which % 2 if not having or getattr(self.accounts[which % 2], having) else 1 - which % 2
        self.now += timedelta(seconds=1)
        self.touched.add(place)
        return self.town.companies[place], self.accounts[place]

    @contextmanager
    def _expecting(self, act):
        """Does it in the oracle first: ``(the status with which the portal has to refuse it, or None, and what it made)``."""
        try:
            made, status = act(), None
        except Refused as refusal:
            made, status = None, refusal.status
        Histories.acts["refused" if status else "done"] += 1
        yield status, made

    def _call(self, method, user, path, body=None, *, status):
        if self.signed_in_at is None or self.now - self.signed_in_at > timedelta(hours=8):
            self.callers, self.signed_in_at = {}, self.now
        with clock.as_of(self.now):
            if user.id not in self.callers:
                self.callers[user.id] = caller(self.town.app, user)
            client = self.town.app.test_client(use_cookies=False)
            answer = client.open(path, method=method.upper(), json=body, headers=self.callers[user.id].headers)
        assert answer.status_code == status, (method, path, body, answer.text)
        return answer.json

    def _post(self, user, path, body, *, status):
        return self._call("post", user, path, body, status=status)

    def _read_below(self, user, path, rest):
        return self._get(user, path + rest)

    def _get(self, user, path):
        return self._call("get", user, path, status=200)

    def _credit(self, invoice: Invoice, body: dict, *, status: int) -> dict | None:
        answer = self._post(self.town.admin, f"/api/admin/invoices/{invoice.id}/credit-notes", body, status=status)
        return answer.get("creditNote")

    def _take_invoice(self, found: dict, invoice: Invoice) -> None:
        invoice.id = found["id"]
        ids = {item["paymentId"]: item["id"] for item in found["items"]}
        assert len(ids) == len(found["items"])
        for line in invoice.lines:
            line.id = ids[line.payment.id]

    def _take_note(self, found: dict | None, note: Note | None) -> None:
        assert (found is None) == (note is None)
        if note is not None:
            note.id = found["id"]
            assert_note(found, note)

    def _settle(self, order_id: str) -> None:
        self.town.bank.pay(order_id)
        told = {"id": f"evt_{order_id}", "type": "order.paid", "order_id": order_id, "refund_key": None}
        with clock.as_of(self.now):
            assert post_signed(self.town.app, json.dumps(told).encode()).status_code == 200
        for bell in [bell for bell in self.town.bells if bell.name in MONEY_JOBS]:
            with clock.as_of(self.now), self.town.app.app_context():
                jobs.run(bell.name, *bell.ids)
        self.town.bells.clear()


def test_any_history_of_invoices_agrees_with_the_oracle(rung, app, monkeypatch):
    bank = Bank()
    put_in(monkeypatch, bank)
    Histories.town = make_town(app, rung, bank)
    Histories.looks, Histories.acts = 0, {"done": 0, "refused": 0}
    # The same ones each time, as many as the whole suite has time for; HISTORIES=200 in the environment looks longer and elsewhere.
    histories = os.environ.get("HISTORIES")
    how = settings(
        max_examples=int(histories or "12"),
        stateful_step_count=25,
        deadline=None,
        database=None,
        derandomize=histories is None,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(Histories, settings=how)
    assert Histories.looks > 100
    assert Histories.acts["done"] > 60
