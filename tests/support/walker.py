"""A browser without a screen that walks between the portal (Flask's test client) and identity providers (over the network)."""

import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass, field
from http.cookiejar import CookieJar

import html5lib

from tests.support.lint import XHTML

MOST_STEPS = 12


class _Stays(urllib.request.HTTPRedirectHandler):
    """Leaves each redirect to the walker, who may have to change sides."""

    def redirect_request(self, *_arguments):
        return None


@dataclass
class Walker:
    """One browser.

    Attributes:
        url: Where it stands.
        text: What it sees.
        seen: Every address that it came by.
    """

    client: object
    home: str = "http://localhost"
    url: str = ""
    status: int = 0
    text: str = ""
    seen: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()), _Stays)

    def go(self, url: str) -> "Walker":
        """Opens an address and follows where it leads."""
        return self._walk(url, None)

    def submit(self, **fields: str) -> "Walker":
        """Fills in the first form of the page and sends it."""
        form = next(html5lib.parse(self.text).iter(f"{XHTML}form"))
        values = {one.get("name"): one.get("value", "") for one in form.iter(f"{XHTML}input") if one.get("name")}
        return self._walk(urllib.parse.urljoin(self.url, form.get("action") or self.url), {**values, **fields})

    def carry(self) -> "Walker":
        """Sends forms that only carry a message on, as a script in them would."""
        for _step in range(MOST_STEPS):
            if 'name="SAMLResponse"' not in self.text and 'name="SAMLRequest"' not in self.text:
                break
            self.submit()
        return self

    def _walk(self, url: str, data: dict[str, str] | None) -> "Walker":
        for _step in range(MOST_STEPS):
            self.seen.append(url)
            status, text, target = self._here(url, data) if url.startswith(self.home + "/") else self._there(url, data)
            self.url, self.status, self.text = url, status, text
            if target is None:
                return self
            url, data = urllib.parse.urljoin(url, target), None
        raise AssertionError(f"it leads on and on: {self.seen[-MOST_STEPS:]}")

    def _here(self, url, data):
        path = url.removeprefix(self.home)
        answer = self.client.get(path) if data is None else self.client.post(path, data=data)
        refresh = answer.headers.get("Refresh", "").partition("url=")[2]
        return answer.status_code, answer.text, answer.location or refresh or None

    def _there(self, url, data):
        body = urllib.parse.urlencode(data).encode() if data is not None else None
        try:
            with self._opener.open(urllib.request.Request(url, body), timeout=30) as answer:  # noqa: S310 - our own address
                return answer.status, answer.read().decode(), None
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode(errors="replace"), error.headers.get("Location")
