"""One provider is chosen for what is new; others with keys of their own still answer for what they did before."""

from collections.abc import Callable
from typing import Generic, TypeVar

from portal.gateways.payments.contract import GatewayNotConfigured

Gateway = TypeVar("Gateway")
Makers = dict[str, Callable[[], Gateway]]


class Choice(Generic[Gateway]):
    """The providers of one kind. Each is made when it is first asked for, for some clients take half a second to import."""

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self._makers: Makers[Gateway] = {}
        self._made: dict[str, Gateway] = {}
        self._chosen = ""

    def connect(self, makers: Makers[Gateway], *, chosen: str) -> None:
        """Says how each provider with keys is made, by its name, and makes the chosen one.

        Raises:
            GatewayNotConfigured: The chosen one's keys aren't set.
        """
        self._makers, self._made, self._chosen = makers, {}, chosen
        self.current()

    def current(self) -> Gateway:
        """The chosen provider."""
        return self.by_name(self._chosen)

    def by_name(self, provider: str) -> Gateway:
        """The provider of something old.

        Raises:
            GatewayNotConfigured: There is no provider of that name, or its keys aren't set.
        """
        if provider not in self._makers:
            raise GatewayNotConfigured(f"No {self._kind} provider named {provider!r} is configured.")
        if provider not in self._made:
            self._made[provider] = self._makers[provider]()
        return self._made[provider]
