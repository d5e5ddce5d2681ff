"""``pages``: what people look at all day, of an organization with 10 000 members, 2 000 documents and 50 000 payments.

Gunicorn with two processes of four threads serves them to eight connections that a process of its own keeps open. The floor is a plain
Flask page on the same server: one indexed look-up, one Jinja template; no sign-in, no transaction of a request, no headers.
``pages: growth`` compares the same page of organizations of a hundredth, a tenth and the whole of that size.
"""

import http.client
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from flask import Flask, render_template
from flask_migrate import upgrade
from jinja2 import DictLoader
from sqlalchemy import create_engine, select, text
from werkzeug.middleware.dispatcher import DispatcherMiddleware

from portal import clock, db, demo, local, queue
from portal.app import create_app
from portal.audit.rules import SYSTEM
from portal.billing import queries as billing
from portal.billing.rules import ReasonCode, month_before, month_start
from portal.billing.schemas import CreditNoteIn
from portal.billing.service import credit_notes, invoices
from portal.config import load_settings
from portal.demo import PASSWORD, Size
from portal.invites.service import invitations
from portal.local import keys
from portal.orgs.models import Organization
from portal.orgs.rules import Role
from tests.benchmarks.result import Result
from tests.support import world

SIZES = (100, 1_000, 10_000)  # members; a fifth as many documents, five times as many payments
PAGES = {"home": "home", "billing": "billing", "members": "members", "invitations": "invitations"}
CONNECTIONS, EACH, ROUNDS = 8, 25, 5
FLOOR = "/floor/organizations/"
PREPARE, LOAD = "prepare", "load"
_FLOOR_PAGE = """<!doctype html><html lang="en"><head><title>{{ name }}</title></head><body><h1>{{ name }}</h1>
<table>{% for each in range(25) %}<tr><td>{{ each }}</td><td>{{ name }}</td></tr>{% endfor %}</table></body></html>"""


def measure() -> list[Result]:
    """Seconds that 95 of 100 requests take at most, and medians at three sizes."""
    with tempfile.TemporaryDirectory(prefix="bench-") as home, local.services(Path(home), for_tests=True) as addresses:
        own = {"PORTAL_HOME": home, "RATE_LIMITS": "off", "BASE_URL": "http://localhost"}
        environment = {**os.environ, **addresses, **keys.made_or_kept(Path(home), {}), **own}
        slugs = json.loads(_ask(environment, PREPARE))
        with _server(environment) as port:
            found = json.loads(_ask(environment, LOAD, str(port), json.dumps(slugs)))
    whole, floor = found[slugs[-1]], found["floor"]
    results = [
        Result(f"pages: {name}, 95 of 100", 1_000 * whole[name]["p95"], "ms", target=4, floor=1_000 * floor["p95"]) for name in PAGES
    ]
    for name in PAGES:
        smallest, largest = (1_000 * found[slug][name]["p50"] for slug in (slugs[0], slugs[-1]))
        results.append(Result(f"pages: {name}, growth over 100 times the size", largest, "ms", target=1.3, floor=smallest))
    return results


def _ask(environment: dict[str, str], *words: str) -> str:
    done = subprocess.run([sys.executable, "-m", "tests.benchmarks.pages", *words], env=environment, stdout=subprocess.PIPE, check=True)
    return done.stdout.decode().splitlines()[-1]


@contextmanager
def _server(environment: dict[str, str]) -> Iterator[int]:
    """The portal and the floor on one gunicorn; yields its port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = ["--bind", f"127.0.0.1:{port}", "--workers", "2", "--threads", "4", "--worker-class", "gthread", "--preload"]
    quiet = ["--keep-alive", "60", "--no-control-socket", "--log-level", "error"]
    command = [sys.executable, "-m", "gunicorn", "tests.benchmarks.pages:served()", *options, *quiet]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                assert time.monotonic() < deadline, "gunicorn didn't start"
                time.sleep(0.1)
        yield port
    finally:
        process.terminate()
        process.wait()


def served() -> DispatcherMiddleware:
    """What gunicorn serves: the portal, and the floor beside it."""
    floor, engine = Flask("floor"), create_engine(os.environ["DATABASE_URL"], pool_size=8)
    floor.jinja_loader = DictLoader({"page.html": _FLOOR_PAGE})

    @floor.get("/organizations/<slug>")
    def organization(slug: str) -> str:
        with engine.connect() as connection:
            name = connection.scalar(text("SELECT name FROM organizations WHERE slug = :slug"), {"slug": slug})
        return render_template("page.html", name=name)

    app = create_app(load_settings().model_copy(update={"portal_env": "production"}))  # but for limits, which one caller would soon meet
    return DispatcherMiddleware(app, {"/floor": floor})


def _prepare() -> list[str]:
    """Organizations of three sizes, with a document for each fifth member; returns their slugs."""
    return [_organization(members, seed=number) for number, members in enumerate(SIZES, start=1)]


def _organization(members: int, *, seed: int) -> str:
    with db.unit_of_work():
        demo.synthesize(Size(organizations=1, payments=members * 5, learners=members), seed=seed)
    slug = f"synth{seed}-000001"
    organization = db.session.scalars(select(Organization).where(Organization.slug == slug)).one()
    owner = db.session.get_one(world.User, organization.created_by)
    ends = month_start(clock.now())
    begins, pairs = month_before(ends), members // 10
    for number in range(1, pairs + 1):
        at = begins + (ends - timedelta(days=1) - begins) * number / pairs
        with clock.as_of(at), db.unit_of_work():
            invoice = invoices.issue_now(organization.id, actor=SYSTEM)
            note = CreditNoteIn(amount=1_000, reason="A session was shorter", reason_code=ReasonCode.GOODWILL)
            credit_notes.issue_by_hand(invoice.id, note, actor=SYSTEM)
        db.session.expunge_all()
    people = [invitations.Person(f"new{seed}.{number}@synth.example", None, Role.ORG_LEARNER) for number in range(members // 10)]
    with db.unit_of_work():
        inviter = db.session.merge(owner)
        invitations.invite(db.session.merge(organization), people, inviter=inviter, actor=world.as_self(inviter))
    assert billing.summary(organization.id) is not None
    return slug


def _load(port: int, slugs: list[str]) -> dict[str, object]:
    found: dict[str, object] = {}
    floor: list[float] = []
    for number, slug in enumerate(slugs, start=1):
        cookie = _sign_in(port, f"owner1@synth{number}.example")
        times: dict[str, list[float]] = {name: [] for name in PAGES}
        for path in PAGES.values():
            _hammer(port, f"/orgs/{slug}/{path}", cookie, rounds=1)
        for _round in range(ROUNDS):
            floor += _hammer(port, FLOOR + slug, cookie, rounds=EACH)
            for name, path in PAGES.items():
                times[name] += _hammer(port, f"/orgs/{slug}/{path}", cookie, rounds=EACH)
        found[slug] = {name: _summed_up(taken) for name, taken in times.items()}
    return {**found, "floor": _summed_up(floor)}


def _summed_up(taken: list[float]) -> dict[str, float]:
    return {"p50": statistics.median(taken), "p95": statistics.quantiles(taken, n=20)[-1]}


def _hammer(port: int, path: str, cookie: str, *, rounds: int) -> list[float]:
    """Asks for one page by all connections at once, so many times each; returns the seconds of every request."""

    def ask(_connection: int) -> list[float]:
        connection, taken = http.client.HTTPConnection("127.0.0.1", port), []
        for _round in range(rounds):
            began = time.perf_counter()
            connection.request("GET", path, headers={"Cookie": cookie, "Host": "localhost"})
            answer = connection.getresponse()
            body = answer.read()
            taken.append(time.perf_counter() - began)
            assert answer.status == 200, (path, answer.status, body[:200])
        connection.close()
        return taken

    with ThreadPoolExecutor(CONNECTIONS) as threads:
        return [one for taken in threads.map(ask, range(CONNECTIONS)) for one in taken]


def _sign_in(port: int, email: str) -> str:
    """Signs in by the API and returns the cookie."""
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.request("GET", "/api/auth/csrf", headers={"Host": "localhost"})
    answer = connection.getresponse()
    token, cookie = json.loads(answer.read())["csrfToken"], answer.headers["Set-Cookie"].partition(";")[0]
    headers = {"Host": "localhost", "Cookie": cookie, "X-CSRFToken": token, "Content-Type": "application/json"}
    connection.request("POST", "/api/auth/login", json.dumps({"email": email, "password": PASSWORD}), headers)
    answer = connection.getresponse()
    assert answer.status == 200, answer.read()
    answer.read()
    return answer.headers["Set-Cookie"].partition(";")[0]


def _main(word: str, *more: str) -> object:
    if word == LOAD:
        return _load(int(more[0]), json.loads(more[1]))
    app = create_app()
    act: Callable[[], object] = _prepare
    with app.app_context(), queue.rung_here():
        upgrade(directory=app.config["MIGRATIONS"])
        return act()


if __name__ == "__main__":
    print(json.dumps(_main(*sys.argv[1:])))  # noqa: T201 - for the parent
