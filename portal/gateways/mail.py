"""Mail: one message at a time, as .eml files (the default) or by SMTP.

A message's key (the id of the row that caused it) becomes its Message-ID, so that a second delivery after a crash is the same
message to every mail system that looks, and the same file on disk.
"""

import smtplib
import ssl
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.message import EmailMessage
from email.utils import format_datetime, parseaddr
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import unquote, urlsplit

import structlog
from sqlalchemy import Enum
from sqlalchemy.orm import Mapped, mapped_column

from portal import clock, db
from portal.gateways.guard import refuse_inside_transaction

log = structlog.get_logger()

TRIES_AFTER = (timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=30), timedelta(hours=2), timedelta(hours=6))
CLAIM = timedelta(minutes=5)
TALK_SECONDS = 60
ANSWER_SECONDS = 200
"""Both together stay below the claim: whoever waits for the answer to a message is the only one who sends it."""


class MailFailed(Exception):
    """The message didn't go out; the job tries again."""


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file of a message."""

    name: str
    content: bytes
    media_type: str = "application/pdf"


@dataclass(frozen=True, slots=True)
class Message:
    """A mail to one reader (and copies), in plain text and HTML.

    Attributes:
        key: The id of the row that caused it.
        at: When it was caused, UTC.
    """

    key: str
    to: Sequence[str]
    subject: str
    text: str
    html: str
    at: datetime
    attachments: Sequence[Attachment] = ()


class Mail(Protocol):
    """Something that delivers messages."""

    def send(self, message: Message) -> None:
        """Hands the message over.

        Raises:
            MailFailed: It wasn't taken.
        """


def _compose(message: Message, *, sender: str) -> EmailMessage:
    composed = EmailMessage()
    composed["From"] = sender
    composed["To"] = ", ".join(message.to)
    composed["Subject"] = " ".join(message.subject.split())
    composed["Date"] = format_datetime(message.at)
    composed["Message-ID"] = f"<{message.key}@{parseaddr(sender)[1].rpartition('@')[2] or 'portal.invalid'}>"
    composed["Auto-Submitted"] = "auto-generated"
    composed.set_content(message.text)
    composed.add_alternative(message.html, subtype="html")
    for attachment in message.attachments:
        main_type, _, subtype = attachment.media_type.partition("/")
        composed.add_attachment(attachment.content, maintype=main_type, subtype=subtype, filename=attachment.name)
    return composed


class MailToFolder:
    """Each message an .eml file named by its key: readable by every mail program, and the same file when sent twice."""

    def __init__(self, folder: Path, *, sender: str) -> None:
        self._folder = folder
        self._sender = sender

    def send(self, message: Message) -> None:
        """Writes the file, whole or not at all."""
        refuse_inside_transaction()
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / f"{message.key}.eml"
        part = path.with_suffix(".part")
        part.write_bytes(bytes(_compose(message, sender=self._sender)))
        part.replace(path)


class _Patient(smtplib.SMTP):
    """Waits longer for the one answer that decides: who hangs up before it doesn't know whether the message went out.

    RFC 5321, section 4.5.3.2.6, asks for ten minutes; we have less, because a worker's claim on a mail runs out.
    """

    def __init__(self, *args: Any, **how: Any) -> None:  # noqa: ANN401 - smtplib's own
        self._began = time.monotonic()
        super().__init__(*args, **how)

    def data(self, msg: Any) -> tuple[int, bytes]:  # noqa: ANN401 - smtplib's own
        """Sends the message itself, unless all before took so long that there is no time left to wait for the answer."""
        if time.monotonic() - self._began > TALK_SECONDS:
            raise TimeoutError(f"the server took more than {TALK_SECONDS} s to come to the message")
        if self.sock:
            self.sock.settimeout(ANSWER_SECONDS)
        return super().data(msg)


class _PatientWithTls(_Patient, smtplib.SMTP_SSL):
    """The same with TLS from the start."""


class MailBySmtp:
    """SMTP with STARTTLS where it is offered (``smtp://``), or TLS from the start (``smtps://``)."""

    def __init__(self, url: str, *, sender: str, timeout_seconds: int) -> None:
        parts = urlsplit(url)
        self._tls = parts.scheme == "smtps"
        self._host = parts.hostname or "localhost"
        self._port = parts.port or (465 if self._tls else 587)
        self._user = unquote(parts.username or "")
        self._password = unquote(parts.password or "")
        self._sender = sender
        self._timeout = timeout_seconds

    def send(self, message: Message) -> None:
        """Hands the message to the server.

        Raises:
            MailFailed: The server can't be reached, or refused.
        """
        refuse_inside_transaction()
        composed = _compose(message, sender=self._sender)
        try:
            server = self._connect()
        except (OSError, smtplib.SMTPException) as error:
            raise MailFailed(f"{type(error).__name__}: {error}") from error
        try:
            refused = server.send_message(composed)
            with suppress(OSError, smtplib.SMTPException):  # it was taken: nothing that comes after makes it untaken
                server.putcmd("quit")
        except (OSError, smtplib.SMTPException) as error:
            raise MailFailed(f"{type(error).__name__}: {error}") from error
        finally:
            server.close()
        if refused:
            log.warning("mail.recipients_refused", key=message.key, refused=len(refused), taken=len(message.to) - len(refused))

    def _connect(self) -> smtplib.SMTP:
        context = ssl.create_default_context()
        if self._tls:
            server: smtplib.SMTP = _PatientWithTls(self._host, self._port, timeout=self._timeout, context=context)
        else:
            server = _Patient(self._host, self._port, timeout=self._timeout)
        try:
            if not self._tls:
                server.ehlo()
                if server.has_extn("starttls"):
                    server.starttls(context=context)
            if self._user:
                server.login(self._user, self._password)
        except BaseException:
            server.close()
            raise
        return server


_mail: list[Mail] = []


def connect(url: str, *, sender: str, timeout_seconds: int) -> None:
    """Chooses the adapter by the scheme of ``MAIL_URL``; nothing is sent yet."""
    parts = urlsplit(url)
    adapter: Mail = (
        MailToFolder(Path(unquote(parts.path)), sender=sender)
        if parts.scheme == "file"
        else MailBySmtp(url, sender=sender, timeout_seconds=timeout_seconds)
    )
    _mail[:] = [adapter]


def send(message: Message) -> None:
    """Sends by the configured adapter.

    Raises:
        MailFailed: It wasn't taken.
    """
    _mail[0].send(message)


class Delivery(StrEnum):
    """Where a mail stands."""

    QUEUED = "QUEUED"
    SENT = "SENT"
    FAILED = "FAILED"


class Delivered:
    """The columns of a row that causes a mail. The row is the to-do list: the sweep rings for what is QUEUED and due."""

    delivery: Mapped[Delivery] = mapped_column(Enum(Delivery, native_enum=False, length=10), default=Delivery.QUEUED)
    delivery_attempts: Mapped[int] = mapped_column(default=0)
    delivery_due_at: Mapped[datetime] = mapped_column(default=clock.now)
    delivery_error: Mapped[str | None]
    delivered_at: Mapped[datetime | None]

    def is_to_be_delivered(self, at: datetime) -> bool:
        """Whether a mail is due and no other worker is at it."""
        return self.delivery is Delivery.QUEUED and self.delivery_due_at <= at

    def queue_delivery(self, at: datetime) -> None:
        """Asks for a (new) mail."""
        self.delivery = Delivery.QUEUED
        self.delivery_attempts = 0
        self.delivery_due_at = at
        self.delivery_error = None


def deliver(row: Delivered, message: Message) -> bool:
    """Sends the mail of a row that the caller has locked, and records the outcome in a second transaction.

    The claim is committed before the mail goes out, so that a second worker leaves the row alone; when this one is killed,
    the claim runs out and the sweep rings again. A database that is away meanwhile is waited for, because a mail whose outcome
    is forgotten goes twice. Returns whether it was sent now.
    """
    at = clock.now()
    if not row.is_to_be_delivered(at):
        return False
    attempts = row.delivery_attempts = row.delivery_attempts + 1
    row.delivery_due_at = at + CLAIM
    failure = ""
    with db.outside():
        try:
            send(message)
        except MailFailed as error:
            failure = str(error)
    db.write_down(lambda: _note(row, failure, at=at, attempts=attempts))
    return not failure


def _note(row: Delivered, failure: str, *, at: datetime, attempts: int) -> None:
    if not failure:
        row.delivery = Delivery.SENT
        row.delivered_at = at
        row.delivery_error = None
        return
    row.delivery_error = failure[:500]
    if attempts > len(TRIES_AFTER):
        row.delivery = Delivery.FAILED
    else:
        row.delivery_due_at = at + TRIES_AFTER[attempts - 1]
