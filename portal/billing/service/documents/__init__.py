"""Documents: their frozen values, their PDFs with data inside, their files, and the mail that carries them."""

from portal.billing.service.documents.filing import (
    Pdf,
    archive_credit_note,
    archive_invoice,
    credit_note_pdf,
    current,
    invoice_pdf,
    original,
    original_credit_note_pdf,
    original_invoice_pdf,
    statement_pdf,
)
from portal.billing.service.documents.mailing import announce_credit_note, send_invoice
from portal.billing.service.documents.printing import Sheet, file_name, typeset
from portal.billing.service.documents.sheets import original_credit_note_sheet, original_invoice_sheet
from portal.billing.service.documents.standing import note_standing, standing_of
from portal.billing.service.documents.values import credit_note_document, invoice_document, statement_document

__all__ = [
    "Pdf",
    "Sheet",
    "announce_credit_note",
    "archive_credit_note",
    "archive_invoice",
    "credit_note_document",
    "credit_note_pdf",
    "current",
    "file_name",
    "invoice_document",
    "invoice_pdf",
    "note_standing",
    "original",
    "original_credit_note_pdf",
    "original_credit_note_sheet",
    "original_invoice_pdf",
    "original_invoice_sheet",
    "send_invoice",
    "standing_of",
    "statement_document",
    "statement_pdf",
    "typeset",
]
