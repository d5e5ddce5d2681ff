"""Pages in forced colours (Windows' contrast themes) and on paper."""

import io

import pytest
from pypdf import PdfReader

from tests.support import world
from tests.support.browser import browser, enter, visitor
from tests.support.served import served

PAGES = ["home", "members", "invitations", "billing", "settings", "settings/tokens", "plans", "book", "analytics"]
RING = """() => {
  const one = document.activeElement, style = getComputedStyle(one);
  return {
    what: one.outerHTML.slice(0, 80),
    seen: one !== document.body && one.checkVisibility({visibilityProperty: true}),
    ring: style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2,
    ringColor: style.outlineColor,
    ground: getComputedStyle(document.body).backgroundColor,
  };
}"""
BORDERLESS = """() => [...document.querySelectorAll('main :is(.pill, .btn)')].filter((part) => {
    const style = getComputedStyle(part);
    return part.checkVisibility() && (style.borderTopStyle === 'none' || parseFloat(style.borderTopWidth) < 1);
  }).map((part) => part.outerHTML.slice(0, 120))"""
ON_PAPER = """() => {
  const seen = (part) => part.checkVisibility({visibilityProperty: true});
  const channels = (colour) => colour.match(/[\\d.]+/g).slice(0, 3).map(Number);
  const named = (parts) => parts.map((part) => part.outerHTML.slice(0, 80));
  const main = document.querySelector('main');
  return {
    controls: named([...document.querySelectorAll('.side, .tabs, form, button, .btn, dialog, #toasts')].filter(seen)),
    pale: named([...main.querySelectorAll('h1, h2, th, td, dd, p')].filter(seen)
      .filter((part) => part.textContent.trim() && Math.min(...channels(getComputedStyle(part).color)) > 150)),
    ground: channels(getComputedStyle(document.body).backgroundColor),
    heading: seen(document.querySelector('h1')),
  };
}"""


@pytest.fixture
def desk(app, scene):
    """The owner at a browser; options of its context are the argument."""
    with served(app) as portal, browser() as chromium:

        def sit(**options):
            return visitor(chromium, portal, reduced_motion="reduce", **options)

        yield sit


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_in_forced_colours_the_focus_and_the_states_are_seen(desk, scene, scheme):
    with desk(forced_colors="active", color_scheme=scheme) as guest:
        enter(guest, scene.owner.email, password=world.PASSWORD)
        pills = 0
        for name in PAGES:
            guest.go(f"/orgs/{scene.slug}/{name}")
            guest.wrong += [f"{name}: without a border: {part}" for part in guest.page.evaluate(BORDERLESS)]
            pills += guest.page.locator("main .pill").count()
            for _ in range(25):
                guest.page.keyboard.press("Tab")
                found = guest.page.evaluate(RING)
                if found["seen"] and not (found["ring"] and found["ringColor"] != found["ground"]):
                    guest.wrong.append(f"{name}: no ring around {found['what']}")
    assert pills > 3


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_on_paper_stands_what_is_to_be_read_and_nothing_to_press(desk, scene, scheme):
    documents = [f"billing/invoices/{scene.values['invoice_id']}", f"billing/credit-notes/{scene.values['note_id']}", "billing/statement"]
    with desk(color_scheme=scheme) as guest:
        enter(guest, scene.owner.email, password=world.PASSWORD)
        for name in ["members", "invitations", "billing", "analytics", *documents]:
            guest.go(f"/orgs/{scene.slug}/{name}")
            heading = guest.page.get_by_role("heading", level=1).inner_text()
            guest.page.emulate_media(media="print", color_scheme=scheme)
            found = guest.page.evaluate(ON_PAPER)
            guest.wrong += [f"{name}: to press: {part}" for part in found["controls"]] + [f"{name}: pale: {part}" for part in found["pale"]]
            assert (min(found["ground"]), found["heading"]) == (255, True), name
            if scheme == "light":
                words = " ".join(sheet.extract_text() for sheet in PdfReader(io.BytesIO(guest.page.pdf(format="A4"))).pages)
                assert heading.split()[0] in words, name
            guest.page.emulate_media(media="screen", color_scheme=scheme)


def test_a_document_on_paper_says_its_number_its_parties_and_its_sum(desk, scene):
    with desk() as guest:
        enter(guest, scene.owner.email, password=world.PASSWORD)
        guest.go(f"/orgs/{scene.slug}/billing/invoices/{scene.values['invoice_id']}")
        shown = guest.page.locator("main").inner_text()
        number = next(word for word in shown.split() if word.startswith("PF/"))
        words = " ".join(sheet.extract_text() for sheet in PdfReader(io.BytesIO(guest.page.pdf(format="A4"))).pages)
    assert number in words
    assert "1,180.00" in words
    assert "Career coaching" in words
