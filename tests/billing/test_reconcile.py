"""Reconciliation: each of its checks finds what somebody at the database changed, and names exactly that."""

import json
from contextlib import contextmanager

import pytest
import structlog
from sqlalchemy import text

from portal import db, jobs
from portal.billing import queries
from portal.billing.queries.reconcile import CHECKS
from portal.billing.rules import LedgerReason
from portal.billing.service import credits as pool
from portal.cli import billing_group
from tests.support import world
from tests.support.books import PRICE, open_books

# Who: `mine` is one row of a table that the story fills. Each change is one that triggers and constraints let nobody make.
TAMPERED = {
    "invoice-is-its-lines": "UPDATE invoice_lines SET taxable_amount = taxable_amount + 1 WHERE id = :line",
    "invoice-is-taxable-and-tax": "UPDATE invoices SET cgst = cgst - 1, sgst = sgst + 1 WHERE id = :other",
    "paid-is-its-allocations": "UPDATE invoice_allocations SET amount = amount + 1 WHERE invoice_id = :invoice",
    "credited-is-its-settlements": """UPDATE credit_movements SET invoice_id = :other WHERE id IN (
        SELECT id FROM credit_movements WHERE kind = 'SETTLED' AND credit_note_id = :settled)""",
    "applied-is-credit-from-elsewhere": "UPDATE credit_movements SET invoice_id = :other WHERE kind = 'APPLIED'",
    "outstanding-is-what-is-left": "DELETE FROM invoice_balances WHERE invoice_id = :bare",
    "note-is-its-lines": "UPDATE credit_note_lines SET cgst = cgst + 1, sgst = sgst + 1 WHERE credit_note_id = :settled",
    "note-is-settled-applied-paid-out-or-open": "UPDATE credit_movements SET amount = amount + 1 WHERE kind = 'PAID_OUT'",
    "notes-within-their-invoice": """UPDATE credit_notes SET cgst = cgst + 90000, sgst = sgst + 90000, tax_amount = tax_amount + 180000,
        taxable_amount = taxable_amount - 180000 WHERE id = :settled""",
    "notes-within-their-lines": """UPDATE credit_note_lines SET invoice_line_id = :other_line
        WHERE credit_note_id IN (SELECT id FROM credit_notes WHERE id = :settled)""",
    "billed-and-unbilled-are-the-payments": "UPDATE payments SET amount = amount + 1 WHERE id = :unrefunded",
    "a-billed-payment-has-one-live-line": "UPDATE payments SET billable_to_org_invoice_id = :other WHERE id = :unrefunded",
    "refunds-are-claimed-and-refunded": "UPDATE payments SET claimed_amount = claimed_amount + 1 WHERE id = :unbilled",
    "pool-is-its-ledger": "UPDATE credit_pools SET balance = balance + 1",
    "numbers-have-no-gap": "UPDATE document_series SET last_number = last_number + 1 WHERE series = 'PFCN'",
}

# Checks of single rows are in the way, too: here only sums over rows are judged. All of it is taken back with the transaction.
LOOSENED = """
DO $$ DECLARE held record; BEGIN
    FOR held IN SELECT conrelid::regclass AS of, conname FROM pg_constraint WHERE contype = 'c'
        AND conrelid IN ('invoices'::regclass, 'credit_notes'::regclass, 'credit_note_lines'::regclass, 'invoice_balances'::regclass,
                         'credit_movements'::regclass, 'payments'::regclass, 'credit_pools'::regclass, 'refunds'::regclass)
    LOOP EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', held.of, held.conname); END LOOP;
    DROP INDEX uq_invoice_lines_live_payment;
END $$"""


@pytest.fixture
def books(rung, app, monkeypatch):
    """Invoices with money, credit of their own and from elsewhere; a payout, a void, a cancellation, a pool."""
    made = open_books(app, rung, monkeypatch)
    with app.app_context(), db.unit_of_work():
        pool.move(made.id, 1_000_000, reason=LedgerReason.PURCHASE)
        pool.move(made.id, -300_000, reason=LedgerReason.ADJUSTMENT)
    return made


@pytest.fixture
def mine(books) -> dict[str, str]:
    """The ids of rows, by what they are."""
    invoice, cancelled, other, bare = books.billed(PRICE, 50_000), books.billed(20_000), books.billed(900), books.billed(1_200)
    books.cancel(cancelled["id"])
    books.pay(invoice["id"], 100_000)
    settled = books.credit(invoice["id"], items=[{"invoiceLineId": invoice["items"][0]["id"], "amount": 10_000}]).json["creditNote"]
    books.void(books.credit(invoice["id"], amount=1_000).json["creditNote"]["id"])
    books.pay(invoice["id"])
    books.refund(invoice["items"][0]["paymentId"], 30_000)
    books.pay_out(10_000)
    last = books.billed(70_000)
    [unbilled] = books.book(40_000)
    books.refund(unbilled, 10_000)
    assert last["appliedCredit"] == 25_400
    assert books.differences() == []
    return {
        "invoice": invoice["id"],
        "line": invoice["items"][1]["id"],
        "other": other["id"],
        "other_line": other["items"][0]["id"],
        "bare": bare["id"],
        "settled": settled["id"],
        "unrefunded": invoice["items"][1]["paymentId"],
        "unbilled": unbilled,
        "applied": last["id"],
    }


@contextmanager
def tampered(statement: str, values: dict[str, str]):
    """A transaction in which somebody with the database's own rights changed something; it is taken back at the end."""
    db.session.execute(text(LOOSENED))
    db.session.execute(text("SET LOCAL session_replication_role = replica"))
    used = {name: value for name, value in values.items() if f":{name}" in statement.replace("::", "")}
    assert db.session.execute(text(statement), used).rowcount > 0
    yield
    db.session.rollback()


def found(organization_id: str | None = None) -> list[tuple[str, str]]:
    return [(off.check, off.subject) for off in queries.differences(organization_id)]


def test_each_check_has_its_tampering():
    assert set(TAMPERED) == set(CHECKS)


# What one wrong row makes wrong besides: the sum above it. Every other check must be silent.
IMPLIED = {"invoice-is-its-lines": {"billed-and-unbilled-are-the-payments"}}


def test_every_tampering_is_named_by_its_check_and_by_no_other(books, mine):
    seen = {}
    with books.app.app_context():
        for check, statement in TAMPERED.items():
            with tampered(statement, mine):
                seen[check] = {name for name, _subject in found()}
        assert found() == []
    assert {check: names - IMPLIED.get(check, set()) for check, names in seen.items()} == {check: {check} for check in CHECKS}


def test_the_row_and_the_organization_are_named_with_what_must_be_and_what_is(books, mine):
    with books.app.app_context():
        other = world.make_organization(world.make_user("other@other.test"), name="Other").id
        for check, subject, expected, is_now in (
            ("paid-is-its-allocations", "invoice", 165_202, 165_200),
            ("refunds-are-claimed-and-refunded", "unbilled", 10_000, 10_000),
            ("note-is-its-lines", "settled", 11_802, 11_800),
            ("outstanding-is-what-is-left", "bare", 1_416, -1),
        ):
            with tampered(TAMPERED[check], mine):
                [off] = queries.differences()
                assert (off.check, off.subject, off.organization_id) == (check, mine[subject], books.id)
                assert (off.expected, off.found) == (expected, is_now), check
                assert (found(books.id), found(other)) == ([(check, mine[subject])], [])


OTHERS = [
    "UPDATE invoice_balances SET paid_amount = paid_amount - 1 WHERE invoice_id = :invoice",
    "UPDATE invoice_balances SET applied_amount = applied_amount - 1 WHERE invoice_id = :applied",
    "UPDATE invoice_balances SET credited_amount = credited_amount - 1 WHERE invoice_id = :invoice",
    "UPDATE invoice_balances SET amount = amount + 1 WHERE invoice_id = :bare",
    "DELETE FROM invoice_allocations",
    "DELETE FROM credit_movements WHERE kind = 'PAID_OUT'",
    "DELETE FROM credit_movements WHERE kind = 'APPLIED'",
    "UPDATE credit_notes SET amount = amount + 1, tax_amount = tax_amount + 1 WHERE id = :settled",
    "DELETE FROM credit_note_lines WHERE credit_note_id = :settled",
    "DELETE FROM credit_ledger WHERE reason = 'adjustment'",
    "UPDATE credit_pools SET total_purchased = total_purchased + 1",
    "UPDATE refunds SET amount = amount + 1",
    "UPDATE refunds SET status = 'FAILED'",
    "UPDATE invoices SET number = 'PF/26-27/0000099' WHERE id = :bare",
    "UPDATE invoices SET number = 'PF/25-26/0000004' WHERE id = :bare",
    "UPDATE credit_notes SET number = 'PFCN/26-27/00099' WHERE id = :settled",
    "UPDATE payments SET status = 'FAILED' WHERE id = :unrefunded",
    "UPDATE invoice_lines SET released_at = NULL WHERE released_at IS NOT NULL",
    "UPDATE invoice_lines SET released_at = '2026-11-12T09:00:00Z' WHERE id = :line",
    "UPDATE payments SET billable_to_org_invoice_id = NULL WHERE id = :unrefunded",
    "UPDATE payments SET settled_at = '2026-11-12T09:00:00Z' WHERE id = :unbilled",
    "UPDATE invoices SET amount = amount + 1 WHERE id = :bare",
    "UPDATE invoices SET status = 'CANCELLED', cancelled_at = issued_at WHERE id = :bare",
    "UPDATE credit_notes SET status = 'VOID', voided_at = issued_at WHERE id = :settled",
]


def test_any_other_change_of_money_is_found_too(books, mine):
    unseen = []
    with books.app.app_context():
        for statement in OTHERS:
            with tampered(statement, mine):
                unseen += [] if found() else [statement]
    assert unseen == []


def run_command(books, *arguments: str):
    return books.app.test_cli_runner().invoke(billing_group, ["reconcile", *arguments])


def test_the_command_exits_with_one_and_names_what_is_off(books, mine):
    clean = run_command(books)
    assert (clean.exit_code, clean.output.strip()) == (0, "Every sum is as it must be.")
    assert json.loads(run_command(books, "--json").output) == []
    with books.app.app_context(), db.unit_of_work():
        db.session.execute(text("SET LOCAL session_replication_role = replica"))
        db.session.execute(text("UPDATE credit_pools SET balance = balance + 7"))
    said = run_command(books)
    assert said.exit_code == 1
    assert said.output.strip() == f"pool-is-its-ledger: {books.id} of organization {books.id} is 700007, and must be 700000."
    as_json = run_command(books, "--json", "--organization", books.id)
    assert as_json.exit_code == 1
    expected = {"check": "pool-is-its-ledger", "organization_id": books.id, "subject": books.id, "expected": 700_000, "found": 700_007}
    assert json.loads(as_json.output) == [expected]
    elsewhere = run_command(books, "--organization", mine["invoice"])
    assert elsewhere.exit_code == 0
    nonsense = run_command(books, "--organization", "acme")
    assert nonsense.exit_code != 0
    assert "is no id of an organization" in nonsense.output


def test_the_nightly_job_alarms_and_the_admins_see_it(books, mine):
    with books.app.app_context():
        with structlog.testing.capture_logs() as quiet:
            said = jobs.run("billing-reconcile")
            assert said.pop("asOf")
            assert said == {"job": "billing-reconcile", "done": True, "differences": 0, "skipped": {}, "failed": []}
        assert [entry for entry in quiet if entry["log_level"] == "error"] == []
        with db.unit_of_work():
            db.session.execute(text("SET LOCAL session_replication_role = replica"))
            db.session.execute(text("UPDATE credit_pools SET balance = balance + 7"))
        with structlog.testing.capture_logs() as logged:
            summary = jobs.run("billing-reconcile")
    assert (summary["done"], summary["differences"], [off["check"] for off in summary["failed"]]) == (False, 1, ["pool-is-its-ledger"])
    [alarm] = [entry for entry in logged if entry["log_level"] == "error"]
    assert (alarm["event"], alarm["check"], alarm["expected"], alarm["found"]) == ("billing.off", "pool-is-its-ledger", 700_000, 700_007)
    assert "billing-reconcile" in jobs.JOBS
    assert jobs.JOBS["billing-reconcile"].cron
    admin = books.person("admin")
    shown = admin.get("/admin/billing").get_data(as_text=True)
    assert "1 sum is off." in shown
    assert "pool is its ledger" in shown
    [off] = admin.get("/api/admin/reconcile").json["differences"]
    assert (off["check"], off["organizationId"], off["expected"], off["found"]) == ("pool-is-its-ledger", books.id, 700_000, 700_007)
    for who in ("owner", "staff", "learner"):
        assert books.person(who).get("/api/admin/reconcile").status_code == 403
