"""What comes in about plans and bookings, and how they look in JSON. Prices are paise before GST."""

from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, StringConstraints, model_validator

from portal.bookings.models import Booking, Plan
from portal.bookings.rules import BookingStatus, PlanType
from portal.errors import Invalid
from portal.web.schema import In, Out, from_rupees

HIGHEST_PRICE = 10_000_000_00


Title = Annotated[str, StringConstraints(min_length=2, max_length=120, pattern=r"^[^\x00-\x1f]*$")]
Paise = Annotated[int, Field(strict=True, ge=100, le=HIGHEST_PRICE)]
Minutes = Annotated[int, Field(ge=5, le=1440)]


class PlanIn(In):
    """A plan from an API client: the price is paise."""

    plan_type: PlanType
    title: Title
    price: Paise
    description: Annotated[str, StringConstraints(max_length=1000)] | None = None
    duration_minutes: Minutes = 60
    consultant_id: str | None = None


class PlanForm(In):
    """A plan from the page: the price is typed in rupees."""

    plan_type: PlanType
    title: Title
    price: Annotated[Paise, BeforeValidator(from_rupees)]
    description: Annotated[str, StringConstraints(max_length=1000)] | None = None
    duration_minutes: Minutes = 60


class OwnPlanIn(In):
    """A consultant's own plan from an API client: the price is paise."""

    plan_type: PlanType
    title: Title
    price: Paise
    description: Annotated[str, StringConstraints(max_length=1000)] | None = None
    duration_minutes: Minutes = 60


class OwnPlanForm(PlanForm):
    """A consultant's own plan from the page."""


class PlanPatch(In):
    """What is to change of a plan; the price is paise."""

    plan_type: PlanType | None = None
    title: Title | None = None
    price: Paise | None = None
    description: Annotated[str, StringConstraints(max_length=1000)] | None = None
    duration_minutes: Minutes | None = None
    consultant_id: str | None = None
    is_active: bool | None = None

    @model_validator(mode="after")
    def _nothing_is_emptied(self) -> Self:
        for name in self.model_fields_set - {"description", "consultant_id"}:
            if getattr(self, name) is None:
                raise Invalid("A plan needs this.", details={name: ["A plan needs this. Leave it out to keep it as it is."]})
        return self


class PlansQuery(In):
    """Whose plans are wanted."""

    consultant_id: str | None = None


class CheckoutIn(In):
    """A booking: a plan, a time, who gives the session, and who pays."""

    plan_id: str
    starts_at: datetime
    organization_id: str | None = None
    consultant_id: str | None = None


class BookForm(In):
    """A booking from the page: the time is the organization's local time."""

    plan_id: str
    consultant_id: str | None = None
    starts_at: datetime
    payer: Literal["organization", "self"] = "organization"


class PlanOut(Out):
    """A plan."""

    id: str
    plan_type: PlanType
    title: str
    price: int
    description: str | None
    duration_minutes: int
    consultant_id: str | None
    organization_id: str | None
    is_active: bool

    @classmethod
    def of(cls, plan: Plan) -> "PlanOut":
        """The plan as JSON shows it."""
        return cls.model_validate(plan)


class BookingOut(Out):
    """A booking."""

    id: str
    plan_id: str
    learner_id: str
    consultant_id: str
    starts_at: datetime
    status: BookingStatus
    payment_id: str

    @classmethod
    def of(cls, booking: Booking) -> "BookingOut":
        """The booking as JSON shows it."""
        return cls.model_validate(booking)
