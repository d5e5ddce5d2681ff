"""``sso-signin``: whole sign-ins by SAML on two web processes, of people who come for the first time and again, without one error.

A sign-in is the request that we sign, the answer that we verify and the session that is opened: two HTTP requests. The load comes from one
process of its own, whose answers are written in canonical form from the start, so that signing one costs a millisecond. Rate limits are on;
each person has an address of their own.
"""

import base64
import hashlib
import http.client
import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
import time
import zlib
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding
from flask_migrate import upgrade
from sqlalchemy import func, select

from portal import db, local
from portal import queue as doorbell
from portal.app import create_app
from portal.local import keys
from portal.sso.models import Attempt
from tests.benchmarks.result import Result
from tests.sso.conftest import connect, us_of, verify_domain
from tests.support import world
from tests.support.identity_provider import DS, SAML, SAMLP, Provider, key_pair
from tests.support.loopback import free_port

PEOPLE = 300
ROUNDS = 3
CLIENTS = 12
MOST_SECONDS = 1 / 50
C14N = "http://www.w3.org/2001/10/xml-exc-c14n#"
ASSERTION = (
    '<saml:Assertion xmlns:saml="{saml}" ID="{id}" IssueInstant="{now}" Version="2.0"><saml:Issuer>{issuer}</saml:Issuer>{signature}'
    '<saml:Subject><saml:NameID Format="urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress">{email}</saml:NameID>'
    '<saml:SubjectConfirmation Method="urn:oasis:names:tc:SAML:2.0:cm:bearer"><saml:SubjectConfirmationData InResponseTo="{to}" '
    'NotOnOrAfter="{until}" Recipient="{acs}"></saml:SubjectConfirmationData></saml:SubjectConfirmation></saml:Subject>'
    '<saml:Conditions NotBefore="{before}" NotOnOrAfter="{until}"><saml:AudienceRestriction><saml:Audience>{audience}</saml:Audience>'
    '</saml:AudienceRestriction></saml:Conditions><saml:AuthnStatement AuthnInstant="{now}" SessionIndex="{id}"><saml:AuthnContext>'
    "<saml:AuthnContextClassRef>urn:oasis:names:tc:SAML:2.0:ac:classes:Password</saml:AuthnContextClassRef></saml:AuthnContext>"
    '</saml:AuthnStatement><saml:AttributeStatement><saml:Attribute Name="email"><saml:AttributeValue>{email}</saml:AttributeValue>'
    '</saml:Attribute><saml:Attribute Name="firstName"><saml:AttributeValue>Load</saml:AttributeValue></saml:Attribute>'
    "</saml:AttributeStatement></saml:Assertion>"
)
SIGNED_INFO = (
    '<ds:SignedInfo{namespace}><ds:CanonicalizationMethod Algorithm="{c14n}"></ds:CanonicalizationMethod><ds:SignatureMethod '
    'Algorithm="http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"></ds:SignatureMethod><ds:Reference URI="#{id}"><ds:Transforms>'
    '<ds:Transform Algorithm="http://www.w3.org/2000/09/xmldsig#enveloped-signature"></ds:Transform><ds:Transform Algorithm="{c14n}">'
    '</ds:Transform></ds:Transforms><ds:DigestMethod Algorithm="http://www.w3.org/2001/04/xmlenc#sha256"></ds:DigestMethod>'
    "<ds:DigestValue>{digest}</ds:DigestValue></ds:Reference></ds:SignedInfo>"
)


def measure() -> list[Result]:
    """Seconds a sign-in, at full load."""
    with tempfile.TemporaryDirectory(prefix="bench-") as home, local.services(Path(home), for_tests=True) as addresses:
        port = free_port()
        own = {
            "PORTAL_HOME": home,
            "BASE_URL": f"http://localhost:{port}",
            "PROXY_HOPS": "1",
            "RATE_LIMITS": "on",
            "PORTAL_ENV": "development",
        }
        environment = {**os.environ, **addresses, **keys.made_or_kept(Path(home), {}), **own}
        scene = json.loads(_run(["scene"], environment))
        command = [sys.executable, "-m", "gunicorn", "wsgi:app", "--preload", "--bind", f"127.0.0.1:{port}", "--log-level", "warning"]
        command += [
            "--worker-class",
            "gthread",
            "--workers",
            "2",
            "--threads",
            "4",
            "--keep-alive",
            "30",
            "--graceful-timeout",
            "5",
            "--no-control-socket",
        ]
        with (Path(home) / "web.log").open("wb") as log:
            web = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
            try:
                found = json.loads(_run(["load", json.dumps({**scene, "port": port})], environment))
            except subprocess.CalledProcessError:
                sys.stderr.write((Path(home) / "web.log").read_text()[-4000:])
                raise
            finally:
                web.terminate()
                web.wait(timeout=60)
        assert found["errors"] == [], (len(found["errors"]), found["errors"][:3], _run(["log"], environment))
    figures = f"{1 / found['seconds']:.0f} a second, p95 {found['p95'] * 1000:.0f} ms"
    return [Result(f"sso-signin: a sign-in by SAML ({figures}, no error)", found["seconds"], "s", target=MOST_SECONDS)]


def _run(arguments: list[str], environment: dict[str, str]) -> str:
    command = [sys.executable, "-m", "tests.benchmarks.sso_signin", *arguments]
    return subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True).stdout.decode().splitlines()[-1]


def _scene() -> dict[str, str]:
    """An organization whose people sign in by one connection."""
    app = create_app()
    with app.app_context(), doorbell.rung_here():
        upgrade(directory=app.config["MIGRATIONS"])
        owner = world.make_user("owner@acme.test")
        organization = world.make_organization(owner)
        verify_domain(organization, "acme.test")
        us = us_of(connect(organization, owner, Provider()))
    return {"acs": us.acs_url, "audience": us.entity_id, "key": key_pair("idp")[1]}


def _log() -> list[tuple[str, str, int]]:
    """What the sign-in log has as reasons."""
    with create_app().app_context():
        statement = select(Attempt.reason, Attempt.detail, func.count()).group_by(Attempt.reason, Attempt.detail).limit(9)
        return [(str(row[0]), str(row[1]), row[2]) for row in db.session.execute(statement)]


class Signer:
    """Writes answers in canonical form and signs them."""

    def __init__(self, scene: dict[str, str]) -> None:
        self._scene = {name: scene[name] for name in ("acs", "audience")}
        self._issuer = Provider().entity_id
        self._key = serialization.load_pem_private_key(scene["key"].encode(), None)

    def answer(self, *, to: str, email: str, number: int) -> str:
        """An answer as a browser posts it."""
        now = datetime.now(UTC)
        values = {
            "saml": SAML,
            "id": f"_{number}x{to[1:]}",
            "now": f"{now:%Y-%m-%dT%H:%M:%SZ}",
            "before": f"{now - timedelta(minutes=1):%Y-%m-%dT%H:%M:%SZ}",
            "until": f"{now + timedelta(minutes=5):%Y-%m-%dT%H:%M:%SZ}",
            "issuer": self._issuer,
            "email": email,
            "to": to,
            **self._scene,
        }
        digest = base64.b64encode(hashlib.sha256(ASSERTION.format(signature="", **values).encode()).digest()).decode()
        info = {"c14n": C14N, "id": values["id"], "digest": digest}
        canonical = SIGNED_INFO.format(namespace=f' xmlns:ds="{DS}"', **info).encode()
        signed = base64.b64encode(self._key.sign(canonical, padding.PKCS1v15(), hashes.SHA256())).decode()
        inside = SIGNED_INFO.format(namespace="", **info)
        signature = f'<ds:Signature xmlns:ds="{DS}">{inside}<ds:SignatureValue>{signed}</ds:SignatureValue></ds:Signature>'
        xml = (
            f'<samlp:Response xmlns:samlp="{SAMLP}" ID="_r{values["id"]}" Version="2.0" IssueInstant="{values["now"]}" '
            f'Destination="{self._scene["acs"]}" InResponseTo="{to}"><saml:Issuer xmlns:saml="{SAML}">{self._issuer}</saml:Issuer>'
            '<samlp:Status><samlp:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:Success"></samlp:StatusCode></samlp:Status>'
            f"{ASSERTION.format(signature=signature, **values)}</samlp:Response>"
        )
        return base64.b64encode(xml.encode()).decode()


def _load(scene: dict) -> dict:
    """Signs everybody in, in several rounds, by a few connections that are kept open."""
    port = scene.pop("port")
    signer, path = Signer(scene), urlsplit(scene["acs"]).path
    work: queue.SimpleQueue[int] = queue.SimpleQueue()
    errors: list[str] = []
    times: list[float] = []

    def client() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        while True:
            try:
                number = work.get_nowait()
            except queue.Empty:
                break
            began = time.perf_counter()
            problem = _sign_in(connection, signer, path, number, port=port)
            times.append(time.perf_counter() - began)
            if problem:
                errors.append(problem)
        connection.close()

    def storm(numbers: range) -> float:
        for number in numbers:
            work.put(number)
        threads = [threading.Thread(target=client) for _each in range(CLIENTS)]
        began = time.perf_counter()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return time.perf_counter() - began

    _wait(port)
    storm(range(PEOPLE, PEOPLE + 2 * CLIENTS))  # both processes are warm
    times.clear()
    seconds = sum(storm(range(round_ * PEOPLE, (round_ + 1) * PEOPLE)) for round_ in range(ROUNDS))
    return {"seconds": seconds / (PEOPLE * ROUNDS), "p95": sorted(times)[int(len(times) * 0.95)], "errors": errors}


def _wait(port: int) -> None:
    end = time.monotonic() + 120
    while True:
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
            connection.request("GET", "/readyz")
            if connection.getresponse().status == 200:
                return
        except OSError:
            assert time.monotonic() < end, "the web processes don't start"
        time.sleep(0.1)


def _sign_in(connection: http.client.HTTPConnection, signer: Signer, path: str, number: int, *, port: int) -> str:
    """One sign-in; returns what went wrong, or nothing. Each number is a person, the same in each round."""
    person = number % PEOPLE
    headers = {"Host": f"localhost:{port}", "X-Forwarded-For": f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"}
    connection.request("GET", path.replace("/acs", "/login"), headers=headers)
    started = connection.getresponse()
    started.read()
    if started.status != 303:
        return f"login: {started.status}"
    [text] = parse_qs(urlsplit(started.headers["Location"]).query)["SAMLRequest"]
    to = zlib.decompress(base64.b64decode(text), -15).decode().partition('ID="')[2].partition('"')[0]
    cookie = started.headers["Set-Cookie"].partition(";")[0]
    body = urlencode({"SAMLResponse": signer.answer(to=to, email=f"person{person}@acme.test", number=number)})
    sent = {**headers, "Cookie": cookie, "Content-Type": "application/x-www-form-urlencoded"}
    connection.request("POST", path, body, sent)
    done = connection.getresponse()
    done.read()
    return "" if done.status == 303 and done.headers["Location"] == "/orgs/acme/home" else f"acs: {done.status}"


if __name__ == "__main__":
    acts = {"scene": _scene, "log": _log, "load": lambda: _load(json.loads(sys.argv[2]))}
    print(json.dumps(acts[sys.argv[1]]()))  # noqa: T201 - for the parent
