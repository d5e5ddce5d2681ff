"""Billing in a browser, on real processes: a session is booked, billed, paid online, given back, and its credit used."""

import json

import pytest
from playwright.sync_api import expect

from portal.demo import PASSWORD
from tests.support.browser import Visitor, enter, visitor

WIDE, NARROW = {"width": 1440, "height": 900}, {"width": 320, "height": 800}
OWNER, ADMIN = "owner@acme.example", "admin@portal.example"
BILLING = "/orgs/acme-learning/billing"


@pytest.fixture(scope="module")
def demo(portal):
    """The demo's organizations, some days before the month ends."""
    portal.clock.write_text("2026-11-23T09:00:00Z")
    portal.flask("demo", "load", "--force")
    return portal


def ask(guest: Visitor, path: str) -> dict:
    """What the JSON API says to the one who is signed in."""
    answer = guest.page.context.request.get(f"{guest.portal.url}/api{path}")
    assert answer.ok, answer.text()
    return answer.json()


def billing_of(guest: Visitor, path: str = "") -> dict:
    """Acme's billing over the API."""
    [mine] = [one for one in ask(guest, "/organizations")["items"] if one["slug"] == "acme-learning"]
    return ask(guest, f"/organizations/{mine['id']}/billing{path}")


def rupees(paise: int) -> str:
    """As pages write amounts below a lakh."""
    return f"{paise // 100:,}.{paise % 100:02}"


def book(guest: Visitor, *, starts_at: str) -> None:
    """Books the first plan on the organization."""
    guest.go("/orgs/acme-learning/book")
    guest.see("Book a session")
    plan = guest.page.locator("#f-plan_id option").nth(1).inner_text()
    expert = guest.page.locator("#f-consultant_id option").filter(has_text="Meera").inner_text()
    guest.fill(plan_id=plan, consultant_id=expert, starts_at=starts_at)
    guest.press("Book the session", "Book a session")
    expect(guest.page.get_by_role("status").filter(has_text="is booked")).to_be_visible()


def look_at_both_widths(guest: Visitor, *pages: tuple[str, str]) -> None:
    """Each page at a desk and on a small telephone: axe finds nothing, nothing is cut off."""
    for size in (NARROW, WIDE):
        guest.page.set_viewport_size(size)
        for path, heading in pages:
            guest.go(path)
            guest.see(heading)


def pay_online(guest: Visitor, invoice: dict) -> None:
    """Pays all that is outstanding on the sandbox's page, and waits for its webhook."""
    guest.go(f"{BILLING}/invoices/{invoice['id']}")
    guest.see(f"Invoice {invoice['invoiceNumber']}")
    guest.page.get_by_role("button", name=f"Pay ₹{rupees(invoice['outstanding'])}", exact=True).click()
    guest.look("the dialog of paying")
    guest.page.get_by_role("button", name="Go on to the payment").click()
    guest.see(f"Pay ₹{rupees(invoice['outstanding'])}")
    guest.press("Pay", f"Invoice {invoice['invoiceNumber']}")
    guest.portal.until(lambda: billing_of(guest, f"/invoices/{invoice['id']}")["invoice"]["status"] == "PAID", "the payment to arrive")
    guest.page.reload()
    expect(guest.page.locator("#document")).to_contain_text("Nothing is to be paid.")
    expect(guest.page.locator("#settlement")).to_contain_text("Payment, online")


def run_december(portal) -> None:
    """The month ends, and the run bills it."""
    portal.clock.write_text("2026-12-01T09:00:00Z")
    said = json.loads(portal.flask("jobs", "run", "billing-monthly-run", "--wait").splitlines()[-1])
    assert (said["job"], said["done"], said["failed"]) == ("billing-monthly-run", True, [])


def refund_newest(admin: Visitor) -> None:
    """Looks after the run, and gives Acme's newest session back."""
    admin.go("/admin/billing")
    admin.see("Invoicing")
    expect(admin.page.locator("#reconciliation")).to_contain_text("Every sum is as it must be.")
    expect(admin.page.locator("#runs tbody tr").first).to_contain_text("Done")
    admin.go("/admin/refunds?q=Acme")
    admin.see("Refunds")
    row = admin.page.locator("#payment-list tbody tr").first
    row.get_by_role("button", name="Refund").first.click()
    dialog = row.locator("dialog")
    dialog.locator("textarea").fill("The expert was ill")
    admin.look("the dialog of a refund")
    dialog.get_by_role("button", name="Refund", exact=True).click()
    admin.told("was given back.")


def see_note(owner: Visitor) -> None:
    """The credit note stands in the table, and leads to its invoice."""
    note = billing_of(owner, "/invoices")["items"][0]
    assert (note["type"], note["reason"], note["openAmount"]) == ("CREDIT_NOTE", "The expert was ill", note["amount"])
    owner.go(BILLING)
    owner.see("Billing")
    shown = owner.page.locator("#document-list tbody tr").filter(has_text=note["creditNoteNumber"]).first
    expect(shown).to_contain_text("Credit Note")
    expect(shown).to_contain_text(f"−{rupees(note['amount'])}")
    owner.press(note["creditNoteNumber"], f"Credit note {note['creditNoteNumber']}")
    owner.page.locator("#document").get_by_role("link", name=note["originalInvoiceNumber"]).click()
    owner.see(f"Invoice {note['originalInvoiceNumber']}")


def use_credit(owner: Visitor) -> None:
    """The next invoice, issued by hand, uses the open credit."""
    open_credit = billing_of(owner)["openCredit"]
    book(owner, starts_at="2026-12-07T10:00")
    owner.portal.clock.write_text("2026-12-01T10:00:00Z")  # an invoice bills what was booked before it
    owner.go(f"{BILLING}/preview")
    owner.see("Next invoice")
    owner.page.get_by_role("button", name="Generate invoice now").click()
    owner.press("Issue the invoice", "Billing")
    latest = billing_of(owner, "/invoices")["items"][0]
    assert latest["appliedCredit"] == min(open_credit, latest["amount"]) > 0
    owner.go(f"{BILLING}/invoices/{latest['id']}")
    expect(owner.page.locator("#settlement")).to_contain_text("Open credit of")


def see_the_account_close(owner: Visitor) -> None:
    """The statement ends with what is owed after all."""
    figures = billing_of(owner)
    assert billing_of(owner, "/statement")["closing"] == figures["netBalance"]
    owner.go(f"{BILLING}/statement")
    owner.see("Statement of account")
    sign = "−" if figures["netBalance"] < 0 else ""
    closing = owner.page.locator("#account tfoot td")
    expect(closing).to_have_text(f"{sign}{rupees(abs(figures['netBalance']))}")


def test_from_a_booking_to_the_statement_that_closes(chromium, demo):
    with visitor(chromium, demo, viewport=WIDE) as owner:
        enter(owner, OWNER, password=PASSWORD)
        before = billing_of(owner)["pendingCharges"]["paymentCount"]
        book(owner, starts_at="2026-12-04T10:00")
        assert billing_of(owner)["pendingCharges"]["paymentCount"] == before + 1
    run_december(demo)
    with visitor(chromium, demo, viewport=WIDE) as owner:
        enter(owner, OWNER, password=PASSWORD)
        owner.go(BILLING)
        owner.see("Billing")
        invoice = billing_of(owner, "/invoices")["items"][0]
        assert (invoice["issueDate"], len(invoice["items"]), invoice["autoGenerated"]) == ("2026-12-01", before + 1, True)
        owner.press(invoice["invoiceNumber"], f"Invoice {invoice['invoiceNumber']}")
        pay_online(owner, invoice)
    with visitor(chromium, demo, viewport=WIDE) as admin:
        enter(admin, ADMIN, password=PASSWORD)
        refund_newest(admin)
    with visitor(chromium, demo, viewport=WIDE, color_scheme="dark") as owner:
        enter(owner, OWNER, password=PASSWORD)
        see_note(owner)
        use_credit(owner)
        see_the_account_close(owner)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_pages_of_documents_at_a_desk_and_on_a_telephone(chromium, demo, scheme):
    with visitor(chromium, demo, viewport=WIDE, color_scheme=scheme) as owner:
        enter(owner, OWNER, password=PASSWORD)
        items = billing_of(owner, "/invoices")["items"]
        invoice = next(item for item in items if item["type"] == "INVOICE" and item["creditedAmount"] + item["paidAmount"])
        note = next(item for item in items if item["type"] == "CREDIT_NOTE")
        of_invoice = (f"{BILLING}/invoices/{invoice['id']}", f"Invoice {invoice['invoiceNumber']}")
        of_note = (f"{BILLING}/credit-notes/{note['id']}", f"Credit note {note['creditNoteNumber']}")
        look_at_both_widths(owner, (BILLING, "Billing"), of_invoice, of_note, (f"{BILLING}/statement", "Statement of account"))
    with visitor(chromium, demo, viewport=WIDE, color_scheme=scheme) as admin:
        enter(admin, ADMIN, password=PASSWORD)
        look_at_both_widths(
            admin,
            of_invoice,
            of_note,
            ("/admin/billing", "Invoicing"),
            (f"{BILLING}/credit-payout", "Pay credit out"),
            ("/admin/refunds", "Refunds"),
        )
        for form in admin.page.locator("#admin details summary").all():
            form.click()
        admin.look("the admin's forms, open")
        assert admin.wrong == []


def test_a_payment_is_recorded_and_a_note_made_without_javascript(chromium, demo):
    with visitor(chromium, demo, with_script=False, refused=(422,)) as admin:
        enter(admin, ADMIN, password=PASSWORD)
        admin.go("/orgs/kaveri-hospitals/billing?status=OVERDUE")
        if not admin.page.locator("#document-list tbody tr").count():
            admin.go("/orgs/kaveri-hospitals/billing?status=SENT")
        number = admin.page.locator("#document-list tbody th a").first.inner_text()
        admin.press(number, f"Invoice {number}")
        admin.page.get_by_text("Record a payment").click()
        form = admin.page.locator("#admin form").filter(has_text="Record the payment")
        form.locator("select[name=method]").select_option(label="Bank transfer")
        form.locator("[name=amount]").fill("1,00,000.00")
        form.locator("[name=reference]").fill("NEFT 1")
        form.get_by_role("button").click()
        expect(admin.page.locator("#error-summary")).to_contain_text("is outstanding on this invoice. Nothing was recorded.")
        form.locator("[name=amount]").fill("1.00")
        form.get_by_role("button").click()
        admin.told("₹1.00 was recorded.")
        admin.page.get_by_text("Issue a credit note").click()
        form = admin.page.locator("#admin form").filter(has_text="Issue the credit note")
        form.locator("[name=amount]").fill("10")
        form.locator("select[name=reason_code]").select_option(label="Goodwill")
        form.locator("[name=reason]").fill("The line was bad")
        form.get_by_role("button").click()
        admin.told("was issued.")
        expect(admin.page.get_by_text("The line was bad (Goodwill)")).to_be_visible()
