"""Writing the log, in the transaction of the act itself."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import insert

from portal import clock, db
from portal.audit.models import AuditRow
from portal.audit.rules import Action, Actor
from portal.db import Json

COPIED_FROM = 1_000
"""From so many rows on a COPY is quicker than an INSERT that is sent again and again."""


@dataclass(frozen=True, slots=True)
class Subject:
    """What an act was about: the kind of row, its id, and what people call it."""

    type: str
    id: str | None
    name: str


@dataclass(frozen=True, slots=True)
class Act:
    """One thing that was done to one subject, with what changed."""

    subject: Subject
    organization_id: str | None = None
    before: Json | None = None
    after: Json | None = None


def record(
    actor: Actor,
    action: Action,
    subject: Subject,
    *,
    organization_id: str | None = None,
    before: Json | None = None,
    after: Json | None = None,
) -> None:
    """Writes one row; it is kept or lost together with the act."""
    record_all(actor, action, [Act(subject, organization_id, before, after)])


def record_all(actor: Actor, action: Action, acts: Sequence[Act]) -> None:
    """Writes a row for each act, as one set."""
    if not acts:
        return
    at = clock.now()
    rows = [
        {
            "at": at,
            "organization_id": act.organization_id,
            "actor_user_id": actor.user_id,
            "actor_name": actor.name,
            "actor_membership_id": actor.membership_id,
            "via": actor.via,
            "action": action,
            "subject_type": act.subject.type,
            "subject_id": act.subject.id,
            "subject_name": act.subject.name,
            "before": act.before,
            "after": act.after,
            "ip": actor.ip,
        }
        for act in acts
    ]
    if len(rows) < COPIED_FROM:
        db.session.execute(insert(AuditRow), rows)
        return
    columns = ("id", *rows[0])
    db.copy_into(AuditRow, columns, ((db.new_id(), *map(_as_text, row.values())) for row in rows))


def _as_text(value: object) -> str:
    """A value of the log as PostgreSQL reads it."""
    if isinstance(value, dict):
        return json.dumps(value)
    return "" if value is None else str(value)
