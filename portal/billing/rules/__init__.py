"""Billing's decisions and sums: values in, values out."""

from portal.billing.rules.documents import DocumentLine, InvoiceDocument, Party, PaymentStatusText, TaxRow, upi_uri
from portal.billing.rules.gst import DEFAULT_SAC, STANDARD_RATE, Place, Tax, TaxKind, tax
from portal.billing.rules.numbering import credit_note_number, invoice_number
from portal.billing.rules.periods import (
    billing_period,
    display_status,
    due_date,
    month_before,
    month_start,
    run_period_end,
)
from portal.billing.rules.standing import payment_status
from portal.billing.rules.states import DisplayStatus, InvoiceStatus, PaymentMethod, PaymentStatus, Purpose

__all__ = [
    "DEFAULT_SAC",
    "STANDARD_RATE",
    "DisplayStatus",
    "DocumentLine",
    "InvoiceDocument",
    "InvoiceStatus",
    "Party",
    "PaymentMethod",
    "PaymentStatus",
    "PaymentStatusText",
    "Place",
    "Purpose",
    "Tax",
    "TaxKind",
    "TaxRow",
    "billing_period",
    "credit_note_number",
    "display_status",
    "due_date",
    "invoice_number",
    "month_before",
    "month_start",
    "payment_status",
    "run_period_end",
    "tax",
    "upi_uri",
]
