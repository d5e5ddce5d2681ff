"""``python -m tests.support.page_pictures``: the pictures of real pages anew, from the demo on a portal of its own. Look at them."""

import io
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page

from tests.support.browser import Visitor, browser, enter
from tests.support.pictures import FOLDER
from tests.support.portal_process import PortalProcess, running

NOW = "2026-12-02T05:30:00Z"
PASSWORD = "demo-portal-2026"
OWNER = "owner@acme.example"
SIZE = {"width": 1440, "height": 900}
COLORS = 64
HR_FILE = (
    "Employee Name;Work Email;Department\r\n"
    "Farida Khan;farida@acme.example;Sales\r\n"
    "Gopal Das;gopal@acme.example;Sales\r\n"
    "Hema Joshi;hema.joshi@acme.example;Support\r\n"
    "Asha Rao;asha@acme.example;Sales\r\n"
    "Irfan Ali;irfan at acme.example;Support\r\n"
    "Gopal Das;gopal@acme.example;Sales\r\n"
)


def main() -> None:
    """Writes each picture."""
    with tempfile.TemporaryDirectory() as folder, running(_at_noon(Path(folder))) as portal, browser() as chromium:
        portal.flask("demo", "load")
        page = chromium.new_context(viewport=SIZE).new_page()
        _take(portal, page, Path(folder))


def _at_noon(folder: Path) -> Path:
    home = folder / "home"
    home.mkdir()
    (home / "clock").write_text(NOW)
    return home


def _take(portal: PortalProcess, page: Page, folder: Path) -> None:
    guest = Visitor(page, portal, with_script=True)
    guest.go("/signin")
    guest.fill(email=OWNER)
    guest.press("Continue", "Enter your password")
    _keep(page, "signin")
    enter(guest, OWNER, password=PASSWORD)
    guest.go("/orgs/acme-learning/home")
    _keep(page, "home")
    guest.go("/orgs/acme-learning/billing")
    _keep(page, "billing")
    page.get_by_role("link", name="PF/26-27/0000004", exact=True).first.click()
    page.wait_for_url("**/billing/invoices/*")
    _keep(page, "invoice")
    guest.go("/orgs/acme-learning/invitations")
    upload = folder / "people.csv"
    upload.write_bytes(HR_FILE.encode())
    page.set_input_files("#f-file", upload)
    guest.button("Upload CSV").click()
    page.wait_for_url("**/imports/*")
    _keep(page, "invitations")
    guest.go("/orgs/new")
    guest.fill(name="Malabar Tea", billing_email="finance@malabar.example", industry="Food")
    guest.press("Save and continue", "Set up Malabar Tea: billing & seats")
    _keep(page, "wizard")


def _keep(page: Page, name: str) -> None:
    """Keeps what the window shows, small."""
    page.wait_for_load_state("networkidle")
    with Image.open(io.BytesIO(page.screenshot())) as taken:
        taken.convert("RGB").quantize(COLORS, dither=Image.Dither.NONE).save(FOLDER / f"{name}.png", optimize=True)


if __name__ == "__main__":
    main()
