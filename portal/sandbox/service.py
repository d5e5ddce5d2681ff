"""What somebody does on the sandbox's page."""

from portal import queue
from portal.errors import NotFound
from portal.gateways import payments
from portal.gateways.payments.sandbox import Sandbox
from portal.gateways.payments.sandbox_models import SandboxOrder


def order(order_id: str) -> SandboxOrder:
    """The order that a page is about.

    Raises:
        NotFound: There is none, or the sandbox isn't the provider here.
    """
    gateway = payments.current()
    found = gateway.order(order_id) if isinstance(gateway, Sandbox) else None
    if found is None:
        raise NotFound("There is no such payment.")
    return found


def settle(order_id: str, *, succeeded: bool) -> bool:
    """Pays or declines, and rings for the webhook; False when the order had ended before and nothing happened.

    Raises:
        NotFound: As ``order``.
    """
    gateway = payments.current()
    if not isinstance(gateway, Sandbox) or gateway.order(order_id) is None:
        raise NotFound("There is no such payment.")
    event_id = gateway.settle(order_id, succeeded=succeeded)
    if event_id is not None:
        queue.enqueue("sandbox-send-webhook", event_id)
    return event_id is not None
