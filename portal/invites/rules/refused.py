"""The rows that weren't taken, as a file to mend and upload again."""

import csv
import io
from collections.abc import Iterable

from portal.invites.rules.cells import guarded
from portal.invites.rules.headers import ADDED
from portal.invites.rules.judge import Judged, Verdict
from portal.invites.rules.table import Table


def refused_csv(table: Table, judged: Iterable[Judged]) -> bytes:
    """The rows that aren't NEW: their original columns in the original order, then line, error_code and error_reason.

    UTF-8 with BOM, commas, CRLF (RFC 4180). A cell that a spreadsheet would run as a formula gets an apostrophe, which
    is taken away again from addresses, names and roles when the file comes back.
    """
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(map(guarded, (*table.columns, *ADDED)))
    for row in judged:
        if row.verdict is not Verdict.NEW:
            writer.writerow(map(guarded, (*row.cells, str(row.line), row.verdict.value, row.message)))
    return text.getvalue().encode("utf-8-sig")
