"""The page on which platform admins verify payout accounts and pay payouts."""

from typing import Any

from flask import Blueprint, url_for
from flask.typing import ResponseReturnValue

from portal.accounts.service import admin_actor_of
from portal.gateways import payouts as gateways
from portal.gateways.payouts import PayoutProvider
from portal.orgs.access import provider_page
from portal.providers import queries
from portal.providers.models import Payout
from portal.providers.rules import AccountStatus, PayoutStatus
from portal.providers.rules.accounts import actions_on
from portal.providers.schemas import AccountDecisionIn, AccountsQuery, ProcessIn
from portal.providers.service import accounts, transfers
from portal.web.filters import count
from portal.web.forms import Form, query
from portal.web.gates import admin, client_address, require_user
from portal.web.page import page, redirect_to, toast

bp = Blueprint("payouts_admin", __name__)
MOST_SHOWN = 100
RECENT = 25
DONE = {"APPROVE": "is verified", "REJECT": "was refused", "SUSPEND": "is suspended"}
SAID = {
    PayoutStatus.PROCESSING: "The payout is taken up. Enter the bank's reference here once it is paid.",
    PayoutStatus.COMPLETED: "The payout is completed. The organization's owners get a mail.",
    PayoutStatus.FAILED: "The payout failed. It can be tried again.",
}


@bp.get("/admin/payouts")
@admin
@provider_page
def index() -> ResponseReturnValue:
    """Accounts that wait, payouts that aren't paid, and what was paid lately."""
    return _admin_page(Form(ProcessIn))


@bp.post("/admin/payouts/process")
@admin
@provider_page
def process() -> ResponseReturnValue:
    """Pays one payout, or all that wait."""
    actor, form = admin_actor_of(require_user(), ip=client_address()), Form.posted(ProcessIn)
    done = form.submit(lambda data: transfers.process(data, actor=actor))
    if done is None:
        return _admin_page(form, refused_id=str(form.values.get("payout_id", "")), status=422)
    taken, refused = done
    toast(_said(taken, refused, is_one=bool(form.values.get("payout_id"))), tone="error" if refused else "success")
    return redirect_to("payouts_admin.index")


@bp.post("/admin/payout-accounts/<organization_id>/verify")
@admin
@provider_page
def decide_account(organization_id: str) -> ResponseReturnValue:
    """Verifies, refuses or suspends an account."""
    actor, form = admin_actor_of(require_user(), ip=client_address()), Form.posted(AccountDecisionIn)
    account = form.submit(
        lambda data: accounts.decide(organization_id, data.action, reason=data.reason, provider_account=data.provider_account, actor=actor)
    )
    if account is None:
        return _admin_page(form, refused_id=organization_id, status=422)
    toast(f"The account ending in {account.last_four} {DONE[str(form.values['action'])]}.")
    return redirect_to("payouts_admin.index")


def _said(taken: list[Payout], refused: list[transfers.Refused], *, is_one: bool) -> str:
    if is_one and taken:
        return SAID.get(taken[0].status, "The payout is on its way.")
    sentences = [f"{count(len(taken), 'payout')} taken up."]
    sentences += [row.refusal.message for row in refused[:3]]
    return " ".join(sentences)


def _admin_page(form: Form[Any], *, refused_id: str = "", status: int = 200) -> ResponseReturnValue:
    wanted = query(AccountsQuery)
    found = queries.accounts_to_decide(status=wanted.status, limit=MOST_SHOWN)
    gateway = gateways.current()
    kinds: list[AccountStatus | None] = [None, *AccountStatus]
    tabs = [
        {
            "label": each.label if each else "All",
            "url": url_for("payouts_admin.index", status=each.value if each else None),
            "is_current": each is wanted.status,
        }
        for each in kinds
    ]
    return page(
        "providers/admin.html",
        status=status,
        form=form,
        refused_id=refused_id,
        tabs=tabs,
        accounts=[(account, actions_on(account.status)) for account in found],
        payouts=queries.payouts_in_progress(limit=MOST_SHOWN),
        recent=queries.recent_payouts(limit=RECENT),
        gateway=gateway,
        needs_provider_account=gateway.provider is PayoutProvider.STRIPE,
    )
