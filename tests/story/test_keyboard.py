"""The portal without a mouse: each flow from its first key to its last, the focus always where the next act is.

The wizard and a file of people are walked in ``test_wizard.py`` and ``test_invitations.py``.
"""

import re

import pytest
from playwright.sync_api import expect

from portal.demo import PASSWORD
from tests.support.browser import Keyboard, enter, visitor

WIDE = {"width": 1440, "height": 900}
OWNER, ORG = "owner@acme.example", "/orgs/acme-learning"


@pytest.fixture(scope="module")
def demo(portal):
    """The demo's three organizations, each with an owner and four learners."""
    portal.clock.write_text("2026-11-23T09:00:00Z")
    portal.flask("demo", "load", "--force")
    return portal


@pytest.fixture
def owner(chromium, demo):
    """The owner at a browser, and their keyboard."""
    with visitor(chromium, demo, viewport=WIDE) as guest:
        enter(guest, OWNER, password=PASSWORD)
        yield guest, Keyboard(guest)


def into_the_content(guest, keys, path: str, heading: str) -> None:
    """Opens a page, and skips the side bar."""
    guest.go(path)
    keys.to("Skip to the content")
    keys.press("Enter")
    keys.arrive(heading)


def test_signing_in_and_out(chromium, demo):
    with visitor(chromium, demo, refused=(422,), viewport=WIDE) as guest:
        keys = Keyboard(guest)
        guest.go("/signin")
        keys.type(email=OWNER)
        keys.press("Enter")
        guest.see("Enter your password")
        keys.type(password="not the password")
        keys.press("Enter")
        expect(guest.page.locator("#error-summary")).to_be_focused()
        keys.type(password=PASSWORD)
        keys.press("Enter")
        guest.see("Your organizations")
        menu = guest.page.locator("#user-menu")
        keys.to(guest.page.locator("[popovertarget=user-menu]").inner_text().strip())
        keys.press("Enter")
        expect(menu).to_be_visible()
        keys.press("Escape")
        expect(menu).to_be_hidden()
        keys.press("Enter")
        keys.to("Sign out")
        keys.press("Enter")
        guest.see("Sign in")


def test_a_members_role(owner):
    guest, keys = owner
    into_the_content(guest, keys, f"{ORG}/members", "Members")
    role = guest.page.locator("#member-list tbody tr").filter(has_text="chitra@acme.example").locator("select[name=role]")
    keys.to(role.get_attribute("aria-label"))
    keys.press("ArrowUp")
    guest.told("Chitra Iyer")
    expect(role).not_to_have_value("ORG_LEARNER")
    assert guest.page.evaluate("document.activeElement !== document.body")


def test_a_plan_and_a_booking(owner):
    guest, keys = owner
    into_the_content(guest, keys, f"{ORG}/plans", "Plans")
    keys.type(title="Mock interview")
    keys.to("price")
    guest.page.keyboard.type("900")
    keys.press("Enter")
    expect(guest.page.get_by_role("rowheader", name="Mock interview")).to_be_visible()
    keys.arrive("Plans")
    into_the_content(guest, keys, f"{ORG}/book", "Book a session")
    keys.to("plan_id")
    guest.page.keyboard.type("Mock")
    keys.to("consultant_id")
    keys.press("ArrowDown")
    keys.to("starts_at")
    guest.page.keyboard.type("12012026")
    keys.press("Tab")
    guest.page.keyboard.type("1030AM")
    keys.to("Book the session")
    keys.press("Enter")
    guest.told("booked")
    guest.look("a booked session")


def test_filters_of_billing_and_paying(owner):
    guest, keys = owner
    into_the_content(guest, keys, f"{ORG}/billing", "Billing")
    rows = guest.page.locator("#document-list tbody tr")
    assert rows.count() > 2
    keys.to("status")
    guest.page.keyboard.type("Cred" if guest.page.locator("#f-status option", has_text="Credit").count() else "Issued")
    keys.to("Search")
    keys.press("Enter")
    expect(guest.page).to_have_url(re.compile("status=[A-Z]+"))
    guest.go(f"{ORG}/billing")
    unpaid = rows.filter(has=guest.page.locator(".pill-due, .pill-overdue, .pill-part"))
    number = unpaid.first.get_by_role("rowheader").get_by_role("link").inner_text()
    assert number.startswith("PF/")
    keys.to(number)
    keys.press("Enter")
    keys.arrive(f"Invoice {number}")
    keys.to(guest.page.locator("[commandfor=pay]").first.inner_text().strip())
    keys.press("Enter")
    dialog = guest.page.locator("dialog#pay")
    expect(dialog).to_be_visible()
    keys.press("Escape")
    expect(dialog).to_be_hidden()
    assert guest.page.evaluate("document.activeElement.getAttribute('commandfor')") == "pay"
    keys.press("Enter")
    keys.type(amount="10")
    keys.press("Enter")
    expect(guest.page).to_have_url(re.compile("/sandbox/pay/"))
    keys.to("Pay")
    keys.press("Enter")
    expect(guest.page).not_to_have_url(re.compile("/sandbox/pay/"))


def test_settings(owner):
    guest, keys = owner
    into_the_content(guest, keys, f"{ORG}/settings", "Settings")
    keys.type(industry="Further education")
    keys.to("Save the organization")
    keys.press("Space")
    keys.arrive("Settings")
    guest.told("Organization: your changes are saved.")
    expect(guest.page.locator("#f-industry")).to_have_value("Further education")


def test_a_token_is_made_copied_and_revoked(owner):
    guest, keys = owner
    guest.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    into_the_content(guest, keys, f"{ORG}/settings/tokens", "API tokens")
    keys.type(name="Roster sync")
    keys.to("scopes")
    keys.press("Space")
    keys.to("Make the token")
    keys.press("Enter")
    keys.arrive("API tokens")
    token = guest.page.locator("#made-token").input_value()
    assert token.startswith("portal_")
    keys.to("Copy")
    keys.press("Enter")
    expect(guest.page.locator("#made-token-copied")).to_have_text("Copied.")
    assert guest.page.evaluate("navigator.clipboard.readText()") == token
    guest.look("a token that was made")
    keys.to("Revoke Roster sync")
    keys.press("Enter")
    expect(guest.page.get_by_role("dialog")).to_be_visible()
    keys.to("Revoke the token")
    keys.press("Enter")
    guest.told("is revoked")
    expect(guest.page.locator("#tokens tbody tr").filter(has_text="Roster sync").locator(".pill")).to_have_text("Revoked")


def test_the_pages_of_the_api(owner):
    guest, keys = owner
    guest.go("/api/docs")
    keys.to("q")
    guest.page.keyboard.type("generate-invoice")
    keys.press("Enter")
    expect(guest.page.locator("details.operation")).to_have_count(1)
    expect(guest.page.get_by_text("Closes the running period out by hand.")).to_be_visible()
    guest.look("the API, searched")
