"""A GET reads through one connection, which can't write."""

import pytest
from sqlalchemy import event, text
from sqlalchemy.exc import InternalError

from portal import db
from tests.support import world


@pytest.fixture
def taken(rung, app):
    """Connections as they are taken from the pool."""
    found = []

    def note(connection, *_others):
        found.append(connection)

    with app.app_context():
        pool = db.database.engine.pool
    event.listen(pool, "checkout", note)
    yield found
    event.remove(pool, "checkout", note)


@pytest.mark.parametrize("page", ["home", "members", "billing", "settings"])
def test_a_page_takes_one_connection_from_the_pool_however_many_statements_it_needs(app, taken, page):
    with app.app_context():
        company = world.make_company()
    client = world.sign_in(app.test_client(), company.owner)
    taken.clear()
    assert client.get(f"/orgs/{company.organization.slug}/{page}").status_code == 200
    assert len(taken) == 1


def test_what_reads_cannot_write(app, taken):
    with app.app_context():
        db.read_only()
        for _time in range(2):
            with pytest.raises(InternalError, match="read-only transaction"):
                db.session.execute(text("UPDATE users SET name = name"))
            db.session.rollback()
        assert db.session.scalar(text("SELECT 1")) == 1
