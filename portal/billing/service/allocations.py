"""Money for invoices: recorded by hand, or paid online. Never more than is left to pay; what came above that goes back."""

import structlog
from sqlalchemy import select

from portal import clock, db, queue
from portal.audit import service as audit
from portal.audit.rules import SYSTEM, Action, Actor
from portal.billing import queries
from portal.billing.models import Allocation, GatewayOrder, GatewayReturn, Invoice
from portal.billing.rules import AllocationMethod, GatewayOrderStatus, InvoiceStatus, RefundStatus
from portal.billing.schemas import PayIn
from portal.billing.service import invoices, refunds
from portal.errors import Conflict, Invalid
from portal.gateways.payments import RefundOrder, RefundState
from portal.gateways.payments import RefundStatus as GatewayRefundStatus
from portal.money import Paise, format_inr

log = structlog.get_logger()


def record(invoice_id: str, data: PayIn, *, actor: Actor) -> Allocation:
    """Records money that came by bank transfer, UPI or cheque; all that is left to pay when no amount is given.

    Raises:
        NotFound: ``INVOICE_NOT_FOUND``.
        Invalid: ``METHOD_INVALID``.
        Conflict: ``ABOVE_OUTSTANDING`` (with ``outstanding``), ``NOTHING_OUTSTANDING``.
    """
    if data.method is None:
        raise Invalid("Say how the money came.", code="METHOD_INVALID", details={"method": ["Choose one of the options."]})
    method = AllocationMethod(data.method)
    invoice = invoices.locked(invoice_id)
    amount = payable(invoice, data.amount)
    return _allocate(invoice, amount, method=method, reference=data.reference, order=None, actor=actor)


def payable(invoice: Invoice, wanted: Paise | None) -> Paise:
    """How much may be put on an invoice: what is asked for, or all that is outstanding.

    Raises:
        Conflict: ``NOTHING_OUTSTANDING``, or ``ABOVE_OUTSTANDING`` with ``outstanding``.
    """
    outstanding = queries.balance(invoice.id).outstanding
    if not outstanding:
        extra = {"outstanding": 0}
        raise Conflict("Nothing is outstanding on this invoice. Nothing was recorded.", code="NOTHING_OUTSTANDING", extra=extra)
    amount = outstanding if wanted is None else wanted
    if amount > outstanding:
        sentence = f"Only {format_inr(outstanding)} is outstanding on this invoice. Nothing was recorded."
        extra = {"outstanding": outstanding}
        raise Conflict(sentence, code="ABOVE_OUTSTANDING", details={"amount": [sentence]}, extra=extra)
    return amount


def settle(order: GatewayOrder) -> None:
    """Puts money that was paid online on its invoice, once; what the invoice doesn't need any more is given back.

    The caller has locked the order. An order that nobody paid leaves nothing behind.
    """
    if order.status is not GatewayOrderStatus.PAID or queries.is_allocated(order.id):
        return
    invoice = invoices.locked(str(order.invoice_id))
    outstanding = queries.balance(invoice.id).outstanding if invoice.status is InvoiceStatus.SENT else 0
    taken = min(order.amount, outstanding)
    if taken:
        _allocate(invoice, taken, method=AllocationMethod.ONLINE, reference=order.payment_ref, order=order, actor=SYSTEM)
    if order.amount > taken:
        row = GatewayReturn(
            gateway_order_id=order.id,
            amount=order.amount - taken,
            status=RefundStatus.PENDING,
            created_at=clock.now(),
            due_at=clock.now(),
        )
        db.session.add(row)
        db.session.flush()
        queue.enqueue("billing-return-excess", row.id)


def give_back(return_id: str) -> bool:
    """Has the provider pay back what an invoice didn't need any more; returns whether that is over.

    The provider knows it by our row's id, so it may be told as often as needed. What isn't known yet is asked again.
    """
    row = db.session.get(GatewayReturn, return_id) if db.is_id(return_id) else None
    if row is None or row.status is not RefundStatus.PENDING:
        return True
    order = db.session.get_one(GatewayOrder, row.gateway_order_id)
    if order.order_id is None or order.payment_ref is None:
        log.error("return.without_order", gateway_return=row.id)
        return False
    wanted = RefundOrder(key=row.id, order_id=order.order_id, payment_ref=order.payment_ref, amount=row.amount, currency=order.currency)
    provider, ref = order.provider, row.provider_ref
    row.due_at = clock.now() + refunds.ASK_AGAIN
    db.session.flush()
    with db.outside():
        state = refunds.asked(wanted, provider=provider, ref=ref)
    return _record_return(return_id, state)


def _record_return(return_id: str, state: RefundState | None) -> bool:
    statement = select(GatewayReturn).where(GatewayReturn.id == return_id).with_for_update().execution_options(populate_existing=True)
    row = db.session.scalars(statement).one()
    if row.status is not RefundStatus.PENDING or state is None:
        return row.status is not RefundStatus.PENDING
    row.provider_ref = state.ref or row.provider_ref
    if state.status is not GatewayRefundStatus.PENDING:
        is_back = state.status is GatewayRefundStatus.SUCCEEDED
        row.status = RefundStatus.SUCCEEDED if is_back else RefundStatus.FAILED
        row.finished_at = clock.now()
        row.failure = None if is_back else state.reason[:500]
        if not is_back:
            log.error("return.failed", gateway_return=row.id, reason=row.failure)
    db.session.flush()
    return row.status is not RefundStatus.PENDING


def _allocate(
    invoice: Invoice, amount: Paise, *, method: AllocationMethod, reference: str | None, order: GatewayOrder | None, actor: Actor
) -> Allocation:
    at = clock.now()
    row = Allocation(
        organization_id=invoice.organization_id,
        invoice_id=invoice.id,
        gateway_order_id=order.id if order else None,
        amount=amount,
        method=method,
        reference=reference,
        paid_at=at,
        created_by=actor.user_id,
        created_at=at,
    )
    db.session.add(row)
    db.session.flush()
    about, after = audit.Subject("invoice", invoice.id, invoice.number or ""), {"amount": amount, "method": method, "reference": reference}
    audit.record(actor, Action.INVOICE_PAID, about, organization_id=invoice.organization_id, after=after)
    return row
