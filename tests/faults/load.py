"""The mixed load: owners at their pages, learners' programs, payers by card, files of people, finance, and months that end."""

import random
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from threading import Event, Thread, get_ident

from lxml import html
from sqlalchemy import text

from portal import clock, db, queue
from portal.accounts.rules import PlatformRole
from portal.app import create_app
from portal.bookings.rules import PlanType
from portal.bookings.schemas import OwnPlanIn
from portal.bookings.service import create_own_plan
from portal.config import Settings
from portal.orgs.rules import Role
from tests.faults.people import GaveUp, Notes, Person
from tests.faults.stage import Stage
from tests.support import world
from tests.support.paying import set_mode

BUSY, PREPAID = 4, "Vega"
COPIES = 30
MONTHS = 8
SPREAD = """
INSERT INTO organizations SELECT (jsonb_populate_record(o, jsonb_build_object('id', uuidv7(), 'slug', 'copy-' || n, 'name', 'Copy ' || n,
    'billing_email', 'finance@copy-' || n || '.test'))).*
FROM organizations o, generate_series(1, :copies) n WHERE o.slug = 'org-0'
"""
# Sold before there were earnings: such payments have no terms of how they are shared out.
SOLD = """
INSERT INTO payments SELECT (jsonb_populate_record(p, jsonb_build_object('id', uuidv7(), 'organization_id', o.id,
    'created_at', p.created_at + make_interval(months => m), 'succeeded_at', p.created_at + make_interval(months => m),
    'consultant_id', NULL, 'host_organization_id', NULL, 'platform_rate', NULL, 'organization_rate', NULL, 'consultant_rate', NULL,
    'earnings_recipient', NULL))).*
FROM payments p, organizations o, generate_series(0, :months) m, generate_series(1, 2)
WHERE o.slug LIKE 'copy-%' AND p.id = :sold
"""


@dataclass(frozen=True)
class Scene:
    """Who and what there is before the load begins: slugs, ids and addresses."""

    slugs: list[str]
    ids: dict[str, str]
    plans: dict[str, str]
    experts: dict[str, str]
    own_plan: str


def furnish(stage: Stage) -> Scene:
    """Makes organizations with owners, learners, plans and consultants, and many that only wait for the end of their months."""
    settings = {name.lower(): value for name, value in stage.environment.items() if name.lower() in Settings.model_fields}
    app = create_app(Settings(_env_file=None, **settings))
    with app.app_context():
        companies = [world.make_company(f"Org {number}", price=100_000 + 7 * number) for number in range(BUSY)]
        companies.append(world.make_company(PREPAID))
        for company in companies:
            slug = company.organization.slug
            for number in range(2):
                world.add_member(company.organization, world.make_user(f"learner{number}@{slug}.test"), Role.ORG_LEARNER)
            world.make_consultant(f"second@{slug}-experts.test")
        set_mode(companies[-1].organization.id, "SEAT_PACK")
        world.make_user("admin@portal.test", role=PlatformRole.ADMIN)
        for number in range(2):
            world.make_user(f"payer{number}@home.test")
        expert = world.make_consultant("own@experts.test")
        with db.unit_of_work():
            offer = OwnPlanIn(plan_type=PlanType.CONSULTATION, title="Own plan", price=50_000, duration_minutes=30)
            own = create_own_plan(offer, consultant=expert, actor=world.as_self(expert)).id
        with queue.rung_here():
            sold = world.book(companies[0], companies[0].owner, hours=3).payment_id
        with db.database.engine.begin() as connection:
            connection.execute(text(SPREAD), {"copies": COPIES})
            connection.execute(text(SOLD), {"months": MONTHS, "sold": sold})
        scene = Scene(
            slugs=[company.organization.slug for company in companies],
            ids={company.organization.slug: company.organization.id for company in companies},
            plans={company.organization.slug: company.plan.id for company in companies},
            experts={company.organization.slug: company.consultant.id for company in companies},
            own_plan=own,
        )
        db.database.engine.dispose()
    queue.connection().close()
    clock.read_from(None)
    return scene


class Load:
    """Everybody at work until they are told to stop."""

    def __init__(self, stage: Stage, scene: Scene, notes: Notes, *, seed: int) -> None:
        self.stage, self.scene, self.notes = stage, scene, notes
        self.closing, self.late = Event(), Event()
        self.months = 0
        self._seed = seed
        self._threads = [
            Thread(target=self._repeat, args=(act, chance, pause), daemon=True)
            for act, chance, pause in (
                *((self._look, number, 0.4) for number in (0, 1)),
                *((self._book, number, 0.6) for number in (0, 1, 2)),
                (self._pay_by_card, 0, 1.5),
                (self._buy_credits, 0, 2.0),
                (self._import, 0, 4.0),
                (self._invite, 0, 1.5),
                (self._keep_books, 0, 1.5),
                (self._sign_up, 0, 2.0),
                (self._decorate, 0, 6.0),
            )
        ]
        self._times: dict[str, datetime] = {}
        self._people: dict[tuple[str, int], Person] = {}

    def begin(self) -> None:
        """Everybody begins."""
        for thread in self._threads:
            thread.start()

    def end(self) -> None:
        """Everybody finishes what they are at; whoever insists on an answer still gets it."""
        self.closing.set()
        for thread in self._threads:
            thread.join(timeout=120)
            assert not thread.is_alive(), "somebody doesn't get an answer for two minutes"

    def next_month(self) -> None:
        """The calendar goes to five past the month's end, and the monthly run is rung as its cron line does; else the sweep finds it."""
        now = self.stage.calendar.now()
        first = datetime(now.year + now.month // 12, now.month % 12 + 1, 1, 0, 5, tzinfo=UTC)
        with self.stage.databases:
            self.stage.calendar.jump(first)
        self.stage.ring("billing-monthly-run")
        self.months += 1

    def _repeat(self, act: Callable[[random.Random, int], None], number: int, pause: float) -> None:
        chance = random.Random(f"{self._seed} {act.__name__} {number}")  # noqa: S311 - a load, no secret
        while not self.closing.is_set():
            try:
                act(chance, number)
            except GaveUp:
                self.closing.wait(1)
            except Exception as error:  # noqa: BLE001 - the verdict names it
                self.notes.wonder(f"{act.__name__}: {type(error).__name__}: {error}")
                self.closing.wait(1)
            self.closing.wait(pause * chance.uniform(0.5, 1.5))

    def _person(self, email: str) -> Person:
        """Somebody; each of their browsers is one thread's own."""
        key = (email, get_ident())
        if key not in self._people:
            self._people[key] = Person(self.stage.url, self.notes, email)
        return self._people[key]

    def _look(self, chance: random.Random, _number: int) -> None:
        slug = self.scene.slugs[chance.randrange(len(self.scene.slugs) // 2) * 2 % len(self.scene.slugs)]
        owner = self._person(f"owner@{slug}.test")
        path = chance.choice(("home", "members", "invitations", "billing", "billing/statement", "plans", "settings/audit", "analytics"))
        owner.get(f"/orgs/{slug}/{path}")
        if path != "billing":
            return
        found = html.fromstring(owner.page.text).xpath("//a[contains(@href, '/billing/invoices/')]/@href")
        if found:
            owner.get(chance.choice(found))
            self.notes.did("documents looked at")

    def _starts(self, expert: str) -> str:
        soonest = self.stage.calendar.now().replace(minute=0, second=0, microsecond=0) + timedelta(hours=26)
        self._times[expert] = max(soonest, self._times.get(expert, soonest) + timedelta(hours=1))
        return self._times[expert].isoformat()

    def _promised(self, key: str, said: dict) -> None:
        self.notes.bookings[key] = said["booking"]["id"]
        self.notes.payments.append(said["payment"]["id"])

    def _book(self, chance: random.Random, number: int) -> None:
        slug = self.scene.slugs[number]
        learner = self._person(f"learner{number % 2}@{slug}.test")
        key, expert = secrets.token_hex(8), self.scene.experts[slug]
        body = {
            "planId": self.scene.plans[slug],
            "startsAt": self._starts(expert),
            "organizationId": self.scene.ids[slug],
            "consultantId": expert,
        }
        found = learner.insist("/api/checkout", body, key=key, until=self.late.is_set)
        if found.status_code != 201:
            raise GaveUp(found.text)
        self._promised(key, found.json())
        self.notes.did("sessions booked")
        if chance.random() < 0.3:
            learner.get(f"/orgs/{slug}/book")

    def _pay_by_card(self, chance: random.Random, number: int) -> None:
        payer = self._person(f"payer{number}@home.test")
        key = secrets.token_hex(8)
        body = {"planId": self.scene.own_plan, "startsAt": self._starts("own")}
        found = payer.insist("/api/checkout", body, key=key, until=self.late.is_set)
        if found.status_code != 201:
            raise GaveUp(found.text)
        self._promised(key, found.json())
        self._settle(payer, (found.json()["payment"]["gateway"] or {}), chance)

    def _settle(self, payer: Person, gateway: dict, chance: random.Random) -> None:
        """Pays or declines on the provider's page, or goes away."""
        how = chance.choices(("succeeded", "failed", "away"), (6, 2, 1))[0]
        if not gateway.get("payUrl") or how == "away":
            self.notes.did("payments left alone")
            return
        payer.get(gateway["payUrl"])
        payer.submit(f"/sandbox/pay/{gateway['orderId']}", outcome=how)
        self.notes.did(f"payments that {how}")

    def _buy_credits(self, chance: random.Random, _number: int) -> None:
        slug = PREPAID.lower()
        owner = self._person(f"owner@{slug}.test")
        if chance.random() < 0.4:
            key, path = secrets.token_hex(8), f"/api/organizations/{self.scene.ids[slug]}/credits/purchase"
            found = owner.insist(path, {"amount": 500_000}, key=key, until=self.late.is_set)
            if found.status_code == 201:
                self._settle(owner, found.json()["purchase"]["gateway"] or {}, chance)
            return
        key, expert = secrets.token_hex(8), self.scene.experts[slug]
        body = {
            "planId": self.scene.plans[slug],
            "startsAt": self._starts(expert),
            "organizationId": self.scene.ids[slug],
            "consultantId": expert,
        }
        found = self._person(f"learner0@{slug}.test").insist("/api/checkout", body, key=key, until=self.late.is_set)
        if found.status_code == 201:
            self._promised(key, found.json())
            self.notes.did("sessions booked on credits")

    def _import(self, chance: random.Random, _number: int) -> None:
        slug = chance.choice(self.scene.slugs[:BUSY])
        owner = self._person(f"owner@{slug}.test")
        run, size = secrets.token_hex(4), chance.randrange(5, 25)
        addresses = [f"p{n}.{run}@{slug}.test" for n in range(size)]
        rows = "".join(f'"Person {n}; {run}";{address};Sales\r\n' for n, address in enumerate(addresses))
        content = f"\ufeffEmployee Name;Work Email;Department\r\n{rows}Broken;nobody;IT\r\n".encode()
        owner.get(f"/orgs/{slug}/invitations")
        answer = owner.submit("/invitations/upload", files={"file": ("people.csv", content, "text/csv")})
        if answer.status_code != 303:
            raise GaveUp(answer.text)
        owner.get(answer.headers["Location"])
        answer = owner.submit("/confirm")
        if answer.status_code == 303:
            self.notes.invited.setdefault(slug, set()).update(addresses)
            self.notes.did("files imported")

    def _invite(self, chance: random.Random, _number: int) -> None:
        slug = chance.choice(self.scene.slugs[:BUSY])
        owner = self._person(f"owner@{slug}.test")
        address = f"one.{secrets.token_hex(4)}@{slug}.test"
        owner.get(f"/orgs/{slug}/invitations")
        if owner.submit("/invitations", people=address).status_code == 303:
            self.notes.invited.setdefault(slug, set()).add(address)
            self.notes.did("people invited")

    def _sign_up(self, chance: random.Random, _number: int) -> None:
        guest = Person(self.stage.url, self.notes, f"new.{secrets.token_hex(4)}@home.test")
        guest.get("/signup")
        if guest.submit("/signup", name="New Person", email=guest.email, password=world.PASSWORD).status_code == 303:
            self.notes.signed_up.add(guest.email)
            self.notes.did("sign-ups")
        if chance.random() < 0.3:
            guest.session.cookies.clear()
            guest.get("/forgot")
            guest.submit("/forgot", email=guest.email)

    def _keep_books(self, chance: random.Random, _number: int) -> None:
        admin = self._person("admin@portal.test")
        slug = chance.choice(self.scene.slugs[:BUSY])
        page = admin.get(f"/orgs/{slug}/billing")
        found = html.fromstring(page.text).xpath("//a[contains(@href, '/billing/invoices/')]/@href")
        if not found:
            return
        admin.get(chance.choice(found))
        act = chance.choice(("pay", "credit", "refund", "pay", "file"))
        if act == "file":
            admin.ask("GET", f"{found[0]}/pdf")
            self.notes.did("PDFs asked for")
        elif act == "pay":
            reference = secrets.token_hex(6)
            fields = {"method": "BANK_TRANSFER", "amount": f"{chance.randrange(10, 400)}", "reference": reference}
            if admin.submit("/payments", **fields).status_code == 303:
                self.notes.paid.add(reference)
                self.notes.did("money recorded")
        elif act == "credit":
            fields = {"amount": f"{chance.randrange(5, 90)}", "reason_code": "GOODWILL", "reason": "The room was loud"}
            if admin.submit("/credit-notes", **fields).status_code == 303:
                self.notes.did("credit notes issued")
        else:
            self._refund(admin, chance)

    def _refund(self, admin: Person, chance: random.Random) -> None:
        known = list(self.notes.payments)
        if not known:
            return
        body = {"paymentId": chance.choice(known), "amount": chance.randrange(100, 5_000), "reason": "It was too short"}
        found = admin.insist("/api/payments/refunds", body, key=secrets.token_hex(8), until=self.late.is_set)
        if found.status_code == 200:
            self.notes.refunded.add(found.json()["refund"]["id"])
            self.notes.did("refunds asked for")

    def _decorate(self, chance: random.Random, _number: int) -> None:
        slug = chance.choice(self.scene.slugs[:BUSY])
        owner = self._person(f"owner@{slug}.test")
        owner.get(f"/orgs/{slug}/settings/branding")
        picture = world.picture(64, 64, color=f"#{chance.randrange(0x1000000):06x}")
        if owner.submit("/settings/branding/logo", files={"logo": ("logo.png", picture, "image/png")}).status_code == 303:
            self.notes.did("logos uploaded")
