"""Supplier and recipient as a document freezes them."""

from dataclasses import asdict
from typing import Any

from portal import config, india
from portal.billing.rules import Party
from portal.db import Json
from portal.orgs.models import Organization


def supplier() -> Json:
    """The platform itself, from the settings."""
    settings = config.current()
    party = Party(
        name=settings.supplier_name,
        address_lines=settings.supplier_address,
        gstin=settings.supplier_gstin,
        pan=settings.supplier_pan,
        state_code=settings.supplier_state_code,
        state_name=india.state_name(settings.supplier_state_code),
    )
    return _plain(party)


def recipient_of(organization: Organization) -> Json:
    """The organization as it is now."""
    address: dict[str, Any] = organization.address or {}
    state = organization.state_code or ""
    state_name = india.state_name(state) if state else ""
    last = " ".join(part for part in (address.get("city"), address.get("postalCode")) if part)
    lines = (address.get("line1"), address.get("line2"), last, state_name)
    party = Party(
        name=organization.name,
        address_lines=tuple(line for line in lines if line),
        gstin=organization.gstin or "",
        pan=organization.pan or "",
        state_code=state,
        state_name=state_name,
        country=organization.country,
        email=organization.billing_email,
    )
    return _plain(party)


def _plain(party: Party) -> Json:
    return {**asdict(party), "address_lines": list(party.address_lines)}
