"""Jobs about earnings and payouts."""

from portal import clock
from portal.db import Json
from portal.orgs.service import provider_orgs_are_on
from portal.providers.service import earnings, mails, payouts, transfers


def release_earnings() -> Json:
    """Makes earnings ready whose hold is over."""
    return {"job": "providers-release-earnings", "asOf": _as_of(), **earnings.release(), "skipped": {}, "failed": []}


def batch_payouts() -> Json:
    """Begins the payouts that are due by each organization's frequency."""
    summary = payouts.begin_scheduled() if provider_orgs_are_on() else {"done": 0, "skipped": {"not_enabled": 1}, "failed": []}
    return {"job": "providers-batch-payouts", "asOf": _as_of(), **summary}


def send_payout(payout_id: str) -> Json:
    """Has the provider pay a payout, or asks how it stands."""
    return {"over": int(transfers.send(payout_id))}


def send_mail(mail_id: str) -> Json:
    """Mails people about a consultant, an account or a payout."""
    return {"sent": int(mails.send(mail_id))}


def _as_of() -> str:
    return clock.now().isoformat().replace("+00:00", "Z")
