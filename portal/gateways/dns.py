"""DNS: the TXT records of a domain, as the network's own resolvers know them."""

from typing import Protocol

import dns.exception
import dns.resolver

from portal.gateways.guard import refuse_inside_transaction

SECONDS = 5.0
MOST_RECORDS = 200


class DnsFailed(Exception):
    """Nobody could say what the records are: this says nothing about them."""


class Dns(Protocol):
    """Something that looks up TXT records."""

    def texts(self, domain: str) -> tuple[str, ...]:
        """The TXT records of a domain (ASCII), each with its strings joined (RFC 1035, 3.3.14); none when it has none.

        Raises:
            DnsFailed: No answer, or the servers couldn't say.
        """


class Resolver:
    """Asks the resolvers that the machine is set up with."""

    def texts(self, domain: str) -> tuple[str, ...]:
        """As ``Dns.texts``."""
        refuse_inside_transaction()
        try:
            answer = dns.resolver.resolve(f"{domain}.", "TXT", lifetime=SECONDS)
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
            return ()
        except (dns.exception.DNSException, OSError) as error:
            raise DnsFailed(f"{type(error).__name__}: {error}") from error
        return tuple(b"".join(record.strings).decode(errors="replace") for record in list(answer)[:MOST_RECORDS])


_dns: list[Dns] = []


def connect(adapter: Dns | None = None) -> None:
    """Chooses who is asked; nothing is sent yet."""
    _dns[:] = [adapter or Resolver()]


def texts(domain: str) -> tuple[str, ...]:
    """Asks by the chosen adapter.

    Raises:
        DnsFailed: See ``Dns.texts``.
    """
    return _dns[0].texts(domain)
