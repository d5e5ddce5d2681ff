"""The whole story on real processes: from signing up to finance's PDF, with JavaScript and without."""

import subprocess
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.support.api_client import ApiClient
from tests.support.browser import PASSWORD, Visitor, sign_in, sign_up, visitor

HR_FILE = (
    '\ufeffEmployee Name;Work Email;Department\r\n"Rao; Asha";asha@{domain};Sales\r\nDev Menon;dev@{domain};IT\r\nBroken;nobody;IT\r\n'
)


def set_up(guest: Visitor, *, domain: str, name: str, tmp_path: Path) -> None:
    """Signs up, verifies the address, and walks the wizard from the first step to the launch."""
    owner = f"owner@{domain}"
    sign_up(guest, owner, name="Olga Owner")
    guest.go(guest.portal.link(owner, "/verify/"))
    guest.see("Confirm your e-mail address")
    guest.press("Confirm this address", "Welcome, Olga Owner")
    guest.go("/orgs/new")
    guest.see("Set up an organization: org info")
    guest.fill(name=name, billing_email=f"finance@{domain}", industry="Education")
    guest.press("Save and continue", f"Set up {name}: billing & seats")
    guest.fill(line1="1 MG Road", city="Bengaluru", postal_code="560001", state_code="Karnataka (29)")
    guest.press("Save and continue", f"Set up {name}: branding")
    guest.press("Save and continue", f"Set up {name}: invite team")
    upload = tmp_path / f"{domain}.csv"
    upload.write_bytes(HR_FILE.format(domain=domain).encode())
    guest.page.set_input_files("#f-file", upload)
    guest.press("Upload CSV", f"Set up {name}: check the file")
    expect(guest.page.get_by_text("UTF-8 · semicolon · header on line 1")).to_be_visible()
    expect(guest.page.get_by_text("nobody", exact=True)).to_be_visible()
    guest.press("Add 2 people", f"Set up {name}: invite team")
    guest.press("Continue to the review", f"Set up {name}: review")
    guest.press(f"Launch {name}", name)


def book_as_invited(guest: Visitor, *, domain: str, name: str) -> None:
    """Opens the mailed invitation, creates the account, accepts, and books two sessions."""
    asha = f"asha@{domain}"
    guest.go(guest.portal.link(asha, "/organizations/invite/"))
    guest.see(f"Join {name}")
    guest.press("Create an account", "Create an account")
    guest.fill(name="Asha Rao", password=PASSWORD)
    guest.press("Create account", f"Join {name}")
    guest.press(f"Join {name}", name)
    for day in ("2026-11-20T10:00", "2026-11-21T11:00"):
        guest.press("Book a session", "Book a session")
        plan = guest.page.locator("#f-plan_id option").nth(1).inner_text()
        expert = guest.page.locator("#f-consultant_id option").filter(has_text=domain).inner_text()
        guest.fill(plan_id=plan, consultant_id=expert, starts_at=day)
        guest.press("Book the session", "Book a session")
        expect(guest.page.get_by_role("status").filter(has_text="is booked")).to_be_visible()
        guest.go(f"/orgs/{name.lower()}/home")


def add_plan(guest: Visitor, *, name: str) -> None:
    """Adds what can be booked."""
    guest.press("Plans", "Plans")
    guest.fill(title="Career coaching", price="1,500.00")
    guest.press("Add the plan", "Plans")
    expect(guest.page.get_by_role("cell", name="1,500.00")).to_be_visible()
    guest.go(f"/orgs/{name.lower()}/home")


def make_consultant(portal, domain: str) -> None:
    """A consultant, verified by a platform admin; both over the API."""
    expert, admin = f"expert@{domain}", f"admin@{domain}"
    portal.flask("users", "create", expert, "--name", f"Meera of {domain}", "--password", PASSWORD)
    portal.flask("users", "create", admin, "--name", "Admin", "--password", PASSWORD, "--platform-role", "ADMIN")
    api = ApiClient(portal.url)
    api.sign_in(expert, PASSWORD)
    user_id = api.post("/api/consultants/profile", {"headline": "Coach"})["consultant"]["userId"]
    api = ApiClient(portal.url)
    api.sign_in(admin, PASSWORD)
    api.post(f"/api/admin/consultants/{user_id}/verify", {})


def download(guest: Visitor, path: Path) -> str:
    """Downloads the PDF of the only invoice and returns its words."""
    with guest.page.expect_download() as waiting:
        guest.page.get_by_role("link", name="Download PDF of").click()
    waiting.value.save_as(path)
    return subprocess.run(["pdftotext", "-layout", str(path), "-"], check=True, capture_output=True, text=True).stdout


def test_the_story_with_javascript(chromium, portal, tmp_path):
    portal.clock.write_text("2026-11-12T09:00:00Z")
    make_consultant(portal, "acme.test")
    with visitor(chromium, portal, with_script=True, viewport={"width": 1440, "height": 900}) as owner:
        set_up(owner, domain="acme.test", name="Acme", tmp_path=tmp_path)
        add_plan(owner, name="Acme")
    with visitor(chromium, portal, with_script=True, viewport={"width": 320, "height": 800}) as learner:
        book_as_invited(learner, domain="acme.test", name="Acme")

    portal.clock.write_text("2026-12-01T00:05:00Z")
    mail = portal.until(lambda: portal.mails("finance@acme.test"), "the scheduler, the run and the mail with the invoice", seconds=120)[0]
    assert [part.get_filename() for part in mail.iter_attachments()] == ["PF-26-27-0000001.pdf"]

    with visitor(chromium, portal, with_script=True, color_scheme="dark", viewport={"width": 1440, "height": 900}) as owner:
        sign_in(owner, "owner@acme.test")
        owner.press("Open Acme", "Acme")
        owner.press("Billing", "Billing")
        words = download(owner, tmp_path / "invoice.pdf")
        for expected in ("PF/26-27/0000001", "Acme", "3,000.00", "270.00", "3,540.00", "Asha Rao with Meera", "999293"):
            assert expected in words, expected
        owner.press("PF/26-27/0000001", "Invoice PF/26-27/0000001")
        expect(owner.page.get_by_text("₹3,540.00 is due by 31 Dec 2026.")).to_be_visible()
        for page, heading in (("members", "Members"), ("invitations", "Invitations"), ("plans", "Plans"), ("book", "Book a session")):
            owner.go(f"/orgs/acme/{page}")
            owner.see(heading)
        owner.page.set_viewport_size({"width": 320, "height": 800})
        for page, heading in (("billing", "Billing"), ("invitations", "Invitations"), ("home", "Acme")):
            owner.go(f"/orgs/acme/{page}")
            owner.see(heading)


def test_the_form_flows_without_javascript(chromium, portal, tmp_path):
    portal.clock.write_text("2026-11-12T09:00:00Z")
    make_consultant(portal, "beta.test")
    with visitor(chromium, portal, with_script=False) as owner:
        set_up(owner, domain="beta.test", name="Beta", tmp_path=tmp_path)
        add_plan(owner, name="Beta")
        owner.go("/orgs/beta/invitations")
        owner.fill(people="eve@beta.test, not an address")
        owner.press("Send invitations", "Invitations")
        expect(owner.page.get_by_role("heading", name="Please mend these fields.")).to_be_visible()
    with visitor(chromium, portal, with_script=False) as learner:
        book_as_invited(learner, domain="beta.test", name="Beta")
    portal.clock.write_text("2026-11-12T09:05:00Z")
    with visitor(chromium, portal, with_script=False) as owner:
        sign_in(owner, "owner@beta.test")
        owner.go("/orgs/beta/billing")
        owner.page.get_by_role("button", name="Generate invoice now").click()
        owner.press("Issue the invoice", "Billing")
        words = download(owner, tmp_path / "beta.pdf")
        assert "3,540.00" in words
        owner.page.get_by_role("button", name="Olga Owner").click()
        owner.press("Sign out", "Sign in")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_style_guide_passes_axe_at_three_widths(chromium, portal, scheme):
    with visitor(chromium, portal, with_script=True, color_scheme=scheme) as guest:
        for width in (1440, 390, 320):
            guest.page.set_viewport_size({"width": width, "height": 900})
            guest.go("/styleguide")
            guest.look(f"styleguide {scheme} {width}")
        assert guest.wrong == []
