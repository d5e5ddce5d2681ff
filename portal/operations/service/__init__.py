"""What keeps the portal going: the sweep, the record of job runs, jobs run by hand, new keys, logs and figures."""

from portal.operations.service.board import Board, JobRow, board, job_rows
from portal.operations.service.restoring import missing_parts
from portal.operations.service.rotation import Encrypted, Rotated, keys_in_use, rotate
from portal.operations.service.runs import begin_run, end_run, forget_old_runs, retry_failed, run_by_hand
from portal.operations.service.sweeping import sweep

__all__ = [
    "Board",
    "Encrypted",
    "JobRow",
    "Rotated",
    "begin_run",
    "board",
    "end_run",
    "forget_old_runs",
    "job_rows",
    "keys_in_use",
    "missing_parts",
    "retry_failed",
    "rotate",
    "run_by_hand",
    "sweep",
]
