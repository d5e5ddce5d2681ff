"""What was sent stays as it was sent: plain SQL of the application's own database user can't change a column of it, nor delete it.

The columns come from the database itself, so a new one is tried, too, the day it is added.
"""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from portal import clock, db, queue
from tests.support.desk import PRICE, Desk

MAY_CHANGE = {
    "invoices": {"status", "cancelled_at", "cancel_reason", "file_key"},
    "invoice_lines": {"released_at"},
    "credit_notes": {"status", "voided_at", "void_reason", "file_key"},
    "credit_note_lines": set(),
    "credit_movements": set(),
    "invoice_allocations": set(),
    "invoice_balances": set(),
}
"""Table → what may change at all; when, is tried below."""

OTHER = {
    "uuid": "uuidv7()",
    "text": "coalesce({0}, '') || 'x'",
    "character varying": "CASE WHEN {0} = 'X' THEN 'Y' ELSE 'X' END",
    "bigint": "coalesce({0}, 0) + 1",
    "integer": "coalesce({0}, 0) + 1",
    "smallint": "coalesce({0}, 0) + 1",
    "boolean": "NOT coalesce({0}, false)",
    "date": "coalesce({0}, DATE '2026-01-01') + 1",
    "timestamp with time zone": "coalesce({0}, now()) + interval '1 day'",
    "jsonb": """'{{"name": "Somebody else"}}'::jsonb""",
}
"""Type → a value that a column of it doesn't have."""

COLUMNS = """
SELECT table_name, column_name, data_type FROM information_schema.columns
WHERE table_schema = 'public' AND is_generated = 'NEVER' AND table_name = ANY(:tables) ORDER BY table_name, ordinal_position
"""
EVERY = list(MAY_CHANGE)


REFUSALS = {"23001", "23514"}
"""The codes with which the database refuses a change itself: restrict_violation, check_violation."""

FOREIGN_KEY = "23503"
TAKEN, NO_ROW = "taken", "no row"


@pytest.fixture(scope="module")
def desk(app, tmp_path_factory):
    """Invoices that are paid, adjusted, untouched and cancelled; notes that are used, open and voided. No test changes any of it."""
    with app.app_context(), db.database.engine.begin() as connection:
        names = ", ".join(table.name for table in db.Base.metadata.sorted_tables)
        connection.execute(text("SET LOCAL session_replication_role = replica"))
        connection.execute(text(f"TRUNCATE {names}"))
    file = tmp_path_factory.mktemp("time") / "clock"
    clock.read_from(file)
    try:
        with queue.rung_here():
            made = Desk(app, file)
            _have_a_history(made)
            made.assert_reconciled()
            yield made
            made.assert_reconciled()
    finally:
        clock.read_from(None)


def _have_a_history(desk: Desk) -> None:
    first, _other = desk.book(PRICE, 333)
    paid = desk.issue()
    desk.pay(paid)
    desk.refund(first, 40_000)
    desk.pay_out(1_000)
    desk.book(333)
    assert desk.issue()["appliedCredit"] == 393
    desk.credit(paid, amount=20_000)
    desk.void(desk.credit(paid, amount=10))
    desk.pay_out(desk.get()["openCredit"])
    gone, adjusted = desk.book(PRICE, 500_000)
    desk.issue()
    desk.refund(gone)
    desk.refund(adjusted, 10_000)
    untouched = [desk.book(price) and desk.issue() for price in (PRICE, 333)]
    desk.cancel(untouched[0])
    desk.credit(paid, amount=5_000)


def code_of(desk: Desk, *statements: str, **values) -> str:
    """With which SQLSTATE the database refuses these as one transaction; ``taken`` when it doesn't. Nothing of it stays."""
    with desk.app.app_context(), db.database.engine.connect() as connection:
        try:
            done = [connection.execute(text(statement), values).rowcount for statement in statements]
            connection.execute(text("SET CONSTRAINTS ALL IMMEDIATE"))
        except DBAPIError as error:
            return error.orig.sqlstate
        finally:
            connection.rollback()
    return TAKEN if all(done) else NO_ROW


def rows(desk: Desk, statement: str, **values) -> list:
    with desk.app.app_context(), db.database.engine.connect() as connection:
        return connection.execute(text(statement), values).all()


def one(desk: Desk, statement: str) -> str:
    """The id of the one row that is meant."""
    return str(rows(desk, statement)[0][0])


def test_the_history_has_a_row_of_everything(desk):
    assert {table: rows(desk, f"SELECT count(*) FROM {table}")[0][0] > 0 for table in EVERY} == dict.fromkeys(EVERY, True)  # noqa: S608 - S608: names of ours
    statuses = {row[0] for row in rows(desk, "SELECT status FROM invoices UNION ALL SELECT status FROM credit_notes")}
    assert statuses == {"SENT", "CANCELLED", "ISSUED", "VOID"}
    assert rows(desk, "SELECT count(*) FROM credit_notes WHERE open_amount > 0")[0][0] == 1


@pytest.mark.parametrize("table", EVERY)
def test_no_column_can_be_changed(desk, table):
    columns = [(name, kind) for owner, name, kind in rows(desk, COLUMNS, tables=EVERY) if owner == table]
    assert len(columns) > 5
    assert {kind for _name, kind in columns} <= OTHER.keys(), "every type has another value to try"
    taken = []
    for name, kind in columns:
        if name not in MAY_CHANGE[table]:
            changed = f"UPDATE {table} SET {name} = {OTHER[kind].format(name)}"  # noqa: S608 - S608: names of the database's own
            first = f" WHERE ctid IN (SELECT ctid FROM {table} LIMIT 1)"  # noqa: S608 - S608: as above
            emptied = f"UPDATE {table} SET {name} = NULL WHERE {name} IS NOT NULL"  # noqa: S608 - S608: as above
            codes = [code_of(desk, changed), code_of(desk, changed + first), code_of(desk, emptied)]
            is_empty = codes[2] == NO_ROW
            taken += [(name, codes)] if not set(codes[:2] if is_empty else codes) <= REFUSALS else []
    assert taken == []


@pytest.mark.parametrize("table", EVERY)
def test_no_row_can_be_deleted(desk, table):
    assert code_of(desk, f"DELETE FROM {table}") in {*REFUSALS, FOREIGN_KEY}  # noqa: S608 - S608: names of ours
    last = f"DELETE FROM {table} WHERE ctid IN (SELECT ctid FROM {table} ORDER BY ctid DESC LIMIT 1)"  # noqa: S608 - S608: as above
    assert code_of(desk, last) in REFUSALS
    assert code_of(desk, f"TRUNCATE {table} CASCADE") in REFUSALS


def test_a_line_that_no_note_names_is_not_deleted(desk):
    assert code_of(desk, "DELETE FROM invoice_lines WHERE id NOT IN (SELECT invoice_line_id FROM credit_note_lines)") in REFUSALS


@pytest.mark.parametrize("status", ["'DRAFT'", "'PAID'", "'VOID'", "''"])
def test_a_sent_invoice_becomes_nothing_but_cancelled(desk, status):
    assert code_of(desk, f"UPDATE invoices SET status = {status}") != TAKEN  # noqa: S608 - S608: values of ours
    assert code_of(desk, f"UPDATE invoices SET status = {status}, number = NULL") != TAKEN  # noqa: S608 - S608: as above


def test_a_cancelled_invoice_stays_so(desk):
    of_it = "WHERE status = 'CANCELLED'"
    for change in ("status = 'SENT', cancelled_at = NULL", "cancelled_at = now()", "cancel_reason = 'another'"):
        assert code_of(desk, f"UPDATE invoices SET {change} {of_it}") in REFUSALS  # noqa: S608 - S608: values of ours
    assert code_of(desk, f"UPDATE invoices SET file_key = 'a/b.pdf' {of_it}") == TAKEN  # noqa: S608 - S608: as above


def test_an_invoice_in_use_is_not_cancelled(desk):
    cancelled = "SET status = 'CANCELLED', cancelled_at = now() WHERE status = 'SENT'"
    used = "(SELECT invoice_id FROM invoice_balances WHERE paid_amount + credited_amount + applied_amount > 0)"
    for row in rows(desk, f"SELECT id FROM invoices WHERE status = 'SENT' AND id IN {used}"):  # noqa: S608 - S608: values of ours
        assert code_of(desk, f"UPDATE invoices {cancelled} AND id = :id", id=row.id) in REFUSALS
    [free] = rows(desk, f"SELECT id FROM invoices WHERE status = 'SENT' AND id NOT IN {used} ORDER BY number DESC LIMIT 1")  # noqa: S608 - S608: as above
    assert code_of(desk, f"UPDATE invoices {cancelled} AND id = :id", id=free.id) == TAKEN


def test_a_line_is_released_once(desk):
    released = "WHERE released_at IS NOT NULL"
    assert rows(desk, f"SELECT 1 FROM invoice_lines {released}")  # noqa: S608 - S608: values of ours
    assert code_of(desk, f"UPDATE invoice_lines SET released_at = NULL {released}") in REFUSALS  # noqa: S608 - S608: as above
    assert code_of(desk, f"UPDATE invoice_lines SET released_at = now() {released}") in REFUSALS  # noqa: S608 - S608: as above


def test_a_line_is_released_only_when_its_payment_is_unbilled(desk):
    assert code_of(desk, "UPDATE invoice_lines SET released_at = now() WHERE released_at IS NULL") != TAKEN


def test_nothing_is_added_to_a_sent_document(desk):
    more = """INSERT INTO invoice_lines (id, invoice_id, position, description, detail, sac_code, quantity, unit_price, taxable_amount,
              session_date) SELECT uuidv7(), id, 99, 'x', 'x', '999293', 1, 1, 1, issue_date FROM invoices"""
    assert code_of(desk, more) in REFUSALS
    more = """INSERT INTO credit_note_lines (id, credit_note_id, invoice_line_id, position, description, detail, sac_code, session_date,
              taxable_amount, cgst, sgst, igst)
              SELECT uuidv7(), n.id, l.id, 99, 'x', 'x', '999293', n.issue_date, 1, 0, 0, 0 FROM credit_notes n
              JOIN invoice_lines l ON l.invoice_id = n.invoice_id
              WHERE NOT EXISTS (SELECT FROM credit_note_lines c WHERE c.credit_note_id = n.id AND c.invoice_line_id = l.id)"""
    assert code_of(desk, more) in REFUSALS | {NO_ROW}
    moved = "UPDATE invoice_lines SET invoice_id = (SELECT id FROM invoices WHERE status = 'CANCELLED')"
    assert code_of(desk, moved) in REFUSALS


USED = {
    "paid out": "paid_out_amount > 0",
    "applied": "applied_amount > 0",
    "settled on its invoice": "settled_amount > 0 AND applied_amount + paid_out_amount = 0",
    "of a refund": "refund_id IS NOT NULL",
}


@pytest.mark.parametrize("use", USED)
def test_a_used_note_is_not_voided(desk, use):
    which = f"WHERE status = 'ISSUED' AND {USED[use]}"
    assert rows(desk, f"SELECT 1 FROM credit_notes {which}")  # noqa: S608 - S608: values of ours
    assert code_of(desk, f"UPDATE credit_notes SET status = 'VOID', voided_at = now() {which}") != TAKEN  # noqa: S608 - S608: as above


def test_an_open_note_made_by_hand_can_be_voided_and_stays_so(desk):
    unused = "WHERE open_amount = amount AND status = 'ISSUED' AND refund_id IS NULL"
    assert code_of(desk, f"UPDATE credit_notes SET status = 'VOID', voided_at = now() {unused}") == TAKEN  # noqa: S608 - S608: values of ours
    of_it = "WHERE status = 'VOID'"
    for change in ("status = 'ISSUED', voided_at = NULL", "voided_at = now()", "void_reason = 'another'"):
        assert code_of(desk, f"UPDATE credit_notes SET {change} {of_it}") in REFUSALS  # noqa: S608 - S608: as above
    assert code_of(desk, f"UPDATE credit_notes SET file_key = 'a/b.pdf' {of_it}") == TAKEN  # noqa: S608 - S608: as above


MONEY = {
    "more on an invoice than is outstanding": """
        INSERT INTO invoice_allocations (id, organization_id, invoice_id, amount, method, paid_at, created_at)
        SELECT uuidv7(), organization_id, invoice_id, outstanding + 1, 'OTHER', now(), now()
        FROM invoice_balances WHERE NOT is_cancelled""",
    "money on a cancelled invoice": """
        INSERT INTO invoice_allocations (id, organization_id, invoice_id, amount, method, paid_at, created_at)
        SELECT uuidv7(), organization_id, invoice_id, 1, 'OTHER', now(), now() FROM invoice_balances WHERE is_cancelled""",
    "more paid out than is open": """
        INSERT INTO credit_movements (id, organization_id, credit_note_id, kind, amount, created_at)
        SELECT uuidv7(), organization_id, id, 'PAID_OUT', open_amount + 1, now() FROM credit_notes""",
    "credit of a voided note": """
        INSERT INTO credit_movements (id, organization_id, credit_note_id, kind, amount, created_at)
        SELECT uuidv7(), organization_id, id, 'PAID_OUT', 1, now() FROM credit_notes WHERE status = 'VOID'""",
}


@pytest.mark.parametrize("what", MONEY)
def test_money_moves_only_within_the_documents(desk, what):
    assert code_of(desk, MONEY[what]) not in {TAKEN, NO_ROW}
