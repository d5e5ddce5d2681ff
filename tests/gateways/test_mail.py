"""Mail by SMTP against a real server, and as files."""

import asyncio
import socket
from datetime import UTC, datetime
from email import message_from_bytes, policy

import pytest
import structlog
from aiosmtpd.controller import Controller
from sqlalchemy import select
from sqlalchemy.exc import OperationalError

from portal import clock, db, jobs, queue
from portal.accounts.models import MailedLink
from portal.accounts.schemas import SignUpIn
from portal.gateways import mail as gateway
from portal.gateways.mail import Attachment, Delivery, MailBySmtp, MailFailed, MailToFolder, Message
from portal.invites import tasks as invites
from tests.support import world

SENDER = "Portal <no-reply@portal.example>"
MESSAGE = Message(
    key="0199a000-0000-7000-8000-000000000000",
    to=["asha@acme.test", "finance@acme.test"],
    subject="Rechnung – ₹1,180.00\nBcc: everybody@else.test",
    text="Hello",
    html="<p>Hello</p>",
    at=datetime(2026, 11, 1, tzinfo=UTC),
    attachments=[Attachment("PF-26-27-0000001.pdf", b"%PDF-1.7")],
)


class Inbox:
    """Keeps what arrives, or refuses it."""

    def __init__(self, refusal: str = "", *, thinks_for: float = 0, goodbye: str = "221 Bye") -> None:
        self.refusal, self.thinks_for, self.goodbye, self.received = refusal, thinks_for, goodbye, []

    async def handle_RCPT(self, _server, _session, envelope, address, _options) -> str:  # noqa: N802 - aiosmtpd's name
        if address.startswith("gone@"):
            return "550 5.1.1 Nobody has this address"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_QUIT(self, _server, _session, _envelope) -> str:  # noqa: N802 - aiosmtpd's name
        return self.goodbye

    async def handle_DATA(self, _server, _session, envelope) -> str:  # noqa: N802 - aiosmtpd's name
        if self.refusal:
            return self.refusal
        await asyncio.sleep(self.thinks_for)
        self.received.append(envelope)
        return "250 kept"


@pytest.fixture
def smtp(tables, app):
    """Starts a server with an inbox; several may run."""
    running = []

    def start(inbox, *, timeout_seconds=5):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        controller = Controller(inbox, hostname="127.0.0.1", port=port)
        controller.start()
        running.append(controller)
        return MailBySmtp(f"smtp://127.0.0.1:{port}", sender=SENDER, timeout_seconds=timeout_seconds)

    with app.app_context():
        yield start
    for controller in running:
        controller.stop()


def test_a_message_arrives_whole_and_its_subject_cannot_smuggle_headers(smtp):
    inbox = Inbox()
    smtp(inbox).send(MESSAGE)
    [envelope] = inbox.received
    assert envelope.rcpt_tos == ["asha@acme.test", "finance@acme.test"]
    mail = message_from_bytes(envelope.content, policy=policy.default)
    assert mail["Message-ID"] == f"<{MESSAGE.key}@portal.example>"
    assert mail["Subject"] == "Rechnung – ₹1,180.00 Bcc: everybody@else.test"
    assert mail["Bcc"] is None
    assert mail.get_body(("plain",)).get_content().strip() == "Hello"
    assert mail.get_body(("html",)).get_content().strip() == "<p>Hello</p>"
    [attachment] = mail.iter_attachments()
    assert (attachment.get_filename(), attachment.get_content()) == ("PF-26-27-0000001.pdf", b"%PDF-1.7")


def test_a_refusal_and_a_server_that_is_away_are_failures_to_be_tried_again(smtp):
    with pytest.raises(MailFailed, match="451"):
        smtp(Inbox("451 try later")).send(MESSAGE)
    with pytest.raises(MailFailed):
        MailBySmtp("smtp://127.0.0.1:1", sender=SENDER, timeout_seconds=1).send(MESSAGE)


def test_a_file_is_the_same_when_it_is_sent_twice(tables, app, tmp_path):
    with app.app_context():
        for _time in range(2):
            MailToFolder(tmp_path, sender=SENDER).send(MESSAGE)
    [path] = tmp_path.iterdir()
    assert path.name == f"{MESSAGE.key}.eml"
    assert message_from_bytes(path.read_bytes(), policy=policy.default)["From"] == SENDER


def test_a_server_that_thinks_longer_than_the_time_out_has_taken_the_message_once(smtp):
    inbox = Inbox(thinks_for=2)
    smtp(inbox, timeout_seconds=1).send(MESSAGE)
    assert len(inbox.received) == 1


def test_a_bad_goodbye_does_not_make_a_taken_message_a_failed_one(smtp):
    inbox = Inbox(goodbye="421 4.3.2 Too many connections")
    smtp(inbox).send(MESSAGE)
    assert len(inbox.received) == 1


def test_a_server_that_came_to_the_message_too_late_is_not_given_it(smtp, monkeypatch):
    monkeypatch.setattr(gateway, "TALK_SECONDS", -1)
    inbox = Inbox()
    with pytest.raises(MailFailed, match="to come to the message"):
        smtp(inbox).send(MESSAGE)
    assert inbox.received == []


def test_one_reader_whom_the_server_does_not_know_keeps_nobody_else_from_the_mail(smtp):
    inbox = Inbox()
    message = Message(**{name: getattr(MESSAGE, name) for name in MESSAGE.__slots__} | {"to": ["gone@acme.test", "finance@acme.test"]})
    with structlog.testing.capture_logs() as heard:
        smtp(inbox).send(message)
    assert [envelope.rcpt_tos for envelope in inbox.received] == [["finance@acme.test"]]
    assert [(line["event"], line["refused"], line["taken"]) for line in heard] == [("mail.recipients_refused", 1, 1)]
    assert "gone@" not in str(heard)


def test_a_database_that_is_away_after_the_mail_went_is_waited_for(rung, app, monkeypatch):
    sent = []
    monkeypatch.setattr(gateway, "send", sent.append)
    commit = db._Session.commit
    broken = iter([True, True])

    def committing(session):
        if sent and next(broken, False):
            raise OperationalError("COMMIT", {}, Exception("the connection is gone"))
        commit(session)

    with app.app_context():
        with db.unit_of_work():
            world.accounts.sign_up(SignUpIn(name="Asha", email="asha@acme.test", password="a good long password"), ip=None)
        monkeypatch.setattr(db._Session, "commit", committing)
        world.work_off(rung)
        [link] = db.session.scalars(select(MailedLink).execution_options(populate_existing=True))
        assert (link.delivery, link.delivery_attempts) == (Delivery.SENT, 1)
        with clock.as_of(clock.now() + gateway.CLAIM * 2), db.unit_of_work():
            assert world.accounts.send_link(link.id) is False
    assert len(sent) == 1


def test_invitations_that_a_slow_server_keeps_waiting_are_left_to_another_job(rung, app, monkeypatch):
    with app.app_context():
        company = world.make_company()
        invited = [world.invite(company.organization, company.owner, f"{name}@acme.test") for name in ("asha", "dev")]
        rung.clear()
        monkeypatch.setattr(invites, "ENOUGH_SECONDS", -1)
        assert jobs.run("invites-send", *invited) == {"sent": 0}
        assert rung == [queue.Bell("invites-send", tuple(invited), None)]


def test_jobs_that_send_mail_have_time_for_the_longest_answer():
    longest = gateway.TALK_SECONDS + gateway.ANSWER_SECONDS
    assert longest < gateway.CLAIM.total_seconds()
    for name in ("accounts-send-link", "orgs-send-verdict", "invites-send", "billing-send-invoice"):
        assert jobs.JOBS[name].timeout > longest + invites.ENOUGH_SECONDS, name
