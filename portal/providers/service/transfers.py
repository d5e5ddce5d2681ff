"""Paying payouts: claimed once, sent by the provider with the payout's own key, asked about until the outcome is known.

The claim is committed before the provider is called. When this process dies, or the provider doesn't answer, the payout stays PROCESSING
and the sweep rings: the provider is asked first, and told again only when it has never heard of the key.
"""

from dataclasses import dataclass, replace
from datetime import timedelta

import structlog
from sqlalchemy import select, update

from portal import clock, crypto, db, queue
from portal.audit import service as audit
from portal.audit.rules import SYSTEM, Action, Actor
from portal.errors import Conflict, DomainError, NotFound
from portal.gateways import payouts as gateways
from portal.gateways.payouts import GatewayRefused, GatewayUnavailable, PayoutProvider, Transfer, TransferState, TransferStatus
from portal.orgs import queries as members
from portal.orgs import service as orgs
from portal.orgs.models import Organization
from portal.providers import queries
from portal.providers.models import Earning, Payout, PayoutLine
from portal.providers.rules import EarningStatus, PayoutStatus, last_four, transfer_key
from portal.providers.rules.occasions import Occasion
from portal.providers.schemas import ProcessIn
from portal.providers.service import accounts, mails
from portal.providers.service.payouts import facts_of, require_active, require_usable, subject

log = structlog.get_logger()

CURRENCY = "INR"
ASK_AGAIN = timedelta(minutes=2)
AT_ONCE = 100


@dataclass(frozen=True, slots=True)
class Refused:
    """A payout that can't be paid now, and why."""

    payout_id: str
    refusal: DomainError


def process(data: ProcessIn, *, actor: Actor) -> tuple[list[Payout], list[Refused]]:
    """Pays one payout, or all that wait; returns what was taken up and what couldn't be.

    One that is paid by hand is completed when its reference is given, and failed when it is said that it didn't arrive; without
    either, it is taken up by whoever pays it. One that a provider pays is sent here and now; of many, each by a job.

    Raises:
        NotFound: ``PAYOUT_NOT_FOUND``.
        Conflict: ``PAYOUT_CLAIMED``: somebody else has taken it up, or it is paid; ``ORGANIZATION_NOT_ACTIVE``.
        Invalid: The account can't be used, as ``payouts.require_usable`` says.
    """
    if data.payout_id is not None:
        return [_process_one(data.payout_id, data, actor=actor)], []
    taken, refused = [], list[Refused]()
    for payout_id in queries.pending_payouts(limit=AT_ONCE):
        try:
            with db.savepoint():
                taken.append(claim(payout_id, actor=actor))
        except DomainError as refusal:
            refused.append(Refused(payout_id, refusal))
    for payout in taken:
        if payout.due_at is not None:
            queue.enqueue("providers-send-payout", payout.id)
    return taken, refused


def _process_one(payout_id: str, data: ProcessIn, *, actor: Actor) -> Payout:
    payout = _held(payout_id)
    is_by_hand = payout.status is PayoutStatus.PROCESSING and payout.provider == PayoutProvider.MANUAL
    if data.failure_reason is not None:
        if not is_by_hand:
            sentence = "Only a payout that was taken up to be paid by hand can be called failed."
            raise Conflict(sentence, code="PAYOUT_NOT_BY_HAND")
        return _fail(payout, reason=data.failure_reason, actor=actor)
    if not is_by_hand:
        payout = claim(payout_id, actor=actor, by_hand=data.reference is not None)
    elif data.reference is None:
        raise _claimed()
    if data.reference is not None:
        return _complete(payout, ref=None, reference=data.reference, actor=actor)
    if payout.due_at is not None:
        send(payout.id)
        return _held(payout.id)
    return payout


def claim(payout_id: str, *, actor: Actor, by_hand: bool = False) -> Payout:
    """Takes a payout up, once: it is PROCESSING, and its account can't change until the outcome is known.

    Args:
        payout_id: One that waits, or that has failed.
        actor: Who takes it up.
        by_hand: Somebody has paid it at the bank, whatever provider is set.

    Raises:
        As ``process``.
    """
    organization = _payee(payout_id)
    require_active(organization, or_closed=True)
    account = require_usable(accounts.locked(organization.id))
    gateway = gateways.by_name(PayoutProvider.MANUAL) if by_hand else gateways.current()
    at = clock.now()
    statement = (
        update(Payout)
        .where(Payout.id == payout_id, Payout.status.in_((PayoutStatus.PENDING, PayoutStatus.FAILED)))
        .values(
            status=PayoutStatus.PROCESSING,
            attempts=Payout.attempts + 1,
            provider=gateway.provider.value,
            provider_ref=None,
            bank_name=account.bank_name,
            last_four=account.last_four,
            failure=None,
            claimed_at=at,
            sent_at=None,
            due_at=None if gateway.by_hand else at,
        )
        .returning(Payout.id)
    )
    with db.refused_by({"uq_payouts_open": Conflict("A newer payout is open. Pay that one first.", code="PAYOUT_UNDER_WAY")}):
        is_ours = db.session.execute(statement, execution_options={"synchronize_session": False}).one_or_none() is not None
    if not is_ours:
        raise _claimed()
    payout = _held(payout_id)
    after = {"provider": payout.provider, "attempt": payout.attempts}
    audit.record(actor, Action.PAYOUT_CLAIMED, subject(payout), organization_id=organization.id, after=after)
    return payout


def send(payout_id: str) -> bool:
    """Has the provider pay a payout that was taken up, or asks how that stands; returns whether it is over.

    It commits before the provider is called. Another process that is at it is left alone until its time is over.
    """
    if queries.payout(payout_id) is None:
        return True
    payout, at = _held(payout_id), clock.now()
    if payout.status is not PayoutStatus.PROCESSING:
        return True
    if payout.due_at is None or payout.due_at > at:
        return False
    order = _order(payout)
    if order is None:
        return False
    provider, was_sent = str(payout.provider), payout.sent_at is not None
    payout.due_at, payout.sent_at = at + ASK_AGAIN, payout.sent_at or at
    db.session.flush()
    with db.outside():
        state = _moved(order, provider=provider, was_sent=was_sent)
    return _record(payout_id, state)


def _order(payout: Payout) -> Transfer | None:
    """What the provider is told; None, with an error in the log, when the account can't be read."""
    account, organization = accounts.locked(payout.organization_id), members.by_id(payout.organization_id)
    if account is None or account.number_sealed is None or organization is None:
        log.error("payout.without_account", payout=payout.id)
        return None
    try:
        number = accounts.number_of(account)
    except crypto.Undecipherable:
        log.exception("payout.account_unreadable", payout=payout.id)
        return None
    return Transfer(
        key=transfer_key(payout.id, payout.attempts),
        amount=payout.amount,
        currency=CURRENCY,
        organization_id=payout.organization_id,
        email=organization.billing_email,
        holder=account.account_holder_name,
        number=number,
        ifsc=account.ifsc_code,
        provider_account=account.provider_account,
    )


def _moved(order: Transfer, *, provider: str, was_sent: bool) -> TransferState | None:
    """What became of a transfer, in words without the account's number; None when that isn't known. Outside of transactions."""
    try:
        state = _told(order, provider=provider, was_sent=was_sent)
    except GatewayUnavailable as error:
        log.warning("payout.unanswered", payout=order.key, error=_without_number(str(error), order))
        return None
    return replace(state, reason=_without_number(state.reason, order))


def _told(order: Transfer, *, provider: str, was_sent: bool) -> TransferState:
    """Tells the provider, unless it was told before and has heard of it.

    Raises:
        GatewayUnavailable: The outcome is unknown.
    """
    gateway = gateways.by_name(provider)
    if was_sent:
        state = gateway.state(order)
        if state.status is not TransferStatus.UNKNOWN:
            return state
    try:
        return gateway.transfer(order)
    except GatewayRefused as error:
        # After an answer that was lost, a no may be about the key and not about the money: what is there already counts.
        state = gateway.state(order) if was_sent else TransferState(TransferStatus.UNKNOWN)
        if state.status is not TransferStatus.UNKNOWN:
            return state
        return TransferState(TransferStatus.FAILED, reason=str(error) or "The provider refused.")


def _without_number(words: str, order: Transfer) -> str:
    """A provider's words, which may repeat what it was told."""
    return words.replace(order.number, f"…{last_four(order.number)}")


def _record(payout_id: str, state: TransferState | None) -> bool:
    payout = _held(payout_id)
    if payout.status is not PayoutStatus.PROCESSING:
        return True
    if state is None:
        return False
    if state.status is TransferStatus.PAID:
        _complete(payout, ref=state.ref, reference=state.reference or state.ref or payout.id, actor=SYSTEM)
    elif state.status is TransferStatus.FAILED:
        payout.provider_ref = state.ref
        _fail(payout, reason=state.reason or "The bank gave no reason.", actor=SYSTEM)
    else:
        payout.provider_ref = state.ref
        db.session.flush()
    return payout.status is not PayoutStatus.PROCESSING


def _complete(payout: Payout, *, ref: str | None, reference: str, actor: Actor) -> Payout:
    payout.status, payout.completed_at, payout.due_at = PayoutStatus.COMPLETED, clock.now(), None
    payout.provider_ref, payout.reference = ref, reference
    db.session.flush()
    paid = select(PayoutLine.earning_id).where(PayoutLine.payout_id == payout.id, PayoutLine.amount > 0)
    earnings = update(Earning).where(Earning.id.in_(paid), Earning.status == EarningStatus.READY).values(status=EarningStatus.PAID)
    db.session.execute(earnings, execution_options={"synchronize_session": False})
    db.session.expire_all()
    after = {"amount": payout.amount, "reference": reference}
    audit.record(actor, Action.PAYOUT_COMPLETED, subject(payout), organization_id=payout.organization_id, after=after)
    _tell(payout, Occasion.PAYOUT_COMPLETED, reference=reference)
    return payout


def _fail(payout: Payout, *, reason: str, actor: Actor) -> Payout:
    payout.status, payout.failure, payout.due_at = PayoutStatus.FAILED, reason[:500], None
    db.session.flush()
    after = {"amount": payout.amount, "reason": payout.failure}
    audit.record(actor, Action.PAYOUT_FAILED, subject(payout), organization_id=payout.organization_id, after=after)
    _tell(payout, Occasion.PAYOUT_FAILED, reason=payout.failure)
    return payout


def _tell(payout: Payout, occasion: Occasion, **facts: str) -> None:
    organization = members.by_id(payout.organization_id)
    assert organization is not None
    to = sorted({*members.owner_emails(organization.id), organization.billing_email})
    mails.write(occasion, organization, to=to, **facts_of(payout), **facts)


def _payee(payout_id: str) -> Organization:
    """The organization that a payout is for, locked before anything of it."""
    found = queries.payout(payout_id)
    if found is None:
        raise _not_found()
    return orgs.lock(found.organization_id)


def _held(payout_id: str) -> Payout:
    """A payout, locked after its organization, as it is now."""
    _payee(payout_id)
    statement = select(Payout).where(Payout.id == payout_id).with_for_update().execution_options(populate_existing=True)
    return db.session.scalars(statement).one()


def _not_found() -> NotFound:
    return NotFound("There is no such payout.", code="PAYOUT_NOT_FOUND")


def _claimed() -> Conflict:
    return Conflict("Somebody has taken this payout up already, or it is paid. Nothing was sent twice.", code="PAYOUT_CLAIMED")
