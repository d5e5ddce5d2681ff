"""What comes in about consultants, and how they look in JSON."""

from datetime import datetime
from typing import Annotated

from pydantic import Field, StringConstraints

from portal.orgs.models import Organization
from portal.orgs.rules import EarningsRecipient, MembershipStatus
from portal.orgs.schemas import MemberPatch
from portal.orgs.schemas.fields import Percent
from portal.providers.models import Consultant
from portal.providers.rules.roster import Decision
from portal.web.schema import In, Out, PagedQuery

MOST_NOTED = 1_000


class ConsultantIn(In):
    """A profile."""

    headline: Annotated[str, StringConstraints(min_length=3, max_length=160, pattern=r"^[^\x00-\x1f]*$")]


class ConsultantOut(Out):
    """A consultant; the id is the user's."""

    user_id: str
    headline: str
    verified_at: datetime | None

    @classmethod
    def of(cls, consultant: Consultant) -> "ConsultantOut":
        """The consultant as JSON shows them."""
        return cls.model_validate(consultant)


class ApplyIn(In):
    """An application to an organization, with a few words if one likes."""

    note: Annotated[str, StringConstraints(max_length=MOST_NOTED)] | None = None


class DecisionIn(In):
    """What an admin decides about an application."""

    member_id: str
    action: Decision


class VerdictForm(In):
    """What an admin decides about one application, from the page."""

    action: Decision


class TermsForm(In):
    """What is agreed with one consultant, from the page: an empty rate is the organization's."""

    custom_consultant_payout_rate: Percent | None = None
    earnings_recipient: EarningsRecipient

    def as_patch(self) -> MemberPatch:
        """The same as an API client says it."""
        return MemberPatch.model_construct(
            {"custom_consultant_payout_rate", "earnings_recipient"},
            custom_consultant_payout_rate=self.custom_consultant_payout_rate,
            earnings_recipient=self.earnings_recipient,
        )


class ConsultantsQuery(PagedQuery):
    """Which consultants of an organization are wanted."""

    status: MembershipStatus | None = None


class ConsultantsPageQuery(In):
    """Which consultants the page shows."""

    status: MembershipStatus = MembershipStatus.ACTIVE
    page: Annotated[int, Field(ge=1, le=100_000)] = 1


class CompaniesQuery(In):
    """Which provider organizations are wanted."""

    q: Annotated[str, StringConstraints(max_length=100)] = ""
    page: Annotated[int, Field(ge=1, le=100_000)] = 1


class FaceOut(Out):
    """A consultant as the public sees them; the id is the user's."""

    user_id: str
    name: str
    headline: str


class ProviderOut(Out):
    """A provider organization as the public sees it."""

    id: str
    name: str
    slug: str
    description: str | None
    industry: str | None
    website: str | None
    logo_url: str | None
    primary_color: str | None
    roster: list[FaceOut]

    @classmethod
    def of(cls, organization: Organization, faces: object) -> "ProviderOut":
        """The organization as JSON shows it."""
        own = {name: getattr(organization, name) for name in cls.model_fields if hasattr(organization, name)}
        return cls.model_validate({**own, "logo_url": organization.logo_path, "roster": faces})
