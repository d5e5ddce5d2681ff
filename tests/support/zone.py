"""DNS that says what a test wants; no test asks the network's own."""

from dataclasses import dataclass, field

from portal.gateways.dns import DnsFailed


@dataclass
class Zone:
    """A fake zone.

    Attributes:
        records: Domain → TXT records.
        is_down: Nobody answers.
        asked: What was asked for.
    """

    records: dict[str, tuple[str, ...]] = field(default_factory=dict)
    is_down: bool = False
    asked: list[str] = field(default_factory=list)

    def texts(self, domain: str) -> tuple[str, ...]:
        """As ``portal.gateways.dns.Dns``."""
        self.asked.append(domain)
        if self.is_down:
            raise DnsFailed("no answer")
        return self.records.get(domain, ())
