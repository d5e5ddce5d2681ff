"""ZIPs of a period: each document as issued, progress, and no second worker at the same."""

import csv
import io
import os
import signal
from datetime import UTC, date, datetime, timedelta
from zipfile import ZipFile

import pytest
from sqlalchemy import select

from portal import clock, db
from portal.billing import queries
from portal.billing.models import DocumentArchive, Invoice
from portal.billing.rules.archives import MOST_ATTEMPTS, MOST_DOCUMENTS, ArchiveStatus, check_period
from portal.billing.service import archives, documents, runs
from portal.errors import Invalid, NotFound, Unavailable
from portal.gateways import files
from portal.gateways.pdf import PdfFailed
from portal.orgs.rules import Role
from tests.support import world

MONTHS = [datetime(2026, month, 1, tzinfo=UTC) for month in (9, 10, 11)]
SINCE, UNTIL = date(2026, 10, 1), date(2026, 11, 30)


@pytest.fixture
def company(rung, app):
    """A company with an invoice on the 1st of September, October and November."""
    with app.app_context():
        made = None
        for month in MONTHS:
            with clock.as_of(month - timedelta(days=10)):
                if made is None:
                    made = world.make_company()
                    learner = world.make_user("asha@acme.test")
                    world.add_member(made.organization, learner, Role.ORG_LEARNER)
                world.book(made, learner)
            with clock.as_of(month), db.unit_of_work():
                runs.run_month()
        world.work_off(rung)
    return made


@pytest.fixture
def acme(company, app):
    """The same, inside the app."""
    with app.app_context():
        yield company


def _ask(company, **changes):
    with db.unit_of_work():
        period = {"since": SINCE, "until": UNTIL, **changes}
        return archives.request_archive(company.organization.id, user_id=company.owner.id, **period).id


def _build(archive_id):
    with db.unit_of_work():
        return archives.build_archive(archive_id)


def _row(archive_id):
    db.session.expire_all()
    return db.session.get_one(DocumentArchive, archive_id)


def test_it_holds_the_originals_of_the_period_and_a_table(acme):
    archive_id = _ask(acme)
    assert _build(archive_id) is True
    row = _row(archive_id)
    assert (row.status, row.done, row.total) == (ArchiveStatus.DONE, 2, 2)
    with ZipFile(io.BytesIO(archives.archive_file(row))) as file:
        assert file.testzip() is None
        assert file.namelist() == ["PF-26-27-0000002.pdf", "PF-26-27-0000003.pdf", "contents.csv"]
        invoices = db.session.scalars(select(Invoice).order_by(Invoice.number)).all()[1:]
        for invoice, name in zip(invoices, file.namelist(), strict=False):
            assert file.read(name) == files.store().read(invoice.file_key)
        table = list(csv.reader(io.StringIO(file.read("contents.csv").decode("utf-8-sig"))))
        assert table[1] == [
            "Invoice",
            "PF/26-27/0000002",
            "2026-10-01",
            "1000.00",
            "90.00",
            "90.00",
            "0.00",
            "1180.00",
            "PF-26-27-0000002.pdf",
        ]


def test_asked_twice_it_is_the_same_bytes(acme):
    first, second = _ask(acme), _ask(acme)
    _build(first)
    _build(second)
    assert archives.archive_file(_row(first)) == archives.archive_file(_row(second))


def test_a_second_ring_makes_nothing_and_a_dead_workers_archive_is_taken_over(acme):
    archive_id = _ask(acme)
    with db.unit_of_work():
        assert archives._claimed(archive_id) is not None
    assert _build(archive_id) is False, "another worker is at it"
    later = clock.now() + queries.LET_GO_AFTER + timedelta(seconds=1)
    assert archive_id in queries.archives_to_build(later, limit=10)
    with clock.as_of(later):
        assert _build(archive_id) is True
        assert _build(archive_id) is False, "it is there"
    assert archive_id not in queries.archives_to_build(later, limit=10)


def test_a_worker_killed_in_the_middle_leaves_progress_and_the_next_one_ends_it(acme, monkeypatch):
    archive_id = _ask(acme)
    monkeypatch.setattr(archives, "SAY_EVERY", 1)
    ours, died = os.getpid(), []
    child = os.fork()
    if child == 0:
        db.after_fork()
        db.session.remove()
        whole = archives.original

        def dies(sheet, *, file_key):
            if died:
                os.kill(os.getpid(), signal.SIGKILL)
            died.append(1)
            return whole(sheet, file_key=file_key)

        monkeypatch.setattr(archives, "original", dies)
        _build(archive_id)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    assert os.getpid() == ours
    row = _row(archive_id)
    assert (row.status, row.done, row.attempts, row.file_key) == (ArchiveStatus.RUNNING, 1, 1, None)
    with clock.as_of(clock.now() + queries.LET_GO_AFTER * 2):
        assert _build(archive_id) is True
    assert _row(archive_id).status is ArchiveStatus.DONE


def test_a_failure_is_tried_again_at_once_and_given_up_in_the_end(acme, monkeypatch):
    archive_id = _ask(acme)

    def fails(*_args, **_options):
        raise Unavailable("The PDF can't be made at the moment.", code="PDF_UNAVAILABLE") from PdfFailed("no font")

    monkeypatch.setattr(archives, "original", fails)
    for _attempt in range(MOST_ATTEMPTS):
        with pytest.raises(Unavailable):
            _build(archive_id)
    assert _build(archive_id) is False
    row = _row(archive_id)
    assert (row.status, row.file_key) == (ArchiveStatus.FAILED, None)
    with pytest.raises(NotFound):
        archives.archive_file(row)


def test_after_a_week_it_is_deleted(acme):
    archive_id = _ask(acme)
    _build(archive_id)
    key = _row(archive_id).file_key
    with clock.as_of(clock.now() + timedelta(days=8)), db.unit_of_work():
        assert archives.forget_archives() == 1
    assert files.store().read(key) is None
    assert db.session.scalars(select(DocumentArchive)).all() == []
    assert documents.original_invoice_pdf(db.session.scalars(select(Invoice)).first()).content.startswith(b"%PDF")


@pytest.mark.parametrize(
    ("since", "until", "number", "code"),
    [
        (UNTIL, SINCE, 1, "PERIOD_REVERSED"),
        (SINCE, UNTIL, 0, "PERIOD_EMPTY"),
        (SINCE, UNTIL, MOST_DOCUMENTS + 1, "PERIOD_TOO_LONG"),
    ],
)
def test_periods_that_make_no_archive_are_refused(since, until, number, code):
    with pytest.raises(Invalid) as refused:
        check_period(since, until, documents=number)
    assert refused.value.code == code
    check_period(SINCE, SINCE, documents=MOST_DOCUMENTS)


def test_the_page_asks_shows_and_gives(company, app, rung):
    client = app.test_client()
    world.sign_in(client, company.owner)
    url = f"/orgs/{company.organization.slug}/billing/archives"
    assert "No ZIP yet" in client.get(url).text
    refused = client.post(url, data={"since": "2026-01-01", "until": "2026-01-31", "csrf_token": _token(client)})
    assert refused.status_code == 422
    assert "No document was issued in this period" in refused.text
    asked = client.post(url, data={"since": str(SINCE), "until": str(UNTIL), "csrf_token": _token(client)})
    assert asked.status_code == 303
    waiting = client.get(url).text
    assert "Waiting" in waiting
    assert 'hx-trigger="every 2s"' in waiting
    with app.app_context():
        world.work_off(rung)
        archive_id = db.session.scalars(select(DocumentArchive.id)).one()
        stranger = world.make_user("stranger@other.test")
        other = world.make_organization(stranger, name="Other")
    ready = client.get(url).text
    assert "Ready" in ready
    assert "hx-trigger" not in ready.split('id="archive-list"')[1].split(">")[0]
    answer = client.get(f"{url}/{archive_id}")
    assert answer.mimetype == "application/zip"
    assert f"{company.organization.slug}-documents-2026-10-01-2026-11-30.zip" in answer.headers["Content-Disposition"]
    outsider = app.test_client()
    world.sign_in(outsider, stranger)
    assert outsider.get(f"{url}/{archive_id}").status_code == 403
    assert outsider.get(f"/orgs/{other.slug}/billing/archives/{archive_id}").status_code == 404


def _token(client):
    return world.csrf(client)["X-CSRFToken"]
