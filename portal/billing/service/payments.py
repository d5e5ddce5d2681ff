"""Payments: what a booking costs and how it is covered."""

from dataclasses import dataclass
from datetime import datetime

from portal import clock, db
from portal.accounts.models import User
from portal.billing.models import Payment
from portal.billing.rules import PaymentMethod, PaymentStatus
from portal.errors import NotEnabled
from portal.orgs import service as orgs
from portal.orgs.models import Organization
from portal.orgs.rules import BillingMode


@dataclass(frozen=True, slots=True)
class Purchase:
    """What is bought, as its invoice line will print it. ``price`` is paise before GST."""

    price: int
    learner_name: str
    consultant_name: str
    plan_type: str
    plan_title: str
    sac_code: str
    session_starts_at: datetime


def charge_to_organization(organization: Organization, *, payer: User, purchase: Purchase) -> Payment:
    """Covers a booking by the organization's billing mode.

    The mode is read in the statement that stamps the first payment, so a change of mode and a first payment can't cross.

    Raises:
        NotEnabled: ``BILLING_MODE_NOT_ENABLED``: bookings under the organization's mode aren't open in this portal.
    """
    mode = orgs.stamp_first_payment(organization.id)
    if mode is not BillingMode.INVOICED_MONTHLY:
        name = mode.label if mode else "no billing mode"
        sentence = f"Bookings under “{name}” are not open in this portal yet. Nothing was booked."
        raise NotEnabled(sentence, code="BILLING_MODE_NOT_ENABLED")
    at = clock.now()
    payment = Payment(
        payer_id=payer.id,
        organization_id=organization.id,
        amount=purchase.price,
        original_amount=purchase.price,
        payment_method=PaymentMethod.ORG_INVOICED,
        status=PaymentStatus.SUCCEEDED,
        created_at=at,
        succeeded_at=at,
        learner_name=purchase.learner_name,
        consultant_name=purchase.consultant_name,
        plan_type=purchase.plan_type,
        plan_title=purchase.plan_title,
        sac_code=purchase.sac_code,
        session_starts_at=purchase.session_starts_at,
    )
    db.session.add(payment)
    db.session.flush()
    return payment
