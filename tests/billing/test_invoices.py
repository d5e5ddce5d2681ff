"""Invoices against PostgreSQL: what is billed, once, without gaps, and never changed again."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.exc import DBAPIError

from portal import clock, db
from portal.billing.models import BillingRun, DocumentSeries, Invoice, InvoiceLine, InvoiceMail, Payment
from portal.billing.rules import InvoiceStatus
from portal.billing.rules.gst import TaxKind
from portal.billing.rules.runs import RunStatus
from portal.billing.service import documents, invoices, runs
from portal.errors import Invalid
from portal.gateways import files
from portal.orgs.models import Organization
from portal.orgs.rules import Role
from tests.support import world
from tests.support.together import at_once

OCTOBER = datetime(2026, 10, 12, 9, 0, tzinfo=UTC)
NOVEMBER_1 = datetime(2026, 11, 1, tzinfo=UTC)


@pytest.fixture
def acme(rung, app):
    """A company with two bookings in October and one in November."""
    with app.app_context():
        with clock.as_of(OCTOBER):
            company = world.make_company()
            learner = world.make_user("asha@acme.test")
            world.add_member(company.organization, learner, Role.ORG_LEARNER)
            world.book(company, learner, hours=24)
            world.book(company, learner, hours=26)
        with clock.as_of(NOVEMBER_1 + timedelta(minutes=1)):
            world.book(company, learner, hours=30)
        yield company


def run_month(at=NOVEMBER_1):
    with clock.as_of(at), db.unit_of_work():
        return runs.run_month()


def sent():
    return db.session.scalars(select(Invoice).order_by(Invoice.number)).all()


def test_the_run_bills_the_month_before_and_leaves_the_rest(acme):
    summary = run_month()
    assert (summary["invoices"], summary["payments"], summary["amount"], summary["done"]) == (1, 2, 236_000, True)
    [invoice] = sent()
    assert (invoice.number, invoice.status) == ("PF/26-27/0000001", InvoiceStatus.SENT)
    assert (invoice.taxable_amount, invoice.cgst, invoice.sgst, invoice.igst, invoice.amount) == (200_000, 18_000, 18_000, 0, 236_000)
    assert (invoice.billing_cycle_start, invoice.billing_cycle_end) == (datetime(2026, 10, 1, tzinfo=UTC), NOVEMBER_1)
    assert invoice.issue_date.isoformat() == "2026-11-01"
    assert invoice.due_date.isoformat() == "2026-12-01"
    assert db.session.scalar(select(func.count()).select_from(Payment).where(Payment.billable_to_org_invoice_id.is_(None))) == 1


def test_a_second_run_writes_nothing_and_says_why(acme):
    run_month()
    again = run_month(NOVEMBER_1 + timedelta(hours=3))
    assert (again["invoices"], again["skipped"]) == (0, {"already_billed": 1})
    assert len(sent()) == 1


def test_what_comes_late_goes_onto_the_next_invoice_and_periods_meet(acme):
    run_month()
    with clock.as_of(NOVEMBER_1 + timedelta(days=30)), db.unit_of_work():
        runs.run_month()
    first, second = sent()
    assert second.billing_cycle_start == first.billing_cycle_end
    assert second.number == "PF/26-27/0000002"


def test_another_state_pays_igst(rung, app):
    with app.app_context(), clock.as_of(OCTOBER):
        company = world.make_company("Chennai Foods", state="33")
        world.book(company, company.owner)
        run_month()
        [invoice] = sent()
        assert (invoice.cgst, invoice.sgst, invoice.igst, invoice.place_of_supply) == (0, 0, 18_000, "33 Tamil Nadu")


def test_close_out_by_hand_bills_up_to_now_and_then_there_is_nothing_left(acme):
    with clock.as_of(NOVEMBER_1 + timedelta(hours=1)):
        with db.unit_of_work():
            invoice = invoices.issue_now(acme.organization.id, actor=world.as_self(acme.owner))
        assert invoice.taxable_amount == 300_000
        assert not invoice.auto_generated
        with pytest.raises(Invalid, match="No unbilled payments to invoice") as refused, db.unit_of_work():
            invoices.issue_now(acme.organization.id, actor=world.as_self(acme.owner))
        assert refused.value.code == "NO_UNBILLED_PAYMENTS"
    assert run_month()["skipped"] == {"already_billed": 1}


def test_a_financial_year_begins_a_new_series_by_the_date_in_india(rung, app):
    with app.app_context():
        with clock.as_of(datetime(2027, 2, 3, tzinfo=UTC)):
            company = world.make_company()
            world.book(company, company.owner)
        with clock.as_of(datetime(2027, 3, 31, 18, 29, tzinfo=UTC)), db.unit_of_work():
            invoices.issue_now(company.organization.id, actor=world.as_self(company.owner))
        with clock.as_of(datetime(2027, 3, 31, 18, 30, tzinfo=UTC)):
            world.book(company, company.owner)
        with clock.as_of(datetime(2027, 3, 31, 18, 31, tzinfo=UTC)), db.unit_of_work():
            invoices.issue_now(company.organization.id, actor=world.as_self(company.owner))
        assert [invoice.number for invoice in sent()] == ["PF/26-27/0000001", "PF/27-28/0000001"]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE invoices SET amount = amount + 1, taxable_amount = taxable_amount + 1",
        "UPDATE invoices SET number = 'PF/26-27/0000009'",
        "UPDATE invoices SET due_date = due_date + 1",
        "UPDATE invoices SET recipient = '{}'",
        "UPDATE invoices SET status = 'DRAFT', number = NULL",
        "DELETE FROM invoices",
        "TRUNCATE invoices CASCADE",
        "UPDATE invoice_lines SET taxable_amount = 1",
        "DELETE FROM invoice_lines",
        """INSERT INTO invoice_lines (id, invoice_id, position, description, detail, sac_code, quantity, unit_price, taxable_amount,
           session_date) SELECT uuidv7(), id, 99, 'x', 'x', '999293', 1, 1, 1, issue_date FROM invoices""",
        "UPDATE audit_rows SET actor_name = 'somebody else'",
        "DELETE FROM audit_rows",
    ],
)
def test_the_database_refuses_every_change_of_what_was_sent(acme, statement):
    run_month()
    with pytest.raises(DBAPIError, match=r"never|append-only"), db.database.engine.begin() as connection:
        connection.execute(text(statement))


def test_a_sent_invoice_may_be_given_its_file_and_be_cancelled(acme):
    run_month()
    with db.database.engine.begin() as connection:
        assert connection.execute(text("UPDATE invoices SET file_key = 'a/b.pdf'")).rowcount == 1
        assert connection.execute(text("UPDATE invoices SET status = 'CANCELLED', cancelled_at = now()")).rowcount == 1


def test_two_runs_at_once_share_the_organizations_and_bill_each_once(rung, app, monkeypatch):
    monkeypatch.setattr(runs, "BATCH", 3)
    with app.app_context(), clock.as_of(OCTOBER):
        first = world.make_company("Company 0")
        companies = [first, *(world.make_company(f"Company {n}", consultant=None) for n in range(1, 12))]
        for company in companies:
            world.book(company, company.owner)
    summaries, refusals = at_once(app, [run_month] * 4)
    assert refusals == []
    with app.app_context():
        numbers = [invoice.number for invoice in sent()]
        assert numbers == [f"PF/26-27/{n:07}" for n in range(1, 13)]
        assert sum(summary["invoices"] for summary in summaries) == 12
        assert db.session.scalar(select(DocumentSeries.last_number)) == 12
        run = db.session.scalars(select(BillingRun)).one()
        assert (run.status, run.invoices, run.payments) == (RunStatus.DONE, 12, 12)


def test_a_failed_transaction_leaves_no_gap(acme, monkeypatch):
    def break_down(_actor, _action, _acts):
        raise RuntimeError("the machine stopped here")

    with monkeypatch.context() as patched:
        patched.setattr(invoices.audit, "record_all", break_down)
        with pytest.raises(RuntimeError, match="stopped here"):
            run_month()
    assert sent() == []
    assert db.session.scalar(select(func.count()).select_from(InvoiceLine)) == 0
    run_month()
    assert [invoice.number for invoice in sent()] == ["PF/26-27/0000001"]


def test_an_organization_that_cannot_be_billed_is_named_and_stops_nobody_else(acme, app):
    with clock.as_of(OCTOBER):
        other = world.make_company("Nowhere")
        world.book(other, other.owner)
    with db.unit_of_work():
        db.session.get_one(Organization, other.organization.id).state_code = "25"  # merged into 26: no State any more
    summary = run_month()
    assert summary["invoices"] == 1
    assert [failure["code"] for failure in summary["failed"]] == ["STATE_REQUIRED"]


def test_without_an_address_on_record_the_place_of_supply_is_the_suppliers(acme, app):
    with db.unit_of_work():
        db.session.get_one(Organization, acme.organization.id).state_code = None
    run_month()
    [invoice] = sent()
    assert (invoice.tax_kind, invoice.place_of_supply) == (TaxKind.INTRA, "29 Karnataka")


def test_a_later_change_of_the_organization_leaves_the_document_as_it_was(acme):
    run_month()
    with db.unit_of_work():
        db.session.get_one(Organization, acme.organization.id).name = "Acme Renamed"
    [invoice] = sent()
    document = documents.invoice_document(invoice, db.session.scalars(select(InvoiceLine).order_by(InvoiceLine.position)).all())
    assert document.recipient.name == "Acme"
    assert [line.detail for line in document.lines] == ["Asha with Meera", "Asha with Meera"]


def test_the_mail_carries_the_archived_pdf_once(acme, rung, app, settings):
    run_month()
    world.work_off(rung)
    db.session.expire_all()
    mail = db.session.scalars(select(InvoiceMail)).one()
    [invoice] = sent()
    assert (mail.delivery, mail.delivery_attempts) == ("SENT", 1)
    archived = files.store().read(invoice.file_key)
    written = (settings.portal_home / "mail" / f"{mail.id}.eml").read_bytes()
    assert archived.startswith(b"%PDF-")
    assert b"PF-26-27-0000001.pdf" in written
    with db.unit_of_work():
        assert documents.send_invoice(mail.id) is False
