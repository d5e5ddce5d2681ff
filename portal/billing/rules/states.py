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


class PaymentStatus(StrEnum):
    """Where a payment stands."""

    PENDING = "PENDING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"

    @property
    def label(self) -> str:
        """The plain name."""
        return self.value.capitalize()
