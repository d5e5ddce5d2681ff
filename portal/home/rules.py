"""What the side bar shows, the checklist on an organization's home, and the geometry of charts."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from portal.orgs.rules import BillingMode, Kind, Role, Status


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry of the side bar: its words, its icon, the endpoint that it leads to, and whether that is switched off."""

    label: str
    icon: str
    endpoint: str
    is_locked: bool = False


def entries(*, kind: Kind, role: Role, billing_mode: BillingMode | None, provider_orgs: bool) -> list[Entry]:
    """What the role, the kind and the billing mode allow, in order; what is switched off is locked."""
    off = not provider_orgs
    shown: list[tuple[bool, Entry]] = [
        (True, Entry("Home", "layout-dashboard", "home.show")),
        (True, Entry("Book", "calendar", "bookings.book")),
        (True, Entry("Members", "users", "members.index")),
        (kind.buys, Entry("Learners", "graduation-cap", "members.learners")),
        (kind.provides, Entry("Consultants", "briefcase", "consultants.index", is_locked=off)),
        (role.rank >= Role.ORG_ADMIN.rank, Entry("Invitations", "mail", "invites.index")),
        (True, Entry("Plans", "layers", "bookings.plans")),
        (role.rank >= Role.ORG_MANAGER.rank and kind.buys and billing_mode is not None, Entry("Billing", "credit-card", "billing.index")),
        (role.rank >= Role.ORG_MANAGER.rank and billing_mode is BillingMode.SEAT_PACK, Entry("Credits", "coins", "credits.index")),
        (role.rank >= Role.ORG_MANAGER.rank and kind.provides, Entry("Payouts", "banknote", "payouts.index", is_locked=off)),
        (role.rank >= Role.ORG_MANAGER.rank, Entry("Analytics", "chart-column", "home.analytics")),
        (role.rank >= Role.ORG_ADMIN.rank, Entry("Settings", "settings", "settings.show")),
    ]
    return [entry for allowed, entry in shown if allowed]


@dataclass(frozen=True, slots=True)
class Task:
    """A line of the checklist."""

    label: str
    is_done: bool
    endpoint: str


def checklist(
    *, members: int, invitations: int, plans: int, has_bookings: bool, consultants: int | None = None, has_account: bool | None = None
) -> list[Task]:
    """What a new organization does first; a provider also finds consultants and says where its payouts go."""
    hosting = [
        Task("Find your first consultant", is_done=bool(consultants), endpoint="consultants.index"),
        Task("Enter your payout account", is_done=bool(has_account), endpoint="payouts.index"),
    ]
    buying = [
        Task("Invite your people", is_done=members > 1 or invitations > 0, endpoint="invites.index"),
        Task("Add a plan that they can book", is_done=plans > 0, endpoint="bookings.plans"),
        Task("See the first booking", is_done=has_bookings, endpoint="bookings.book"),
    ]
    return buying if consultants is None else [*hosting, *buying]


def notice(name: str, status: Status, reason: str | None) -> str:
    """What every page of an organization says above itself when it isn't simply active; empty when it is."""
    if status is Status.PENDING_VERIFICATION:
        return f"{name} is waiting to be verified. You can configure it and build the team; bookings and invoices start afterwards."
    if status is Status.SUSPENDED:
        because = f" ({reason})" if reason else ""
        return f"{name} is suspended{because}: you can look at everything and change nothing. Ask the platform's staff."
    return ""


def quick_actions(*, role: Role) -> list[Entry]:
    """What an admin does most often."""
    if role.rank < Role.ORG_ADMIN.rank:
        return []
    return [
        Entry("Invite people", "mail", "invites.index"),
        Entry("Add a plan", "plus", "bookings.plans"),
        Entry("Manage members", "users", "members.index"),
        Entry("Settings", "settings", "settings.show"),
    ]


CHART_WIDTH, CHART_HEIGHT, CHART_BASE = 600, 160, 180
WIDEST_BAR = 60
MOST_TICKS = 6


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar of a chart, in units of its view box; the y axis points down."""

    x: int
    y: int
    width: int
    height: int
    label: str
    text: str
    tick: str


def bars(items: Sequence[tuple[str, int, str]]) -> list[Bar]:
    """The bars of a chart from (label, value, the value in words); the highest one fills the height, a zero has none.

    Six bars at most have their label under the axis, the last one always.
    """
    step, every = CHART_WIDTH // max(len(items), 1), -(-len(items) // MOST_TICKS)
    highest = max((value for _label, value, _text in items), default=0)
    found = []
    for index, (label, value, text) in enumerate(items):
        height = max(value * CHART_HEIGHT // highest, 1) if value > 0 else 0
        tick = "" if (len(items) - 1 - index) % every else label
        width = min(step * 2 // 3, WIDEST_BAR)
        x = index * step + (step - width) // 2
        found.append(Bar(x=x, y=CHART_BASE - height, width=width, height=height, label=label, text=text, tick=tick))
    return found


def months_until(today: date, *, count: int) -> list[date]:
    """The first days of the last ``count`` months, oldest first; the present month is the last."""
    number = today.year * 12 + today.month - 1
    return [date(each // 12, each % 12 + 1, 1) for each in range(number - count + 1, number + 1)]


def month_after(day: date) -> date:
    """The first day of the next month."""
    return date(day.year + day.month // 12, day.month % 12 + 1, 1)
