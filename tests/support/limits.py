"""An app with rate limits. What ``create_app`` sets for the whole process is as before afterwards."""

from contextlib import contextmanager

from portal import clock, config, db, queue
from portal.app import create_app
from portal.gateways import dns
from portal.web.security import limiter
from tests.support.zone import Zone


@contextmanager
def limited(settings, app):
    """A second app on the same database and Redis, with limits; the first app has none, before and after."""
    strict = create_app(settings.model_copy(update={"rate_limits": "on"}))
    dns.connect(Zone())
    limiter.reset()
    try:
        yield strict
    finally:
        with strict.app_context():
            db.database.engine.dispose()
        queue.connection().close()
        limiter.enabled = app.config["RATELIMIT_ENABLED"]
        limiter._storage_dead = False
        config.use(settings)
        clock.read_from(settings.clock_file)
