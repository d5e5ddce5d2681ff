"""Refunds: an amount is claimed first, then the money moves, then it is recorded."""

from datetime import timedelta

import structlog
from sqlalchemy import select

from portal import clock, db, queue
from portal.audit import service as audit
from portal.audit.rules import SYSTEM, Action, Actor
from portal.billing import queries
from portal.billing.models import Payment, Refund
from portal.billing.rules import LedgerReason, PaymentMethod, PaymentStatus, RefundStatus, refundable
from portal.billing.schemas import RefundIn
from portal.billing.service import credit_notes
from portal.billing.service import credits as pool
from portal.errors import Conflict, NotFound
from portal.gateways import payments as gateways
from portal.gateways.payments import GatewayRefused, GatewayUnavailable, RefundOrder, RefundState
from portal.gateways.payments import RefundStatus as GatewayRefundStatus
from portal.money import Paise, format_inr
from portal.orgs import service as orgs
from portal.providers.service import earnings

log = structlog.get_logger()

ASK_AGAIN = timedelta(minutes=2)


def refund(data: RefundIn, *, actor: Actor) -> Refund:
    """Gives a payment back, whole or in part, the way that its money came.

    By card it is PENDING until a job has moved the money; what an invoice has billed is given back by a credit note at once.

    The organization is locked before the payment, as the monthly run does, so that a payment isn't billed and refunded at once.

    Raises:
        NotFound: ``PAYMENT_NOT_FOUND``.
        Conflict: ``PAYMENT_NOT_SUCCEEDED``, ``NOTHING_LEFT``, ``ABOVE_WHAT_IS_LEFT`` (with ``left``), ``EARNINGS_PAID_OUT``: what was
            earned by it was paid out, and nobody forces the refund; or ``ABOVE_LINE``: an invoice has billed it, and notes made by
            hand have credited too much of its line for that.
    """
    payment = _locked(data.payment_id)
    return _begin(payment, data.amount, reason=data.reason, actor=actor, force=data.force_refund)


def give_back(payment: Payment, *, reason: str) -> Refund:
    """Refunds by itself what was paid for a session that can't take place any more; the caller has locked the payment."""
    return _begin(payment, None, reason=reason, actor=SYSTEM, force=True)


def move(refund_id: str) -> bool:
    """Has the provider pay a refund by card back, and records the outcome; returns whether it is over.

    The provider knows the refund by our row's id, so it may be told as often as needed. What isn't known yet is asked again.
    """
    row = db.session.get(Refund, refund_id) if db.is_id(refund_id) else None
    if row is None or row.status is not RefundStatus.PENDING:
        return True
    order = queries.order_of_payment(row.payment_id)
    if order is None or order.order_id is None or order.payment_ref is None:
        log.error("refund.without_order", refund=row.id)
        return False
    wanted = RefundOrder(key=row.id, order_id=order.order_id, payment_ref=order.payment_ref, amount=row.amount, currency=order.currency)
    provider, ref = order.provider, row.provider_ref
    row.due_at = clock.now() + ASK_AGAIN
    db.session.flush()
    with db.outside():
        state = asked(wanted, provider=provider, ref=ref)
    return _record(refund_id, state)


def asked(wanted: RefundOrder, *, provider: str, ref: str | None) -> RefundState | None:
    """Has a provider give money back, or asks how that stands once it knows; None when it doesn't answer. Outside of transactions."""
    try:
        gateway = gateways.by_name(provider)
        return gateway.refund(wanted) if ref is None else gateway.refund_state(wanted, ref)
    except GatewayRefused as error:
        return RefundState(GatewayRefundStatus.FAILED, ref, str(error) or "The provider refused.")
    except GatewayUnavailable as error:
        log.warning("gateway.unavailable", refund=wanted.key, error=str(error))
        return None


def _record(refund_id: str, state: RefundState | None) -> bool:
    seen = db.session.get_one(Refund, refund_id)
    payment = _locked(seen.payment_id)
    statement = select(Refund).where(Refund.id == refund_id).with_for_update().execution_options(populate_existing=True)
    row = db.session.scalars(statement).one()
    if row.status is not RefundStatus.PENDING:
        return True
    if state is None:
        return False
    row.provider_ref = state.ref or row.provider_ref
    if state.status is GatewayRefundStatus.SUCCEEDED:
        _succeed(row, payment)
    elif state.status is GatewayRefundStatus.FAILED:
        row.status, row.finished_at, row.failure = RefundStatus.FAILED, clock.now(), state.reason[:500]
        payment.claimed_amount -= row.amount
        about, after = _subject(row, payment), {"amount": row.amount, "reason": row.failure}
        audit.record(SYSTEM, Action.REFUND_FAILED, about, organization_id=payment.organization_id, after=after)
    db.session.flush()
    return row.status is not RefundStatus.PENDING


def _begin(payment: Payment, wanted: Paise | None, *, reason: str | None, actor: Actor, force: bool) -> Refund:
    amount = _claim(payment, wanted)
    earnings.require_reversible(payment.id, force=force)
    row = Refund(
        payment_id=payment.id,
        amount=amount,
        status=RefundStatus.PENDING,
        reason=reason,
        created_by=actor.user_id,
        created_at=clock.now(),
        due_at=clock.now() + ASK_AGAIN,
    )
    row.payment = payment
    db.session.add(row)
    db.session.flush()
    if payment.payment_method is PaymentMethod.CARD:
        queue.enqueue("billing-move-refund", row.id)
    else:
        if payment.payment_method is PaymentMethod.ORG_CREDIT and payment.organization_id is not None:
            pool.move(payment.organization_id, amount, reason=LedgerReason.REFUND, payment_id=payment.id, note=reason)
        if payment.billable_to_org_invoice_id is not None:
            credit_notes.issue_for_refund(row, payment, actor=actor)
        _succeed(row, payment)
    after = {"amount": amount, "payment": payment.id, "paymentMethod": payment.payment_method}
    audit.record(actor, Action.REFUND_MADE, _subject(row, payment), organization_id=payment.organization_id, after=after)
    return row


def _subject(row: Refund, payment: Payment) -> audit.Subject:
    return audit.Subject("refund", row.id, f"{payment.plan_title}, {payment.learner_name}")


def _locked(payment_id: str) -> Payment:
    seen = queries.payment(payment_id)
    if seen is None:
        raise NotFound("There is no such payment.", code="PAYMENT_NOT_FOUND")
    if seen.organization_id is not None:
        orgs.lock(seen.organization_id)
    statement = select(Payment).where(Payment.id == seen.id).with_for_update().execution_options(populate_existing=True)
    return db.session.scalars(statement).one()


def _claim(payment: Payment, wanted: Paise | None) -> Paise:
    if payment.status is not PaymentStatus.SUCCEEDED:
        raise Conflict("This payment hasn't gone through, so there is nothing to give back.", code="PAYMENT_NOT_SUCCEEDED")
    left = refundable(payment.payment_method, payment.amount, payment.original_amount) - payment.claimed_amount
    if left == 0:
        raise Conflict("This payment was refunded in full already.", code="NOTHING_LEFT", extra={"left": 0})
    amount = left if wanted is None else wanted
    if amount > left:
        sentence = f"Only {format_inr(left)} of this payment can still be refunded. Nothing was refunded."
        raise Conflict(sentence, code="ABOVE_WHAT_IS_LEFT", details={"amount": [sentence]}, extra={"left": left})
    payment.claimed_amount += amount
    return amount


def _succeed(row: Refund, payment: Payment) -> None:
    row.status = RefundStatus.SUCCEEDED
    row.finished_at = clock.now()
    payment.refunded_amount += row.amount
    db.session.flush()
    earnings.reverse(payment.id, refund_id=row.id, refunded=payment.refunded_amount)
