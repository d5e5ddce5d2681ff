"""What happens when something is killed: real processes, real signals."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from sqlalchemy import text

from portal import clock, db, queue
from portal.local import postgres
from tests.support import world
from tests.support.portal_process import OURS, TOP, running

ORGANIZATIONS = 1500
RUN_AT = "2026-12-01T00:05:00+00:00"

COPIES = """
INSERT INTO organizations SELECT (jsonb_populate_record(o, jsonb_build_object('id', uuidv7(), 'slug', 'copy-' || n))).*
FROM organizations o, generate_series(1, :copies) n WHERE o.slug = 'acme';
"""
PAYMENTS = """
INSERT INTO payments SELECT (jsonb_populate_record(p, jsonb_build_object('id', uuidv7(), 'organization_id', o.id))).*
FROM payments p, organizations o, generate_series(1, 3) WHERE o.slug LIKE 'copy-%' AND p.organization_id <> o.id;
"""
WHOLE = """
SELECT count(*) FILTER (WHERE invoices.status = 'SENT' AND invoices.number IS NULL) AS unnumbered,
       count(*) FILTER (WHERE invoices.status <> 'SENT') AS unsent,
       count(*) FILTER (WHERE invoices.taxable_amount <> lines.total) AS wrong_sums,
       count(*) AS invoices, count(DISTINCT invoices.organization_id) AS organizations,
       min(invoices.number) AS first, max(invoices.number) AS last
FROM invoices
LEFT JOIN (SELECT invoice_id, sum(taxable_amount) AS total FROM invoice_lines GROUP BY invoice_id) lines ON lines.invoice_id = invoices.id
"""
POINTERS = """
SELECT count(*) FILTER (WHERE payments.billable_to_org_invoice_id IS NULL) AS forgotten,
       count(*) FILTER (WHERE payments.billable_to_org_invoice_id IS DISTINCT FROM invoice_lines.invoice_id) AS astray
FROM payments LEFT JOIN invoice_lines ON invoice_lines.payment_id = payments.id
"""


@pytest.fixture
def start_worker(servers, settings, tmp_path):
    """Starts real workers on the tests' own databases; ends those that are left."""
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
        family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
        for member in family:
            member.send_signal(signal.SIGKILL)
        process.wait()


def ask(statement: str):
    """One row, from a connection of its own."""
    with db.database.engine.connect() as connection:
        return connection.execute(text(statement)).one()


def until(holds, *, seconds: float, every: float = 0.005) -> bool:
    """Whether something came to hold in time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if holds():
            return True
        time.sleep(every)
    return False


def test_a_worker_killed_in_the_middle_of_the_run_leaves_nothing_half_done_and_the_job_ends_after_a_restart(tables, app, start_worker):
    with app.app_context():
        with queue.rung_here(), clock.as_of(clock.parse_instant("2026-11-12T09:00:00Z")):
            company = world.make_company()
            world.book(company, company.owner)
        with db.database.engine.begin() as connection:
            connection.execute(text(COPIES), {"copies": ORGANIZATIONS - 1})
            connection.execute(text(PAYMENTS))
        queue.ring("billing-monthly-run", as_of=RUN_AT)
        worker = start_worker()
        assert until(lambda: ask("SELECT count(*) FROM invoices")[0] > 0, seconds=60), "the run never began"
        kill(worker)
        half = ask(WHOLE)
        assert 0 < half.invoices < ORGANIZATIONS, "it was killed in the middle"
        assert (half.unnumbered, half.unsent, half.wrong_sums) == (0, 0, 0)
        assert ask(POINTERS).astray == 0
        assert half.last == f"PF/26-27/{half.invoices:07}"

        start_worker()
        done = "SELECT count(*) FROM billing_runs WHERE status = 'DONE'"
        assert until(lambda: ask(done)[0] == 1, seconds=170, every=0.5), "the run didn't go on after the restart"
        whole = ask(WHOLE)
        assert (whole.invoices, whole.organizations) == (ORGANIZATIONS, ORGANIZATIONS)
        assert (whole.unnumbered, whole.unsent, whole.wrong_sums) == (0, 0, 0)
        assert (whole.first, whole.last) == ("PF/26-27/0000001", f"PF/26-27/{ORGANIZATIONS:07}")
        assert tuple(ask(POINTERS)) == (0, 0)


def test_without_its_database_the_portal_says_so_and_is_ready_again_by_itself(tmp_path):
    with running(tmp_path) as portal:
        assert portal.get("/readyz") == (200, '{"status":"ready","checks":{"database":"ok","queue":"ok"}}\n')
        folder = Path(portal.home) / "postgres"
        postmaster = int((folder / "postmaster.pid").read_text().splitlines()[0])
        os.kill(postmaster, signal.SIGINT)
        portal.wait_for("/readyz", 503)
        assert '"database":"unreachable"' in portal.get("/readyz")[1]
        assert portal.get("/healthz")[0] == 200
        status, page = portal.get("/organizations/invite/unknown")
        assert (status, "We&#39;ll be right back" in page) == (503, True)
        postgres.start(folder, durable=True)
        portal.wait_for("/readyz", 200)
        assert portal.get("/organizations/invite/unknown")[0] == 404
