# ruff: noqa: T201 - it speaks to a terminal
"""Lighthouse over a portal with the demo in it: ``make lighthouse`` prints one table, ``ARGS=billing`` looks at one page.

It needs Node.js 20 and Debian's Chromium.

Whoever is signed in is told by the cookie in a header, because Lighthouse starts a browser of its own.
"""

import json
import os
import subprocess
import sys
import tempfile
import urllib.request
from http.cookiejar import CookieJar
from pathlib import Path

from portal.demo import PASSWORD
from tests.support.portal_process import PortalProcess, running

VERSION = "12.8.2"
OWNER, ORG = "owner@acme.example", "/orgs/acme-learning"
PAGES = {"sign-in": "/signin", "home": f"{ORG}/home", "billing": f"{ORG}/billing", "invitations": f"{ORG}/invitations"}
FORMS = {"desktop": ["--preset=desktop"], "mobile": []}
CATEGORIES = ("performance", "accessibility", "best-practices")
FIGURES = ("first-contentful-paint", "largest-contentful-paint", "total-blocking-time", "cumulative-layout-shift")


def cookie(portal: PortalProcess) -> str:
    """The sign-in of the demo's owner, as a header says it."""
    jar = CookieJar()
    opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(jar))
    with opener.open(f"{portal.url}/api/auth/csrf", timeout=15) as answer:
        token = json.load(answer)["csrfToken"]
    body = json.dumps({"email": OWNER, "password": PASSWORD}).encode()
    sent = urllib.request.Request(  # noqa: S310 - our own address
        f"{portal.url}/api/auth/login", body, {"Content-Type": "application/json", "X-CSRFToken": token}
    )
    opener.open(sent, timeout=15).close()
    return "; ".join(f"{one.name}={one.value}" for one in jar)


def report(url: str, *, form: str, signed_in: str, into: Path) -> dict:
    """What Lighthouse says of one page."""
    command = ["npx", "--yes", f"lighthouse@{VERSION}", url, "--quiet", "--output=json", f"--output-path={into}"]
    command += [f"--only-categories={','.join(CATEGORIES)}", "--chrome-flags=--headless=new --no-sandbox --disable-gpu", *FORMS[form]]
    if signed_in:
        command += [f"--extra-headers={json.dumps({'Cookie': signed_in})}"]
    environment = {"CHROME_PATH": "/usr/bin/chromium", **os.environ}
    for last in (False, False, True):  # a browser that doesn't start in time is started again
        done = subprocess.run(command, env=environment, check=last, stdout=sys.stderr)
        if done.returncode == 0:
            break
    return json.loads(into.read_text())


def row(name: str, form: str, found: dict) -> str:
    """One line of the table; and, to the error output, what keeps a score below 100."""
    scores = [round(found["categories"][category]["score"] * 100) for category in CATEGORIES]
    for category, score in zip(CATEGORIES, scores, strict=True):
        for audit in found["categories"][category]["auditRefs"] if score < 100 else ():
            said = found["audits"][audit["id"]]
            if audit["weight"] and (said["score"] or 0) < 0.9:
                print(f"{name} {form}: {category}: {said['title']}: {said.get('displayValue', '')}", file=sys.stderr)
    figures = [found["audits"][figure]["displayValue"] for figure in FIGURES]
    return f"| {name} | {form} | " + " | ".join(map(str, [*scores, *figures])) + " |"


def main() -> None:
    """Prints the table."""
    with tempfile.TemporaryDirectory() as home, running(Path(home)) as portal:
        portal.clock.write_text("2026-11-23T09:00:00Z")
        portal.flask("demo", "load", "--force")
        signed_in = cookie(portal)
        print("| page | form | performance | accessibility | best practices | first paint | largest paint | blocked | shift |")
        print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
        for name, path in PAGES.items():
            if len(sys.argv) > 1 and name not in sys.argv[1:]:
                continue
            for form in FORMS:
                into = Path(home) / "report.json"
                found = report(portal.url + path, form=form, signed_in="" if path == "/signin" else signed_in, into=into)
                print(row(name, form, found), flush=True)


if __name__ == "__main__":
    main()
