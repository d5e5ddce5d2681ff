"""Reading the log."""

from collections.abc import Sequence

from sqlalchemy import select

from portal import db
from portal.audit.models import AuditRow


def latest(organization_id: str, *, limit: int) -> Sequence[AuditRow]:
    """An organization's newest acts, newest first."""
    statement = (
        select(AuditRow).where(AuditRow.organization_id == organization_id).order_by(AuditRow.at.desc(), AuditRow.id.desc()).limit(limit)
    )
    return db.session.scalars(statement).all()
