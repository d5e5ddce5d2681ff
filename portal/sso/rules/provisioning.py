"""What becomes of a person who was asserted: who comes in, as what, and who doesn't."""

from collections.abc import Mapping
from dataclasses import dataclass

from portal.orgs.rules import MembershipStatus, Role
from portal.sso.rules.attributes import Person, role_for
from portal.sso.rules.reasons import Reason, Refused

BARRED = {
    MembershipStatus.REMOVED: Reason.MEMBER_REMOVED,
    MembershipStatus.SUSPENDED: Reason.MEMBER_SUSPENDED,
    MembershipStatus.PENDING: Reason.MEMBER_PENDING,
}


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of the person already.

    Attributes:
        name: Of their account, or None when there is none.
        role: Of their membership, or None when there is none.
    """

    name: str | None
    is_platform_staff: bool
    role: Role | None
    status: MembershipStatus | None


@dataclass(frozen=True, slots=True)
class Terms:
    """What the organization grants.

    Attributes:
        takes_members: Whether it is open, so that somebody can join.
        seats_left: Free seats, or None for any number.
        default_role: Of who comes for the first time.
        group_roles: Group → role, where the owner mapped some.
    """

    takes_members: bool
    seats_left: int | None
    default_role: Role
    group_roles: Mapping[str, Role]


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be done.

    Attributes:
        role: As what they come in.
        joins: Whether they become a member now.
        rises: Whether their role rises to ``role``.
        new_name: What their account is called from now on, or None when that stays.
    """

    role: Role
    is_new: bool
    joins: bool
    rises: bool
    new_name: str | None

    def told(self, email: str) -> str:
        """What a test says would be done."""
        if self.is_new:
            return f"would create {email} as {self.role.label}"
        if self.joins:
            return f"would add {email}, who has an account, as {self.role.label}"
        return f"would sign in {email} as {self.role.label}"


def decide(person: Person, known: Known, terms: Terms) -> Plan:
    """Weighs one person. Whoever is a member keeps at least their role: groups raise it and never lower it.

    Raises:
        Refused: They may not come in, or there is no room.
    """
    if known.is_platform_staff:
        raise Refused(Reason.PLATFORM_STAFF)
    if known.status in BARRED:
        raise Refused(BARRED[known.status])
    mapped = role_for(person.groups, roles=terms.group_roles)
    new_name = person.name if known.name is not None and person.name not in {None, known.name} else None
    if known.role is not None:
        rises = mapped is not None and mapped.rank > known.role.rank
        role = mapped if rises and mapped is not None else known.role
        return Plan(role=role, is_new=False, joins=False, rises=rises, new_name=new_name)
    if not terms.takes_members:
        raise Refused(Reason.ORGANIZATION_CLOSED)
    role = mapped or terms.default_role
    if role is Role.ORG_LEARNER and terms.seats_left == 0:
        raise Refused(Reason.SEATS_FULL)
    return Plan(role=role, is_new=known.name is None, joins=True, rises=False, new_name=new_name)
