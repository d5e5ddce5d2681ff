"""Putting an organization's analytics together; it only reads."""

from portal import clock
from portal.home import queries
from portal.home.rules import month_after, months_until
from portal.home.schemas import AnalyticsOut, MonthOut, PersonOut, SeatsOut
from portal.orgs import queries as orgs
from portal.orgs.models import Organization

TOP = 5


def figures(organization: Organization) -> queries.Figures:
    """The counts of an organization's home; its month is the present one in its zone."""
    start = clock.today(organization.time_zone).replace(day=1)
    since, until = (clock.midnight(day, organization.time_zone) for day in (start, month_after(start)))
    return queries.figures(organization.id, since=since, until=until)


def analytics(organization: Organization, *, months: int) -> AnalyticsOut:
    """The last ``months`` months in the organization's zone, the present one included; each is there, also an empty one."""
    starts = months_until(clock.today(organization.time_zone), count=months)
    since, until = starts[0], month_after(starts[-1])
    found = {month.start: month for month in queries.by_month(organization, since=since, until=until)}
    rows = [found.get(start) or queries.Month(start=start, sessions=0, spend=0, learners=0) for start in starts]
    seats = orgs.seats(organization)
    learners = queries.top_learners(organization, since=since, until=until, limit=TOP)
    consultants = queries.top_consultants(organization, since=since, until=until, limit=TOP)
    return AnalyticsOut(
        months=[MonthOut(month=f"{row.start:%Y-%m}", sessions=row.sessions, spend=row.spend, learners=row.learners) for row in rows],
        sessions=sum(row.sessions for row in rows),
        spend=sum(row.spend for row in rows),
        seats=SeatsOut(used=seats.used, total=seats.total),
        top_learners=[PersonOut.model_validate(person) for person in learners],
        top_consultants=[PersonOut.model_validate(person) for person in consultants],
    )
