"""Every page of the URL map in a browser: axe at three widths in light and dark, nothing wider than 320 px, a silent console.

A new page is met by itself; its route's placeholders get their values in ``conftest.py``. A GET route that neither shows a page nor
serves a file fails the first test, until it is named in ``LEADS_ON``.
"""

from collections import defaultdict

import pytest
from sqlalchemy import update

from portal import db
from portal.orgs.models import Organization
from portal.orgs.rules import Kind
from tests.pages.test_url_map import routes, url
from tests.support import world
from tests.support.browser import browser, visitor
from tests.support.browser import enter as sign_in
from tests.support.served import served

LEADS_ON = {"signin.start"}  # only ever a redirect
ALSO = {"openapi.docs"}  # a page below /api/
ROOMS = {"admin": "admin", "staff": "admin"}
PUBLIC = {"public", "signed"}
WIDTHS = (1440, 390, 320)
BY_COLOUR = ("color-contrast", "link-in-text-block")
SCHEMES = {"light": (), "dark": BY_COLOUR}
MORE = {  # states of pages that no address alone shows
    "nobody": ["/nowhere", "/api/docs?q=invoices", "/api/docs?q=nothing-of-the-kind", "/reset/unknown"],
    "owner": ["/orgs/acme/members?q=nobody", "/orgs/acme/billing?status=PAID", "/orgs/acme/invitations?status=REVOKED", "/orgs/nowhere/home"],
    "admin": ["/orgs/acme/billing"],
}


@pytest.fixture
def pages(app, scene):
    """Audience → the paths of its pages; and the routes that are none. The draft is a HYBRID, which has every step of the wizard."""
    with app.app_context(), db.unit_of_work():
        db.session.execute(update(Organization).where(Organization.id == scene.values["draft_id"]).values(kind=Kind.HYBRID))
    clients = {
        "nobody": app.test_client(),
        "owner": world.sign_in(app.test_client(), scene.owner),
        "admin": world.sign_in(app.test_client(), scene.admin),
    }
    found, lost = defaultdict(list), []
    for rule, view in routes(app):
        if "GET" not in rule.methods or (rule.rule.startswith("/api/") and rule.endpoint not in ALSO) or rule.endpoint in LEADS_ON:
            continue
        who = "nobody" if view.gate in PUBLIC else ROOMS.get(view.gate, "owner")
        path = url(rule, scene)
        answer = clients[who].get(path)
        if answer.status_code != 200:
            lost.append(f"{rule.endpoint} {path}: {answer.status_code}")
        elif answer.mimetype == "text/html":
            found[who].append(path)
    return found, lost


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
    for scheme, rules in SCHEMES.items():
        guest.page.emulate_media(color_scheme=scheme)
        for width in WIDTHS:
            guest.page.set_viewport_size({"width": width, "height": 900})
            guest.look(f"{path} {scheme}".lstrip("/").replace("?", "-"), rules=rules)
