"""The jobs that keep the portal going."""

from portal.db import Json
from portal.operations import service
from portal.web.idempotency import forget_old_answers


def sweep() -> Json:
    """Rings again for rows that were left behind, and forgets old answers to calls that may be tried again."""
    forget_old_answers()
    return service.sweep()
