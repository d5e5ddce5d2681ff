"""``flask users | jobs | billing | keys | backup | demo``: each command says what it did and exits non-zero when it didn't."""

import json
import logging
import os
import time
from dataclasses import asdict
from typing import NoReturn

import click
from flask import Flask
from flask.cli import AppGroup
from pydantic import TypeAdapter, ValidationError

from portal import clock, db, demo, jobs, queue
from portal.accounts import service as accounts
from portal.accounts.rules import PlatformRole
from portal.accounts.schemas import Email
from portal.audit.rules import SYSTEM
from portal.billing import queries as billing
from portal.encrypted import ENCRYPTED
from portal.errors import DomainError
from portal.operations import service as operations
from portal.scheduling import schedule_forever, work_forever

users = AppGroup("users", help="People and their platform roles.")
jobs_group = AppGroup("jobs", help="Background jobs.")
billing_group = AppGroup("billing", help="Money.")
keys_group = AppGroup("keys", help="The keys of what is stored encrypted.")
backup_group = AppGroup("backup", help="What was restored.")
demo_group = AppGroup("demo", help="Made-up organizations to look at.")
ROLES = click.Choice([role.value for role in PlatformRole])


def register_commands(app: Flask) -> None:
    """Makes the commands known to ``flask``."""
    for group in (users, jobs_group, billing_group, keys_group, backup_group, demo_group):
        app.cli.add_command(group)


@users.command("create")
@click.argument("email")
@click.option("--name", required=True, help="What people see.")
@click.option("--password", help="Without one they set it by “forgotten password”.")
@click.option("--platform-role", type=ROLES, default=PlatformRole.USER.value)
def create_user(email: str, name: str, password: str | None, platform_role: str) -> None:
    """Makes a user with a verified e-mail address and prints the id."""
    address = _address(email)
    try:
        with db.unit_of_work():
            role = PlatformRole(platform_role)
            user = accounts.create_user(email=address, name=name, password=password, role=role, actor=SYSTEM)
    except DomainError as error:
        _stop(error.message)
    click.echo(user.id)


@users.command("role")
@click.argument("email")
@click.argument("role", type=ROLES)
def change_role(email: str, role: str) -> None:
    """Makes a user USER, STAFF or ADMIN of the platform."""
    try:
        with db.unit_of_work():
            user = accounts.change_platform_role(email=email, role=PlatformRole(role), actor=SYSTEM)
    except DomainError as error:
        _stop(error.message)
    click.echo(f"{user.email} is {role} now.")


@jobs_group.command("list")
def list_jobs() -> None:
    """The table of jobs: when each ran last and what became of it, and when it is due next (UTC)."""
    click.echo(f"{'job':32}{'queue':9}{'cron':14}{'last run':19}{'outcome':24}next run")
    for row in operations.job_rows():
        last = f"{row.started:%Y-%m-%d %H:%M}Z" if row.started else "–"
        due = f"{row.next_at:%Y-%m-%d %H:%M}Z" if row.next_at else "when rung"
        click.echo(f"{row.name:32}{row.queue:9}{row.cron or '–':14}{last:19}{row.outcome.label if row.cron else '–':24}{due}")


@jobs_group.command("run")
@click.argument("name", type=click.Choice(sorted(jobs.JOBS)))
@click.option("--as-of", help="The instant that the job takes for now, such as 2026-12-01T00:00:00Z.")
@click.option("--wait", is_flag=True, help="Runs it here, with everything it rings, and prints its summary as JSON.")
def run_job(name: str, as_of: str | None, *, wait: bool) -> None:
    """Rings a job now."""
    if as_of:
        try:
            clock.parse_instant(as_of)
        except ValueError:
            _stop(f"{as_of} is no instant with a time zone; write it like 2026-12-01T00:00:00Z.")
    if not wait:
        click.echo(f"{name} is queued as {queue.ring(name, as_of=as_of)}.")
        return
    _quietly()
    with queue.rung_here() as rung:
        summary = jobs.run(name, as_of=as_of)
        while rung:
            bell = rung.pop(0)
            jobs.run(bell.name, *bell.ids, as_of=bell.as_of)
    click.echo(json.dumps(summary))


@jobs_group.command("worker")
@click.argument("queues", nargs=-1)
def worker(queues: tuple[str, ...]) -> None:
    """Works on the queues (all of them, or those that are named) until it is stopped."""
    unknown = set(queues) - set(jobs.QUEUES)
    if unknown:
        _stop(f"There is no queue {', '.join(sorted(unknown))}; there are {', '.join(jobs.QUEUES)}.")
    work_forever(queues or jobs.QUEUES)


@jobs_group.command("scheduler")
def scheduler() -> None:
    """Rings the jobs that are due, until it is stopped; several may run, one of them rings."""
    os.environ["TZ"] = "UTC"  # rq-scheduler reads cron lines in the machine's zone
    time.tzset()
    schedule_forever()


@billing_group.command("reconcile")
@click.option("--organization", "organization_id", help="The id of one organization; without it all of them.")
@click.option("--json", "as_json", is_flag=True, help="Prints the differences as JSON.")
def reconcile(organization_id: str | None, *, as_json: bool) -> None:
    """Computes every sum again by SQL alone; exits with 1 when one is off."""
    if organization_id is not None and not db.is_id(organization_id):
        _stop(f"{organization_id} is no id of an organization.")
    found = billing.differences(organization_id)
    if as_json:
        click.echo(json.dumps([asdict(difference) for difference in found]))
    else:
        for off in found:
            click.echo(
                f"{off.check}: {off.subject} of organization {off.organization_id or '–'} is {off.found}, and must be {off.expected}."
            )
        if not found:
            click.echo("Every sum is as it must be.")
    if found:
        raise SystemExit(1)


@keys_group.command("list")
def list_keys() -> None:
    """How many rows of each encrypted column each key of DATA_ENCRYPTION_KEYS encrypts."""
    for column, keys in operations.keys_in_use(ENCRYPTED).items():
        click.echo(f"{column}: {', '.join(f'{number} by {key}' for key, number in keys.items()) or 'nothing'}")


@keys_group.command("rotate")
def rotate_keys() -> None:
    """Writes anew, with the first key of DATA_ENCRYPTION_KEYS, whatever an older one encrypts; stopped, it goes on when called again."""
    columns = operations.rotate(ENCRYPTED)
    for column in columns:
        click.echo(f"{column.name}: {column.rewritten} written anew, {len(column.unreadable)} can't be read.")
        for row in column.unreadable:
            click.echo(f"  {row}")
    if any(column.unreadable for column in columns):
        _stop("What can't be read was left as it is: its key isn't among DATA_ENCRYPTION_KEYS.")


@backup_group.command("verify")
def verify_backup() -> None:
    """Proves that database, files and keys belong together, as after a restore; exits with 1 when something is missing."""
    found = operations.missing_parts(ENCRYPTED)
    for sentence in found:
        click.echo(sentence)
    if found:
        raise SystemExit(1)
    click.echo("Database, files and keys belong together.")


@demo_group.command("load")
@click.option("--force", is_flag=True, help="Also into a database that isn't empty.")
def load_demo(*, force: bool) -> None:
    """Three organizations with a story, made through the services."""
    _quietly()
    try:
        with queue.rung_here() as rung:
            lines = demo.load(force=force)
            while rung:
                bell = rung.pop(0)
                jobs.run(bell.name, *bell.ids, as_of=bell.as_of)
    except DomainError as error:
        _stop(error.message)
    for line in lines:
        click.echo(line)


@demo_group.command("synth")
@click.option("--organizations", type=int, required=True, help="How many organizations that are billed monthly.")
@click.option("--payments", type=int, required=True, help="How many unbilled payments of last month, over all of them.")
@click.option("--learners", type=int, required=True, help="How many learners, over all of them.")
@click.option("--seed", type=int, default=1, show_default=True, help="Another seed makes other people, beside the first ones.")
def synthesize(organizations: int, payments: int, learners: int, *, seed: int) -> None:
    """Made-up data in bulk, for benchmarks."""
    try:
        with db.unit_of_work():
            lines = demo.synthesize(demo.Size(organizations, payments, learners), seed=seed)
    except DomainError as error:
        _stop(error.message)
    for line in lines:
        click.echo(line)


def _quietly() -> None:
    """A line a job is for servers; a person at a terminal wants to see what went wrong."""
    logging.getLogger("portal").setLevel(logging.WARNING)


def _address(email: str) -> str:
    try:
        address: str = TypeAdapter(Email).validate_python(email)
    except ValidationError:
        _stop(f"{email} is no e-mail address.")
    return address


def _stop(sentence: str) -> NoReturn:
    raise click.ClickException(sentence)
