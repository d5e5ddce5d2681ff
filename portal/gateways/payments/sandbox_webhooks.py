"""The sandbox's webhooks: signed, told twice, and an older one once more after a newer one, so that order can't be relied on.

The header ``Sandbox-Signature: t=<seconds>,v1=<hex>`` signs ``<seconds>.<body>``, as Stripe's does, with a key that is derived from
``SECRET_KEY``. Hours here are the wall's: another company doesn't follow a job's ``as_of``.
"""

import json
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from urllib.parse import urlsplit

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from portal import clock, crypto, db
from portal.gateways.guard import refuse_inside_transaction
from portal.gateways.payments.contract import Event, SignatureInvalid
from portal.gateways.payments.sandbox_models import SandboxWebhook
from portal.gateways.payments.signing import content, header, is_signed, sign, text_at

HEADER = "Sandbox-Signature"
TOLERANCE = timedelta(minutes=5)
COPIES = 2
TIMEOUT_SECONDS = 5
CLAIM = timedelta(minutes=1)
AGAIN_AFTER = (
    timedelta(seconds=10),
    timedelta(minutes=1),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=6),
)


def tell(books: Session, order_id: str, kind: str, *, refund_key: str | None = None) -> str:
    """Writes down an event of an order that the caller has locked, and returns its id; sending is ``deliver``."""
    at = clock.wall()
    event_id = f"evt_{secrets.token_hex(12)}"
    told = {"id": event_id, "type": kind, "created": int(at.timestamp()), "order_id": order_id, "refund_key": refund_key}
    before = books.scalar(select(func.count()).where(SandboxWebhook.order_id == order_id)) or 0
    books.add(SandboxWebhook(id=event_id, order_id=order_id, position=before + 1, payload=json.dumps(told), created_at=at, due_at=at))
    return event_id


def signed(body: bytes) -> dict[str, str]:
    """The headers of a webhook that is sent now."""
    seconds = int(clock.wall().timestamp())
    return {HEADER: f"t={seconds},v1={sign(_secret(), b'%d.%s' % (seconds, body))}", "Content-Type": "application/json"}


def read(headers: Mapping[str, str], body: bytes) -> Event:
    """Checks the signature and reads the event.

    Raises:
        SignatureInvalid: As ``PaymentGateway.event`` says.
    """
    parts = dict(part.partition("=")[::2] for part in header(headers, HEADER).split(","))
    seconds = parts.get("t", "")
    if not is_signed(_secret(), seconds.encode() + b"." + body, parts.get("v1", "")) or not seconds.isdecimal():
        raise SignatureInvalid("The signature isn't the sandbox's.")
    if abs(clock.wall() - datetime.fromtimestamp(int(seconds), UTC)) > TOLERANCE:
        raise SignatureInvalid("The webhook was signed too long ago.")
    told = content(body)
    event_id, kind = text_at(told, "id"), text_at(told, "type")
    if not event_id or not kind:
        raise SignatureInvalid("The webhook names no event.")
    return Event(id=event_id, type=kind, order_id=text_at(told, "order_id"), refund_key=text_at(told, "refund_key"))


def copies_of(event_id: str) -> list[tuple[dict[str, str], bytes]]:
    """Headers and body of each request that telling this event takes, in their order; nothing is sent."""
    with db.apart() as books:
        row = books.get_one(SandboxWebhook, event_id)
        return [(signed(body), body) for body in _bodies(books, row)]


def deliver(event_id: str, *, url: str) -> int:
    """Tells an event that is due, with a claim before and the outcome after, and returns how often it was taken.

    A second worker finds it claimed; a killed one's claim runs out. Once it was refused too often the sandbox gives up.

    Args:
        event_id: The event.
        url: Where the portal takes webhooks, http or https.
    """
    refuse_inside_transaction()
    due = SandboxWebhook.due_at <= clock.wall()
    with db.apart() as books:
        claimed = select(SandboxWebhook).where(SandboxWebhook.id == event_id, due).with_for_update(skip_locked=True)
        row = books.scalar(claimed)
        if row is None:
            return 0
        row.attempts += 1
        row.due_at = clock.wall() + CLAIM
        bodies = _bodies(books, row)
    taken, refusal = 0, ""
    for body in bodies:
        refusal = _post(url, body)
        if refusal:
            break
        taken += body == bodies[0]
    with db.apart() as books:
        row = books.get_one(SandboxWebhook, event_id, with_for_update=True)
        row.deliveries += taken
        row.error = refusal or None
        is_done = row.deliveries >= COPIES or row.attempts > len(AGAIN_AFTER)
        row.due_at = None if is_done else clock.wall() + AGAIN_AFTER[row.attempts - 1]
    return taken


def _bodies(books: Session, row: SandboxWebhook) -> list[bytes]:
    """The event, the one before it of the same order, and the event again."""
    of_order = SandboxWebhook.order_id == row.order_id
    older = books.scalar(select(SandboxWebhook.payload).where(of_order, SandboxWebhook.position == row.position - 1))
    return [payload.encode() for payload in (row.payload, older, row.payload) if payload]


def _post(url: str, body: bytes) -> str:
    """Sends one request, without following redirects or a proxy, and returns why it wasn't taken, or nothing."""
    parts = urlsplit(url)
    kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
    connection = kind(parts.netloc, timeout=TIMEOUT_SECONDS)
    try:
        connection.request("POST", parts.path, body=body, headers=signed(body))
        status = connection.getresponse().status
    except (OSError, HTTPException) as error:
        return f"{type(error).__name__}: {error}"[:500]
    finally:
        connection.close()
    return "" if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES else f"HTTP {status}"


def _secret() -> str:
    return crypto.derive_token("sandbox-webhooks", "", "")
