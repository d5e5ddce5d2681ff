"""Jobs of the wizard."""

from portal.db import Json
from portal.setup import service


def clean_stale_drafts() -> Json:
    """Gives up drafts that nobody goes on with, and deletes their files."""
    return service.clean_stale_drafts()
