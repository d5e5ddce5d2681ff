"""What the database itself refuses of earnings and payouts, and what reconciliation names when somebody goes around it."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from portal import db
from portal.billing import queries as billing

REFUSED = {
    "share": "UPDATE earnings SET share = share + 1",
    "reversed by hand": "UPDATE earnings SET reversed_amount = 1",
    "settled by hand": "UPDATE earnings SET settled_amount = 1",
    "hold": "UPDATE earnings SET hold_until = hold_until - interval '1 day'",
    "back to pending": "UPDATE earnings SET status = 'PENDING'",
    "paid to ready": "UPDATE earnings SET status = 'READY' WHERE status = 'PAID'",
    "refunded with something left": "UPDATE earnings SET status = 'REFUNDED'",
    "deleted earning": "DELETE FROM earnings",
    "a second share": """INSERT INTO earnings (id, payment_id, party, consultant_id, title, gross_amount, platform_fee, share, status,
        hold_until, created_at) SELECT uuidv7(), payment_id, party, consultant_id, 't', 100, 20, 80, 'PENDING', hold_until, created_at
        FROM earnings LIMIT 1""",
    "reversal beyond the share": """INSERT INTO earning_reversals (id, earning_id, refund_id, amount, created_at)
        SELECT uuidv7(), e.id, r.id, e.share, e.created_at FROM earnings e, refunds r WHERE e.party = 'ORGANIZATION' LIMIT 1""",
    "changed reversal": "UPDATE earning_reversals SET amount = amount + 1",
    "deleted reversal": "DELETE FROM earning_reversals",
    "payout's amount": "UPDATE payouts SET amount = amount + 1, gross_revenue = gross_revenue + 1",
    "deleted payout": "DELETE FROM payouts",
    "reopened payout": "UPDATE payouts SET status = 'PROCESSING', completed_at = NULL",
    "changed line": "UPDATE payout_lines SET amount = amount + 1",
    "deleted line": "DELETE FROM payout_lines",
    "a line twice": """INSERT INTO payout_lines (id, payout_id, earning_id, amount)
        SELECT uuidv7(), payout_id, earning_id, 1 FROM payout_lines""",
    "a line too much": """INSERT INTO payout_lines (id, payout_id, earning_id, amount)
        SELECT uuidv7(), p.id, e.id, 1 FROM payouts p, earnings e WHERE e.party = 'CONSULTANT'""",
    "payout without lines": """INSERT INTO payouts (id, organization_id, amount, gross_revenue, platform_fee, consultant_shares, refunds,
        earnings_count, status, attempts, bank_name, last_four, created_at)
        SELECT uuidv7(), organization_id, 1, 1, 0, 0, 0, 1, 'PENDING', 0, 'b', '1234', created_at FROM payouts LIMIT 1""",
    "account without number": "UPDATE payout_accounts SET number_sealed = NULL",
    "rates of a payment": "UPDATE payments SET platform_rate = platform_rate + 1",
}


@pytest.fixture
def paid(house):
    """A payout that is completed, of an earning that was refunded in part before."""
    house.verified_account()
    [payment] = house.earned(2_000_000)
    assert house.refund(payment, 500_000).status_code == 200
    house.release()
    house.process(payoutId=house.payout()["id"], reference="UTR1")
    return house


@pytest.mark.parametrize("statement", REFUSED.values(), ids=REFUSED.keys())
def test_the_database_refuses(paid, statement):
    before = sums(paid)
    with paid.app.app_context(), pytest.raises(DBAPIError), db.database.engine.begin() as connection:
        assert connection.execute(text(statement)).rowcount
    assert sums(paid) == before


def sums(house):
    return house.rows("SELECT id, share, reversed_amount, settled_amount, status FROM earnings ORDER BY id")


TAMPERED = {
    "shares-sum-to-the-price": "UPDATE earnings SET share = share + 1 WHERE party = 'CONSULTANT'",
    "nothing-is-earned-before-success": "UPDATE payments SET status = 'FAILED'",
    "reversed-is-its-reversals": "UPDATE earnings SET reversed_amount = reversed_amount + 1 WHERE party = 'CONSULTANT'",
    "reversals-are-the-refunds": "UPDATE payments SET refunded_amount = 1",
    "settled-is-its-payouts": "UPDATE earnings SET settled_amount = settled_amount - 1 WHERE party = 'ORGANIZATION'",
    "payout-is-its-lines": "UPDATE payouts SET amount = amount - 1, refunds = refunds + 1",
    "paid-earnings-are-in-a-completed-payout": "UPDATE payouts SET status = 'PROCESSING', completed_at = NULL, provider = 'manual'",
}


@pytest.mark.parametrize(("check", "statement"), TAMPERED.items())
def test_reconciliation_names_what_went_around_the_guards(paid, check, statement):
    with paid.app.app_context():
        assert list(billing.differences()) == []
        with db.database.engine.begin() as connection:
            connection.execute(text("SET LOCAL session_replication_role = replica"))
            connection.execute(text(statement))
        found = billing.differences()
        assert check in {difference.check for difference in found}
        assert {difference.organization_id for difference in found if difference.check == check} <= {paid.id, None}
