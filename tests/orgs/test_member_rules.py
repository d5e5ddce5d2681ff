"""What a change of members comes to: who is protected, which roles there are, the last owner, each seat counted once."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.orgs.rules import RANKS, Kind, MembershipStatus, Role, invitable_roles, roles_for
from portal.orgs.rules.members import Change, Standing, Terms, plan_change

OWNER, ADMIN, MANAGER = Role.ORG_OWNER, Role.ORG_ADMIN, Role.ORG_MANAGER
CONSULTANT, SUPPORT, LEARNER = Role.ORG_CONSULTANT, Role.ORG_SUPPORT, Role.ORG_LEARNER
ACTIVE, SUSPENDED = MembershipStatus.ACTIVE, MembershipStatus.SUSPENDED
REMOVED, PENDING = MembershipStatus.REMOVED, MembershipStatus.PENDING


def member(role: Role = LEARNER, status: MembershipStatus = ACTIVE, *, name: str = "Asha") -> Standing:
    return Standing(id=name.lower(), name=name, role=role, status=status)


def terms(*, actor: Role = OWNER, kind: Kind = Kind.BUYER, seats_left: int | None = None, owners: int = 2) -> Terms:
    return Terms(kind=kind, actor_role=actor, seats_left=seats_left, owners=owners)


def refusals(plan) -> list[tuple[str, str]]:
    return [(before.name, error.code) for before, error in plan.refused]


def changed(plan) -> list[str]:
    return [after.name for _before, after in plan.changed]


@pytest.mark.parametrize(
    "change", [Change(role=LEARNER), Change(status=SUSPENDED), Change(status=REMOVED), Change(role=ADMIN, status=SUSPENDED)]
)
@pytest.mark.parametrize("actor", [ADMIN, MANAGER])
def test_an_owner_is_an_owners_to_change(change, actor):
    plan = plan_change([member(OWNER, name="Olga")], change, terms(actor=actor))
    assert (changed(plan), refusals(plan)) == ([], [("Olga", "OWNER_PROTECTED")])
    assert changed(plan_change([member(OWNER, name="Olga")], change, terms(actor=OWNER))) == ["Olga"]


@pytest.mark.parametrize("status", [SUSPENDED, REMOVED])
def test_an_owner_who_is_suspended_or_removed_is_protected_too(status):
    plan = plan_change([member(OWNER, status)], Change(role=LEARNER, status=ACTIVE), terms(actor=ADMIN))
    assert refusals(plan) == [("Asha", "OWNER_PROTECTED")]


@pytest.mark.parametrize("actor", list(Role))
@pytest.mark.parametrize("granted", list(Role))
def test_nobody_grants_a_role_above_their_own(actor, granted):
    held = LEARNER if granted is not LEARNER else SUPPORT
    plan = plan_change([member(held, name="Asha")], Change(role=granted), terms(actor=actor, kind=Kind.HYBRID))
    if RANKS[granted] <= RANKS[actor]:
        assert (changed(plan), refusals(plan)) == (["Asha"], [])
    else:
        assert (changed(plan), refusals(plan)) == ([], [("Asha", "ROLE_TOO_HIGH")])


@pytest.mark.parametrize("actor", [MANAGER, SUPPORT])
def test_whoever_ranks_above_the_actor_is_left_alone_by_a_change_of_status(actor):
    plan = plan_change([member(ADMIN, name="Ada")], Change(status=SUSPENDED), terms(actor=actor))
    assert refusals(plan) == [("Ada", "ROLE_TOO_HIGH")]


@pytest.mark.parametrize(("kind", "missing"), [(Kind.BUYER, CONSULTANT), (Kind.PROVIDER, LEARNER), (Kind.HYBRID, None)])
def test_each_kind_has_its_roles(kind, missing):
    assert roles_for(kind) == set(Role) - {missing}
    for role in Role:
        plan = plan_change([member(MANAGER if role is not MANAGER else ADMIN, name="Asha")], Change(role=role), terms(kind=kind))
        expected = [("Asha", "ROLE_NOT_ALLOWED")] if role is missing else []
        assert refusals(plan) == expected, role


@pytest.mark.parametrize(
    ("kind", "inviter", "provider_orgs", "roles"),
    [
        (Kind.BUYER, OWNER, False, [ADMIN, MANAGER, LEARNER]),
        (Kind.BUYER, OWNER, True, [ADMIN, MANAGER, SUPPORT, LEARNER]),
        (Kind.BUYER, MANAGER, False, [MANAGER, LEARNER]),
        (Kind.PROVIDER, OWNER, True, [ADMIN, MANAGER, CONSULTANT, SUPPORT]),
        (Kind.HYBRID, ADMIN, True, [ADMIN, MANAGER, CONSULTANT, SUPPORT, LEARNER]),
    ],
)
def test_roles_that_can_be_handed_out_never_hold_the_owners(kind, inviter, provider_orgs, roles):
    assert invitable_roles(kind, inviter=inviter, provider_orgs=provider_orgs) == roles


@pytest.mark.parametrize("change", [Change(role=ADMIN), Change(status=SUSPENDED), Change(status=REMOVED), Change(role=LEARNER)])
def test_the_last_active_owner_stays(change):
    plan = plan_change([member(OWNER, name="Olga")], change, terms(owners=1))
    [(_before, refusal)] = plan.refused
    assert (refusal.code, refusal.status, refusal.message) == ("LAST_OWNER", 400, "Cannot remove the last organization owner.")


def test_of_three_owners_in_one_act_the_last_one_stays():
    owners = [member(OWNER, name=name) for name in ("Ann", "Ben", "Cleo")]
    plan = plan_change(owners, Change(role=ADMIN), terms(owners=3))
    assert (changed(plan), refusals(plan)) == (["Ann", "Ben"], [("Cleo", "LAST_OWNER")])


def test_an_owner_who_is_suspended_already_may_go_though_only_one_other_is_active():
    plan = plan_change([member(OWNER, SUSPENDED, name="Olga")], Change(status=REMOVED), terms(owners=1))
    assert changed(plan) == ["Olga"]


def test_an_owner_who_is_made_active_in_an_act_counts_from_then_on():
    people = [member(OWNER, SUSPENDED, name="Ola"), member(OWNER, name="Olga")]
    assert changed(plan_change(people, Change(status=ACTIVE), terms(owners=1))) == ["Ola"]
    away = plan_change([*people, member(OWNER, name="Otto")], Change(status=REMOVED), terms(owners=2))
    assert (changed(away), refusals(away)) == (["Ola", "Olga"], [("Otto", "LAST_OWNER")])


def test_seats_are_counted_once_for_everybody_in_one_act():
    waiting = [member(LEARNER, SUSPENDED, name=name) for name in ("Ann", "Ben", "Cleo")]
    plan = plan_change(waiting, Change(status=ACTIVE), terms(seats_left=2))
    assert (changed(plan), refusals(plan)) == (["Ann", "Ben"], [("Cleo", "SEAT_LIMIT")])
    assert plan.refused[0][1].status == 409


def test_a_seat_that_is_freed_in_an_act_is_taken_in_the_same_act():
    people = [member(MANAGER, ACTIVE, name="Mia"), member(LEARNER, ACTIVE, name="Lee"), member(ADMIN, ACTIVE, name="Ada")]
    full = plan_change(people, Change(role=LEARNER), terms(seats_left=0))
    assert refusals(full) == [("Mia", "SEAT_LIMIT"), ("Ada", "SEAT_LIMIT")]
    freed = plan_change([people[1], member(LEARNER, SUSPENDED, name="Sue")], Change(role=MANAGER, status=ACTIVE), terms(seats_left=0))
    assert (changed(freed), refusals(freed)) == (["Lee", "Sue"], [])


@pytest.mark.parametrize(
    ("before", "change", "fits"),
    [
        (member(LEARNER, SUSPENDED), Change(status=ACTIVE), False),
        (member(LEARNER, REMOVED), Change(status=ACTIVE), False),
        (member(MANAGER, ACTIVE), Change(role=LEARNER), False),
        (member(MANAGER, REMOVED), Change(role=LEARNER, status=ACTIVE), False),
        (member(MANAGER, SUSPENDED), Change(role=LEARNER), True),
        (member(LEARNER, ACTIVE), Change(status=SUSPENDED), True),
        (member(LEARNER, ACTIVE), Change(status=REMOVED), True),
        (member(LEARNER, ACTIVE), Change(role=MANAGER), True),
        (member(LEARNER, SUSPENDED), Change(role=MANAGER, status=ACTIVE), True),
        (member(ADMIN, SUSPENDED), Change(status=ACTIVE), True),
    ],
)
def test_only_an_active_learner_needs_a_seat(before, change, fits):
    plan = plan_change([before], change, terms(seats_left=0))
    assert (refusals(plan) == []) is fits
    assert refusals(plan_change([before], change, terms(seats_left=1))) == []
    assert refusals(plan_change([before], change, terms(seats_left=None))) == []


@pytest.mark.parametrize("change", [Change(role=MANAGER), Change(status=SUSPENDED), Change(role=MANAGER, status=SUSPENDED)])
def test_who_was_removed_is_only_ever_added_again(change):
    assert refusals(plan_change([member(LEARNER, REMOVED)], change, terms())) == [("Asha", "MEMBER_REMOVED")]
    assert changed(plan_change([member(LEARNER, REMOVED)], Change(status=ACTIVE), terms())) == ["Asha"]
    assert changed(plan_change([member(LEARNER, REMOVED)], Change(role=MANAGER, status=ACTIVE), terms())) == ["Asha"]


@pytest.mark.parametrize("change", [Change(role=MANAGER), Change(status=ACTIVE), Change(status=SUSPENDED)])
def test_who_waits_for_approval_is_only_ever_removed_here(change):
    assert refusals(plan_change([member(LEARNER, PENDING)], change, terms())) == [("Asha", "MEMBER_PENDING")]
    assert changed(plan_change([member(LEARNER, PENDING)], Change(status=REMOVED), terms())) == ["Asha"]


@pytest.mark.parametrize(
    ("before", "change"),
    [
        (member(OWNER), Change(role=OWNER)),
        (member(OWNER), Change()),
        (member(LEARNER, REMOVED), Change(status=REMOVED)),
        (member(LEARNER, PENDING), Change()),
        (member(LEARNER), Change(role=LEARNER, status=ACTIVE)),
    ],
)
def test_whom_a_change_leaves_as_they_are_stands_in_neither_list(before, change):
    plan = plan_change([before], change, terms(actor=LEARNER, seats_left=0, owners=1))
    assert (plan.changed, plan.refused) == ([], [])


ROLES, STATUSES = st.sampled_from(list(Role)), st.sampled_from(list(MembershipStatus))
MEMBERS = st.lists(st.tuples(ROLES, STATUSES), max_size=12)
CHANGES = st.builds(Change, role=st.none() | ROLES, status=st.none() | st.sampled_from([ACTIVE, SUSPENDED, REMOVED]))


@given(MEMBERS, CHANGES, ROLES, st.sampled_from(list(Kind)), st.none() | st.integers(0, 4), st.integers(0, 2))
def test_whatever_is_asked_seats_and_owners_suffice_and_nobody_is_lost(rows, change, actor, kind, seats_left, others):
    people = [member(role, status, name=f"N{place}") for place, (role, status) in enumerate(rows)]
    owners = others + sum(person.is_active_owner for person in people)
    plan = plan_change(people, change, terms(actor=actor, kind=kind, seats_left=seats_left, owners=owners))
    moved, kept = {before.id: after for before, after in plan.changed}, {before.id for before, _error in plan.refused}
    unchanged = [person for person in people if change.of(person) == person]
    assert len(moved) + len(kept) + len(unchanged) == len(people)
    assert not moved.keys() & kept
    assert all(after == change.of(before) and after != before for before, after in plan.changed)
    afterwards = [moved.get(person.id, person) for person in people]
    assert owners == 0 or others + sum(person.is_active_owner for person in afterwards) >= 1
    if seats_left is not None:
        taken = sum(person.holds_seat for person in afterwards) - sum(person.holds_seat for person in people)
        assert taken <= seats_left
    for before, after in plan.changed:
        assert after.role in roles_for(kind)
        assert after.role.rank <= actor.rank
        assert actor is OWNER or OWNER not in {before.role, after.role}


@given(MEMBERS, CHANGES, st.integers(0, 4))
def test_an_owner_is_refused_only_for_a_reason_that_holds_at_that_moment(rows, change, seats_left):
    people = [member(role, status, name=f"N{place}") for place, (role, status) in enumerate(rows)]
    owners = sum(person.is_active_owner for person in people)
    plan = plan_change(people, change, terms(kind=Kind.HYBRID, seats_left=seats_left, owners=owners))
    errors = {before.id: error.code for before, error in plan.refused}
    for person in people:
        after, reason = change.of(person), errors.get(person.id)
        if reason is None:
            seats_left += person.holds_seat - after.holds_seat
            owners += after.is_active_owner - person.is_active_owner
        elif reason == "SEAT_LIMIT":
            assert (seats_left, after.holds_seat, person.holds_seat) == (0, True, False)
        elif reason == "LAST_OWNER":
            assert (owners, person.is_active_owner, after.is_active_owner) == (1, True, False)
        else:
            assert (reason, person.status) in {("MEMBER_REMOVED", REMOVED), ("MEMBER_PENDING", PENDING)}


def test_one_change_at_a_time_comes_to_the_same_as_all_at_once():
    people = [member(LEARNER, SUSPENDED, name=f"N{place}") for place in range(4)]
    together = plan_change(people, Change(status=ACTIVE), terms(seats_left=3))
    left, apart = 3, []
    for person in people:
        plan = plan_change([person], Change(status=ACTIVE), terms(seats_left=left))
        apart += changed(plan)
        left -= len(plan.changed)
    assert changed(together) == apart == ["N0", "N1", "N2"]
