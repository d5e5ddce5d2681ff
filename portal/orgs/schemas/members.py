"""What comes in about members, and how they look in JSON."""

from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from portal.accounts.schemas import Email
from portal.errors import Invalid
from portal.orgs.models import Membership
from portal.orgs.rules import EarningsRecipient, MembershipStatus, Role
from portal.orgs.rules.members import Change
from portal.orgs.schemas.fields import Fraction
from portal.web.schema import In, Out, PagedQuery

NextStatus = Literal[MembershipStatus.ACTIVE, MembershipStatus.SUSPENDED, MembershipStatus.REMOVED]


class NewMemberIn(In):
    """A user who becomes a member, named by address or id."""

    email: Email | None = None
    user_id: str | None = None
    role: Role

    @model_validator(mode="after")
    def _named_once(self) -> Self:
        if (self.email is None) == (self.user_id is None):
            sentence = "Name the user by email or by userId, not by both."
            raise Invalid(sentence, details={"email": [sentence]})
        return self


class MemberPatch(In):
    """What is to change of a member; the rate is a fraction."""

    role: Role | None = None
    status: NextStatus | None = None
    custom_consultant_payout_rate: Fraction | None = None
    earnings_recipient: EarningsRecipient | None = None

    @property
    def change(self) -> Change:
        """What becomes of the membership."""
        return Change(role=self.role, status=MembershipStatus(self.status) if self.status else None)


class RoleIn(In):
    """A new role, chosen in the table."""

    role: Role


class StatusIn(In):
    """A new status, chosen in the table."""

    status: NextStatus


class BulkIn(In):
    """One act for the members that are ticked: a role, or a status."""

    act: str

    @property
    def change(self) -> Change:
        """What becomes of each membership.

        Raises:
            Invalid: ``ACT_MISSING``: nothing, or nothing that we know, was chosen.
        """
        kind, _separator, value = self.act.partition(":")
        if kind == "role" and value in set(Role):
            return Change(role=Role(value))
        if kind == "status" and value in {"ACTIVE", "SUSPENDED", "REMOVED"}:
            return Change(status=MembershipStatus(value))
        sentence = "Choose what to do with the members that you ticked."
        raise Invalid(sentence, code="ACT_MISSING", details={"act": [sentence]})


class TransferIn(In):
    """Who becomes the owner; the organization's name is typed once more."""

    member_id: str
    confirm_name: Annotated[str, StringConstraints(max_length=200)]


class MembersFilter(In):
    """Filters of the list of members; removed ones are shown only when they are asked for."""

    q: Annotated[str, StringConstraints(max_length=100)] = ""
    role: Role | None = None
    status: MembershipStatus | None = None


class MembersQuery(MembersFilter):
    """Filters of the page of members."""

    page: Annotated[int, Field(ge=1, le=100_000)] = 1


class MembersListQuery(MembersFilter, PagedQuery):
    """Filters of the JSON list of members."""


class MemberOut(Out):
    """A membership with its user; the rate is a fraction."""

    id: str
    user_id: str
    name: str
    email: str
    role: Role
    status: MembershipStatus
    seat_assigned_at: datetime | None
    custom_consultant_payout_rate: Fraction | None
    earnings_recipient: EarningsRecipient
    application_note: str | None
    applied_at: datetime | None
    approved_at: datetime | None
    last_active_at: datetime | None
    created_at: datetime

    @classmethod
    def of(cls, membership: Membership, *, last_active_at: datetime | None = None) -> "MemberOut":
        """The member as JSON shows them."""
        own = {name: getattr(membership, name) for name in cls.model_fields if hasattr(membership, name)}
        user = membership.user
        return cls.model_construct(**own, name=user.name, email=user.email, last_active_at=last_active_at)
