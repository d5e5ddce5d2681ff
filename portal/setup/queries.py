"""Reading setups."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select

from portal import db
from portal.orgs.models import Organization
from portal.orgs.rules import Status
from portal.setup.models import SetupProgress, StagedInvitee
from portal.setup.rules import Step, missing_steps, steps_for


@dataclass(frozen=True, slots=True)
class Draft:
    """A setup to be resumed, for its creator's card."""

    organization: Organization
    progress: SetupProgress

    @property
    def next_step(self) -> Step:
        """Where to go on."""
        missing = missing_steps(self.progress.steps_done, self.organization.kind)
        return missing[0] if missing else Step.REVIEW

    @property
    def done_text(self) -> str:
        """``2 of 4 steps saved``."""
        steps = steps_for(self.organization.kind)
        return f"{len([step for step in steps if step.value in self.progress.steps_done])} of {len(steps) - 1} steps saved"


def drafts_of(user_id: str) -> list[Draft]:
    """A user's own unfinished setups, last touched first."""
    statement = (
        select(Organization, SetupProgress)
        .join(SetupProgress, SetupProgress.organization_id == Organization.id)
        .where(Organization.created_by == user_id, Organization.status == Status.DRAFT)
        .order_by(SetupProgress.touched_at.desc())
    )
    return [Draft(organization, progress) for organization, progress in db.session.execute(statement)]


def progress(organization_id: str) -> SetupProgress:
    """How far a setup is."""
    return db.session.get_one(SetupProgress, organization_id)


def lock_stale(idle_since: datetime, *, limit: int) -> Sequence[Organization]:
    """Locks drafts that nobody has touched since an instant, passing over those that somebody else holds."""
    statement = (
        select(Organization)
        .join(SetupProgress, SetupProgress.organization_id == Organization.id)
        .where(Organization.status == Status.DRAFT, SetupProgress.touched_at < idle_since, SetupProgress.abandoned_at.is_(None))
        .order_by(SetupProgress.touched_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
        .execution_options(populate_existing=True)
    )
    return db.session.scalars(statement).all()


def to_clean(*, limit: int) -> Sequence[str]:
    """Ids of given-up drafts whose files may still be there."""
    statement = select(SetupProgress.organization_id).where(SetupProgress.abandoned_at.is_not(None), SetupProgress.cleaned_at.is_(None))
    return db.session.scalars(statement.order_by(SetupProgress.abandoned_at).limit(limit)).all()


def staged(organization_id: str) -> Sequence[StagedInvitee]:
    """Who is to be invited at the launch, by address."""
    statement = select(StagedInvitee).where(StagedInvitee.organization_id == organization_id).order_by(StagedInvitee.email)
    return db.session.scalars(statement).all()


def staged_emails(organization_id: str) -> frozenset[str]:
    """The addresses of ``staged``."""
    return frozenset(db.session.scalars(select(StagedInvitee.email).where(StagedInvitee.organization_id == organization_id)))


def staged_count(organization_id: str) -> int:
    """How many people are staged."""
    statement = select(func.count()).select_from(StagedInvitee).where(StagedInvitee.organization_id == organization_id)
    return db.session.scalar(statement) or 0
