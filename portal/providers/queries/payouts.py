"""Reading payout accounts and payouts."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Select, func, select
from sqlalchemy.orm import contains_eager

from portal import db
from portal.gateways.mail import Delivery
from portal.orgs.models import Organization
from portal.orgs.rules import Status
from portal.providers.models import Payout, PayoutAccount, ProviderMail
from portal.providers.queries.consultants import PROVIDING
from portal.providers.rules import AccountStatus, PayoutStatus


def account_of(organization_id: str) -> PayoutAccount | None:
    """Where an organization's payouts go, if it has said so."""
    statement = select(PayoutAccount).where(PayoutAccount.organization_id == organization_id, PayoutAccount.removed_at.is_(None))
    return db.session.scalar(statement)


def accounts_to_decide(*, status: AccountStatus | None, limit: int) -> Sequence[PayoutAccount]:
    """Payout accounts in one status (or all) with their organizations; those that wait first, longest waiting first."""
    statement = (
        select(PayoutAccount)
        .join(PayoutAccount.organization)
        .options(contains_eager(PayoutAccount.organization))
        .where(PayoutAccount.removed_at.is_(None))
        .order_by(
            PayoutAccount.status != AccountStatus.PENDING_VERIFICATION,
            func.coalesce(PayoutAccount.changed_at, PayoutAccount.created_at),
            PayoutAccount.organization_id,
        )
        .limit(limit)
    )
    if status is not None:
        statement = statement.where(PayoutAccount.status == status)
    return db.session.scalars(statement).all()


def payout(payout_id: str) -> Payout | None:
    """A payout by its id."""
    return db.session.get(Payout, payout_id) if db.is_id(payout_id) else None


def payouts_of(organization_id: str, *, limit: int, cursor: str | None = None) -> Sequence[Payout]:
    """An organization's payouts, newest first."""
    statement = select(Payout).where(Payout.organization_id == organization_id)
    if cursor is not None:
        statement = statement.where(Payout.id < cursor)
    return db.session.scalars(statement.order_by(Payout.id.desc()).limit(limit)).all()


def open_payouts_of(organization_id: str) -> Sequence[Payout]:
    """Payouts of an organization that wait or are under way, as they are now; there is one at most."""
    is_open = Payout.status.in_((PayoutStatus.PENDING, PayoutStatus.PROCESSING))
    statement = select(Payout).where(Payout.organization_id == organization_id, is_open)
    return db.session.scalars(statement.execution_options(populate_existing=True)).all()


def payouts_in_progress(*, limit: int) -> Sequence[Payout]:
    """Payouts that aren't completed, with their organizations, oldest first."""
    statement = _with_organization().where(Payout.status != PayoutStatus.COMPLETED)
    return db.session.scalars(statement.order_by(Payout.id).limit(limit)).all()


def recent_payouts(*, limit: int) -> Sequence[Payout]:
    """Completed payouts, with their organizations, newest first."""
    statement = _with_organization().where(Payout.status == PayoutStatus.COMPLETED)
    return db.session.scalars(statement.order_by(Payout.completed_at.desc()).limit(limit)).all()


def pending_payouts(*, limit: int) -> Sequence[str]:
    """Ids of payouts that nobody has begun to pay, oldest first."""
    statement = select(Payout.id).where(Payout.status == PayoutStatus.PENDING).order_by(Payout.id).limit(limit)
    return db.session.scalars(statement).all()


def payouts_to_send(at: datetime, *, limit: int) -> Sequence[str]:
    """Ids of payouts under way that are due to be sent or asked about, for the sweep."""
    statement = select(Payout.id).where(Payout.status == PayoutStatus.PROCESSING, Payout.due_at <= at).order_by(Payout.due_at).limit(limit)
    return db.session.scalars(statement).all()


def scheduled_organizations() -> Sequence[str]:
    """Ids of active provider organizations, for the job that pays by frequency."""
    statement = select(Organization.id).where(Organization.status == Status.ACTIVE, Organization.kind.in_(PROVIDING))
    return db.session.scalars(statement.order_by(Organization.id)).all()


def mails_to_deliver(at: datetime, *, limit: int) -> Sequence[str]:
    """Ids of mails that are due, for the sweep."""
    statement = (
        select(ProviderMail.id)
        .where(ProviderMail.delivery == Delivery.QUEUED, ProviderMail.delivery_due_at <= at)
        .order_by(ProviderMail.delivery_due_at)
        .limit(limit)
    )
    return db.session.scalars(statement).all()


def _with_organization() -> Select[Payout]:
    return select(Payout).join(Payout.organization).options(contains_eager(Payout.organization))
