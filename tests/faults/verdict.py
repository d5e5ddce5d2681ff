"""Afterwards: the portal heals by itself, and then everything is as it must be."""

import re
import sys
import time
from collections import Counter
from datetime import timedelta

import redis
from rq import Queue
from rq.registry import StartedJobRegistry

from tests.faults.load import Load
from tests.faults.people import NOBODY, Answer, Notes
from tests.faults.stage import Stage
from tests.faults.weather import Weather

DATABASE = {"PostgreSQL restarted", "PostgreSQL crashed"}
KILLS = {"worker killed", "pdf worker killed"}
STUCK = {
    "mails of links": "SELECT count(*) FROM mailed_links WHERE delivery <> 'SENT'",
    "mails of invitations": "SELECT count(*) FROM invitations WHERE delivery <> 'SENT' AND status = 'PENDING'",
    "mails of documents": "SELECT count(*) FROM invoice_mails WHERE delivery <> 'SENT'",
    "invoices without a file": "SELECT count(*) FROM invoices WHERE status = 'SENT' AND file_key IS NULL",
    "credit notes without a file": "SELECT count(*) FROM credit_notes WHERE file_key IS NULL",
    "orders that aren't over": "SELECT count(*) FROM gateway_orders WHERE status IN ('NEW', 'OPEN')",
    "payments that aren't settled": "SELECT count(*) FROM payments WHERE status = 'PENDING'",
    "sessions that are held": "SELECT count(*) FROM bookings WHERE status = 'HELD'",
    "refunds under way": "SELECT count(*) FROM refunds WHERE status = 'PENDING'",
    "money on its way back": "SELECT count(*) FROM gateway_returns WHERE status = 'PENDING'",
    "webhooks that nobody has acted on": "SELECT count(*) FROM gateway_events WHERE handled_at IS NULL",
    "webhooks that weren't sent": "SELECT count(*) FROM sandbox_webhooks WHERE due_at IS NOT NULL",
    "monthly runs": "SELECT count(*) FROM billing_runs WHERE status <> 'DONE'",
    "invoices in the making": "SELECT count(*) FROM invoices WHERE status = 'DRAFT'",
}
GAPS = """
SELECT substring(number from '^(.*)/[0-9]+$') AS series, count(*), max(substring(number from '[0-9]+$')::bigint), count(DISTINCT number)
FROM {table} WHERE number IS NOT NULL GROUP BY 1 ORDER BY 1
"""
UNBILLED = """
SELECT count(*) FROM payments p JOIN organizations o ON o.id = p.organization_id
WHERE p.payment_method = 'ORG_INVOICED' AND p.status = 'SUCCEEDED' AND p.created_at < %s AND o.slug LIKE 'copy-%%'
  AND (SELECT count(*) FROM invoice_lines l WHERE l.payment_id = p.id AND l.released_at IS NULL) <> 1
"""
BOOKINGS = "SELECT count(*) FROM bookings WHERE learner_id IN (SELECT id FROM users WHERE email LIKE 'learner%' OR email LIKE 'payer%')"
KEYS = {"mailed_links": "''", "invitations": "CASE WHEN renewals > 0 THEN '-' || renewals ELSE '' END", "invoice_mails": "''"}
CODES_OF_DISK = {"STORE_UNAVAILABLE", "PDF_UNAVAILABLE"}
EXCEPTION = (
    r"^(?:[\w.]+\.)?(\w+(?:Error|Exception|Failed|Unavailable|Conflict|Shutdown|Taken|Refused))(?:: .*)?$"
    r"(?!\n\n(?:During handling|The above exception))"
)
HARMLESS = re.compile(
    r"OperationalError|AdminShutdown|Connection\w*Error|TimeoutError|OSError|FileExistsError|NotADirectoryError|MailFailed|PdfFailed|Unavailable"
    r"|BusyLoadingError|JobTimeoutException|GatewayUnavailable|WorkHorse|HorseMonitorTimeout|Slot|Conflict"
)


def heal(stage: Stage, *, seconds: float) -> tuple[dict[str, int], float]:
    """Nothing is broken any more: hours go by, and the sweep does what it does each minute. Returns what is left, and how long it took."""
    began = time.monotonic()
    hours = (timedelta(), timedelta(minutes=35), timedelta(minutes=35), timedelta(hours=3), timedelta(hours=7), timedelta(hours=8))
    left: dict[str, int] = {}
    while time.monotonic() - began < seconds:
        for step in hours:
            if step:
                stage.calendar.jump(stage.calendar.now() + step)
            for name in ("sweep", "bookings-release-unpaid", "billing-cancel-stale-purchases"):
                stage.ring(name)
            drain(stage, seconds=60)
            left = {what: number for what, statement in STUCK.items() if (number := stage.ask(statement)[0][0])}
            print(f"healing: {time.monotonic() - began:.0f} s, left: {left}", file=sys.stderr, flush=True)  # noqa: T201 - a log
            if not left:
                return {}, time.monotonic() - began
    return left, time.monotonic() - began


def drain(stage: Stage, *, seconds: float) -> None:
    """Waits until the queues are empty and nobody is at work."""
    end = time.monotonic() + seconds
    with redis.Redis.from_url(stage.environment["REDIS_URL"]) as connection:
        quiet = 0
        while quiet < 3 and time.monotonic() < end:
            busy = sum(
                len(Queue(name, connection=connection)) + StartedJobRegistry(name, connection=connection).get_job_count(cleanup=False)
                for name in ("default", "pdf")
            )
            quiet = 0 if busy else quiet + 1
            time.sleep(0.3)


def findings(stage: Stage, load: Load, weather: Weather, notes: Notes, *, left: dict[str, int]) -> list[str]:
    """All that isn't as it must be, a sentence each."""
    found = [f"{number} {what} are stuck" for what, number in left.items()]
    found += notes.odd
    reconciled = stage.flask("billing", "reconcile")
    if reconciled.returncode:
        found.append(f"reconcile: {reconciled.stdout}{reconciled.stderr}")
    return [*found, *_numbers(stage), *_promises(stage, load, notes), *_mails(stage, weather), *_answers(weather, notes), *_log(stage)]


def _numbers(stage: Stage) -> list[str]:
    found = []
    for table in ("invoices", "credit_notes"):
        for series, count, last, distinct in stage.ask(GAPS.format(table=table)):
            if not count == last == distinct:
                found.append(f"{table} {series}: {count} numbers, {distinct} of them distinct, the last one is {last}")
    return found


def _promises(stage: Stage, load: Load, notes: Notes) -> list[str]:
    found = []
    made = {str(row[0]) for row in stage.ask("SELECT id FROM bookings")}
    found += [f"the booking {booking} was promised and isn't there" for booking in notes.bookings.values() if booking not in made]
    [(booked,)] = stage.ask(BOOKINGS)
    if booked != len(notes.bookings):
        found.append(f"{booked} bookings were made for {len(notes.bookings)} keys")
    for slug, addresses in notes.invited.items():
        rows = stage.ask("SELECT email FROM invitations JOIN organizations o ON o.id = organization_id WHERE o.slug = %s", slug)
        counted = Counter(row[0] for row in rows)
        found += [f"{address} was invited {counted[address]} times" for address in addresses if counted[address] != 1]
    users = {row[0] for row in stage.ask("SELECT email FROM users")}
    found += [f"{address} signed up and isn't there" for address in notes.signed_up - users]
    references = Counter(row[0] for row in stage.ask("SELECT reference FROM invoice_allocations"))
    found += [f"money {reference} was recorded {references[reference]} times" for reference in notes.paid if references[reference] != 1]
    refunds = {str(row[0]) for row in stage.ask("SELECT id FROM refunds")}
    found += [f"the refund {refund} was promised and isn't there" for refund in notes.refunded - refunds]
    first = load.stage.calendar.now().replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    [(forgotten,)] = stage.ask(UNBILLED, first)
    if forgotten:
        found.append(f"{forgotten} payments of past months have no line, or two")
    return found


def copies(stage: Stage) -> dict[str, list[float]]:
    """Message-ID → when the mail server took it."""
    taken: dict[str, list[float]] = {}
    for mail in stage.post.taken:
        taken.setdefault(mail.message_id, []).append(mail.at)
    return taken


def _mails(stage: Stage, weather: Weather) -> list[str]:
    """Each row's mail went, under one Message-ID; and once, but for a kill in the moment between the server's yes and our note of it."""
    sent: set[str] = set()
    for table, suffix in KEYS.items():
        rows = stage.ask(f"SELECT id, {suffix} FROM {table} WHERE delivery = 'SENT'")  # noqa: S608 - our own words
        sent |= {f"<{row}{end}@portal.example>" for row, end in rows}
    taken = copies(stage)
    found = [f"{key} is noted as sent and was never taken" for key in sent - taken.keys()]
    found += [f"{key} was taken and is of no row that was sent" for key in taken.keys() - sent]
    for key, times in taken.items():
        for at in times[:-1]:
            if not weather.is_under(at - 0.1, at + 1, KILLS, slack=0.2):
                found.append(f"{key} was taken {len(times)} times, and nobody was killed in the moment of the first")
    alike = Counter((mail.to, mail.subject) for mail in {mail.message_id: mail for mail in stage.post.taken}.values())
    twice = [(to, subject, number) for (to, subject), number in alike.items() if number > 1 and "@home" not in to]
    return [*found, *(f"{number} different mails “{subject}” went to {to}" for to, subject, number in twice)]


def _answers(weather: Weather, notes: Notes) -> list[str]:
    """Nobody met an error of ours; who was turned away was so while something was broken that explains it."""
    found = []
    for answer in notes.answers:
        how = (answer.began, answer.ended)
        if answer.status == NOBODY and not weather.is_under(*how, {"web process killed"}, slack=10):
            found.append(f"{answer.call} got no answer: {answer.text}")
        elif answer.status == 503 and not (
            weather.is_under(*how, DATABASE, slack=15) or (_is_of_disk(answer) and weather.is_under(*how, {"disk full"}, slack=5))
        ):
            found.append(f"{answer.call} was turned away by 503 with nothing broken: {answer.text}")
        elif answer.status >= 500 and answer.status != 503:
            found.append(f"{answer.call} met {answer.status}: {answer.text}")
    return found


def _is_of_disk(answer: Answer) -> bool:
    return answer.code in CODES_OF_DISK or "PDF" in answer.text or "picture" in answer.text


def _log(stage: Stage) -> list[str]:
    """Jobs fail for reasons that lie outside only."""
    text = stage.log.read_text(errors="replace")
    kinds = Counter(re.findall(EXCEPTION, text, flags=re.MULTILINE))
    return [f"the log has {number} of {kind}" for kind, number in kinds.items() if not HARMLESS.search(kind)]
