"""What invoices and payments can be: their stored states, and what people see."""

from enum import StrEnum


class InvoiceStatus(StrEnum):
    """What is stored of an invoice: ``DRAFT → SENT → CANCELLED``."""

    DRAFT = "DRAFT"
    SENT = "SENT"
    CANCELLED = "CANCELLED"


class DisplayStatus(StrEnum):
    """What people and the API see of an invoice; PAID and OVERDUE follow from sums and date, never stored."""

    DRAFT = "DRAFT"
    SENT = "SENT"
    PAID = "PAID"
    OVERDUE = "OVERDUE"
    CANCELLED = "CANCELLED"

    @property
    def label(self) -> str:
        """The plain name."""
        return "Due" if self is DisplayStatus.SENT else self.value.capitalize()


class Purpose(StrEnum):
    """What an invoice bills: the bookings of a PERIOD, or a PURCHASE of credits."""

    PERIOD = "PERIOD"
    PURCHASE = "PURCHASE"


class PaymentMethod(StrEnum):
    """How a booking is covered; it follows from the organization's billing mode."""

    CARD = "CARD"
    ORG_CREDIT = "ORG_CREDIT"
    ORG_INVOICED = "ORG_INVOICED"
    ORG_PREPAID = "ORG_PREPAID"

    @property
    def label(self) -> str:
        """The plain name."""
        return {
            "CARD": "Card",
            "ORG_CREDIT": "Credits",
            "ORG_INVOICED": "Monthly invoice",
            "ORG_PREPAID": "Prepaid licence",
        }[self.value]


class LedgerReason(StrEnum):
    """Why credits came or went."""

    PURCHASE = "purchase"
    BOOKING = "booking"
    REFUND = "refund"
    ADJUSTMENT = "adjustment"

    @property
    def label(self) -> str:
        """The plain name."""
        return self.value.capitalize()


class RefundStatus(StrEnum):
    """PENDING while the money moves; its amount is claimed all the same. Then SUCCEEDED or FAILED."""

    PENDING = "PENDING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"

    @property
    def label(self) -> str:
        """The plain name."""
        return {"PENDING": "Under way", "SUCCEEDED": "Done", "FAILED": "Failed"}[self.value]


class PurchaseStatus(StrEnum):
    """Credits that are bought: PENDING until they are paid."""

    PENDING = "PENDING"
    PROCESSED = "PROCESSED"
    CANCELLED = "CANCELLED"

    @property
    def label(self) -> str:
        """The plain name."""
        return {"PENDING": "Not paid yet", "PROCESSED": "Paid", "CANCELLED": "Cancelled"}[self.value]


class GatewayOrderStatus(StrEnum):
    """``NEW`` (the provider may not know of it) → ``OPEN`` → ``PAID``, ``FAILED`` or ``EXPIRED``."""

    NEW = "NEW"
    OPEN = "OPEN"
    PAID = "PAID"
    FAILED = "FAILED"
    EXPIRED = "EXPIRED"

    @property
    def is_over(self) -> bool:
        """Whether nothing more can come of it; a late payment still can, after all but PAID."""
        return self in {GatewayOrderStatus.PAID, GatewayOrderStatus.FAILED, GatewayOrderStatus.EXPIRED}


class PaymentStatus(StrEnum):
    """Where a payment stands."""

    PENDING = "PENDING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"

    @property
    def label(self) -> str:
        """The plain name."""
        return self.value.capitalize()


class AllocationMethod(StrEnum):
    """How money for an invoice came: ONLINE through the gateway, the others recorded by a platform admin."""

    ONLINE = "ONLINE"
    BANK_TRANSFER = "BANK_TRANSFER"
    UPI = "UPI"
    CHEQUE = "CHEQUE"
    OTHER = "OTHER"

    @property
    def label(self) -> str:
        """The plain name."""
        return {"UPI": "UPI"}.get(self.value, self.value.replace("_", " ").capitalize())
