"""What can be booked, and in which state a booking is."""

from datetime import datetime, timedelta
from enum import StrEnum

from portal.errors import Invalid

FAR_AHEAD = timedelta(days=366)


class PlanType(StrEnum):
    """The kind of session."""

    CONSULTATION = "CONSULTATION"
    SUBSCRIPTION = "SUBSCRIPTION"
    WEBINAR = "WEBINAR"
    CLASS = "CLASS"

    @property
    def label(self) -> str:
        """The plain name."""
        return self.value.capitalize()

    @property
    def sac_code(self) -> str:
        """The Services Accounting Code that an invoice line prints."""
        return "999293"


class BookingStatus(StrEnum):
    """HELD while a card payment is pending, then CONFIRMED or RELEASED."""

    HELD = "HELD"
    CONFIRMED = "CONFIRMED"
    RELEASED = "RELEASED"

    @property
    def label(self) -> str:
        """The plain name."""
        return {"HELD": "Waiting for payment", "CONFIRMED": "Booked", "RELEASED": "Released"}[self.value]

    @property
    def tone(self) -> str:
        """The colour of its pill."""
        return {"HELD": "info", "CONFIRMED": "good", "RELEASED": "void"}[self.value]


def check_start(starts_at: datetime, *, now: datetime) -> datetime:
    """The instant at which a session may start.

    Raises:
        Invalid: It has no time zone, lies in the past, or more than a year ahead.
    """
    sentence = ""
    if starts_at.tzinfo is None:
        sentence = "Say the time zone: end the time with Z for UTC."
    elif starts_at <= now:
        sentence = "Choose a time that is still to come."
    elif starts_at > now + FAR_AHEAD:
        sentence = "Choose a time within the next year."
    if sentence:
        raise Invalid(sentence, code="START_REFUSED", details={"starts_at": [sentence]})
    return starts_at
