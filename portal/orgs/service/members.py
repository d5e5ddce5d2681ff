"""Acts on members: joining, roles, suspending, removing, reviving, handing the ownership over.

Each act holds the organization's row, so that owners and seats are counted by one at a time.
"""

from collections.abc import Sequence
from datetime import datetime

from portal import clock, db
from portal.accounts import queries as accounts
from portal.accounts.models import User
from portal.audit import service as audit
from portal.audit.rules import Action, Actor, Via
from portal.errors import Conflict, Forbidden, Invalid, NotFound
from portal.orgs import queries
from portal.orgs.models import Membership, Organization
from portal.orgs.rules import PROVIDER_TIER, MembershipStatus, Role
from portal.orgs.rules.members import Change, Plan, Standing, Terms, plan_change
from portal.orgs.rules.rates import check_custom_rate
from portal.orgs.schemas import MemberPatch, NewMemberIn
from portal.orgs.service.organizations import lock_open, provider_orgs_are_on, provider_tier_off, require_role

MOST_AT_ONCE = 500


def join(organization_id: str, user: User, *, role: Role) -> Membership:
    """Makes a user an active member, reviving the row of one who was removed.

    Raises:
        Conflict: ``ALREADY_MEMBER``, or ``SEAT_LIMIT`` when all seats are held, or the organization is suspended.
        Forbidden: The organization was deactivated.
    """
    organization = lock_open(organization_id)
    require_role(organization, role)
    at = clock.now()
    membership = queries.membership(organization_id, user.id)
    if membership is not None and membership.status is not MembershipStatus.REMOVED:
        raise Conflict(f"{user.email} is a member of {organization.name} already.", code="ALREADY_MEMBER")
    if role is Role.ORG_LEARNER:
        require_seat(organization)
    if membership is None:
        membership = Membership(organization_id=organization_id, user_id=user.id, created_at=at)
        db.session.add(membership)
    membership.role = role
    membership.status = MembershipStatus.ACTIVE
    _settle(membership, at=at, joined=True)
    db.session.flush()
    return membership


def require_seat(organization: Organization) -> None:
    """Makes sure that one more learner fits into a locked organization.

    Raises:
        Conflict: ``SEAT_LIMIT``.
    """
    if queries.seats(organization).left == 0:
        sentence = f"All {organization.seats_total} seats of {organization.name} are taken. Ask an admin to free or add one."
        raise Conflict(sentence, code="SEAT_LIMIT")


def add(data: NewMemberIn, *, organization: Organization, actor_role: Role, actor: Actor) -> Membership:
    """Makes an existing user a member at once, or revives one who was removed.

    Raises:
        NotFound: ``USER_NOT_FOUND``.
        Forbidden: ``ROLE_TOO_HIGH``: the role is above the caller's own.
        Conflict: ``ALREADY_MEMBER`` or ``SEAT_LIMIT``.
        Invalid: ``ROLE_NOT_ALLOWED``: the kind has no such role.
        NotEnabled: The role belongs to the provider tier, which is off.
    """
    if data.role.rank > actor_role.rank:
        raise Forbidden(f"You can't make somebody {data.role.label}: it ranks above your own role.", code="ROLE_TOO_HIGH")
    user = accounts.user_by_email(data.email) if data.email else None
    if data.user_id and db.is_id(data.user_id):
        user = accounts.user_by_id(data.user_id)
    if user is None:
        raise NotFound("Nobody here has this address or id. Invite them by e-mail instead.", code="USER_NOT_FOUND")
    membership = join(organization.id, user, role=data.role)
    membership.user = user
    audit.record(actor, Action.MEMBER_ADDED, _subject(user.name, membership.id), organization_id=organization.id, after={"role": data.role})
    return membership


def change(member_id: str, data: MemberPatch, *, organization: Organization, actor_role: Role, actor: Actor) -> Membership:
    """Changes one member, or says why not.

    Raises:
        NotFound: ``MEMBER_NOT_FOUND``.
        Invalid: ``LAST_OWNER``, ``ROLE_NOT_ALLOWED`` or ``RATES_SUM``.
        Forbidden: ``OWNER_PROTECTED`` or ``ROLE_TOO_HIGH``.
        Conflict: ``SEAT_LIMIT``, ``MEMBER_REMOVED`` or ``MEMBER_PENDING``.
        NotEnabled: It belongs to the provider tier, which is off.
    """
    locked = lock_open(organization.id)
    actor_role = _rank_now(actor, actor_role)
    found = [queries.require_member(locked.id, member_id)]
    plan = _carry_out(found, data.change, organization=locked, actor_role=actor_role, actor=actor)
    if plan.refused:
        raise plan.refused[0][1]
    if data.model_fields_set & {"custom_consultant_payout_rate", "earnings_recipient"}:
        if found[0].role is Role.ORG_OWNER and actor_role is not Role.ORG_OWNER:
            raise Forbidden("Only an owner can change an owner.", code="OWNER_PROTECTED")
        _change_payout(found[0], data, organization=locked, actor=actor)
    return found[0]


def change_many(member_ids: Sequence[str], change: Change, *, organization: Organization, actor_role: Role, actor: Actor) -> Plan:
    """Changes several members as a set; who can't be changed stays as they are, with the reason.

    Raises:
        Invalid: Nobody, or too many, are named.
        NotEnabled: The role belongs to the provider tier, which is off.
    """
    if not member_ids or len(member_ids) > MOST_AT_ONCE:
        sentence = f"Tick between 1 and {MOST_AT_ONCE} members first."
        raise Invalid(sentence, code="MEMBERS_MISSING", details={"member_id": [sentence]})
    locked = lock_open(organization.id)
    actor_role = _rank_now(actor, actor_role)
    found = queries.members_by_ids(locked.id, member_ids)
    return _carry_out(found, change, organization=locked, actor_role=actor_role, actor=actor)


def transfer(member_id: str, *, typed_name: str, organization: Organization, giver: Membership | None, actor: Actor) -> Membership:
    """Makes an active member the owner; the owner who hands over becomes an admin, in the same moment.

    Args:
        member_id: Who becomes owner.
        typed_name: The organization's name, typed once more.
        organization: Whose ownership it is.
        giver: The owner who hands over, or None for a platform admin, who has nothing to give up.
        actor: How the log names the giver.

    Raises:
        Invalid: ``NAME_MISMATCH`` or ``MEMBER_NOT_FOUND``.
        Conflict: ``MEMBER_NOT_ACTIVE``: they are suspended, removed or waiting.
        Forbidden: The giver isn't an owner any more.
    """
    locked = lock_open(organization.id)
    require_name(locked, typed_name, field="confirm_name")
    found = queries.members_by_ids(locked.id, [member_id])
    if not found:
        sentence = "Choose one of the members."
        raise Invalid(sentence, code="MEMBER_NOT_FOUND", details={"member_id": [sentence]})
    taker = found[0]
    if taker.status is not MembershipStatus.ACTIVE:
        sentence = f"{taker.user.name} is not an active member. Choose another."
        raise Conflict(sentence, code="MEMBER_NOT_ACTIVE", details={"member_id": [sentence]})
    pairs = [(taker, Role.ORG_OWNER)]
    if giver is not None and giver.id != taker.id:
        db.session.refresh(giver)
        if giver.role is not Role.ORG_OWNER or giver.status is not MembershipStatus.ACTIVE:
            raise Forbidden("You are not an owner any more, so you can't hand the ownership over.", code="ROLE_TOO_LOW")
        pairs.append((giver, Role.ORG_ADMIN))
    for membership, role in pairs:
        before, membership.role = membership.role, role
        if before is role:
            continue
        _settle(membership, at=clock.now())
        name = taker.user.name if membership is taker else actor.name
        about = _subject(name, membership.id)
        audit.record(actor, Action.OWNERSHIP_TRANSFERRED, about, organization_id=locked.id, before={"role": before}, after={"role": role})
    db.session.flush()
    return taker


def require_name(organization: Organization, typed: str, *, field: str = "name") -> None:
    """Makes sure that somebody typed the organization's name, before what can't be undone.

    Raises:
        Invalid: ``NAME_MISMATCH``.
    """
    if typed.strip() != organization.name:
        sentence = f"Type the name exactly as it is: {organization.name}"
        raise Invalid(sentence, code="NAME_MISMATCH", details={field: [sentence]})


def hide_checklist(membership: Membership) -> None:
    """Puts the first steps away for this member."""
    membership.checklist_hidden_at = clock.now()
    db.session.flush()


def _rank_now(actor: Actor, role: Role) -> Role:
    """The actor's role as it is under the organization's lock: the gate may have read it a moment too early.

    Raises:
        Forbidden: ``ROLE_TOO_LOW``: they were demoted, suspended or removed meanwhile.
    """
    if actor.via not in {Via.MEMBER, Via.API_TOKEN} or actor.membership_id is None:
        return role
    now = queries.standing_of(actor.membership_id)
    if now is None or now.role.rank < Role.ORG_ADMIN.rank or now.status is not MembershipStatus.ACTIVE:
        raise Forbidden("Your own role was changed meanwhile, so nothing was changed.", code="ROLE_TOO_LOW")
    return now.role


def _carry_out(found: Sequence[Membership], change: Change, *, organization: Organization, actor_role: Role, actor: Actor) -> Plan:
    if change.role in PROVIDER_TIER and not provider_orgs_are_on():
        raise provider_tier_off()
    terms = Terms(
        kind=organization.kind,
        actor_role=actor_role,
        seats_left=queries.seats(organization).left,
        owners=queries.count_active_owners(organization.id),
    )
    rows = {membership.id: membership for membership in found}
    standings = [Standing(row.id, row.user.name, row.role, row.status) for row in found]
    plan = plan_change(standings, change, terms)
    at = clock.now()
    for before, after in plan.changed:
        membership = rows[before.id]
        membership.role, membership.status = after.role, after.status
        _settle(membership, at=at, joined=before.status is MembershipStatus.REMOVED)
    _record(plan, organization=organization, actor=actor)
    db.session.flush()
    return plan


def _settle(membership: Membership, *, at: datetime, joined: bool = False) -> None:
    """Gives or takes the seat that the role and the status call for."""
    holds = membership.role is Role.ORG_LEARNER and membership.status is MembershipStatus.ACTIVE
    membership.seat_assigned_at = (membership.seat_assigned_at or at) if holds else None
    if joined:
        membership.joined_at, membership.approved_at = at, None
    if membership.role is Role.ORG_CONSULTANT and membership.status is MembershipStatus.ACTIVE:
        membership.approved_at = membership.approved_at or at


def _record(plan: Plan, *, organization: Organization, actor: Actor) -> None:
    acts: dict[Action, list[audit.Act]] = {}
    for before, after in plan.changed:
        changed = [name for name in ("role", "status") if getattr(before, name) is not getattr(after, name)]
        action = Action.MEMBER_ROLE_CHANGED if changed == ["role"] else STATUS_ACTS[after.status]
        act = audit.Act(
            _subject(before.name, before.id),
            organization_id=organization.id,
            before={name: getattr(before, name).value for name in changed},
            after={name: getattr(after, name).value for name in changed},
        )
        acts.setdefault(action, []).append(act)
    for action, rows in acts.items():
        audit.record_all(actor, action, rows)


def _change_payout(membership: Membership, data: MemberPatch, *, organization: Organization, actor: Actor) -> None:
    if not provider_orgs_are_on():
        raise provider_tier_off()
    if not organization.kind.provides:
        raise Invalid("Only members of provider organizations have payout terms.", code="RATES_NOT_ALLOWED")
    if membership.status is MembershipStatus.REMOVED:
        raise Conflict(f"{membership.user.name} was removed. Add them again first.", code="MEMBER_REMOVED")
    before = {"customConsultantPayoutRate": membership.custom_consultant_payout_rate, "earningsRecipient": membership.earnings_recipient}
    if "custom_consultant_payout_rate" in data.model_fields_set:
        rate = data.custom_consultant_payout_rate
        if rate is not None:
            check_custom_rate(rate, platform=organization.platform_commission_rate)
        membership.custom_consultant_payout_rate = rate
    if data.earnings_recipient is not None:
        membership.earnings_recipient = data.earnings_recipient
    rate = membership.custom_consultant_payout_rate
    after = {
        "customConsultantPayoutRate": rate,
        "earningsRecipient": membership.earnings_recipient,
    }
    if before != after:
        about = _subject(membership.user.name, membership.id)
        audit.record(actor, Action.PAYOUT_TERMS_CHANGED, about, organization_id=organization.id, before=before, after=after)
        db.session.flush()


def _subject(name: str, membership_id: str) -> audit.Subject:
    return audit.Subject("member", membership_id, name)


STATUS_ACTS = {
    MembershipStatus.ACTIVE: Action.MEMBER_REACTIVATED,
    MembershipStatus.SUSPENDED: Action.MEMBER_SUSPENDED,
    MembershipStatus.REMOVED: Action.MEMBER_REMOVED,
}
