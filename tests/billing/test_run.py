"""The monthly run: what it bills is what was previewed, each payment once, whatever is killed, refused or late."""

import json
import time
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import event, text

from portal import clock, db, jobs
from portal.billing.models import CreditNote, CreditNoteLine, Invoice, InvoiceBalance, InvoiceLine, Payment
from portal.billing.service import invoices, runs
from portal.orgs.rules import Role
from tests.support import world
from tests.support.books import PRICE, open_books
from tests.support.dying import Killed
from tests.support.together import at_once

OCTOBER = datetime(2026, 10, 12, 9, tzinfo=UTC)
NOVEMBER_1 = datetime(2026, 11, 1, tzinfo=UTC)
DECEMBER_1 = datetime(2026, 12, 1, tzinfo=UTC)
MOST_STATEMENTS = 12


@pytest.fixture
def books(rung, app, monkeypatch):
    """The organization on a day in October; its sums must be right at the end."""
    made = open_books(app, rung, monkeypatch, at=OCTOBER)
    yield made
    assert made.differences() == []


def run(books, at=NOVEMBER_1) -> dict:
    """The job at an hour, in a process of its own."""
    books.go(at)
    with books.app.app_context():
        return jobs.run("billing-monthly-run")


def more(books, number: int) -> list[world.Company]:
    """Other organizations with a booking each."""
    with books.app.app_context():
        made = [world.make_company(f"Company {each}", consultant=books.company.consultant) for each in range(number)]
        for hours, company in enumerate(made):
            world.book(company, company.owner, hours=300 + hours)
    return made


def numbers(books) -> list[str]:
    return [row.number for row in books.rows("SELECT number FROM invoices ORDER BY number")]


def without_triggers(books, *statements: str, **values: object) -> None:
    """What nothing but a broken disk or somebody at the database could do."""
    with books.app.app_context(), db.database.engine.begin() as connection:
        connection.execute(text("SET LOCAL session_replication_role = replica"))
        for statement in statements:
            connection.execute(text(statement), values)


sessions = st.lists(st.tuples(st.integers(1, 30), st.integers(0, 30)), min_size=1, max_size=5)


def test_what_was_previewed_is_what_is_issued(books):
    [paid] = [books.billed(7_919)]
    books.pay(paid["id"])
    books.credit(paid["id"], amount=5_000)
    books.change(po_number="PO 12", payment_terms_days=45)
    looked = []

    @settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], database=None)
    @given(sessions)
    def examine(made):
        for payment_id, (price, given_back) in zip(books.book(*(price * 1_117 for price, _back in made)), made, strict=True):
            if given_back:
                books.refund(payment_id, min(given_back, price) * 1_117)
        preview = books.person("owner").get(f"{books.url}/preview").json["invoice"]
        answer = books.person("owner").post(f"{books.url}/generate-invoice", {})
        if preview is None:
            assert answer.json["code"] == "NO_UNBILLED_PAYMENTS"
            return
        issued = answer.json["invoice"]
        looked.append(issued["appliedCredit"])
        differing = {"invoiceNumber", "billingCycleEnd", "items"}
        assert {name: issued[name] for name in preview.keys() - differing} == {name: preview[name] for name in preview.keys() - differing}
        names = preview["items"][0].keys()
        assert [{name: line[name] for name in names} for line in issued["items"]] == preview["items"]
        assert issued["poNumber"] == "PO 12"
        assert sum(line["taxableAmount"] for line in issued["items"]) == issued["taxableAmount"]

    examine()
    assert sum(looked) > 0, "open credit was applied"


def test_a_preview_writes_nothing(books):
    books.book(PRICE)
    for path in (f"{books.url}/preview", f"{books.page}/preview"):
        assert books.person("owner").get(path).status_code == 200
    assert books.value("SELECT count(*) FROM invoices") == 0
    assert books.value("SELECT count(*) FROM document_series") == 0


def test_what_arrives_late_for_a_billed_month_goes_onto_the_next_invoice(books):
    books.book(PRICE)
    assert run(books)["payments"] == 1
    books.calendar.go(NOVEMBER_1 - timedelta(hours=1))
    books.book(50_000)
    assert run(books, NOVEMBER_1 + timedelta(hours=5))["skipped"] == {"already_billed": 1}
    books.go(NOVEMBER_1 + timedelta(days=9))
    books.book(30_000)
    assert run(books, DECEMBER_1)["payments"] == 2
    second, first = books.person("owner").get(f"{books.url}/invoices").json["items"]
    assert first["billingCycleEnd"] == second["billingCycleStart"] == "2026-11-01T00:00:00Z"
    assert [item["taxableAmount"] for item in second["items"]] == [50_000, 30_000]


def test_run_late_in_the_month_it_bills_the_month_before_alone(books):
    books.book(PRICE)
    books.go(NOVEMBER_1 + timedelta(minutes=1))
    books.book(50_000)
    summary = run(books, NOVEMBER_1 + timedelta(days=17))
    assert (summary["invoices"], summary["payments"], summary["amount"]) == (1, 1, 118_000)
    [invoice] = books.person("owner").get(f"{books.url}/invoices").json["items"]
    assert (invoice["billingCycleEnd"], invoice["issueDate"]) == ("2026-11-01T00:00:00Z", "2026-11-18")


@pytest.mark.parametrize("when", ["before the commit", "after the commit"])
def test_killed_between_batches_it_goes_on_where_it_was(books, monkeypatch, when):
    books.book(PRICE)
    more(books, 4)
    monkeypatch.setattr(runs, "BATCH", 2)
    checkpoint, seen = db.checkpoint, []

    def dying():
        seen.append(1)
        if when == "after the commit" or len(seen) < 3:
            checkpoint()
        if len(seen) == 3:
            raise Killed

    books.go(NOVEMBER_1)
    with monkeypatch.context() as patched:
        patched.setattr(db, "checkpoint", dying)
        with books.app.app_context(), pytest.raises(Killed), db.unit_of_work():
            runs.run_month()
    done = {"before the commit": 2, "after the commit": 4}[when]
    assert books.value("SELECT count(*) FROM invoices") == done
    summary = run(books, NOVEMBER_1 + timedelta(minutes=5))
    assert (summary["invoices"], summary["done"], summary["failed"]) == (5 - done, True, [])
    assert numbers(books) == [f"PF/26-27/{number:07}" for number in range(1, 6)]
    assert tuple(books.rows("SELECT status, invoices, payments, amount FROM billing_runs")[0]) == ("DONE", 5, 5, 590_000)


def test_two_workers_share_the_organizations_and_a_later_run_writes_nothing(books, monkeypatch):
    books.book(PRICE, 50_000)
    more(books, 7)
    monkeypatch.setattr(runs, "BATCH", 2)
    books.go(NOVEMBER_1)

    def work():
        with db.unit_of_work():
            return runs.run_month()

    summaries, refusals = at_once(books.app, [work] * 2)
    assert (refusals, sum(summary["invoices"] for summary in summaries)) == ([], 8)
    run(books, NOVEMBER_1 + timedelta(minutes=9))
    assert numbers(books) == [f"PF/26-27/{number:07}" for number in range(1, 9)]
    assert books.value("SELECT count(*) FROM invoice_lines") == 9
    tables = ("invoices", "invoice_lines", "invoice_mails", "payments", "audit_rows", "document_series", "billing_runs", "invoice_balances")
    counted = {name: books.value(f"SELECT md5(string_agg(t::text, ',' ORDER BY t::text)) FROM {name} t") for name in tables}  # noqa: S608 - S608: names of ours
    again = run(books, NOVEMBER_1 + timedelta(hours=3))
    assert (again["invoices"], again["payments"], again["amount"], again["skipped"]) == (0, 0, 0, {"already_billed": 8})
    assert {name: books.value(f"SELECT md5(string_agg(t::text, ',' ORDER BY t::text)) FROM {name} t") for name in tables} == counted  # noqa: S608 - S608: as above


def test_an_organization_that_the_database_refuses_is_left_out_and_named_while_others_are_billed(books):
    [payment_id] = books.book(PRICE)
    more(books, 3)
    line = "INSERT INTO invoice_lines (id, invoice_id, payment_id, position, description, detail, sac_code, quantity, unit_price,"
    line += " taxable_amount, session_date) VALUES (:id, :id, :payment, 1, 'x', 'x', '999293', 1, 1, 1, '2026-10-01')"
    stray = "0199a000-0000-7000-8000-000000000009"
    without_triggers(books, line, id=stray, payment=payment_id)
    books.bells.clear()
    summary = run(books)
    assert (summary["invoices"], summary["done"]) == (3, True)
    assert [(failure["organizationId"], failure["code"]) for failure in summary["failed"]] == [(books.id, "REFUSED_BY_DATABASE")]
    assert json.loads(json.dumps(summary)) == summary
    made = {str(row.id) for row in books.rows("SELECT id FROM invoices")}
    assert {bell.ids[0] for bell in books.bells if bell.name == "billing-archive-invoice"} == made
    shown = books.person("admin").get("/admin/billing").get_data(as_text=True)
    assert f'<a href="{books.page}">Acme</a>: ' in shown
    assert numbers(books) == [f"PF/26-27/{number:07}" for number in range(1, 4)]
    without_triggers(books, "DELETE FROM invoice_lines WHERE id = :id", id=stray)
    again = run(books, NOVEMBER_1 + timedelta(hours=1))
    assert (again["invoices"], again["failed"]) == (1, [])
    assert numbers(books)[-1] == "PF/26-27/0000004"


def test_who_is_skipped_and_why_stands_in_the_summary_and_on_the_admins_page(books):
    books.book(PRICE)
    late, idle, suspended, other_mode = more(books, 4)
    with books.app.app_context(), db.unit_of_work():
        db.session.execute(text("UPDATE organizations SET status = 'SUSPENDED' WHERE id = :id"), {"id": suspended.organization.id})
        db.session.execute(text("UPDATE organizations SET billing_mode = 'TAG_ONLY' WHERE id = :id"), {"id": other_mode.organization.id})
        db.session.execute(
            text("UPDATE payments SET created_at = '2026-11-01T00:00:00Z' WHERE organization_id = :id"), {"id": idle.organization.id}
        )
    books.go(NOVEMBER_1)
    with books.app.app_context(), db.unit_of_work():
        invoices.issue_now(late.organization.id, actor=world.as_self(late.owner))
    summary = run(books, NOVEMBER_1 + timedelta(seconds=9))
    assert (summary["invoices"], summary["skipped"], summary["failed"]) == (1, {"already_billed": 1, "nothing_unbilled": 1}, [])
    page = books.person("admin").get("/admin/billing").get_data(as_text=True)
    for words in ("1 already billed", "1 nothing unbilled", "1,180.00", "Every sum is as it must be."):
        assert words in page, words
    for who in ("owner", "staff", "learner"):
        assert books.person(who).get("/admin/billing").status_code == 403


def test_a_suspended_organization_is_billed_when_it_is_active_again(books):
    books.book(PRICE)
    books.change(status="SUSPENDED")
    assert run(books)["invoices"] == 0
    books.change(status="ACTIVE")
    assert run(books, DECEMBER_1)["payments"] == 1


def test_the_first_of_april_in_india_begins_on_the_31st_of_march_at_half_past_six_utc(books):
    for instant, number, day in (
        (datetime(2027, 3, 31, 18, 29, 59, tzinfo=UTC), "PF/26-27/0000001", "2027-03-31"),
        (datetime(2027, 3, 31, 18, 30, tzinfo=UTC), "PF/27-28/0000001", "2027-04-01"),
    ):
        books.go(instant - timedelta(hours=1))
        books.book(PRICE)
        books.go(instant)
        invoice = books.person("owner").post(f"{books.url}/generate-invoice", {}).json["invoice"]
        assert (invoice["invoiceNumber"], invoice["issueDate"]) == (number, day)
        note = books.credit(invoice["id"], amount=1).json["creditNote"]
        assert note["creditNoteNumber"] == number.replace("PF", "PFCN").replace("0000001", "00001")


def test_the_run_of_march_is_dated_and_numbered_in_april(books):
    books.go(datetime(2027, 3, 31, 23, 59, tzinfo=UTC))
    books.book(PRICE)
    summary = run(books, datetime(2027, 4, 1, tzinfo=UTC))
    assert summary["payments"] == 1
    [invoice] = books.person("owner").get(f"{books.url}/invoices").json["items"]
    assert (invoice["invoiceNumber"], invoice["issueDate"], invoice["dueDate"]) == ("PF/27-28/0000001", "2027-04-01", "2027-05-01")
    assert (invoice["billingCycleStart"], invoice["billingCycleEnd"]) == ("2027-03-01T00:00:00Z", "2027-04-01T00:00:00Z")


def test_a_session_one_minute_past_midnight_in_india_has_that_days_date_and_the_month_of_its_payment(books):
    books.go(datetime(2026, 10, 31, 18, 0, tzinfo=UTC))
    with books.app.app_context():
        booking = world.book(books.company, books.learner, hours=1)
        assert booking.starts_at.astimezone(clock.INDIA).date().isoformat() == "2026-11-01"
    run(books)
    [invoice] = books.person("owner").get(f"{books.url}/invoices").json["items"]
    assert (invoice["items"][0]["sessionDate"], invoice["billingCycleEnd"]) == ("2026-11-01", "2026-11-01T00:00:00Z")


def test_a_transaction_that_fails_after_the_numbers_were_taken_leaves_no_gap(books, monkeypatch):
    books.book(PRICE)

    def break_down(_notes, _invoices):
        raise RuntimeError("the machine stopped here")

    with monkeypatch.context() as patched:
        patched.setattr(invoices.credit_notes, "apply_open_credit", break_down)
        with books.app.app_context(), pytest.raises(RuntimeError, match="stopped here"), db.unit_of_work():
            invoices.issue_now(books.id, actor=world.SYSTEM)
    assert books.value("SELECT count(*) FROM document_series") == 0
    assert books.billed(50_000)["invoiceNumber"] == "PF/26-27/0000001"


def test_a_cancelled_invoices_payments_come_onto_the_next_one_and_its_number_stays_used(books):
    first = books.billed(PRICE, 50_000)
    cancelled = books.cancel(first["id"]).json["invoice"]
    assert (cancelled["status"], cancelled["invoiceNumber"], cancelled["outstanding"]) == ("CANCELLED", "PF/26-27/0000001", 0)
    assert books.summary()["pendingCharges"] == {"amount": 150_000, "paymentCount": 2}
    second = books.billed(30_000)
    assert second["invoiceNumber"] == "PF/26-27/0000002"
    assert [item["paymentId"] for item in second["items"]][:2] == [item["paymentId"] for item in first["items"]]
    assert second["billingCycleStart"] == first["billingCycleStart"]
    assert books.cancel(first["id"]).json["code"] == "INVOICE_CANCELLED"
    assert books.cancel(second["id"]).status_code == 200
    assert books.person("owner").get(f"{books.url}/statement").json["closing"] == 0


def test_generating_by_hand_is_the_owners_and_only_where_months_are_billed(books):
    books.book(PRICE)
    orgadmin = books.add("orgadmin", role=Role.ORG_ADMIN)
    assert orgadmin.post(f"{books.url}/generate-invoice", {}).status_code == 403
    books.change(billing_mode="TAG_ONLY")
    answer = books.person("owner").post(f"{books.url}/generate-invoice", {})
    assert (answer.status_code, answer.json["code"]) == (400, "NOT_INVOICED_MONTHLY")
    assert "only valid for INVOICED_MONTHLY orgs" in answer.json["error"]
    books.change(billing_mode="INVOICED_MONTHLY", status="SUSPENDED")
    assert books.person("owner").post(f"{books.url}/generate-invoice", {}).status_code == 409
    assert numbers(books) == []


# Large books


@pytest.fixture
def statements(app):
    """The SQL that is sent from now on."""
    seen = []

    def note(_connection, _cursor, statement, _parameters, _context, _many):
        seen.append(statement)

    with app.app_context():
        engine = db.database.engine
    event.listen(engine, "before_cursor_execute", note)
    yield seen
    event.remove(engine, "before_cursor_execute", note)


def copies(model, first: int, last: int, **changes: str) -> str:
    """SQL that multiplies the only row of a table that has no copy yet; changes are SQL over the copy's number ``g``."""
    columns = [column.name for column in model.__table__.columns if column.computed is None]
    table, names = model.__tablename__, ", ".join(columns)
    values = ", ".join(f"'{name}', {value}" for name, value in changes.items())
    wanted = ", ".join(f"copy.{name}" for name in columns)
    only = f"(SELECT one FROM {table} AS one LIMIT 1) AS first"  # noqa: S608 - S608: names of ours
    made = f"LATERAL jsonb_populate_record((first.one)::{table}, jsonb_build_object({values})) AS copy"
    return f"INSERT INTO {table} ({names}) SELECT {wanted} FROM {only}, generate_series({first}, {last}) AS g, {made}"  # noqa: S608 - S608: as above


def grow(books, first: int, last: int) -> None:
    """Copies an invoice with its payment and its note: as many of each, and ten payments for each invoice."""
    invoice, note = "md5('invoice' || g)::uuid", "md5('note' || g)::uuid"
    number = "lpad((g + 1)::text, 7, '0')"
    day = "timestamptz '1990-01-01 00:00Z' + g * interval '1 day'"
    at = "timestamptz '2026-10-12 08:00Z' - g * interval '1 minute'"
    period = {"billing_cycle_start": day, "billing_cycle_end": f"{day} + interval '1 day'"}
    of_payment = f"md5('invoice' || ({first} + g % ({last} - {first} + 1)))::uuid"
    payment, line = "md5('payment' || g)::uuid", "md5('line' || g)::uuid"
    without_triggers(
        books,
        copies(Invoice, first, last, id=invoice, number=f"'PF/26-27/' || {number}", po_number="'PO ' || g", issued_at=at, **period),
        copies(InvoiceBalance, first, last, invoice_id=invoice),
        copies(Payment, first * 10, last * 10, id=payment, billable_to_org_invoice_id=of_payment),
        copies(InvoiceLine, first * 10, last * 10, id=line, payment_id=payment, invoice_id=of_payment, position="g + 1"),
        copies(CreditNote, first, last, id=note, invoice_id=invoice, number="'PFCN/26-27/' || lpad((g + 1)::text, 5, '0')", issued_at=at),
        copies(
            CreditNoteLine, first, last, id="md5('noteline' || g)::uuid", credit_note_id=note, invoice_line_id="md5('line' || g * 10)::uuid"
        ),
    )
    with books.app.app_context(), db.database.engine.connect() as connection:
        connection.execution_options(isolation_level="AUTOCOMMIT").execute(text("ANALYZE"))


def quickest(act, times: int = 5) -> float:
    """Seconds of the quickest of several calls."""
    taken = []
    for _time in range(times):
        begun = time.perf_counter()
        assert act().status_code == 200
        taken.append(time.perf_counter() - begun)
    return min(taken)


def test_two_thousand_documents_and_ten_thousand_payments_cost_each_page_as_little_as_sixty_do(rung, app, monkeypatch, statements):
    books = open_books(app, rung, monkeypatch, at=OCTOBER)
    invoice = books.billed(PRICE)
    note = books.credit(invoice["id"], amount=1_000).json["creditNote"]
    [unbilled] = books.book(PRICE)
    assert unbilled
    paths = {
        "billing": books.page,
        "found": f"{books.page}?q=PF&status=SENT",
        "of an invoice": f"{books.page}?q=PFCN",
        "invoice": f"{books.page}/invoices/{invoice['id']}",
        "note": f"{books.page}/credit-notes/{note['id']}",
        "preview": f"{books.page}/preview",
        "payout": f"{books.page}/credit-payout",
        "home": "/orgs/acme/home",
        "summary": books.url,
        "list": f"{books.url}/invoices?limit=25",
    }
    admin, seconds = books.person("admin"), []
    for first, last in ((1, 30), (31, 1_000)):
        grow(books, first, last)
        seconds.append({name: quickest(lambda path=path: admin.get(path)) for name, path in paths.items()})
    assert books.value("SELECT (SELECT count(*) FROM invoices) + (SELECT count(*) FROM credit_notes)") == 2_002
    assert books.value("SELECT count(*) FROM payments") > 9_900
    slower = {name: seconds[1][name] / seconds[0][name] for name in paths}
    assert max(slower.values()) < 4, slower
    more_paths = {"runs": "/admin/billing", "refunds": "/admin/refunds?q=Acme", "statement": f"{books.page}/statement"}
    for name, path in {**paths, **more_paths}.items():
        del statements[:]
        assert admin.get(path).status_code == 200, path
        assert len(statements) <= MOST_STATEMENTS, (name, len(statements))
    newest = admin.get(f"{books.url}/invoices?limit=200").json
    seen = [item["id"] for item in newest["items"]]
    following = admin.get(f"{books.url}/invoices?limit=200&cursor={newest['nextCursor']}").json["items"]
    assert len({*seen, *(item["id"] for item in following)}) == 400


def test_final_invoices_can_be_rung_for_all_and_the_summary_has_every_field(books):
    books.book(PRICE)
    books.go(OCTOBER + timedelta(days=1))
    headers = books.person("owner").headers
    assert books.app.test_client(use_cookies=False).delete(f"/api/organizations/{books.id}", headers=headers).status_code == 200
    with books.app.app_context():
        said = jobs.run("billing-final-invoice", as_of="2026-10-14T00:00:00Z")
        assert said == {
            "job": "billing-final-invoice", "asOf": "2026-10-14T00:00:00Z", "done": True, "invoices": 1, "skipped": {}, "failed": []
        }  # fmt: skip
        assert jobs.run("billing-final-invoice")["invoices"] == 0
    assert books.rows("SELECT billing_cycle_end FROM invoices WHERE issue_date = '2026-10-14'")


@pytest.mark.parametrize("name", sorted(name for name, job in jobs.JOBS.items() if job.cron))
def test_every_scheduled_jobs_summary_has_the_fields_of_the_contract(books, name):
    with books.app.app_context():
        said = jobs.run(name, as_of="2026-12-01T00:00:00Z")
    assert {"job": name, "asOf": "2026-12-01T00:00:00Z", "skipped": {}, "failed": []}.items() <= {**said, "skipped": {}}.items()
    assert isinstance(said["done"], bool | int)
    assert isinstance(said["skipped"], dict)
    assert json.loads(json.dumps(said)) == said
