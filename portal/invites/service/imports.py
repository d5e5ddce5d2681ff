"""Uploaded files: read and judged first, mended by the user, sent (or staged in a setup) when they are confirmed."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace

from sqlalchemy import delete, insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from portal import clock, db
from portal.accounts.models import User
from portal.audit import service as audit
from portal.audit.rules import Action, Actor
from portal.errors import Conflict, NotFound
from portal.invites import queries
from portal.invites.models import ImportMapping, InvitationImport, InvitationImportRow
from portal.invites.rules import (
    IS_INVITED,
    Judged,
    Mapping,
    Verdict,
    header_fingerprint,
    read_table,
    refused_csv,
)
from portal.invites.rules.choices import Choices, Edit, mended
from portal.invites.rules.states import KEPT_FOR, ImportStatus
from portal.invites.service import verdicts
from portal.invites.service.invitations import Person, invite
from portal.memory import without_collector
from portal.orgs.models import Organization
from portal.orgs.rules import Role


@dataclass(frozen=True, slots=True)
class Upload:
    """A file as it came."""

    name: str
    content: bytes


@without_collector()
def stage(
    upload: Upload,
    *,
    default_role: Role,
    around: verdicts.Surroundings,
    creator: User,
    choices: Choices | None = None,
) -> InvitationImport:
    """Reads a file, judges its rows, and keeps both for the preview. Nothing is sent.

    Raises:
        Invalid: It can't be read, or has too many rows, columns or characters; or the role can't be given out.
        TooLarge: It is larger than 5 MiB.
    """
    chosen = choices or Choices()
    checked = verdicts.check(upload.content, chosen, default_role=default_role, around=around)
    batch = InvitationImport(
        organization_id=around.organization.id,
        status=ImportStatus.CHECKED,
        file_name=upload.name[:200] or "file",
        content=upload.content,
        choices=chosen.to_json(),
        default_role=default_role,
        created_by=creator.id,
        created_at=clock.now(),
    )
    _describe(batch, checked)
    db.session.add(batch)
    db.session.flush()
    _keep(batch, checked)
    return batch


@without_collector()
def decide(
    batch_id: str, change: Callable[[Choices], Choices], *, around: verdicts.Surroundings, default_role: Role | None = None
) -> InvitationImport:
    """Takes a decision of the user about a checked file and judges it anew.

    Raises:
        NotFound: The organization has no such file.
        Conflict: ``IMPORT_CONFIRMED``: it was confirmed already.
        Invalid: The decision makes no sense.
    """
    batch = _locked(batch_id, around.organization)
    if batch.status is not ImportStatus.CHECKED:
        raise Conflict("This file was confirmed already, so nothing in it can change.", code="IMPORT_CONFIRMED")
    content = _content(batch)
    batch.default_role = default_role or batch.default_role
    choices = change(Choices.from_json(batch.choices))
    checked = verdicts.check(content, choices, default_role=batch.default_role, around=around)
    batch.choices = choices.to_json()
    _describe(batch, checked)
    _keep(batch, checked)
    return batch


def map_columns(
    batch_id: str,
    *,
    email: int,
    name: int | list[int] | None,
    role: int | None,
    around: verdicts.Surroundings,
) -> InvitationImport:
    """Takes the user's word for which column is which, and remembers it for files with the same headers.

    Raises:
        NotFound: The organization has no such file.
        Conflict: It was confirmed already.
        Invalid: There is no such column, or one is to be two things.
    """
    columns = {"email": email, "name": name, "role": role}
    batch = decide(batch_id, lambda choices: replace(choices, columns=columns, edits={}), around=around)
    remember = upsert(ImportMapping).values(
        organization_id=around.organization.id, fingerprint=batch.fingerprint, columns=columns, updated_at=clock.now()
    )
    remember = remember.on_conflict_do_update(
        index_elements=["organization_id", "fingerprint"], set_={"columns": columns, "updated_at": clock.now()}
    )
    db.session.execute(remember)
    return batch


def mend(batch_id: str, line: int, edit: Edit, *, around: verdicts.Surroundings) -> InvitationImport:
    """Lets one row say something else.

    Raises:
        NotFound: There is no such file, or no such row in it.
        Conflict: It was confirmed already.
    """
    queries.require_row(batch_id, line)
    return decide(batch_id, lambda choices: choices.mend(line, edit), around=around)


def drop(batch_id: str, line: int, *, around: verdicts.Surroundings) -> InvitationImport:
    """Leaves one row out, or takes it in again.

    Raises:
        NotFound: There is no such file, or no such row in it.
        Conflict: It was confirmed already.
    """
    queries.require_row(batch_id, line)
    return decide(batch_id, lambda choices: choices.drop(line), around=around)


def refused(batch: InvitationImport) -> bytes:
    """The rows that aren't invited, as a file to mend and upload again: the columns as they were judged, then why.

    Raises:
        Conflict: ``IMPORT_FORGOTTEN``: the file is too old; its content isn't kept for ever.
    """
    choices = Choices.from_json(batch.choices)
    table = read_table(_content(batch), encoding=choices.encoding, delimiter=choices.delimiter, header_line=choices.header_line)
    if batch.mapping is not None:
        mapping = Mapping.from_indexes(table, email=batch.mapping["email"], name=batch.mapping["name"], role=batch.mapping["role"])
        table, _mapping = mended(table, mapping, choices)
    cells = {row.line: row.cells for row in table.rows}
    rows = queries.import_rows(batch.id, refused=True)
    judged = (
        Judged(row.line, row.email, row.name or "", row.role, row.role_text, row.verdict, row.message, cells.get(row.line, ()))
        for row in rows
    )
    return refused_csv(table, judged)


def confirm(batch_id: str, *, around: verdicts.Surroundings, inviter: User, actor: Actor) -> int:
    """Invites everybody whose row is new, judged once more against the present; returns how many.

    Confirming twice invites once: the second finds the file confirmed and answers 0.

    Raises:
        NotFound: The organization has no such file.
        Conflict: ``MAPPING_MISSING`` or ``IMPORT_FORGOTTEN``.
        Invalid: The role of people without one can't be given out any more.
    """
    batch = take(batch_id, around=around)
    if batch is None:
        return 0
    people = people_of(batch)
    made = invite(around.organization, people, inviter=inviter, actor=actor, import_id=batch.id)
    if len(made) < len(people):
        _note_invited_meanwhile(batch, {person.email for person in people} - {email for _id, email in made})
    about = audit.Subject("import", batch.id, batch.file_name)
    audit.record(actor, Action.INVITATIONS_IMPORTED, about, organization_id=around.organization.id, after={"invited": len(made)})
    return len(made)


@without_collector()
def take(batch_id: str, *, around: verdicts.Surroundings) -> InvitationImport | None:
    """Locks a checked file, judges it against the present and marks it as confirmed; None when somebody confirmed it before.

    Raises:
        NotFound: The organization has no such file.
        Conflict: ``MAPPING_MISSING``: nobody has said yet which column has the addresses; or ``IMPORT_FORGOTTEN``.
        Invalid: The role of people without one can't be given out any more.
    """
    batch = _locked(batch_id, around.organization)
    if batch.status is not ImportStatus.CHECKED:
        return None
    if batch.mapping is None:
        raise Conflict("Say first which column has the e-mail addresses.", code="MAPPING_MISSING")
    _keep(batch, verdicts.check(_content(batch), Choices.from_json(batch.choices), default_role=batch.default_role, around=around))
    batch.status = ImportStatus.RUNNING
    batch.confirmed_at = clock.now()
    db.session.flush()
    return batch


def forget(organization_ids: Sequence[str]) -> None:
    """Deletes the uploaded files of drafts that were given up; nothing of them was sent."""
    of_these = select(InvitationImport.id).where(InvitationImport.organization_id.in_(organization_ids))
    db.session.execute(delete(InvitationImportRow).where(InvitationImportRow.import_id.in_(of_these)))
    db.session.execute(delete(InvitationImport).where(InvitationImport.organization_id.in_(organization_ids)))


def forget_contents() -> int:
    """Deletes the content of files that were uploaded long ago; the rows' results stay. Returns how many."""
    old = (
        update(InvitationImport)
        .where(InvitationImport.created_at < clock.now() - KEPT_FOR, InvitationImport.content.is_not(None))
        .values(content=None, samples=[])
        .returning(InvitationImport.id)
    )
    return len(db.session.execute(old, execution_options={"synchronize_session": False}).all())


def people_of(batch: InvitationImport) -> list[Person]:
    """The people of a file whose verdict is NEW."""
    statement = select(InvitationImportRow.email, InvitationImportRow.name, InvitationImportRow.role).where(
        InvitationImportRow.import_id == batch.id, InvitationImportRow.verdict == Verdict.NEW, InvitationImportRow.is_dropped.is_(False)
    )
    return [Person(email=row.email, name=row.name, role=row.role or batch.default_role) for row in db.session.execute(statement)]


def people_in(judged: Sequence[Judged], *, default_role: Role) -> list[Person]:
    """The people whose verdict is NEW."""
    return [Person(email=row.email, name=row.name or None, role=row.role or default_role) for row in judged if row.verdict is Verdict.NEW]


def _locked(batch_id: str, organization: Organization) -> InvitationImport:
    batch = queries.invitation_import(organization.id, batch_id)
    if batch is None:
        raise NotFound("There is no such upload.", code="IMPORT_NOT_FOUND")
    db.session.refresh(batch, with_for_update=True)
    return batch


def _content(batch: InvitationImport) -> bytes:
    if batch.content is None:
        sentence = f"The content of this file was deleted after {KEPT_FOR.days} days. Upload it again."
        raise Conflict(sentence, code="IMPORT_FORGOTTEN")
    return batch.content


def _note_invited_meanwhile(batch: InvitationImport, emails: AbstractSet[str]) -> None:
    """Somebody else invited these between the look at the present and the insertion: the database left them out."""
    verdict, message = IS_INVITED
    of_these = (
        InvitationImportRow.import_id == batch.id,
        InvitationImportRow.verdict == Verdict.NEW,
        InvitationImportRow.email.in_(emails),
    )
    db.session.execute(update(InvitationImportRow).where(*of_these).values(verdict=verdict, message=message))
    left = {**batch.counts, Verdict.NEW: batch.counts[Verdict.NEW] - len(emails)}
    batch.counts = {**left, verdict: left.get(verdict, 0) + len(emails)}


def _describe(batch: InvitationImport, checked: verdicts.Checked) -> None:
    table, mapping = checked.table, checked.mapping
    batch.encoding = table.encoding
    batch.delimiter = table.delimiter
    batch.header_line = table.header_line
    batch.columns = list(table.columns)
    batch.samples = [list(values) for values in table.samples()]
    batch.fingerprint = header_fingerprint(table)
    batch.mapping = {"email": mapping.email, "name": list(mapping.name), "role": mapping.role} if mapping else None


COLUMNS = ("line", "email", "name", "role", "role_text", "verdict", "message")


def _keep(batch: InvitationImport, checked: verdicts.Checked) -> None:
    """Replaces the rows by what is judged now, as one COPY: a file may have 100 000, and PostgreSQL writes while Python judges."""
    db.session.execute(delete(InvitationImportRow).where(InvitationImportRow.import_id == batch.id))
    counted: Counter[Verdict] = Counter()
    is_new = Verdict.NEW  # an enum's member costs more than a local name

    def rows() -> Iterator[tuple[str, ...]]:
        number_of_new = 0
        for line, email, name, role, role_text, verdict, message, _cells in checked.judged:
            if verdict is is_new:
                number_of_new += 1
                yield str(line), email, name, role or "", role_text, verdict, ""
            else:
                counted[verdict] += 1
                yield str(line), email, name, role or "", role_text, verdict, message
        counted[is_new] = number_of_new

    db.copy_into(InvitationImportRow, COLUMNS, rows(), same={"import_id": batch.id})
    batch.counts = {verdict.value: number for verdict, number in counted.items() if number}
    _keep_decisions(batch, checked)


def _keep_decisions(batch: InvitationImport, checked: verdicts.Checked) -> None:
    """Which rows somebody mended, and those that were left out."""
    choices = Choices.from_json(batch.choices)
    if choices.edits:
        of_these = (InvitationImportRow.import_id == batch.id, InvitationImportRow.line.in_(choices.edits))
        db.session.execute(update(InvitationImportRow).where(*of_these).values(is_mended=True))
    if choices.dropped and checked.mapping:
        column = checked.mapping.email
        left_out = [
            {
                "import_id": batch.id,
                "line": row.line,
                "email": row.cells[column].strip()[:320],
                "role_text": "",
                "verdict": Verdict.NEW,
                "message": "You left this row out.",
                "is_dropped": True,
            }
            for row in checked.table.rows
            if row.line in choices.dropped
        ]
        db.session.execute(insert(InvitationImportRow), left_out)
