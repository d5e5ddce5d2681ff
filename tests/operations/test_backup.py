"""A backup that was never restored is none: the commands of docs/operations.md, as they stand there, on a portal with a story in it."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from portal import local
from portal.local import postgres
from tests.support.portal_process import OURS, TOP

SIGN_IN = """
from portal.app import create_app
client = create_app().test_client()
token = client.get("/api/auth/csrf").json["csrfToken"]
person = {"email": "owner@acme.example", "password": "demo-portal-2026"}
print(client.post("/api/auth/login", json=person, headers={"X-CSRFToken": token}).status_code)
"""


def commands(name: str) -> str:
    """The commands that stand below a heading of the operators' page."""
    text = (TOP / "docs" / "operations.md").read_text()
    [block] = re.findall(rf"^### {name}$.*?^```sh\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)
    return block


@pytest.fixture
def machine(tmp_path):
    """A home with running servers, and what an operator has in the environment; the wheel's PostgreSQL programs are on the PATH."""
    with local.services(tmp_path / "home", for_tests=True) as addresses:
        programs = postgres._programs()
        path = os.pathsep.join([str(Path(sys.executable).parent), str(programs), os.environ["PATH"]])
        plain = addresses["DATABASE_URL"].replace("+psycopg", "", 1)
        yield {name: value for name, value in os.environ.items() if name not in OURS} | {
            **addresses,
            "DATABASE_URL": plain,
            "RESTORED_URL": plain.replace("/portal?", "/restored?"),
            "PORTAL_HOME": str(tmp_path / "home"),
            "SECRET_KEY": "a secret of the tests, thirty-two characters or more",
            "DATA_ENCRYPTION_KEYS": "k1:" + "ab" * 32,
            "FILES": str(tmp_path / "files"),
            "FILES_URL": (tmp_path / "files").as_uri(),
            "BACKUP": str(tmp_path / "backup"),
            "RESTORED_FILES": str(tmp_path / "restored"),
            "PATH": path,
        }


def run(machine: dict[str, str], script: str, *, status: int = 0) -> str:
    done = subprocess.run(["bash", "-euo", "pipefail", "-c", script], cwd=TOP, env=machine, capture_output=True, text=True, check=False)
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout


def test_a_dump_and_the_files_make_the_whole_portal_again(machine):
    flask = f"{shlex.quote(sys.executable)} -m flask --app wsgi"
    run(machine, f"{flask} db upgrade && {flask} demo load")
    run(machine, commands("Back up"))
    run(machine, commands("Restore"))
    restored = machine | {"DATABASE_URL": machine["RESTORED_URL"], "FILES_URL": Path(machine["RESTORED_FILES"]).as_uri()}
    assert "belong together" in run(restored, f"{flask} backup verify")
    assert "Every sum is as it must be." in run(restored, f"{flask} billing reconcile")
    assert run(restored, f"{flask} db current").split()[-1] == "(head)"
    assert run(restored, f"{shlex.quote(sys.executable)} -c {shlex.quote(SIGN_IN)}").strip() == "200"

    counted = "psql --no-align --tuples-only --command 'SELECT count(*), sum(amount) FROM invoices' "
    assert run(machine, counted + '"$RESTORED_URL"') == run(machine, counted + '"$DATABASE_URL"')
    changed = "psql --command 'UPDATE invoices SET amount = amount + 1' \"$RESTORED_URL\" 2>&1"
    assert "ERROR" in run(machine, changed, status=1)  # the triggers came back, too

    [missing, *_rest] = sorted(Path(machine["RESTORED_FILES"]).glob("organizations/*/invoices/*.pdf"))
    missing.unlink()
    assert f"invoices/{missing.name}" in run(restored, f"{flask} backup verify", status=1)
