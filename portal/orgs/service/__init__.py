"""Acts on organizations and their members."""

from portal.orgs.service.lifecycle import create, deactivate, decide
from portal.orgs.service.members import join
from portal.orgs.service.organizations import (
    draft,
    lock,
    lock_open,
    lock_to_charge,
    open_for_business,
    provider_orgs_are_on,
    provider_tier_off,
    require_kind,
    require_open,
    require_role,
    save_info,
    subject,
)
from portal.orgs.service.settings import apply

__all__ = [
    "apply",
    "create",
    "deactivate",
    "decide",
    "draft",
    "join",
    "lock",
    "lock_open",
    "lock_to_charge",
    "open_for_business",
    "provider_orgs_are_on",
    "provider_tier_off",
    "require_kind",
    "require_open",
    "require_role",
    "save_info",
    "subject",
]
