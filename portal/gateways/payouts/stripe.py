"""Stripe Connect transfers, by Stripe's official client, in paise (INR's smallest unit).

A transfer moves money to the organization's connected account, from where Stripe pays it out to its bank. It is there or it isn't: a
transfer has no state on its way. Stripe keeps an idempotency key for a day; later it is found by its ``transfer_group``, which is our key.
"""

import stripe

from portal.gateways.guard import refuse_inside_transaction
from portal.gateways.payments.stripe import CONNECT_SECONDS, READ_SECONDS, answering
from portal.gateways.payouts.contract import GatewayRefused, PayoutProvider, Transfer, TransferState, TransferStatus, asking


class StripeTransfers:
    """The adapter; nothing is called until it is used."""

    provider = PayoutProvider.STRIPE
    by_hand = False

    def __init__(self, *, secret_key: str, api_base: str, read_seconds: float = READ_SECONDS) -> None:
        stripe.enable_telemetry = False
        self._client = stripe.StripeClient(
            secret_key,
            base_addresses={"api": api_base},
            http_client=stripe.RequestsClient(timeout=(CONNECT_SECONDS, read_seconds)),
            max_network_retries=0,  # the caller asks again, from a row that says so
        )

    def transfer(self, order: Transfer) -> TransferState:
        """Makes the transfer; the same key with the same order is the same transfer."""
        refuse_inside_transaction()
        if order.provider_account is None:
            raise GatewayRefused("The organization's account at Stripe isn't known. Enter it with the verification of its payout account.")
        with answering():
            made = self._client.v1.transfers.create(
                {
                    "amount": order.amount,
                    "currency": order.currency.lower(),
                    "destination": order.provider_account,
                    "transfer_group": order.key,
                    "metadata": {"key": order.key},
                },
                {"idempotency_key": order.key},
            )
        return _state(made)

    def state(self, order: Transfer) -> TransferState:
        """Looks the transfer up by its group."""
        refuse_inside_transaction()
        with asking(), answering():
            found = self._client.v1.transfers.list({"transfer_group": order.key, "limit": 1}).data
        return _state(found[0]) if found else TransferState(TransferStatus.UNKNOWN)


def _state(made: stripe.Transfer) -> TransferState:
    if made.reversed:
        return TransferState(TransferStatus.FAILED, made.id, made.id, "The transfer was taken back at Stripe.")
    return TransferState(TransferStatus.PAID, made.id, made.id)
