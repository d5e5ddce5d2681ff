"""Acts on consultants."""

from portal import clock, db
from portal.accounts.models import User
from portal.audit import service as audit
from portal.audit.rules import Action, Actor
from portal.errors import Conflict, Forbidden, NotFound
from portal.providers import queries
from portal.providers.models import Consultant
from portal.providers.schemas import ConsultantIn


def register(data: ConsultantIn, *, user: User, actor: Actor) -> Consultant:
    """Makes a user a consultant who waits to be verified.

    Raises:
        Forbidden: ``EMAIL_NOT_VERIFIED``.
        Conflict: ``ALREADY_CONSULTANT``.
    """
    if user.email_verified_at is None:
        raise Forbidden("Confirm your e-mail address first; we have sent you a link.", code="EMAIL_NOT_VERIFIED")
    consultant = Consultant(user_id=user.id, headline=data.headline, created_at=clock.now())
    with db.refused_by({"pk_consultants": Conflict("You have a consultant's profile already.", code="ALREADY_CONSULTANT")}):
        db.session.add(consultant)
    audit.record(actor, Action.CONSULTANT_REGISTERED, audit.Subject("consultant", user.id, user.name))
    return consultant


def verify(user_id: str, *, actor: Actor) -> Consultant:
    """Lets a consultant give sessions; harmless when they may already.

    Raises:
        NotFound: There is no such consultant.
    """
    consultant = queries.consultant(user_id)
    if consultant is None:
        raise NotFound("There is no such consultant.", code="CONSULTANT_NOT_FOUND")
    if consultant.verified_at is None:
        consultant.verified_at = clock.now()
        user = db.session.get_one(User, user_id)
        audit.record(actor, Action.CONSULTANT_VERIFIED, audit.Subject("consultant", user_id, user.name))
    return consultant
