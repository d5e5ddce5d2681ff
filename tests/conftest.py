"""What every test may ask for: one set of servers a run, an app on a database of its own, and a client that lints."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from argon2 import PasswordHasher
from flask_migrate import upgrade

from portal import config, local, queue
from portal import db as database
from portal.accounts import service as accounts
from portal.app import create_app
from portal.config import Settings
from portal.gateways import dns
from tests.support.tables import empty
from tests.support.zone import Zone


@pytest.fixture(scope="session")
def servers(tmp_path_factory):
    """PostgreSQL and Valkey of this run, with a migrated database."""
    home = tmp_path_factory.mktemp("home")
    with local.services(home, for_tests=True) as addresses:
        yield {**addresses, "PORTAL_HOME": str(home)}


@pytest.fixture(scope="session", autouse=True)
def _quick_passwords():
    """argon2id as in production, with the smallest cost: hundreds of made-up people sign in."""
    accounts._hasher = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


@pytest.fixture(scope="session")
def settings(servers, tmp_path_factory):
    """The settings of the tests' app."""
    files = tmp_path_factory.mktemp("outside")
    return Settings(
        _env_file=None,
        database_url=servers["DATABASE_URL"],
        redis_url=servers["REDIS_URL"],
        portal_home=Path(files),
        secret_key="a secret of the tests, thirty-two characters or more",
        data_encryption_keys="k1:" + "ab" * 32,
        base_url="http://localhost",
        rate_limits="off",
    )


@pytest.fixture(scope="session")
def app(settings):
    """The app, on a migrated database."""
    for name in ("DATABASE_URL", "REDIS_URL"):
        os.environ.pop(name, None)
    app = create_app(settings)
    dns.connect(Zone())
    with app.app_context():
        upgrade(directory=str(app.config["MIGRATIONS"]))
    yield app
    with app.app_context():
        database.database.engine.dispose()
    queue.connection().close()


@pytest.fixture
def tables(app):
    """An empty database; what a test leaves is swept before the next one begins."""
    empty(app)
    return app


@pytest.fixture
def rung(tables):
    """The jobs that the test rang, in place of a worker; ``work_off`` runs them."""
    with queue.rung_here() as bells:
        yield bells


@pytest.fixture
def provider_orgs(settings, app):
    """``ENABLE_PROVIDER_ORGS`` is on during the test."""
    config.use(settings.model_copy(update={"enable_provider_orgs": True}))
    yield
    config.use(settings)
