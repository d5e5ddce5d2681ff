"""No provider: people pay at their bank and enter its reference."""

from portal.gateways.payouts.contract import GatewayNotConfigured, PayoutProvider, Transfer, TransferState


class Manual:
    """The default. A payout is taken up by one person and completed with a reference."""

    provider = PayoutProvider.MANUAL
    by_hand = True

    def transfer(self, order: Transfer) -> TransferState:
        """Nobody can be asked to.

        Raises:
            GatewayNotConfigured: Always.
        """
        raise GatewayNotConfigured(f"{order.key} is paid by hand.")

    def state(self, order: Transfer) -> TransferState:
        """Nobody can be asked.

        Raises:
            GatewayNotConfigured: Always.
        """
        raise GatewayNotConfigured(f"{order.key} is paid by hand.")
