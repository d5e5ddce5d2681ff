"""Members: roles and ranks, who may do what to whom, and what a change comes to."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from portal.errors import Conflict, DomainError, Forbidden, Invalid
from portal.orgs.rules.organizations import Kind


class Role(StrEnum):
    """What a member may do; ``rank`` orders them."""

    ORG_OWNER = "ORG_OWNER"
    ORG_ADMIN = "ORG_ADMIN"
    ORG_MANAGER = "ORG_MANAGER"
    ORG_CONSULTANT = "ORG_CONSULTANT"
    ORG_SUPPORT = "ORG_SUPPORT"
    ORG_LEARNER = "ORG_LEARNER"

    @property
    def label(self) -> str:
        """The plain name: Owner, Admin, Manager, Consultant, Support, Learner."""
        return self.value.removeprefix("ORG_").capitalize()

    @property
    def rank(self) -> int:
        """A higher rank may do what a lower one may."""
        return RANKS[self]


RANKS = {
    Role.ORG_OWNER: 100,
    Role.ORG_ADMIN: 80,
    Role.ORG_MANAGER: 60,
    Role.ORG_CONSULTANT: 40,
    Role.ORG_SUPPORT: 30,
    Role.ORG_LEARNER: 20,
}
PROVIDER_TIER = frozenset({Role.ORG_CONSULTANT, Role.ORG_SUPPORT})


class MembershipStatus(StrEnum):
    """Where a membership stands; REMOVED rows are kept for the record."""

    PENDING = "PENDING"
    ACTIVE = "ACTIVE"
    SUSPENDED = "SUSPENDED"
    REMOVED = "REMOVED"

    @property
    def label(self) -> str:
        """The plain name."""
        return self.value.capitalize()


def roles_for(kind: Kind) -> frozenset[Role]:
    """The roles that an organization of a kind has: BUYER no consultants, PROVIDER no learners."""
    if kind is Kind.BUYER:
        return frozenset(Role) - {Role.ORG_CONSULTANT}
    if kind is Kind.PROVIDER:
        return frozenset(Role) - {Role.ORG_LEARNER}
    return frozenset(Role)


def default_role(kind: Kind) -> Role:
    """What somebody is invited as when nothing is said."""
    return Role.ORG_CONSULTANT if kind is Kind.PROVIDER else Role.ORG_LEARNER


def invitable_roles(kind: Kind, *, inviter: Role, provider_orgs: bool) -> list[Role]:
    """The roles that a member may hand out, highest first: never above their own, owners never by invitation.

    Args:
        kind: The organization's kind.
        inviter: The inviting member's role.
        provider_orgs: Whether ``ENABLE_PROVIDER_ORGS`` is on; without it nobody becomes consultant or support.
    """
    allowed = roles_for(kind) - {Role.ORG_OWNER} - (frozenset() if provider_orgs else PROVIDER_TIER)
    return sorted((role for role in allowed if role.rank <= inviter.rank), key=lambda role: -role.rank)


class EarningsRecipient(StrEnum):
    """Who gets a consultant's share: the consultant, or the organization that employs them."""

    CONSULTANT = "CONSULTANT"
    ORGANIZATION = "ORGANIZATION"


@dataclass(frozen=True, slots=True)
class Standing:
    """A membership as the rules see it."""

    id: str
    name: str
    role: Role
    status: MembershipStatus

    @property
    def holds_seat(self) -> bool:
        """Whether it counts against the seats: an active learner."""
        return self.role is Role.ORG_LEARNER and self.status is MembershipStatus.ACTIVE

    @property
    def is_active_owner(self) -> bool:
        """Whether it keeps the organization from being ownerless."""
        return self.role is Role.ORG_OWNER and self.status is MembershipStatus.ACTIVE


@dataclass(frozen=True, slots=True)
class Change:
    """What is to become of a membership; None leaves a part as it is."""

    role: Role | None = None
    status: MembershipStatus | None = None

    def of(self, standing: Standing) -> Standing:
        """The membership after the change."""
        return replace(standing, role=self.role or standing.role, status=self.status or standing.status)


@dataclass(frozen=True, slots=True)
class Terms:
    """What a change is weighed against, read under the organization's lock.

    Attributes:
        actor_role: The role of whoever changes.
        seats_left: Free seats, or None for any number.
        owners: Active owners.
    """

    kind: Kind
    actor_role: Role
    seats_left: int | None
    owners: int


@dataclass(frozen=True, slots=True)
class Plan:
    """What a change comes to: pairs of before and after, and who stays as they are, with the reason."""

    changed: Sequence[tuple[Standing, Standing]]
    refused: Sequence[tuple[Standing, DomainError]]


def plan_change(members: Iterable[Standing], change: Change, terms: Terms) -> Plan:
    """Weighs one change for many members, in their order: each seat and each owner is counted once.

    Members whom the change leaves as they are stand in neither list.
    """
    changed: list[tuple[Standing, Standing]] = []
    refused: list[tuple[Standing, DomainError]] = []
    seats_left, owners = terms.seats_left, terms.owners
    for before in members:
        after = change.of(before)
        if after == before:
            continue
        refusal = _forbidden(before, after, terms) or _impossible(before, after, seats_left=seats_left, owners=owners)
        if refusal:
            refused.append((before, refusal))
            continue
        if seats_left is not None:
            seats_left += before.holds_seat - after.holds_seat
        owners += after.is_active_owner - before.is_active_owner
        changed.append((before, after))
    return Plan(changed, refused)


def _forbidden(before: Standing, after: Standing, terms: Terms) -> DomainError | None:
    if before.role is Role.ORG_OWNER and terms.actor_role is not Role.ORG_OWNER:
        return Forbidden("Only an owner can change an owner.", code="OWNER_PROTECTED")
    if after.role.rank > terms.actor_role.rank:
        sentence = f"You can't make somebody {after.role.label}: it ranks above your own role, {terms.actor_role.label}."
        return Forbidden(sentence, code="ROLE_TOO_HIGH")
    if after.role not in roles_for(terms.kind):
        sentence = f"{terms.kind.label} organizations have no role {after.role.label}. Choose another."
        return Invalid(sentence, code="ROLE_NOT_ALLOWED", details={"role": [sentence]})
    return None


def _impossible(before: Standing, after: Standing, *, seats_left: int | None, owners: int) -> DomainError | None:
    if before.status is MembershipStatus.REMOVED and after.status is not MembershipStatus.ACTIVE:
        return Conflict(f"{before.name} was removed. Add them again first.", code="MEMBER_REMOVED")
    if before.status is MembershipStatus.PENDING and after.status is not MembershipStatus.REMOVED:
        return Conflict(f"{before.name} is waiting for approval. Approve or reject them first.", code="MEMBER_PENDING")
    if before.is_active_owner and not after.is_active_owner and owners <= 1:
        return Invalid("Cannot remove the last organization owner.", code="LAST_OWNER")
    if after.holds_seat and not before.holds_seat and seats_left == 0:
        return Conflict("All seats are taken. Free one, or add seats in the billing settings.", code="SEAT_LIMIT")
    return None
