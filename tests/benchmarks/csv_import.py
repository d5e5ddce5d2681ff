"""``csv-import``: 100 000 rows are read, judged against 20 000 members and staged; then a late page, and the confirmation.

The file has semicolons, a BOM, quoted delimiters and quoted line breaks. The floor is ``csv.reader`` over the same bytes, by the
same process, at its best of three. Each round has databases and a process of its own, as a web worker that serves one upload: what
it finds is made by another, and its memory is read before it does anything else. The median of the rounds counts.
"""

import csv
import io
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from flask_migrate import upgrade
from sqlalchemy import select

from portal import db, local, queue
from portal.accounts.models import User
from portal.app import create_app
from portal.invites import queries
from portal.invites.service import imports, verdicts
from portal.local import keys
from portal.orgs.models import Organization
from portal.orgs.rules import Role
from tests.benchmarks.result import Result
from tests.support import world

ROWS = 100_000
MEMBERS = 20_000
ROUNDS = 5
PAGE = 50
PREPARE = "prepare"
OWNER = "owner@acme.test"


def measure() -> list[Result]:
    """Runs the rounds one after the other, each with databases of its own; figures in seconds and MB."""
    found = [_process() for _round in range(ROUNDS)]
    ratios = sorted(found, key=lambda one: one["stage"] / one["floor"])
    middle = ratios[len(ratios) // 2]

    def median(name: str) -> float:
        return statistics.median(one[name] for one in found)

    return [
        Result("csv-import: upload to preview", middle["stage"], "s", target=12, floor=middle["floor"]),
        Result("csv-import: memory of the process", median("memory"), "MB", target=200),
        Result("csv-import: a late page, beside a small file's", median("late_page"), "s", target=3, floor=median("small_page")),
        Result("csv-import: confirm", median("confirm"), "s", target=15),
    ]


def _process() -> dict[str, float]:
    with tempfile.TemporaryDirectory(prefix="bench-") as home, local.services(Path(home), for_tests=True) as addresses:
        environment = {**os.environ, **addresses, **keys.made_or_kept(Path(home), {}), "PORTAL_HOME": home}
        file = Path(home) / "people.csv"
        file.write_bytes(_file(ROWS))
        command = [sys.executable, "-m", "tests.benchmarks.csv_import"]
        subprocess.run([*command, PREPARE], env=environment, stdout=subprocess.DEVNULL, check=True)
        done = subprocess.run([*command, str(file)], env=environment, stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def _file(rows: int) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, delimiter=";")
    writer.writerow(["Employee", "Work Email", "Department", "Notes"])
    for number in range(rows):
        note = f"moved in\nfrom room {number}" if number % 50 == 0 else "-"
        writer.writerow([f"Person {number}", f"crowd{number}@acme.test", "Sales; North", note])
    return b"\xef\xbb\xbf" + text.getvalue().encode()


def _floor(content: bytes) -> float:
    began = time.perf_counter()
    for _row in csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""), delimiter=";"):
        pass
    return time.perf_counter() - began


def _page(import_id: str, *, after: int) -> float:
    rounds = []
    for _round in range(20):
        began = time.perf_counter()
        queries.import_counts(import_id)
        queries.import_page(import_id, verdict=None, dropped=False, after=after, before=0, limit=PAGE)
        rounds.append(time.perf_counter() - began)
        db.session.rollback()
    return statistics.median(rounds)


def _prepare() -> None:
    app = create_app()
    with app.app_context(), queue.rung_here():
        upgrade(directory=app.config["MIGRATIONS"])
        organization = world.make_organization(world.make_user(OWNER))
        world.crowd(organization.id, MEMBERS)


def _round(file: Path) -> dict[str, float]:
    app = create_app()
    with app.app_context(), queue.rung_here():
        owner = db.session.scalars(select(User).where(User.email == OWNER)).one()
        organization = db.session.scalars(select(Organization)).one()
        content, small = file.read_bytes(), _file(PAGE * 2)

        def stage(uploaded: bytes) -> str:
            with db.unit_of_work():
                around = verdicts.surroundings(organization, allowed_roles=[Role.ORG_LEARNER])
                upload = imports.Upload("people.csv", uploaded)
                return imports.stage(upload, default_role=Role.ORG_LEARNER, around=around, creator=owner).id

        little = stage(small)
        began = time.perf_counter()
        import_id = stage(content)
        staged = time.perf_counter() - began
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        floor = min(_floor(content) for _round in range(3))
        late, early = _page(import_id, after=ROWS - PAGE), _page(little, after=0)
        began = time.perf_counter()
        with db.unit_of_work():
            around = verdicts.surroundings(organization, allowed_roles=[Role.ORG_LEARNER])
            imports.confirm(import_id, around=around, inviter=owner, actor=world.as_self(owner))
        confirmed = time.perf_counter() - began
    return {"floor": floor, "stage": staged, "memory": memory, "late_page": late, "small_page": early, "confirm": confirmed}


if __name__ == "__main__":
    if sys.argv[1] == PREPARE:
        _prepare()
    else:
        print(json.dumps(_round(Path(sys.argv[1]))))  # noqa: T201 - for the parent
