"""The mails that the portal wrote into its folder, read back as a mail program does."""

import email
import re
from email import policy
from email.message import EmailMessage
from pathlib import Path
from urllib.parse import urlsplit


def mails(settings, to: str) -> list[EmailMessage]:
    """Every mail to an address, oldest first (names of files sort by the time that their rows were made)."""
    folder = Path(urlsplit(settings.mail_location).path)
    read = [email.message_from_bytes(path.read_bytes(), policy=policy.default) for path in sorted(folder.glob("*.eml"))]
    return [message for message in read if message["To"] == to]


def link_in(message: EmailMessage, *, base_url: str) -> str:
    """The path of the one link that a mail is about: the same in its text and in its HTML."""
    text = message.get_body(("plain",)).get_content()
    html = message.get_body(("html",)).get_content()
    [url] = set(re.findall(rf"{re.escape(base_url)}/\S+", text))
    assert f'href="{url}"' in html
    return url.removeprefix(base_url)
