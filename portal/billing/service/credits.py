"""The credit pool: the only place that moves credits. Each movement is one row of the ledger."""

from sqlalchemy import update
from sqlalchemy.dialects.postgresql import insert as upsert

from portal import clock, db
from portal.billing.models import CreditPool, LedgerRow
from portal.billing.rules import LedgerReason, insufficient_credits
from portal.money import Paise


def move(
    organization_id: str,
    delta: Paise,
    *,
    reason: LedgerReason,
    payment_id: str | None = None,
    member_id: str | None = None,
    note: str | None = None,
) -> LedgerRow:
    """Adds credits to a pool or takes them out; the pool's row is locked until the transaction ends.

    The balance is tested by the statement that changes it, so that two at once can't both have the last rupee.

    Args:
        organization_id: Whose pool; it is made when there is none yet.
        delta: Paise; negative for what is spent.
        reason: What the ledger says.
        payment_id: The payment that it covers or gives back.
        member_id: The membership of who booked.
        note: A sentence for people.

    Raises:
        PaymentRequired: ``INSUFFICIENT_CREDITS``: the pool doesn't hold as much.
    """
    if delta > 0:
        db.session.execute(upsert(CreditPool).values(organization_id=organization_id).on_conflict_do_nothing())
    change = (
        update(CreditPool)
        .where(CreditPool.organization_id == organization_id, CreditPool.balance + delta >= 0)
        .values(
            balance=CreditPool.balance + delta,
            entries=CreditPool.entries + 1,
            total_purchased=CreditPool.total_purchased + (delta if reason is LedgerReason.PURCHASE else 0),
        )
        .returning(CreditPool.balance, CreditPool.entries)
        .execution_options(synchronize_session=False)
    )
    found = db.session.execute(change).one_or_none()
    if found is None:
        raise insufficient_credits(needed=-delta)
    row = LedgerRow(
        organization_id=organization_id,
        position=found.entries,
        delta=delta,
        reason=reason,
        balance_after=found.balance,
        payment_id=payment_id,
        member_id=member_id,
        note=note,
        created_at=clock.now(),
    )
    db.session.add(row)
    db.session.flush()
    return row
