"""The nightly proof of the sums."""

from dataclasses import asdict

import structlog

from portal.billing import queries
from portal.db import Json

log = structlog.get_logger()

MOST_NAMED = 50


def reconcile() -> Json:
    """Computes every sum again; what is off is logged as an error, which alarms, and stands in the job's summary."""
    found = queries.differences()
    for off in found[:MOST_NAMED]:
        log.error("billing.off", **asdict(off))
    return {"done": not found, "differences": len(found), "failed": [asdict(off) for off in found[:MOST_NAMED]]}
