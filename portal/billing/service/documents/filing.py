"""Where files of documents are: the copy as issued is archived, the current one is kept until something on it changes."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from portal import clock, config, db
from portal.billing import queries
from portal.billing.models import CreditNote, Invoice
from portal.billing.queries import Statement
from portal.billing.service.documents import sheets
from portal.billing.service.documents.printing import DATA_VERSION, Sheet, file_name, typeset
from portal.errors import Unavailable
from portal.gateways import files
from portal.gateways.pdf import PdfFailed, is_whole, template_version
from portal.orgs.models import Organization

log = structlog.get_logger()

MOST_REMEMBERED = 5_000
"""Keys in a process: about 3 MB."""
_keys: dict[tuple[object, ...], str] = {}


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
    balance = queries.balance(invoice.id)
    state = (balance.paid_amount, balance.credited_amount, balance.applied_amount, balance.settled_at, invoice.cancelled_at)
    return _remembered(invoice, state, lambda: sheets.invoice_sheet(invoice))


def original_invoice_pdf(invoice: Invoice) -> Pdf:
    """The copy as issued: the archived file, or, as long as there is none that can be read, the same made now.

    Raises:
        Unavailable: ``PDF_UNAVAILABLE``: it can't be made now.
    """
    return original(sheets.original_invoice_sheet(invoice), file_key=invoice.file_key)


def credit_note_pdf(note: CreditNote) -> Pdf:
    """The credit note with where its amount went until now.

    Raises:
        Unavailable: ``PDF_UNAVAILABLE``: it can't be made now.
    """
    state = (note.settled_amount, note.applied_amount, note.paid_out_amount, note.voided_at, config.current().base_url)
    return _remembered(note, state, lambda: sheets.credit_note_sheet(note))


def original_credit_note_pdf(note: CreditNote) -> Pdf:
    """The copy as issued, as ``original_invoice_pdf``.

    Raises:
        Unavailable: ``PDF_UNAVAILABLE``: it can't be made now.
    """
    return original(sheets.original_credit_note_sheet(note), file_key=note.file_key)


def statement_pdf(organization: Organization, found: Statement) -> Pdf:
    """An account as it is now.

    Raises:
        Unavailable: ``PDF_UNAVAILABLE``: it can't be made now.
    """
    return current(sheets.statement_sheet(organization, found), document_id="statement")


def archive_invoice(invoice_id: str) -> bool:
    """Makes the file of a sent invoice and keeps it for good; harmless when it is there already.

    Raises:
        PdfFailed: It can't be made; the job is tried again.
        OSError: It can't be stored; the job is tried again.
    """
    invoice = db.session.get(Invoice, invoice_id)
    if invoice is None or invoice.number is None or invoice.file_key is not None:
        return False
    invoice.file_key = _archived(sheets.original_invoice_sheet(invoice), f"invoices/{invoice.id}.pdf")
    return True


def archive_credit_note(note_id: str) -> bool:
    """As ``archive_invoice``, of a credit note.

    Raises:
        PdfFailed: It can't be made; the job is tried again.
        OSError: It can't be stored; the job is tried again.
    """
    note = db.session.get(CreditNote, note_id)
    if note is None or note.file_key is not None:
        return False
    note.file_key = _archived(sheets.original_credit_note_sheet(note), f"credit-notes/{note.id}.pdf")
    return True


def current(sheet: Sheet, *, document_id: str) -> Pdf:
    """The file of a sheet: the kept one when it is of this very sheet, otherwise made now and kept in its place.

    Raises:
        Unavailable: ``PDF_UNAVAILABLE``: it can't be made now.
    """
    folder = _folder(sheet.organization_id, document_id)
    kept = _kept(folder, sheet.key)
    if kept is not None:
        return Pdf(sheet.file_name, kept, sheet.key)
    made = _made(sheet)
    try:
        files.store().delete_all(folder)
        files.store().write(f"{folder}/{sheet.key}.pdf", made)
    except OSError as error:
        log.warning("documents.not_kept", folder=folder, error=str(error))
    return Pdf(sheet.file_name, made, sheet.key)


def _remembered(document: Invoice | CreditNote, state: tuple[object, ...], sheet: Callable[[], Sheet]) -> Pdf:
    """``current`` without its sheet, when this process has seen one of the same document in the same state: half of the time.

    Rows of issued documents never change, so what isn't the state can't be another. A restart forgets, and so a new version of the
    portal never takes an old one's word.
    """
    known_by = (document.id, clock.today(clock.INDIA), sheets.logo_of(document), template_version(), DATA_VERSION, *state)
    key = _keys.get(known_by)
    kept = _kept(_folder(document.organization_id, document.id), key) if key is not None else None
    if key is not None and kept is not None:
        return Pdf(file_name(document.number or ""), kept, key)
    pdf = current(sheet(), document_id=document.id)
    while len(_keys) >= MOST_REMEMBERED:
        _keys.pop(next(iter(_keys)), None)  # the oldest one; another thread may have been faster
    _keys[known_by] = pdf.etag
    return pdf


def _folder(organization_id: str, document_id: str) -> str:
    return f"organizations/{organization_id}/current/{document_id}"


def _kept(folder: str, key: str) -> bytes | None:
    """The file with this key, if it is there, whole, and that one."""
    kept = _read(f"{folder}/{key}.pdf")
    return kept if kept is not None and is_whole(kept, key) else None


def original(sheet: Sheet, *, file_key: str | None) -> Pdf:
    """The archived file of a document, or the same made now.

    Raises:
        Unavailable: ``PDF_UNAVAILABLE``: it can't be made now.
    """
    archived = _read(file_key) if file_key else None
    if archived is None or not is_whole(archived, ""):
        archived = _made(sheet)
    return Pdf(sheet.file_name, archived, hashlib.sha256(archived).hexdigest())


def _archived(sheet: Sheet, name: str) -> str:
    """Makes and stores a file with no transaction open; returns its key."""
    key = f"organizations/{sheet.organization_id}/{name}"
    with db.outside():
        files.store().write(key, typeset(sheet))
    return key


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
