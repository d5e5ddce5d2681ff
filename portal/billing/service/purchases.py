"""Credits that are bought: paid through the gateway with GST, and put into the pool exactly once."""

from sqlalchemy import select

from portal import clock, db
from portal.accounts.models import User
from portal.audit import service as audit
from portal.audit.rules import SYSTEM, Action, Actor
from portal.billing import queries
from portal.billing.models import CreditPurchase, GatewayOrder
from portal.billing.rules import HELD_FOR, GatewayOrderStatus, LedgerReason, PurchaseStatus
from portal.billing.service import credits as pool
from portal.billing.service import invoices
from portal.errors import Conflict
from portal.money import Paise
from portal.orgs import service as orgs
from portal.orgs.models import Organization
from portal.orgs.rules import BillingMode


def begin(amount: Paise, *, organization: Organization, buyer: User, actor: Actor) -> CreditPurchase:
    """Writes a purchase of credits that isn't paid yet.

    Args:
        amount: Credits in paise; GST is charged on top.
        organization: Whose pool.
        buyer: Who pays.
        actor: How the log names them.

    Raises:
        Conflict: ``NOT_SEAT_PACK``: the organization doesn't book on credits; or ``ORGANIZATION_NOT_ACTIVE``.
    """
    locked = orgs.lock_to_charge(organization.id)
    if locked.billing_mode is not BillingMode.SEAT_PACK:
        sentence = f"{locked.name} doesn't book on credits, so none can be bought."
        raise Conflict(sentence, code="NOT_SEAT_PACK")
    place = queries.place_of(locked)
    tax = place.tax(amount)
    at = clock.now()
    row = CreditPurchase(
        organization_id=locked.id,
        amount=amount,
        tax_kind=tax.kind,
        place_of_supply=place.place_of_supply,
        tax_rate=tax.rate,
        cgst=tax.cgst,
        sgst=tax.sgst,
        igst=tax.igst,
        tax_amount=tax.total,
        payable=amount + tax.total,
        status=PurchaseStatus.PENDING,
        created_by=buyer.id,
        created_at=at,
        expires_at=at + HELD_FOR,
    )
    db.session.add(row)
    db.session.flush()
    audit.record(actor, Action.CREDITS_ORDERED, _subject(row), organization_id=locked.id, after={"amount": amount, "payable": row.payable})
    return row


def settle(order: GatewayOrder) -> None:
    """Puts paid credits into the pool, once; ends a purchase that nobody can pay any more.

    Money that arrives after the end counts all the same: it has arrived. With the credits comes their paid tax invoice. The caller
    has locked the order.
    """
    statement = select(CreditPurchase).where(CreditPurchase.id == order.purchase_id).with_for_update()
    row = db.session.scalars(statement.execution_options(populate_existing=True)).one()
    if row.status is PurchaseStatus.PROCESSED:
        return
    if order.status is GatewayOrderStatus.PAID:
        orgs.lock(row.organization_id)  # before the pool, as refunds and the monthly run do
        row.status, row.processed_at = PurchaseStatus.PROCESSED, clock.now()
        pool.move(row.organization_id, row.amount, reason=LedgerReason.PURCHASE)
        audit.record(SYSTEM, Action.CREDITS_BOUGHT, _subject(row), organization_id=row.organization_id, after={"amount": row.amount})
        invoices.issue_purchase(row, order)
    elif row.status is PurchaseStatus.PENDING:
        row.status = PurchaseStatus.CANCELLED
        audit.record(SYSTEM, Action.CREDITS_CANCELLED, _subject(row), organization_id=row.organization_id)
    db.session.flush()


def _subject(row: CreditPurchase) -> audit.Subject:
    return audit.Subject("purchase", row.id, "Credits")
