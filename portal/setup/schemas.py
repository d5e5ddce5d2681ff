"""What comes in from a new user's first page."""

from typing import Annotated

from pydantic import StringConstraints

from portal.accounts.schemas import Email
from portal.orgs.rules import BillingMode, Role, SizeBucket
from portal.orgs.schemas.fields import Description, Line, OrgName
from portal.web.schema import In


class OnboardingIn(In):
    """A buying organization on one page: what it is, how it pays, and whom to invite."""

    name: OrgName
    billing_email: Email
    billing_mode: BillingMode
    description: Description | None = None
    industry: Line | None = None
    size_bucket: SizeBucket | None = None
    people: Annotated[str, StringConstraints(max_length=200_000)] | None = None
    role: Role = Role.ORG_LEARNER
