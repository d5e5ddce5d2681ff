"""Uploaded files: read and judged first, sent (or staged in a setup) when they are confirmed."""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from sqlalchemy import delete, insert, select

from portal import clock, db
from portal.accounts.models import User
from portal.audit import service as audit
from portal.audit.rules import Action, Actor
from portal.errors import Conflict, Invalid, NotFound
from portal.invites import queries
from portal.invites.models import InvitationImport, InvitationImportRow
from portal.invites.rules import Judged, Mapping, Table, Verdict, entries_from_text, judge, propose_mapping, read_table
from portal.invites.rules.states import ImportStatus
from portal.invites.service.invitations import Person, invite
from portal.orgs import queries as orgs
from portal.orgs.models import Organization
from portal.orgs.rules import Role


@dataclass(frozen=True, slots=True)
class Upload:
    """A file as it came."""

    name: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What rows are judged against.

    Attributes:
        members: Addresses of members.
        pending: Addresses with an open invitation (in a setup: those staged before).
        allowed_roles: What the inviter may hand out.
    """

    organization: Organization
    members: AbstractSet[str]
    pending: AbstractSet[str]
    seats_left: int | None
    allowed_roles: frozenset[Role]


def surroundings(organization: Organization, *, allowed_roles: Sequence[Role]) -> Surroundings:
    """What rows of a running organization are judged against, as of now."""
    return Surroundings(
        organization=organization,
        members=orgs.member_emails(organization.id),
        pending=queries.pending_emails(organization.id),
        seats_left=orgs.seats(organization).left,
        allowed_roles=frozenset(allowed_roles),
    )


def judge_text(text: str, *, default_role: Role, around: Surroundings) -> list[Judged]:
    """The verdict on each address typed into a page.

    Raises:
        Invalid: There is no address in the text.
    """
    table = entries_from_text(text)
    mapping = propose_mapping(table)
    if mapping is None or not table.rows:
        sentence = "There is no e-mail address in this. Write one a line."
        raise Invalid(sentence, code="NO_ADDRESS", details={"people": [sentence]})
    return _judge(table, mapping, default_role=default_role, around=around)


def stage(upload: Upload, *, default_role: Role, around: Surroundings, creator: User) -> InvitationImport:
    """Reads a file, judges its rows, and keeps both for the preview. Nothing is sent.

    Raises:
        Invalid: It can't be read, or has too many rows, columns or characters.
        TooLarge: It is larger than 5 MiB.
    """
    table = read_table(upload.content)
    mapping = propose_mapping(table)
    batch = InvitationImport(
        organization_id=around.organization.id,
        status=ImportStatus.CHECKED,
        file_name=upload.name[:200] or "file",
        content=upload.content,
        encoding=table.encoding,
        delimiter=table.delimiter,
        header_line=table.header_line,
        columns=list(table.columns),
        mapping=None,
        default_role=default_role,
        created_by=creator.id,
        created_at=clock.now(),
    )
    db.session.add(batch)
    db.session.flush()
    if mapping is not None:
        _keep(batch, mapping, _judge(table, mapping, default_role=default_role, around=around))
    return batch


def map_columns(batch: InvitationImport, *, email: int, name: int | None, role: int | None, around: Surroundings) -> None:
    """Judges a file anew by the columns that the user chose.

    Raises:
        Conflict: It was confirmed already.
        Invalid: There is no such column.
    """
    _require_checked(batch)
    table = read_table(batch.content or b"")
    mapping = Mapping.from_indexes(table, email=email, name=name, role=role)
    _keep(batch, mapping, _judge(table, mapping, default_role=batch.default_role, around=around))


def samples(batch: InvitationImport) -> list[tuple[str, ...]]:
    """Three values of each column, for the mapping."""
    return [tuple(values) for values in read_table(batch.content or b"").samples()]


def confirm(batch_id: str, *, around: Surroundings, inviter: User, actor: Actor) -> int:
    """Invites everybody whose row is new, judged once more against the present; returns how many.

    Confirming twice invites once: the second finds the file confirmed and answers 0.

    Raises:
        NotFound: The organization has no such file.
    """
    batch = take(batch_id, organization=around.organization)
    if batch is None:
        return 0
    people = people_of(batch, without=around.members | around.pending)
    made = invite(around.organization, people, inviter=inviter, actor=actor, import_id=batch.id)
    about = audit.Subject("import", batch.id, batch.file_name)
    audit.record(actor, Action.INVITATIONS_IMPORTED, about, organization_id=around.organization.id, after={"invited": len(made)})
    return len(made)


def take(batch_id: str, *, organization: Organization) -> InvitationImport | None:
    """Locks a checked file and marks it as confirmed; None when somebody confirmed it before.

    Raises:
        NotFound: The organization has no such file.
        Conflict: ``MAPPING_MISSING``: nobody has said yet which column has the addresses.
    """
    batch = queries.invitation_import(organization.id, batch_id)
    if batch is None:
        raise NotFound("There is no such upload.", code="IMPORT_NOT_FOUND")
    db.session.refresh(batch, with_for_update=True)
    if batch.status is not ImportStatus.CHECKED:
        return None
    if batch.mapping is None:
        raise Conflict("Say first which column has the e-mail addresses.", code="MAPPING_MISSING")
    batch.status = ImportStatus.RUNNING
    batch.confirmed_at = clock.now()
    batch.content = None
    db.session.flush()
    return batch


def forget(organization_ids: Sequence[str]) -> None:
    """Deletes the uploaded files of drafts that were given up; nothing of them was sent."""
    of_these = select(InvitationImport.id).where(InvitationImport.organization_id.in_(organization_ids))
    db.session.execute(delete(InvitationImportRow).where(InvitationImportRow.import_id.in_(of_these)))
    db.session.execute(delete(InvitationImport).where(InvitationImport.organization_id.in_(organization_ids)))


def people_of(batch: InvitationImport, *, without: AbstractSet[str]) -> list[Person]:
    """The people of a file whose verdict is NEW and who haven't become members or been invited since."""
    statement = select(InvitationImportRow.email, InvitationImportRow.name, InvitationImportRow.role).where(
        InvitationImportRow.import_id == batch.id, InvitationImportRow.verdict == Verdict.NEW
    )
    return [
        Person(email=row.email, name=row.name, role=row.role or batch.default_role)
        for row in db.session.execute(statement)
        if row.email not in without
    ]


def people_in(judged: Sequence[Judged], *, default_role: Role) -> list[Person]:
    """The people whose verdict is NEW."""
    return [Person(email=row.email, name=row.name or None, role=row.role or default_role) for row in judged if row.verdict is Verdict.NEW]


def _judge(table: Table, mapping: Mapping, *, default_role: Role, around: Surroundings) -> list[Judged]:
    return judge(
        table,
        mapping,
        kind=around.organization.kind,
        default_role=default_role,
        members=around.members,
        pending=around.pending,
        seats_left=around.seats_left,
        allowed_roles=around.allowed_roles,
    )


def _keep(batch: InvitationImport, mapping: Mapping, judged: Sequence[Judged]) -> None:
    batch.mapping = {"email": mapping.email, "name": list(mapping.name), "role": mapping.role}
    db.session.execute(delete(InvitationImportRow).where(InvitationImportRow.import_id == batch.id))
    rows = [
        {
            "import_id": batch.id,
            "line": row.line,
            "email": row.email,
            "name": row.name or None,
            "role": row.role,
            "verdict": row.verdict,
            "message": row.message,
        }
        for row in judged
    ]
    if rows:
        db.session.execute(insert(InvitationImportRow), rows)
    db.session.flush()


def _require_checked(batch: InvitationImport) -> None:
    if batch.status is not ImportStatus.CHECKED:
        raise Conflict("This file was confirmed already, so its columns can't change.", code="IMPORT_CONFIRMED")
