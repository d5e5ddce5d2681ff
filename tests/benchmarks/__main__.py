"""``python -m tests.benchmarks [names]``: each benchmark with its floor in the same run, and one table of all.

They are measured by hand on a machine that does nothing else, and never in CI: what counts is the ratio.
"""

import argparse
import sys

from tests.benchmarks import checkout, csv_import, invoice_pdf, monthly_run, monthly_run_crash, pages, sso_signin
from tests.benchmarks.result import Result, table

BENCHMARKS = {
    "csv-import": csv_import.measure,
    "checkout": checkout.measure,
    "invoice-pdf": invoice_pdf.measure,
    "monthly-run": monthly_run.measure,
    "monthly-run-crash": monthly_run_crash.measure,
    "pages": pages.measure,
    "sso-signin": sso_signin.measure,
}


def main() -> int:
    """Runs what was asked for, or all; 1 when a target is missed."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description="The portal's benchmarks.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(BENCHMARKS))
    names = parser.parse_args().names or list(BENCHMARKS)
    results: list[Result] = []
    for name in names:
        results += BENCHMARKS[name]()
    print(table(results))  # noqa: T201 - it speaks to a terminal
    return 0 if all(result.is_met for result in results) else 1


if __name__ == "__main__":
    sys.exit(main())
