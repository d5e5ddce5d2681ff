"""The jobs that keep the portal going."""

from portal.db import Json
from portal.operations import service
from portal.web.idempotency import forget_old_answers


def sweep() -> Json:
    """Rings again for rows that were left behind; forgets old answers to calls that may be tried again, and old notes of runs."""
    forget_old_answers()
    service.forget_old_runs()
    return service.sweep()
