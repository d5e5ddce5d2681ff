"""The entry point of gunicorn and of the ``flask`` command."""

import sys

from portal import local
from portal.app import create_app
from portal.config import ConfigurationError

try:
    local.join()
    app = create_app()
except (ConfigurationError, local.CannotStart) as error:
    sys.exit(str(error))
