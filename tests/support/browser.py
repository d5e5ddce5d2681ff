"""People at browsers: what goes wrong in theirs is collected, and each page that they see is looked at."""

import os
import re
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Page, expect, sync_playwright

AXE = (Path(__file__).resolve().parents[1] / "vendor" / "axe.min.js").read_text()
PASSWORD = "a good long password"
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
SHOTS = os.environ.get("STORY_SCREENSHOTS")
REFUSED = re.compile(r"Failed to load resource: the server responded with a status of (4\d\d) ")
# Nothing that people press or fill in may be cut off: neither by the window nor by a box that scrolls or clips.
CUT_OFF = """() => [...document.querySelectorAll('main :is(a.btn, button, input:not([type=hidden]), select, textarea, td, th)')]
  .filter((part) => {
    if (!part.checkVisibility({visibilityProperty: true})) return false;
    const right = part.getBoundingClientRect().right;
    let isCutOff = false;
    for (let box = part.parentElement; box; box = box.parentElement) {
      const style = getComputedStyle(box);
      if (style.clipPath !== 'none') return false;
      if (style.overflowX !== 'visible' && right > box.getBoundingClientRect().right + 1) isCutOff = true;
    }
    return isCutOff;
  })
  .map((part) => part.outerHTML.slice(0, 160))"""


@contextmanager
def browser():
    """Debian's Chromium."""
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=ARGUMENTS)
        yield chromium
        chromium.close()


class Visitor:
    """Somebody at a browser.

    Attributes:
        wrong: What went wrong: errors in the console, findings of axe, parts that are too wide.
        refused: The statuses of refusals, which Chromium writes into the console by itself.
    """

    def __init__(self, page: Page, portal, *, with_script: bool) -> None:
        self.page, self.portal, self.with_script = page, portal, with_script
        self.wrong: list[str] = []
        self.refused: list[int] = []
        self.watch(page)

    def watch(self, page: Page) -> None:
        """Collects what goes wrong in a tab."""
        page.on("console", lambda message: self._heard(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: self.wrong.append(f"page error: {error}"))

    def _heard(self, text: str) -> None:
        refusal = REFUSED.match(text)
        if refusal:
            self.refused.append(int(refusal[1]))
        else:
            self.wrong.append(f"console: {text}")

    def go(self, path: str) -> None:
        """Opens a path of the portal, or a whole address."""
        self.page.goto(path if path.startswith("http") else self.portal.url + path)

    def fill(self, **values: str) -> None:
        """Fills fields by their names; selects take the option's label, radios the label of the one to choose."""
        for name, value in values.items():
            control = self.page.locator(f"#f-{name}")
            kind = control.evaluate("element => element.type")
            if kind == "radio":
                self.page.get_by_label(value, exact=True).check()
            elif kind.startswith("select"):
                control.select_option(label=value)
            else:
                control.fill(value)

    def button(self, label: str):
        """The first button or link of this name."""
        named = self.page.locator("main, header").get_by_role("button", name=label, exact=True)
        return named.or_(self.page.get_by_role("link", name=label, exact=True)).first

    def press(self, label: str, then: str) -> None:
        """Presses a button or link and waits for the heading of the page that follows."""
        self.button(label).click()
        self.see(then)

    def see(self, heading: str) -> None:
        """Waits for a page by its heading, and looks at it."""
        expect(self.page.get_by_role("heading", level=1)).to_have_text(heading)
        expect(self.page).to_have_title(heading)
        self.look(heading)

    def told(self, text: str) -> None:
        """Waits for a toast."""
        expect(self.page.locator("#toasts").get_by_text(text)).to_be_visible()

    def look(self, name: str, *, rules: tuple[str, ...] = ()) -> None:
        """axe finds nothing (by all its rules, or by those that are named), nothing is wider than the window, and nothing is cut off."""
        if not self.with_script:
            return
        self.page.evaluate(
            "Promise.all(document.getAnimations().filter((one) => one.effect.getTiming().iterations !== Infinity "
            "&& !one.animationName?.startsWith('under-way')).map((one) => one.finished.catch(() => null)))"
        )
        if self.page.evaluate("typeof axe === 'undefined'"):
            self.page.evaluate(AXE)
        options = {"resultTypes": ["violations"], "preload": False, **({"runOnly": list(rules)} if rules else {})}
        found = self.page.evaluate("options => axe.run(document, options)", options)["violations"]
        self.wrong += [f"{name}: axe {item['id']}: {item['nodes'][0]['html'][:200]}" for item in found]
        width = self.fits(name)
        self.wrong += [f"{name} at {width} px: cut off: {part}" for part in self.page.evaluate(CUT_OFF)]
        if SHOTS:
            scheme = "dark" if self.page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches") else "light"
            self.page.screenshot(path=f"{SHOTS}/{name.replace('/', '-')}-{width}-{scheme}.png", full_page=True)

    def fits(self, name: str) -> int:
        """The page isn't wider than the window, whose width (px) is returned."""
        width = self.page.viewport_size["width"]
        over = self.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        self.wrong += [f"{name} at {width} px: {over} px too wide"] if over > 0 else []
        return width


@contextmanager
def visitor(chromium, portal, *, with_script: bool = True, refused: tuple[int, ...] = (), **options: object):
    """A browser of one's own; at its end nothing may have gone wrong in it but the refusals that were meant."""
    context = chromium.new_context(java_script_enabled=with_script, bypass_csp=False, accept_downloads=True, **options)
    context.set_default_timeout(20_000)
    guest = Visitor(context.new_page(), portal, with_script=with_script)
    yield guest
    context.close()
    assert not guest.wrong, "\n".join(guest.wrong)
    assert guest.refused == list(refused), guest.refused


def sign_in(guest: Visitor, address: str, *, password: str = PASSWORD, then: str = "Your organizations") -> None:
    """Signs in by password."""
    guest.go("/signin")
    guest.fill(email=address)
    guest.press("Continue", "Enter your password")
    guest.fill(password=password)
    guest.press("Sign in", then)


def sign_up(guest: Visitor, address: str, *, name: str) -> None:
    """Makes an account, which leads to the welcome page."""
    guest.go("/signup")
    guest.see("Create an account")
    guest.fill(name=name, email=address, password=PASSWORD)
    guest.press("Create account", f"Welcome, {name}")


def enter(guest: Visitor, address: str, *, password: str = PASSWORD) -> None:
    """Signs in over the API, where the pages of signing in aren't what is looked at."""
    request, url = guest.page.context.request, guest.portal.url
    token = request.get(f"{url}/api/auth/csrf").json()["csrfToken"]
    done = request.post(f"{url}/api/auth/login", data={"email": address, "password": password}, headers={"X-CSRFToken": token})
    assert done.ok, done.text()


class Keyboard:
    """Somebody who has no mouse."""

    def __init__(self, guest: Visitor) -> None:
        self.guest, self.page, self.press = guest, guest.page, guest.page.keyboard.press

    def to(self, name: str) -> None:
        """Tabs on until the focus is on a field of this name, or on a button or link of these words (or this label)."""
        here = "name => { const one = document.activeElement; return [one.name, one.innerText?.trim(), one.ariaLabel].includes(name); }"
        for _ in range(80):
            self.press("Tab")
            if self.page.evaluate(here, name):
                return
        raise AssertionError(f"{name} can't be reached with Tab")

    def type(self, **values: str) -> None:
        """Types into fields in their order."""
        for name, value in values.items():
            self.to(name)
            self.press("Control+A")
            self.page.keyboard.type(value)

    def arrive(self, heading: str) -> None:
        """Waits for a page, on whose heading the focus stands."""
        self.guest.see(heading)
        expect(self.page.get_by_role("heading", level=1)).to_be_focused()
