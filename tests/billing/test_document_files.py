"""Files of documents: archived as issued, kept while they are current, served in parts, and made whatever is missing."""

import io
import os
import signal
import subprocess
from datetime import UTC, date, datetime, timedelta
from email import message_from_bytes, policy
from zipfile import ZipFile

import pytest
from pypdf import PdfReader
from sqlalchemy import select

from portal import clock, db, scheduling
from portal.accounts.models import User
from portal.audit.rules import SYSTEM
from portal.billing import queries
from portal.billing.models import CreditNote, Invoice, InvoiceMail
from portal.billing.rules import ReasonCode
from portal.billing.schemas import CreditNoteIn, PayIn
from portal.billing.service import allocations, archives, credit_notes, documents, runs
from portal.billing.service.documents import filing, logos
from portal.errors import Unavailable
from portal.gateways import files, pdf
from portal.orgs.models import Organization
from portal.orgs.rules import Role
from tests.support import world

NOVEMBER_1 = datetime(2026, 11, 1, tzinfo=UTC)
IN_TIME, LATE = NOVEMBER_1 + timedelta(days=5), NOVEMBER_1 + timedelta(days=40)


@pytest.fixture
def company(rung, app):
    """A company with one sent invoice, whose jobs are rung and not run."""
    with app.app_context():
        with clock.as_of(NOVEMBER_1 - timedelta(days=20)):
            made = world.make_company()
            learner = world.make_user("asha@acme.test")
            world.add_member(made.organization, learner, Role.ORG_LEARNER)
            world.book(made, learner)
        with clock.as_of(NOVEMBER_1), db.unit_of_work():
            runs.run_month()
    return made


@pytest.fixture
def acme(company, app):
    """The same, inside the app."""
    with app.app_context():
        yield company


def _invoice():
    db.session.expire_all()
    return db.session.scalars(select(Invoice)).one()


def _words(content):
    run = subprocess.run(["pdftotext", "-layout", "-", "-"], input=content, capture_output=True, check=True)
    return " ".join(run.stdout.decode().split())


def _made(at):
    with clock.as_of(at):
        return documents.invoice_pdf(_invoice())


@pytest.fixture
def typeset(monkeypatch):
    """What was set, by its key; it is still set."""
    seen = []

    def set_it(sheet):
        seen.append(sheet.key)
        return documents.typeset(sheet)

    monkeypatch.setattr(filing, "typeset", set_it)
    return seen


def test_a_file_is_kept_as_long_as_it_is_current(acme, typeset):
    first, again = _made(IN_TIME), _made(IN_TIME)
    assert first == again
    assert typeset == [first.etag]
    late = _made(LATE)
    assert late.etag != first.etag
    assert ("Overdue" in _words(late.content), "Overdue" in _words(first.content)) == (True, False)
    folder = f"organizations/{acme.organization.id}/current/{_invoice().id}"
    assert files.store().read(f"{folder}/{first.etag}.pdf") is None, "one is kept at a time"
    assert files.store().read(f"{folder}/{late.etag}.pdf") == late.content


def test_a_second_download_is_found_without_building_the_document_again(acme, monkeypatch):
    built, build = [], filing.sheets.invoice_sheet

    def counted(invoice):
        built.append(invoice.number)
        return build(invoice)

    monkeypatch.setattr(filing.sheets, "invoice_sheet", counted)
    first = _made(IN_TIME)
    assert [_made(IN_TIME), _made(IN_TIME), len(built)] == [first, first, 1]
    assert [_made(IN_TIME + timedelta(days=1)).etag == first.etag, len(built)] == [False, 2], "another day, another status"
    with clock.as_of(IN_TIME), db.unit_of_work():
        allocations.record(_invoice().id, PayIn(amount=1_000, method="UPI"), actor=SYSTEM)
    paid = _made(IN_TIME)
    assert ("₹10.00 paid" in _words(paid.content), len(built)) == (True, 3)
    files.store().write(f"organizations/{acme.organization.id}/current/{_invoice().id}/{paid.etag}.pdf", b"%PDF-1.7 half")
    assert [_made(IN_TIME), len(built)] == [paid, 4], "what is broken is made anew"


def test_the_original_stays_whatever_becomes_of_the_invoice(acme, rung, typeset):
    before = documents.original_invoice_pdf(_invoice())
    world.work_off(rung)
    with clock.as_of(LATE):
        archived = documents.original_invoice_pdf(_invoice())
    assert archived == before, "the same, made or archived"
    assert len(typeset) == 2
    words = _words(archived.content)
    assert "As of 01 Nov 2026" in words
    assert "Overdue" not in words


def test_the_mail_carries_the_copy_as_issued(acme, rung, settings):
    with clock.as_of(LATE):
        world.work_off(rung)
    mail = db.session.scalars(select(InvoiceMail)).one()
    written = message_from_bytes((settings.portal_home / "mail" / f"{mail.id}.eml").read_bytes(), policy=policy.default)
    [attached] = written.iter_attachments()
    assert attached.get_content() == files.store().read(_invoice().file_key)
    assert "Overdue" not in _words(attached.get_content())


def test_a_broken_or_foreign_file_is_never_given_out(acme):
    good = _made(IN_TIME)
    path = f"organizations/{acme.organization.id}/current/{_invoice().id}/{good.etag}.pdf"
    other = pdf.render_pdf('<html lang="en"><body><p>Somebody else</p></body></html>', title="x", identifier="f" * 64)
    for wrong in (b"", b"%PDF-1.7 half", good.content[:-200], other):
        files.store().write(path, wrong)
        assert _made(IN_TIME) == good
        assert files.store().read(path) == good.content


def test_a_full_store_only_costs_time(acme, rung, monkeypatch):
    def full(*_args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(type(files.store()), "write", full)
    assert pdf.is_whole(_made(IN_TIME).content, "")
    with pytest.raises(OSError, match="No space"), db.unit_of_work():
        documents.archive_invoice(_invoice().id)
    assert _invoice().file_key is None, "the job is tried again"
    monkeypatch.undo()
    with db.unit_of_work():
        assert documents.archive_invoice(_invoice().id) is True
    with db.unit_of_work():
        assert documents.archive_invoice(_invoice().id) is False


def test_a_store_that_is_away_still_gives_documents(acme, rung, monkeypatch):
    world.work_off(rung)

    def away(*_args):
        raise OSError(110, "timed out")

    monkeypatch.setattr(type(files.store()), "read", away)
    assert pdf.is_whole(documents.original_invoice_pdf(_invoice()).content, "")


def test_a_document_that_cannot_be_set_is_one_clear_error_and_a_retry(acme, rung, monkeypatch):
    def fails(_sheet):
        raise pdf.PdfFailed("no font of this machine has ₹")

    monkeypatch.setattr(filing, "typeset", fails)
    with pytest.raises(Unavailable, match="Try again in a few minutes"):
        _made(IN_TIME)
    with pytest.raises(pdf.PdfFailed), db.unit_of_work():
        documents.archive_invoice(_invoice().id)
    assert _invoice().file_key is None


def _issued_in_december(acme):
    """Another invoice."""
    with clock.as_of(IN_TIME):
        world.book(acme, db.session.scalars(select(User).where(User.email == "asha@acme.test")).one())
    with clock.as_of(NOVEMBER_1 + timedelta(days=30)), db.unit_of_work():
        runs.run_month()
    return db.session.scalars(select(Invoice).order_by(Invoice.number.desc())).first()


def test_a_document_keeps_the_logo_that_it_was_issued_with(acme):
    before = documents.original_invoice_pdf(_invoice())
    organization = db.session.get_one(Organization, acme.organization.id)
    world.place_logo(organization, acme.owner)
    assert documents.original_invoice_pdf(_invoice()) == before, "issued without one"
    later = _issued_in_december(acme)
    as_issued = documents.original_invoice_pdf(later)
    assert _images(as_issued.content) == _images(before.content) + 1
    with db.unit_of_work():
        organization.logo_file = "another.png"
    assert documents.original_invoice_pdf(later) == as_issued


def test_the_organizations_logo_is_printed_and_a_broken_one_left_out(acme, app):
    organization = db.session.get_one(Organization, acme.organization.id)
    world.place_logo(organization, acme.owner)
    later = _issued_in_december(acme)
    with_logo = documents.invoice_pdf(later)
    address = logos.address_of(organization.id, organization.logo_file)
    assert address.startswith("data:image/png;base64,")
    files.store().write(f"organizations/{organization.id}/{organization.logo_file}", b"\x89PNG\r\n\x1a\nbroken")
    assert logos.address_of(organization.id, organization.logo_file) == ""
    with clock.as_of(LATE):
        without = documents.invoice_pdf(later)
    assert _images(with_logo.content) == _images(without.content) + 1
    assert "Acme" in _words(without.content)


def _images(content):
    run = subprocess.run(["pdfimages", "-list", "-"], input=content, capture_output=True, check=True)
    return len(run.stdout.decode().splitlines()) - 2


def test_downloads_have_an_etag_a_name_and_parts(company, app):
    with app.app_context():
        invoice_id = _invoice().id
    url = f"/orgs/{company.organization.slug}/billing/invoices/{invoice_id}/pdf"
    api = f"/api/organizations/{company.organization.id}/billing/invoices/{invoice_id}/pdf"
    client = app.test_client()
    world.sign_in(client, company.owner)
    for path in (url, api):
        whole = client.get(path)
        assert (whole.status_code, whole.mimetype) == (200, "application/pdf")
        assert whole.headers["Content-Disposition"] == "attachment; filename=PF-26-27-0000001.pdf"
        assert whole.headers["Accept-Ranges"] == "bytes"
        assert whole.headers["Cache-Control"] == "no-cache, private"
        same = client.get(path, headers={"If-None-Match": whole.headers["ETag"]})
        assert (same.status_code, same.data) == (304, b"")
        part = client.get(path, headers={"Range": "bytes=0-4"})
        assert (part.status_code, part.data) == (206, b"%PDF-")
        assert part.headers["Content-Range"] == f"bytes 0-4/{len(whole.data)}"
        assert client.get(path, headers={"Range": f"bytes={len(whole.data)}-"}).status_code == 416
        original = client.get(f"{path}?copy=original")
        assert "As of 01 Nov 2026" in _words(original.data)
        assert original.headers["ETag"] != whole.headers["ETag"]
        assert client.get(f"{path}?copy=best").status_code == 400


def test_nobody_gets_another_organizations_file(company, app):
    with app.app_context():
        invoice_id = _invoice().id
        stranger = world.make_user("stranger@other.test")
        other = world.make_organization(stranger, name="Other")
    client = app.test_client()
    world.sign_in(client, stranger)
    for path in (
        f"/orgs/{company.organization.slug}/billing/invoices/{invoice_id}/pdf",
        f"/orgs/{other.slug}/billing/invoices/{invoice_id}/pdf",
        f"/api/organizations/{other.id}/billing/invoices/{invoice_id}/pdf?copy=original",
    ):
        answer = client.get(path)
        assert answer.status_code in {403, 404}
        assert b"%PDF" not in answer.data


def test_a_renderer_killed_in_the_middle_leaves_nothing_half_and_the_sweep_finds_it(acme, monkeypatch):
    invoice_id = _invoice().id
    child = os.fork()
    if child == 0:
        db.after_fork()
        db.session.remove()
        monkeypatch.setattr(filing, "typeset", lambda _sheet: os.kill(os.getpid(), signal.SIGKILL))
        with db.unit_of_work():
            documents.archive_invoice(invoice_id)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    assert _invoice().file_key is None
    assert queries.invoices_to_archive(clock.now() + timedelta(days=365), limit=10) == [invoice_id]
    with db.unit_of_work():
        assert documents.archive_invoice(invoice_id) is True
    assert pdf.is_whole(files.store().read(_invoice().file_key), "")


def test_a_worker_of_the_queue_is_warm_before_it_forks(monkeypatch):
    seen = []
    monkeypatch.setattr(scheduling.pdf, "warm", lambda: seen.append("warm"))
    monkeypatch.setattr(scheduling.gc, "freeze", lambda: seen.append("frozen"))
    monkeypatch.setattr(scheduling.Worker, "work", lambda *_args, **_options: seen.append("working"))
    scheduling.work_forever(["pdf"])
    assert seen == ["warm", "frozen", "working"]
    scheduling.work_forever(iter(["default"]))
    assert seen == ["warm", "frozen", "working", "working"]


@pytest.fixture
def credited(acme, rung):
    """The invoice with a credit note by hand, half of it; its jobs are rung."""
    with clock.as_of(IN_TIME), db.unit_of_work():
        data = CreditNoteIn(amount=50_000, reason="The consultant left half way.", reason_code=ReasonCode.SERVICE_DEFICIENCY)
        note = credit_notes.issue_by_hand(_invoice().id, data, actor=world.as_self(acme.owner))
    return note.id


def _note(note_id):
    db.session.expire_all()
    return db.session.get_one(CreditNote, note_id)


def test_a_credit_note_says_what_rule_53_asks_for_and_where_the_credit_went(credited):
    with clock.as_of(LATE):
        made = documents.credit_note_pdf(_note(credited))
    words = _words(made.content)
    for particular in (
        "Credit note", "PFCN/26-27/00001", "06 Nov 2026", "PF/26-27/0000001", "01 Nov 2026", "Service deficiency",
        "The consultant left half way.", "Taxable value credited ₹500.00", "CGST 9% ₹45.00", "SGST 9% ₹45.00", "Total credit ₹590.00",
        "Rupees Five Hundred Ninety Only", "29 Karnataka", "999293", "Where the credit went",
        "₹590.00 settled on invoice PF/26-27/0000001.",
        "lowers what is still to be paid", "Digitally generated", "Page 1 of 1",
    ):  # fmt: skip
        assert particular in words
    assert "Tax invoice" not in words
    reader = PdfReader(io.BytesIO(made.content))
    [link] = [each.get_object() for each in reader.pages[0]["/Annots"]]
    assert link["/A"]["/URI"].endswith(f"/billing/invoices/{_invoice().id}")
    assert set(reader.attachments) == {"factur-x.xml"}, "INV-01 is for registered recipients"
    with clock.as_of(LATE):
        assert "₹590.00 credited." in _words(documents.invoice_pdf(_invoice()).content)
    assert "credited" not in _words(documents.original_invoice_pdf(_invoice()).content)


def test_a_credit_note_is_archived_and_mailed_as_issued(credited, rung, settings):
    with clock.as_of(IN_TIME):
        world.work_off(rung)
    original = documents.original_credit_note_pdf(_note(credited))
    assert files.store().read(_note(credited).file_key) == original.content
    mail = db.session.scalars(select(InvoiceMail).where(InvoiceMail.credit_note_id == credited)).one()
    written = message_from_bytes((settings.portal_home / "mail" / f"{mail.id}.eml").read_bytes(), policy=policy.default)
    assert written["Subject"] == "Credit note PFCN/26-27/00001 from Prism Forum Private Limited"
    [attached] = written.iter_attachments()
    assert (attached.get_filename(), attached.get_content()) == ("PFCN-26-27-00001.pdf", original.content)
    assert "₹590.00" in written.get_body(("plain",)).get_content()
    with db.unit_of_work():
        credit_notes.void(credited, reason="A mistake", actor=SYSTEM)
    with clock.as_of(LATE):
        assert "Voided on" in _words(documents.credit_note_pdf(_note(credited)).content)
        assert documents.original_credit_note_pdf(_note(credited)) == original
    assert queries.notes_to_archive(LATE, limit=5) == []


def test_a_zip_holds_notes_too(credited, acme, rung):
    with clock.as_of(IN_TIME):
        world.work_off(rung)
    with db.unit_of_work():
        row = archives.request_archive(acme.organization.id, since=date(2026, 11, 1), until=date(2026, 11, 30), user_id=None)
        archives.build_archive(row.id)
    with ZipFile(io.BytesIO(archives.archive_file(row))) as file:
        assert file.namelist() == ["PF-26-27-0000001.pdf", "PFCN-26-27-00001.pdf", "contents.csv"]
        assert b"Credit note,PFCN/26-27/00001,2026-11-06,-500.00,-45.00,-45.00,0.00,-590.00" in file.read("contents.csv")


def test_the_account_is_a_document(credited, acme):
    with clock.as_of(IN_TIME):
        found = queries.statement_of(acme.organization.id, since=None, until=date(2026, 11, 30))
        organization = db.session.get_one(Organization, acme.organization.id)
        made = documents.statement_pdf(organization, found)
        assert documents.statement_pdf(organization, found) == made
    words = _words(made.content)
    for particular in (
        "Statement of account", "To 30 Nov 2026", "Opening balance", "01 Nov 2026 Invoice PF/26-27/0000001 1,180.00 1,180.00",
        "06 Nov 2026 Credit note PFCN/26-27/00001 590.00 590.00", "Closing balance 1,180.00 590.00 590.00", "To be paid ₹590.00",
        "Outstanding by age", "Not due yet ₹", "Acme",
    ):  # fmt: skip
        assert particular in words
    assert made.name == "Statement-of-account-To-30-Nov-2026.pdf"


def test_credit_that_was_used_is_on_the_invoice_and_on_its_original(credited, acme, rung):
    with db.unit_of_work(), clock.as_of(IN_TIME):
        allocations.record(_invoice().id, PayIn(method="BANK_TRANSFER", reference="UTR 1"), actor=world.as_self(acme.owner))
    with db.unit_of_work(), clock.as_of(IN_TIME):
        data = CreditNoteIn(amount=10_000, reason="Sorry", reason_code=ReasonCode.GOODWILL)
        credit_notes.issue_by_hand(_invoice().id, data, actor=world.as_self(acme.owner))
    with clock.as_of(IN_TIME):
        company = acme
        world.book(company, db.session.scalars(select(User).where(User.email == "asha@acme.test")).one(), hours=48)
    with clock.as_of(NOVEMBER_1 + timedelta(days=30)), db.unit_of_work():
        runs.run_month()
    second = db.session.scalars(select(Invoice).order_by(Invoice.number.desc())).first()
    words = _words(documents.original_invoice_pdf(second).content)
    assert "Credit applied −₹118.00" in words
    assert "To pay ₹1,062.00" in words
    assert "₹118.00 credited. ₹1,062.00 is due by" in words
