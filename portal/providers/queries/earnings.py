"""Reading who hosts a consultant, and what sessions earn. Amounts are paise."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Select, func, select
from sqlalchemy.orm import InstrumentedAttribute

from portal import db
from portal.accounts.models import User
from portal.orgs.models import Membership, Organization
from portal.orgs.rules import MembershipStatus, Role, Status
from portal.orgs.rules.rates import Rates
from portal.providers.models import Consultant, Earning
from portal.providers.queries.consultants import PROVIDING
from portal.providers.rules import EarningStatus, Party


@dataclass(frozen=True, slots=True)
class Host:
    """The organization that hosts a consultant, with its rates and what it has agreed with them."""

    organization_id: str
    rates: Rates
    custom: int | None
    recipient: str


@dataclass(frozen=True, slots=True)
class EarningsSummary:
    """What somebody's earnings come to.

    Attributes:
        pending: On hold, net of refunds.
        ready: Ready to be paid out.
        debt: Paid out before a refund, and not recovered yet.
        under_way: In a payout that isn't completed.
        paid: Paid out, with what is recovered taken off.
        refunded: Taken back by refunds, in all.
    """

    pending: int
    ready: int
    debt: int
    under_way: int
    paid: int
    refunded: int

    @property
    def next_payout(self) -> int:
        """What a payout would come to now."""
        return self.ready - self.debt


@dataclass(frozen=True, slots=True)
class Listed:
    """An earning with the consultant's name."""

    earning: Earning
    consultant: str


def host_of(consultant_id: str) -> Host | None:
    """Who hosts a consultant: of the active provider organizations in which they are active, the one that approved them earliest."""
    since = func.coalesce(Membership.approved_at, Membership.joined_at, Membership.created_at)
    statement = (
        select(
            Organization.id,
            Organization.platform_commission_rate,
            Organization.org_retain_rate,
            Organization.consultant_payout_rate,
            Membership.custom_consultant_payout_rate,
            Membership.earnings_recipient,
        )
        .join(Membership, Membership.organization_id == Organization.id)
        .where(
            Membership.user_id == consultant_id,
            Membership.role == Role.ORG_CONSULTANT,
            Membership.status == MembershipStatus.ACTIVE,
            Organization.status == Status.ACTIVE,
            Organization.kind.in_(PROVIDING),
        )
        .order_by(since, Membership.id)
        .limit(1)
    )
    row = db.session.execute(statement).one_or_none()
    return Host(row[0], Rates(row[1], row[2], row[3]), row[4], row[5]) if row else None


def locked_earnings_of(payment_id: str) -> Sequence[Earning]:
    """What was earned by a payment, the consultant's first, locked and as it is now."""
    statement = select(Earning).where(Earning.payment_id == payment_id).order_by(Earning.party).with_for_update()
    return db.session.scalars(statement.execution_options(populate_existing=True)).all()


def dues_of(organization_id: str) -> Sequence[Earning]:
    """All that a payout to an organization would pay and recover now, oldest first, locked and as it is."""
    statement = (
        select(Earning)
        .where(
            Earning.organization_id == organization_id,
            Earning.party == Party.ORGANIZATION,
            Earning.status != EarningStatus.PENDING,
            Earning.due_amount != 0,
        )
        .order_by(Earning.id)
        .with_for_update()
    )
    return db.session.scalars(statement.execution_options(populate_existing=True)).all()


def summary_of(organization_id: str) -> EarningsSummary:
    """What an organization's own earnings come to."""
    return _summary(select(Earning).where(Earning.organization_id == organization_id, Earning.party == Party.ORGANIZATION))


def summary_of_consultant(user_id: str) -> EarningsSummary:
    """What a consultant's own earnings come to."""
    return _summary(select(Earning).where(Earning.consultant_id == user_id, Earning.party == Party.CONSULTANT))


def earnings_of_organization(
    organization_id: str,
    *,
    party: Party | None = Party.ORGANIZATION,
    status: EarningStatus | None = None,
    limit: int,
    cursor: str | None = None,
) -> Sequence[Listed]:
    """What sessions with an organization's consultants earned, newest first; by default the organization's own."""
    statement = _listed(Earning.organization_id, organization_id, status=status, cursor=cursor)
    if party is not None:
        statement = statement.where(Earning.party == party)
    return [Listed(row[0], row[1]) for row in db.session.execute(statement.limit(limit))]


def earnings_of_consultant(user_id: str, *, status: EarningStatus | None = None, limit: int, cursor: str | None = None) -> Sequence[Listed]:
    """What a consultant earned, newest first."""
    statement = _listed(Earning.consultant_id, user_id, status=status, cursor=cursor).where(Earning.party == Party.CONSULTANT)
    return [Listed(row[0], row[1]) for row in db.session.execute(statement.limit(limit))]


def held_until(at: datetime, *, limit: int) -> Select[str]:
    """Ids of earnings whose hold is over, for the job that releases them; another one's are left to it."""
    statement = select(Earning.id).where(Earning.status == EarningStatus.PENDING, Earning.hold_until <= at).order_by(Earning.hold_until)
    return statement.limit(limit).with_for_update(skip_locked=True)


def _listed(
    column: InstrumentedAttribute[str] | InstrumentedAttribute[str | None], value: str, *, status: EarningStatus | None, cursor: str | None
) -> Select[Earning, str]:
    statement = (
        select(Earning, User.name)
        .join(Consultant, Consultant.user_id == Earning.consultant_id)
        .join(User, User.id == Consultant.user_id)
        .where(column == value)
        .order_by(Earning.id.desc())
    )
    if status is not None:
        statement = statement.where(Earning.status == status)
    return statement.where(Earning.id < cursor) if cursor is not None else statement


def _summary(rows: Select[Earning]) -> EarningsSummary:
    each = rows.subquery()
    due, status, settled = each.c.due_amount, each.c.status, each.c.settled_amount
    is_held = status == EarningStatus.PENDING
    sums = (
        func.sum(due).filter(is_held),
        func.sum(due).filter(~is_held, due > 0),
        -func.sum(due).filter(~is_held, due < 0),
        func.sum(settled).filter(status == EarningStatus.READY),
        func.sum(settled).filter(status.in_((EarningStatus.PAID, EarningStatus.REFUNDED))),
        func.sum(each.c.reversed_amount),
    )
    row = db.session.execute(select(*(func.coalesce(total, 0) for total in sums))).one()
    return EarningsSummary(*map(int, row))
