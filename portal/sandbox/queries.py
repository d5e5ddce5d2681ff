"""Which of the sandbox's webhooks are to be sent."""

from sqlalchemy import select

from portal import clock, db
from portal.gateways.payments.sandbox_models import SandboxWebhook


def webhooks_to_send(*, limit: int) -> list[str]:
    """Ids of events that are due, the newest first: another reason not to rely on their order."""
    due = select(SandboxWebhook.id).where(SandboxWebhook.due_at <= clock.wall())
    return list(db.session.scalars(due.order_by(SandboxWebhook.created_at.desc(), SandboxWebhook.position.desc()).limit(limit)))
