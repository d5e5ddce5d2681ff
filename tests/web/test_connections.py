"""A request has one connection to the database at a time: many at once must not wait for each other."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import event

from portal import db
from tests.support import world

AT_ONCE = 16


@pytest.fixture
def held(app):
    """How many connections were checked out at the same time, at most."""
    counts = {"now": 0, "most": 0}

    def taken(*_args):
        counts["now"] += 1
        counts["most"] = max(counts["most"], counts["now"])

    def given_back(*_args):
        counts["now"] -= 1

    with app.app_context():
        pool = db.database.engine.pool
    event.listen(pool, "checkout", taken)
    event.listen(pool, "checkin", given_back)
    yield counts
    event.remove(pool, "checkout", taken)
    event.remove(pool, "checkin", given_back)


def test_a_page_of_many_statements_takes_one_connection(rung, app, held):
    with app.app_context():
        company = world.make_company()
    client = world.sign_in(app.test_client(), company.owner)
    held["most"] = held["now"]
    before = held["now"]
    for page in ("home", "members", "billing", "invitations"):
        assert client.get(f"/orgs/{company.organization.slug}/{page}").status_code == 200
    assert held["most"] == before + 1


def test_sixteen_people_look_at_pages_at_once(rung, app):
    with app.app_context():
        company = world.make_company()
    clients = [world.sign_in(app.test_client(), company.owner) for _each in range(AT_ONCE)]
    with ThreadPoolExecutor(AT_ONCE) as threads:
        answers = list(threads.map(lambda client: client.get(f"/orgs/{company.organization.slug}/home").status_code, clients))
    assert answers == [200] * AT_ONCE
