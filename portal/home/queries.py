"""What an organization's home counts, and the layout's side bar and switcher."""

from dataclasses import dataclass

from sqlalchemy import func, select

from portal import db
from portal.bookings.models import Booking, Plan
from portal.invites.models import Invitation
from portal.invites.rules.states import InvitationStatus
from portal.orgs.models import Membership
from portal.orgs.rules import MembershipStatus


@dataclass(frozen=True, slots=True)
class Figures:
    """Counts of an organization now."""

    members: int
    invitations: int
    plans: int
    bookings: int


def figures(organization_id: str) -> Figures:
    """All counts in one statement."""
    members = select(func.count()).where(Membership.organization_id == organization_id, Membership.status == MembershipStatus.ACTIVE)
    invitations = select(func.count()).where(Invitation.organization_id == organization_id, Invitation.status == InvitationStatus.PENDING)
    plans = select(func.count()).where(Plan.organization_id == organization_id, Plan.is_active)
    bookings = select(func.count()).where(Booking.organization_id == organization_id)
    statement = select(members.scalar_subquery(), invitations.scalar_subquery(), plans.scalar_subquery(), bookings.scalar_subquery())
    counted = db.session.execute(statement).one()
    return Figures(members=counted[0], invitations=counted[1], plans=counted[2], bookings=counted[3])
