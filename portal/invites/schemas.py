"""What comes in about invitations, and how they look in JSON."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import AwareDatetime, Field, Json, StringConstraints, WithJsonSchema

from portal.accounts.schemas import Email
from portal.errors import Invalid
from portal.gateways.mail import Delivery
from portal.invites.models import Invitation
from portal.invites.rules import Verdict
from portal.invites.rules.choices import Choices
from portal.invites.rules.states import LASTS_DAYS, LONGEST_DAYS, ImportStatus, InvitationStatus
from portal.orgs.rules import MembershipStatus, Role
from portal.web.schema import In, Out, PagedQuery

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


class InvitationsListQuery(PagedQuery):
    """Filters of the JSON list of invitations."""

    status: InvitationStatus | None = None


class BulkIn(In):
    """One act for the invitations that are ticked."""

    act: str | None = None

    @property
    def known(self) -> str:
        """``resend`` or ``revoke``.

        Raises:
            Invalid: ``ACT_MISSING``: nothing, or nothing that we know, was chosen.
        """
        if self.act in {"resend", "revoke"}:
            return self.act
        sentence = "Choose what to do with the invitations that you ticked."
        raise Invalid(sentence, code="ACT_MISSING", details={"act": [sentence]})


class RestoreQuery(In):
    """Which act is to be undone: the instant at which it took invitations back."""

    revoked_at: AwareDatetime


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


Column = Annotated[int, Field(ge=0, le=200)]


class DefaultRoleIn(In):
    """What people of a file become when it names no role."""

    file_role: Role | None = None


class MappingForm(In):
    """Which column of a file is which, from 0."""

    email: Column
    name: Column | None = None
    role: Column | None = None


class ReadingIn(In):
    """How a file is to be read, where the content alone misleads; empty leaves it to the content."""

    encoding: Literal["utf-8", "utf-16", "windows-1252"] | None = None
    delimiter: Literal["comma", "semicolon", "tab", "vertical bar"] | None = None
    header_line: Annotated[int, Field(ge=0, le=1_000_000)] | None = None
    role: Role | None = None

    @property
    def spoken_delimiter(self) -> str | None:
        """The delimiter itself."""
        return {"comma": ",", "semicolon": ";", "tab": "\t", "vertical bar": "|"}.get(self.delimiter or "")


class MendIn(In):
    """What a row says instead."""

    email: Annotated[str, StringConstraints(max_length=320)] | None = None
    name: Annotated[str, StringConstraints(max_length=120)] | None = None
    role: Role | None = None


class PreviewQuery(In):
    """Filters of a preview; ``after`` and ``before`` are the lines that its pages end at."""

    verdict: Verdict | None = None
    dropped: bool = False
    after: Annotated[int, Field(ge=0, le=10_000_000_000)] = 0
    before: Annotated[int, Field(ge=0, le=10_000_000_000)] = 0


class ColumnsIn(In):
    """Which columns hold what, from 0; a name may be in several."""

    email: Column
    name: Column | list[Column] | None = None
    role: Column | None = None


class ImportIn(In):
    """The fields beside the file of a JSON client's import; ``mapping`` and ``roleMapping`` are JSON texts."""

    dry_run: bool = False
    mapping: Annotated[Json[ColumnsIn], WithJsonSchema({"type": "string", "contentMediaType": "application/json"})] | None = None
    encoding: Literal["utf-8", "utf-16", "windows-1252"] | None = None
    delimiter: Literal[",", ";", "\t", "|"] | None = None
    header_line: Annotated[int, Field(ge=0, le=1_000_000)] | None = None
    default_role: Role | None = None
    role_mapping: Annotated[Json[dict[str, Role]], WithJsonSchema({"type": "string", "contentMediaType": "application/json"})] | None = None

    @property
    def choices(self) -> Choices:
        """What the client decided."""
        columns = self.mapping.model_dump() if self.mapping else None
        return Choices(
            encoding=self.encoding,
            delimiter=self.delimiter,
            header_line=self.header_line,
            columns=columns,
            roles=self.role_mapping or {},
        )


class FileOut(Out):
    """How a file was read."""

    encoding: str
    delimiter: str | None
    header_line: int | None


class ColumnOut(Out):
    """A column, with up to three of its values."""

    name: str
    samples: list[str]


class ImportRowOut(Out):
    """A row of a file with its verdict; ``delivery`` once it was invited."""

    line: int
    email: str
    name: str | None
    role: Role | None
    verdict: Verdict
    message: str
    delivery: Delivery | None = None


class ImportOut(Out):
    """A file of people: how it was read, which column is which, and every row's verdict."""

    batch_id: str | None
    status: ImportStatus
    file: FileOut
    columns: list[ColumnOut]
    mapping: dict[str, int | list[int] | None] | None
    counts: dict[Verdict, int]
    rows: list[ImportRowOut]
