"""Mail by SMTP against a real server, and as files."""

import socket
from datetime import UTC, datetime
from email import message_from_bytes, policy

import pytest
from aiosmtpd.controller import Controller

from portal.gateways.mail import Attachment, MailBySmtp, MailFailed, MailToFolder, Message

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

    def __init__(self, refusal: str = "") -> None:
        self.refusal, self.received = refusal, []

    async def handle_DATA(self, _server, _session, envelope) -> str:  # noqa: N802 - aiosmtpd's name
        if self.refusal:
            return self.refusal
        self.received.append(envelope)
        return "250 kept"


@pytest.fixture
def smtp(tables, app):
    """Starts a server with an inbox; several may run."""
    running = []

    def start(inbox):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        controller = Controller(inbox, hostname="127.0.0.1", port=port)
        controller.start()
        running.append(controller)
        return MailBySmtp(f"smtp://127.0.0.1:{port}", sender=SENDER, timeout_seconds=5)

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
