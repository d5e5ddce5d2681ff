"""Made-up data in bulk is data like any other: its sums are right, and a run bills all of it."""

import pytest
from sqlalchemy import text

from portal import clock, config, db, demo
from portal.billing import queries
from portal.billing.service import runs
from portal.demo import Size
from portal.errors import Conflict, Invalid

DECEMBER = clock.parse_instant("2026-12-01T00:00:00Z")
SMALL = Size(organizations=12, payments=600, learners=30)


def synthesize(size=SMALL, *, seed=1):
    with clock.as_of(DECEMBER), db.unit_of_work():
        return demo.synthesize(size, seed=seed)


def value(statement: str):
    return db.session.scalar(text(statement))


def forget() -> None:
    with db.unit_of_work():
        db.session.execute(text("SET LOCAL session_replication_role = replica"))
        db.session.execute(text("TRUNCATE users, consultants, organizations, memberships, plans, payments, refunds, bookings CASCADE"))


@pytest.fixture
def here(rung, app):
    with app.app_context():
        yield rung


def test_it_makes_what_was_asked_for_and_every_sum_is_right(here):
    lines = synthesize()
    assert any("owner1@synth1.example to owner12@synth1.example" in line for line in lines)
    assert value("SELECT count(*) FROM organizations WHERE status = 'ACTIVE'") == 12
    assert value("SELECT count(*) FROM memberships WHERE role = 'ORG_LEARNER'") == 30
    assert value("SELECT count(*) FROM payments") == value("SELECT count(*) FROM bookings") == 600
    assert value("SELECT count(*) FROM refunds") > 0
    strangers = """SELECT count(*) FROM payments p WHERE NOT EXISTS
                   (SELECT FROM memberships m WHERE m.organization_id = p.organization_id AND m.user_id = p.payer_id)"""
    assert value(strangers) == 0
    assert queries.differences() == []


def test_a_run_bills_all_of_it(here):
    synthesize()
    with clock.as_of(DECEMBER), db.unit_of_work():
        summary = runs.run_month()
    assert (summary["failed"], summary["done"], summary["invoices"]) == ([], True, 12)
    assert value("SELECT count(*) FROM payments WHERE billable_to_org_invoice_id IS NULL AND settled_at IS NULL") == 0
    assert queries.differences() == []


def test_one_seed_makes_the_same_rows_and_another_one_others(here):
    rows = "SELECT md5(string_agg(p::text, '' ORDER BY p.id)) FROM (SELECT id, amount, learner_name, session_starts_at FROM payments) p"
    synthesize()
    first = value(rows)
    db.session.rollback()
    forget()
    synthesize(seed=2)
    second = value(rows)
    forget()
    synthesize()
    assert value(rows) == first != second


def test_a_seed_is_used_once_a_database_and_others_stand_beside_it(here):
    synthesize()
    with pytest.raises(Conflict) as refusal:
        synthesize()
    assert refusal.value.code == "SEED_USED"
    db.session.rollback()
    synthesize(seed=2)
    assert value("SELECT count(*) FROM organizations") == 24


@pytest.mark.parametrize("size", [Size(0, 1, 1), Size(1, 0, 1), Size(1, 1, 0)])
def test_nothing_is_made_of_nothing(here, size):
    with pytest.raises(Invalid):
        synthesize(size)
    db.session.rollback()
    assert value("SELECT count(*) FROM users") == 0


def test_fewer_learners_than_organizations_book_for_several(here):
    synthesize(Size(organizations=5, payments=50, learners=2))
    assert value("SELECT count(*) FROM payments") == 50
    assert queries.differences() == []


def test_production_has_no_made_up_people(here, settings):
    config.use(settings.model_copy(update={"portal_env": "production"}))
    try:
        with pytest.raises(Invalid, match="no place in production"):
            synthesize()
    finally:
        config.use(settings)
