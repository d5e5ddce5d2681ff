"""Reading a file or a text box and judging who in it can be invited; writes nothing."""

from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from portal.errors import Invalid
from portal.invites import queries
from portal.invites.rules import Judged, Mapping, Table, entries_from_text, header_fingerprint, judge, propose_mapping, read_table
from portal.invites.rules.choices import Choices, mended
from portal.memory import without_collector
from portal.orgs import queries as orgs
from portal.orgs.models import Organization
from portal.orgs.rules import Role


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What rows are judged against.

    Attributes:
        members: Addresses of members.
        pending: Addresses with an open invitation (in a setup: those staged before).
        allowed_roles: What the inviter may hand out.
    """

    organization: Organization
    members: AbstractSet[str]
    pending: AbstractSet[str]
    seats_left: int | None
    allowed_roles: frozenset[Role]


@dataclass(frozen=True, slots=True)
class Checked:
    """A file that was read.

    Attributes:
        table: What it says.
        mapping: None when nobody can tell which column has the addresses.
        judged: The verdicts, each formed when it is asked for, and only once.
    """

    table: Table
    mapping: Mapping | None
    judged: Iterator[Judged]


def surroundings(organization: Organization, *, allowed_roles: Sequence[Role]) -> Surroundings:
    """What rows of a running organization are judged against, as of now."""
    return Surroundings(
        organization=organization,
        members=orgs.member_emails(organization.id),
        pending=queries.pending_emails(organization.id),
        seats_left=orgs.seats(organization).left,
        allowed_roles=frozenset(allowed_roles),
    )


def judge_text(text: str, *, default_role: Role, around: Surroundings) -> list[Judged]:
    """The verdict on each address typed into a page.

    Raises:
        Invalid: There is no address in the text.
    """
    table = entries_from_text(text)
    mapping = propose_mapping(table)
    if mapping is None or not table.rows:
        sentence = "There is no e-mail address in this. Write one a line."
        raise Invalid(sentence, code="NO_ADDRESS", details={"people": [sentence]})
    return list(_judge(table, mapping, Choices(), default_role=default_role, around=around))


def check(content: bytes, choices: Choices, *, default_role: Role, around: Surroundings) -> Checked:
    """Reads a file, and judges its rows as they are asked for; writes nothing.

    The columns are those that were chosen, else those that the headers say, else those that were chosen for the same
    headers in this organization before.

    Raises:
        Invalid: It can't be read, or a choice makes no sense, or the default role can't be given out.
        TooLarge: It is larger than 5 MiB.
    """
    if default_role not in around.allowed_roles:
        sentence = f"You can't invite people as {default_role.label}. Choose another role."
        raise Invalid(sentence, code="ROLE_NOT_ALLOWED", details={"role": [sentence]})
    with without_collector():
        table = read_table(content, encoding=choices.encoding, delimiter=choices.delimiter, header_line=choices.header_line)
        mapping = choices.mapping(table) or propose_mapping(table) or _remembered(table, around.organization.id)
        if mapping is None:
            return Checked(table, None, iter(()))
        judged_table, judged_mapping = mended(table, mapping, choices)
        return Checked(table, mapping, _judge(judged_table, judged_mapping, choices, default_role=default_role, around=around))


def _remembered(table: Table, organization_id: str) -> Mapping | None:
    columns = queries.remembered_columns(organization_id, header_fingerprint(table))
    if columns is None:
        return None
    try:
        return Mapping.from_indexes(table, email=columns["email"], name=columns.get("name"), role=columns.get("role"))
    except Invalid:  # the headers are the same, and yet there are fewer columns
        return None


def _judge(table: Table, mapping: Mapping, choices: Choices, *, default_role: Role, around: Surroundings) -> Iterator[Judged]:
    return judge(
        table,
        mapping,
        kind=around.organization.kind,
        default_role=default_role,
        members=around.members,
        pending=around.pending,
        seats_left=around.seats_left,
        allowed_roles=around.allowed_roles,
        role_mapping=choices.roles,
    )
