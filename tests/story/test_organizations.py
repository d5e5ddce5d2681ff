"""Organizations in a browser: branding, members, a conflict, the danger zone, the platform's side, and narrow windows."""

import io

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from portal.demo import PASSWORD
from tests.support.browser import enter, visitor

WIDE = {"width": 1440, "height": 900}
NARROW = {"width": 320, "height": 800}
MAROON, MAROON_RGB = "#8f1d25", "rgb(143, 29, 37)"


@pytest.fixture(scope="module")
def demo(portal):
    """The demo's three organizations, each with an owner and four learners."""
    portal.clock.write_text("2026-11-23T09:00:00Z")
    portal.flask("demo", "load", "--force")
    return portal


def member(page: Page, address: str):
    """Somebody's row in the list."""
    return page.locator("#member-list tbody tr").filter(has_text=address)


def status(page: Page, address: str):
    """The pill in somebody's row."""
    return member(page, address).locator(".pill")


def picture(name: str, content: bytes) -> dict:
    return {"name": name, "mimeType": "image/png", "buffer": content}


def png(*, width: int, height: int) -> bytes:
    held = io.BytesIO()
    Image.new("RGB", (width, height), MAROON).save(held, "PNG")
    return held.getvalue()


def make_admin(chromium, portal, *, owner: str, address: str, slug: str) -> None:
    """The owner makes a learner an admin."""
    with visitor(chromium, portal, with_script=False) as guest:
        enter(guest, owner, password=PASSWORD)
        guest.go(f"/orgs/{slug}/members")
        row = member(guest.page, address)
        row.locator("select[name=role]").select_option(label="Admin")
        row.get_by_role("button", name="Save").click()
        expect(row.locator("select[name=role]")).to_have_value("ORG_ADMIN")


def test_branding_is_previewed_checked_and_shown(chromium, demo):
    with visitor(chromium, demo, refused=(422, 422), viewport=WIDE) as owner:
        enter(owner, "owner@nilgiri.example", password=PASSWORD)
        owner.go("/orgs/nilgiri-foods/settings/branding")
        owner.see("Branding")
        owner.page.set_input_files("#f-logo", picture("logo.png", b"<svg xmlns='http://www.w3.org/2000/svg'><script>1</script></svg>"))
        owner.button("Upload logo").click()
        expect(owner.page.locator("#f-logo-error")).to_contain_text("no PNG, JPEG or WebP picture")
        owner.see("Branding")
        owner.page.set_input_files("#f-logo", picture("logo.png", png(width=300, height=300)))
        owner.button("Upload logo").click()
        owner.told("Logo: the new picture is in place.")

        head = owner.page.locator("#brand-preview .brand-head")
        owner.fill(primary_color=MAROON, secondary_color="#0f6b3c")
        owner.button("Preview").click()
        expect(head).to_have_css("background-color", MAROON_RGB)
        owner.see("Branding")
        owner.page.reload()
        expect(owner.page.locator("#f-primary_color")).to_have_value("")
        expect(head).not_to_have_css("background-color", MAROON_RGB)

        owner.fill(primary_color="#ffff99")
        owner.button("Save the colours").click()
        expect(owner.page.locator("#f-primary_color-error")).to_contain_text("too pale")
        expect(owner.page.locator("#error-summary")).to_be_focused()
        owner.see("Branding")
        owner.fill(primary_color=MAROON)
        owner.button("Save the colours").click()
        owner.told("Colours: your changes are saved.")
        owner.press("Home", "Nilgiri Foods")
        expect(owner.page.locator(".side")).to_have_css("border-top-color", MAROON_RGB)
        logo = owner.page.locator(".switcher img")
        assert logo.evaluate("image => image.decode().then(() => image.naturalWidth)") == 300


def test_members_are_changed_in_place(chromium, demo):
    with visitor(chromium, demo, viewport=WIDE) as owner:
        page = owner.page
        enter(owner, "owner@kaveri.example", password=PASSWORD)
        owner.go("/orgs/kaveri-hospitals/members")
        owner.see("Members")
        page.locator("#member-list").evaluate("list => { list.isOld = true; }")
        member(page, "dev@kaveri").locator("select").select_option(label="Manager")
        owner.told("Dev Menon is Manager now.")
        assert not page.locator("#member-list").evaluate("list => Boolean(list.isOld)")
        expect(member(page, "dev@kaveri").locator("select")).to_have_value("ORG_MANAGER")

        member(page, "dev@kaveri").get_by_role("button", name="Suspend").click()
        expect(status(page, "dev@kaveri")).to_have_text("Suspended")
        member(page, "dev@kaveri").get_by_role("button", name="Make").click()
        expect(status(page, "dev@kaveri")).to_have_text("Active")
        member(page, "dev@kaveri").get_by_role("button", name="Remove").click()
        owner.told("Dev Menon was removed.")
        expect(member(page, "dev@kaveri")).to_have_count(0)

        member(page, "owner@kaveri").get_by_role("checkbox").check()
        member(page, "chitra@kaveri").get_by_role("checkbox").check()
        page.locator("#f-act").select_option(label="Suspend")
        page.get_by_role("button", name="Do it").click()
        owner.told("1 member was changed. Not Bharat Singh: Cannot remove the last organization owner.")
        expect(status(page, "chitra@kaveri")).to_have_text("Suspended")
        expect(status(page, "owner@kaveri")).to_have_text("Active")
        owner.see("Members")

        page.locator("#f-q").press_sequentially("chi")
        expect(page.locator("#member-list tbody tr")).to_have_count(1)
        assert "q=chi" in page.url
        expect(page.locator("#f-q")).to_be_focused()
        expect(page.locator("#f-q")).to_have_value("chi")
        page.locator("#f-q").fill("")
        page.locator("#f-status-filter").select_option(label="Removed")
        expect(status(page, "dev@kaveri")).to_have_text("Removed")
        owner.see("Members")
        member(page, "dev@kaveri").get_by_role("button", name="again").click()
        owner.told("Dev Menon is active again.")
        expect(page.get_by_text("Nobody found")).to_be_visible()
        page.locator("#f-status-filter").select_option(label="Present members")
        expect(status(page, "dev@kaveri")).to_have_text("Active")


def test_members_are_changed_without_javascript(chromium, demo):
    with visitor(chromium, demo, with_script=False, refused=(422,)) as owner:
        page = owner.page
        enter(owner, "owner@acme.example", password=PASSWORD)
        owner.go("/orgs/acme-learning/members")
        member(page, "esha@acme").wait_for(state="detached")
        row = member(page, "bharat@acme")
        row.locator("select").select_option(label="Manager")
        row.get_by_role("button", name="Save").click()
        owner.told("Bharat Singh is Manager now.")
        row.get_by_role("button", name="Remove").click()
        owner.told("Bharat Singh was removed.")
        expect(row).to_have_count(0)
        page.locator("#f-status-filter").select_option(label="Removed")
        page.get_by_role("button", name="Search").click()
        row.get_by_role("button", name="again").click()
        owner.told("Bharat Singh is active again.")
        owner.go("/orgs/acme-learning/members")
        member(page, "owner@acme").get_by_role("checkbox").check()
        row.get_by_role("checkbox").check()
        page.locator("#f-act").select_option(label="Suspend")
        page.get_by_role("button", name="Do it").click()
        owner.told("1 member was changed.")
        expect(status(page, "bharat@acme")).to_have_text("Suspended")
        member(page, "owner@acme").get_by_role("button", name="Suspend").click()
        expect(page.locator("#error-summary")).to_contain_text("Cannot remove the last organization owner.")
        expect(status(page, "owner@acme")).to_have_text("Active")


def test_two_people_change_the_same_settings(chromium, demo):
    settings = "/orgs/acme-learning/settings"
    make_admin(chromium, demo, owner="owner@acme.example", address="chitra@acme.example", slug="acme-learning")
    with (
        visitor(chromium, demo, viewport=WIDE) as owner,
        visitor(chromium, demo, refused=(422, 422), viewport=WIDE) as admin,
    ):
        enter(owner, "owner@acme.example", password=PASSWORD)
        enter(admin, "chitra@acme.example", password=PASSWORD)

        def both_save(*, first: str, second: str) -> None:
            for guest, words in ((owner, first), (admin, second)):
                guest.go(settings)
                guest.fill(industry=words)
            owner.button("Save the organization").click()
            owner.told("Organization: your changes are saved.")
            admin.button("Save the organization").click()
            expect(admin.page.locator("#conflict")).to_be_focused()
            expect(admin.page.get_by_role("heading", name="Changed by Asha Rao just now")).to_be_visible()
            row = admin.page.locator("#conflict tbody tr")
            expect(row).to_have_count(1)
            expect(row.locator("th, td")).to_have_text(["Industry", second, first])
            expect(admin.page.locator("#f-industry")).to_have_value(second)
            admin.see("Settings")

        both_save(first="Teaching", second="Schooling")
        admin.page.get_by_text("keep theirs", exact=False).last.click()
        expect(admin.page.locator("#conflict")).to_have_count(0)
        expect(admin.page.locator("#f-industry")).to_have_value("Teaching")

        both_save(first="Tutoring", second="Training")
        admin.button("Save the organization").click()
        admin.told("Organization: your changes are saved.")
        owner.page.reload()
        expect(owner.page.locator("#f-industry")).to_have_value("Training")


def test_the_danger_zone_hands_over_and_ends_an_organization(chromium, demo):
    danger = "/orgs/nilgiri-foods/settings/danger"
    with visitor(chromium, demo, refused=(422, 403), viewport=WIDE) as owner:
        enter(owner, "owner@nilgiri.example", password=PASSWORD)
        owner.go(danger)
        owner.see("Danger zone")
        owner.fill(member_id="Asha Rao (Learner)")
        typed = owner.page.locator("#transfer").get_by_label("Type the name")
        typed.fill("nilgiri")
        owner.button("Hand the ownership over").click()
        expect(owner.page.locator("#transfer .field-error")).to_have_text("Type the name exactly as it is: Nilgiri Foods")
        expect(owner.page.locator("#error-summary")).to_be_focused()
        owner.see("Danger zone")
        owner.page.locator("#error-summary a").click()
        expect(typed).to_be_focused()
        typed.fill("Nilgiri Foods")
        owner.button("Hand the ownership over").click()
        owner.told("Asha Rao is the owner of Nilgiri Foods now.")
        owner.press("Settings", "Settings")
        expect(owner.page.get_by_role("link", name="Danger zone")).to_have_count(0)
        owner.go(danger)
        owner.see("You can't open this")

    with visitor(chromium, demo, refused=(422,), viewport=WIDE) as asha:
        enter(asha, "asha@nilgiri.example", password=PASSWORD)
        asha.go(danger)
        name = asha.page.locator("#deactivate").get_by_label("Type the name")
        name.fill("Nilgiri")
        asha.button("Deactivate Nilgiri Foods").click()
        expect(asha.page.locator("#deactivate .field-error")).to_have_text("Type the name exactly as it is: Nilgiri Foods")
        name.fill("Nilgiri Foods")
        asha.button("Deactivate Nilgiri Foods").click()
        asha.told("Nilgiri Foods is deactivated. What was not billed yet comes as a final invoice.")
        asha.see("Welcome, Asha Rao")  # it was her only one
    with visitor(chromium, demo, refused=(403,), viewport=WIDE) as bharat:
        enter(bharat, "bharat@nilgiri.example", password=PASSWORD)
        bharat.go("/orgs/nilgiri-foods/home")
        bharat.see("You can't open this")
        expect(bharat.page.get_by_text("Organization has been deactivated")).to_be_visible()


def test_the_platform_suspends_an_organization_and_lets_it_go_on(chromium, demo):
    demo.flask("users", "create", "root@platform.test", "--name", "Root", "--password", PASSWORD, "--platform-role", "ADMIN")
    with (
        visitor(chromium, demo, viewport=WIDE) as admin,
        visitor(chromium, demo, refused=(409,), viewport=WIDE) as owner,
    ):
        enter(admin, "root@platform.test", password=PASSWORD)
        enter(owner, "owner@kaveri.example", password=PASSWORD)
        admin.go("/admin/organizations")
        admin.see("Organizations on the platform")
        expect(admin.page.get_by_text("Nothing to verify")).to_be_visible()
        owner.go("/orgs/kaveri-hospitals/settings")
        owner.fill(industry="Caring")

        admin.page.get_by_role("link", name="Active").click()
        row = admin.page.locator("#organization-list tbody tr").filter(has_text="Kaveri Hospitals")
        row.get_by_role("button", name="Suspend").first.click()
        dialog = admin.page.get_by_role("dialog")
        dialog.get_by_label("Reason").fill("The invoices of two months are unpaid")
        admin.look("the dialog for a suspension")
        dialog.get_by_role("button", name="Suspend").click()
        admin.told("Kaveri Hospitals is suspended.")
        expect(row).to_have_count(0)

        owner.button("Save the organization").click()
        owner.see("Something else happened first")
        owner.go("/orgs/kaveri-hospitals/home")
        owner.see("Kaveri Hospitals")
        expect(owner.page.get_by_text("is suspended (The invoices of two months are unpaid)")).to_be_visible()

        admin.page.get_by_role("link", name="Suspended").click()
        row.get_by_role("button", name="Reactivate").click()
        admin.told("Kaveri Hospitals is active again.")
        owner.page.reload()
        expect(owner.page.get_by_text("is suspended")).to_have_count(0)


def test_narrow_windows_hold_everything_light_and_dark(chromium, demo):
    with visitor(chromium, demo, viewport=NARROW) as owner:

        def look(heading: str) -> None:
            expect(owner.page.get_by_role("heading", level=1)).to_have_text(heading)
            for scheme, rules in (("light", ()), ("dark", ("color-contrast",))):  # the other rules don't see colours
                owner.page.emulate_media(color_scheme=scheme)
                owner.look(f"{heading} {scheme}", rules=rules)

        enter(owner, "owner@acme.example", password=PASSWORD)
        home = "/orgs/acme-learning"
        pages = {"members": "Members", "learners": "Learners", "invitations": "Invitations", "plans": "Plans", "analytics": "Analytics"}
        tabs = {"": "Settings", "/billing": "Billing settings", "/branding": "Branding", "/danger": "Danger zone", "/audit": "Audit log"}
        for path, heading in (pages | {f"settings{tab}": heading for tab, heading in tabs.items()}).items():
            owner.go(f"{home}/{path}")
            look(heading)
        owner.go(f"{home}/home")
        look("Acme Learning")
        owner.page.get_by_role("button", name="Organization: Acme Learning").click()
        expect(owner.page.get_by_role("link", name="All organizations")).to_be_visible()
        look("Acme Learning")
        owner.page.get_by_role("link", name="New organization").click()
        look("Set up an organization: org info")
        owner.fill(name="A Rather Long Name of a Learning Academy")
        owner.button("Save and continue").click()
        draft = "Set up A Rather Long Name of a Learning Academy: "
        look(f"{draft}billing & seats")
        for step in ("branding", "invite team", "review"):
            owner.go(owner.page.url.rsplit("/", 1)[0] + "/" + step.partition(" ")[0])
            look(draft + step)
