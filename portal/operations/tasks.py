"""The jobs that keep the portal going."""

from portal.db import Json
from portal.operations import service


def sweep() -> Json:
    """Rings again for rows that were left behind."""
    return service.sweep()
