"""An organization's beginning in one step, what platform admins decide about it, and its end."""

from sqlalchemy import select
from sqlalchemy.orm import joinedload

from portal import clock, config, db, queue
from portal.accounts.models import User
from portal.audit import service as audit
from portal.audit.rules import Action, Actor
from portal.errors import NotFound
from portal.gateways.mail import Message, deliver
from portal.gateways.rendering import render
from portal.orgs import queries
from portal.orgs.models import Organization, VerdictMail
from portal.orgs.rules import BillingMode, Status, Verdict
from portal.orgs.rules import lifecycle as rules
from portal.orgs.schemas import OrganizationIn, OrgInfoIn
from portal.orgs.service.members import require_name
from portal.orgs.service.organizations import draft, lock, lock_open, open_for_business, subject
from portal.orgs.service.settings import apply

ACTIONS = {
    Verdict.APPROVE: Action.ORG_APPROVED,
    Verdict.REJECT: Action.ORG_REJECTED,
    Verdict.SUSPEND: Action.ORG_SUSPENDED,
    Verdict.REACTIVATE: Action.ORG_REACTIVATED,
}
SAID = {
    Verdict.APPROVE: "is approved",
    Verdict.REJECT: "was not approved",
    Verdict.SUSPEND: "is suspended",
    Verdict.REACTIVATE: "is active again",
}


def create(data: OrganizationIn, *, creator: User, actor: Actor) -> Organization:
    """Makes an organization in one step, as API clients do; its creator is the owner.

    Without a ``billingMode`` a buying organization gets TAG_ONLY, which obliges it to nothing.

    Raises:
        Conflict: ``SLUG_TAKEN``.
        Invalid: A field is wrong, or doesn't fit the kind.
        NotEnabled: The kind needs ``ENABLE_PROVIDER_ORGS``.
    """
    info = OrgInfoIn(name=data.name, slug=data.slug, kind=data.kind, billing_email=data.billing_email)
    organization = draft(info, creator=creator, actor=actor)
    apply(organization, data.changes())
    if organization.kind.buys and organization.billing_mode is None:
        organization.billing_mode = BillingMode.TAG_ONLY
    open_for_business(organization, owner=creator, actor=actor)
    return organization


def decide(organization_id: str, verdict: Verdict, *, reason: str | None, actor: Actor) -> Organization:
    """A platform admin approves, rejects, suspends or reactivates an organization.

    Raises:
        NotFound: There is no such organization, or it is a draft.
        Conflict: ``STATUS_CONFLICT``: somebody decided before, or it doesn't apply.
        Invalid: ``REASON_MISSING``: a rejection says why.
    """
    found = queries.by_id(organization_id)
    if found is None or found.status is Status.DRAFT:
        raise NotFound("There is no such organization.", code="ORGANIZATION_NOT_FOUND")
    organization = lock(found.id)
    before = organization.status
    organization.status = rules.decide(before, verdict, name=organization.name, reason=reason)
    organization.status_reason = reason
    after = {"status": organization.status, **({"reason": reason} if reason else {})}
    audit.record(actor, ACTIONS[verdict], subject(organization), organization_id=organization.id, before={"status": before}, after=after)
    if organization.status is Status.DEACTIVATED:
        queue.enqueue("billing-final-invoice", organization.id)
    _tell_owners(organization, verdict, reason=reason)
    return organization


def _tell_owners(organization: Organization, verdict: Verdict, *, reason: str | None) -> None:
    at = clock.now()
    mail = VerdictMail(
        organization_id=organization.id,
        verdict=verdict,
        reason=reason,
        recipients=list(queries.owner_emails(organization.id)),
        delivery_due_at=at,
        created_at=at,
    )
    db.session.add(mail)
    db.session.flush()
    queue.enqueue("orgs-send-verdict", mail.id)


def send_verdict(mail_id: str) -> bool:
    """Mails the owners what was decided, when it is due; returns whether it went out now."""
    statement = select(VerdictMail).options(joinedload(VerdictMail.organization)).where(VerdictMail.id == mail_id)
    mail = db.session.scalar(statement.with_for_update(of=VerdictMail))
    if mail is None or not mail.recipients or not mail.is_to_be_delivered(clock.now()):
        return False
    organization = mail.organization
    subject_line = f"{organization.name} {SAID[mail.verdict]}"
    context = {
        "organization": organization,
        "said": SAID[mail.verdict],
        "meaning": mail.verdict.meaning,
        "reason": mail.reason,
        "url": f"{config.current().base_url}/orgs/{organization.slug}/home",
        "is_open": mail.verdict is not Verdict.REJECT,
        "subject": subject_line,
    }
    message = Message(
        key=mail.id,
        to=mail.recipients,
        subject=subject_line,
        text=render("email/verdict.txt", **context),
        html=render("email/verdict.html", **context),
        at=mail.created_at,
    )
    return deliver(mail, message)


def deactivate(organization: Organization, *, typed_name: str | None, actor: Actor) -> Organization:
    """Ends an organization for good; what is unbilled gets a final invoice, by a job that rings with this commit.

    Args:
        organization: Which one.
        typed_name: The organization's name, typed once more in the page; None for API clients.
        actor: Its owner.

    Raises:
        Invalid: ``NAME_MISMATCH``.
        Conflict: It is suspended.
        Forbidden: It was deactivated already.
    """
    locked = lock_open(organization.id)
    if typed_name is not None:
        require_name(locked, typed_name)
    before, locked.status = locked.status, Status.DEACTIVATED
    audit.record(
        actor,
        Action.ORG_DEACTIVATED,
        subject(locked),
        organization_id=locked.id,
        before={"status": before},
        after={"status": locked.status},
    )
    queue.enqueue("billing-final-invoice", locked.id)
    db.session.flush()
    return locked
