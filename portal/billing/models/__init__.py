"""The tables of money."""

from portal.billing.models.allocations import Allocation, GatewayReturn, InvoiceBalance
from portal.billing.models.archives import DocumentArchive
from portal.billing.models.credit_notes import CreditMovement, CreditNote, CreditNoteLine
from portal.billing.models.credits import CreditPool, CreditPurchase, LedgerRow
from portal.billing.models.invoices import BillingRun, DocumentSeries, Invoice, InvoiceLine, InvoiceMail
from portal.billing.models.payments import GatewayEvent, GatewayOrder, Payment, Refund

__all__ = [
    "Allocation",
    "BillingRun",
    "CreditMovement",
    "CreditNote",
    "CreditNoteLine",
    "CreditPool",
    "CreditPurchase",
    "DocumentArchive",
    "DocumentSeries",
    "GatewayEvent",
    "GatewayOrder",
    "GatewayReturn",
    "Invoice",
    "InvoiceBalance",
    "InvoiceLine",
    "InvoiceMail",
    "LedgerRow",
    "Payment",
    "Refund",
]
