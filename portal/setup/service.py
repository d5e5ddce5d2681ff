"""Acts of the wizard: starting, saving a step, staging invitees, launching."""

from collections.abc import Sequence

from sqlalchemy import delete
from sqlalchemy.dialects.postgresql import insert as upsert

from portal import clock, db
from portal.accounts.models import User
from portal.audit.rules import Actor, Via
from portal.errors import Conflict
from portal.invites.service import imports, invitations
from portal.orgs import service as orgs
from portal.orgs.models import Organization
from portal.orgs.rules import Role, Status, invitable_roles
from portal.orgs.schemas import BillingIn, OrgInfoIn
from portal.setup import queries
from portal.setup.models import SetupProgress, StagedInvitee
from portal.setup.rules import Step, missing_steps


def start(data: OrgInfoIn, *, creator: User, actor: Actor) -> Organization:
    """Saves the first step: the organization exists as a DRAFT from now on.

    Raises:
        Conflict: ``SLUG_TAKEN``.
        NotEnabled: The kind is switched off.
    """
    organization = orgs.draft(data, creator=creator, actor=actor)
    row = SetupProgress(organization_id=organization.id, steps_done=[Step.INFO.value], touched_at=clock.now())
    db.session.add(row)
    db.session.flush()
    return organization


def save_info(data: OrgInfoIn, *, draft: Organization) -> Organization:
    """Saves the first step again.

    Raises:
        Conflict: ``SLUG_TAKEN``, or ``ALREADY_LAUNCHED``.
    """
    organization = _locked(draft)
    orgs.save_info(organization, data)
    _touch(organization, Step.INFO)
    return organization


def save_billing(data: BillingIn, *, draft: Organization) -> Organization:
    """Saves how the organization will pay.

    Raises:
        Invalid: The state is missing.
        Conflict: ``ALREADY_LAUNCHED``.
    """
    organization = _locked(draft)
    orgs.save_billing(organization, data)
    _touch(organization, Step.BILLING)
    return organization


def around(draft: Organization, *, creator: User) -> imports.Surroundings:
    """What invitees of a draft are judged against: those staged before count as invited, the creator as a member."""
    provider_orgs = orgs.provider_orgs_are_on()
    return imports.Surroundings(
        organization=draft,
        members=frozenset({creator.email}),
        pending=queries.staged_emails(draft.id),
        seats_left=draft.seats_total,
        allowed_roles=frozenset(invitable_roles(draft.kind, inviter=Role.ORG_OWNER, provider_orgs=provider_orgs)),
    )


def stage(people: Sequence[invitations.Person], *, draft: Organization) -> int:
    """Remembers people who are invited at the launch; those who are staged already stay as they are. Returns how many are new."""
    organization = _locked(draft)
    _touch(organization, Step.INVITE)
    if not people:
        return 0
    rows = [
        {
            "id": db.new_id(),
            "organization_id": organization.id,
            "email": person.email,
            "name": person.name,
            "role": person.role,
        }
        for person in people
    ]
    statement = upsert(StagedInvitee).on_conflict_do_nothing(index_elements=["organization_id", "email"])
    return len(db.session.execute(statement.returning(StagedInvitee.id), rows).all())


def stage_import(import_id: str, *, draft: Organization, creator: User) -> int:
    """Stages everybody of an uploaded file whose row is new; a second time it finds the file confirmed and answers 0.

    Raises:
        NotFound: The draft has no such file.
    """
    surroundings = around(draft, creator=creator)
    batch = imports.take(import_id, organization=draft)
    if batch is None:
        return 0
    return stage(imports.people_of(batch, without=surroundings.members | surroundings.pending), draft=draft)


def unstage(invitee_id: str, *, draft: Organization) -> None:
    """Forgets somebody who was to be invited; harmless when they are gone already."""
    organization = _locked(draft)
    if db.is_id(invitee_id):
        db.session.execute(delete(StagedInvitee).where(StagedInvitee.id == invitee_id, StagedInvitee.organization_id == organization.id))
    _touch(organization, Step.INVITE)


def launch(draft: Organization, *, owner: User, actor: Actor) -> bool:
    """Turns the draft into an organization, makes its creator the owner, and sends the staged invitations.

    The row's lock decides between two clicks: the second finds the draft launched and changes nothing.

    Returns:
        Whether it was launched now.

    Raises:
        Conflict: ``SETUP_INCOMPLETE``: a step is missing.
    """
    organization = orgs.lock(draft.id)
    if organization.status is not Status.DRAFT:
        return False
    missing = missing_steps(queries.progress(organization.id).steps_done, organization.kind)
    if missing:
        steps = ", ".join(step.label for step in missing)
        raise Conflict(f"Save these steps first: {steps}. Nothing was launched.", code="SETUP_INCOMPLETE")
    membership = orgs.open_for_business(organization, owner=owner, actor=actor)
    people = [invitations.Person(email=row.email, name=row.name, role=row.role) for row in queries.staged(organization.id)]
    as_owner = Actor(user_id=owner.id, name=owner.name, via=Via.MEMBER, membership_id=membership.id, ip=actor.ip)
    invitations.invite(organization, people, inviter=owner, actor=as_owner)
    db.session.execute(delete(StagedInvitee).where(StagedInvitee.organization_id == organization.id))
    db.session.execute(delete(SetupProgress).where(SetupProgress.organization_id == organization.id))
    return True


def _locked(draft: Organization) -> Organization:
    organization = orgs.lock(draft.id)
    if organization.status is not Status.DRAFT:
        raise Conflict(f"{organization.name} was launched already. Change it in its settings.", code="ALREADY_LAUNCHED")
    return organization


def _touch(organization: Organization, step: Step) -> None:
    row = queries.progress(organization.id)
    row.touched_at = clock.now()
    if step.value not in row.steps_done:
        row.steps_done = [*row.steps_done, step.value]
    db.session.flush()
