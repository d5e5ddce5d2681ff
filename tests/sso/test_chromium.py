"""In Chromium at a real portal: an owner connects a real identity provider by the pages, then somebody signs in and out on both sides."""

import pytest
from playwright.sync_api import expect

from tests.support import browser
from tests.support.browser import visitor
from tests.support.portal_process import running
from tests.support.real_idps import simplesamlphp


@pytest.fixture(scope="module")
def portal(tmp_path_factory):
    """Web, worker and scheduler; metadata may come from this machine."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("SSO_ALLOW_LOCAL_METADATA", "true")
        with running(tmp_path_factory.mktemp("portal")) as made:
            yield made


@pytest.fixture(scope="module")
def chromium():
    """The browser."""
    with browser.browser() as made:
        yield made


@pytest.fixture(scope="module")
def idp(tmp_path_factory):
    """SimpleSAMLphp, which encrypts its assertions."""
    with simplesamlphp(tmp_path_factory.mktemp("idp"), encrypts=True) as made:
        yield made


def set_up(portal) -> None:
    """People, and Acme."""
    for email, name, role in (("owner@acme.test", "Olive", "USER"), ("root@portal.test", "Root", "ADMIN")):
        portal.flask("users", "create", email, "--name", name, "--password", browser.PASSWORD, "--platform-role", role)


def make_acme(guest) -> None:
    request, url = guest.page.context.request, guest.portal.url
    token = request.get(f"{url}/api/auth/csrf").json()["csrfToken"]
    body = {"name": "Acme", "billingEmail": "finance@acme.test", "kind": "BUYER", "billingMode": "TAG_ONLY"}
    assert request.post(f"{url}/api/organizations", data=body, headers={"X-CSRFToken": token}).ok


def at_the_provider(guest, name: str) -> None:
    """Signs in on the provider's own page."""
    guest.page.locator("input[name=username]").fill(name)
    guest.page.locator("input[name=password]").fill(f"{name}pass")
    guest.page.locator("[type=submit]").first.click()


def connect(guest, idp) -> None:
    """An owner's ten minutes."""
    browser.enter(guest, "owner@acme.test")
    make_acme(guest)
    guest.go("/orgs/acme/settings/sso")
    guest.see("Single sign-on")
    guest.page.get_by_label("Add a domain").fill("acme.test")
    guest.button("Add the domain").click()
    guest.told("acme.test is claimed.")
    guest.see("Single sign-on")
    guest.page.get_by_label("Another SAML provider").check()
    guest.page.get_by_label("Short name").fill("company")
    guest.press("Add the connection", "company")
    entity_id = guest.page.locator("#copy-entity").input_value()
    idp.know(guest.page.context.request.get(entity_id).body())
    guest.page.get_by_label("Metadata URL", exact=True).fill(idp.metadata_url)
    guest.press("Fetch the metadata", "company")
    guest.told("your changes are saved.")
    expect(guest.page.get_by_text("Not tested").first).to_be_visible()


def verify(chromium, portal) -> None:
    """A platform admin verifies the domain by hand."""
    with visitor(chromium, portal) as root:
        browser.enter(root, "root@portal.test")
        root.go("/admin/domains")
        root.see("Claimed domains")
        root.page.get_by_role("button", name="Verify acme.test").click()
        root.page.get_by_role("dialog").get_by_role("button", name="Verify", exact=True).click()
        root.told("acme.test is verified.")


def test_an_owner_connects_a_provider_and_people_sign_in_and_out(chromium, portal, idp):
    set_up(portal)
    with visitor(chromium, portal, viewport={"width": 320, "height": 720}) as owner:
        connect(owner, idp)
        verify(chromium, portal)
        owner.button("Test the connection").click()
        at_the_provider(owner, "alice")
        owner.see("Test of single sign-on")
        expect(owner.page.get_by_text("would create alice@acme.test as Learner")).to_be_visible()
        owner.page.get_by_role("link", name="Back to the connection").click()
        owner.see("company")
        owner.go("/orgs/acme/settings/sso")
        owner.page.get_by_label("Require single sign-on").check()
        owner.button("Save").click()
        owner.told("Your changes are saved.")
        owner.go("/orgs/acme/settings/sso/log")
        owner.see("Sign-in log")
        owner.refused.clear()  # SimpleSAMLphp has no favicon
    with visitor(chromium, portal) as alice:
        alice.go("/signin")
        alice.fill(email="alice@acme.test")
        alice.button("Continue").click()
        at_the_provider(alice, "alice")
        alice.page.wait_for_url(f"{portal.url}/orgs/acme/home")
        alice.look("home after single sign-on")
        expect(alice.page.get_by_text("Alice Archer").first).to_be_attached()
        alice.go("/account")
        alice.page.locator("button[popovertarget=user-menu]").click()
        alice.page.get_by_role("button", name="Sign out", exact=True).click()
        alice.see("Sign in")
        alice.told("You are signed out, here and at your company.")
        alice.fill(email="alice@acme.test")
        alice.button("Continue").click()
        expect(alice.page.locator("input[name=password]")).to_be_visible()
        alice.refused.clear()
    with visitor(chromium, portal, color_scheme="dark", with_script=False) as owner:
        owner.go("/signin/owner")
        owner.see("Sign in as an owner")
        owner.fill(email="owner@acme.test", password=browser.PASSWORD)
        owner.press("Sign in", "Your organizations")
    with visitor(chromium, portal, color_scheme="dark", viewport={"width": 1280, "height": 900}) as owner:
        browser.enter(owner, "owner@acme.test")
        owner.go("/orgs/acme/settings/sso")
        owner.see("Single sign-on")
        owner.press("company", "company")
        owner.go("/orgs/acme/settings/sso/log")
        owner.see("Sign-in log")
