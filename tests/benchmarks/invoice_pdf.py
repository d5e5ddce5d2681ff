"""``invoice-pdf``: invoices of 40 lines on two pages, on two processes; the floor is WeasyPrint as its manual shows it, in one process.

The floor sets the same HTML, tables as one writes them: columns that find their own width, collapsed hairlines. A second row takes our
stylesheet for both, so that what is left is how WeasyPrint is run. Ours also does what the floor doesn't: tags and PDF/A.
"""

import gc
import multiprocessing
import resource
import time
from collections.abc import Callable
from itertools import count

from weasyprint import CSS, HTML

from portal.gateways.pdf import render_pdf, warm
from portal.gateways.rendering import TEMPLATES
from tests.benchmarks.result import Result
from tests.support import paper

DOCUMENTS = 200
OF_THE_FLOOR = 10
PROCESSES = 2
LINES = 40
A_JOB = 20
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
    return [
        Result("invoice-pdf: a document, on two processes", ours, "s", target=0.28, floor=sum(floors) / 2),
        Result("invoice-pdf: the same beside our stylesheet run plainly", ours, "s", target=0.6, floor=sum(plain) / 2),
        Result("invoice-pdf: memory of a process", peak, "MB", target=200),
    ]


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
        render_pdf(paper.html(document), title=f"Invoice {document.number}")
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
