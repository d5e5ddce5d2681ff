"""``checkout``: 64 parallel bookings on one credit pool, through the same service that the API calls, exact to the paisa.

The floor is what cannot be left out: the conditional UPDATE of the pool and the inserts of a payment and a ledger row, as bare SQL
over the same connections.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

from flask_migrate import upgrade
from sqlalchemy import text, update

from portal import clock, db, local, queue
from portal.app import create_app
from portal.billing.models import CreditPool
from portal.billing.rules import LedgerReason
from portal.billing.service import credits as pool
from portal.bookings import service as bookings
from portal.bookings.rules import PlanType
from portal.bookings.schemas import CheckoutIn
from portal.local import keys
from portal.orgs.models import Organization
from portal.orgs.rules import BillingMode, Role
from tests.benchmarks.result import Result
from tests.support import world

AT_ONCE = 64
ROUNDS = 12
PRICE = 100_000


def measure() -> list[Result]:
    """Bookings a second, as seconds a booking."""
    with tempfile.TemporaryDirectory(prefix="bench-") as home, local.services(Path(home), for_tests=True) as addresses:
        environment = {**os.environ, **addresses, **keys.made_or_kept(Path(home), {}), "PORTAL_HOME": home}
        done = subprocess.run([sys.executable, "-m", "tests.benchmarks.checkout"], env=environment, stdout=subprocess.PIPE, check=True)
    found = json.loads(done.stdout.splitlines()[-1])
    return [Result("checkout: a booking on a pool of credits", found["ours"], "s", target=4, floor=found["floor"])]


def _bare(organization_id: str, user_id: str) -> None:
    with db.database.engine.begin() as connection:
        change = (
            "UPDATE credit_pools SET balance = balance - :price, entries = entries + 1 WHERE organization_id = :of AND balance >= :price"
        )
        balance, entries = connection.execute(text(f"{change} RETURNING balance, entries"), {"price": PRICE, "of": organization_id}).one()
        payment_id = db.new_id()
        connection.execute(
            text(
                "INSERT INTO payments (id, payer_id, organization_id, amount, original_amount, refunded_amount, claimed_amount, currency, "
                "payment_method, status, created_at, succeeded_at, learner_name, consultant_name, plan_type, plan_title, sac_code, "
                "session_starts_at) VALUES (:id, :payer, :of, :price, :price, 0, 0, 'INR', 'ORG_CREDIT', 'SUCCEEDED', now(), now(), "
                "'A', 'B', 'WEBINAR', 'C', '999293', now())"
            ),
            {"id": payment_id, "payer": user_id, "of": organization_id, "price": PRICE},
        )
        connection.execute(
            text(
                "INSERT INTO credit_ledger (id, organization_id, position, delta, reason, balance_after, payment_id, created_at) "
                "VALUES (:id, :of, :position, -:price, 'booking', :balance, :payment, now())"
            ),
            {
                "id": db.new_id(),
                "of": organization_id,
                "position": entries,
                "price": PRICE,
                "balance": balance,
                "payment": payment_id,
            },
        )


def _timed(act) -> float:
    with ThreadPoolExecutor(AT_ONCE) as threads:
        began = time.perf_counter()
        for answer in [threads.submit(act) for _each in range(AT_ONCE)]:
            answer.result()
        return (time.perf_counter() - began) / AT_ONCE


def _run() -> dict[str, float]:
    app = create_app()
    with app.app_context(), queue.rung_here():
        upgrade(directory=app.config["MIGRATIONS"])
        company = world.make_company()
        learner = world.make_user("asha@acme.test")
        member = world.add_member(company.organization, learner, Role.ORG_LEARNER)
        organization_id, total = company.organization.id, PRICE * AT_ONCE * ROUNDS * 2
        with db.unit_of_work():
            db.session.execute(update(Organization).values(billing_mode=BillingMode.SEAT_PACK))
            pool.move(organization_id, total, reason=LedgerReason.ADJUSTMENT)
        plan = world.make_plan(company.organization, company.owner, price=PRICE, plan_type=PlanType.WEBINAR)
        data = CheckoutIn(
            plan_id=plan.id,
            starts_at=clock.now() + timedelta(days=3),
            organization_id=organization_id,
            consultant_id=company.consultant.id,
        )
        actor = world.as_self(learner)
        user_id, member_id = learner.id, member.id

    def ours() -> None:
        with app.app_context(), queue.rung_here(), db.unit_of_work():
            payer = db.session.get_one(world.User, user_id)
            organization = db.session.get_one(Organization, organization_id)
            bookings.checkout(data, organization=organization, learner=payer, actor=actor)

    def bare() -> None:
        with app.app_context():
            _bare(organization_id, user_id)

    found = {"ours": [], "floor": []}
    for _round in range(ROUNDS):
        found["floor"].append(_timed(bare))
        found["ours"].append(_timed(ours))
    with app.app_context():
        left = db.session.get_one(CreditPool, organization_id)
        assert (left.balance, left.entries, bool(member_id)) == (0, 1 + AT_ONCE * ROUNDS * 2, True), "a rupee is in the wrong place"
    return {name: statistics.median(times) for name, times in found.items()}


if __name__ == "__main__":
    print(json.dumps(_run()))  # noqa: T201 - for the parent
