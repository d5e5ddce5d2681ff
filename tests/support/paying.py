"""Payments by card in tests: a provider of our own with real books, and what payers, providers and workers do around a payment."""

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from threading import RLock

from sqlalchemy import text

from portal import clock, db, jobs, queue
from portal.bookings import service as bookings
from portal.bookings.models import Plan
from portal.bookings.rules import PlanType
from portal.bookings.schemas import OwnPlanIn
from portal.gateways import payments as gateways
from portal.gateways.guard import refuse_inside_transaction
from portal.gateways.payments import (
    Event,
    GatewayRefused,
    GatewayUnavailable,
    Opened,
    Order,
    OrderState,
    OrderStatus,
    Provider,
    RefundOrder,
    RefundState,
    RefundStatus,
    sandbox_webhooks,
)
from portal.orgs.models import Organization
from tests.support import world

WEBHOOKS = "/api/webhooks/sandbox"


@dataclass
class BankOrder:
    """One order in the bank's books; what was received may differ from what was asked."""

    asked: Order
    status: OrderStatus = OrderStatus.OPEN
    received: int = 0
    currency: str = "INR"
    payment_ref: str | None = None


@dataclass
class Bank:
    """A provider with books of its own that has bad days: down, losing its answers, refusing, taking money after the end.

    Attributes:
        is_down: It can't be reached: nothing is done.
        loses_answers: It does what it is asked, and its answer is lost on the way.
        refuses: The reason of a definite no to new orders and refunds, or empty.
        refunds_are: What new refunds become.
        asked: Each call that reached it.
    """

    provider: Provider = Provider.SANDBOX
    is_down: bool = False
    loses_answers: bool = False
    refuses: str = ""
    refunds_are: RefundStatus = RefundStatus.SUCCEEDED
    orders: dict[str, BankOrder] = field(default_factory=dict)
    refunds: dict[str, tuple[RefundOrder, RefundStatus]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    _books: RLock = field(default_factory=RLock)

    def open(self, order: Order) -> Opened:
        self._be_reached("open", may_refuse=True)
        with self._books:
            order_id = f"bank_{order.key}"
            self.orders.setdefault(order_id, BankOrder(order))
        return self._answer(Opened(order_id, f"https://bank.test/pay/{order_id}"))

    def order_state(self, order_id: str) -> OrderState:
        self._be_reached("order_state")
        with self._books:
            return self._answer(self._state(order_id))

    def cancel(self, order_id: str) -> OrderState:
        self._be_reached("cancel")
        with self._books:
            row = self.orders[order_id]
            if row.status is OrderStatus.OPEN:
                row.status = OrderStatus.EXPIRED
            return self._answer(self._state(order_id))

    def refund(self, order: RefundOrder) -> RefundState:
        self._be_reached("refund", may_refuse=True)
        with self._books:
            paid = self.orders[order.order_id]
            assert (paid.payment_ref, paid.currency) == (order.payment_ref, order.currency)
            if order.key not in self.refunds:
                given = sum(wanted.amount for wanted, status in self.refunds.values() if self._counts(wanted, status, order.order_id))
                if order.amount > paid.received - given:
                    raise GatewayRefused("More than was paid.")
                self.refunds[order.key] = (order, self.refunds_are)
            return self._answer(self._refund_state(order.key))

    def refund_state(self, order: RefundOrder, ref: str | None) -> RefundState:
        self._be_reached("refund_state")
        with self._books:
            assert ref in {None, f"ref_{order.key}"}
            return self._answer(self._refund_state(order.key))

    def event(self, headers: Mapping[str, str], body: bytes) -> Event:
        return sandbox_webhooks.read(headers, body)

    def pay(self, order_id: str, *, amount: int | None = None, currency: str = "INR") -> None:
        """Money arrives, even after the end."""
        with self._books:
            row = self.orders[order_id]
            row.status, row.received, row.currency = OrderStatus.PAID, row.asked.amount if amount is None else amount, currency
            row.payment_ref = f"pay_{order_id}"

    def decide(self, key: str, status: RefundStatus) -> None:
        """A refund under way comes to its end."""
        with self._books:
            self.refunds[key] = (self.refunds[key][0], status)

    @property
    def given_back(self) -> int:
        """Paise that went back, over all orders."""
        return sum(wanted.amount for wanted, status in self.refunds.values() if status is RefundStatus.SUCCEEDED)

    def _be_reached(self, call: str, *, may_refuse: bool = False) -> None:
        refuse_inside_transaction()
        if self.is_down:
            raise GatewayUnavailable("The bank doesn't answer.")
        self.asked.append(call)
        if may_refuse and self.refuses:
            raise GatewayRefused(self.refuses)

    def _answer(self, answer):
        if self.loses_answers:
            raise GatewayUnavailable("The connection broke.")
        return answer

    def _state(self, order_id: str) -> OrderState:
        row = self.orders[order_id]
        is_paid = row.status is OrderStatus.PAID
        return OrderState(order_id, row.status, row.received if is_paid else row.asked.amount, row.currency, row.payment_ref)

    def _refund_state(self, key: str) -> RefundState:
        status = self.refunds[key][1]
        return RefundState(status, f"ref_{key}", "The card is closed." if status is RefundStatus.FAILED else "")

    @staticmethod
    def _counts(wanted: RefundOrder, status: RefundStatus, order_id: str) -> bool:
        return wanted.order_id == order_id and status is not RefundStatus.FAILED


def put_in(monkeypatch, gateway) -> None:
    """Makes a gateway the portal's: new orders go to it, and it is found by the sandbox's name."""
    others = gateways.by_name
    monkeypatch.setattr(gateways, "current", lambda: gateway)
    monkeypatch.setattr(gateways, "by_name", lambda name: gateway if name == Provider.SANDBOX else others(name))


@dataclass(frozen=True)
class Shop:
    """An organization with a learner, a consultant with a plan of their own, and the worker's bells."""

    app: object
    bells: list[queue.Bell]
    company: world.Company
    learner: object
    plan: Plan
    client: object

    def checkout(self, *, hours: float = 24, on_organization: bool = False, client=None, headers=None):
        """Books by the API, personally or on the organization, and returns the answer."""
        client = client or self.client
        starts_at = clock.now().replace(minute=0, second=0, microsecond=0) + timedelta(hours=hours)
        body = {"planId": self.plan.id, "startsAt": starts_at.isoformat()}
        if on_organization:
            mine = {"planId": self.company.plan.id, "consultantId": self.company.consultant.id}
            body |= {**mine, "organizationId": self.company.organization.id}
        return client.post("/api/checkout", json=body, headers={**world.csrf(client), **(headers or {})})

    def booked(self, **how) -> "Booked":
        """Books, and returns the ids."""
        answer = self.checkout(**how)
        assert answer.status_code == 201, answer.text
        payment = answer.json["payment"]
        gateway = payment["gateway"] or {}
        return Booked(answer.json["booking"]["id"], payment["id"], gateway.get("orderId"))

    def confirmed(self, bank: Bank, **how) -> "Booked":
        """Books and pays."""
        booked = self.booked(**how)
        bank.pay(booked.order_id)
        self.tell(booked.order_id)
        assert self.standing(booked) == ("CONFIRMED", "SUCCEEDED", "PAID")
        return booked

    def on_page(self, order_id: str, outcome: str):
        """Pays or declines on the sandbox's page."""
        return self.app.test_client().post(f"/sandbox/pay/{order_id}", data={"outcome": outcome})

    def tell(self, order_id: str | None, *, kind: str = "order.paid", event_id: str = "", refund_key: str | None = None):
        """The provider tells of an event, and a worker acts on it."""
        answer = self.hear(order_id, kind=kind, event_id=event_id, refund_key=refund_key)
        self.work()
        return answer

    def hear(self, order_id: str | None, *, kind: str = "order.paid", event_id: str = "", refund_key: str | None = None):
        """The provider tells of an event; nobody acts on it yet."""
        told = {"id": event_id or f"evt_{secrets.token_hex(8)}", "type": kind, "order_id": order_id, "refund_key": refund_key}
        return post_signed(self.app, json.dumps(told).encode())

    def refund(self, payment_id: str, *, client, amount: int | None = None, headers=None, **more):
        """Refunds by the API."""
        body = {"paymentId": payment_id, **({} if amount is None else {"amount": amount}), **more}
        return client.post("/api/payments/refunds", json=body, headers={**world.csrf(client), **(headers or {})})

    def work(self) -> int:
        """Runs what was rung."""
        return work(self.app, self.bells)

    def run(self, name: str, *ids: str, after: timedelta = timedelta()):
        """Runs a job some time from now, and what it rings."""
        with clock.as_of(clock.now() + after), self.app.app_context():
            said = jobs.run(name, *ids)
        self.work()
        return said

    def sweep(self, *, after: timedelta = timedelta(minutes=3)) -> int:
        """Sweeps some time from now, and returns how many jobs ran."""
        with clock.as_of(clock.now() + after):
            return sweep(self.app, self.bells)

    def standing(self, booked: "Booked") -> tuple[str, str, str]:
        """Where booking, payment and order stand."""
        statement = """SELECT b.status, p.status, o.status FROM bookings b JOIN payments p ON p.id = b.payment_id
                       JOIN gateway_orders o ON o.payment_id = p.id WHERE b.id = :id"""
        return tuple(rows(self.app, statement, id=booked.booking_id)[0])

    def count(self, statement: str, **values) -> int:
        """One number by SQL."""
        return rows(self.app, statement, **values)[0][0]


@dataclass(frozen=True)
class Booked:
    """The ids of a booking; ``order_id`` is the provider's, None while it hasn't answered."""

    booking_id: str
    payment_id: str
    order_id: str | None


def make_shop(app, bells, *, price: int = 150_000) -> Shop:
    """Everything that a payment by card needs; the organization is TAG_ONLY."""
    with app.app_context():
        company = world.make_company()
        learner = world.make_user("asha@acme.test")
        world.add_member(company.organization, learner, world.Role.ORG_LEARNER)
        set_mode(company.organization.id, "TAG_ONLY")
        plan = own_plan(world.make_consultant("ravi@experts.test"), price=price)
    bells.clear()
    return Shop(app, bells, company, learner, plan, world.sign_in(app.test_client(), learner))


def own_plan(consultant, *, price: int = 150_000) -> Plan:
    """A consultation that a consultant sells to everybody."""
    with db.unit_of_work():
        data = OwnPlanIn(plan_type=PlanType.CONSULTATION, title="Interview practice", price=price, duration_minutes=30)
        return bookings.create_own_plan(data, consultant=consultant, actor=world.as_self(consultant))


def set_mode(organization_id: str, mode: str, **values) -> None:
    """Sets the billing mode, as the wizard would have."""
    with db.unit_of_work():
        organization = db.session.get_one(Organization, organization_id)
        organization.billing_mode = world.BillingMode(mode)
        for name, value in values.items():
            setattr(organization, name, value)


def post_signed(app, body: bytes):
    """Posts a webhook with the sandbox's signature, from outside: no cookie, no CSRF token."""
    return app.test_client().post(WEBHOOKS, data=body, headers=sandbox_webhooks.signed(body))


def work(app, bells: list[queue.Bell]) -> int:
    """Runs what was rung and what that rings; the sandbox's webhooks are posted to this app. Returns how many jobs ran."""
    done = 0
    while bells:
        bell = bells.pop(0)
        if bell.name == "sandbox-send-webhook":
            deliver(app, *bell.ids)
        else:
            with app.app_context():
                jobs.run(bell.name, *bell.ids, as_of=bell.as_of)
        done += 1
    return done


def deliver(app, *event_ids: str) -> None:
    """Tells the sandbox's events as it does: each twice, an older one in between."""
    for event_id in event_ids:
        with app.app_context():
            copies = sandbox_webhooks.copies_of(event_id)
        for headers, body in copies:
            assert app.test_client().post(WEBHOOKS, data=body, headers=headers).status_code == 200
        with app.app_context(), db.apart() as books:
            books.execute(text("UPDATE sandbox_webhooks SET due_at = NULL WHERE id = :id"), {"id": event_id})


def sweep(app, bells: list[queue.Bell]) -> int:
    """Runs the sweep and what it rings; returns how many jobs ran."""
    with app.app_context():
        jobs.run("sweep")
    return work(app, bells)


def rows(app, statement: str, **values) -> list:
    """Rows by SQL, from a connection of its own."""
    with app.app_context(), db.database.engine.connect() as connection:
        return list(connection.execute(text(statement), values))


def paid_event(order_id: str, event_id: str) -> bytes:
    """The body of a webhook that says that an order was paid."""
    return json.dumps({"id": event_id, "type": "order.paid", "order_id": order_id, "refund_key": None}).encode()
