"""Uploaded files: read and judged first, mended by the user, sent (or staged in a setup) when they are confirmed."""

from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import delete, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from portal import clock, db
from portal.accounts.models import User
from portal.audit import service as audit
from portal.audit.rules import Action, Actor
from portal.errors import Conflict, Invalid, NotFound
from portal.invites import queries
from portal.invites.models import ImportMapping, InvitationImport, InvitationImportRow
from portal.invites.rules import (
    Judged,
    Table,
    Verdict,
    header_fingerprint,
    read_table,
    refused_csv,
)
from portal.invites.rules.choices import Choices, Edit
from portal.invites.rules.states import KEPT_FOR, ImportStatus
from portal.invites.service import verdicts
from portal.invites.service.invitations import Person, invite
from portal.orgs.models import Organization
from portal.orgs.rules import Role


@dataclass(frozen=True, slots=True)
class Upload:
    """A file as it came."""

    name: str
    content: bytes


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
    _require_allowed(default_role, around)
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
    if batch.status is not ImportStatus.CHECKED or batch.content is None:
        raise Conflict("This file was confirmed already, so nothing in it can change.", code="IMPORT_CONFIRMED")
    if default_role is not None:
        _require_allowed(default_role, around)
        batch.default_role = default_role
    choices = change(Choices.from_json(batch.choices))
    checked = verdicts.check(batch.content, choices, default_role=batch.default_role, around=around)
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


def samples(batch: InvitationImport) -> list[tuple[str, ...]]:
    """Three values of each column, for the mapping; none once the file is forgotten."""
    return [tuple(values) for values in _read_again(batch).samples()] if batch.content else []


def refused(batch: InvitationImport) -> bytes:
    """The rows that aren't invited, as a file to mend and upload again: the original columns, then why.

    Raises:
        Conflict: ``IMPORT_FORGOTTEN``: the file is too old; its content isn't kept for ever.
    """
    if batch.content is None:
        sentence = f"The content of this file was deleted after {KEPT_FOR.days} days. Upload it again."
        raise Conflict(sentence, code="IMPORT_FORGOTTEN")
    table = _read_again(batch)
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
        Conflict: ``MAPPING_MISSING``.
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
    batch = _locked(batch_id, organization)
    if batch.status is not ImportStatus.CHECKED:
        return None
    if batch.mapping is None:
        raise Conflict("Say first which column has the e-mail addresses.", code="MAPPING_MISSING")
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
        .values(content=None)
        .returning(InvitationImport.id)
    )
    return len(db.session.execute(old, execution_options={"synchronize_session": False}).all())


def people_of(batch: InvitationImport, *, without: AbstractSet[str]) -> list[Person]:
    """The people of a file whose verdict is NEW and who haven't become members or been invited since."""
    statement = select(InvitationImportRow.email, InvitationImportRow.name, InvitationImportRow.role).where(
        InvitationImportRow.import_id == batch.id, InvitationImportRow.verdict == Verdict.NEW, InvitationImportRow.is_dropped.is_(False)
    )
    return [
        Person(email=row.email, name=row.name, role=row.role or batch.default_role)
        for row in db.session.execute(statement)
        if row.email not in without
    ]


def people_in(judged: Sequence[Judged], *, default_role: Role) -> list[Person]:
    """The people whose verdict is NEW."""
    return [Person(email=row.email, name=row.name or None, role=row.role or default_role) for row in judged if row.verdict is Verdict.NEW]


def _locked(batch_id: str, organization: Organization) -> InvitationImport:
    batch = queries.invitation_import(organization.id, batch_id)
    if batch is None:
        raise NotFound("There is no such upload.", code="IMPORT_NOT_FOUND")
    db.session.refresh(batch, with_for_update=True)
    return batch


def _require_allowed(role: Role, around: verdicts.Surroundings) -> None:
    if role not in around.allowed_roles:
        sentence = f"You can't invite people as {role.label}. Choose another role."
        raise Invalid(sentence, code="ROLE_NOT_ALLOWED", details={"role": [sentence]})


def _read_again(batch: InvitationImport) -> Table:
    choices = Choices.from_json(batch.choices)
    return read_table(batch.content or b"", encoding=choices.encoding, delimiter=choices.delimiter, header_line=choices.header_line)


def _describe(batch: InvitationImport, checked: verdicts.Checked) -> None:
    table, mapping = checked.table, checked.mapping
    batch.encoding = table.encoding
    batch.delimiter = table.delimiter
    batch.header_line = table.header_line
    batch.columns = list(table.columns)
    batch.fingerprint = header_fingerprint(table)
    batch.mapping = {"email": mapping.email, "name": list(mapping.name), "role": mapping.role} if mapping else None


COLUMNS = ("import_id", "line", "email", "name", "role", "role_text", "verdict", "message", "is_dropped", "is_mended")


def _keep(batch: InvitationImport, checked: verdicts.Checked) -> None:
    """Replaces the rows by what was judged now, as one COPY: a file may have 100 000."""
    db.session.execute(delete(InvitationImportRow).where(InvitationImportRow.import_id == batch.id))
    choices = Choices.from_json(batch.choices)
    rows: list[tuple[Any, ...]] = [
        (
            batch.id,
            row.line,
            row.email,
            row.name or None,
            row.role,
            row.role_text,
            row.verdict,
            row.message,
            False,
            row.line in choices.edits,
        )
        for row in checked.judged
    ]
    if checked.mapping:
        rows += _dropped(batch.id, checked, choices)
    db.copy_into(InvitationImportRow, COLUMNS, rows)


def _dropped(batch_id: str, checked: verdicts.Checked, choices: Choices) -> list[tuple[Any, ...]]:
    assert checked.mapping is not None
    found = [row for row in checked.table.rows if row.line in choices.dropped]
    return [
        (
            batch_id,
            row.line,
            row.cells[checked.mapping.email].strip()[:320],
            None,
            None,
            "",
            Verdict.NEW,
            "You left this row out.",
            True,
            False,
        )
        for row in found
    ]
