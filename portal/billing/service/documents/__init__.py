"""Documents: their frozen values, their PDFs with data inside, their files, and the mail that carries them."""

from portal.billing.service.documents.filing import (
    Pdf,
    archive_invoice,
    current,
    invoice_pdf,
    original,
    original_invoice_pdf,
    original_invoice_sheet,
)
from portal.billing.service.documents.mailing import send_invoice
from portal.billing.service.documents.printing import Sheet, file_name, typeset
from portal.billing.service.documents.values import invoice_document

__all__ = [
    "Pdf",
    "Sheet",
    "archive_invoice",
    "current",
    "file_name",
    "invoice_document",
    "invoice_pdf",
    "original",
    "original_invoice_pdf",
    "original_invoice_sheet",
    "send_invoice",
    "typeset",
]
