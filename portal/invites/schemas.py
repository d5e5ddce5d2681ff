"""What comes in about invitations, and how they look in JSON."""

from datetime import datetime
from typing import Annotated

from pydantic import Field, StringConstraints

from portal.accounts.schemas import Email
from portal.gateways.mail import Delivery
from portal.invites.models import Invitation
from portal.invites.rules import Verdict
from portal.invites.rules.states import LASTS_DAYS, LONGEST_DAYS, InvitationStatus
from portal.orgs.rules import MembershipStatus, Role
from portal.web.schema import In, Out

PersonName = Annotated[str, StringConstraints(min_length=1, max_length=120, pattern=r"^[^\x00-\x1f]*$")]


class PeopleIn(In):
    """Addresses typed into the page, one a line, and the role for all of them."""

    people: Annotated[str, StringConstraints(min_length=3, max_length=200_000)]
    role: Role = Role.ORG_LEARNER


class InvitationIn(In):
    """One invitation from an API client."""

    email: Email
    role: Role
    name: PersonName | None = None
    expires_in_days: Annotated[int, Field(ge=1, le=LONGEST_DAYS)] = LASTS_DAYS


class TokenIn(In):
    """The token of an invitation's link."""

    token: Annotated[str, StringConstraints(min_length=20, max_length=200)]


class InvitationsQuery(In):
    """Filters of the list of invitations."""

    status: InvitationStatus = InvitationStatus.PENDING
    page: Annotated[int, Field(ge=1, le=100_000)] = 1


class InvitationOut(Out):
    """An invitation; ``token`` only when it was just made."""

    id: str
    email: str
    name: str | None
    role: Role
    status: InvitationStatus
    expires_at: datetime
    created_at: datetime
    delivery: Delivery
    token: str | None = None

    @classmethod
    def of(cls, invitation: Invitation, *, token: str | None = None) -> "InvitationOut":
        """The invitation as JSON shows it."""
        shown = cls.model_validate(invitation)
        return shown.model_copy(update={"token": token}) if token else shown


class JoinedOut(Out):
    """The membership that an accepted invitation came to."""

    id: str
    organization_id: str
    user_id: str
    role: Role
    status: MembershipStatus


class MappingIn(In):
    """Which column of a file is which, from 0."""

    email: Annotated[int, Field(ge=0, le=200)]
    name: Annotated[int, Field(ge=0, le=200)] | None = None
    role: Annotated[int, Field(ge=0, le=200)] | None = None


class PreviewQuery(In):
    """Filters of a preview."""

    verdict: Verdict | None = None
    page: Annotated[int, Field(ge=1, le=100_000)] = 1
