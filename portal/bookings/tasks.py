"""Jobs about bookings."""

from portal.billing.service import orders
from portal.bookings import service
from portal.db import Json


def settle_payment(payment_id: str) -> Json:
    """Confirms or releases the booking of a payment by card whose order is over."""
    return {"settled": int(service.settle_payment(payment_id))}


def release_unpaid() -> Json:
    """Ends orders that weren't paid within half an hour; their bookings are released by jobs that this rings."""
    return {"job": "bookings-release-unpaid", **orders.end_stale(for_purchases=False)}
