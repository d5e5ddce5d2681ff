"""``invoice-pdf``: invoices of 40 lines on two pages, on two processes; the floor is WeasyPrint as its manual shows it, in one process.

The floor sets the same HTML, tables as one writes them: columns that find their own width, collapsed hairlines. A second row takes our
stylesheet for both, so that what is left is how WeasyPrint is run. Ours also does what the floor doesn't: tags, PDF/A and the data files.
Then the same download again and again, over HTTP from the web's own processes; and a thousand documents in one process, to see
whether it grows.
"""

import gc
import json
import multiprocessing
import os
import resource
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPConnection
from itertools import count
from pathlib import Path

from flask_migrate import upgrade
from weasyprint import CSS, HTML

from portal import db, local, queue
from portal.app import create_app
from portal.billing.rules import payment_status
from portal.billing.service import invoices
from portal.billing.service.documents import Sheet, typeset
from portal.gateways.pdf import render_pdf, warm
from portal.gateways.rendering import TEMPLATES
from portal.local import keys
from portal.orgs.rules import Role
from tests.benchmarks.result import Result
from tests.support import paper, world

DOCUMENTS = 200
OF_THE_FLOOR = 10
PROCESSES = 2
LINES = 40
A_JOB = 20
FEW, MANY = 50, 1_000
CONNECTIONS, DOWNLOADS = 4, 60
SHEET = TEMPLATES / "pdf" / "document.css"
AS_ONE_WRITES_IT = """
table { table-layout: auto; border-collapse: collapse }
td { border-bottom: .2mm solid #c9d1dc }
.striped tbody tr:nth-child(even) td { background: none }
"""


def measure() -> list[Result]:
    """Ours between two measurements of the floors, so that a machine that slows down does so for all; seconds a document."""
    warm()
    gc.collect()
    gc.freeze()
    floors, plain = [], []
    pages = [paper.html(_invoice(number)) for number in range(OF_THE_FLOOR)]
    floors.append(_each(lambda at: _naive(pages[at], AS_ONE_WRITES_IT), OF_THE_FLOOR // 2))
    plain.append(_each(lambda at: _naive(pages[at], ""), OF_THE_FLOOR // 2))
    ours, peak = _on_processes()
    floors.append(_each(lambda at: _naive(pages[-at], AS_ONE_WRITES_IT), OF_THE_FLOOR // 2))
    plain.append(_each(lambda at: _naive(pages[-at], ""), OF_THE_FLOOR // 2))
    again, growth = _process("again"), _process("grow")
    return [
        Result("invoice-pdf: a document, on two processes", ours, "s", target=0.28, floor=sum(floors) / 2),
        Result("invoice-pdf: the same beside our stylesheet run plainly", ours, "s", target=0.7, floor=sum(plain) / 2),
        Result("invoice-pdf: memory of a process", peak, "MB", target=200),
        Result("invoice-pdf: a second download, median", again["median"], "ms", target=10),
        Result("invoice-pdf: a second download, 95th percentile", again["p95"], "ms", target=10),
        Result("invoice-pdf: the first download", again["first"], "ms", target=5000),
        Result(
            "invoice-pdf: memory after 1 000 documents, beside that after 50", growth["after"], "MB", target=1.1, floor=growth["before"]
        ),
    ]


def _process(what: str) -> dict[str, float]:
    """Runs a part of the benchmark in a process of its own, with databases of its own."""
    with tempfile.TemporaryDirectory(prefix="bench-") as home, local.services(Path(home), for_tests=True) as addresses:
        environment = {**os.environ, **addresses, **keys.made_or_kept(Path(home), {}), "PORTAL_HOME": home}
        command = [sys.executable, "-m", "tests.benchmarks.invoice_pdf", what]
        done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def _again() -> dict[str, float]:
    """Milliseconds of downloads of an invoice of 40 lines over HTTP, from the web processes as they run: sign-in, gate, database, store.

    The first one makes the file. Of those after it each connection's first is a process's first: it computes the document's key once.
    """
    app = create_app()
    with app.app_context(), queue.rung_here():
        upgrade(directory=app.config["MIGRATIONS"])
        company = world.make_company()
        learner = world.make_user("asha@acme.test")
        world.add_member(company.organization, learner, Role.ORG_LEARNER)
        for hours in range(LINES):
            world.book(company, learner, hours=24 + 2 * hours)
        with db.unit_of_work():
            invoice = invoices.issue_now(company.organization.id, actor=world.as_self(company.owner))
    path = f"/orgs/{company.organization.slug}/billing/invoices/{invoice.id}/pdf"
    cookie = world.sign_in(app.test_client(), company.owner).get_cookie("portal")
    with _web() as port:
        times = [_times(port, path, cookie=f"portal={cookie.value}", downloads=DOWNLOADS) for _connection in range(CONNECTIONS)]
    after = sorted(time for connection in times for time in connection[1:])
    return {"first": times[0][0], "median": statistics.median(after), "p95": after[int(len(after) * 0.95)]}


@contextmanager
def _web() -> Iterator[int]:
    """The web as the Procfile runs it, on a port of its own."""
    with socket.create_server(("127.0.0.1", 0)) as held:
        port = held.getsockname()[1]
    command = next(line for line in Path("Procfile").read_text().splitlines() if line.startswith("web:")).partition(":")[2]
    environment = {**os.environ, "PORT": str(port), "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    web = subprocess.Popen(["bash", "-c", command], env=environment)
    try:
        while web.poll() is None:
            with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                break
            time.sleep(0.1)
        yield port
    finally:
        web.terminate()
        web.wait()


def _times(port: int, path: str, *, cookie: str, downloads: int) -> list[float]:
    """Milliseconds of each of some downloads over one connection, which one process answers."""
    connection, found = HTTPConnection("127.0.0.1", port, timeout=30), []
    for _download in range(downloads):
        began = time.perf_counter()
        connection.request("GET", path, headers={"Cookie": cookie})
        answer = connection.getresponse()
        content = answer.read()
        found.append((time.perf_counter() - began) * 1000)
        assert (answer.status, content[:5]) == (200, b"%PDF-")
    connection.close()
    return found


def _grow() -> dict[str, float]:
    """MB of this process after 50 documents, and after 1 000."""
    warm()
    page = paper.html(paper.document())
    found = {}
    for number in range(1, MANY + 1):
        render_pdf(page, title=f"Invoice {number}")
        if number in {FEW, MANY}:
            found["before" if number == FEW else "after"] = _resident()
    return found


def _resident() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1_000_000


def _invoice(number: int) -> paper.InvoiceDocument:
    lines = [paper.line(at, detail=f"Learner {number}-{at} with Dr. Rohan Mehta") for at in range(1, LINES + 1)]
    return paper.document(lines=lines, number=f"PF/26-27/{number:07d}")


def _naive(html: str, more: str) -> None:
    HTML(string=html, base_url=str(TEMPLATES / "pdf") + "/").write_pdf(stylesheets=[str(SHEET), CSS(string=more)])


def _each(act: Callable[[int], None], times: int) -> float:
    began = time.perf_counter()
    for at in range(times):
        act(at)
    return (time.perf_counter() - began) / times


def _on_processes() -> tuple[float, float]:
    """Seconds a document over all, and the largest process's MB; as the workers do it, each job in a process forked from a warm one."""
    context = multiprocessing.get_context("fork")
    numbers = count()
    began = time.perf_counter()
    with context.Pool(PROCESSES, maxtasksperchild=1) as pool:
        jobs = [[next(numbers) for _document in range(A_JOB)] for _job in range(DOCUMENTS // A_JOB)]
        peaks = pool.map(_job, jobs, chunksize=1)
    return (time.perf_counter() - began) / DOCUMENTS, max(peaks)


def _job(numbers: list[int]) -> float:
    for number in numbers:
        document = _invoice(number)
        due = document.due_date
        status = payment_status(total=document.total, paid=0, credited=0, due=due, today=due)
        typeset(Sheet(document=document, status=status, as_of=due, organization_id="bench", logo_file=None))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    print(json.dumps({"again": _again, "grow": _grow}[sys.argv[1]]()))  # noqa: T201 - for the parent
