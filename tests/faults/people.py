"""People and programs that use the portal over the network, note every answer, and remember what they were promised."""

import re
import time
from collections import Counter
from dataclasses import dataclass, field
from threading import Lock
from urllib.parse import urljoin, urlsplit

import requests
from lxml import html
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from tests.support.world import PASSWORD

AS_BROWSERS = Retry(total=1, connect=0, read=1, redirect=0, status=0, allowed_methods={"GET"}, respect_retry_after_header=False)
"""A kept connection may be closed in the moment in which it is used: browsers ask again what is safe to ask (RFC 9112, section 9.3.1)."""
IDS = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}|(?<=/orgs/)[^/]+|(?<=/invite/)[^/]+|(?<=/pay/)[^/]+|(?<=/verify/)[^/]+")
NOBODY = 0
UNSURE = {NOBODY, 503}


@dataclass(frozen=True)
class Answer:
    """What came back, from when to when (monotonic seconds); status 0 when nothing did."""

    began: float
    ended: float
    call: str
    status: int
    text: str = ""

    @property
    def code(self) -> str:
        """The refusal's code, where it is JSON."""
        found = re.search(r'"code":"([A-Z_]+)"', self.text)
        return found[1] if found else ""


@dataclass
class Notes:
    """What everybody was answered and promised.

    Attributes:
        bookings: Key of the call → the booking's id.
        payments: What bookings are paid with.
        invited: Organization's slug → addresses that were invited.
        paid: References of money that was recorded.
        odd: What somebody met that must never be.
    """

    answers: list[Answer] = field(default_factory=list)
    bookings: dict[str, str] = field(default_factory=dict)
    payments: list[str] = field(default_factory=list)
    invited: dict[str, set[str]] = field(default_factory=dict)
    signed_up: set[str] = field(default_factory=set)
    paid: set[str] = field(default_factory=set)
    refunded: set[str] = field(default_factory=set)
    acts: Counter[str] = field(default_factory=Counter)
    odd: list[str] = field(default_factory=list)
    _lock: Lock = field(default_factory=Lock)

    def add(self, answer: Answer) -> None:
        """Keeps an answer."""
        with self._lock:
            self.answers.append(answer)

    def did(self, act: str) -> None:
        """Counts what was done."""
        with self._lock:
            self.acts[act] += 1

    def wonder(self, what: str) -> None:
        """Keeps what must never be."""
        with self._lock:
            self.odd.append(what)


class GaveUp(Exception):
    """It could not be done now; the person does something else."""


class Person:
    """Somebody at a browser without JavaScript, or a program with the same sign-in."""

    def __init__(self, url: str, notes: Notes, email: str) -> None:
        self.url, self.notes, self.email = url, notes, email
        self.session = requests.Session()
        self.session.mount(url, HTTPAdapter(max_retries=AS_BROWSERS))
        self.page: requests.Response | None = None
        self._token, self.signs_in = "", False

    def ask(self, method: str, path: str, **how) -> requests.Response | None:
        """One call; None when nobody answered."""
        call = f"{method} {IDS.sub('…', urlsplit(path).path)}"
        began, found, status, text = time.monotonic(), None, NOBODY, ""
        try:
            found = self.session.request(method, urljoin(self.url, path), timeout=60, allow_redirects=False, **how)
            status, text = found.status_code, found.text[:2000] if found.status_code >= 400 else ""
        except requests.RequestException as error:
            text = f"{type(error).__name__}: {error}"[:300]
        self.notes.add(Answer(began, time.monotonic(), call, status, text))
        return found

    def get(self, path: str) -> requests.Response:
        """Opens a page, signing in when asked to.

        Raises:
            GaveUp: It can't be had now.
        """
        for _ in range(6):
            found = self.ask("GET", path)
            if found is None or found.status_code in UNSURE:
                raise GaveUp(path)
            if found.status_code == 303:
                path = found.headers["Location"]
                if path.startswith("/signin"):
                    if self.signs_in:
                        raise GaveUp(path)
                    self.sign_in()
                    path = "/orgs"
                continue
            self.page = found
            return found
        raise GaveUp(path)

    def submit(self, action: str, *, files=None, **fields: str) -> requests.Response:
        """Sends the form of the present page whose action ends so, with what stands in its fields; returns the answer itself.

        Raises:
            GaveUp: There is no such form, or it isn't known what became of it.
        """
        forms = [form for form in html.fromstring(self.page.text).forms if urlsplit(form.action or "").path.endswith(action)]
        if not forms:
            raise GaveUp(f"no form to {action}")
        values = {name: value or "" for name, value in forms[0].form_values()} | fields
        found = self.ask("POST", forms[0].action, data=values, files=files)
        if found is None or found.status_code in UNSURE:
            raise GaveUp(action)
        if found.headers.get("Location", "").startswith("/signin?"):
            self.sign_in()
            raise GaveUp(action)
        return found

    def sign_in(self) -> None:
        """Signs in by the two pages."""
        self.session.cookies.clear()
        self._token, self.signs_in = "", True
        try:
            self.get("/signin")
            self.page = self.submit("/signin", email=self.email)
            found = self.submit("/signin/password", password=PASSWORD)
        finally:
            self.signs_in = False
        if found.status_code != 303:
            raise GaveUp("sign-in")
        self.notes.did("sign-ins")

    def json(self, method: str, path: str, body: dict | None = None, *, key: str | None = None) -> requests.Response | None:
        """One call of the API, signing in again when the sign-in is over."""
        for _ in range(3):
            headers = {"X-CSRFToken": self._csrf()} | ({} if key is None else {"Idempotency-Key": key})
            found = self.ask(method, path, json=body, headers=headers)
            if found is None or (found.status_code, "CSRF_FAILED" in found.text) not in {(401, False), (400, True)}:
                return found
            self.login()
        return found

    def login(self) -> None:
        """Signs in over the API."""
        self.session.cookies.clear()
        self._token = ""
        headers = {"X-CSRFToken": self._csrf()}
        self.ask("POST", "/api/auth/login", json={"email": self.email, "password": PASSWORD}, headers=headers)
        self._token = ""
        self.notes.did("sign-ins")

    def insist(self, path: str, body: dict, *, key: str, until) -> requests.Response:
        """Posts with one key until there is a definite answer.

        Raises:
            GaveUp: ``until`` says that it is too late.
        """
        while True:
            found = self.json("POST", path, body, key=key)
            unsure = (
                found is None
                or found.status_code in UNSURE | {401}  # a sign-in that the weather broke
                or any(code in found.text for code in ("IDEMPOTENCY_IN_PROGRESS", "CSRF_FAILED"))
            )
            if not unsure:
                return found
            if until():
                raise GaveUp(path)
            time.sleep(1)

    def _csrf(self) -> str:
        if not self._token:
            found = self.ask("GET", "/api/auth/csrf")
            self._token = found.json()["csrfToken"] if found is not None and found.status_code == 200 else ""
        return self._token
