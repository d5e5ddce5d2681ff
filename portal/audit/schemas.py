"""Filters of the log, and how its rows look in JSON."""

from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from pydantic import Field, StringConstraints

from portal.audit.models import AuditRow
from portal.audit.rules import Action
from portal.web.schema import In, Out, PagedQuery

Day = Annotated[date, Field(ge=date(2000, 1, 1), le=date(2999, 12, 31))]


class AuditFilter(In):
    """What is looked for: an act, words of the actor's or the subject's name, and days, both inclusive."""

    action: Action | None = None
    q: Annotated[str, StringConstraints(max_length=100)] = ""
    since: Annotated[Day | None, Field(alias="from")] = None
    until: Annotated[Day | None, Field(alias="to")] = None

    def between(self, time_zone: str) -> tuple[datetime | None, datetime | None]:
        """The days as instants, the second one exclusive."""
        zone = ZoneInfo(time_zone)
        since = datetime(self.since.year, self.since.month, self.since.day, tzinfo=zone).astimezone(UTC) if self.since else None
        after = self.until + timedelta(days=1) if self.until else None
        until = datetime(after.year, after.month, after.day, tzinfo=zone).astimezone(UTC) if after else None
        return since, until


class AuditQuery(AuditFilter, PagedQuery):
    """The filters, and which part of the list is wanted."""


class ActorOut(Out):
    """Who acted, and in which capacity."""

    user_id: str | None
    name: str
    via: str


class AuditRowOut(Out):
    """An act: who, what, when, to what, from where, and before → after."""

    id: str
    at: datetime
    actor: ActorOut
    action: str
    subject: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    ip: str | None

    @classmethod
    def of(cls, row: AuditRow) -> "AuditRowOut":
        """The row as JSON shows it."""
        actor = ActorOut(user_id=row.actor_user_id, name=row.actor_name, via=row.via)
        return cls(
            id=row.id,
            at=row.at,
            actor=actor,
            action=row.action,
            subject=row.subject_name,
            before=row.before,
            after=row.after,
            ip=row.ip,
        )


class ActivityOut(Out):
    """An act as every manager may read it: without its values and without the address that it came from."""

    id: str
    at: datetime
    actor: str
    action: str
    subject: str

    @classmethod
    def of(cls, row: AuditRow) -> "ActivityOut":
        """The act as JSON shows it."""
        return cls(id=row.id, at=row.at, actor=row.actor_name, action=row.action, subject=row.subject_name)
