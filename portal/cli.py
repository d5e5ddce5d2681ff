"""``flask users | jobs | billing | demo``: each command says what it did and exits non-zero when it didn't."""

import json
import os
import time
from dataclasses import asdict
from typing import NoReturn

import click
from flask import Flask
from flask.cli import AppGroup
from pydantic import TypeAdapter, ValidationError

from portal import clock, crypto, db, demo, jobs, queue
from portal.accounts import service as accounts
from portal.accounts.rules import PlatformRole
from portal.accounts.schemas import Email
from portal.audit.rules import SYSTEM
from portal.billing import queries as billing
from portal.errors import DomainError
from portal.operations import queries as operations
from portal.providers.service import accounts as payout_accounts
from portal.scheduling import schedule_forever, work_forever

users = AppGroup("users", help="People and their platform roles.")
jobs_group = AppGroup("jobs", help="Background jobs.")
billing_group = AppGroup("billing", help="Money.")
payouts_group = AppGroup("payouts", help="Bank accounts that payouts go to.")
demo_group = AppGroup("demo", help="Made-up organizations to look at.")
ROLES = click.Choice([role.value for role in PlatformRole])


def register_commands(app: Flask) -> None:
    """Makes the commands known to ``flask``."""
    for group in (users, jobs_group, billing_group, payouts_group, demo_group):
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
    """The table of jobs, with when they ran last and what they said."""
    last = operations.last_runs()
    for job in jobs.JOBS.values():
        run = last.get(job.name)
        ran = f"{run.started_at:%Y-%m-%d %H:%M}Z {'failed' if run.error else 'done'}" if run else "–"
        click.echo(f"{job.name:28}{job.queue:10}{job.cron or 'when rung':14}{ran}")


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


@payouts_group.command("rotate-keys")
def rotate_keys() -> None:
    """Encrypts account numbers anew by the first of DATA_ENCRYPTION_KEYS; afterwards the others may go."""
    try:
        with db.unit_of_work():
            done = payout_accounts.rotate_keys()
    except crypto.Undecipherable as error:
        _stop(f"An account number can't be read: {error}. Those before it are done; put its key back and run this again.")
    numbers = "1 account number was" if done == 1 else f"{done} account numbers were"
    click.echo(f"{numbers} encrypted anew by the key {crypto.first_key_id()}.")


@demo_group.command("load")
@click.option("--force", is_flag=True, help="Also into a database that isn't empty.")
def load_demo(*, force: bool) -> None:
    """Three organizations with a story, made through the services."""
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


def _address(email: str) -> str:
    try:
        address: str = TypeAdapter(Email).validate_python(email)
    except ValidationError:
        _stop(f"{email} is no e-mail address.")
    return address


def _stop(sentence: str) -> NoReturn:
    raise click.ClickException(sentence)
