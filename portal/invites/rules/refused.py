"""The rows that weren't taken, as a file to mend and upload again."""

from collections.abc import Iterable

from portal.invites.rules.headers import ADDED
from portal.invites.rules.judge import Judged, Verdict
from portal.invites.rules.table import Table
from portal.sheets import csv_bytes


def refused_csv(table: Table, judged: Iterable[Judged]) -> bytes:
    """The rows that aren't NEW: their original columns in the original order, then line, error_code and error_reason.

    UTF-8 with BOM, commas, CRLF (RFC 4180). A cell that a spreadsheet would run as a formula gets an apostrophe, which
    is taken away again from addresses, names and roles when the file comes back.
    """
    refused = (row for row in judged if row.verdict is not Verdict.NEW)
    return csv_bytes((*table.columns, *ADDED), ((*row.cells, str(row.line), row.verdict.value, row.message) for row in refused))
