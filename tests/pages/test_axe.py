"""Every page of the URL map in a browser: axe at three widths in light and dark, nothing wider than the window
at six, a silent console.

A new page is met by itself; its route's placeholders get their values in ``conftest.py``. A GET route that neither shows a page nor
serves a file fails the first test, until it is named in ``LEADS_ON`` there.
"""

import pytest

from tests.support import world
from tests.support.browser import browser, visitor
from tests.support.browser import enter as sign_in
from tests.support.served import served

WIDTHS = (1440, 390, 320)
BETWEEN = (1200, 1024, 768)  # where a table is neither wide enough nor stacked
BY_COLOUR = ("color-contrast", "link-in-text-block")
SCHEMES = {"light": (), "dark": BY_COLOUR}
MORE = {  # states of pages that no address alone shows
    "nobody": ["/nowhere", "/api/docs?q=invoices", "/api/docs?q=nothing-of-the-kind", "/reset/unknown"],
    "owner": [
        "/orgs/acme/members?q=nobody",
        "/orgs/acme/billing?status=PAID",
        "/orgs/acme/invitations?status=REVOKED",
        "/orgs/nowhere/home",
    ],
    "admin": ["/orgs/acme/billing"],
}


def test_every_page_has_an_example_to_look_at(pages):
    found, lost = pages
    assert lost == []
    assert min(len(paths) for paths in found.values()) > 3
    assert sum(len(paths) for paths in found.values()) > 45


@pytest.mark.parametrize("who", ["nobody", "owner", "admin"])
def test_axe_finds_nothing_on_any_page_at_any_width_in_light_and_dark(app, scene, pages, who):
    found, _lost = pages
    with served(app) as portal, browser() as chromium, visitor(chromium, portal, reduced_motion="reduce") as guest:
        if who != "nobody":
            sign_in(guest, getattr(scene, who).email, password=world.PASSWORD)
        for path in [*found[who], *MORE[who]]:
            look_at(guest, path)
        refused = [status for status in guest.refused if status not in {404, 422}]
        guest.refused.clear()
    assert refused == []


def look_at(guest, path: str) -> None:
    """One load; then each scheme at each width, by resizing alone."""
    guest.page.emulate_media(color_scheme="light")
    guest.page.set_viewport_size({"width": WIDTHS[0], "height": 900})
    guest.go(path)
    for width in BETWEEN:
        guest.page.set_viewport_size({"width": width, "height": 900})
        guest.fits(path)
    for scheme, rules in SCHEMES.items():
        guest.page.emulate_media(color_scheme=scheme)
        for width in WIDTHS:
            guest.page.set_viewport_size({"width": width, "height": 900})
            guest.look(f"{path} {scheme}".lstrip("/").replace("?", "-"), rules=rules)
