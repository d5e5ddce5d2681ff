"""Earnings: written when a payment succeeds, ready after the hold, taken back by refunds. Amounts are paise."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import insert, update

from portal import clock, config, db
from portal.db import Json
from portal.errors import Conflict
from portal.orgs.rules import EarningsRecipient
from portal.providers import queries
from portal.providers.models import Earning, EarningReversal
from portal.providers.queries.earnings import held_until
from portal.providers.rules import TWO_WAY, EarningStatus, Terms, hold_for, reversed_so_far, shares_of, three_way

RELEASED_AT_ONCE = 5_000


@dataclass(frozen=True, slots=True)
class Sold:
    """A payment that has succeeded, as far as its earnings need to know it.

    Attributes:
        gross: The plan's price, also when a licence covers it.
        title: What was booked, as statements print it.
        at: The moment of success, UTC.
    """

    payment_id: str
    consultant_id: str
    gross: int
    plan_type: str
    title: str
    at: datetime


def terms_for(consultant_id: str) -> Terms:
    """How a session of this consultant is shared out, if it is booked now."""
    if not config.current().enable_provider_orgs:
        return TWO_WAY
    host = queries.host_of(consultant_id)
    if host is None:
        return TWO_WAY
    return three_way(host.rates, custom=host.custom, recipient=EarningsRecipient(host.recipient), host_organization_id=host.organization_id)


def earn(sold: Sold, terms: Terms) -> None:
    """Writes what each party earns, in the transaction in which the payment succeeds."""
    fee, shares = shares_of(sold.gross, terms)
    rows = [
        {
            "id": db.new_id(),
            "payment_id": sold.payment_id,
            "party": each.party,
            "consultant_id": sold.consultant_id,
            "organization_id": terms.host_organization_id,
            "title": sold.title,
            "gross_amount": sold.gross,
            "platform_fee": fee,
            "share": each.amount,
            "reversed_amount": 0,
            "settled_amount": 0,
            "status": EarningStatus.PENDING,
            "hold_until": sold.at + hold_for(sold.plan_type),
            "created_at": sold.at,
        }
        for each in shares
    ]
    if rows:
        db.session.execute(insert(Earning).values(rows))  # one statement, so that the database adds the shares up


def require_reversible(payment_id: str, *, force: bool) -> None:
    """Makes sure that a refund takes nothing back that was paid out, or that somebody wants it all the same.

    Raises:
        Conflict: ``EARNINGS_PAID_OUT``.
    """
    if not force and any(row.settled_amount for row in queries.locked_earnings_of(payment_id)):
        sentence = (
            "The earnings of this session were paid out, or are in a payout. Nothing was refunded. "
            "Refund it all the same (forceRefund) to have the next payout recover them."
        )
        raise Conflict(sentence, code="EARNINGS_PAID_OUT")


def reverse(payment_id: str, *, refund_id: str, refunded: int) -> None:
    """Takes the parties' parts of a refund back.

    Args:
        payment_id: What was refunded.
        refund_id: By which refund.
        refunded: What was refunded of the payment in all, this refund included.
    """
    rows = queries.locked_earnings_of(payment_id)
    if not rows:
        return
    _of_platform, *targets = reversed_so_far([rows[0].platform_fee, *(row.share for row in rows)], refunded)
    steps = [(row.id, target - row.reversed_amount) for row, target in zip(rows, targets, strict=True)]
    at = clock.now()
    reversals = [
        {"id": db.new_id(), "earning_id": earning_id, "refund_id": refund_id, "amount": step, "created_at": at}
        for earning_id, step in steps
        if step
    ]
    if reversals:
        db.session.execute(insert(EarningReversal).values(reversals))
    for row in rows:
        db.session.expire(row)  # triggers have written what the reversals left


def release() -> Json:
    """Makes earnings ready whose hold is over; safe to run twice, and twice at once.

    Returns:
        ``{done}``: how many.
    """
    done, more = 0, True
    while more:
        ids = held_until(clock.now(), limit=RELEASED_AT_ONCE)
        statement = update(Earning).where(Earning.id.in_(ids)).values(status=EarningStatus.READY).returning(Earning.id)
        released = db.session.execute(statement, execution_options={"synchronize_session": False}).all()
        done, more = done + len(released), len(released) == RELEASED_AT_ONCE
        db.checkpoint()
    return {"done": done}
