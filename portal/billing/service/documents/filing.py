"""Where files of documents are: the copy as issued is archived, the current one is kept until something on it changes."""

import hashlib
from dataclasses import dataclass
from datetime import date

import structlog

from portal import clock, db
from portal.billing import queries
from portal.billing.models import Invoice
from portal.billing.rules import payment_status
from portal.billing.service.documents.printing import Sheet, typeset
from portal.billing.service.documents.values import invoice_document
from portal.errors import Unavailable
from portal.gateways import files
from portal.gateways.pdf import PdfFailed, is_whole
from portal.orgs.models import Organization

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Pdf:
    """A document's file; ``etag`` changes with its content."""

    name: str
    content: bytes
    etag: str


def invoice_pdf(invoice: Invoice) -> Pdf:
    """The invoice with its payment status as it is now.

    Raises:
        Unavailable: ``PDF_UNAVAILABLE``: it can't be made now.
    """
    return current(_invoice_sheet(invoice, as_of=clock.today(clock.INDIA)), document_id=invoice.id)


def original_invoice_sheet(invoice: Invoice) -> Sheet:
    """What was printed when the invoice was issued."""
    assert invoice.issue_date
    return _invoice_sheet(invoice, as_of=invoice.issue_date)


def original_invoice_pdf(invoice: Invoice) -> Pdf:
    """The copy as issued: the archived file, or, as long as there is none that can be read, the same made now.

    Raises:
        Unavailable: ``PDF_UNAVAILABLE``: it can't be made now.
    """
    return original(original_invoice_sheet(invoice), file_key=invoice.file_key)


def archive_invoice(invoice_id: str) -> bool:
    """Makes the file of a sent invoice and keeps it for good; harmless when it is there already.

    Raises:
        PdfFailed: It can't be made; the job is tried again.
        OSError: It can't be stored; the job is tried again.
    """
    invoice = db.session.get(Invoice, invoice_id)
    if invoice is None or invoice.number is None or invoice.file_key is not None:
        return False
    key = f"organizations/{invoice.organization_id}/invoices/{invoice.id}.pdf"
    sheet = original_invoice_sheet(invoice)
    with db.outside():
        files.store().write(key, typeset(sheet))
    invoice.file_key = key
    return True


def current(sheet: Sheet, *, document_id: str) -> Pdf:
    """The file of a sheet: the kept one when it is of this very sheet, otherwise made now and kept in its place.

    Raises:
        Unavailable: ``PDF_UNAVAILABLE``: it can't be made now.
    """
    folder = f"organizations/{sheet.organization_id}/current/{document_id}"
    kept = _read(f"{folder}/{sheet.key}.pdf")
    if kept is not None and is_whole(kept, sheet.key):
        return Pdf(sheet.file_name, kept, sheet.key)
    made = _made(sheet)
    try:
        files.store().delete_all(folder)
        files.store().write(f"{folder}/{sheet.key}.pdf", made)
    except OSError as error:
        log.warning("documents.not_kept", folder=folder, error=str(error))
    return Pdf(sheet.file_name, made, sheet.key)


def original(sheet: Sheet, *, file_key: str | None) -> Pdf:
    """The archived file of a document, or the same made now.

    Raises:
        Unavailable: ``PDF_UNAVAILABLE``: it can't be made now.
    """
    archived = _read(file_key) if file_key else None
    if archived is None or not is_whole(archived, ""):
        archived = _made(sheet)
    return Pdf(sheet.file_name, archived, hashlib.sha256(archived).hexdigest())


def _invoice_sheet(invoice: Invoice, *, as_of: date) -> Sheet:
    document = invoice_document(invoice, queries.lines_of(invoice.id))
    status = payment_status(total=invoice.amount, paid=0, credited=0, due=document.due_date, today=as_of)
    return Sheet(
        document=document,
        status=status,
        as_of=as_of,
        organization_id=invoice.organization_id,
        logo_file=db.session.get_one(Organization, invoice.organization_id).logo_file,
    )


def _read(key: str) -> bytes | None:
    try:
        return files.store().read(key)
    except OSError as error:
        log.warning("files.unreadable", key=key, error=str(error))
        return None


def _made(sheet: Sheet) -> bytes:
    try:
        return typeset(sheet)
    except (PdfFailed, OSError) as error:
        log.exception("documents.not_made", title=sheet.title)
        sentence = "The PDF can't be made at the moment; the document itself is safe. Try again in a few minutes."
        raise Unavailable(sentence, code="PDF_UNAVAILABLE") from error
