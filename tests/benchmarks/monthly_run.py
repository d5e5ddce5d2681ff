"""``monthly-run``: 10 000 organizations with 1 000 000 payments are billed by two workers, with the full schema.

The floor is one bare SQL transaction over the same payments in tables of its own: it sums them up into invoices, inserts a line for each
with its foreign keys, and points the payments back at their invoices. It has no tax, snapshots, mails, audit log, balances or guards.
Floor and run are timed on the same server, which waits for its disk as it does in production; a second run follows, which has to
write nothing.
``monthly-run: growth`` compares the seconds a payment takes at a hundredth of the size with those at the whole.
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from flask_migrate import upgrade
from sqlalchemy import text

from portal import clock, db, demo, jobs, local
from portal.app import create_app
from portal.billing import queries
from portal.demo import Size
from portal.local import keys
from tests.benchmarks.result import Result

WHOLE = Size(organizations=10_000, payments=1_000_000, learners=50_000)
PART = Size(organizations=100, payments=10_000, learners=500)
WORKERS = 2
NOW = "2026-12-01T00:00:00+00:00"
PREPARE, FLOOR, WORK, CHECK = "prepare", "floor", "work", "check"

_FLOOR_TABLES = """
CREATE SCHEMA floor;
CREATE TABLE floor.organizations AS SELECT id FROM public.organizations;
ALTER TABLE floor.organizations ADD PRIMARY KEY (id);
CREATE TABLE floor.invoices (id uuid PRIMARY KEY, organization_id uuid NOT NULL REFERENCES floor.organizations, number text UNIQUE,
    taxable_amount bigint NOT NULL, amount bigint NOT NULL, created_at timestamptz NOT NULL);
CREATE TABLE floor.payments AS SELECT id, organization_id, amount - refunded_amount AS amount, created_at, learner_name, plan_title,
    NULL::uuid AS invoice_id FROM public.payments;
ALTER TABLE floor.payments ADD PRIMARY KEY (id), ADD FOREIGN KEY (organization_id) REFERENCES floor.organizations,
    ADD FOREIGN KEY (invoice_id) REFERENCES floor.invoices;
CREATE INDEX ON floor.payments (organization_id, created_at);
CREATE TABLE floor.lines (id uuid PRIMARY KEY, invoice_id uuid NOT NULL REFERENCES floor.invoices,
    payment_id uuid NOT NULL UNIQUE REFERENCES floor.payments, position bigint NOT NULL, description text NOT NULL, amount bigint NOT NULL,
    UNIQUE (invoice_id, position));
ANALYZE floor.payments, floor.organizations;
"""
_FLOOR = (
    """INSERT INTO floor.invoices
       SELECT uuidv7(), organization_id, 'F/' || row_number() OVER (), sum(amount), sum(amount) * 118 / 100, now()
       FROM floor.payments WHERE invoice_id IS NULL AND amount > 0 GROUP BY organization_id""",
    """INSERT INTO floor.lines SELECT uuidv7(), i.id, p.id, row_number() OVER (PARTITION BY p.organization_id ORDER BY p.created_at),
              p.plan_title || ': ' || p.learner_name, p.amount
       FROM floor.payments p JOIN floor.invoices i USING (organization_id) WHERE p.amount > 0""",
    "UPDATE floor.payments p SET invoice_id = l.invoice_id FROM floor.lines l WHERE l.payment_id = p.id",
)


def measure() -> list[Result]:
    """Seconds and MB, and seconds a payment at two sizes."""
    part, whole = _rounds(PART), _rounds(WHOLE)
    return [
        Result("monthly-run: 10 000 organizations, 1 000 000 payments", whole["run"], "s", target=2, floor=whole["floor"]),
        Result("monthly-run: memory of a worker", whole["memory"], "MB", target=300),
        Result("monthly-run: a second run", whole["again"], "s", target=0.2, floor=whole["floor"]),
        Result(
            "monthly-run: growth, ms a payment",
            1_000 * whole["run"] / WHOLE.payments,
            "ms",
            target=1.3,
            floor=1_000 * part["run"] / PART.payments,
        ),
    ]


def _rounds(size: Size) -> dict[str, float]:
    with bench_home() as environment:
        _ask(PREPARE, environment, json.dumps([size.organizations, size.payments, size.learners]))
        floor = float(_ask(FLOOR, environment))
        run, first = _timed(environment)
        before = _ask(CHECK, environment)
        again, _second = _timed(environment)
        after = _ask(CHECK, environment)
    billed = json.loads(before)
    assert billed["differences"] == 0, "the sums are off"
    assert billed["unbilled"] == 0, "somebody was forgotten"
    assert (billed["invoices"], billed["lines"]) == (sum(one["invoices"] for one in first), sum(one["payments"] for one in first))
    assert before == after, "the second run wrote something"
    return {"floor": floor, "run": run, "again": again, "memory": max(one["memory"] for one in first)}


@contextmanager
def bench_home() -> Iterator[dict[str, str]]:
    """Servers that wait for the disk, and the environment that leads to them."""
    with tempfile.TemporaryDirectory(prefix="bench-") as home:
        outside = {name: os.environ.pop(name) for name in ("DATABASE_URL", "REDIS_URL") if name in os.environ}
        try:
            with local.services(Path(home)) as addresses:
                yield {**os.environ, **addresses, **keys.made_or_kept(Path(home), {}), "PORTAL_HOME": home}
        finally:
            os.environ.update(outside)


def _start(environment: dict[str, str], *words: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.benchmarks.monthly_run", *words]
    return subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def _ask(word: str, environment: dict[str, str], *more: str) -> str:
    asked = _start(environment, word, *more)
    out, _err = asked.communicate()
    assert asked.returncode == 0, word
    return out.splitlines()[-1]


def _timed(environment: dict[str, str]) -> tuple[float, list[dict[str, float]]]:
    """Seconds until the last of the workers is done, and what each of them says. They are loaded before the clock starts."""
    workers = [_start(environment, WORK) for _each in range(WORKERS)]
    for worker in workers:
        worker.stdout.readline()
    began = time.perf_counter()
    for worker in workers:
        worker.stdin.write("go\n")
        worker.stdin.flush()
    answers = [json.loads(worker.stdout.readline()) for worker in workers]
    took = time.perf_counter() - began
    assert [worker.wait() for worker in workers] == [0] * WORKERS
    return took, answers


def _prepare(size: Size) -> None:
    with clock.as_of(clock.parse_instant(NOW)), db.unit_of_work():
        demo.synthesize(size, seed=1)
    with db.database.engine.begin() as connection:
        connection.execute(text(_FLOOR_TABLES))
    with db.database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        for act in ("VACUUM ANALYZE", "CHECKPOINT"):
            connection.execute(text(act))


def _floor() -> float:
    with db.database.engine.connect() as connection:
        began = time.perf_counter()
        for statement in _FLOOR:
            connection.execute(text(statement))
        connection.commit()
        took = time.perf_counter() - began
    with db.database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("DROP SCHEMA floor CASCADE"))
        connection.execute(text("CHECKPOINT"))
    return took


def _work() -> dict[str, float]:
    db.session.execute(text("SELECT 1"))
    db.session.rollback()
    print("ready", flush=True)  # noqa: T201 - for the parent
    sys.stdin.readline()
    summary = jobs.run("billing-monthly-run", as_of=NOW)
    assert not summary["failed"], summary
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"invoices": summary["invoices"], "payments": summary["payments"], "memory": memory}


def _check() -> dict[str, int]:
    counted = {
        "invoices": "SELECT count(*) FROM invoices WHERE status = 'SENT'",
        "lines": "SELECT count(*) FROM invoice_lines",
        "mails": "SELECT count(*) FROM invoice_mails",
        "audited": "SELECT count(*) FROM audit_rows",
        "unbilled": "SELECT count(*) FROM payments WHERE billable_to_org_invoice_id IS NULL AND settled_at IS NULL",
    }
    found = {name: int(db.session.scalar(text(statement)) or 0) for name, statement in counted.items()}
    return {**found, "differences": len(queries.differences())}


def _main(word: str, *more: str) -> object:
    app = create_app()
    with app.app_context():
        if word == PREPARE:
            upgrade(directory=app.config["MIGRATIONS"])
            return _prepare(Size(*json.loads(more[0])))
        return {FLOOR: _floor, WORK: _work, CHECK: _check}[word]()


if __name__ == "__main__":
    print(json.dumps(_main(*sys.argv[1:])))  # noqa: T201 - for the parent
