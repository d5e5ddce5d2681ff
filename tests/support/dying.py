"""A process that dies in tests: at any seam of an act, with every doorbell lost; and what the next ones have to bring about."""

from datetime import timedelta
from threading import get_ident

from portal import clock, db, jobs, queue
from tests.support.funding import assert_chained, pool_of
from tests.support.paying import Bank, rows

PRICE = 150_000
CREDITS = 1_000_000
LATE = timedelta(minutes=31)
CONFIRMED = ("CONFIRMED", "SUCCEEDED", "PAID")
RELEASED = ("RELEASED", "FAILED", "EXPIRED")
ASKED = {"before a commit", "after a commit", "before order_state", "after order_state"}


class Killed(BaseException):
    """What no handler catches, as a kill."""


class Seams:
    """Where a process can die with something done and something not: around commits, calls to the provider and doorbells.

    Attributes:
        passed: The seams of the last act, in their order.
    """

    def __init__(self, monkeypatch) -> None:
        self.passed: list[str] = []
        self._dies_at: int | None = None
        self._mortal = get_ident()
        commit, push = db._Session.commit, queue._push

        def committing(session):
            self.reach("before a commit")
            commit(session)
            self.reach("after a commit")

        def pushing(*args, **kwargs):
            self.reach("before a doorbell")
            push(*args, **kwargs)
            self.reach("after a doorbell")

        monkeypatch.setattr(db._Session, "commit", committing)
        monkeypatch.setattr(queue, "_push", pushing)

    def reach(self, name: str) -> None:
        """Notes a seam of the act, and dies when it is this one's turn."""
        if self._dies_at is None or get_ident() != self._mortal:
            return  # a server that takes webhooks in a thread of its own is another process
        self.passed.append(name)
        if len(self.passed) == self._dies_at:
            raise Killed

    def dies(self, act, *, at: int) -> bool:
        """Runs an act that dies at its so many-th seam; returns whether it has as many."""
        self.passed, self._dies_at = [], at
        try:
            act()
        except Killed:
            return True
        finally:
            self._dies_at = None
        return False


class MortalBank(Bank):
    """A provider with seams: the caller can die before the call, and after its work was done there."""

    def __init__(self, seams: Seams) -> None:
        super().__init__()
        self._seams, self._call = seams, ""

    def _be_reached(self, call, *, may_refuse=False):
        self._call = call
        self._seams.reach(f"before {call}")
        super()._be_reached(call, may_refuse=may_refuse)

    def _answer(self, answer):
        self._seams.reach(f"after {self._call}")
        return super()._answer(answer)


def at_each_seam(shop, seams, *, prepare, act, finish) -> set[str]:
    """Kills an act at each of its seams in turn, each time with a new subject, and returns the seams it has.

    Each doorbell is lost as well. The last round dies nowhere, and only its doorbells are lost.
    """
    number, was_killed = 0, True
    while was_killed:
        number += 1
        subject = prepare(number)
        shop.bells.clear()
        was_killed = seams.dies(lambda subject=subject: act(subject), at=number)
        shop.bells.clear()
        queue.connection().flushall()
        finish(subject)
    return set(seams.passed)


def run(shop, name, *ids, after=timedelta()):
    """A job in a process of its own; what it rings is only rung."""
    with clock.as_of(clock.now() + after), shop.app.app_context():
        return jobs.run(name, *ids)


def heal(shop, *, after=timedelta()):
    """The sweeps of some minutes."""
    for minutes in (3, 6, 9):
        shop.sweep(after=after + timedelta(minutes=minutes))


def one_row(shop, statement, **values):
    [row] = rows(shop.app, statement, **values)
    return row


def order_row(shop, payment_id) -> str:
    return str(one_row(shop, "SELECT id FROM gateway_orders WHERE payment_id = :id", id=payment_id).id)


def event_row(shop, order_id, **how) -> str:
    """A webhook that is stored and not acted on."""
    shop.hear(order_id, **how)
    return str(one_row(shop, "SELECT id FROM gateway_events WHERE handled_at IS NULL").id)


def confirmations(shop, booked) -> int:
    statement = "SELECT count(*) FROM audit_rows WHERE action = 'BOOKING_CONFIRMED' AND subject_id = :id"
    return shop.count(statement, id=booked.booking_id)


def assert_nothing_waits(shop) -> None:
    """No row stays on the way."""
    waiting = """SELECT (SELECT count(*) FROM gateway_orders WHERE status IN ('NEW', 'OPEN')),
                        (SELECT count(*) FROM payments WHERE status = 'PENDING'),
                        (SELECT count(*) FROM bookings WHERE status = 'HELD'),
                        (SELECT count(*) FROM refunds WHERE status = 'PENDING'),
                        (SELECT count(*) FROM credit_purchases WHERE status = 'PENDING'),
                        (SELECT count(*) FROM gateway_events WHERE handled_at IS NULL)"""
    assert tuple(one_row(shop, waiting)) == (0, 0, 0, 0, 0, 0)


def assert_paid_once(shop, bank, booked) -> None:
    """The bank and we agree: one order, paid, one confirmed booking."""
    assert shop.standing(booked) == CONFIRMED
    assert confirmations(shop, booked) == 1
    assert [key for key in bank.orders if key == booked.order_id] == [booked.order_id]
    assert_nothing_waits(shop)


def assert_pool_holds(shop, purchases: int) -> None:
    """Each paid purchase is in the pool once, with one invoice."""
    assert pool_of(shop) == (CREDITS * purchases, CREDITS * purchases)
    assert_chained(shop)
    counted = """SELECT (SELECT count(*) FROM credit_ledger), (SELECT count(*) FROM invoices WHERE purpose = 'PURCHASE'),
                        (SELECT count(*) FROM credit_purchases WHERE status = 'PROCESSED')"""
    assert tuple(one_row(shop, counted)) == (purchases, purchases, purchases)
    assert_nothing_waits(shop)
