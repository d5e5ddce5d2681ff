"""What printed documents say, as frozen values: made from plain ones, rendered from ever after, and told apart by their fingerprint."""

from portal.billing.rules.documents.credit_note import CreditedLine, CreditNoteDocument, credit_status
from portal.billing.rules.documents.invoice import InvoiceDocument
from portal.billing.rules.documents.parts import (
    Branding,
    DocumentLine,
    Party,
    PaymentStatusText,
    TaxRow,
    Tone,
    fingerprint,
    party_from,
    upi_uri,
)
from portal.billing.rules.documents.statement import AgeBucket, StatementDocument, StatementEntry

__all__ = [
    "AgeBucket",
    "Branding",
    "CreditNoteDocument",
    "CreditedLine",
    "DocumentLine",
    "InvoiceDocument",
    "Party",
    "PaymentStatusText",
    "StatementDocument",
    "StatementEntry",
    "TaxRow",
    "Tone",
    "credit_status",
    "fingerprint",
    "party_from",
    "upi_uri",
]
