"""What an organization's home and its analytics count."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from typing import Any

from sqlalchemy import BindParameter, ColumnElement, Select, Subquery, and_, bindparam, exists, func, select

from portal import clock, db
from portal.accounts.models import User
from portal.billing.models import Payment
from portal.bookings.models import Booking, Plan
from portal.bookings.rules import BookingStatus
from portal.invites.models import Invitation
from portal.invites.rules.states import InvitationStatus
from portal.orgs.models import Membership, Organization
from portal.orgs.queries import holds_seat
from portal.orgs.rules import MembershipStatus


@dataclass(frozen=True, slots=True)
class Figures:
    """Counts of an organization now."""

    members: int
    seats: int
    invitations: int
    plans: int
    this_month: int
    has_bookings: bool


def figures(organization_id: str, *, since: datetime, until: datetime) -> Figures:
    """All counts in one statement; ``this_month`` counts sessions that start from ``since`` to before ``until``."""
    counted = db.session.execute(_figures(), {"organization": organization_id, "since": since, "until": until}).one()
    return Figures(*counted)


@cache
def _figures() -> Select[*tuple[Any, ...]]:
    asked: BindParameter[str] = bindparam("organization", type_=Membership.organization_id.type)
    active = (
        select(func.count().label("members"), func.count().filter(holds_seat(asked)).label("seats"))
        .where(Membership.organization_id == asked, Membership.status == MembershipStatus.ACTIVE)
        .subquery()
    )
    invitations = select(func.count()).where(Invitation.organization_id == asked, Invitation.status == InvitationStatus.PENDING)
    plans = select(func.count()).where(Plan.organization_id == asked, Plan.is_active)
    is_confirmed = and_(Booking.organization_id == asked, Booking.status == BookingStatus.CONFIRMED)
    this_month = select(func.count()).where(is_confirmed, Booking.starts_at >= bindparam("since"), Booking.starts_at < bindparam("until"))
    return select(active, *(count.scalar_subquery() for count in (invitations, plans, this_month)), exists().where(is_confirmed))


@dataclass(frozen=True, slots=True)
class Month:
    """What happened in a month of sessions; ``spend`` is paise before GST, net of refunds."""

    start: date
    sessions: int
    spend: int
    learners: int


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody's sessions in a range; ``spend`` is paise before GST, net of refunds."""

    user_id: str
    name: str
    sessions: int
    spend: int


def by_month(organization: Organization, *, since: date, until: date) -> list[Month]:
    """Confirmed sessions by the month in which they start, in the organization's zone; months without any are left out.

    Args:
        organization: Whose sessions.
        since: The first day.
        until: The day after the last one.
    """
    sessions = _sessions(organization, since=since, until=until)
    statement = (
        select(sessions.c.month, func.count(), func.sum(sessions.c.spend), func.count(sessions.c.learner_id.distinct()))
        .group_by(sessions.c.month)
        .order_by(sessions.c.month)
    )
    return [Month(start=row[0].date(), sessions=row[1], spend=int(row[2]), learners=row[3]) for row in db.session.execute(statement)]


def top_learners(organization: Organization, *, since: date, until: date, limit: int) -> Sequence[Person]:
    """Who took the most sessions."""
    sessions = _sessions(organization, since=since, until=until)
    return _top(sessions, sessions.c.learner_id, limit=limit)


def top_consultants(organization: Organization, *, since: date, until: date, limit: int) -> Sequence[Person]:
    """Who gave the most sessions."""
    sessions = _sessions(organization, since=since, until=until)
    return _top(sessions, sessions.c.consultant_id, limit=limit)


def _sessions(organization: Organization, *, since: date, until: date) -> Subquery:
    first, after = clock.midnight(since, organization.time_zone), clock.midnight(until, organization.time_zone)
    month = func.date_trunc("month", func.timezone(organization.time_zone, Booking.starts_at)).label("month")
    spend = (Payment.amount - Payment.refunded_amount).label("spend")
    statement = (
        select(month, Booking.learner_id, Booking.consultant_id, spend)
        .join(Payment, Payment.id == Booking.payment_id)
        .where(
            Booking.organization_id == organization.id,
            Booking.status == BookingStatus.CONFIRMED,
            Booking.starts_at >= first,
            Booking.starts_at < after,
        )
    )
    return statement.subquery()


def _top(sessions: Subquery, who: ColumnElement[str], *, limit: int) -> Sequence[Person]:
    number = func.count()
    statement = (
        select(User.id, User.name, number, func.sum(sessions.c.spend))
        .join(sessions, who == User.id)
        .group_by(User.id, User.name)
        .order_by(number.desc(), func.lower(User.name), User.id)
        .limit(limit)
    )
    return [Person(user_id=row[0], name=row[1], sessions=row[2], spend=int(row[3])) for row in db.session.execute(statement)]
