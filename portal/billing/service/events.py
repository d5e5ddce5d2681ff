"""Webhooks: stored once by the provider's id, then acted on by a job that asks the provider what really happened."""

from collections.abc import Mapping

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert as upsert

from portal import clock, db, queue
from portal.billing.models import GatewayEvent, GatewayOrder
from portal.billing.service import orders, refunds
from portal.errors import NotFound, Unauthenticated
from portal.gateways import payments as gateways
from portal.gateways.payments import GatewayNotConfigured, SignatureInvalid


def receive(provider: str, headers: Mapping[str, str], body: bytes) -> bool:
    """Stores a webhook when its signature holds; returns whether it is new.

    Raises:
        NotFound: ``GATEWAY_UNKNOWN``: there is no such provider here.
        Unauthenticated: ``SIGNATURE_INVALID``.
    """
    try:
        event = gateways.by_name(provider).event(headers, body)
    except GatewayNotConfigured:
        raise NotFound("There is no such payment provider.", code="GATEWAY_UNKNOWN") from None
    except SignatureInvalid:
        raise Unauthenticated("The signature isn't the provider's. Nothing was recorded.", code="SIGNATURE_INVALID") from None
    values = {
        "id": db.new_id(),
        "provider": provider,
        "event_id": event.id,
        "type": event.type,
        "order_id": event.order_id,
        "refund_key": event.refund_key,
        "received_at": clock.now(),
    }
    statement = upsert(GatewayEvent).values(values).on_conflict_do_nothing(index_elements=["provider", "event_id"])
    made = db.session.execute(statement.returning(GatewayEvent.id)).scalar_one_or_none()
    if made is not None:
        queue.enqueue("billing-handle-event", str(made))
    return made is not None


def handle(event_id: str) -> bool:
    """Asks the provider about what a webhook named; returns whether that is done now. Harmless twice.

    While the provider doesn't answer, the event stays as it is, and the sweep rings again.
    """
    event = db.session.get(GatewayEvent, event_id) if db.is_id(event_id) else None
    if event is None or event.handled_at is not None:
        return False
    if event.refund_key is not None:
        refunds.move(event.refund_key)
    elif event.order_id is not None:
        found = select(GatewayOrder.id).where(GatewayOrder.provider == event.provider, GatewayOrder.order_id == event.order_id)
        order_id = db.session.scalar(found)
        if order_id is not None and not orders.ask(order_id):
            return False
    event.handled_at = clock.now()
    db.session.flush()
    return True
