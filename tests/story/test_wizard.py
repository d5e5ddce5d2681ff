"""The wizard in a browser: on two devices, by keyboard alone, with the back button, in two tabs, and without JavaScript."""

from playwright.sync_api import expect

from tests.support.browser import PASSWORD, Keyboard, Visitor, enter, sign_in, sign_up, visitor

WIDE = {"width": 1440, "height": 900}
PHONE = {"width": 390, "height": 800}
BILLING = {"line1": "1 MG Road", "city": "Bengaluru", "postal_code": "560001", "state_code": "Karnataka (29)"}


def csv(tmp_path, name: str, *addresses: str) -> str:
    path = tmp_path / name
    path.write_text("Employee Name,Work Email\n" + "".join(f"Somebody,{address}\n" for address in addresses))
    return str(path)


def set_up_until_review(guest: Visitor, name: str) -> None:
    """Walks the wizard up to its review, with a colour and one person to be invited."""
    guest.go("/orgs/new")
    guest.fill(name=name)
    guest.press("Save and continue", f"Set up {name}: billing & seats")
    guest.fill(**BILLING)
    guest.press("Save and continue", f"Set up {name}: branding")
    guest.fill(primary_color="#0f6b3c")
    guest.press("Save and continue", f"Set up {name}: invite team")
    guest.fill(people=f"asha@{name.lower()}.test")
    guest.button("Add these people").click()
    expect(guest.page.get_by_role("rowheader", name=f"asha@{name.lower()}.test")).to_be_visible()
    guest.press("Continue to the review", f"Set up {name}: review")


def test_a_new_user_begins_on_one_device_and_launches_on_another(chromium, portal, tmp_path):
    invited = [f"{name}@nova.test" for name in ("asha", "dev", "esha", "bharat", "chitra")]
    with visitor(chromium, portal, refused=(422, 422), viewport=WIDE) as nora:
        sign_up(nora, "nora@nova.test", name="Nora New")
        expect(nora.page.locator("#f-role")).to_have_value("ORG_LEARNER")
        nora.fill(name="Nova", industry="Astronomy", size_bucket="1 to 50 people", people="asha@nova.test, nobody")
        nora.button("Save and continue").click()
        expect(nora.page.locator("#error-summary")).to_be_focused()
        expect(nora.page.locator("#f-people-error")).to_contain_text("nobody")
        nora.see("Welcome, Nora New")
        nora.fill(people="asha@nova.test, Dev Menon <dev@nova.test>")
        nora.button("Upload CSV").click()
        expect(nora.page.locator("#f-file-error")).to_have_text("Choose a file first.")
        nora.page.set_input_files("#f-file", csv(tmp_path, "hr.csv", "esha@nova.test", "bharat@nova.test", "asha@nova.test"))
        nora.press("Upload CSV", "Set up Nova: check the file")
        nora.press("Add 2 people", "Set up Nova: invite team")
        nora.page.set_input_files("#f-file", csv(tmp_path, "more.csv", "chitra@nova.test", "dev@nova.test"))
        nora.press("Upload CSV", "Set up Nova: check the file")
        nora.press("Add 1 person", "Set up Nova: invite team")
    assert portal.mails("asha@nova.test") == []

    with visitor(chromium, portal, viewport=PHONE) as elsewhere:
        sign_in(elsewhere, "nora@nova.test")
        elsewhere.press("Resume setup of Nova", "Set up Nova: billing & seats")
        elsewhere.fill(**BILLING)
        elsewhere.press("Save and continue", "Set up Nova: branding")
        elsewhere.press("Save and continue", "Set up Nova: invite team")
        expect(elsewhere.page.locator("#staged tbody th")).to_have_text(sorted(invited))
        elsewhere.press("Continue to the review", "Set up Nova: review")
        expect(elsewhere.page.get_by_text("Astronomy")).to_be_visible()
        expect(elsewhere.page.get_by_text("5 people are invited")).to_be_visible()
        elsewhere.press("Launch Nova", "Nova")
        elsewhere.told("Nova is open.")
    for address in invited:
        assert portal.link(address, "/organizations/invite/")


def test_the_wizard_by_keyboard_alone(chromium, portal):
    portal.flask("users", "create", "kay@keys.test", "--name", "Kay Board", "--password", PASSWORD)
    with visitor(chromium, portal, refused=(422,), viewport=WIDE) as kay:
        enter(kay, "kay@keys.test")
        keys = Keyboard(kay)
        kay.go("/orgs/new")
        keys.to("Skip to the content")
        keys.press("Enter")
        keys.arrive("Set up an organization: org info")
        keys.type(name="Keys", industry="Music")
        keys.press("Enter")

        keys.arrive("Set up Keys: billing & seats")
        contract_end = kay.page.locator("#f-contract_end")
        keys.to("billing_mode")
        keys.press("ArrowDown")
        expect(contract_end).to_be_visible()
        keys.press("ArrowUp")
        expect(contract_end).to_be_hidden()
        keys.type(gstin="29AAPFU0939F1ZX", line1="1 MG Road", city="Bengaluru", postal_code="560001")
        keys.to("Save and continue")
        keys.press("Space")
        expect(kay.page.locator("#error-summary")).to_be_focused()
        kay.look("billing with a mistyped GSTIN")
        keys.press("Tab")
        expect(kay.page.locator("#error-summary a")).to_be_focused()
        keys.press("Enter")
        expect(kay.page.locator("#f-gstin")).to_be_focused()
        keys.press("End")
        keys.press("Backspace")
        keys.press("R")
        keys.press("Enter")

        keys.arrive("Set up Keys: branding")
        keys.type(primary_color="#1f5fd6")
        keys.to("Save and continue")
        keys.press("Space")

        keys.arrive("Set up Keys: invite team")
        keys.type(people="asha@keys.test")
        keys.to("Add these people")
        keys.press("Enter")
        expect(kay.page.get_by_role("rowheader", name="asha@keys.test")).to_be_visible()
        keys.arrive("Set up Keys: invite team")
        keys.to("Continue to the review")
        keys.press("Enter")

        keys.arrive("Set up Keys: review")
        expect(kay.page.get_by_text("29AAPFU0939F1ZR")).to_be_visible()
        keys.to("Launch Keys")
        keys.press("Space")
        keys.arrive("Keys")


def test_going_back_loses_nothing_and_two_launches_are_one(chromium, portal):
    portal.flask("users", "create", "bea@back.test", "--name", "Bea Back", "--password", PASSWORD)
    with visitor(chromium, portal, viewport=WIDE) as bea:
        enter(bea, "bea@back.test")
        set_up_until_review(bea, "Back")
        for heading in ("invite team", "branding", "billing & seats"):
            bea.page.go_back()
            if heading == "invite team":  # the page before the review is there twice: before and after somebody was added
                bea.see(f"Set up Back: {heading}")
                bea.page.go_back()
            bea.see(f"Set up Back: {heading}")
        expect(bea.page.locator("#f-line1")).to_have_value("1 MG Road")
        expect(bea.page.locator("#f-state_code")).to_have_value("29")
        bea.fill(city="Mysuru")
        bea.press("Save and continue", "Set up Back: branding")
        expect(bea.page.locator("#f-primary_color")).to_have_value("#0f6b3c")
        bea.press("Save and continue", "Set up Back: invite team")
        bea.press("Continue to the review", "Set up Back: review")
        expect(bea.page.get_by_text("1 MG Road, Mysuru 560001")).to_be_visible()
        expect(bea.page.get_by_text("1 person is invited")).to_be_visible()

        other_tab = bea.page.context.new_page()
        bea.watch(other_tab)
        other_tab.goto(bea.page.url)
        bea.button("Launch Back").dblclick()
        bea.see("Back")
        expect(bea.page.locator(".side")).to_have_css("border-top-color", "rgb(15, 107, 60)")
        other_tab.get_by_role("button", name="Launch Back").click()
        expect(other_tab.get_by_role("heading", level=1)).to_have_text("Back")
        assert other_tab.url.endswith("/orgs/back/home")
        bea.go("/orgs/back/settings/audit?q=Back")
        expect(bea.page.get_by_text("Organization opened: Back")).to_have_count(1)
    assert portal.link("asha@back.test", "/organizations/invite/")
    assert len(portal.mails("asha@back.test")) == 1


def test_onboarding_wizard_and_settings_without_javascript(chromium, portal, tmp_path):
    with visitor(chromium, portal, with_script=False, refused=(422, 422)) as nils:
        sign_up(nils, "nils@plain.test", name="Nils Plain")
        nils.fill(name="Plain", people="asha@plain.test")
        nils.page.get_by_label("Prepaid licence", exact=True).check()
        nils.press("Save and continue", "Set up Plain: billing & seats")
        expect(nils.page.locator("#f-contract_start")).to_be_visible()
        nils.fill(**BILLING, gstin="29AAPFU0939F1ZX")
        nils.press("Save and continue", "Set up Plain: billing & seats")
        expect(nils.page.locator("#error-summary")).to_contain_text("typing mistake")
        nils.fill(gstin="29AAPFU0939F1ZR", contract_start="2026-11-01", contract_end="2027-10-31")
        nils.press("Save and continue", "Set up Plain: branding")
        nils.press("Save and continue", "Set up Plain: invite team")
        nils.page.set_input_files("#f-file", csv(tmp_path, "plain.csv", "dev@plain.test"))
        nils.press("Upload CSV", "Set up Plain: check the file")
        nils.press("Add 1 person", "Set up Plain: invite team")
        nils.press("Remove asha@plain.test", "Set up Plain: invite team")
        expect(nils.page.locator("#staged tbody th")).to_have_text(["dev@plain.test"])
        nils.press("Continue to the review", "Set up Plain: review")
        nils.press("Launch Plain", "Plain")

        nils.press("Settings", "Settings")
        nils.fill(industry="Weaving", time_zone="Asia/Dubai")
        nils.press("Save the organization", "Settings")
        nils.told("Organization: your changes are saved.")
        expect(nils.page.locator("#f-industry")).to_have_value("Weaving")
        nils.go("/orgs/plain/settings/billing")
        nils.fill(seats_total="25", credit_limit="a lot")
        nils.press("Save payment and seats", "Billing settings")
        expect(nils.page.locator("#f-credit_limit-error")).to_be_visible()
        expect(nils.page.locator("#f-seats_total")).to_have_value("25")
        nils.fill(credit_limit="2,50,000")
        nils.press("Save payment and seats", "Billing settings")
        nils.told("Payment and seats: your changes are saved.")
        nils.go("/orgs/plain/settings/branding")
        nils.fill(primary_color="#8f1d25")
        nils.press("Preview", "Branding")
        assert "csrf_token" not in nils.page.url
        expect(nils.page.locator(".brand-head")).to_have_css("background-color", "rgb(143, 29, 37)")
        nils.go("/orgs/plain/settings/branding")
        expect(nils.page.locator("#f-primary_color")).to_have_value("")
