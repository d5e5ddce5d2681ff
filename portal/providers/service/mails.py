"""Mails about consultants, accounts and payouts: written with the act, sent by a job."""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import joinedload

from portal import clock, config, db, queue
from portal.gateways.mail import Message, deliver
from portal.gateways.rendering import render
from portal.orgs import queries as orgs
from portal.orgs.models import Organization
from portal.providers.models import ProviderMail
from portal.providers.rules.occasions import Occasion, words_of


def write(occasion: Occasion, organization: Organization, *, to: Sequence[str] | None = None, **facts: str) -> None:
    """Asks for a mail, to the owners unless somebody else is named; nothing is written when nobody would read it."""
    recipients = list(orgs.owner_emails(organization.id) if to is None else to)
    if not recipients:
        return
    at = clock.now()
    mail = ProviderMail(
        organization_id=organization.id,
        occasion=occasion,
        recipients=recipients,
        facts={"organization": organization.name, "slug": organization.slug, **facts},
        delivery_due_at=at,
        created_at=at,
    )
    db.session.add(mail)
    db.session.flush()
    queue.enqueue("providers-send-mail", mail.id)


def send(mail_id: str) -> bool:
    """Sends a mail when it is due; returns whether it went out now."""
    statement = select(ProviderMail).options(joinedload(ProviderMail.organization)).where(ProviderMail.id == mail_id)
    mail = db.session.scalar(statement.with_for_update(of=ProviderMail))
    if mail is None or not mail.is_to_be_delivered(clock.now()):
        return False
    words = words_of(mail.occasion, mail.facts)
    context = {"words": words, "subject": words.subject, "url": f"{config.current().base_url}{words.page}"}
    message = Message(
        key=mail.id,
        to=mail.recipients,
        subject=words.subject,
        text=render("email/provider.txt", **context),
        html=render("email/provider.html", **context),
        at=mail.created_at,
    )
    return deliver(mail, message)
