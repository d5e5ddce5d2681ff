"""Changing what an organization's fields hold: one path for the wizard, the settings pages and JSON."""

import json
from collections.abc import Iterable, Mapping
from datetime import date
from enum import Enum
from typing import Any

from portal import crypto, db, india
from portal.audit import service as audit
from portal.audit.rules import Action, Actor
from portal.db import Json
from portal.errors import Conflict, Forbidden, Invalid
from portal.orgs import queries
from portal.orgs.models import Organization
from portal.orgs.rules import Role, Status
from portal.orgs.rules.colors import check_primary
from portal.orgs.rules.rates import Rates, check_platform_rate, check_rates
from portal.orgs.service.organizations import lock_open, provider_orgs_are_on, provider_tier_off, subject

BUYING = frozenset({"billing_mode"})
PROVIDING = frozenset(
    {"platform_commission_rate", "org_retain_rate", "consultant_payout_rate", "payout_frequency"}
    | {"auto_approve_consultants", "enforce_organization_plans"}
)


FOLLOWING = ("gstin", "state_code", "is_sez")
"""What may change with other fields: the state with the GSTIN, and all three with the country."""


def change(
    organization_id: str, changes: Mapping[str, Any], *, actor: Actor, role: Role, may_raise_limit: bool, seen: str | None = None
) -> Organization:
    """Saves a group of settings, or what a PATCH named; what is equal already is no change.

    Args:
        organization_id: Whose settings.
        changes: Column → value, checked by a schema.
        actor: How the log names whoever changes.
        role: The role of whoever changes.
        may_raise_limit: Whether they may raise or remove the credit limit (platform admins).
        seen: The ``fingerprint`` of what the form showed; None doesn't compare.

    Raises:
        Conflict: ``EDIT_CONFLICT``: somebody else changed these fields meanwhile. ``SEAT_LIMIT``: more seats are held.
        Invalid: The values don't fit each other or the organization's kind (``BILLING_MODE_IMMUTABLE``, ``RATES_SUM``, …).
        Forbidden: ``LIMIT_RAISE_FORBIDDEN``, or the limit is an owner's to lower.
        NotEnabled: Rates and payout controls, while ``ENABLE_PROVIDER_ORGS`` is off.
    """
    organization = lock_open(organization_id)
    if seen is not None and seen != fingerprint(organization, changes):
        raise Conflict("Somebody else changed this meanwhile. Nothing of yours is saved yet.", code="EDIT_CONFLICT")
    _check_limit(organization, changes, role=role, may_raise=may_raise_limit)
    before = {name: getattr(organization, name) for name in {*changes, *FOLLOWING}}
    apply(organization, changes)
    changed = [name for name, value in before.items() if getattr(organization, name) != value]
    if changed:
        audit.record(
            actor,
            Action.SETTINGS_CHANGED,
            subject(organization),
            organization_id=organization.id,
            before={name: plain(before[name]) for name in changed},
            after={name: plain(getattr(organization, name)) for name in changed},
        )
    return organization


def apply(organization: Organization, changes: Mapping[str, Any]) -> None:
    """Sets fields of a locked (or new) organization, when they fit each other and its kind.

    Raises:
        Invalid: They don't.
        Conflict: ``SEAT_LIMIT``.
        NotEnabled: ``ENABLE_PROVIDER_ORGS`` is off.
    """
    if changes.get("address") and "state" not in changes["address"]:  # a form asks for the state's code alone
        kept = (organization.address or {}).get("state")
        changes = {**changes, "address": {**changes["address"], **({"state": kept} if kept else {})}}
    values = {name: value for name, value in changes.items() if getattr(organization, name) != value}
    _check_kind(organization, values)
    _check_mode(organization, values)
    for name, value in values.items():
        setattr(organization, name, value)
    _check_place(organization, changes)
    _check_contract(organization)
    check_rates(Rates(organization.platform_commission_rate, organization.org_retain_rate, organization.consultant_payout_rate))
    if "platform_commission_rate" in values:
        check_platform_rate(organization.platform_commission_rate, highest_custom=queries.highest_custom_rate(organization.id))
    if values.get("primary_color"):
        check_primary(values["primary_color"])
    _check_seats(organization, values)
    db.session.flush()


def fingerprint(organization: Organization, columns: Iterable[str]) -> str:
    """What some columns hold, as a short text that changes with it."""
    held = {name: plain(getattr(organization, name)) for name in sorted(columns)}
    return crypto.hash_token(json.dumps(held, sort_keys=True))


def plain(value: Any) -> Any:  # noqa: ANN401 - any column's value, as JSON holds it
    """A column's value as the audit log keeps it."""
    if isinstance(value, Enum):
        return value.value
    return value.isoformat() if isinstance(value, date) else value


def _check_kind(organization: Organization, values: Json) -> None:
    if not organization.kind.buys and values.keys() & BUYING:
        sentence = "A provider organization buys nothing, so it has no billing mode."
        raise Invalid(sentence, code="BILLING_MODE_NOT_ALLOWED", details={"billing_mode": [sentence]})
    if values.keys() & PROVIDING:
        if not provider_orgs_are_on():
            raise provider_tier_off()
        if not organization.kind.provides:
            sentence = "Only provider organizations have rates and payout controls."
            raise Invalid(sentence, code="RATES_NOT_ALLOWED", details={name: [sentence] for name in sorted(values.keys() & PROVIDING)})


def _check_mode(organization: Organization, values: Json) -> None:
    if "billing_mode" not in values:
        return
    if values["billing_mode"] is None:
        sentence = "Choose how sessions are paid."
        raise Invalid(sentence, code="BILLING_MODE_MISSING", details={"billing_mode": [sentence]})
    if organization.first_payment_at is not None:
        sentence = "The billing mode can't change any more, because there are payments under it."
        raise Invalid(sentence, code="BILLING_MODE_IMMUTABLE", details={"billing_mode": [sentence]})


def _check_place(organization: Organization, changes: Mapping[str, Any]) -> None:
    """The GSTIN's first two digits give the state (GSTIN's own form); abroad there is neither."""
    if organization.country != "IN":
        organization.state_code = organization.gstin = None
        organization.is_sez = False
        return
    named = str((organization.address or {}).get("state") or "")
    if "address" in changes and named and india.state_code(named) is None:
        sentence = f"“{named[:60]}” is none of India's states. Write its name in full, or its two-digit code."
        raise Invalid(sentence, code="STATE_INVALID", details={"address": [sentence]})
    if not organization.gstin:
        if "state_code" in changes and organization.state_code is None and organization.address is not None:
            sentence = "Choose the state, or enter the GSTIN: the tax on your invoices depends on it."
            raise Invalid(sentence, code="STATE_REQUIRED", details={"state_code": [sentence]})
        return
    state = organization.gstin[:2]
    if changes.get("state_code") not in {None, state}:
        sentence = "The state must be the one in the first two digits of the GSTIN."
        raise Invalid(sentence, code="STATE_MISMATCH", details={"state_code": [sentence]})
    organization.state_code = state


def _check_contract(organization: Organization) -> None:
    start, end = organization.contract_start, organization.contract_end
    if start and end and end < start:
        sentence = "The contract can't end before it starts."
        raise Invalid(sentence, code="CONTRACT_ORDER", details={"contract_end": [sentence]})


def _check_limit(organization: Organization, changes: Mapping[str, Any], *, role: Role, may_raise: bool) -> None:
    """Lowering the limit is an owner's; raising or removing it is a platform admin's (domain: *Credit limit*)."""
    if "credit_limit" not in changes or changes["credit_limit"] == organization.credit_limit or may_raise:
        return
    old, new = organization.credit_limit, changes["credit_limit"]
    if old is not None and (new is None or new > old):
        sentence = "Only the platform's staff can raise or remove the credit limit. Ask them to do it."
        raise Forbidden(sentence, code="LIMIT_RAISE_FORBIDDEN", details={"credit_limit": [sentence]})
    if role is not Role.ORG_OWNER:
        sentence = "Only an owner can lower the credit limit."
        raise Forbidden(sentence, code="ROLE_TOO_LOW", details={"credit_limit": [sentence]})


def _check_seats(organization: Organization, values: Json) -> None:
    total = values.get("seats_total")
    if total is None or organization.status is Status.DRAFT:
        return
    used = queries.seats(organization).used
    if used > total:
        sentence = f"{used} seats are held now. Remove or suspend learners first, or keep at least {used} seats."
        raise Conflict(sentence, code="SEAT_LIMIT", details={"seats_total": [sentence]})
