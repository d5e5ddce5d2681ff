"""``monthly-run-crash``: 1 000 organizations with 100 000 payments; twenty times one of the processes at work is killed by ``SIGKILL``.

It is one of the two workers or, one time in five, PostgreSQL's own process behind a worker, which makes the whole server recover. A worker
that ended is replaced at once. Batches are small, so that there are many moments to be killed at. In the end the documents have to be
those of a run that nobody disturbed, numbered without a gap, and every sum has to be as it must be.
"""

import itertools
import json
import os
import random
import select
import signal
import subprocess
import sys
import time

import psycopg
from flask_migrate import upgrade
from sqlalchemy import text

from portal import clock, db, demo, jobs
from portal.app import create_app
from portal.billing import queries
from portal.billing.service import runs
from portal.demo import Size
from tests.benchmarks.monthly_run import NOW, WORKERS, bench_home
from tests.benchmarks.result import Result

SIZE = Size(organizations=1_000, payments=100_000, learners=5_000)
KILLS = 20
BATCH = 20
LONGEST_LIFE_SECONDS = 0.4
PREPARE, WORK, CHECK = "prepare", "work", "check"
_names = itertools.count(1)

# What a document says, but for ids, numbers and instants: those differ from run to run.
_DOCUMENTS = """
SELECT count(DISTINCT i.id), count(*), md5(string_agg(concat_ws('|', o.slug, i.taxable_amount, i.cgst, i.sgst, i.igst, i.amount,
    i.billing_cycle_start, i.billing_cycle_end, i.due_date, i.place_of_supply, i.recipient, l.position, l.payment_id, l.description,
    l.taxable_amount, l.session_date), E'\n' ORDER BY o.slug, l.position))
FROM invoices i JOIN organizations o ON o.id = i.organization_id JOIN invoice_lines l ON l.invoice_id = i.id WHERE i.status = 'SENT'
"""


def measure() -> list[Result]:
    """What is off after the kills: none may be."""
    with bench_home() as environment:
        _ask(PREPARE, environment)
        _ask(WORK, environment)
        undisturbed = json.loads(_ask(CHECK, environment))
    with bench_home() as environment:
        _ask(PREPARE, environment)
        kills = _kill_at_random(environment, random.Random(20_261_201))  # noqa: S311 - moments to be killed at, the same ones in each run
        _ask(WORK, environment)
        disturbed = json.loads(_ask(CHECK, environment))
    differing = int(disturbed["documents"] != undisturbed["documents"])
    return [
        Result("monthly-run-crash: kills that it was given", -kills, "kills", target=-KILLS),
        Result("monthly-run-crash: documents unlike the undisturbed ones", differing, "", target=0),
        Result("monthly-run-crash: payments forgotten", disturbed["unbilled"], "", target=0),
        Result("monthly-run-crash: numbers left out", disturbed["gaps"], "", target=0),
        Result("monthly-run-crash: sums that are off", disturbed["differences"], "", target=0),
    ]


class _Worker:
    """A process of its own, known to PostgreSQL by a name."""

    def __init__(self, environment: dict[str, str], word: str = WORK) -> None:
        self.name = f"bench-{next(_names)}"
        self._server = environment["DATABASE_URL"].replace("+psycopg", "")
        named = {**environment, "DATABASE_URL": f"{environment['DATABASE_URL']}&application_name={self.name}"}
        command = [sys.executable, "-m", "tests.benchmarks.monthly_run_crash", word]
        # What a worker says while it is killed over and over is of no use to anybody.
        quiet = subprocess.DEVNULL if word == WORK else None
        self.process = subprocess.Popen(command, env=named, stdout=subprocess.PIPE, stderr=quiet, text=True)

    def is_at_work(self) -> bool:
        """Whether it has loaded everything and has begun, and hasn't ended."""
        readable, _writable, _failed = select.select([self.process.stdout], [], [], 0)
        return bool(readable) and self.process.poll() is None

    def backend(self) -> int | None:
        """The process of PostgreSQL that serves it; None when there is none, or the server is recovering."""
        try:
            with psycopg.connect(self._server) as connection:
                found = connection.execute("SELECT pid FROM pg_stat_activity WHERE application_name = %s", [self.name]).fetchone()
        except psycopg.OperationalError:
            return None
        return int(found[0]) if found else None


def _kill_at_random(environment: dict[str, str], chance: random.Random) -> int:
    """Kills until it was done often enough; returns how often a process that was at work died. A run that is done ends it earlier."""
    kills, workers = 0, [_Worker(environment) for _each in range(WORKERS)]
    while kills < KILLS and not _is_done(environment):
        worker = chance.choice(workers)
        if worker.is_at_work():
            time.sleep(chance.uniform(0, LONGEST_LIFE_SECONDS))
            victim = worker.backend() if chance.random() < 1 / 5 else worker.process.pid
            if victim is not None and worker.process.poll() is None:
                os.kill(victim, signal.SIGKILL)
                kills += 1
                time.sleep(0.05)
        workers = [worker if worker.process.poll() is None else _Worker(environment) for worker in workers]
        time.sleep(0.01)
    for worker in workers:
        worker.process.kill()
        worker.process.wait()
    return kills


def _is_done(environment: dict[str, str]) -> bool:
    try:
        with psycopg.connect(environment["DATABASE_URL"].replace("+psycopg", "")) as connection:
            return bool(connection.execute("SELECT count(*) FROM billing_runs WHERE status = 'DONE'").fetchone()[0])
    except psycopg.OperationalError:
        return False


def _ask(word: str, environment: dict[str, str]) -> str:
    """Has a process do its part to the end, and returns what it said last."""
    asked = _Worker(environment, word).process
    out, _err = asked.communicate()
    assert asked.returncode == 0, word
    return out.splitlines()[-1]


def _prepare() -> None:
    with clock.as_of(clock.parse_instant(NOW)), db.unit_of_work():
        demo.synthesize(SIZE, seed=1)


def _work() -> None:
    runs.BATCH = BATCH
    print("at work", flush=True)  # noqa: T201 - for the parent
    jobs.run("billing-monthly-run", as_of=NOW)


def _check() -> dict[str, object]:
    documents = list(db.session.execute(text(_DOCUMENTS)).one())
    unbilled = "SELECT count(*) FROM payments WHERE billable_to_org_invoice_id IS NULL AND settled_at IS NULL"
    gaps = "SELECT (SELECT sum(last_number) FROM document_series) - (SELECT count(DISTINCT number) FROM invoices)"
    found = {name: int(db.session.scalar(text(statement)) or 0) for name, statement in {"unbilled": unbilled, "gaps": gaps}.items()}
    return {**found, "documents": documents, "differences": len(queries.differences())}


def _main(word: str) -> object:
    app = create_app()
    with app.app_context():
        if word == PREPARE:
            upgrade(directory=app.config["MIGRATIONS"])
        return {PREPARE: _prepare, WORK: _work, CHECK: _check}[word]()


if __name__ == "__main__":
    print(json.dumps(_main(sys.argv[1])))  # noqa: T201 - for the parent
