"""Payouts: batches of what is ready, begun by an owner or by the job that pays by frequency. Amounts are paise.

The organization and its account are held while a batch is made, and the database lets an organization have one open payout: two at
once can't both win.
"""

from collections.abc import Sequence

import structlog
from sqlalchemy import ARRAY, Uuid, any_, func, insert, literal, select

from portal import clock, db
from portal.audit import service as audit
from portal.audit.rules import SYSTEM, Action, Actor
from portal.db import Json
from portal.errors import Conflict, DomainError, Invalid
from portal.money import format_inr
from portal.orgs import service as orgs
from portal.orgs.models import Organization
from portal.orgs.rules import Status
from portal.providers import queries
from portal.providers.models import Earning, Payout, PayoutAccount, PayoutLine
from portal.providers.rules import AccountStatus, PayoutStatus, Totals, check_due, cools_off_at, period_start
from portal.providers.rules.occasions import Occasion
from portal.providers.rules.payouts import Due
from portal.providers.service import accounts, mails

log = structlog.get_logger()


def begin(organization: Organization, *, actor: Actor) -> Payout:
    """Puts all that is ready into a payout, with debts of earlier refunds taken off.

    Raises:
        Conflict: ``PAYOUT_UNDER_WAY``: another payout is open, or was begun at this moment; ``ORGANIZATION_NOT_ACTIVE``.
        Invalid: ``PAYOUT_ACCOUNT_MISSING``, ``PAYOUT_ACCOUNT_NOT_VERIFIED``, ``PAYOUT_ACCOUNT_COOLING_OFF``, ``NOTHING_READY`` or
            ``BELOW_MINIMUM``.
    """
    require_active(orgs.lock(organization.id))
    account = accounts.locked(organization.id)
    if queries.open_payouts_of(organization.id):
        raise _under_way()
    account = require_usable(account)
    rows = queries.dues_of(organization.id)
    return _write(organization, account, rows, actor=actor)


def require_active(organization: Organization, *, or_closed: bool = False) -> None:
    """Lets money go to ACTIVE organizations only.

    Args:
        organization: Whose earnings are to be paid.
        or_closed: Also to a deactivated one, which gets what was begun before its end.

    Raises:
        Conflict: ``ORGANIZATION_NOT_ACTIVE``.
    """
    if organization.status is not Status.ACTIVE and not (or_closed and organization.status is Status.DEACTIVATED):
        sentence = f"{organization.name} is not active at the moment, so nothing can be paid out. Ask the platform's staff."
        raise Conflict(sentence, code="ORGANIZATION_NOT_ACTIVE")


def require_usable(account: PayoutAccount | None) -> PayoutAccount:
    """The account, when money may go there now.

    Raises:
        Invalid: ``PAYOUT_ACCOUNT_MISSING``, ``PAYOUT_ACCOUNT_NOT_VERIFIED`` or ``PAYOUT_ACCOUNT_COOLING_OFF`` (with ``coolsOffAt``).
    """
    if account is None or account.removed_at is not None:
        raise Invalid("There is no payout account yet. An owner enters it on the page of payouts.", code="PAYOUT_ACCOUNT_MISSING")
    if account.status is not AccountStatus.VERIFIED:
        sentence = f"The payout account is {account.status.label.lower()}. Nothing is paid before it is verified."
        raise Invalid(sentence, code="PAYOUT_ACCOUNT_NOT_VERIFIED")
    until = cools_off_at(account.changed_at, now=clock.now())
    if until is not None:
        sentence = "The payout account was changed less than 24 hours ago. For safety nothing is paid to it before that time is over."
        raise Invalid(sentence, code="PAYOUT_ACCOUNT_COOLING_OFF", extra={"coolsOffAt": until.isoformat().replace("+00:00", "Z")})
    return account


def begin_scheduled() -> Json:
    """Begins a payout for each active provider organization whose period has begun since the job looked last; one by one.

    Returns:
        ``{done, skipped, failed}``: how many payouts were begun, and why the others weren't.
    """
    done, skipped, failed = 0, dict[str, int](), []
    for organization_id in queries.scheduled_organizations():
        try:
            with db.savepoint():
                reason = _begin_one(organization_id)
        except DomainError as refusal:  # the next run tries again, until one payout of this period was begun
            reason = refusal.code.lower()
        except Exception:
            log.exception("payouts.failed", organization=organization_id)
            failed.append(organization_id)
            continue
        if reason is None:
            done += 1
        else:
            skipped[reason] = skipped.get(reason, 0) + 1
        db.checkpoint()
    return {"done": done, "skipped": skipped, "failed": failed}


def _begin_one(organization_id: str) -> str | None:
    """Begins what is due of one organization; returns why not, or None."""
    organization = orgs.lock(organization_id)
    account = accounts.locked(organization_id)
    if account is None or account.removed_at is not None:
        return "no_account"
    start = period_start(organization.payout_frequency, clock.today(organization.time_zone))
    if start <= account.scheduled_on:
        return "not_due"
    begin(organization, actor=SYSTEM)
    account.scheduled_on = start
    db.session.flush()
    return None


def _write(organization: Organization, account: PayoutAccount, rows: Sequence[Earning], *, actor: Actor) -> Payout:
    dues = [Due(row.due_amount, row.gross_amount, row.platform_fee, row.share, row.reversed_amount) for row in rows]
    totals = Totals.of(dues)
    debt = -sum(due.amount for due in dues if due.amount < 0)
    check_due(totals.net, debt=debt, anything=any(due.amount > 0 for due in dues))
    payout = Payout(
        organization_id=organization.id,
        amount=totals.net,
        gross_revenue=totals.gross_revenue,
        platform_fee=totals.platform_fee,
        consultant_shares=totals.consultant_shares,
        refunds=totals.refunds,
        earnings_count=sum(due.amount > 0 for due in dues),
        status=PayoutStatus.PENDING,
        bank_name=account.bank_name,
        last_four=account.last_four,
        created_by=actor.user_id,
        created_at=clock.now(),
    )
    with db.refused_by({"uq_payouts_open": _under_way()}):
        db.session.add(payout)
    these = literal([row.id for row in rows], ARRAY(Uuid(as_uuid=False)))
    lines = select(func.uuidv7(), literal(payout.id, Uuid(as_uuid=False)), Earning.id, Earning.due_amount).where(Earning.id == any_(these))
    db.session.execute(insert(PayoutLine).from_select(["id", "payout_id", "earning_id", "amount"], lines))
    db.session.expire_all()  # triggers have written what is due now
    after = {"amount": payout.amount, "earnings": payout.earnings_count, **({"recovered": debt} if debt else {})}
    audit.record(actor, Action.PAYOUT_INITIATED, subject(payout), organization_id=organization.id, after=after)
    mails.write(Occasion.PAYOUT_INITIATED, organization, **facts_of(payout))
    return payout


def subject(payout: Payout) -> audit.Subject:
    """How the log names a payout."""
    return audit.Subject("payout", payout.id, format_inr(payout.amount))


def facts_of(payout: Payout) -> dict[str, str]:
    """What mails say of a payout."""
    return {"amount": format_inr(payout.amount), "last_four": payout.last_four, "bank": payout.bank_name}


def _under_way() -> Conflict:
    return Conflict("A payout is open already. The next one can begin when it has been paid.", code="PAYOUT_UNDER_WAY")
