"""Each rule of `make check` is shown to bite: a violation is planted, and the tool that guards it must name it."""

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TOOLS = Path(sys.executable).parent


@dataclass(frozen=True)
class Plant:
    """A violation: where it is put, what it says, and what the finding must say."""

    path: str
    text: str
    finding: str


def _run(tree: Path, *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=tree, capture_output=True, text=True, check=False, timeout=60)


def _write(tree: Path, plant: Plant) -> Path:
    path = tree / plant.path
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(plant.text)
    return path


def _assert_found(done: subprocess.CompletedProcess[str], finding: str) -> None:
    said = " ".join((done.stdout + done.stderr).split())
    assert done.returncode != 0, f"nothing was found: {said}"
    assert finding in said


HOUSE = {
    "commit": Plant("portal/orgs/service.py", "from portal import db\n\ndb.session.commit()\n", "orgs/service.py:3: Only"),
    "rollback": Plant("portal/web/page.py", "def stop(session):\n    session.rollback()\n", "web/page.py:2: Only portal/db.py"),
    "savepoint": Plant("portal/invites/tasks.py", "with s.begin_nested():\n    pass\n", "invites/tasks.py:1: Only"),
    "float in money": Plant("portal/money.py", "RATE = 0.18\n", "portal/money.py:1: 0.18 isn't exact"),
    "float() in rules": Plant("portal/billing/rules.py", "def a(n):\n    return float(n)\n", "billing/rules.py:2: float() isn't"),
    "division in rules": Plant("portal/providers/rules/split.py", "def a(n):\n    return n / 2\n", "rules/split.py:2: / isn't"),
    "division in place": Plant("portal/billing/rules/gst.py", "n = 9\nn /= 2\n", "rules/gst.py:2: / isn't exact"),
    "round in rules": Plant("portal/billing/rules/gst.py", "n = round(9)\n", "rules/gst.py:1: round() isn't exact"),
    "datetime.now": Plant(
        "portal/home/queries.py",
        "from datetime import UTC, datetime as d\n\nNOW = d.now(UTC)\n",
        "home/queries.py:3: datetime.now() is the wall clock",
    ),
    "date.today": Plant("portal/orgs/rules.py", "import datetime\n\nD = datetime.date.today()\n", "orgs/rules.py:3: date.today()"),
    "time.time": Plant("portal/queue.py", "from time import time\n\nT = time()\n", "portal/queue.py:3: time.time() is"),
    "func.now": Plant("portal/orgs/models.py", "from sqlalchemy import func\n\nN = func.now()\n", "models.py:3: func.now() is"),
    "now() in SQL": Plant("portal/orgs/queries/__init__.py", 'SQL = "SELECT now()"\n', "orgs/queries/__init__.py:1: now() is SQL's clock"),
    "now() in a migration": Plant("migrations/versions/a.py", 'D = "CURRENT_TIMESTAMP"\n', "versions/a.py:1: CURRENT_TIMESTAMP"),
    "|safe": Plant("templates/orgs/a.html", "<p>\n{{ name | safe }}</p>\n", "orgs/a.html:2: |safe"),
    "autoescape off": Plant("templates/a.html", "{% autoescape false %}\n", "templates/a.html:1: Autoescape"),
    "style attribute": Plant("templates/a.html", '<p style="color: red">a</p>\n', "templates/a.html:1: No style attribute"),
    "style element": Plant("templates/pdf/a.html", "<style>p { color: red }</style>\n", "pdf/a.html:1: No style element"),
    "inline script": Plant("templates/a.html", "<p>\n<script>go()</script>\n", "templates/a.html:2: No inline script"),
    "handler": Plant("templates/a.html", '<a href="/"\n   onclick="go()">a</a>\n', "templates/a.html:2: No on…= handler"),
    "hx-on": Plant("templates/a.html", '<a href="/" hx-on:click="go()">a</a>\n', "templates/a.html:1: No hx-on"),
    "js:": Plant("templates/a.html", """<a href="/" hx-vals='js:{"a": b}'>a</a>\n""", "templates/a.html:1: No js:"),
    "javascript:": Plant("templates/a.html", '<a href="javascript:go()">a</a>\n', "templates/a.html:1: No js:"),
    "trigger filter": Plant("templates/a.html", '<a href="/" hx-trigger="click[ctrlKey]">a</a>\n', "templates/a.html:1: No trigger filter"),
    "htmx only": Plant(
        "templates/a.html",
        '<p>a</p>\n<button\n  hx-post="{{ url }}" data-action="x">a</button>\n',
        "templates/a.html:2: Works with JavaScript only",
    ),
    "long file": Plant("portal/orgs/service.py", "A = 1\n" * 401, "orgs/service.py:401: Longer than 400 lines"),
    "strange file": Plant("portal/orgs/emails.py", "", "portal/orgs/emails.py:1: A feature has no emails"),
    "access elsewhere": Plant("portal/billing/access.py", "", "portal/billing/access.py:1: A feature has no access"),
    "strange package": Plant("portal/orgs/core/rules.py", "", "portal/orgs/core/rules.py:1: A feature has no core"),
    "utils": Plant("portal/web/utils.py", "", "portal/web/utils.py:1: utils says nothing"),
    "helpers in tests": Plant("tests/orgs/helpers.py", "", "tests/orgs/helpers.py:1: helpers says nothing"),
    "part2": Plant("portal/billing/service/part2.py", "", "service/part2.py:1: part2 says nothing"),
    "noqa alone": Plant("portal/queue.py", "import os  # noqa\n", "portal/queue.py:1: Silenced without code and reason"),
    "noqa without reason": Plant("portal/queue.py", "import os  # noqa: F401\n", "portal/queue.py:1: Silenced without"),
    "type: ignore alone": Plant("wsgi.py", "a = b  # type: ignore\n", "wsgi.py:1: Silenced without code and reason"),
    "type: ignore without reason": Plant("wsgi.py", "a = b  # type: ignore[name-defined]\n", "wsgi.py:1: Silenced without"),
    "test without assertion": Plant(
        "tests/orgs/test_a.py",
        "def test_it_runs():\n    print(1)\n",
        "tests/orgs/test_a.py:1: test_it_runs asserts nothing",
    ),
    "machine path": Plant("README.md", "a\n`cd " + "/home/" + "someone/portal`\n", "README.md:2: A path of one machine"),
    "package index": Plant("Makefile", "a:\n\tpip --extra-" + "index-url x\n", "Makefile:2: A package index"),
    "index address": Plant("a.toml", 'url = "https://my' + 'pypi.example/simple/"\n', "a.toml:1: The address of a package"),
    "private key": Plant("tests/idp.pem", "-----BEGIN RSA " + "PRIVATE KEY-----\n", "tests/idp.pem:1: A secret"),
}

CLEAN = {
    "portal/orgs/service.py": '"""A docstring may say now()."""\n\nimport time\n\nfrom portal import clock\n\n'
    "BEGAN = time.monotonic()\nNOW = clock.now()\n",
    "portal/billing/rules/gst.py": "HALF = 1_800 // 2\n",
    "portal/orgs/access.py": "import os  # noqa: F401 - a reason\na: int = b  # type: ignore[name-defined]  # for a reason\n",
    "portal/db.py": "def commit(session):\n    session.commit()\n",
    "templates/orgs/a.html": '{# style= |safe #}\n{{ ui.button(only=true) }}\n<script src="/js/a.js" defer></script>\n'
    '<form action="/" hx-post="/"><button formaction="/b" hx-post="/b">b</button></form>\n'
    '<div hx-get="{{ url }}" hx-trigger="every 2s"></div>\n',
    "tests/orgs/test_a.py": "def test_it_adds():\n    assert 1 + 1 == 2\n",
}


@pytest.mark.parametrize("plant", HOUSE.values(), ids=HOUSE.keys())
def test_the_house_rules_find(plant, tmp_path):
    _write(tmp_path, plant)
    _assert_found(_run(tmp_path, sys.executable, str(ROOT / ".ci/checks.py"), str(tmp_path)), plant.finding)


def test_the_house_rules_let_clean_files_pass(tmp_path):
    for path, text in CLEAN.items():
        _write(tmp_path, Plant(path, text, ""))
    done = _run(tmp_path, sys.executable, str(ROOT / ".ci/checks.py"), str(tmp_path))
    assert (done.returncode, done.stdout) == (0, "")


def test_the_house_rules_hold_in_the_tree():
    done = _run(ROOT, sys.executable, ".ci/checks.py")
    assert (done.returncode, done.stdout) == (0, "")


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """The package and the settings of the tools, for import-linter, which looks at a whole."""
    tree = tmp_path_factory.mktemp("tree")
    shutil.copytree(ROOT / "portal", tree / "portal", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tree)
    return tree


IMPORTS = {
    "upwards": Plant("portal/errors.py", "import portal.config", "portal.errors is not allowed to import portal.config"),
    "upwards between features": Plant(
        "portal/accounts/service.py", "import portal.orgs", "portal.accounts is not allowed to import portal.orgs"
    ),
    "sideways": Plant("portal/setup/__init__.py", "import portal.signin", "portal.setup is not allowed to import portal.signin"),
    "package without a place": Plant("portal/loyalty/__init__.py", "", "loyalty"),
    "query that writes": Plant(
        "portal/orgs/queries/__init__.py",
        "import portal.orgs.service",
        "portal.orgs.queries is not allowed to import portal.orgs.service",
    ),
    "model that knows a schema": Plant(
        "portal/accounts/models.py",
        "import portal.accounts.schemas",
        "portal.accounts.models is not allowed to import portal.accounts.schemas",
    ),
    "rules with a database": Plant(
        "portal/orgs/rules/members.py", "import sqlalchemy", "portal.orgs.rules is not allowed to import sqlalchemy"
    ),
    "rules with a clock": Plant("portal/audit/rules.py", "import portal.clock", "portal.audit.rules is not allowed to import"),
    "rules with a clock, through another": Plant(
        "portal/accounts/rules.py",
        "import portal.crypto\nimport portal.db",
        "portal.accounts.rules is not allowed to import",
    ),
    "service with a request": Plant(
        "portal/orgs/service/members.py", "from flask import request", "portal.orgs.service is not allowed to import flask"
    ),
    "local start with settings": Plant(
        "portal/local/keys.py", "import portal.config", "portal.local is not allowed to import portal.config"
    ),
}


@pytest.mark.parametrize("plant", IMPORTS.values(), ids=IMPORTS.keys())
def test_the_import_contracts_find(plant, copy):
    path = copy / plant.path
    before = path.read_text() if path.exists() else None
    assert before is not None or not path.parent.exists(), f"there is no {plant.path} to plant in"
    _write(copy, Plant(plant.path, f"{before or ''}\n{plant.text}\n", plant.finding))
    try:
        _assert_found(_run(copy, str(TOOLS / "lint-imports"), "--no-logo"), plant.finding)
    finally:
        if before is None:
            shutil.rmtree(path.parent)
        else:
            path.write_text(before)


def test_the_import_contracts_hold_in_the_tree(copy):
    done = _run(copy, str(TOOLS / "lint-imports"), "--no-logo")
    assert done.returncode == 0, done.stdout


RUFF = {
    "unused import": Plant("portal/a.py", '"""A."""\n\nimport os\n', "portal/a.py:3:8: F401"),
    "relative import": Plant("portal/b/a.py", '"""A."""\n\nfrom .. import clock\n', "TID252"),
    "unannotated argument": Plant("portal/a.py", '"""A."""\n\n\ndef a(b) -> None:\n    b()\n', "portal/a.py:4:7: ANN001"),
    "print": Plant("portal/a.py", '"""A."""\n\nprint(1)\n', "portal/a.py:3:1: T201"),
    "instant without a zone": Plant(
        "portal/a.py",
        '"""A."""\n\nfrom datetime import datetime\n\nA = datetime(2026, 1, 1)\n',
        "portal/a.py:5:5: DTZ001",
    ),
    "SQL made of strings": Plant(
        "portal/a.py", '"""A."""\n\n\ndef a(b: str) -> str:\n    return f"SELECT 1 FROM t WHERE b = {b}"\n', "S608"
    ),
    "swallowed exception": Plant("portal/a.py", '"""A."""\n\ntry:\n    A = 1\nexcept Exception:\n    A = 2\n', "portal/a.py:5:8: BLE001"),
    "unfinished code": Plant("portal/a.py", '"""A."""\n\n# a = b + 1\n', "portal/a.py:3:1: ERA001"),
}


@pytest.mark.parametrize("plant", RUFF.values(), ids=RUFF.keys())
def test_ruff_finds(plant, tmp_path):
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    _write(tmp_path, plant)
    _assert_found(_run(tmp_path, str(TOOLS / "ruff"), "check", "--no-cache", "--output-format=concise"), plant.finding)


def test_ruff_finds_what_is_not_formatted(tmp_path):
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    _write(tmp_path, Plant("portal/a.py", "a = {'b':1}\n", ""))
    _assert_found(_run(tmp_path, str(TOOLS / "ruff"), "format", "--no-cache", "--check"), "portal/a.py")


def test_mypy_finds(tmp_path):
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    text = (
        "import re\n\n\ndef a(b):\n    return b\n\n\ndef c(d: str) -> int:\n    return d\n\n\n"
        'def e() -> str:\n    return re.match("f", "f").group()\n\n\ndef g(h: dict) -> None:\n    h.clear()\n'
    )
    _write(tmp_path, Plant("portal/planted.py", text, ""))
    done = _run(tmp_path, str(TOOLS / "mypy"), "--cache-dir", str(tmp_path / "cache"), "portal/planted.py")
    _assert_found(done, "portal/planted.py:4: error: Function is missing a type annotation [no-untyped-def]")
    _assert_found(done, "portal/planted.py:9: error: Incompatible return value type")
    _assert_found(done, "portal/planted.py:13: error: Item ")
    _assert_found(done, "portal/planted.py:16: error: Missing type arguments")


DJLINT = {
    "image without alt": Plant("templates/a.html", '<img src="/a.png" height="1" width="1">\n', "H013"),
    "attribute twice": Plant("templates/a.html", '<p class="a" class="b">a</p>\n', "H037"),
    "tag left open": Plant("templates/a.html", "<div><p>a</p>\n", "H025"),
}


@pytest.mark.parametrize("plant", DJLINT.values(), ids=DJLINT.keys())
def test_djlint_finds(plant, tmp_path):
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    _write(tmp_path, plant)
    _assert_found(_run(tmp_path, str(TOOLS / "djlint"), "templates", "--lint", "--quiet"), plant.finding)


def test_make_check_runs_every_tool():
    done = _run(ROOT, "make", "--dry-run", "check")
    for command in ("mypy", "lint-imports", "djlint templates --lint", "ruff check", "ruff format", ".ci/checks.py"):
        assert command in done.stdout
