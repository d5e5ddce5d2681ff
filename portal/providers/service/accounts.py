"""Payout accounts: entered by owners, verified by platform admins, their numbers encrypted. A number is never logged or shown."""

from sqlalchemy import select

from portal import clock, crypto, db
from portal.audit import service as audit
from portal.audit.rules import Action, Actor
from portal.db import Json
from portal.errors import Conflict, Invalid, NotFound
from portal.orgs import queries as orgs_queries
from portal.orgs import service as orgs
from portal.orgs.models import Organization
from portal.providers import queries
from portal.providers.models import PayoutAccount
from portal.providers.rules import AccountAction, AccountStatus, PayoutStatus, check_bank, decide_account, last_four
from portal.providers.rules.occasions import Occasion
from portal.providers.schemas import AccountForm
from portal.providers.service import mails

ACTIONS = {
    AccountAction.APPROVE: (Action.PAYOUT_ACCOUNT_VERIFIED, Occasion.ACCOUNT_VERIFIED),
    AccountAction.REJECT: (Action.PAYOUT_ACCOUNT_REFUSED, Occasion.ACCOUNT_REFUSED),
    AccountAction.SUSPEND: (Action.PAYOUT_ACCOUNT_SUSPENDED, Occasion.ACCOUNT_SUSPENDED),
}
DETAILS = ("account_holder_name", "bank_name", "ifsc_code", "routing_number", "swift_code")
NAMES = ("accountHolderName", "bankName", "ifscCode", "routingNumber", "swiftCode")


def save(data: AccountForm, *, organization: Organization, actor: Actor) -> PayoutAccount:
    """Enters where payouts go, or changes it; what changes must be verified anew, and a changed account rests for a day.

    Raises:
        Invalid: ``BANK_DETAILS_INVALID``, or there is no number yet and none was given.
        Conflict: ``PAYOUT_UNDER_WAY``: the bank has a payout to the present account.
    """
    orgs.lock_open(organization.id)
    number = data.account_number.get_secret_value() if data.account_number else None
    check_bank(number=number, ifsc=data.ifsc_code, routing=data.routing_number, swift=data.swift_code)
    account, at = locked(organization.id), clock.now()
    if number is None and (account is None or account.removed_at is not None):
        sentence = "Fill this in."
        raise Invalid("Give the number of the account.", code="BANK_DETAILS_INVALID", details={"account_number": [sentence]})
    _require_quiet(organization.id)
    before, is_first = _shown(account), account is None
    if account is None:
        account = PayoutAccount(organization_id=organization.id, created_at=at, scheduled_on=clock.today(organization.time_zone))
        db.session.add(account)
    elsewhere = _goes_elsewhere(account, data, number)
    for name in DETAILS:
        setattr(account, name, getattr(data, name))
    if number is not None:
        account.number_sealed = crypto.encrypt(number.encode(), about=about(account))
        account.last_four = last_four(number)
    if elsewhere or account.removed_at is not None:
        account.status, account.status_reason, account.provider_account = AccountStatus.PENDING_VERIFICATION, None, None
        account.changed_at = account.changed_at if is_first else at
        account.removed_at = None
    db.session.flush()
    after = _shown(account)
    if before != after or elsewhere:
        audit.record(actor, Action.PAYOUT_ACCOUNT_CHANGED, _subject(account), organization_id=organization.id, before=before, after=after)
    if elsewhere:
        mails.write(Occasion.ACCOUNT_CHANGED, organization, actor=actor.name, **_named(account))
    return account


def remove(*, organization: Organization, actor: Actor) -> None:
    """Takes the account away with its number; harmless when there is none.

    Raises:
        Conflict: ``PAYOUT_UNDER_WAY``.
    """
    orgs.lock_open(organization.id)
    account = locked(organization.id)
    if account is None or account.removed_at is not None:
        return
    _require_quiet(organization.id)
    before = _shown(account)
    account.number_sealed, account.removed_at = None, clock.now()
    account.ifsc_code = account.routing_number = account.swift_code = account.provider_account = None
    account.status, account.status_reason = AccountStatus.PENDING_VERIFICATION, None
    db.session.flush()
    audit.record(actor, Action.PAYOUT_ACCOUNT_REMOVED, _subject(account), organization_id=organization.id, before=before)


def decide(
    organization_id: str, action: AccountAction, *, reason: str | None, provider_account: str | None = None, actor: Actor
) -> PayoutAccount:
    """A platform admin verifies, refuses or suspends an account.

    Args:
        organization_id: Whose account.
        action: What is decided.
        reason: Why, for whoever is refused or suspended.
        provider_account: The organization's account at Stripe, where payouts go through Stripe.
        actor: The admin.

    Raises:
        NotFound: ``PAYOUT_ACCOUNT_NOT_FOUND``.
        Conflict: ``STATUS_CONFLICT``.
        Invalid: ``REASON_MISSING``.
    """
    found = orgs_queries.by_id(organization_id)
    organization = orgs.lock(found.id) if found else None
    account = locked(organization.id) if organization else None
    if organization is None or account is None or account.removed_at is not None:
        raise NotFound("This organization has no payout account.", code="PAYOUT_ACCOUNT_NOT_FOUND")
    before = account.status
    account.status = decide_account(before, action, reason=reason)
    account.status_reason = reason
    if action is AccountAction.APPROVE and provider_account:
        account.provider_account = provider_account
    db.session.flush()
    act, occasion = ACTIONS[action]
    after = {"status": account.status, **({"reason": reason} if reason else {})}
    audit.record(actor, act, _subject(account), organization_id=organization.id, before={"status": before}, after=after)
    mails.write(occasion, organization, **_named(account), **({"reason": reason} if reason else {}))
    return account


def locked(organization_id: str) -> PayoutAccount | None:
    """An organization's account, removed or not, locked and as it is now."""
    statement = select(PayoutAccount).where(PayoutAccount.organization_id == organization_id).with_for_update()
    return db.session.scalar(statement.execution_options(populate_existing=True))


def about(account: PayoutAccount) -> str:
    """What the number is bound to: moved to another organization's row it can't be read."""
    return account.organization_id


def number_of(account: PayoutAccount) -> str:
    """The account's number, for the bank alone.

    Raises:
        Undecipherable: Its key is gone, or it was moved here from another organization.
    """
    return crypto.decrypt(str(account.number_sealed), about=about(account)).decode()


def _goes_elsewhere(account: PayoutAccount, data: AccountForm, number: str | None) -> bool:
    """Whether money would arrive somewhere else, or at somebody else's, than before."""
    if account.number_sealed is None:
        return True
    if any(getattr(account, name) != getattr(data, name) for name in DETAILS if name != "bank_name"):
        return True
    return number is not None and number != number_of(account)


def _require_quiet(organization_id: str) -> None:
    for payout in queries.open_payouts_of(organization_id):
        if payout.status is PayoutStatus.PROCESSING:
            sentence = "A payout to the present account is on its way. Change the account when it has arrived. Nothing was changed."
            raise Conflict(sentence, code="PAYOUT_UNDER_WAY")


def _shown(account: PayoutAccount | None) -> Json | None:
    if account is None or account.removed_at is not None:
        return None
    shown = {name: getattr(account, column) for name, column in zip(NAMES, DETAILS, strict=True)}
    return {**shown, "accountNumberLast4": account.last_four, "status": account.status}


def _named(account: PayoutAccount) -> dict[str, str]:
    return {"last_four": account.last_four, "bank": account.bank_name}


def _subject(account: PayoutAccount) -> audit.Subject:
    return audit.Subject("payout account", account.organization_id, f"{account.bank_name}, ending in {account.last_four}")
