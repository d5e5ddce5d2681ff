"""Jobs: holds that end, payouts by frequency, keys that are rotated."""

from datetime import UTC, date, datetime, timedelta

import pytest

from portal import clock, config, crypto
from portal.orgs.rules import PayoutFrequency
from portal.providers.rules import next_period, period_start
from portal.providers.service import accounts
from tests.support.hosting import NUMBER, make_house

WEEKLY, BI_WEEKLY, MONTHLY = PayoutFrequency.WEEKLY, PayoutFrequency.BI_WEEKLY, PayoutFrequency.MONTHLY


@pytest.mark.parametrize(
    ("frequency", "today", "start", "following"),
    [
        (WEEKLY, date(2026, 11, 28), date(2026, 11, 23), date(2026, 11, 30)),
        (WEEKLY, date(2026, 11, 30), date(2026, 11, 30), date(2026, 12, 7)),
        (BI_WEEKLY, date(2026, 11, 28), date(2026, 11, 16), date(2026, 11, 30)),
        (BI_WEEKLY, date(2027, 1, 1), date(2026, 12, 28), date(2027, 1, 11)),
        (MONTHLY, date(2026, 11, 28), date(2026, 11, 1), date(2026, 12, 1)),
        (MONTHLY, date(2026, 12, 31), date(2026, 12, 1), date(2027, 1, 1)),
        (MONTHLY, date(2027, 1, 31), date(2027, 1, 1), date(2027, 2, 1)),
    ],
)
def test_periods(frequency, today, start, following):
    assert (period_start(frequency, today), next_period(frequency, today)) == (start, following)


def test_holds_end_one_by_one_and_a_second_run_does_nothing(house):
    house.earned(2_000_000)
    assert house.release(after=timedelta(hours=47))["done"] == 0
    summary = house.release(after=timedelta(hours=48, minutes=1))
    assert summary["job"] == "providers-release-earnings"
    assert summary["done"] == 2
    assert house.release(after=timedelta(hours=49))["done"] == 0


def start_of(frequency, house):
    """The next period's first day, from now on, at noon."""
    today = clock.today(house.organization.time_zone)
    day = next_period(frequency, today)
    return datetime(day.year, day.month, day.day, 6, tzinfo=UTC) - clock.now()


@pytest.mark.parametrize("frequency", list(PayoutFrequency))
def test_a_payout_is_begun_once_a_period(house, frequency):
    house.person("owner").patch(house.url, {"payoutFrequency": frequency.value})
    house.verified_account()
    house.earned(2_000_000)
    house.release()
    assert house.run("providers-batch-payouts")["skipped"] == {"not_due": 1}
    due = start_of(frequency, house)
    first = house.run("providers-batch-payouts", after=due)
    assert (first["done"], first["skipped"], first["failed"]) == (1, {}, [])
    again = house.run("providers-batch-payouts", after=due + timedelta(hours=5))
    assert (again["done"], again["skipped"]) == (0, {"not_due": 1})
    [(by, amount)] = house.rows("SELECT created_by, amount FROM payouts")
    assert (by, amount) == (None, 100_000)


def test_a_run_that_was_missed_is_made_up_for(house):
    house.verified_account()
    house.earned(2_000_000)
    house.release()
    assert house.run("providers-batch-payouts", after=start_of(MONTHLY, house) + timedelta(days=3))["done"] == 1


def test_what_cannot_be_paid_is_skipped_with_its_reason_and_tried_the_next_day(house, rung, app):
    poor = make_house(app, rung, name="Poor House")
    poor.verified_account()
    nothing = make_house(app, rung, name="Without Account")
    suspended = make_house(app, rung, name="Suspended House")
    suspended.verified_account()
    house.person("admin").post(f"/api/admin/organizations/{suspended.id}/verify", {"action": "SUSPEND"})
    house.verified_account()
    house.earned(100_000)
    house.release()
    due = start_of(MONTHLY, house)
    summary = house.run("providers-batch-payouts", after=due)
    assert summary["done"] == 0
    assert summary["skipped"] == {"below_minimum": 1, "nothing_ready": 1, "no_account": 1}
    assert nothing.id not in str(summary["failed"])
    house.earned(2_000_000)
    house.release()
    assert house.run("providers-batch-payouts", after=due + timedelta(days=1))["done"] == 1


def test_switched_off_the_job_begins_nothing(house, settings):
    house.verified_account()
    house.earned(2_000_000)
    house.release()
    config.use(settings)
    assert house.run("providers-batch-payouts", after=start_of(MONTHLY, house))["skipped"] == {"not_enabled": 1}


def test_numbers_are_encrypted_anew_by_the_first_key(house, settings, app):
    house.verified_account()
    assert house.rows("SELECT key_id FROM payout_accounts")[0][0] == "k1"
    crypto.use_keys("k2:" + "cd" * 32 + ",k1:" + "ab" * 32)
    try:
        done = app.test_cli_runner().invoke(args=["keys", "rotate"])
        assert "payout_accounts.number_sealed: 1 written anew, 0 can't be read." in done.output
        assert house.rows("SELECT key_id FROM payout_accounts")[0][0] == "k2"
        crypto.use_keys("k2:" + "cd" * 32)
        with app.app_context():
            account = accounts.locked(house.id)
            assert accounts.number_of(account) == NUMBER
            account.organization_id = house.owner.id
            with pytest.raises(crypto.Undecipherable):
                accounts.number_of(account)
    finally:
        crypto.use_keys(settings.data_encryption_keys)
