"""Reads of money, always scoped by organization."""

from portal.billing.queries.invoices import (
    count_invoices,
    invoice,
    invoice_mail,
    invoices_of,
    invoices_to_archive,
    lines_of,
    mails_to_deliver,
    summary,
)
from portal.billing.queries.unbilled import (
    awaiting_final_invoice,
    is_month_open,
    is_to_be_billed,
    last_period_ends,
    skipped,
    unbilled_payments,
)

__all__ = [
    "awaiting_final_invoice",
    "count_invoices",
    "invoice",
    "invoice_mail",
    "invoices_of",
    "invoices_to_archive",
    "is_month_open",
    "is_to_be_billed",
    "last_period_ends",
    "lines_of",
    "mails_to_deliver",
    "skipped",
    "summary",
    "unbilled_payments",
]
