"""What the side bar shows, and the checklist on an organization's home."""

from dataclasses import dataclass

from portal.orgs.rules import BillingMode, Kind, Role


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry of the side bar: its words, its icon and the endpoint that it leads to."""

    label: str
    icon: str
    endpoint: str


def entries(*, kind: Kind, role: Role, billing_mode: BillingMode | None) -> list[Entry]:
    """What the role, the kind and the billing mode allow, in order."""
    shown: list[tuple[bool, Entry]] = [
        (True, Entry("Home", "layout-dashboard", "home.show")),
        (True, Entry("Book", "calendar", "bookings.book")),
        (True, Entry("Members", "users", "orgs.members")),
        (role.rank >= Role.ORG_ADMIN.rank, Entry("Invitations", "mail", "invites.index")),
        (True, Entry("Plans", "layers", "bookings.plans")),
        (role.rank >= Role.ORG_MANAGER.rank and kind.buys and billing_mode is not None, Entry("Billing", "credit-card", "billing.index")),
    ]
    return [entry for allowed, entry in shown if allowed]


@dataclass(frozen=True, slots=True)
class Task:
    """A line of the checklist."""

    label: str
    is_done: bool
    endpoint: str


def checklist(*, members: int, invitations: int, plans: int, bookings: int) -> list[Task]:
    """What a new organization does first."""
    return [
        Task("Invite your people", is_done=members > 1 or invitations > 0, endpoint="invites.index"),
        Task("Add a plan that they can book", is_done=plans > 0, endpoint="bookings.plans"),
        Task("See the first booking", is_done=bookings > 0, endpoint="bookings.book"),
    ]
