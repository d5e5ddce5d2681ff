"""The real signal in a real worker, which a lock of ours holds in the middle of its job: another worker's sweep finishes the work."""

import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from datetime import timedelta

import psutil
import pytest
from sqlalchemy import text

from portal import clock, db, queue
from tests.support import world
from tests.support.dying import (
    CONFIRMED,
    CREDITS,
    LATE,
    PRICE,
    RELEASED,
    assert_pool_holds,
    confirmations,
    event_row,
    order_row,
    run,
)
from tests.support.paying import make_shop, rows, set_mode
from tests.support.portal_process import OURS, TOP


@pytest.fixture
def shop(rung, app):
    return make_shop(app, rung, price=PRICE)


@pytest.fixture
def staff(shop):
    with shop.app.app_context():
        user = world.make_user("staff@portal.test", role=world.PlatformRole.STAFF)
    return world.sign_in(shop.app.test_client(), user)


@pytest.fixture
def owner(shop):
    with shop.app.app_context():
        set_mode(shop.company.organization.id, "SEAT_PACK")
    return world.sign_in(shop.app.test_client(), shop.company.owner)


@pytest.fixture
def start_worker(servers, settings, tmp_path):
    """Starts real workers on the tests' own databases; kills those that are left."""
    environment = {name: value for name, value in os.environ.items() if name not in OURS} | {
        "DATABASE_URL": servers["DATABASE_URL"],
        "REDIS_URL": servers["REDIS_URL"],
        "SECRET_KEY": settings.secret_key,
        "DATA_ENCRYPTION_KEYS": settings.data_encryption_keys,
        "PORTAL_HOME": str(tmp_path),
    }
    started = []

    def start():
        with (tmp_path / "worker.log").open("ab") as log:
            command = [sys.executable, "-m", "flask", "--app", "wsgi", "jobs", "worker", "default"]
            started.append(subprocess.Popen(command, cwd=TOP, env=environment, stdout=log, stderr=log))
        return started[-1]

    yield start
    for process in started:
        kill(process)


def kill(process) -> None:
    """Kills a worker and its work-horse at once, as a power cut would."""
    if process.poll() is None:
        for member in [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]:
            member.send_signal(signal.SIGKILL)
        process.wait()


def until(holds, what: str, *, seconds: float = 60) -> None:
    """Waits until something holds."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, f"waited {seconds} s for {what}"
        time.sleep(0.05)


@contextmanager
def holding(shop, statement: str, **values):
    """Locks rows, so that whoever needs them waits."""
    with shop.app.app_context(), db.database.engine.connect() as connection, connection.begin():
        assert connection.execute(text(statement), values).one()
        yield


def is_waiting(shop) -> bool:
    return bool(shop.count("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"))


def killed_while_waiting(shop, start_worker, lock: str, values: dict, *ring: str, after=timedelta()) -> None:
    """A worker takes a job, comes to the row that we hold, and is killed there; its queue is lost with it."""
    shop.bells.clear()
    worker = start_worker()
    with holding(shop, lock, **values):
        queue.ring(*ring, as_of=(clock.now() + after).isoformat() if after else None)
        until(lambda: is_waiting(shop), "the worker to come to our lock")
        kill(worker)
        queue.connection().flushall()
    until(lambda: not is_waiting(shop), "the dead worker's connection to end")


def swept_by_another(start_worker, *, holds, after=timedelta()) -> None:
    """A new worker on an empty queue sweeps, minute by minute, until something holds."""
    worker = start_worker()
    for minutes in range(3, 18, 3):
        queue.ring("sweep", as_of=(clock.now() + after + timedelta(minutes=minutes)).isoformat())
        end = time.monotonic() + 15
        while time.monotonic() < end and not holds():
            time.sleep(0.1)
        if holds():
            break
    time.sleep(0.5)
    kill(worker)
    assert holds()


def test_kill_9_after_the_provider_answered_about_credits(shop, owner, start_worker):
    url = f"/api/organizations/{shop.company.organization.id}/credits/purchase"
    order_id = owner.post(url, json={"amount": CREDITS}, headers=world.csrf(owner)).json["purchase"]["gateway"]["orderId"]
    shop.on_page(order_id, "succeeded")
    event_id = event_row(shop, order_id)
    lock = "SELECT 1 FROM credit_purchases FOR UPDATE"
    killed_while_waiting(shop, start_worker, lock, {}, "billing-handle-event", event_id)
    assert rows(shop.app, "SELECT balance FROM credit_pools") == []
    statement = "SELECT count(*) FROM gateway_events WHERE handled_at IS NULL"
    swept_by_another(start_worker, holds=lambda: shop.count(statement) == 0)
    assert_pool_holds(shop, 1)


def test_kill_9_after_the_provider_gave_the_money_back(shop, staff, start_worker):
    booked = shop.booked()
    shop.on_page(booked.order_id, "succeeded")
    shop.work()
    refund_id = shop.refund(booked.payment_id, client=staff).json["refund"]["id"]
    lock = "SELECT 1 FROM payments WHERE id = :id FOR UPDATE"
    killed_while_waiting(shop, start_worker, lock, {"id": booked.payment_id}, "billing-move-refund", refund_id)
    assert rows(shop.app, "SELECT amount FROM sandbox_refunds") == [(PRICE,)]
    assert rows(shop.app, "SELECT status FROM refunds") == [("PENDING",)]
    swept_by_another(start_worker, holds=lambda: shop.count("SELECT count(*) FROM refunds WHERE status = 'SUCCEEDED'") == 1)
    assert rows(shop.app, "SELECT key, amount, status FROM sandbox_refunds") == [(refund_id, PRICE, "SUCCEEDED")]
    assert rows(shop.app, "SELECT claimed_amount, refunded_amount FROM payments") == [(PRICE, PRICE)]


def test_kill_9_while_a_payment_is_settled(shop, start_worker):
    booked = shop.booked()
    shop.on_page(booked.order_id, "succeeded")
    run(shop, "billing-ask-order", order_row(shop, booked.payment_id))
    lock = "SELECT 1 FROM bookings WHERE id = :id FOR UPDATE"
    killed_while_waiting(shop, start_worker, lock, {"id": booked.booking_id}, "bookings-settle-payment", booked.payment_id)
    assert shop.standing(booked) == ("HELD", "PENDING", "PAID")
    swept_by_another(start_worker, holds=lambda: shop.standing(booked) == CONFIRMED)
    assert confirmations(shop, booked) == 1


def test_kill_9_between_two_unpaid_slots(shop, start_worker):
    first, second = shop.booked(hours=24), shop.booked(hours=26)
    lock = "SELECT 1 FROM gateway_orders WHERE payment_id = :id FOR UPDATE"
    killed_while_waiting(shop, start_worker, lock, {"id": second.payment_id}, "bookings-release-unpaid", after=LATE)
    statuses = "SELECT status FROM sandbox_orders"
    assert rows(shop.app, statuses) == [("EXPIRED",)] * 2
    assert (shop.standing(first)[2], shop.standing(second)[2]) == ("EXPIRED", "OPEN")
    both = (first, second)
    swept_by_another(start_worker, holds=lambda: all(shop.standing(booked) == RELEASED for booked in both), after=LATE)
