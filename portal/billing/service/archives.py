"""Archives: all documents of a period, as issued, in one ZIP. Made by a job that says how far it is."""

import tempfile
from collections.abc import Iterator, Sequence
from datetime import date
from decimal import Decimal
from typing import IO
from zipfile import ZIP_STORED, ZipFile, ZipInfo

import structlog
from sqlalchemy import select

from portal import clock, db, queue
from portal.billing import queries
from portal.billing.models import CreditNote, DocumentArchive, Invoice
from portal.billing.rules.archives import MOST_ATTEMPTS, ArchiveStatus, check_period
from portal.billing.service.documents import Pdf, file_name, original, original_credit_note_sheet, original_invoice_sheet
from portal.errors import NotFound, Unavailable
from portal.gateways import files
from portal.sheets import csv_bytes

log = structlog.get_logger()

SAY_EVERY = 5
_FORGET_AT_ONCE = 100
_HEAD = ("Type", "Number", "Issue date", "Taxable value", "CGST", "SGST", "IGST", "Total", "File")


def request_archive(organization_id: str, *, since: date, until: date, user_id: str | None) -> DocumentArchive:
    """Asks for the documents that were issued from one day to another, both inclusive.

    Raises:
        Invalid: ``PERIOD_REVERSED``, ``PERIOD_EMPTY`` or ``PERIOD_TOO_LONG``.
    """
    total = queries.count_issued(organization_id, since=since, until=until)
    check_period(since, until, documents=total)
    row = DocumentArchive(
        id=db.new_id(),
        organization_id=organization_id,
        since=since,
        until=until,
        status=ArchiveStatus.QUEUED,
        total=total,
        requested_by=user_id,
        created_at=clock.now(),
    )
    db.session.add(row)
    db.session.flush()
    queue.enqueue("billing-build-archive", row.id)
    return row


def build_archive(archive_id: str) -> bool:
    """Makes an archive's file; returns whether it was made now. A second worker leaves it to the first, as long as that one is alive.

    Raises:
        Unavailable: A document can't be made now; the job is tried again.
        OSError: The file can't be stored now; the job is tried again.
    """
    row = _claimed(archive_id)
    if row is None:
        return False
    key = f"{_folder(row)}/documents.zip"
    try:
        with tempfile.TemporaryFile() as file:
            _fill(file, row)
            file.seek(0)
            with db.outside():
                files.store().write(key, file.read())
    except (Unavailable, OSError):
        row.claimed_at = None  # the next attempt needn't wait
        db.checkpoint()
        raise
    row.status, row.file_key, row.finished_at = ArchiveStatus.DONE, key, clock.now()
    row.done = row.total
    return True


def archive_file(archive: DocumentArchive) -> bytes:
    """An archive's content.

    Raises:
        NotFound: ``ARCHIVE_NOT_READY``.
        Unavailable: ``STORE_UNAVAILABLE``.
    """
    try:
        content = files.store().read(archive.file_key) if archive.file_key else None
    except OSError:
        sentence = "The ZIP can't be read at the moment. Try again in a few minutes."
        raise Unavailable(sentence, code="STORE_UNAVAILABLE") from None
    if content is None:
        raise NotFound("This ZIP isn't ready, or it was deleted after its week. Make it again.", code="ARCHIVE_NOT_READY")
    return content


def forget_archives() -> int:
    """Deletes archives after their week, files first; returns how many."""
    rows = queries.archives_to_forget(clock.now(), limit=_FORGET_AT_ONCE)
    folders = [_folder(row) for row in rows]
    with db.outside():
        for folder in folders:
            files.store().delete_all(folder)
    for row in rows:
        db.session.delete(row)
    return len(rows)


def _folder(row: DocumentArchive) -> str:
    return f"organizations/{row.organization_id}/archives/{row.id}"


def _claimed(archive_id: str) -> DocumentArchive | None:
    """The archive, with this worker at it; None when there is nothing to do, or another worker is."""
    row = db.session.scalar(select(DocumentArchive).where(DocumentArchive.id == archive_id).with_for_update())
    now = clock.now()
    if row is None or row.status.is_over or (row.claimed_at is not None and row.claimed_at > now - queries.LET_GO_AFTER):
        return None
    if row.attempts >= MOST_ATTEMPTS:
        log.error("archives.given_up", archive_id=row.id, attempts=row.attempts)
        row.status, row.finished_at = ArchiveStatus.FAILED, now
        return None
    row.status, row.claimed_at, row.attempts, row.done = ArchiveStatus.RUNNING, now, row.attempts + 1, 0
    return row


def _fill(file: IO[bytes], row: DocumentArchive) -> None:
    issued = queries.documents_issued(row.organization_id, since=row.since, until=row.until)
    row.total = len(issued)
    with ZipFile(file, "w", ZIP_STORED) as archive:  # PDFs are compressed already
        for at, (document, pdf) in enumerate(_originals(issued), start=1):
            archive.writestr(_entry(pdf.name, document), pdf.content)
            row.done = at
            if at % SAY_EVERY == 0:
                row.claimed_at = clock.now()
                db.checkpoint()
        archive.writestr(_entry("contents.csv", issued[-1]), _contents(issued))


def _originals(issued: Sequence[Invoice | CreditNote]) -> Iterator[tuple[Invoice | CreditNote, Pdf]]:
    for document in issued:
        sheet = original_invoice_sheet(document) if isinstance(document, Invoice) else original_credit_note_sheet(document)
        with db.outside():
            pdf = original(sheet, file_key=document.file_key)
        yield document, pdf


def _entry(name: str, document: Invoice | CreditNote) -> ZipInfo:
    """A file in the ZIP, dated as the document is: the same documents give the same bytes."""
    day = document.issue_date
    assert day
    return ZipInfo(name, (day.year, day.month, day.day, 0, 0, 0))


def _contents(issued: Sequence[Invoice | CreditNote]) -> bytes:
    """A table of what is in the ZIP, for the one who files it; amounts in rupees, of credit notes below zero."""
    rows = []
    for one in issued:
        kind, sign = ("Invoice", 1) if isinstance(one, Invoice) else ("Credit note", -1)
        amounts = [Decimal(sign * amount).scaleb(-2) for amount in (one.taxable_amount, one.cgst, one.sgst, one.igst, one.amount)]
        rows.append((kind, one.number, one.issue_date, *amounts, file_name(one.number or "")))
    return csv_bytes(_HEAD, rows)
