"""Pages of an organization's earnings: figures, its account, its payouts, and the statement."""

from datetime import timedelta
from typing import Any

from flask import Blueprint, url_for
from flask.typing import ResponseReturnValue

from portal import clock
from portal.orgs.access import Access, org, provider_page
from portal.orgs.rules import Role
from portal.providers import queries
from portal.providers.models import PayoutAccount
from portal.providers.rules import LEAST_PAYOUT, AccountStatus, cools_off_at, next_period
from portal.providers.schemas import AccountForm, EarningsPageQuery, PayoutForm, PeriodQuery
from portal.providers.service import accounts, exports, payouts
from portal.web.forms import Form, query
from portal.web.page import CSV, download, page, redirect_to, toast

bp = Blueprint("payouts", __name__)
PAGE_SIZE = 25
MOST_PAYOUTS = 12
SHOWN = ("account_holder_name", "bank_name", "ifsc_code", "routing_number", "swift_code")


@bp.get("/orgs/<slug>/payouts")
@org(Role.ORG_MANAGER)
@provider_page
def index(access: Access) -> ResponseReturnValue:
    """What is ready, where it goes, and what was paid."""
    return _payouts_page(access)


@bp.post("/orgs/<slug>/payouts")
@org(Role.ORG_OWNER)
@provider_page
def begin(access: Access) -> ResponseReturnValue:
    """Puts all that is ready into a payout."""
    form = Form.posted(PayoutForm)
    payout = form.submit(lambda _data: payouts.begin(access.organization, actor=access.actor))
    if payout is None:
        return _payouts_page(access, form=form, status=422)
    toast("The payout is begun. The platform's staff pay it, and you get a mail when it is done.")
    return redirect_to("payouts.index", slug=access.organization.slug)


@bp.post("/orgs/<slug>/payouts/account")
@org(Role.ORG_OWNER)
@provider_page
def save_account(access: Access) -> ResponseReturnValue:
    """Enters or changes where payouts go."""
    form = Form.posted(AccountForm)
    account = form.submit(lambda data: accounts.save(data, organization=access.organization, actor=access.actor))
    form.values.pop("account_number", None)
    if account is None:
        return _payouts_page(access, account_form=form, status=422)
    is_verified = account.status is AccountStatus.VERIFIED
    toast("The account is saved." if is_verified else "The account is saved. Nothing is paid to it before the platform has verified it.")
    return redirect_to("payouts.index", slug=access.organization.slug)


@bp.post("/orgs/<slug>/payouts/account/remove")
@org(Role.ORG_OWNER)
@provider_page
def remove_account(access: Access) -> ResponseReturnValue:
    """Takes the account away with its number."""
    accounts.remove(organization=access.organization, actor=access.actor)
    toast("The account is removed, and its number is deleted. Earnings wait until you enter another.")
    return redirect_to("payouts.index", slug=access.organization.slug)


@bp.get("/orgs/<slug>/payouts/statement")
@org(Role.ORG_MANAGER)
@provider_page
def statement(access: Access) -> ResponseReturnValue:
    """What was earned, refunded and paid out in a period."""
    wanted, found = _statement(access)
    dates: dict[str, Any] = {"from": wanted.since, "to": wanted.until}
    csv_url = url_for("payouts.export", slug=access.organization.slug, **dates)
    return page("providers/statement.html", block="account", access=access, statement=found, wanted=wanted, csv_url=csv_url)


@bp.get("/orgs/<slug>/payouts/statement.csv")
@org(Role.ORG_MANAGER)
@provider_page
def export(access: Access) -> ResponseReturnValue:
    """The same as CSV."""
    _wanted, found = _statement(access)
    content = exports.statement_csv(found, time_zone=access.organization.time_zone)
    return download(content, file_name=f"{access.organization.slug}-earnings.csv", media_type=CSV)


def _statement(access: Access) -> tuple[PeriodQuery, queries.EarningsStatement]:
    zone = access.organization.time_zone
    today = clock.today(zone)
    wanted = query(PeriodQuery)
    until = wanted.until or today
    since = wanted.since or min(until, today).replace(day=1)
    wanted = PeriodQuery(since=since, until=until)
    first, after = clock.midnight(since, zone), clock.midnight(until + timedelta(days=1), zone)
    return wanted, queries.statement_of(access.organization.id, since=first, until=after)


def _payouts_page(
    access: Access, *, form: Form[Any] | None = None, account_form: Form[AccountForm] | None = None, status: int = 200
) -> ResponseReturnValue:
    organization = access.organization
    account = queries.account_of(organization.id)
    wanted = query(EarningsPageQuery)
    found = queries.earnings_of_organization(organization.id, status=wanted.status, limit=PAGE_SIZE + 1, cursor=wanted.cursor)
    rows = found[:PAGE_SIZE]
    next_url = ""
    if len(found) > len(rows):
        status_kept = wanted.status.value if wanted.status else None
        next_url = url_for("payouts.index", slug=organization.slug, cursor=rows[-1].earning.id, status=status_kept)
    history = queries.payouts_of(organization.id, limit=MOST_PAYOUTS)
    return page(
        "providers/payouts.html",
        block="earning_list",
        status=status,
        access=access,
        form=form or Form(PayoutForm),
        account_form=account_form or Form(AccountForm, _shown(account)),
        account=account,
        cools_off=cools_off_at(account.changed_at, now=clock.now()) if account else None,
        is_owner=access.may(Role.ORG_OWNER),
        summary=queries.summary_of(organization.id),
        least=LEAST_PAYOUT,
        open_payout=next((row for row in history if row.status.is_open), None),
        payouts=history,
        next_on=next_period(organization.payout_frequency, clock.today(organization.time_zone)),
        earnings=rows,
        wanted=wanted,
        next_url=next_url,
    )


def _shown(account: PayoutAccount | None) -> dict[str, str]:
    return {} if account is None else {name: getattr(account, name) or "" for name in SHOWN}
