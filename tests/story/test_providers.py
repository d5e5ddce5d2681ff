"""A provider organization in a browser: from the wizard over an application and a session to a completed payout, in each look."""

import pytest
from playwright.sync_api import expect

from tests.support.browser import PASSWORD, enter, visitor
from tests.support.portal_process import PortalProcess

WIDE = {"width": 1440, "height": 900}
NARROW = {"width": 320, "height": 800}
PEOPLE = {"hema@kaveri.test": "Hema Owner", "ravi@experts.test": "Ravi Kumar", "asha@kaveri.test": "Asha Rao"}
PAGES = {
    "/orgs/kaveri/consultants": "Consultants",
    "/orgs/kaveri/payouts": "Payouts",
    "/orgs/kaveri/payouts/statement": "Statement of earnings",
    "/orgs/kaveri/home": "Kaveri",
    "/org/kaveri": "Kaveri",
    "/explore/companies": "Companies with consultants",
}


@pytest.fixture(scope="module")
def portal(tmp_path_factory):
    """A portal with the tier switched on."""
    portal = PortalProcess(tmp_path_factory.mktemp("portal"))
    portal.environment["ENABLE_PROVIDER_ORGS"] = "true"
    portal.clock.write_text("2026-11-23T09:00:00Z")
    portal.start()
    for address, name in PEOPLE.items():
        portal.flask("users", "create", address, "--name", name, "--password", PASSWORD)
    portal.flask("users", "create", "adil@portal.test", "--name", "Adil", "--password", PASSWORD, "--platform-role", "ADMIN")
    yield portal
    assert portal.stop() == 0


def api(guest, method: str, path: str, body: dict):
    """A call with the browser's own session, for what isn't looked at here."""
    request, url = guest.page.context.request, guest.portal.url
    token = request.get(f"{url}/api/auth/csrf").json()["csrfToken"]
    answer = request.fetch(f"{url}{path}", method=method, data=body, headers={"X-CSRFToken": token})
    assert answer.ok, answer.text()
    return answer.json()


def row(guest, words: str):
    return guest.page.locator("tbody tr").filter(has_text=words)


def test_from_the_wizard_to_a_completed_payout(chromium, portal):
    set_up(chromium, portal)
    with visitor(chromium, portal, viewport=WIDE) as admin:
        enter(admin, "adil@portal.test")
        admin.go("/admin/organizations")
        row(admin, "Kaveri").get_by_role("button", name="Approve").click()
        admin.told("Kaveri is approved.")
    become_a_consultant(chromium, portal)
    book(chromium, portal)
    portal.clock.write_text("2026-11-27T09:00:00Z")
    portal.flask("jobs", "run", "providers-release-earnings", "--wait")
    pay_out(chromium, portal)
    assert portal.link("hema@kaveri.test", "/orgs/kaveri/payouts")


def set_up(chromium, portal) -> None:
    """Hema sets up an organization that buys and provides."""
    with visitor(chromium, portal, viewport=WIDE) as hema:
        enter(hema, "hema@kaveri.test")
        hema.go("/orgs/new")
        hema.fill(name="Kaveri", kind="Buyer and provider")
        hema.press("Save and continue", "Set up Kaveri: billing & seats")
        hema.fill(line1="1 MG Road", city="Bengaluru", postal_code="560001", state_code="Karnataka (29)", billing_mode="Monthly invoice")
        hema.press("Save and continue", "Set up Kaveri: revenue rates")
        hema.press("Save and continue", "Set up Kaveri: branding")
        hema.press("Save and continue", "Set up Kaveri: invite team")
        hema.press("Continue to the review", "Set up Kaveri: review")
        hema.press("Launch Kaveri", "Kaveri")
        expect(hema.page.get_by_text("is waiting to be verified")).to_be_visible()


def become_a_consultant(chromium, portal) -> None:
    """Ravi makes a profile, is verified, applies on the public page, and Hema approves him."""
    with visitor(chromium, portal, viewport=WIDE) as ravi:
        enter(ravi, "ravi@experts.test")
        ravi.go("/org/kaveri")
        ravi.see("Kaveri")
        ravi.press("Your consultant’s profile", "Giving sessions")
        ravi.fill(headline="Career coach")
        ravi.button("Send the profile").click()
        ravi.told("Your profile was sent to the platform. You can offer plans as soon as it is verified.")
        with visitor(chromium, portal, viewport=WIDE) as admin:
            enter(admin, "adil@portal.test")
            admin.go("/admin/consultants")
            row(admin, "Ravi").get_by_role("button", name="Verify Ravi Kumar").click()
            admin.told("“Career coach” is verified and can give sessions.")
        ravi.go("/explore/companies")
        ravi.see("Companies with consultants")
        ravi.page.get_by_role("link", name="Kaveri").click()
        ravi.see("Kaveri")
        ravi.fill(note="Ten years of coaching")
        ravi.button("Apply").click()
        ravi.told("Kaveri has your application, and will answer you.")
        ravi.see("Kaveri")
        ravi.go("/consulting")
        ravi.fill(title="Coaching year", price="20,000", plan_type="Webinar")
        ravi.button("Add the plan").click()
        ravi.told("“Coaching year” can be booked now.")
    with visitor(chromium, portal, viewport=WIDE) as hema:
        enter(hema, "hema@kaveri.test")
        hema.go("/orgs/kaveri/consultants")
        hema.see("Consultants")
        expect(row(hema, "Ten years of coaching")).to_be_visible()
        row(hema, "Ten years of coaching").get_by_role("button", name="Approve Ravi Kumar").click()
        hema.told("Ravi Kumar is a consultant of yours now.")
        expect(hema.page.locator("#roster-list tbody tr")).to_have_count(1)
        hema.page.get_by_role("button", name="Terms with Ravi Kumar").click()
        dialog = hema.page.get_by_role("dialog", name="Terms with Ravi Kumar")
        dialog.get_by_label("Their share in percent").fill("80")
        hema.look("terms of a consultant")
        dialog.get_by_role("button", name="Save the terms").click()
        hema.told("The terms with Ravi Kumar hold for sessions that are booked from now on.")
        organization = api(hema, "GET", "/api/organizations", {})["items"][0]["id"]
        api(hema, "POST", f"/api/organizations/{organization}/members", {"email": "asha@kaveri.test", "role": "ORG_LEARNER"})
    assert portal.link("ravi@experts.test", "/orgs/kaveri/home")


def book(chromium, portal) -> None:
    """Asha books a session of the house's own consultant on the house."""
    with visitor(chromium, portal, viewport=WIDE) as asha:
        enter(asha, "asha@kaveri.test")
        asha.go("/orgs/kaveri/book")
        asha.page.locator("#f-plan_id").select_option(label="Coaching year · Ravi Kumar · ₹20,000.00 · 60 minutes")
        asha.fill(starts_at="2026-12-01T10:00")
        asha.button("Book the session").click()
        asha.told("Your session “Coaching year” is booked.")


def pay_out(chromium, portal) -> None:
    """Hema enters the account, Adil verifies it; she pays out, he pays by hand; she sees it."""
    with visitor(chromium, portal, viewport=WIDE, refused=(422,)) as hema, visitor(chromium, portal, viewport=WIDE) as admin:
        enter(hema, "hema@kaveri.test")
        enter(admin, "adil@portal.test")
        hema.go("/orgs/kaveri/payouts")
        hema.see("Payouts")
        hema.button("Enter the account").click()
        hema.look("form of the account")
        hema.fill(account_holder_name="Kaveri LLP", bank_name="HDFC Bank", account_number="501001", ifsc_code="hdfc 0001234")
        hema.button("Save the account").click()
        expect(hema.page.locator("#f-account_number-error")).to_have_text("An account number has 9 to 18 digits.")
        expect(hema.page.locator("#f-account_number")).to_have_value("")
        hema.see("Payouts")
        hema.fill(account_number="5010 0123 456789")
        hema.button("Save the account").click()
        hema.told("The account is saved. Nothing is paid to it before the platform has verified it.")
        expect(hema.page.get_by_text("ends in 6789")).to_be_visible()

        admin.go("/admin/payouts")
        admin.see("Payouts of organizations")
        row(admin, "Kaveri LLP").get_by_role("button", name="Verify the account of Kaveri").click()
        admin.told("The account ending in 6789 is verified.")

        hema.page.reload()
        hema.button("Pay out now").click()
        hema.page.get_by_role("dialog", name="Pay out ₹2,000.00 now?").get_by_role("button", name="Pay it out").click()
        hema.told("The payout is begun. The platform's staff pay it, and you get a mail when it is done.")
        hema.see("Payouts")

        admin.page.reload()
        admin.button("Take up all that wait").click()
        admin.told("1 payout taken up.")
        row(admin, "On its way").get_by_role("button", name="Paid by hand").click()
        admin.look("paid by hand")
        dialog = admin.page.get_by_role("dialog", name="Paid Kaveri, ₹2,000.00?")
        dialog.get_by_label("The bank’s reference").fill("UTR2026112701")
        dialog.get_by_role("button", name="Complete the payout").click()
        admin.told("The payout is completed. The organization's owners get a mail.")
        admin.see("Payouts of organizations")

        hema.page.reload()
        expect(row(hema, "UTR2026112701").locator(".pill")).to_have_text("Paid")
        hema.press("Statement", "Statement of earnings")
        expect(row(hema, "UTR2026112701")).to_contain_text("2,000.00")
        with hema.page.expect_download() as download:
            hema.button("Export CSV").click()
        assert "paid out,UTR2026112701" in download.value.path().read_text()


@pytest.mark.parametrize(
    "look", [{"viewport": WIDE, "color_scheme": "dark"}, {"viewport": NARROW}, {"viewport": NARROW, "color_scheme": "dark"}]
)
def test_every_page_in_every_look(chromium, portal, look):
    with visitor(chromium, portal, **look) as hema, visitor(chromium, portal, **look) as guest, visitor(chromium, portal, **look) as admin:
        enter(hema, "hema@kaveri.test")
        for path, heading in PAGES.items():
            hema.go(path)
            hema.see(heading)
        for path in ("/org/kaveri", "/explore/companies"):
            guest.go(path)
            guest.see(PAGES[path])
        enter(admin, "adil@portal.test")
        admin.go("/admin/payouts")
        admin.see("Payouts of organizations")
        expect(row(admin, "UTR2026112701")).to_be_visible()
