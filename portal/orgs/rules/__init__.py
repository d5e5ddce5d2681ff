"""The rules of organizations: values in, values out."""

from portal.orgs.rules.lifecycle import Verdict, verdicts_on
from portal.orgs.rules.members import (
    PROVIDER_TIER,
    RANKS,
    EarningsRecipient,
    MembershipStatus,
    Role,
    default_role,
    invitable_roles,
    roles_for,
)
from portal.orgs.rules.organizations import (
    FIELD_LABELS,
    RESERVED_SLUGS,
    BillingMode,
    Kind,
    PayoutFrequency,
    SizeBucket,
    Status,
    check_slug,
    media_path,
    slugify,
)

__all__ = [
    "FIELD_LABELS",
    "PROVIDER_TIER",
    "RANKS",
    "RESERVED_SLUGS",
    "BillingMode",
    "EarningsRecipient",
    "Kind",
    "MembershipStatus",
    "PayoutFrequency",
    "Role",
    "SizeBucket",
    "Status",
    "Verdict",
    "check_slug",
    "default_role",
    "invitable_roles",
    "media_path",
    "roles_for",
    "slugify",
    "verdicts_on",
]
