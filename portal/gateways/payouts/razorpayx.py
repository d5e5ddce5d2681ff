"""RazorpayX payouts by Razorpay's official client: contact, fund account and payout in one call (its Composite API), in paise.

The key of a call is the header ``X-Payout-Idempotency``, which holds 4 to 36 characters, so our key (longer) is folded into a UUID by
SHA-1 (RFC 9562, version 5); the same UUID is the payout's ``reference_id`` (at most 40), by which it is looked up when an answer got lost.
Razorpay answers an old key with the old payout for seven days, and asks for a new key once a payout has failed.
"""

from collections.abc import Iterator
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from portal.gateways.guard import refuse_inside_transaction
from portal.gateways.payments.razorpay import CONNECT_SECONDS, READ_SECONDS, Client
from portal.gateways.payments.signing import text_at
from portal.gateways.payouts.contract import GatewayRefused, PayoutProvider, Transfer, TransferState, TransferStatus, asking

MOST_BY_IMPS = 500_000_00  # NPCI's limit; above it NEFT, which works at all hours, too
NARRATION = "Portal payout"  # 30 characters at most, letters, digits and spaces
AT_ONCE = 100
STATUSES = {
    "processed": TransferStatus.PAID,
    "failed": TransferStatus.FAILED,
    "rejected": TransferStatus.FAILED,
    "cancelled": TransferStatus.FAILED,
    "reversed": TransferStatus.FAILED,
}


class RazorpayX:
    """The adapter; nothing is called until it is used."""

    provider = PayoutProvider.RAZORPAYX
    by_hand = False

    def __init__(self, *, key_id: str, key_secret: str, account_number: str, api_base: str, read_seconds: float = READ_SECONDS) -> None:
        self._auth = (key_id, key_secret)
        self._account_number = account_number
        self._api_base = api_base
        self._timeout = (CONNECT_SECONDS, read_seconds)

    def transfer(self, order: Transfer) -> TransferState:
        """Makes the payout; the same key with the same order is the same payout."""
        refuse_inside_transaction()
        if order.ifsc is None:
            raise GatewayRefused("RazorpayX pays accounts in India only, and this one has no IFSC.")
        folded = _folded(order.key)
        asked = {
            "account_number": self._account_number,
            "amount": order.amount,
            "currency": order.currency,
            "mode": "IMPS" if order.amount <= MOST_BY_IMPS else "NEFT",
            "purpose": "payout",
            "fund_account": {
                "account_type": "bank_account",
                "bank_account": {"name": order.holder, "ifsc": order.ifsc, "account_number": order.number},
                "contact": {"name": order.holder[:50], "email": order.email, "type": "vendor", "reference_id": order.organization_id},
            },
            "queue_if_low_balance": True,
            "reference_id": folded,
            "narration": NARRATION,
            "notes": {"key": order.key},
        }
        with Client(self._auth, self._api_base, self._timeout) as client:
            return _state(client.post("/v1/payouts", asked, headers={"X-Payout-Idempotency": folded}))

    def state(self, order: Transfer) -> TransferState:
        """Looks the payout up by its ``reference_id``."""
        refuse_inside_transaction()
        with asking(), Client(self._auth, self._api_base, self._timeout) as client:
            found = next((row for row in self._referring_to(client, _folded(order.key))), None)
            return TransferState(TransferStatus.UNKNOWN) if found is None else _state(found)

    def _referring_to(self, client: Any, reference: str) -> Iterator[dict[str, Any]]:  # noqa: ANN401 - razorpay publishes no types
        asked = {"account_number": self._account_number, "reference_id": reference, "count": AT_ONCE}
        for row in client.get("/v1/payouts", asked)["items"]:
            if row.get("reference_id") == reference:
                yield row


def _folded(key: str) -> str:
    return str(uuid5(NAMESPACE_URL, key))


def _state(payout: dict[str, Any]) -> TransferState:
    status = STATUSES.get(payout["status"], TransferStatus.PENDING)
    reason = text_at(payout, "status_details", "description") or text_at(payout, "failure_reason") or ""
    return TransferState(status, payout["id"], payout.get("utr"), reason if status is TransferStatus.FAILED else "")
