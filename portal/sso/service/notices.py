"""Mails to an organization's owners about what will stop working."""

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import joinedload

from portal import clock, config, db, queue
from portal.db import Json
from portal.gateways.mail import Delivery, Message, deliver
from portal.gateways.rendering import render, show_date
from portal.orgs import queries as orgs
from portal.sso.models import Notice
from portal.sso.rules.events import Subject


def tell_owners(organization_id: str, subject: Subject, *, about: str, facts: Json) -> None:
    """Queues a mail to the owners, once for each ``about``."""
    at = clock.now()
    notice_id = db.new_id()
    statement = (
        insert(Notice)
        .values(
            id=notice_id,
            organization_id=organization_id,
            subject=subject,
            about=about,
            facts=facts,
            recipients=list(orgs.owner_emails(organization_id)),
            created_at=at,
            delivery=Delivery.QUEUED,
            delivery_attempts=0,
            delivery_due_at=at,
        )
        .on_conflict_do_nothing(index_elements=["about"])
        .returning(Notice.id)
    )
    if db.session.scalar(statement) is not None:
        queue.enqueue("sso-send-notice", notice_id)


def send_notice(notice_id: str) -> bool:
    """Sends a notice that is due; returns whether it went out now."""
    statement = select(Notice).options(joinedload(Notice.organization)).where(Notice.id == notice_id).with_for_update(of=Notice)
    notice = db.session.scalar(statement)
    if notice is None or not notice.recipients or not notice.is_to_be_delivered(clock.now()):
        return False
    organization = notice.organization
    subject_line = _subject_line(notice, organization.time_zone)
    context = {
        "organization": organization,
        "facts": notice.facts,
        "expires": show_date(clock.parse_instant(notice.facts["notAfter"]), organization.time_zone) if "notAfter" in notice.facts else "",
        "url": f"{config.current().base_url}/orgs/{organization.slug}/settings/sso",
        "subject": subject_line,
    }
    template = f"email/sso_{notice.subject.value.lower()}"
    message = Message(
        key=notice.id,
        to=notice.recipients,
        subject=subject_line,
        text=render(f"{template}.txt", **context),
        html=render(f"{template}.html", **context),
        at=notice.created_at,
    )
    return deliver(notice, message)


def _subject_line(notice: Notice, time_zone: str) -> str:
    if notice.subject is Subject.DOMAIN_LOST:
        return f"{notice.facts['domain']} is no longer verified"
    expires = show_date(clock.parse_instant(notice.facts["notAfter"]), time_zone)
    return f"The sign-in certificate of {notice.facts['providerId']} expires on {expires}"
