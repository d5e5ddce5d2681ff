"""Acts of the wizard: starting, saving a step, staging invitees, launching, giving up."""

from collections.abc import Sequence
from datetime import timedelta

from pydantic import ValidationError
from sqlalchemy import delete, update
from sqlalchemy.dialects.postgresql import insert as upsert

from portal import clock, config, db, queue
from portal.accounts.models import User
from portal.audit import service as audit
from portal.audit.rules import SYSTEM, Action, Actor, Via
from portal.db import Json
from portal.errors import Conflict, Invalid, NotFound
from portal.gateways import files
from portal.invites.models import InvitationImport
from portal.invites.rules import Judged, Verdict
from portal.invites.service import imports, invitations, verdicts
from portal.orgs import service as orgs
from portal.orgs.models import Organization
from portal.orgs.rules import FIELD_LABELS, Role, Status, default_role, invitable_roles
from portal.orgs.rules.images import Picture, Slot
from portal.orgs.schemas import BillingIn, ColorsIn, Group, OrgInfoIn
from portal.orgs.service import branding
from portal.setup import queries
from portal.setup.models import SetupProgress, StagedInvitee
from portal.setup.rules import Step, missing_steps
from portal.setup.schemas import OnboardingIn

AT_ONCE = 100
MOST_CLEANED = 1000


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


def begin(
    data: OnboardingIn, *, upload: imports.Upload | None, creator: User, actor: Actor
) -> tuple[Organization, InvitationImport | None]:
    """Saves a new user's first page as a draft, with its addresses staged and its file judged; all of it or nothing.

    Raises:
        Invalid: Some addresses can't be invited, or the file can't be read.
        TooLarge: The file is larger than 5 MiB.
    """
    info = OrgInfoIn(**data.model_dump(include=OrgInfoIn.model_fields.keys() & OnboardingIn.model_fields.keys()))
    draft = start(info, creator=creator, actor=actor)
    orgs.apply(draft, {"billing_mode": data.billing_mode})
    if data.people:
        refused = stage_text(data.people, draft=draft, creator=creator, role=data.role)
        if refused:
            sentences = [f"{row.email}: {row.message}" for row in refused]
            raise Invalid("Some addresses can't be invited.", code="ADDRESSES_REFUSED", details={"people": sentences})
    return draft, stage_upload(upload, draft=draft, creator=creator) if upload else None


def save_info(data: OrgInfoIn, *, draft: Organization) -> Organization:
    """Saves the first step again.

    Raises:
        Conflict: ``SLUG_TAKEN``, or ``ALREADY_LAUNCHED``.
    """
    organization = _locked(draft)
    orgs.save_info(organization, data)
    _touch(organization, Step.INFO)
    return organization


def save(data: Group, *, draft: Organization, step: Step) -> Organization:
    """Saves what a step shows.

    Raises:
        Invalid: The values don't fit each other or the draft's kind.
        Conflict: ``ALREADY_LAUNCHED``.
        NotEnabled: The rates of a provider, while ``ENABLE_PROVIDER_ORGS`` is off.
    """
    organization = _locked(draft)
    orgs.apply(organization, data.changes())
    _touch(organization, step)
    return organization


def save_picture(picture: Picture, *, draft: Organization, slot: Slot, actor: Actor) -> Organization:
    """Puts a logo or banner into a draft.

    The draft is touched and committed before the file is written, so that the job which clears abandoned drafts away
    can't run between the file and its note.

    Raises:
        Conflict: ``ALREADY_LAUNCHED``.
        Unavailable: The store can't be written.
    """
    _touch(_locked(draft), Step.BRANDING)
    branding.keep(picture, slot=slot, organization_id=draft.id)
    organization = _locked(draft)
    branding.attach(picture.file_name(slot), slot=slot, organization=organization, actor=actor)
    return organization


def remove_picture(slot: Slot, *, draft: Organization, actor: Actor) -> Organization:
    """Takes a logo or banner out of a draft."""
    organization = _locked(draft)
    branding.attach(None, slot=slot, organization=organization, actor=actor)
    _touch(organization, Step.BRANDING)
    return organization


def around(draft: Organization, *, creator: User) -> verdicts.Surroundings:
    """What invitees of a draft are judged against: those staged before count as invited, the creator as a member."""
    provider_orgs = orgs.provider_orgs_are_on()
    return verdicts.Surroundings(
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


def stage_text(text: str, *, draft: Organization, creator: User, role: Role) -> list[Judged]:
    """Stages the addresses of a text box; returns those that can't be invited, with the reason.

    Raises:
        Invalid: There is no address in the text.
    """
    judged = verdicts.judge_text(text, default_role=role, around=around(draft, creator=creator))
    stage(imports.people_in(judged, default_role=role), draft=draft)
    return [row for row in judged if row.verdict is not Verdict.NEW]


def stage_upload(upload: imports.Upload, *, draft: Organization, creator: User) -> InvitationImport:
    """Reads a file and judges its rows against the draft, for the preview.

    Raises:
        Invalid: It can't be read, or has too many rows, columns or characters.
        TooLarge: It is larger than 5 MiB.
    """
    return imports.stage(upload, default_role=default_role(draft.kind), around=around(draft, creator=creator), creator=creator)


def stage_import(import_id: str, *, draft: Organization, creator: User) -> int:
    """Stages everybody of an uploaded file whose row is new; a second time it finds the file confirmed and answers 0.

    Raises:
        NotFound: The draft has no such file.
    """
    batch = imports.take(import_id, around=around(draft, creator=creator))
    return stage(imports.people_of(batch), draft=draft) if batch else 0


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
        Invalid: What was saved doesn't fit together any more; everything is checked again.
        NotEnabled: The kind was switched off meanwhile.
        NotFound: The setup was given up meanwhile.
    """
    organization = orgs.lock(draft.id)
    if organization.status is Status.DEACTIVATED:
        raise given_up()
    if organization.status is not Status.DRAFT:
        return False
    orgs.require_kind(organization.kind)
    missing = missing_steps(queries.progress(organization.id).steps_done, organization.kind)
    if missing:
        steps = ", ".join(step.label for step in missing)
        raise Conflict(f"Save these steps first: {steps}. Nothing was launched.", code="SETUP_INCOMPLETE")
    orgs.apply(organization, checked_again(organization))
    membership = orgs.open_for_business(organization, owner=owner, actor=actor)
    people = [invitations.Person(email=row.email, name=row.name, role=row.role) for row in queries.staged(organization.id)]
    as_owner = Actor(user_id=owner.id, name=owner.name, via=Via.MEMBER, membership_id=membership.id, ip=actor.ip)
    invitations.invite(organization, people, inviter=owner, actor=as_owner)
    db.session.execute(delete(StagedInvitee).where(StagedInvitee.organization_id == organization.id))
    db.session.execute(delete(SetupProgress).where(SetupProgress.organization_id == organization.id))
    return True


def discard(draft: Organization, *, actor: Actor) -> None:
    """Gives a draft up; its files go by a job that rings with this commit.

    Raises:
        Conflict: ``ALREADY_LAUNCHED``.
    """
    _abandon([_locked(draft)], actor=actor)
    queue.enqueue("setup-clean-stale-drafts")


def clean_stale_drafts() -> Json:
    """Gives up drafts that nobody has touched for ``DRAFT_MAX_IDLE_HOURS``, and then deletes the files of those given up.

    A draft that is being saved or launched at this moment is passed over. The change of status is committed before a file
    is deleted; a kill in between leaves a row without ``cleaned_at``, which the next run finds.

    Returns:
        ``{job, asOf, done, abandoned, cleaned, skipped, failed}``.
    """
    now = clock.now()
    idle_since = now - timedelta(hours=config.current().draft_max_idle_hours)
    abandoned = 0
    while stale := queries.lock_stale(idle_since, limit=AT_ONCE):
        _abandon(stale, actor=SYSTEM)
        abandoned += len(stale)
        db.checkpoint()
    cleaned, failed = 0, []
    for organization_id in queries.to_clean(limit=MOST_CLEANED):
        with db.outside():
            try:
                files.store().delete_all(branding.folder(organization_id))
            except OSError as error:
                failed.append({"organizationId": organization_id, "error": f"{type(error).__name__}: {error}"[:300]})
                continue
        queries.progress(organization_id).cleaned_at = clock.now()
        cleaned += 1
    return {
        "job": "setup-clean-stale-drafts",
        "asOf": clock.iso(now),
        "done": not failed,
        "abandoned": abandoned,
        "cleaned": cleaned,
        "skipped": {},
        "failed": failed,
    }


def _abandon(drafts: Sequence[Organization], *, actor: Actor) -> None:
    """Ends drafts that the caller has locked, and everything personal that was staged in them; their addresses become free."""
    ids = [draft.id for draft in drafts]
    acts = []
    for draft in drafts:
        acts.append(
            audit.Act(
                orgs.subject(draft),
                organization_id=draft.id,
                before={"status": Status.DRAFT, "slug": draft.slug},
                after={"status": Status.DEACTIVATED},
            )
        )
        draft.status = Status.DEACTIVATED
        draft.slug = f"abandoned-{draft.id}"
    db.session.flush()
    audit.record_all(actor, Action.ORG_DEACTIVATED, acts)
    db.session.execute(delete(StagedInvitee).where(StagedInvitee.organization_id.in_(ids)))
    imports.forget(ids)
    note = update(SetupProgress).where(SetupProgress.organization_id.in_(ids)).values(abandoned_at=clock.now())
    db.session.execute(note, execution_options={"synchronize_session": False})


def checked_again(organization: Organization) -> Json:
    """What the steps saved, read once more by their schemas: column → value.

    Raises:
        Invalid: ``SETUP_INCOMPLETE``: a field is missing or wrong, whoever changed it meanwhile.
    """
    schemas: list[type[Group]] = [*([BillingIn] if organization.kind.buys else []), ColorsIn]
    found: Json = {}
    for schema in schemas:
        try:
            found |= schema.model_validate(schema.values_of(organization)).changes()
        except ValidationError as error:
            names = ", ".join(sorted(FIELD_LABELS.get(str(item["loc"][0]), str(item["loc"][0])) for item in error.errors() if item["loc"]))
            raise Invalid(f"Mend these fields first: {names}. Nothing was launched.", code="SETUP_INCOMPLETE") from None
    return found


def given_up() -> NotFound:
    """The answer of a draft that was given up."""
    return NotFound("This setup was given up, because nobody went on with it. Begin a new one.", code="SETUP_NOT_FOUND")


def _locked(draft: Organization) -> Organization:
    organization = orgs.lock(draft.id)
    if organization.status is Status.DEACTIVATED:
        raise given_up()
    if organization.status is not Status.DRAFT:
        raise Conflict(f"{organization.name} was launched already. Change it in its settings.", code="ALREADY_LAUNCHED")
    return organization


def _touch(organization: Organization, step: Step) -> None:
    row = queries.progress(organization.id)
    row.touched_at = clock.now()
    if step.value not in row.steps_done:
        row.steps_done = [*row.steps_done, step.value]
    db.session.flush()
