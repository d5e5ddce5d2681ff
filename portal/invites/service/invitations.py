"""Inviting, accepting, expiring."""

from collections.abc import Sequence
from dataclasses import dataclass
from operator import attrgetter

from sqlalchemy import literal, select, text, update
from sqlalchemy.dialects.postgresql import insert as upsert

from portal import clock, crypto, db
from portal.accounts import service as accounts
from portal.accounts.models import User
from portal.audit import service as audit
from portal.audit.rules import Action, Actor, Via
from portal.errors import Conflict, Forbidden, Gone, NotFound
from portal.gateways.mail import Delivery
from portal.invites.models import Invitation
from portal.invites.rules.states import InvitationStatus, lasting
from portal.invites.schemas import InvitationIn
from portal.invites.service import changes, mails
from portal.orgs import queries as orgs_queries
from portal.orgs import service as orgs
from portal.orgs.models import Membership, Organization
from portal.orgs.rules import Role, Status


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody to invite; the address is normalized."""

    email: str
    name: str | None
    role: Role


def invite(
    organization: Organization, people: Sequence[Person], *, inviter: User, actor: Actor, import_id: str | None = None
) -> Sequence[tuple[str, str]]:
    """Invites people as one set, leaving out whoever has an open invitation; mails go out by jobs after the commit.

    Returns:
        ``(id, email)`` of each new invitation.
    """
    if not people:
        return []
    made = _insert(organization, people, inviter=inviter, import_id=import_id)
    roles = {person.email: person.role for person in people}
    acts = [
        audit.Act(audit.Subject("invitation", made_id, email), organization_id=organization.id, after={"role": roles[email]})
        for made_id, email in made
    ]
    audit.record_all(actor, Action.INVITATION_SENT, acts)
    mails.ring([made_id for made_id, _email in made])
    return made


def _insert(organization: Organization, people: Sequence[Person], *, inviter: User, import_id: str | None) -> list[tuple[str, str]]:
    """Inserts invitations by one statement whose text is the same for one person and for 100 000."""
    at = clock.now()
    own = [_new(person) for person in sorted(people, key=attrgetter("email"))]  # one order for all, or two would wait for each other
    names = tuple(own[0])
    new = db.recordset(own, *names)
    same = {
        "organization_id": organization.id,
        "status": InvitationStatus.PENDING,
        "renewals": 0,
        "expires_at": at + lasting(),
        "created_at": at,
        "invited_by": inviter.id,
        "import_id": import_id,
        "delivery": Delivery.QUEUED,
        "delivery_attempts": 0,
        "delivery_due_at": at,
    }
    columns = Invitation.__table__.c
    values = [literal(value, columns[name].type) for name, value in same.items()]
    source = select(*(new.c[name].cast(columns[name].type) for name in names), *values)
    statement = (
        upsert(Invitation)
        .from_select([*names, *same], source, include_defaults=False)
        # As text, and not as a parameter: PostgreSQL infers the partial index from a constant only, and prepares what it sees often.
        .on_conflict_do_nothing(index_elements=["organization_id", "email"], index_where=text("status = 'PENDING'"))
    )
    return [(row.id, row.email) for row in db.session.execute(statement.returning(Invitation.id, Invitation.email))]


def _new(person: Person) -> dict[str, str | None]:
    invitation_id, nonce = db.new_id(), crypto.random_token()
    token_hash = crypto.hash_token(crypto.derive_token(mails.TOKEN, invitation_id, nonce))
    own = {"id": invitation_id, "email": person.email, "name": person.name, "role": person.role.value}
    return {**own, "nonce": nonce, "token_hash": token_hash}


def invite_one(data: InvitationIn, *, organization: Organization, inviter: User, actor: Actor) -> tuple[Invitation, bool]:
    """Invites one person, or renews their open invitation; returns it and whether it is new.

    Raises:
        Conflict: ``ALREADY_MEMBER``.
        Invalid: ``ROLE_NOT_ALLOWED``.
        Forbidden: The role is above the inviter's own.
        NotEnabled: The role belongs to the provider tier, which is off.
    """
    orgs.lock_open(organization.id)
    orgs.require_role(organization, data.role)
    if data.role is Role.ORG_OWNER:
        raise Forbidden("An owner can't be invited. Invite an admin and hand the ownership over.", code="ROLE_TOO_HIGH")
    if data.email in orgs_queries.member_emails(organization.id):
        raise Conflict(f"{data.email} is a member of {organization.name} already.", code="ALREADY_MEMBER")
    person = Person(email=data.email, name=data.name, role=data.role)
    made = invite(organization, [person], inviter=inviter, actor=actor)
    statement = select(Invitation).where(
        Invitation.organization_id == organization.id,
        Invitation.email == data.email,
        Invitation.status == InvitationStatus.PENDING,
    )
    row = db.session.scalars(statement.with_for_update()).one()
    if made:
        row.expires_at = row.created_at + lasting(data.expires_in_days)
    else:
        row.role, row.name = data.role, data.name or row.name
        changes.renew([row], days=data.expires_in_days, actor=actor)
    db.session.flush()
    return row, bool(made)


def accept(token: str, *, user: User, ip: str | None) -> Membership:
    """Makes the invited user a member. The token went to their address, so accepting also verifies it.

    Raises:
        NotFound: There is no such invitation.
        Forbidden: ``EMAIL_MISMATCH``: it was sent to another address.
        Conflict: ``INVITATION_ALREADY_ACCEPTED``, ``ALREADY_MEMBER`` or ``SEAT_LIMIT``.
        Gone: It has expired or was revoked.
    """
    found = db.session.scalar(select(Invitation).where(Invitation.token_hash == crypto.hash_token(token)).with_for_update())
    if found is None:
        sentence = "This invitation is not one of ours. Copy the whole address from the mail, or ask for a new one."
        raise NotFound(sentence, code="INVITATION_NOT_FOUND")
    if found.email != user.email:
        sentence = f"This invitation was sent to another address than {user.email}. Sign in with that one, or ask for a new invitation."
        raise Forbidden(sentence, code="EMAIL_MISMATCH")
    return _join(found, user=user, ip=ip)


def accept_own(invitation_id: str, *, user: User, ip: str | None) -> Membership:
    """As ``accept``, for somebody whose address is verified, so that they needn't look for the mail.

    Raises:
        Forbidden: ``EMAIL_NOT_VERIFIED``.
        NotFound: They have no such invitation.
        Conflict: As ``accept``.
        Gone: As ``accept``.
    """
    if user.email_verified_at is None:
        raise Forbidden("Confirm your e-mail address first, or open the link in the invitation's mail.", code="EMAIL_NOT_VERIFIED")
    statement = select(Invitation).where(Invitation.id == invitation_id, Invitation.email == user.email).with_for_update()
    found = db.session.scalar(statement) if db.is_id(invitation_id) else None
    if found is None:
        raise NotFound("There is no such invitation for you.", code="INVITATION_NOT_FOUND")
    return _join(found, user=user, ip=ip)


def _join(found: Invitation, *, user: User, ip: str | None) -> Membership:
    require_open(found)
    organization = orgs.lock(found.organization_id)
    if organization.status in {Status.DRAFT, Status.DEACTIVATED, Status.SUSPENDED}:
        raise Gone(f"{organization.name} takes no new members at the moment.", code="ORGANIZATION_NOT_ACTIVE")
    membership = orgs.join(organization.id, user, role=found.role)
    found.status = InvitationStatus.ACCEPTED
    found.accepted_at = clock.now()
    found.accepted_by = user.id
    accounts.mark_verified(user)
    actor = Actor(user_id=user.id, name=user.name, via=Via.MEMBER, membership_id=membership.id, ip=ip)
    audit.record(actor, Action.INVITATION_ACCEPTED, _subject(found), organization_id=organization.id, after={"role": found.role})
    db.session.flush()
    return membership


def is_in_time(row: Invitation) -> bool:
    """Whether an invitation's date hasn't passed."""
    return row.expires_at > clock.now()


def require_open(row: Invitation) -> None:
    """Makes sure that an invitation can still be accepted.

    Raises:
        Conflict: ``INVITATION_ALREADY_ACCEPTED``.
        Gone: ``INVITATION_REVOKED`` or ``INVITATION_EXPIRED``.
    """
    if row.status is InvitationStatus.ACCEPTED:
        raise Conflict("This invitation was accepted already.", code="INVITATION_ALREADY_ACCEPTED")
    if row.status is InvitationStatus.REVOKED:
        raise Gone("This invitation was taken back. Ask an admin of the organization for a new one.", code="INVITATION_REVOKED")
    if row.status is InvitationStatus.EXPIRED or not is_in_time(row):
        raise Gone("This invitation has expired. Ask an admin of the organization for a new one.", code="INVITATION_EXPIRED")


def expire() -> int:
    """Closes open invitations that are past their date; returns how many."""
    statement = (
        update(Invitation)
        .where(Invitation.status == InvitationStatus.PENDING, Invitation.expires_at <= clock.now())
        .values(status=InvitationStatus.EXPIRED)
        .returning(Invitation.id)
    )
    return len(db.session.execute(statement, execution_options={"synchronize_session": False}).all())


def _subject(row: Invitation) -> audit.Subject:
    return audit.Subject("invitation", row.id, row.email)
