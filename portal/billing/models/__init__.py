"""The tables of money."""

from portal.billing.models.archives import DocumentArchive
from portal.billing.models.credits import CreditPool, CreditPurchase, LedgerRow
from portal.billing.models.invoices import BillingRun, DocumentSeries, Invoice, InvoiceLine, InvoiceMail
from portal.billing.models.payments import GatewayEvent, GatewayOrder, Payment, Refund

__all__ = [
    "BillingRun",
    "CreditPool",
    "CreditPurchase",
    "DocumentArchive",
    "DocumentSeries",
    "GatewayEvent",
    "GatewayOrder",
    "Invoice",
    "InvoiceLine",
    "InvoiceMail",
    "LedgerRow",
    "Payment",
    "Refund",
]
