"""Reading how the portal is."""

from portal.operations.queries.outbox import OUTBOX, Waiting, failed_mails, outbox
from portal.operations.queries.runs import last_runs, last_successes, reconciled

__all__ = ["OUTBOX", "Waiting", "failed_mails", "last_runs", "last_successes", "outbox", "reconciled"]
