"""A provider organization in tests: consultants that it hosts, sessions that they give, and what becomes of the earnings."""

from dataclasses import dataclass, field
from datetime import timedelta

from portal import clock, db, jobs
from portal.accounts.rules import PlatformRole
from portal.bookings import service as bookings
from portal.bookings.rules import PlanType
from portal.bookings.schemas import CheckoutIn, OwnPlanIn
from portal.orgs.models import Organization
from portal.orgs.rules import BillingMode, Kind, Role, Verdict
from portal.orgs.schemas import OrganizationIn
from portal.orgs.service import create, decide
from tests.support import world
from tests.support.funding import Caller, caller
from tests.support.paying import rows, work

NUMBER = "50100123456789"
ACCOUNT = {"accountHolderName": "Kaveri Coaching LLP", "bankName": "HDFC Bank", "accountNumber": NUMBER, "ifscCode": "HDFC0001234"}
PRICE = 100_000
LATER = timedelta(days=8)


class Person(Caller):
    """Somebody who is signed in, and calls from any thread."""

    def call(self, method: str, path: str, body: dict | None = None):
        """Any call, with JSON when there is a body."""
        client = self.app.test_client(use_cookies=False)
        return client.open(path, method=method, headers=self.headers, **({} if body is None else {"json": body}))

    def get(self, path: str):
        return self.call("GET", path)

    def put(self, path: str, body: dict):
        return self.call("PUT", path, body)

    def patch(self, path: str, body: dict):
        return self.call("PATCH", path, body)

    def delete(self, path: str):
        return self.call("DELETE", path)


@dataclass
class House:
    """A provider organization with its owner and a platform admin, over the API."""

    app: object
    bells: list
    organization: Organization
    owner: object
    people: dict[str, Person] = field(default_factory=dict)
    users: dict[str, object] = field(default_factory=dict)
    _hour: int = 24

    @property
    def id(self) -> str:
        return self.organization.id

    @property
    def url(self) -> str:
        return f"/api/organizations/{self.id}"

    def person(self, name: str) -> Person:
        return self.people[name]

    def welcome(self, name: str, user) -> Person:
        """Signs somebody in."""
        self.users[name] = user
        known = caller(self.app, user)
        self.people[name] = Person(known.app, known.headers)
        return self.people[name]

    def again(self) -> None:
        """Everybody signs in again, after the clock went on."""
        for name in list(self.people):
            self.welcome(name, self.users[name])

    def consultant(self, name: str = "meera", *, hosted: bool = True):
        """A verified consultant, who is a member unless they are independent."""
        with self.app.app_context():
            user = world.make_consultant(f"{name}@experts.test")
            if hosted:
                world.add_member(self.organization, user, Role.ORG_CONSULTANT)
        self.users[name] = user
        return user

    def learner(self, name: str = "asha", *, of: Organization | None = None):
        with self.app.app_context():
            user = world.make_user(f"{name}@people.test")
            if of is not None:
                world.add_member(of, user, Role.ORG_LEARNER)
        return user

    def sell(self, consultant, *, price: int = PRICE, kind: PlanType = PlanType.WEBINAR):
        """A plan of a consultant's own."""
        with self.app.app_context(), db.unit_of_work():
            data = OwnPlanIn(plan_type=kind, title="Interview practice", price=price, duration_minutes=30)
            return bookings.create_own_plan(data, consultant=consultant, actor=world.as_self(consultant))

    def book(self, plan, learner, *, on: Organization | None = None) -> str:
        """Books a session of a plan of its consultant's own; returns the payment's id."""
        self._hour += 1
        with self.app.app_context(), db.unit_of_work():
            starts_at = clock.now().replace(minute=0, second=0, microsecond=0) + timedelta(hours=self._hour)
            data = CheckoutIn(plan_id=plan.id, starts_at=starts_at, organization_id=on.id if on else None)
            organization = db.session.get_one(Organization, on.id) if on else None
            return bookings.checkout(data, organization=organization, learner=learner, actor=world.as_self(learner)).payment_id

    def earned(self, *prices: int, consultant=None, on: Organization | None = None) -> list[str]:
        """Sessions of a hosted consultant that are covered at once; returns their payments."""
        consultant = consultant or self.users.get("meera") or self.consultant()
        learner = self.learner(f"l{self._hour}", of=on or self.buyer())
        return [self.book(self.sell(consultant, price=price), learner, on=on or self.buyer()) for price in prices]

    def buyer(self) -> Organization:
        """A BUYER that is billed monthly, made once."""
        if "buyer" not in self.users:
            with self.app.app_context():
                owner = world.make_user("owner@buyer.test")
                self.users["buyer"] = world.make_organization(owner, name="Buyer")
        return self.users["buyer"]

    def release(self, *, after: timedelta = LATER) -> dict:
        """The job that ends holds, some time from now."""
        return self.run("providers-release-earnings", after=after)

    def run(self, name: str, *ids: str, after: timedelta = timedelta()) -> dict:
        with clock.as_of(clock.now() + after), self.app.app_context():
            return jobs.run(name, *ids)

    def work(self) -> int:
        return work(self.app, self.bells)

    def verified_account(self, **changes) -> None:
        """A payout account that a platform admin has verified."""
        answer = self.person("owner").put(f"{self.url}/payout-account", {**ACCOUNT, **changes})
        assert answer.status_code == 200, answer.text
        if answer.json["payoutAccount"]["status"] == "VERIFIED":
            return
        answer = self.person("admin").post(f"/api/admin/payout-accounts/{self.id}/verify", {"action": "APPROVE"})
        assert answer.status_code == 200, answer.text

    def payout(self) -> dict:
        """A payout that the owner begins."""
        answer = self.person("owner").post(f"{self.url}/payouts", {})
        assert answer.status_code == 201, answer.text
        return answer.json["payout"]

    def process(self, **body):
        return self.person("admin").post("/api/admin/org-payouts/process", body)

    def refund(self, payment_id: str, amount: int | None = None, **more):
        body = {"paymentId": payment_id, **({} if amount is None else {"amount": amount}), **more}
        return self.person("admin").post("/api/payments/refunds", body)

    def rows(self, statement: str, **values) -> list:
        return rows(self.app, statement, **values)

    def shares(self, payment_id: str) -> dict[str, int]:
        """Party → share."""
        found = self.rows("SELECT party, share FROM earnings WHERE payment_id = :id", id=payment_id)
        return {row.party: row.share for row in found}


def make_house(app, bells, *, kind: Kind = Kind.PROVIDER, name: str = "Kaveri Coaching", mode: BillingMode | None = None) -> House:
    """An ACTIVE provider organization; the flag must be on."""
    with app.app_context():
        owner = world.make_user(f"owner@{name.lower().replace(' ', '-')}.test", name="Olga Owner")
        admin = world.make_user(f"admin@{name.lower().replace(' ', '-')}.portal.test", name="Adil Admin", role=PlatformRole.ADMIN)
        with db.unit_of_work():
            data = OrganizationIn(name=name, billing_email="finance@kaveri.test", kind=kind, **({"billing_mode": mode} if mode else {}))
            organization = create(data, creator=owner, actor=world.as_self(owner))
        with db.unit_of_work():
            decide(organization.id, Verdict.APPROVE, reason=None, actor=world.as_self(admin))
        organization = db.session.get_one(Organization, organization.id)
        db.session.expunge_all()
    bells.clear()
    house = House(app, bells, organization, owner)
    house.welcome("owner", owner)
    house.welcome("admin", admin)
    return house
