"""The range of analytics, and how they look in JSON. Money is paise before GST, net of refunds."""

from typing import Literal

from portal.web.schema import In, Out


class AnalyticsQuery(In):
    """How many months back, the present one included."""

    months: Literal["3", "6", "12", "24"] = "12"


class MonthOut(Out):
    """A month of sessions, such as ``2026-11``."""

    month: str
    sessions: int
    spend: int
    learners: int


class PersonOut(Out):
    """Somebody's sessions in the range."""

    user_id: str
    name: str
    sessions: int
    spend: int


class SeatsOut(Out):
    """Seats held, of how many; null is any number."""

    used: int
    total: int | None


class AnalyticsOut(Out):
    """Sessions and spend of an organization by month, and who took and gave the most sessions."""

    months: list[MonthOut]
    sessions: int
    spend: int
    seats: SeatsOut
    top_learners: list[PersonOut]
    top_consultants: list[PersonOut]
