"""The sweep: rings again for rows that were left behind."""

from datetime import timedelta

from portal import clock, queue
from portal.accounts import queries as accounts
from portal.billing import queries as billing
from portal.billing.rules import run_period_end
from portal.db import Json
from portal.invites import queries as invites
from portal.orgs import queries as orgs
from portal.providers import queries as providers
from portal.sandbox import queries as sandbox
from portal.sso import queries as sso

AT_ONCE = 500
A_WHILE = timedelta(minutes=2)


def sweep() -> Json:
    """Rings again for rows that were left behind: unsent mails, unmade files, a monthly run that was missed or isn't done.

    Into a queue that is long already it rings nothing, for most rows would have a second bell there: what waits is worked off first.
    """
    long_already = queue.longer_than(AT_ONCE)
    at = clock.now()
    rung = {
        "accounts-send-link": accounts.links_to_deliver(at, limit=AT_ONCE),
        "orgs-send-verdict": orgs.verdicts_to_deliver(at, limit=AT_ONCE),
        "invites-send": invites.invitations_to_deliver(at, limit=AT_ONCE),
        "billing-send-invoice": billing.mails_to_deliver(at, limit=AT_ONCE),
        "billing-final-invoice": billing.awaiting_final_invoice(limit=AT_ONCE),
        "billing-ask-order": billing.orders_to_ask(at, limit=AT_ONCE),
        "billing-move-refund": billing.refunds_to_move(at, limit=AT_ONCE),
        "billing-return-excess": billing.returns_to_move(at, limit=AT_ONCE),
        "billing-handle-event": billing.events_to_handle(at - A_WHILE, limit=AT_ONCE),
        "bookings-settle-payment": billing.payments_to_settle(limit=AT_ONCE),
        "billing-archive-invoice": billing.invoices_to_archive(at - A_WHILE, limit=AT_ONCE),
        "billing-archive-credit-note": billing.notes_to_archive(at - A_WHILE, limit=AT_ONCE),
        "billing-build-archive": billing.archives_to_build(at, limit=AT_ONCE),
        "providers-send-mail": providers.mails_to_deliver(at, limit=AT_ONCE),
        "providers-send-payout": providers.payouts_to_send(at, limit=AT_ONCE),
        "sso-send-notice": sso.notices_to_deliver(at, limit=AT_ONCE),
        "sandbox-send-webhook": sandbox.webhooks_to_send(limit=AT_ONCE),
    }
    rung = {name: ids for name, ids in rung.items() if queue.queue_of(name) not in long_already}
    for name, ids in rung.items():
        for row_id in ids:
            queue.enqueue(name, row_id)
    month_is_open = queue.queue_of("billing-monthly-run") not in long_already and billing.is_month_open(run_period_end(at))
    if month_is_open:
        queue.enqueue("billing-monthly-run")
    counts = {name: len(ids) for name, ids in rung.items() if ids} | ({"billing-monthly-run": 1} if month_is_open else {})
    return {"job": "sweep", "rung": counts}
