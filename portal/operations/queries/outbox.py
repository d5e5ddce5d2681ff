"""The rows that something must still be done about: what the sweep rings for, counted, with the age of the oldest."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, func, literal, or_, select, union_all

from portal import clock, db
from portal.accounts.models import MailedLink
from portal.billing.models import (
    BillingRun,
    CreditNote,
    DocumentArchive,
    GatewayEvent,
    GatewayOrder,
    GatewayReturn,
    Invoice,
    InvoiceMail,
    Payment,
    Refund,
)
from portal.billing.rules import GatewayOrderStatus, InvoiceStatus, PaymentMethod, PaymentStatus, RefundStatus
from portal.billing.rules.archives import ArchiveStatus
from portal.billing.rules.runs import RunStatus
from portal.gateways.mail import Delivered, Delivery
from portal.invites.models import Invitation
from portal.invites.rules.states import InvitationStatus
from portal.operations.rules import age_seconds
from portal.orgs.models import VerdictMail
from portal.providers.models import Payout, ProviderMail
from portal.providers.rules import PayoutStatus
from portal.sso.models import Notice

_MAILS: tuple[tuple[str, type[Delivered]], ...] = (
    ("mails of links", MailedLink),
    ("mails of invitations", Invitation),
    ("mails of verdicts", VerdictMail),
    ("mails of documents", InvoiceMail),
    ("mails of providers", ProviderMail),
    ("mails of single sign-on", Notice),
)


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of row that waits: under which condition, and since when."""

    name: str
    model: Any
    condition: ColumnElement[bool]
    since: Any


@dataclass(frozen=True, slots=True)
class Waiting:
    """How many rows of a kind wait, and how many seconds the oldest of them has waited."""

    name: str
    rows: int
    oldest_seconds: float


def _queued(model: Any) -> ColumnElement[bool]:  # noqa: ANN401 - any table with the columns of a mail
    is_queued: ColumnElement[bool] = model.delivery == Delivery.QUEUED
    return and_(is_queued, Invitation.status == InvitationStatus.PENDING) if model is Invitation else is_queued


OUTBOX: tuple[Kind, ...] = (
    *(Kind(name, model, _queued(model), model.created_at) for name, model in _MAILS),  # type: ignore[attr-defined] # each has it
    Kind("invoices without a file", Invoice, and_(Invoice.status == InvoiceStatus.SENT, Invoice.file_key.is_(None)), Invoice.issued_at),
    Kind("credit notes without a file", CreditNote, CreditNote.file_key.is_(None), CreditNote.issued_at),
    Kind("orders", GatewayOrder, GatewayOrder.status.in_((GatewayOrderStatus.NEW, GatewayOrderStatus.OPEN)), GatewayOrder.created_at),
    Kind(
        "payments by card",
        Payment,
        and_(Payment.status == PaymentStatus.PENDING, Payment.payment_method == PaymentMethod.CARD),
        Payment.created_at,
    ),
    Kind("refunds", Refund, Refund.status == RefundStatus.PENDING, Refund.created_at),
    Kind("returns of money", GatewayReturn, GatewayReturn.status == RefundStatus.PENDING, GatewayReturn.created_at),
    Kind("webhooks", GatewayEvent, GatewayEvent.handled_at.is_(None), GatewayEvent.received_at),
    Kind(
        "archives",
        DocumentArchive,
        or_(DocumentArchive.status == ArchiveStatus.QUEUED, DocumentArchive.status == ArchiveStatus.RUNNING),
        DocumentArchive.created_at,
    ),
    Kind("payouts", Payout, Payout.status == PayoutStatus.PROCESSING, Payout.claimed_at),
    Kind("monthly runs", BillingRun, BillingRun.status == RunStatus.RUNNING, BillingRun.started_at),
)
"""A row here is a to-do. What a new feature leaves for the sweep gets its line here."""


def outbox() -> list[Waiting]:
    """Every kind of the table, in one statement."""
    now = clock.now()
    counted = [_counted(kind) for kind in OUTBOX]
    rows: Any = db.session.execute(union_all(*counted)).all()
    return [Waiting(name, number, age_seconds(since, now=now)) for name, number, since in rows]


def failed_mails() -> dict[str, int]:
    """How many mails were given up after their last try, by kind."""
    each = [select(literal(name), func.count()).select_from(model).where(model.delivery == Delivery.FAILED) for name, model in _MAILS]
    rows: Any = db.session.execute(union_all(*each)).all()
    return dict(rows)


def _counted(kind: Kind) -> Select[tuple[str, int, datetime | None]]:
    return select(literal(kind.name), func.count(), func.min(kind.since)).select_from(kind.model).where(kind.condition)
