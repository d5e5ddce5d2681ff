"""A desk at which one organization's bookings and money are handled, through the API, at whatever time its clock says."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from portal import jobs
from portal.accounts.rules import PlatformRole
from portal.billing import queries as billing
from portal.orgs.rules import Role
from tests.support import world
from tests.support.funding import caller

OCTOBER = datetime(2026, 10, 12, 9, 0, tzinfo=UTC)
PRICE = 100_000


class Desk:
    """One organization's bookings and money; ``clock_file`` is the file that the portal's clock reads, in every thread."""

    def __init__(self, app, clock_file: Path, *, state: str = "29") -> None:
        self.app, self.clock_file, self.callers, self.hours = app, clock_file, {}, 24
        self.be(OCTOBER)
        with app.app_context():
            self.company = world.make_company(state=state)
            self.admin = world.make_user("admin@portal.test", role=PlatformRole.ADMIN)
            self.learner = world.make_user("asha@acme.test")
            world.add_member(self.company.organization, self.learner, Role.ORG_LEARNER)
        self.path = f"/api/organizations/{self.company.organization.id}/billing"

    def be(self, at: datetime) -> None:
        """It is ``at`` from now on."""
        self.now = at
        self.clock_file.write_text(at.isoformat())
        self.callers.clear()

    def book(self, *prices: int) -> list[str]:
        """Books a session for each price; returns the payments' ids."""
        paid = []
        for price in prices:
            self.hours += 1
            with self.app.app_context():
                plan = world.make_plan(self.company.organization, self.company.owner, price=price)
                paid.append(world.book(self.company, self.learner, hours=self.hours, plan=plan).payment_id)
        return paid

    def caller(self, user):
        """Somebody who is signed in."""
        if user.id not in self.callers:
            self.callers[user.id] = caller(self.app, user)
        return self.callers[user.id]

    def post(self, path: str, body: dict, *, status: int, key: str | None = None):
        """As the platform's admin."""
        answer = self.caller(self.admin).post(path, body, key=key)
        assert answer.status_code == status, answer.text
        return answer.json

    def get(self, rest: str = ""):
        """What the organization's owner reads below ``…/billing``."""
        headers = self.caller(self.company.owner).headers
        answer = self.app.test_client(use_cookies=False).get(self.path + rest, headers=headers)
        assert answer.status_code == 200, answer.text
        return answer.json

    def issue(self) -> dict:
        """The owner closes the running period out, a minute later."""
        self.be(self.now + timedelta(minutes=1))
        answer = self.caller(self.company.owner).post(f"{self.path}/generate-invoice", {})
        assert answer.status_code == 201, answer.text
        return answer.json["invoice"]

    def run_month(self, at: datetime) -> list[dict]:
        """Runs the job and returns the invoices there are, oldest first."""
        self.be(at)
        with self.app.app_context():
            assert jobs.run("billing-monthly-run")["done"]
        return self.invoices()

    def invoices(self) -> list[dict]:
        """All invoices, oldest first."""
        return [item for item in self.get("/invoices?limit=200")["items"][::-1] if item["type"] == "INVOICE"]

    def notes(self) -> list[dict]:
        """All credit notes, oldest first."""
        return [item for item in self.get("/invoices?limit=200")["items"][::-1] if item["type"] == "CREDIT_NOTE"]

    def invoice(self, invoice_id: str) -> dict:
        """One invoice as it stands."""
        return self.get(f"/invoices/{invoice_id}")["invoice"]

    def pay(self, invoice: dict, amount: int | None = None, *, status: int = 201):
        """A bank transfer came, of the whole unless said otherwise."""
        body = {"amount": invoice["outstanding"] if amount is None else amount, "method": "BANK_TRANSFER", "reference": "UTR 1"}
        return self.post(f"{self.path}/invoices/{invoice['id']}/pay", body, status=status)

    def refund(self, payment_id: str, amount: int | None = None, *, status: int = 200, key: str | None = None):
        """Gives a payment back, what is left of it unless said otherwise."""
        body = {"paymentId": payment_id} | ({} if amount is None else {"amount": amount})
        return self.post("/api/payments/refunds", body, status=status, key=key)

    def credit(self, invoice: dict, *, status: int = 201, **how):
        """Makes a credit note by hand."""
        body = {"reason": "Wrong price", "reasonCode": "CORRECTION", **how}
        return self.post(f"/api/admin/invoices/{invoice['id']}/credit-notes", body, status=status).get("creditNote")

    def void(self, note: dict, *, status: int = 200):
        """Voids a note."""
        return self.post(f"/api/admin/credit-notes/{note['id']}/void", {"reason": "A mistake"}, status=status)

    def pay_out(self, amount: int, *, status: int = 201):
        """Pays open credit out."""
        path = f"/api/admin/organizations/{self.company.organization.id}/credit-payout"
        return self.post(path, {"amount": amount, "reference": "UTR 2"}, status=status)

    def cancel(self, invoice: dict, *, status: int = 200):
        """Cancels an invoice."""
        return self.post(f"/api/admin/invoices/{invoice['id']}/cancel", {"reason": "A mistake"}, status=status)

    def assert_reconciled(self) -> None:
        """Nothing is off."""
        with self.app.app_context():
            assert not billing.differences()
