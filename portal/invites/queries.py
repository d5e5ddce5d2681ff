"""Reading invitations and uploaded files."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.orm import contains_eager

from portal import clock, crypto, db
from portal.accounts.models import User
from portal.db import Json
from portal.errors import NotFound
from portal.gateways.mail import Delivery
from portal.invites.models import ImportMapping, Invitation, InvitationImport, InvitationImportRow
from portal.invites.rules import Verdict
from portal.invites.rules.states import InvitationStatus
from portal.orgs.models import Organization
from portal.orgs.rules import Status


@dataclass(frozen=True, slots=True)
class Progress:
    """How many of an import's mails went out."""

    total: int
    sent: int
    failed: int

    @property
    def is_done(self) -> bool:
        """Whether nothing is left to wait for."""
        return self.sent + self.failed >= self.total


def invitations_of(organization_id: str, *, status: InvitationStatus, limit: int, offset: int = 0) -> Sequence[Invitation]:
    """An organization's invitations in one status, newest first."""
    statement = (
        select(Invitation)
        .where(Invitation.organization_id == organization_id, Invitation.status == status)
        .order_by(Invitation.created_at.desc(), Invitation.id.desc())
        .limit(limit)
        .offset(offset)
    )
    return db.session.scalars(statement).all()


def newest_invitations(organization_id: str, *, status: InvitationStatus | None, limit: int, cursor: str | None) -> Sequence[Invitation]:
    """An organization's invitations, newest first; ``cursor`` is the last id of the page before."""
    statement = select(Invitation).where(Invitation.organization_id == organization_id)
    if status is not None:
        statement = statement.where(Invitation.status == status)
    if cursor is not None:
        statement = statement.where(Invitation.id < cursor)
    return db.session.scalars(statement.order_by(Invitation.id.desc()).limit(limit)).all()


def counts_by_status(organization_id: str) -> dict[InvitationStatus, int]:
    """How many invitations an organization has in each status."""
    statement = (
        select(Invitation.status, func.count().label("number"))
        .where(Invitation.organization_id == organization_id)
        .group_by(Invitation.status)
    )
    found: dict[InvitationStatus, int] = {row.status: row.number for row in db.session.execute(statement)}
    return {status: found.get(status, 0) for status in InvitationStatus}


def open_invitations_of(email: str) -> Sequence[Invitation]:
    """What somebody is invited to at the moment, newest first, with the organization and the inviter."""
    statement = (
        select(Invitation)
        .join(Invitation.organization)
        .join(Invitation.inviter)
        .options(contains_eager(Invitation.organization), contains_eager(Invitation.inviter))
        .where(
            Invitation.email == email,
            Invitation.status == InvitationStatus.PENDING,
            Invitation.expires_at > clock.now(),
            Organization.status.in_((Status.ACTIVE, Status.PENDING_VERIFICATION)),
        )
        .order_by(Invitation.created_at.desc())
    )
    return db.session.scalars(statement).all()


def pending_emails(organization_id: str, emails: Sequence[str] | None = None) -> frozenset[str]:
    """Addresses with an open invitation, all or those of ``emails``."""
    statement = select(Invitation.email).where(Invitation.organization_id == organization_id, Invitation.status == InvitationStatus.PENDING)
    if emails is not None:
        statement = statement.where(Invitation.email.in_(emails))
    return frozenset(db.session.scalars(statement))


def by_token(token: str) -> Invitation | None:
    """The invitation that a link belongs to, with its organization and inviter, whatever its status."""
    statement = (
        select(Invitation)
        .join(Invitation.organization)
        .join(Invitation.inviter)
        .options(contains_eager(Invitation.organization), contains_eager(Invitation.inviter))
        .where(Invitation.token_hash == crypto.hash_token(token))
    )
    return db.session.scalar(statement)


def invitation(organization_id: str, invitation_id: str) -> Invitation | None:
    """One invitation of this organization."""
    if not db.is_id(invitation_id):
        return None
    statement = select(Invitation).where(Invitation.id == invitation_id, Invitation.organization_id == organization_id)
    return db.session.scalar(statement)


def invitations_to_change(organization_id: str, invitation_ids: Sequence[str]) -> Sequence[Invitation]:
    """Those of these invitations that are this organization's, locked in one order and as they are now."""
    return _locked(Invitation.organization_id == organization_id, Invitation.id.in_([one for one in invitation_ids if db.is_id(one)]))


def invitations_revoked_at(organization_id: str, revoked_at: datetime) -> Sequence[Invitation]:
    """The invitations that one act took back, locked."""
    return _locked(
        Invitation.organization_id == organization_id,
        Invitation.revoked_at == revoked_at,
        Invitation.status == InvitationStatus.REVOKED,
    )


def _locked(*conditions: ColumnElement[bool]) -> Sequence[Invitation]:
    statement = select(Invitation).where(*conditions).order_by(Invitation.id).with_for_update()
    return db.session.scalars(statement.execution_options(populate_existing=True)).all()


def invitation_import(organization_id: str, import_id: str) -> InvitationImport | None:
    """One uploaded file of this organization."""
    if not db.is_id(import_id):
        return None
    statement = select(InvitationImport).where(InvitationImport.id == import_id, InvitationImport.organization_id == organization_id)
    return db.session.scalar(statement)


def require_import(organization_id: str, import_id: str) -> InvitationImport:
    """One uploaded file of this organization.

    Raises:
        NotFound: There is none with this id.
    """
    found = invitation_import(organization_id, import_id)
    if found is None:
        raise NotFound("There is no such upload.", code="IMPORT_NOT_FOUND")
    return found


def imports_of(organization_id: str, *, limit: int) -> Sequence[InvitationImport]:
    """An organization's uploaded files, newest first."""
    statement = (
        select(InvitationImport)
        .where(InvitationImport.organization_id == organization_id)
        .order_by(InvitationImport.created_at.desc(), InvitationImport.id.desc())
        .limit(limit)
    )
    return db.session.scalars(statement).all()


def remembered_columns(organization_id: str, fingerprint: str) -> Json | None:
    """The columns that were chosen for files with the same headers."""
    found = db.session.get(ImportMapping, (organization_id, fingerprint))
    return found.columns if found else None


def import_counts(import_id: str) -> dict[Verdict, int]:
    """How many rows of a file got each verdict; only those that occur, without the rows that were left out."""
    found = db.session.scalar(select(InvitationImport.counts).where(InvitationImport.id == import_id)) or {}
    return {verdict: found[verdict] for verdict in Verdict if verdict in found}


def count_dropped(import_id: str) -> int:
    """How many rows were left out."""
    dropped = func.jsonb_array_length(InvitationImport.choices["dropped"])
    return db.session.scalar(select(dropped).where(InvitationImport.id == import_id)) or 0


def import_rows(import_id: str, *, refused: bool = False) -> Sequence[InvitationImportRow]:
    """All rows of a file that weren't left out, in its own order; or only those that aren't invited."""
    statement = select(InvitationImportRow).where(InvitationImportRow.import_id == import_id, InvitationImportRow.is_dropped.is_(False))
    if refused:
        statement = statement.where(InvitationImportRow.verdict != Verdict.NEW)
    return db.session.scalars(statement.order_by(InvitationImportRow.line)).all()


def import_page(
    import_id: str, *, verdict: Verdict | None, dropped: bool, after: int, before: int, limit: int
) -> tuple[Sequence[InvitationImportRow], bool]:
    """One page of a file's rows, and whether there are more in its direction; a late page costs what the first does."""
    statement = select(InvitationImportRow).where(
        InvitationImportRow.import_id == import_id, InvitationImportRow.is_dropped.is_(dropped), InvitationImportRow.line > after
    )
    if verdict is not None:
        statement = statement.where(InvitationImportRow.verdict == verdict)
    if before:
        statement = statement.where(InvitationImportRow.line < before)
    order = InvitationImportRow.line.desc() if before else InvitationImportRow.line.asc()
    found = list(db.session.scalars(statement.order_by(order).limit(limit + 1)))
    rows = found[:limit]
    return (rows[::-1] if before else rows), len(found) > limit


def require_row(import_id: str, line: int) -> InvitationImportRow:
    """One row of a file.

    Raises:
        NotFound: ``ROW_NOT_FOUND``.
    """
    found = db.session.get(InvitationImportRow, (import_id, line)) if db.is_id(import_id) else None
    if found is None:
        raise NotFound("There is no such row in this file.", code="ROW_NOT_FOUND")
    return found


def unknown_role_texts(import_id: str, *, limit: int) -> Sequence[str]:
    """What stands where a role is expected and names none, most frequent first."""
    text = func.min(InvitationImportRow.role_text)
    statement = (
        select(text)
        .where(
            InvitationImportRow.import_id == import_id,
            InvitationImportRow.verdict == Verdict.UNKNOWN_ROLE,
            InvitationImportRow.is_dropped.is_(False),
        )
        .group_by(func.lower(InvitationImportRow.role_text))
        .order_by(func.count().desc(), text)
        .limit(limit)
    )
    return db.session.scalars(statement).all()


def deliveries(import_id: str, emails: Sequence[str] | None = None) -> dict[str, Delivery]:
    """Address → how its mail is, for those (or all) whom a confirmed file invited."""
    statement = select(Invitation.email, Invitation.delivery).where(Invitation.import_id == import_id)
    if emails is not None:
        statement = statement.where(Invitation.email.in_(emails))
    return {row.email: row.delivery for row in db.session.execute(statement)}


def import_progress(import_id: str) -> Progress:
    """How far the mails of a confirmed file are; nobody waits for those that were taken back or answered before their mail went."""
    is_awaited = or_(Invitation.delivery != Delivery.QUEUED, Invitation.status == InvitationStatus.PENDING)
    statement = select(
        func.count().filter(is_awaited),
        func.count().filter(Invitation.delivery == Delivery.SENT),
        func.count().filter(Invitation.delivery == Delivery.FAILED),
    ).where(Invitation.import_id == import_id)
    total, sent, failed = db.session.execute(statement).one()
    return Progress(total=total, sent=sent, failed=failed)


def invitations_to_deliver(at: datetime, *, limit: int) -> Sequence[str]:
    """Ids of invitations whose mail is due, for the sweep; a suspended organization's wait, a deactivated one's never go."""
    statement = (
        select(Invitation.id)
        .join(Invitation.organization)
        .where(
            Organization.status.in_((Status.ACTIVE, Status.PENDING_VERIFICATION)),
            Invitation.delivery == Delivery.QUEUED,
            Invitation.delivery_due_at <= at,
            Invitation.status == InvitationStatus.PENDING,
        )
        .order_by(Invitation.delivery_due_at)
        .limit(limit)
    )
    return db.session.scalars(statement).all()


def inviter_and_organization(row: Invitation) -> tuple[User, Organization]:
    """Who invites, into what."""
    return db.session.get_one(User, row.invited_by), db.session.get_one(Organization, row.organization_id)
