"""JSON of earnings, payout accounts and payouts."""

from flask import Blueprint, jsonify
from flask.typing import ResponseReturnValue

from portal.accounts.service import admin_actor_of
from portal.orgs.access import Access, org, provider_tier
from portal.orgs.rules import Role
from portal.orgs.rules.tokens import TokenScope
from portal.providers import queries
from portal.providers.schemas import (
    AccountDecisionIn,
    AccountIn,
    AccountOut,
    EarningOut,
    EarningsQuery,
    FailedPayoutOut,
    PayoutOut,
    ProcessIn,
)
from portal.providers.service import accounts, payouts, transfers
from portal.web.bearer import scoped
from portal.web.forms import json_body, query
from portal.web.gates import admin, client_address, require_user
from portal.web.idempotency import idempotent
from portal.web.openapi import describes, listed, wrapped
from portal.web.schema import PagedQuery
from portal.web.security import limiter

bp = Blueprint("payouts_api", __name__, url_prefix="/api")
ONE = "/organizations/<organization_id>"
OFF = {404: ("NOT_A_PROVIDER",), 501: ("NOT_ENABLED",)}
UNUSABLE = ("PAYOUT_ACCOUNT_COOLING_OFF", "PAYOUT_ACCOUNT_MISSING", "PAYOUT_ACCOUNT_NOT_VERIFIED")


@bp.get(f"{ONE}/payouts")
@org(Role.ORG_MANAGER)
@scoped(TokenScope.READ)
@provider_tier
@describes(query=PagedQuery, answers={200: listed(PayoutOut)}, refuses=OFF)
def list_payouts(access: Access) -> ResponseReturnValue:
    """The organization's payouts, newest first."""
    wanted = query(PagedQuery)
    found = queries.payouts_of(access.organization.id, limit=wanted.limit + 1, cursor=wanted.cursor)
    shown = found[: wanted.limit]
    return jsonify(items=[PayoutOut.of(row).to_json() for row in shown], nextCursor=shown[-1].id if len(found) > len(shown) else None)


@bp.post(f"{ONE}/payouts")
@limiter.limit("60/minute")
@org(Role.ORG_OWNER)
@provider_tier
@idempotent
@describes(
    answers={201: wrapped("payout", PayoutOut)},
    refuses={**OFF, 400: ("BELOW_MINIMUM", "NOTHING_READY", *UNUSABLE), 409: ("ORGANIZATION_NOT_ACTIVE", "PAYOUT_UNDER_WAY")},
)
def begin_payout(access: Access) -> ResponseReturnValue:
    """Puts all that is ready into a payout."""
    payout = payouts.begin(access.organization, actor=access.actor)
    return jsonify(payout=PayoutOut.of(payout).to_json()), 201


@bp.get(f"{ONE}/earnings")
@org(Role.ORG_MANAGER)
@scoped(TokenScope.READ)
@provider_tier
@describes(query=EarningsQuery, answers={200: listed(EarningOut)}, refuses=OFF)
def list_earnings(access: Access) -> ResponseReturnValue:
    """What sessions with the organization's consultants earned it, newest first; ``party=CONSULTANT`` gives the consultants' shares."""
    wanted = query(EarningsQuery)
    found = queries.earnings_of_organization(
        access.organization.id, party=wanted.party, status=wanted.status, limit=wanted.limit + 1, cursor=wanted.cursor
    )
    shown = [row.earning for row in found[: wanted.limit]]
    return jsonify(items=[EarningOut.of(row).to_json() for row in shown], nextCursor=shown[-1].id if len(found) > len(shown) else None)


@bp.get(f"{ONE}/payout-account")
@org(Role.ORG_OWNER)
@provider_tier
@describes(answers={200: wrapped("payout_account", AccountOut | None)}, refuses=OFF)
def show_account(access: Access) -> ResponseReturnValue:
    """Where payouts go: of the number only the last four digits; null when nothing is entered."""
    account = queries.account_of(access.organization.id)
    return jsonify(payoutAccount=AccountOut.of(account).to_json() if account else None)


@bp.put(f"{ONE}/payout-account")
@org(Role.ORG_OWNER)
@provider_tier
@describes(
    body=AccountIn,
    answers={200: wrapped("payout_account", AccountOut)},
    refuses={**OFF, 400: ("BANK_DETAILS_INVALID",), 409: ("PAYOUT_UNDER_WAY",)},
)
def save_account(access: Access) -> ResponseReturnValue:
    """Enters or changes where payouts go; it must be verified (again) before anything is paid."""
    account = accounts.save(json_body(AccountIn), organization=access.organization, actor=access.actor)
    return jsonify(payoutAccount=AccountOut.of(account).to_json())


@bp.delete(f"{ONE}/payout-account")
@org(Role.ORG_OWNER)
@provider_tier
@describes(answers={200: wrapped("payout_account", AccountOut | None)}, refuses={**OFF, 409: ("PAYOUT_UNDER_WAY",)})
def remove_account(access: Access) -> ResponseReturnValue:
    """Takes the account away with its number."""
    accounts.remove(organization=access.organization, actor=access.actor)
    return jsonify(payoutAccount=None)


@bp.post("/admin/payout-accounts/<organization_id>/verify")
@admin
@provider_tier
@describes(
    body=AccountDecisionIn,
    answers={200: wrapped("payout_account", AccountOut)},
    refuses={400: ("REASON_MISSING",), 404: ("PAYOUT_ACCOUNT_NOT_FOUND",), 409: ("STATUS_CONFLICT",), 501: ("NOT_ENABLED",)},
)
def decide_account(organization_id: str) -> ResponseReturnValue:
    """Verifies, refuses or suspends an organization's payout account."""
    data, actor = json_body(AccountDecisionIn), admin_actor_of(require_user(), ip=client_address())
    account = accounts.decide(organization_id, data.action, reason=data.reason, provider_account=data.provider_account, actor=actor)
    return jsonify(payoutAccount=AccountOut.of(account).to_json())


@bp.post("/admin/org-payouts/process")
@admin
@provider_tier
@describes(
    body=ProcessIn,
    example={"payoutId": "01a1f2c0-7a31-7c1e-8d5e-2f6a9b3c4d5e", "reference": "NEFT-26-4711"},
    answers={200: wrapped("processed", list[PayoutOut], failed=list[FailedPayoutOut])},
    refuses={
        400: UNUSABLE,
        404: ("PAYOUT_NOT_FOUND",),
        409: ("ORGANIZATION_NOT_ACTIVE", "PAYOUT_CLAIMED", "PAYOUT_NOT_BY_HAND", "PAYOUT_UNDER_WAY"),
        501: ("NOT_ENABLED",),
    },
)
def process() -> ResponseReturnValue:
    """Pays one payout, or all that wait; each is taken up once. A ``reference`` completes one that was paid by hand."""
    data, actor = json_body(ProcessIn), admin_actor_of(require_user(), ip=client_address())
    processed, failed = transfers.process(data, actor=actor)
    told = [FailedPayoutOut(payout_id=row.payout_id, error=row.refusal.message, code=row.refusal.code).to_json() for row in failed]
    return jsonify(processed=[PayoutOut.of(row).to_json() for row in processed], failed=told)
