"""Sessions that were booked before there were earnings get those that they would have got."""

from flask_migrate import downgrade, upgrade

from portal import db
from portal.billing import queries as billing
from portal.bookings.rules import PlanType
from tests.support.hosting import make_house
from tests.support.paying import rows


def known(app):
    """Every earning and what refunds took of it, without the ids."""
    statement = """SELECT e.payment_id, e.party, e.consultant_id, e.organization_id, e.title, e.gross_amount, e.platform_fee, e.share,
                          e.reversed_amount, e.hold_until, e.created_at, e.status,
                          (SELECT array_agg((r.refund_id, r.amount) ORDER BY r.refund_id)::text FROM earning_reversals r
                           WHERE r.earning_id = e.id)
                   FROM earnings e ORDER BY e.payment_id"""
    return rows(app, statement)


def test_earlier_sessions_are_shared_out_as_they_would_be_today(app, rung, provider_orgs):
    house = make_house(app, rung)
    expert = house.consultant("ravi", hosted=False)
    learner = house.learner(of=house.buyer())
    prices = ((99_999, "WEBINAR"), (100_001, "SUBSCRIPTION"), (100, "CLASS"), (12_345, "CONSULTATION"))
    plans = [house.sell(expert, price=price, kind=PlanType(kind)) for price, kind in prices]
    booked = [house.book(plan, learner, on=house.buyer()) for plan in plans]
    for which, amount in ((0, 33_333), (0, 1), (0, 2), (1, 7), (1, 99_994), (3, 5), (3, 5), (3, 1)):
        assert house.refund(booked[which], amount).status_code == 200
    before = known(app)
    assert len(before) == 4
    with app.app_context():
        directory = str(app.config["MIGRATIONS"])
        db.session.remove()
        downgrade(directory=directory, revision="0010-1")
        upgrade(directory=directory)
        db.database.engine.dispose()  # what connections have prepared is about tables that are gone
        assert known(app) == before
        assert list(billing.differences()) == []


def test_the_lock_of_the_migrations_ends_with_them(app):
    """One that stayed with a pooled connection made the next run of the same process wait for ever."""
    with app.app_context():
        upgrade(directory=str(app.config["MIGRATIONS"]))
        assert rows(app, "SELECT pid FROM pg_locks WHERE locktype = 'advisory'") == []
