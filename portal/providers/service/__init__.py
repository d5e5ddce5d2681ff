"""Acts on consultants, earnings, accounts and payouts."""

from portal.providers.service.consultants import register, verify

__all__ = ["register", "verify"]
