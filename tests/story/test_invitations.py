"""Invitations in a browser: "Upload CSV" in each of its three places, the sending as it is seen and heard, and an invitation's link."""

import csv
import io
import re
from collections import Counter

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.support.api_client import ApiClient
from tests.support.browser import PASSWORD, Keyboard, Visitor, enter, visitor
from tests.support.mailbox import link_in

WIDE = {"width": 1440, "height": 900}
# Windows change their size and colours here, and a transition of what is folded away would never end.
STILL = {"viewport": WIDE, "reduced_motion": "reduce"}
NARROW = {"width": 320, "height": 800}
OWNER, ADMIN = "olga@office.test", "root@office.test"
SCRIPT = pytest.mark.parametrize("with_script", [True, False], ids=["javascript", "without"])
BILLING = {"line1": "1 MG Road", "city": "Bengaluru", "postal_code": "560001", "state_code": "Karnataka (29)"}
# No header says where the addresses are, and every row is of another kind.
STAFF = """Mitarbeiter;Kontakt;Funktion
Zoë Rao;zoe@{0};
Dev Menon;dev@{0};Boss
Esha Gupta;esha@{0};Learner
Zoë once more;ZOE@{0};
Bharat Singh;bharat at {0};
Chitra Iyer;;
Olga Owner;{1};
Farid Khan;farid@{0};
Gita Nair;gita@{0};Owner
"""
VERDICTS = {
    "New": "2 4 9",
    "Duplicate in the file": "5",
    "Already a member": "8",
    "Invalid e-mail": "6",
    "Missing e-mail": "7",
    "Unknown role": "3",
    "Role not allowed": "10",
}
MANY = 600  # so many that each quarter of them takes longer than the page waits between its looks
QUARTERS = [*(f"{quarter} % of the invitations are sent." for quarter in (0, 25, 50, 75)), "All invitations are on their way."]
# Every change of the live region counts, also one that says the same again; a new page's region counts when it says something.
LISTEN = """
new MutationObserver((changes) => {
  for (const { target, addedNodes } of changes) {
    if ([...addedNodes].some((node) => node.id === 'import-state')) looked();
    const region = document.getElementById('import-said');
    const isNew = [...addedNodes].some((node) => node.contains?.(region));
    if (region?.textContent && (isNew || region.contains(target))) heard(region.textContent);
  }
}).observe(document, { subtree: true, childList: true, characterData: true });
"""


@pytest.fixture(scope="module")
def office(portal):
    """A portal with somebody who owns every organization of this module, and an admin of the platform."""
    portal.clock.write_text("2026-11-12T09:00:00Z")
    signed_up(portal, OWNER, name="Olga Owner")
    portal.flask("users", "create", ADMIN, "--name", "Root", "--password", PASSWORD, "--platform-role", "ADMIN")
    return portal


def signed_up(portal, address: str, *, name: str) -> None:
    """Somebody makes an account over the API."""
    ApiClient(portal.url).post("/api/auth/signup", {"email": address, "name": name, "password": PASSWORD})


def client(portal, address: str) -> ApiClient:
    """Somebody's API client."""
    api = ApiClient(portal.url)
    api.sign_in(address, PASSWORD)
    return api


def opened(portal, name: str) -> str:
    """Olga opens an organization over the API; returns its id."""
    body = {"name": name, "kind": "BUYER", "billingEmail": OWNER}
    return client(portal, OWNER).post("/api/organizations", body)["organization"]["id"]


def mailed(portal, domain: str) -> Counter[str]:
    """How many mails went to each address of a domain."""
    heads = (path.read_bytes().partition(b"\r\n\r\n")[0].decode() for path in portal.home.glob("mail/*.eml"))
    to = (line.removeprefix("To: ") for head in heads for line in head.splitlines() if line.startswith("To: "))
    return Counter(address for address in to if address.endswith(f"@{domain}"))


def once(domain: str, *names: str) -> Counter[str]:
    """One mail for each of these people."""
    return Counter(f"{name}@{domain}" for name in names)


def all_of(domain: str) -> Counter[str]:
    """One mail for each of the file's people who are invited in the end."""
    return once(domain, "zoe", "dev", "esha", "bharat", "chitra", "gita")


def csv_file(text: str, *, name: str = "staff.csv", encoding: str = "windows-1252") -> dict:
    return {"name": name, "mimeType": "text/csv", "buffer": text.encode(encoding)}


def row(page: Page, line: int) -> Locator:
    """A row of the preview by the file's own line."""
    return page.locator("#rows tbody tr").filter(has=page.get_by_role("rowheader", name=str(line), exact=True))


def everywhere(guest: Visitor, name: str) -> None:
    """Looks at a page in the dark and in a narrow window, too; ``see`` has looked at it wide and light."""
    if not guest.with_script:
        return
    guest.page.emulate_media(color_scheme="dark")
    guest.look(name, rules=("color-contrast",))
    guest.page.emulate_media(color_scheme="light")
    guest.page.set_viewport_size(NARROW)
    guest.look(name)
    guest.page.set_viewport_size(WIDE)


def decide_everything(guest: Visitor, *, domain: str, check: str, verb: str, is_first: bool = True) -> None:
    """From a file that was just uploaded to one that can be confirmed: columns, verdicts, roles, a row mended, a row left out."""
    page = guest.page
    card = page.locator("#mapping")
    expect(card.locator("#column-email option")).to_have_count(4)
    expect(card.locator("#column-email option").nth(2)).to_have_text(f"Kontakt: zoe@{domain}, dev@{domain}, esha@{domain}")
    if is_first:
        everywhere(guest, f"{check} (mapping)")
    for column, label in (("email", "Kontakt"), ("name", "Mitarbeiter"), ("role", "Funktion")):
        card.locator(f"#column-{column}").select_option(str(["Mitarbeiter", "Kontakt", "Funktion"].index(label)))
    guest.press("Check the rows", check)
    expect(page.get_by_text("Windows-1252 · semicolon · header on line 1")).to_be_visible()
    expect(row(page, 2)).to_contain_text("Zoë Rao")
    expect(row(page, 5)).to_contain_text("This address stands in line 2 already.")

    for verdict, lines in VERDICTS.items():
        page.get_by_role("link", name=f"{verdict} {len(lines.split())}", exact=True).click()
        expect(page.locator("#rows tbody th")).to_have_text(lines.split())
        expect(page.locator("#rows [aria-current]")).to_contain_text(verdict)
    page.get_by_role("link", name="All 9", exact=True).click()
    expect(page.locator("#rows tbody th")).to_have_count(9)
    if is_first:
        everywhere(guest, f"{check} (verdicts)")

    page.get_by_label("Boss", exact=True).select_option(label="Admin")
    guest.press("Use these roles", check)
    expect(row(page, 3)).to_contain_text("Admin")
    expect(page.locator("#unknown-roles")).to_have_count(0)
    row(page, 6).get_by_role("button", name="Mend line 6").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_label("E-mail")).to_have_value(f"bharat at {domain}")
    guest.look(f"{check} (mending)")
    dialog.get_by_label("E-mail").fill(f"bharat@{domain}")
    dialog.get_by_role("button", name="Save this row").click()
    expect(row(page, 6)).to_contain_text("Mended here.")
    row(page, 9).get_by_role("button", name="Leave out: line 9").click()
    expect(row(page, 9)).to_have_count(0)
    page.get_by_role("link", name="Left out 1", exact=True).click()
    expect(page.locator("#rows tbody th")).to_have_text(["9"])
    page.get_by_role("link", name="All 8", exact=True).click()
    expect(guest.button(f"{verb} 4 {'invitations' if verb == 'Send' else 'people'}")).to_be_visible()


def mended_refusals(guest: Visitor, *, domain: str) -> dict:
    """Downloads the refused rows, mends two of the four as a spreadsheet does, and returns the file."""
    with guest.page.expect_download() as waiting:
        guest.page.get_by_role("link", name="Download the 4 refused rows").click()
    text = waiting.value.path().read_text(encoding="utf-8-sig")
    refused = list(csv.DictReader(io.StringIO(text)))
    assert list(refused[0]) == ["Mitarbeiter", "Kontakt", "Funktion", "line", "error_code", "error_reason"]
    reasons = {int(each["line"]): each["error_code"] for each in refused}
    assert reasons == {5: "DUPLICATE_IN_FILE", 7: "MISSING_EMAIL", 8: "ALREADY_MEMBER", 10: "ROLE_NOT_ALLOWED"}
    by_line = {int(each["line"]): each for each in refused}
    by_line[7]["Kontakt"], by_line[10]["Funktion"] = f"chitra@{domain}", "Manager"
    held = io.StringIO()
    writer = csv.DictWriter(held, list(refused[0]))
    writer.writeheader()
    writer.writerows(refused)
    return csv_file("\ufeff" + held.getvalue(), name="mended.csv", encoding="utf-8")


def wait_until_sent(guest: Visitor, number: int) -> None:
    """The page tells it by itself, or without JavaScript when it is asked again."""
    done = guest.page.get_by_text(f"{number} invitations went out.")
    if not guest.with_script:

        def asked() -> bool:
            again = guest.page.get_by_role("link", name="Look again")
            if again.count():
                again.click()
            return bool(done.count())

        guest.portal.until(asked, f"{number} invitations to be sent")
    expect(done).to_be_visible(timeout=60_000)


@SCRIPT
def test_a_file_on_the_invitations_page(chromium, office, with_script):
    name, domain = ("Acme", "acme.test") if with_script else ("Beta", "beta.test")
    opened(office, name)
    with visitor(chromium, office, with_script=with_script, **STILL) as olga:
        page = olga.page
        enter(olga, OWNER)
        olga.go(f"/orgs/{name.lower()}/invitations")
        olga.see("Invitations")
        page.set_input_files("#f-file", csv_file(STAFF.format(domain, OWNER)))
        olga.press("Upload CSV", "Check the file")
        decide_everything(olga, domain=domain, check="Check the file", verb="Send")

        olga.press("Back to the invitations", "Invitations")
        expect(page.get_by_role("link", name="Pending 0", exact=True)).to_be_visible()
        expect(page.locator("#uploads tbody tr")).to_contain_text(["Not confirmed"])
        everywhere(olga, "Invitations")
        assert not mailed(office, domain)
        olga.press("staff.csv", "Check the file")
        olga.press("Send 4 invitations", "Check the file")
        olga.press("Back to the invitations", "Invitations")
        olga.press("staff.csv", "Check the file")
        wait_until_sent(olga, 4)
        assert mailed(office, domain) == once(domain, "zoe", "dev", "esha", "bharat")

        olga.go(f"/orgs/{name.lower()}/invitations")
        expect(page.get_by_role("link", name="Pending 4", exact=True)).to_be_visible()
        olga.press("staff.csv", "Check the file")
        expect(page.get_by_text("4 invitations went out.")).to_be_visible()
        expect(page.locator("#rows tbody tr td:last-child")).to_have_text([*["Sent"] * 3, "—", "Sent", "—", "—", "—"])
        everywhere(olga, "Check the file (result)")
        mended = mended_refusals(olga, domain=domain)

        olga.press("Back to the invitations", "Invitations")
        page.set_input_files("#f-file", mended)
        olga.press("Upload CSV", "Check the file")
        expect(page.locator("#mapping")).to_have_count(0)
        olga.press("Send 2 invitations", "Check the file")
        wait_until_sent(olga, 2)
        assert mailed(office, domain) == all_of(domain)

        olga.press("Back to the invitations", "Invitations")
        page.set_input_files("#f-file", mended)
        olga.press("Upload CSV", "Check the file")
        expect(page.get_by_text("No row of this file is new, so there is nothing to send.")).to_be_visible()
        expect(page.get_by_role("button", name=re.compile(r"^Send \d"))).to_have_count(0)
    assert mailed(office, domain) == all_of(domain)
    [mail] = office.mails(f"dev@{domain}")
    for body in ("plain", "html"):
        words = " ".join(mail.get_body((body,)).get_content().split())
        for expected in ("Olga Owner", name, "Admin", "26 Nov 2026"):
            assert expected in words
    assert link_in(mail, base_url=office.url).startswith("/organizations/invite/")


def begin_setup(guest: Visitor, name: str) -> None:
    """Walks the wizard to its invite step."""
    guest.go("/orgs/new")
    guest.fill(name=name)
    guest.press("Save and continue", f"Set up {name}: billing & seats")
    to_invite_step(guest, name)


def to_invite_step(guest: Visitor, name: str) -> None:
    guest.fill(**BILLING)
    guest.press("Save and continue", f"Set up {name}: branding")
    guest.press("Save and continue", f"Set up {name}: invite team")


def stage_everyone(guest: Visitor, *, name: str, domain: str, is_first: bool = True) -> None:
    """From an uploaded file in a setup to six people in it: four of the file, two of its refused rows."""
    page, check = guest.page, f"Set up {name}: check the file"
    decide_everything(guest, domain=domain, check=check, verb="Add", is_first=is_first)
    guest.go("/orgs")
    page.go_back()
    guest.see(check)
    mended = mended_refusals(guest, domain=domain)
    guest.press("Add 4 people", f"Set up {name}: invite team")
    expect(page.locator("#staged tbody th")).to_have_text([f"{who}@{domain}" for who in ("bharat", "dev", "esha", "zoe")])
    page.set_input_files("#f-file", mended)
    guest.press("Upload CSV", check)
    expect(page.locator("#mapping")).to_have_count(0)
    guest.press("Add 2 people", f"Set up {name}: invite team")
    expect(page.locator("#staged tbody th")).to_have_count(6)
    expect(page.locator("#staged tbody tr").filter(has_text=f"dev@{domain}")).to_contain_text("Dev Menon Admin")
    if is_first:
        everywhere(guest, f"Set up {name}: invite team")
    assert not mailed(guest.portal, domain)


def launch(guest: Visitor, *, name: str, domain: str) -> None:
    """Launches; only now the mails go."""
    guest.press("Continue to the review", f"Set up {name}: review")
    expect(guest.page.get_by_text("6 people are invited")).to_be_visible()
    assert not mailed(guest.portal, domain)
    guest.press(f"Launch {name}", name)
    guest.portal.until(lambda: mailed(guest.portal, domain) >= all_of(domain), "the mails of the launch")


@SCRIPT
def test_a_file_in_the_wizard(chromium, office, with_script):
    name, domain = ("Gamma", "gamma.test") if with_script else ("Delta", "delta.test")
    with visitor(chromium, office, with_script=with_script, **STILL) as olga:
        enter(olga, OWNER)
        begin_setup(olga, name)
        olga.page.set_input_files("#f-file", csv_file(STAFF.format(domain, OWNER)))
        olga.press("Upload CSV", f"Set up {name}: check the file")
        stage_everyone(olga, name=name, domain=domain)
        launch(olga, name=name, domain=domain)
    assert mailed(office, domain) == all_of(domain)


@SCRIPT
def test_a_file_in_onboarding(chromium, office, with_script):
    name, domain = ("Epsilon", "epsilon.test") if with_script else ("Zeta", "zeta.test")
    owner = f"owner-of-{name.lower()}@office.test"
    signed_up(office, owner, name="Noor New")
    with visitor(chromium, office, with_script=with_script, **STILL) as noor:
        enter(noor, owner)
        noor.go("/welcome")
        noor.see("Welcome, Noor New")
        everywhere(noor, "Welcome")
        noor.fill(name=name)
        noor.page.set_input_files("#f-file", csv_file(STAFF.format(domain, owner)))
        noor.press("Upload CSV", f"Set up {name}: check the file")
        stage_everyone(noor, name=name, domain=domain, is_first=False)  # the pages are the wizard's
        noor.go(noor.page.url.replace("/invite", "/billing"))
        to_invite_step(noor, name)
        launch(noor, name=name, domain=domain)
    assert mailed(office, domain) == all_of(domain)


def test_a_long_sending_is_seen_live_and_heard_at_quarters(chromium, office):
    opened(office, "Crowd")
    people = "".join(f"Somebody,person{number:03}@crowd.test\n" for number in range(MANY))
    heard: list[str] = []
    looks: list[bool] = []
    with visitor(chromium, office, **STILL) as olga:
        page = olga.page
        page.expose_function("heard", lambda words: heard.append(words))  # noqa: PLW0108 - playwright can't wrap a built-in method
        page.expose_function("looked", lambda: looks.append(True))
        page.add_init_script(LISTEN)
        enter(olga, OWNER)
        olga.go("/orgs/crowd/invitations")
        page.set_input_files("#f-file", csv_file(f"Name,Email\n{people}"))
        olga.button("Upload CSV").click()
        olga.button(f"Send {MANY} invitations").click()
        expect(page.locator("#sending progress")).to_have_attribute("max", str(MANY))
        wait_until_sent(olga, MANY)
    assert heard == QUARTERS
    assert len(looks) > len(heard)
    assert mailed(office, "crowd.test") == once("crowd.test", *(f"person{number:03}" for number in range(MANY)))


def test_a_file_by_keyboard_alone(chromium, office):
    opened(office, "Keys")
    with visitor(chromium, office, **STILL) as olga:
        enter(olga, OWNER)
        keys = Keyboard(olga)
        olga.go("/orgs/keys/invitations")
        keys.to("Skip to the content")
        keys.press("Enter")
        keys.to("file")
        with olga.page.expect_file_chooser() as chooser:
            keys.press("Space")
        chooser.value.set_files(csv_file("Name,Email\nDev,dev at keys.test\nAsha,asha@keys.test\nEsha,esha@keys.test\n"))
        keys.to("Upload CSV")
        keys.press("Enter")
        keys.arrive("Check the file")
        keys.to("Mend line 2")
        keys.press("Enter")
        expect(olga.page.get_by_role("dialog")).to_be_visible()
        keys.type(email="dev@keys.test")
        keys.press("Enter")
        keys.arrive("Check the file")
        expect(row(olga.page, 2)).to_contain_text("Mended here.")
        keys.to("Leave out: line 4")
        keys.press("Space")
        expect(row(olga.page, 4)).to_have_count(0)
        expect(olga.page.locator("#import-state")).to_be_focused()
        keys.to("Send 2 invitations")
        keys.press("Enter")
        keys.arrive("Check the file")
        wait_until_sent(olga, 2)
    assert mailed(office, "keys.test") == once("keys.test", "dev", "asha")


def join_link(portal, organization_id: str, address: str, *, role: str = "ORG_LEARNER") -> str:
    """Olga invites somebody over the API; returns the path of the link."""
    made = client(portal, OWNER).post(f"/api/organizations/{organization_id}/invitations", {"email": address, "role": role})
    return f"/organizations/invite/{made['invitation']['token']}"


def over(guest: Visitor, link: str, sentence: str) -> None:
    """An invitation that can't be accepted says why, and offers nothing to press."""
    guest.go(link)
    guest.see("This invitation is over")
    expect(guest.page.get_by_role("main")).to_contain_text(sentence)
    expect(guest.page.get_by_role("main").get_by_role("button")).to_have_count(0)


def in_list(page: Page, address: str) -> Locator:
    """An invitation's row on the invitations page."""
    return page.locator("#invitation-list tbody tr").filter(has_text=address)


@SCRIPT
def test_one_invitation_is_resent_and_taken_back(chromium, office, with_script):
    name, domain = ("Theta", "theta.test") if with_script else ("Iota", "iota.test")
    opened(office, name)
    asha, dev = f"asha@{domain}", f"dev@{domain}"
    with visitor(chromium, office, with_script=with_script, **STILL) as olga, visitor(chromium, office, refused=(404,), **STILL) as guest:
        page = olga.page
        enter(olga, OWNER)
        olga.go(f"/orgs/{name.lower()}/invitations")
        olga.fill(people=f"Asha Rao <{asha}>\n{dev}", role="Manager")
        olga.press("Send invitations", "Invitations")
        olga.told("2 invitations are on the way.")
        first = office.link(asha, "/organizations/invite/")
        held = office.link(dev, "/organizations/invite/")
        page.reload()
        expect(in_list(page, asha)).to_contain_text("Asha Rao")
        expect(in_list(page, asha).locator(".pill")).to_have_text("Sent")

        in_list(page, asha).get_by_role("button", name="Resend").click()
        olga.told(f"A new link is on the way to {asha}. The old one ends.")
        office.until(lambda: mailed(office, domain)[asha] > 1, "the second mail")
        texts = [mail.get_body(("plain",)).get_content() for mail in office.mails(asha)]
        [newer] = [text for text in texts if first not in text]
        guest.go(first)
        guest.see("There is no such page")
        guest.go(next(word for word in newer.split() if "/organizations/invite/" in word))
        guest.see(f"Join {name}")

        in_list(page, dev).get_by_role("button", name="Take back").click()
        olga.told(f"The invitation of {dev} was taken back.")
        expect(in_list(page, dev)).to_have_count(0)
        expect(page.get_by_role("link", name="Pending 1", exact=True)).to_be_visible()
        page.get_by_role("link", name="Revoked 1", exact=True).click()
        expect(in_list(page, dev)).to_be_visible()
        olga.see("Invitations")
        over(guest, held, f"The invitation to {name} was taken back. Ask Olga Owner ({OWNER})")
    assert mailed(office, domain) == {asha: 2, dev: 1}


@SCRIPT
def test_an_invitation_leads_into_the_organization(chromium, office, with_script):
    name, domain = ("Kappa", "kappa.test") if with_script else ("Lambda", "lambda.test")
    organization_id = opened(office, name)
    asha, dev, esha = (f"{who}@{domain}" for who in ("asha", "dev", "esha"))
    to_asha, to_dev, to_esha = (join_link(office, organization_id, address) for address in (asha, dev, esha))
    for address in (dev, esha):
        signed_up(office, address, name=address.partition("@")[0].title())

    with visitor(chromium, office, with_script=with_script, **STILL) as guest:
        guest.go(to_asha)
        guest.see(f"Join {name}")
        expect(guest.page.get_by_text(f"Olga Owner invites {asha} to join {name} as Learner, until 26 Nov 2026.")).to_be_visible()
        everywhere(guest, "Join")
        guest.press("Create an account", "Create an account")
        expect(guest.page.locator("#f-email")).to_have_value(asha)
        guest.fill(name="Asha Rao", password=PASSWORD)
        guest.press("Create account", f"Join {name}")
        guest.press(f"Join {name}", name)
        guest.told(f"Welcome to {name}.")
        over(guest, to_asha, f"The invitation to {name} was accepted already.")

    with visitor(chromium, office, with_script=with_script, **STILL) as guest:
        guest.go(to_dev)
        guest.press("Sign in", "Sign in")
        expect(guest.page.locator("#f-email")).to_have_value(dev)
        guest.press("Continue", "Enter your password")
        guest.fill(password=PASSWORD)
        guest.press("Sign in", f"Join {name}")
        guest.go(to_esha)
        guest.see(f"Join {name}")
        expect(guest.page.get_by_text(f"You are signed in as {dev}, but the invitation is for {esha}.")).to_be_visible()
        expect(guest.page.get_by_role("button", name=f"Join {name}")).to_have_count(0)
        everywhere(guest, "Join (another account)")
        guest.press("Sign out", "Sign in")
        enter(guest, esha)
        guest.go(to_esha)
        guest.press(f"Join {name}", name)


def test_invitations_that_are_over(chromium, office):
    organization_id = opened(office, "Sigma")
    to_asha = join_link(office, organization_id, "asha@sigma.test")
    with visitor(chromium, office, **STILL) as olga, visitor(chromium, office, refused=(404,), **STILL) as guest:
        guest.go("/organizations/invite/" + "x" * 43)
        guest.see("There is no such page")
        expect(guest.page.get_by_text("This invitation is not one of ours.")).to_be_visible()
        admin = client(office, ADMIN)
        admin.post(f"/api/admin/organizations/{organization_id}/verify", {"action": "SUSPEND", "reason": "Unpaid"})
        guest.go(to_asha)
        expect(guest.page.get_by_role("main")).to_contain_text("Sigma takes no new members at the moment.")
        expect(guest.page.get_by_role("main").get_by_role("button")).to_have_count(0)
        guest.look("Closed")
        admin.post(f"/api/admin/organizations/{organization_id}/verify", {"action": "REACTIVATE"})
        guest.go(to_asha)
        guest.see("Join Sigma")

        office.clock.write_text("2026-11-26T09:00:01Z")
        over(guest, to_asha, f"The invitation to Sigma has expired. Ask Olga Owner ({OWNER}) to send it again.")
        everywhere(guest, "This invitation is over (expired)")
        office.flask("jobs", "run", "invites-expire", "--wait")
        over(guest, to_asha, "The invitation to Sigma has expired.")
        enter(olga, OWNER)
        olga.go("/orgs/sigma/invitations")
        olga.page.get_by_role("link", name="Expired 1", exact=True).click()
        in_list(olga.page, "asha@sigma.test").get_by_role("button", name="Resend").click()
        olga.told("A new link is on the way to asha@sigma.test.")
        office.until(lambda: mailed(office, "sigma.test")["asha@sigma.test"] > 1, "the second mail")
        texts = [mail.get_body(("plain",)).get_content() for mail in office.mails("asha@sigma.test")]
        [newer] = [text for text in texts if to_asha not in text]
        guest.go(next(word for word in newer.split() if "/organizations/invite/" in word))
        guest.see("Join Sigma")
        expect(guest.page.get_by_text("until 10 Dec 2026")).to_be_visible()
