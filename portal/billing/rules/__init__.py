"""Billing's decisions and sums: values in, values out."""

from portal.billing.rules.documents import DocumentLine, InvoiceDocument, Party, PaymentStatusText, TaxRow, upi_uri
from portal.billing.rules.funding import HELD_FOR, METHODS, check_contract, check_limit, insufficient_credits, refundable, with_tax
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
from portal.billing.rules.states import (
    DisplayStatus,
    GatewayOrderStatus,
    InvoiceStatus,
    LedgerReason,
    PaymentMethod,
    PaymentStatus,
    PurchaseStatus,
    Purpose,
    RefundStatus,
)

__all__ = [
    "DEFAULT_SAC",
    "HELD_FOR",
    "METHODS",
    "STANDARD_RATE",
    "DisplayStatus",
    "DocumentLine",
    "GatewayOrderStatus",
    "InvoiceDocument",
    "InvoiceStatus",
    "LedgerReason",
    "Party",
    "PaymentMethod",
    "PaymentStatus",
    "PaymentStatusText",
    "Place",
    "PurchaseStatus",
    "Purpose",
    "RefundStatus",
    "Tax",
    "TaxKind",
    "TaxRow",
    "billing_period",
    "check_contract",
    "check_limit",
    "credit_note_number",
    "display_status",
    "due_date",
    "insufficient_credits",
    "invoice_number",
    "month_before",
    "month_start",
    "payment_status",
    "refundable",
    "run_period_end",
    "tax",
    "upi_uri",
    "with_tax",
]
