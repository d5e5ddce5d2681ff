"""The rules of invitations: reading what HR systems export, and judging each row of it."""

from portal.invites.rules.addresses import comparable, parse_address
from portal.invites.rules.columns import Mapping, header_fingerprint, propose_mapping
from portal.invites.rules.dialect import DELIMITERS, Row
from portal.invites.rules.entries import entries_from_text
from portal.invites.rules.judge import IS_INVITED, Judged, Verdict, counts, invited_as, judge, unknown_roles
from portal.invites.rules.limits import MOST_BYTES, MOST_CELL_BYTES, MOST_COLUMNS, MOST_ROWS
from portal.invites.rules.refused import refused_csv
from portal.invites.rules.states import ImportStatus, InvitationStatus
from portal.invites.rules.table import NO_HEADER, Table, read_table
from portal.invites.rules.text import ENCODINGS

__all__ = [
    "DELIMITERS",
    "ENCODINGS",
    "IS_INVITED",
    "MOST_BYTES",
    "MOST_CELL_BYTES",
    "MOST_COLUMNS",
    "MOST_ROWS",
    "NO_HEADER",
    "ImportStatus",
    "InvitationStatus",
    "Judged",
    "Mapping",
    "Row",
    "Table",
    "Verdict",
    "comparable",
    "counts",
    "entries_from_text",
    "header_fingerprint",
    "invited_as",
    "judge",
    "parse_address",
    "propose_mapping",
    "read_table",
    "refused_csv",
    "unknown_roles",
]
