"""An organization that is billed monthly, with its people and the platform's, and a clock of the test's own: each look at it is later."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count

from portal import clock, db
from portal.accounts.rules import PlatformRole
from portal.billing import queries
from portal.orgs.models import Organization
from portal.orgs.rules import Role
from tests.support import world
from tests.support.funding import Caller, caller
from tests.support.paying import rows, work

NOVEMBER = datetime(2026, 11, 12, 9, tzinfo=UTC)
PRICE = 100_000


class Calendar:
    """A clock that goes on by a millisecond at each look, in every thread."""

    def __init__(self, start: datetime) -> None:
        self.go(start)

    def __call__(self) -> datetime:
        return self._start + timedelta(milliseconds=next(self._looks))

    def go(self, instant: datetime) -> None:
        """Shows another hour from now on."""
        self._start, self._looks = instant, count()


@dataclass(frozen=True)
class Person(Caller):
    """Somebody who is signed in, and calls from any thread."""

    def get(self, path: str):
        """Asks for JSON, a file or a page."""
        return self.app.test_client(use_cookies=False).get(path, headers=self.headers)


@dataclass
class Books:
    """One organization's bookings and documents, over the API."""

    app: object
    bells: list
    calendar: Calendar
    company: world.Company
    learner: object
    people: dict[str, Person] = field(default_factory=dict)
    _known: dict[str, object] = field(default_factory=dict)
    _plans: dict[int, object] = field(default_factory=dict)
    _hours: object = field(default_factory=lambda: count(24))

    @property
    def id(self) -> str:
        """The organization's."""
        return self.company.organization.id

    @property
    def url(self) -> str:
        """Where the API has its billing."""
        return f"/api/organizations/{self.id}/billing"

    @property
    def page(self) -> str:
        """Where the pages have its billing."""
        return f"/orgs/{self.company.organization.slug}/billing"

    def person(self, name: str) -> Person:
        """``owner``, ``admin`` and ``staff`` (of the platform), ``learner``; or whoever was added."""
        return self.people[name]

    def add(self, name: str, *, role: Role | None = None, platform: PlatformRole = PlatformRole.USER) -> Person:
        """Somebody new, signed in."""
        with self.app.app_context():
            user = world.make_user(f"{name}@people.test", name=name.title(), role=platform)
            if role is not None:
                world.add_member(self.company.organization, user, role)
        return self.welcome(name, user)

    def welcome(self, name: str, user) -> Person:
        """Signs somebody in."""
        self._known[name] = user
        known = caller(self.app, user)
        self.people[name] = Person(known.app, known.headers)
        return self.people[name]

    def go(self, instant: datetime) -> None:
        """Goes to another day; the platform's people and the owner sign in again."""
        self.calendar.go(instant)
        for name, user in list(self._known.items()):
            self.welcome(name, user)

    def book(self, *prices: int) -> list[str]:
        """Books a session for each price (paise) and returns the payments' ids."""
        made = []
        with self.app.app_context():
            for price in prices:
                if price not in self._plans:
                    self._plans[price] = world.make_plan(self.company.organization, self.company.owner, price=price)
                made.append(world.book(self.company, self.learner, hours=next(self._hours), plan=self._plans[price]).payment_id)
        return made

    def billed(self, *prices: int) -> dict:
        """Books a session for each price, and closes the period out; the invoice as JSON, its lines in that order."""
        self.book(*(prices or (PRICE,)))
        answer = self.person("owner").post(f"{self.url}/generate-invoice", {})
        assert answer.status_code == 201, answer.text
        return answer.json["invoice"]

    def shown(self, invoice_id: str) -> dict:
        """An invoice as it stands now."""
        answer = self.person("owner").get(f"{self.url}/invoices/{invoice_id}")
        assert answer.status_code == 200, answer.text
        return answer.json["invoice"]

    def note(self, note_id: str) -> dict:
        """A credit note as it stands now."""
        answer = self.person("owner").get(f"{self.url}/credit-notes/{note_id}")
        assert answer.status_code == 200, answer.text
        return answer.json["creditNote"]

    def summary(self) -> dict:
        """The figures of now."""
        return self.person("owner").get(self.url).json

    def pay(self, invoice_id: str, amount: int | None = None, *, who: str = "admin", **more):
        """Records a bank transfer."""
        body = {"method": "BANK_TRANSFER", "reference": "NEFT 1", **({} if amount is None else {"amount": amount}), **more}
        return self.person(who).post(f"{self.url}/invoices/{invoice_id}/pay", body)

    def refund(self, payment_id: str, amount: int | None = None, *, who: str = "staff"):
        """Gives a payment back."""
        return self.person(who).post("/api/payments/refunds", {"paymentId": payment_id, **({} if amount is None else {"amount": amount})})

    def credit(self, invoice_id: str, *, who: str = "admin", **body):
        """Makes a credit note by hand."""
        return self.person(who).post(
            f"/api/admin/invoices/{invoice_id}/credit-notes", {"reason": "The room was loud", "reasonCode": "GOODWILL", **body}
        )

    def void(self, note_id: str, *, who: str = "admin"):
        """Voids a credit note."""
        return self.person(who).post(f"/api/admin/credit-notes/{note_id}/void", {"reason": "A mistake"})

    def cancel(self, invoice_id: str, *, who: str = "admin"):
        """Cancels an invoice."""
        return self.person(who).post(f"/api/admin/invoices/{invoice_id}/cancel", {"reason": "Sent to the wrong people"})

    def pay_out(self, amount: int, *, who: str = "admin", reference: str = "NEFT 9"):
        """Pays open credit out."""
        return self.person(who).post(f"/api/admin/organizations/{self.id}/credit-payout", {"amount": amount, "reference": reference})

    def change(self, **values: object) -> None:
        """Changes the organization's row, as pages that aren't looked at here would."""
        with self.app.app_context(), db.unit_of_work():
            row = db.session.get_one(Organization, self.id)
            for name, value in values.items():
                setattr(row, name, value)

    def rows(self, statement: str, **values: object) -> list:
        """Rows by SQL."""
        return rows(self.app, statement, **values)

    def value(self, statement: str, **values: object):
        """One value by SQL."""
        return self.rows(statement, **values)[0][0]

    def work(self) -> int:
        """Runs what was rung."""
        return work(self.app, self.bells)

    def differences(self) -> list[str]:
        """The checks of the reconciliation that find something."""
        with self.app.app_context():
            return [off.check for off in queries.differences()]


def open_books(app, bells, monkeypatch, *, at: datetime = NOVEMBER, state: str = "29") -> Books:
    """A launched organization with a learner, an owner who is signed in, and the platform's admin and staff."""
    calendar = Calendar(at)
    monkeypatch.setattr(clock, "wall", calendar)
    with app.app_context():
        company = world.make_company(state=state)
        learner = world.make_user("asha@acme.test", name="Asha")
        world.add_member(company.organization, learner, Role.ORG_LEARNER)
        admin = world.make_user("admin@portal.test", name="Priya", role=PlatformRole.ADMIN)
        staff = world.make_user("staff@portal.test", name="Farah", role=PlatformRole.STAFF)
    books = Books(app, bells, calendar, company, learner)
    for name, user in {"owner": company.owner, "admin": admin, "staff": staff, "learner": learner}.items():
        books.welcome(name, user)
    bells.clear()
    return books
