"""Reading the log."""

import json
from collections.abc import Sequence

from sqlalchemy import Select, Text, cast, literal, or_, select, tuple_
from sqlalchemy.dialects.postgresql import ARRAY

from portal import db
from portal.audit.models import AuditRow
from portal.audit.rules import Action
from portal.audit.schemas import AuditFilter
from portal.db import Json
from portal.sheets import csv_bytes

EXPORTED_AT_ONCE = 1000


def rows(
    organization_id: str, filters: AuditFilter, *, limit: int, cursor: str | None = None, time_zone: str = "UTC"
) -> Sequence[AuditRow]:
    """An organization's acts, newest first; ``cursor`` is the last id of the page before, and the filters' days are in the zone."""
    statement = _filtered(organization_id, filters, time_zone)
    if cursor is not None:
        last = select(AuditRow.at).where(AuditRow.id == cursor, AuditRow.organization_id == organization_id).scalar_subquery()
        statement = statement.where(tuple_(AuditRow.at, AuditRow.id) < tuple_(last, literal(cursor, AuditRow.id.type)))
    return db.session.scalars(statement.limit(limit)).all()


def as_csv(organization_id: str, filters: AuditFilter, *, time_zone: str) -> bytes:
    """Everything that the filters let through, newest first, as CSV: instants in UTC, before and after as JSON."""
    statement = _filtered(organization_id, filters, time_zone).execution_options(yield_per=EXPORTED_AT_ONCE)
    header = ("At (UTC)", "Actor", "In the capacity of", "Act", "Subject", "Before", "After", "IP address")
    cells = (
        (row.at.isoformat(), row.actor_name, row.via.label, row.action.value, row.subject_name, _json(row.before), _json(row.after), row.ip)
        for row in db.session.scalars(statement)
    )
    return csv_bytes(header, cells)


def last_change(organization_id: str, names: Sequence[str]) -> AuditRow | None:
    """The newest change of any of these settings."""
    statement = (
        select(AuditRow)
        .where(
            AuditRow.organization_id == organization_id,
            AuditRow.action == Action.SETTINGS_CHANGED,
            AuditRow.after.op("?|")(cast(list(names), ARRAY(Text))),
        )
        .order_by(AuditRow.at.desc(), AuditRow.id.desc())
        .limit(1)
    )
    return db.session.scalar(statement)


def _filtered(organization_id: str, filters: AuditFilter, time_zone: str) -> Select[AuditRow]:
    newest_first = AuditRow.at.desc(), AuditRow.id.desc()
    statement = select(AuditRow).where(AuditRow.organization_id == organization_id).order_by(*newest_first)
    if filters.action is not None:
        statement = statement.where(AuditRow.action == filters.action)
    if filters.q:
        pattern = db.containing(filters.q)
        statement = statement.where(or_(AuditRow.actor_name.ilike(pattern), AuditRow.subject_name.ilike(pattern)))
    since, until = filters.between(time_zone)
    if since is not None:
        statement = statement.where(AuditRow.at >= since)
    if until is not None:
        statement = statement.where(AuditRow.at < until)
    return statement


def _json(value: Json | None) -> str | None:
    return None if value is None else json.dumps(value, ensure_ascii=False)
