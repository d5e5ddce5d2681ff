"""Settings: each group saves alone and says what changed, two people don't overwrite each other, and what doesn't fit is refused."""

import html
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import urlsplit

import html5lib
import pytest
from sqlalchemy import func, inspect, select

from portal import config, db
from portal.accounts.models import User
from portal.accounts.rules import PlatformRole
from portal.audit.models import AuditRow
from portal.audit.rules import Action, Via
from portal.billing.models import Payment
from portal.bookings.models import Booking
from portal.orgs import service as orgs
from portal.orgs.models import Organization
from portal.orgs.rules import BillingMode, Kind, Role, Status, Verdict
from portal.orgs.schemas import ColorsIn, InvoicingIn, OrganizationIn, PayingIn, ProfileIn, RevenueIn
from portal.orgs.service import settings as service
from tests.support import world
from tests.support.lint import XHTML, problems, text_of
from tests.support.together import at_once

KARNATAKA, TAMIL_NADU, WRONG_DIGIT = "29AAGCP4321K1Z8", "33AAGCP4321K1ZJ", "29AAGCP4321K1Z9"
NOBODY = "0190b4a2-0000-7000-8000-000000000000"
ADDRESS = {"line1": "1 MG Road", "city": "Bengaluru", "postalCode": "560001"}
GROUPS = {
    "profile": ("", ProfileIn, {"industry": "Steel"}, {"industry": (None, "Steel")}),
    "paying": ("/billing", PayingIn, {"payment_terms_days": "45"}, {"payment_terms_days": (30, 45)}),
    "invoicing": ("/billing", InvoicingIn, {"po_number": "PO 7"}, {"po_number": (None, "PO 7")}),
    "colors": ("/branding", ColorsIn, {"primary_color": "#1F5FD6"}, {"primary_color": (None, "#1f5fd6")}),
    "revenue": (
        "",
        RevenueIn,
        {"org_retain_rate": "6.5 %", "consultant_payout_rate": "83.5"},
        {"org_retain_rate": (500, 650), "consultant_payout_rate": (8_500, 8_350)},
    ),
}


@dataclass
class Scene:
    """An organization, and people who come in as its owner, admin, …"""

    app: object
    organization: Organization
    users: dict[str, User] = field(default_factory=dict)

    @property
    def api(self) -> str:
        return f"/api/organizations/{self.organization.id}"

    @property
    def pages(self) -> str:
        return f"/orgs/{self.organization.slug}/settings"

    def join(self, name: str, role: Role) -> None:
        with self.app.app_context():
            self.users[name] = world.make_user(f"{name}@acme.test", name=name.title())
            world.add_member(self.organization, self.users[name], role)

    def signed_in(self, name: str):
        """A call as one of the users: ``call(method, path, json=… or data=…)``."""
        client = world.sign_in(self.app.test_client(), self.users[name])
        token = world.csrf(client)

        def call(method, path, **body):
            return client.open(path, method=method, headers=token, **body)

        return call

    def patch(self, name: str, /, **body):
        """A PATCH by somebody."""
        return self.signed_in(name)("PATCH", self.api, json=body)

    @property
    def columns(self) -> dict[str, object]:
        """Every column of the organization now."""
        with self.app.app_context():
            row = db.session.get_one(Organization, self.organization.id)
            return {column.key: getattr(row, column.key) for column in inspect(Organization).column_attrs}

    def set(self, **columns) -> None:
        with self.app.app_context(), db.unit_of_work():
            row = db.session.get_one(Organization, self.organization.id)
            for column, value in columns.items():
                setattr(row, column, value)

    @property
    def changes(self) -> list[AuditRow]:
        """What the log says of changed settings, oldest first."""
        with self.app.app_context():
            wanted = AuditRow.organization_id == self.organization.id, AuditRow.action == Action.SETTINGS_CHANGED
            return list(db.session.scalars(select(AuditRow).where(*wanted).order_by(AuditRow.at, AuditRow.id)))


@pytest.fixture
def acme(rung, app) -> Scene:
    """A BUYER with an owner, an admin and a platform admin."""
    with app.app_context():
        owner = world.make_user("owner@acme.test", name="Olga")
        scene = Scene(app, world.make_organization(owner), {"owner": owner})
        scene.users["staff"] = world.make_user("staff@portal.test", role=PlatformRole.ADMIN)
    scene.join("admin", Role.ORG_ADMIN)
    return scene


def made(app, kind: Kind, **fields) -> Scene:
    """An organization from an API client, and its owner."""
    with app.app_context():
        owner = world.make_user("owner@acme.test", name="Olga")
        data = OrganizationIn.model_validate({"name": "Acme", "kind": kind, "billing_email": "finance@acme.test", **fields})
        with db.unit_of_work():
            organization = orgs.create(data, creator=owner, actor=world.as_self(owner))
        return Scene(app, organization, {"owner": owner, "staff": world.make_user("staff@portal.test", role=PlatformRole.ADMIN)})


@pytest.fixture
def hybrid(rung, app, provider_orgs) -> Scene:
    return made(app, Kind.HYBRID)


@pytest.fixture
def provider(rung, app, provider_orgs) -> Scene:
    return made(app, Kind.PROVIDER)


def form_of(answer, action: str) -> dict[str, str]:
    """What a browser would send of the form to ``action`` as it stands on the page."""
    assert problems(answer) == []
    forms = (form for form in html5lib.parse(answer.text).iter(XHTML + "form") if urlsplit(form.get("action", "")).path == action)
    form, sent = next(forms), {}
    for box in form.iter(XHTML + "input"):
        if box.get("type") not in {"radio", "checkbox"} or "checked" in box.attrib:
            sent[box.get("name")] = box.get("value", "on")
    for area in form.iter(XHTML + "textarea"):
        sent[area.get("name")] = "".join(area.itertext()).removeprefix("\n")
    for choice in form.iter(XHTML + "select"):
        options = list(choice.iter(XHTML + "option"))
        sent[choice.get("name")] = next((option for option in options if "selected" in option.attrib), options[0]).get("value")
    return {name: value for name, value in sent.items() if name and name != "csrf_token"}


class Editor:
    """Somebody who has opened a group of settings and saves it, once or more."""

    def __init__(self, scene: Scene, name: str, group: str) -> None:
        self._call, self._page = scene.signed_in(name), scene.pages + GROUPS[group][0]
        self._action = f"{scene.pages}/groups/{group}"
        self.reload()

    def reload(self) -> None:
        self.answer = self._call("GET", self._page)
        assert self.answer.status_code == 200
        self.fields = form_of(self.answer, self._action)

    def save(self, *, status: int = 303, **values: str):
        """Types the values over what stands in the form and sends it."""
        unknown = values.keys() - self.fields.keys() - {"is_sez", "billing_mode", "auto_approve_consultants"}
        assert not unknown, unknown
        self.answer = self._call("POST", self._action, data={**self.fields, **values})
        assert self.answer.status_code == status, self.errors
        if status != 303:
            self.fields = form_of(self.answer, self._action)
        return self

    @property
    def words(self) -> str:
        return text_of(next(html5lib.parse(self.answer.text).iter(XHTML + "body")))

    @property
    def errors(self) -> dict[str, str]:
        """Field → what stands beside it."""
        found = re.findall(r'<p class="field-error" id="f-([a-z_0-9]+)-error">([^<]+)</p>', self.answer.text)
        return {name: html.unescape(sentence) for name, sentence in found}


@pytest.mark.parametrize("group", list(GROUPS))
def test_a_group_saves_alone_and_the_log_has_what_changed_and_nothing_else(hybrid, group):
    before = hybrid.columns
    _path, _schema, typed, expected = GROUPS[group]
    if group == "invoicing":
        typed = {**typed, "line1": "1 MG Road", "city": "Bengaluru", "postal_code": "560001", "state_code": "29"}
        place = {"line1": "1 MG Road", "line2": None, "city": "Bengaluru", "postalCode": "560001"}
        expected = {**expected, "state_code": (None, "29"), "address": (None, place)}
    Editor(hybrid, "owner", group).save(**typed)
    after = hybrid.columns
    assert {name: (before[name], after[name]) for name in before if before[name] != after[name]} == expected
    [row] = hybrid.changes
    assert row.before == {name: old for name, (old, _new) in expected.items()}
    assert row.after == {name: new for name, (_old, new) in expected.items()}
    assert (row.actor_name, row.via, row.ip) == ("Olga", Via.MEMBER, "127.0.0.1")


@pytest.mark.parametrize("group", ["profile", "paying", "invoicing", "colors"])
def test_a_group_that_is_saved_as_it_stands_changes_nothing_and_writes_nothing(acme, group):
    rich = {"description": "Two\nlines", "billing_contacts": ["a@acme.test", "b@acme.test"], "credit_limit": 12_345_678, "is_sez": True}
    acme.set(**rich, seats_total=9, contract_start=datetime(2026, 4, 1, tzinfo=UTC).date(), primary_color="#1f5fd6", gstin=KARNATAKA)
    before = acme.columns
    Editor(acme, "owner", group).save()
    assert (acme.columns, acme.changes) == (before, [])


def test_rates_that_are_saved_as_they_stand_change_nothing(provider):
    provider.set(org_retain_rate=525, consultant_payout_rate=8_475, auto_approve_consultants=True)
    before = provider.columns
    Editor(provider, "owner", "revenue").save()
    assert (provider.columns, provider.changes) == (before, [])


@pytest.mark.parametrize(("country", "state"), [("US", "California"), ("IN", "Karnataka")])
def test_an_address_that_came_by_json_survives_the_form(rung, app, country, state):
    scene = made(app, Kind.BUYER, address={**ADDRESS, "state": state, "country": country})
    assert scene.signed_in("owner")("GET", scene.api).json["organization"]["address"]["state"] == state
    before = scene.columns
    Editor(scene, "owner", "invoicing").save()
    assert scene.columns["address"] == before["address"]
    assert scene.changes == []
    assert scene.signed_in("owner")("GET", scene.api).json["organization"]["address"]["state"] == state


def test_equal_values_by_json_write_nothing(acme):
    call = acme.signed_in("owner")
    shown = call("GET", acme.api).json["organization"]
    names = ("name", "billingMode", "billingEmail", "paymentTermsDays", "creditLimit", "timeZone", "isSez", "country", "stateCode", "gstin")
    answer = call("PATCH", acme.api, json={name: shown[name] for name in names})
    assert (answer.status_code, answer.json["organization"], acme.changes) == (200, shown, [])
    assert call("PATCH", acme.api, json={}).status_code == 200


def test_a_patch_changes_what_it_names_and_answers_with_all(acme):
    before = acme.columns
    body = {"description": "We make steel", "paymentTermsDays": 15, "billingContacts": ["a@acme.test", "A@acme.test", "b@acme.test"]}
    shown = acme.patch("admin", **body, website="https://acme.test", contractStart="2026-04-01").json["organization"]
    assert (shown["paymentTermsDays"], shown["contractStart"], shown["role"]) == (15, "2026-04-01", "ORG_ADMIN")
    changed = {name for name, value in acme.columns.items() if value != before[name]}
    assert changed == {"description", "payment_terms_days", "billing_contacts", "website", "contract_start"}
    [row] = acme.changes
    assert row.after["contract_start"] == "2026-04-01"
    assert (row.before["billing_contacts"], row.after["billing_contacts"]) == ([], ["a@acme.test", "b@acme.test"])


def test_optional_fields_are_emptied_by_null_and_others_never(acme):
    acme.patch("owner", industry="Steel", seatsTotal=5, poNumber="7")
    emptied = acme.patch("owner", industry=None, seatsTotal=None, poNumber=None)
    assert emptied.status_code == 200
    assert (acme.columns["industry"], acme.columns["seats_total"], acme.columns["po_number"]) == (None, None, None)
    before = acme.columns
    for name in ("name", "timeZone", "billingEmail", "billingContacts", "country", "isSez", "paymentTermsDays", "billingMode"):
        refused = acme.patch("owner", industry="Iron", **{name: None})
        assert (refused.status_code, list(refused.json["details"])) == (400, [name]), name
    assert acme.columns == before


def test_two_who_edit_see_each_others_words_and_the_second_decides(acme):
    mine, theirs = Editor(acme, "owner", "profile"), Editor(acme, "admin", "profile")
    theirs.save(industry="Iron", description="Theirs")
    mine.save(industry="Steel", name="Acme & Co", status=422)
    assert "Changed by Admin" in mine.words
    table = re.findall(r'<tr[^>]*><th scope="row"[^>]*>(.*?)</th><td[^>]*>(.*?)</td><td[^>]*>(.*?)</td></tr>', mine.answer.text)
    rows = {tuple(html.unescape(cell) for cell in row) for row in table}
    assert rows == {("Name", "Acme & Co", "Acme"), ("Industry", "Steel", "Iron"), ("Description", "—", "Theirs")}
    assert (acme.columns["industry"], acme.columns["name"], len(acme.changes)) == ("Iron", "Acme", 1)
    assert (mine.fields["industry"], mine.fields["name"]) == ("Steel", "Acme & Co")
    mine.save()
    assert (acme.columns["industry"], acme.columns["name"], acme.columns["description"]) == ("Steel", "Acme & Co", None)
    last = acme.changes[-1]
    assert (last.actor_name, last.before["industry"], last.after["industry"]) == ("Olga", "Iron", "Steel")


def test_a_third_who_saves_in_between_is_shown_again(acme):
    acme.join("ada", Role.ORG_ADMIN)
    mine, theirs, hers = (Editor(acme, name, "profile") for name in ("owner", "admin", "ada"))
    theirs.save(industry="Iron")
    mine.save(industry="Steel", status=422)
    hers.reload()
    hers.save(industry="Tin")
    mine.save(status=422)
    assert ("Changed by Ada" in mine.words, "Tin" in mine.words) == (True, True)
    mine.save()
    assert acme.columns["industry"] == "Steel"


def test_a_mistake_in_between_does_not_overwrite_what_another_saved(acme):
    mine, theirs = Editor(acme, "owner", "profile"), Editor(acme, "admin", "profile")
    theirs.save(industry="Iron")
    mine.save(website="no address", status=422)
    mine.save(website="", status=422)
    assert "Changed by Admin" in mine.words
    assert acme.columns["industry"] == "Iron"


def test_who_edits_another_group_is_in_nobodys_way(acme):
    paying, invoicing = Editor(acme, "owner", "paying"), Editor(acme, "admin", "invoicing")
    profile, colors = Editor(acme, "owner", "profile"), Editor(acme, "admin", "colors")
    for editor, values in (
        (paying, {"seats_total": "7"}),
        (invoicing, {"po_number": "9"}),
        (profile, {"industry": "Steel"}),
        (colors, {"secondary_color": "#0f6b3c"}),
    ):
        editor.save(**values)
    assert len(acme.changes) == 4


def test_a_form_without_what_it_showed_is_a_conflict_and_not_a_way_around(acme):
    editor = Editor(acme, "owner", "profile")
    del editor.fields["seen"]
    editor.save(industry="Steel", status=422)
    assert acme.columns["industry"] is None


def test_a_conflict_in_money_dates_and_codes_is_shown_in_words(acme):
    mine, theirs = Editor(acme, "owner", "paying"), Editor(acme, "admin", "paying")
    theirs.save(contract_end="2027-03-31", billing_mode="SEAT_PACK")
    mine.save(credit_limit="50,000", status=422)
    words = html.unescape(mine.answer.text)
    for said in ("Prepaid credits", "Monthly invoice", "2027-03-31", "50,000"):
        assert said in words, said


@pytest.mark.parametrize(
    ("body", "details"),
    [
        ({"name": "A"}, "name"),
        ({"name": "x" * 121}, "name"),
        ({"name": "Acme\nLtd"}, "name"),
        ({"website": "acme.test"}, "website"),
        ({"website": "javascript:alert(1)"}, "website"),
        ({"website": "http://["}, "website"),
        ({"billingEmail": "nobody"}, "billingEmail"),
        ({"billingContacts": ["a@acme.test", "b"]}, "billingContacts"),
        ({"billingContacts": [f"a{n}@acme.test" for n in range(11)]}, "billingContacts"),
        ({"timeZone": "Mars/Olympus"}, "timeZone"),
        ({"timeZone": "../../etc/passwd"}, "timeZone"),
        ({"timeZone": "Asia"}, "timeZone"),
        ({"timeZone": ""}, "timeZone"),
        ({"country": "India"}, "country"),
        ({"gstin": WRONG_DIGIT}, "gstin"),
        ({"gstin": "25AAGCP4321K1Z8"}, "gstin"),
        ({"gstin": "29AAGCP4321K"}, "gstin"),
        ({"pan": "AAGCP43210"}, "pan"),
        ({"stateCode": "28"}, "stateCode"),
        ({"stateCode": "Karnataka"}, "stateCode"),
        ({"paymentTermsDays": -1}, "paymentTermsDays"),
        ({"paymentTermsDays": 181}, "paymentTermsDays"),
        ({"paymentTermsDays": 2.5}, "paymentTermsDays"),
        ({"creditLimit": -1}, "creditLimit"),
        ({"creditLimit": 10**15}, "creditLimit"),
        ({"creditLimit": 0.5}, "creditLimit"),
        ({"seatsTotal": 0}, "seatsTotal"),
        ({"seatsTotal": 10**9}, "seatsTotal"),
        ({"contractStart": "1 April"}, "contractStart"),
        ({"primaryColor": "red"}, "primaryColor"),
        ({"primaryColor": "#ffff00"}, "primaryColor"),
        ({"sizeBucket": "HUGE"}, "sizeBucket"),
        ({"isSez": "perhaps"}, "isSez"),
        ({"slug": "other"}, "slug"),
        ({"kind": "HYBRID"}, "kind"),
        ({"status": "ACTIVE"}, "status"),
        ({"seatsUsed": 0}, "seatsUsed"),
        ({"firstPaymentAt": None}, "firstPaymentAt"),
        ({"logoFile": "logo.png"}, "logoFile"),
        ({"address": {"line1": "1 MG Road"}}, "address.city"),
        ({"address": "1 MG Road"}, "address"),
    ],
)
def test_a_patch_with_something_wrong_names_it_and_changes_nothing(acme, body, details):
    before = acme.columns
    answer = acme.patch("owner", industry="Steel", **body)
    assert answer.status_code == 400
    assert details in answer.json["details"]
    assert all(sentence.endswith((".", ")")) for sentence in answer.json["details"][details])
    assert (acme.columns, acme.changes) == (before, [])


@pytest.mark.parametrize("path", ["nonsense", NOBODY, "0", "%00"])
def test_an_unknown_organization_is_not_found(acme, path):
    answer = acme.signed_in("owner")("PATCH", f"/api/organizations/{path}", json={"industry": "Steel"})
    assert (answer.status_code, answer.json["code"]) == (404, "ORGANIZATION_NOT_FOUND")


def test_below_an_admin_and_outside_nobody_sees_or_saves_settings(acme):
    acme.join("manager", Role.ORG_MANAGER)
    with acme.app.app_context():
        acme.users["stranger"] = world.make_user("stranger@other.test")
        world.make_organization(acme.users["stranger"], name="Other")
    for name in ("manager", "stranger"):
        call = acme.signed_in(name)
        answers = [call("GET", acme.pages + path) for path in ("", "/billing", "/branding", "/audit", "/audit.csv", "/danger")]
        answers += [call("POST", f"{acme.pages}/groups/profile", data={"name": "Mine"}), acme.patch(name, name="Mine")]
        assert [answer.status_code for answer in answers] == [403] * 8, name
    assert acme.columns["name"] == "Acme"


@pytest.mark.parametrize("group", ["revenue", "nothing", "__class__"])
def test_a_group_that_the_organization_has_not_is_not_found(acme, group):
    assert acme.signed_in("owner")("POST", f"{acme.pages}/groups/{group}", data={"name": "X"}).status_code == 404


def test_what_is_wrong_in_a_form_stands_beside_its_field(acme):
    wrong = {"gstin": WRONG_DIGIT, "billing_email": "nobody", "billing_contacts": "a@acme.test\nb", "postal_code": "!", "pan": "X"}
    editor = Editor(acme, "owner", "invoicing").save(**wrong, status=422)
    assert set(editor.errors) == set(wrong)
    assert "typing mistake" in editor.errors["gstin"]
    assert editor.errors["billing_contacts"].startswith("Number 2:")
    paying = Editor(acme, "owner", "paying").save(payment_terms_days="181", seats_total="many", credit_limit="1.234", status=422)
    assert set(paying.errors) == {"payment_terms_days", "seats_total", "credit_limit"}
    assert acme.changes == []


@pytest.mark.parametrize("name", ["billing_email", "postal_code", "line1", "city"])
def test_what_is_left_empty_in_a_form_is_asked_for_beside_its_field(acme, name):
    editor = Editor(acme, "owner", "invoicing").save(**{name: ""}, status=422)
    assert editor.errors == {name: "Fill this in."}
    assert f'href="#f-{name}"' in editor.answer.text


def test_a_gstin_sets_the_state_and_the_log_says_both(acme):
    shown = acme.patch("owner", gstin=f" {TAMIL_NADU[:5]} {TAMIL_NADU[5:].lower()}").json["organization"]
    assert (shown["gstin"], shown["stateCode"], shown["address"]["state"]) == (TAMIL_NADU, "33", "Tamil Nadu")
    [row] = acme.changes
    assert (row.before, row.after) == ({"gstin": None, "state_code": "29"}, {"gstin": TAMIL_NADU, "state_code": "33"})


def test_a_state_that_the_gstin_contradicts_is_refused(acme):
    refused = acme.patch("owner", gstin=TAMIL_NADU, stateCode="29")
    assert (refused.status_code, refused.json["code"], list(refused.json["details"])) == (400, "STATE_MISMATCH", ["stateCode"])
    editor = Editor(acme, "owner", "invoicing").save(gstin=TAMIL_NADU, status=422)
    assert "first two digits of the GSTIN" in editor.errors["state_code"]
    assert (acme.columns["gstin"], acme.columns["state_code"]) == (None, "29")
    editor.save(state_code="")
    assert (acme.columns["gstin"], acme.columns["state_code"]) == (TAMIL_NADU, "33")
    later = acme.patch("owner", stateCode="29")
    assert (later.status_code, later.json["code"]) == (400, "STATE_MISMATCH")


def test_in_india_the_form_wants_a_state_or_a_gstin(acme):
    editor = Editor(acme, "owner", "invoicing").save(state_code="", status=422)
    assert "Choose the state" in editor.errors["state_code"]


def test_abroad_there_is_neither_state_nor_gstin_nor_zone_and_the_log_says_so(acme):
    acme.set(gstin=KARNATAKA, is_sez=True)
    shown = acme.patch("owner", country="US").json["organization"]
    assert (shown["country"], shown["stateCode"], shown["gstin"], shown["isSez"]) == ("US", None, None, False)
    [row] = acme.changes
    assert row.before == {"country": "IN", "state_code": "29", "gstin": KARNATAKA, "is_sez": True}
    assert row.after == {"country": "US", "state_code": None, "gstin": None, "is_sez": False}


def test_an_address_without_a_country_leaves_the_country_as_it_is(acme):
    acme.patch("owner", country="US", address={**ADDRESS, "state": "California", "country": "US"})
    answer = acme.patch("owner", address={**ADDRESS, "line1": "2 Main Street", "state": "Texas"})
    assert (answer.status_code, answer.json["organization"]["country"]) == (200, "US")


def test_an_organization_in_india_keeps_a_state(acme):
    assert acme.patch("owner", stateCode=None).status_code == 400
    assert acme.columns["state_code"] == "29"


def test_a_state_by_name_in_an_address_is_its_code(acme):
    shown = acme.patch("owner", address={**ADDRESS, "state": "tamil nadu"}).json["organization"]
    assert (shown["stateCode"], shown["address"]["state"], shown["address"]["country"]) == ("33", "Tamil Nadu", "IN")


def test_a_state_that_india_does_not_have_is_refused_and_not_passed_over(acme):
    refused = acme.patch("owner", address={**ADDRESS, "state": "Karnatka"})
    assert refused.status_code == 400
    assert acme.columns["address"]["line1"] == "1 MG Road"
    abroad = acme.patch("owner", address={**ADDRESS, "state": "Karnatka", "country": "US"})
    assert abroad.json["organization"]["address"]["state"] == "Karnatka"


def first_payment(scene: Scene) -> None:
    scene.set(first_payment_at=datetime(2026, 10, 1, tzinfo=UTC))


def test_the_billing_mode_changes_until_the_first_payment(acme):
    assert acme.patch("admin", billingMode="SEAT_PACK").json["organization"]["billingMode"] == "SEAT_PACK"
    first_payment(acme)
    refused = acme.patch("owner", billingMode="INVOICED_MONTHLY", industry="Steel")
    assert (refused.status_code, refused.json["code"], list(refused.json["details"])) == (400, "BILLING_MODE_IMMUTABLE", ["billingMode"])
    staff = acme.patch("staff", billingMode="TAG_ONLY")
    assert (staff.status_code, staff.json["code"]) == (400, "BILLING_MODE_IMMUTABLE")
    same = acme.patch("owner", billingMode="SEAT_PACK", industry="Tin")
    assert (same.status_code, acme.columns["billing_mode"], acme.columns["industry"]) == (200, BillingMode.SEAT_PACK, "Tin")
    editor = Editor(acme, "owner", "paying")
    assert "can’t change any more" in editor.words
    editor.save(billing_mode="TAG_ONLY", status=422)
    assert "can't change any more" in editor.words
    assert acme.columns["billing_mode"] is BillingMode.SEAT_PACK


def test_a_provider_has_no_billing_mode(provider):
    refused = provider.patch("owner", billingMode="TAG_ONLY")
    assert (refused.status_code, list(refused.json["details"])) == (400, ["billingMode"])
    call, body = provider.signed_in("owner"), {"name": "Two", "kind": "PROVIDER", "billingEmail": "f@two.test"}
    assert call("POST", "/api/organizations", json={**body, "billingMode": "TAG_ONLY"}).status_code == 400
    with provider.app.app_context():
        assert db.session.scalar(select(func.count()).select_from(Organization)) == 1
    created = call("POST", "/api/organizations", json={**body, "billingMode": None})
    assert (created.status_code, created.json["organization"]["billingMode"]) == (201, None)
    assert created.json["organization"]["status"] == "PENDING_VERIFICATION"
    assert call("POST", f"{provider.pages}/groups/paying", data={"billing_mode": "TAG_ONLY"}).status_code == 404


@pytest.mark.parametrize("rates", [{"consultantPayoutRate": 0.86}, {"orgRetainRate": 0}, {"platformCommissionRate": 1}])
def test_rates_that_do_not_sum_to_one_are_refused_and_nothing_is_changed(provider, rates):
    before = provider.columns
    refused = provider.patch("owner", industry="Coaching", autoApproveConsultants=True, **rates)
    assert (refused.status_code, refused.json["code"]) == (400, "RATES_SUM")
    assert (provider.columns, provider.changes) == (before, [])


def test_rates_are_fractions_in_json_and_percent_in_forms(provider):
    shown = provider.patch("owner", platformCommissionRate=0.1, orgRetainRate=0.0525, consultantPayoutRate=0.8475).json["organization"]
    rates = shown["platformCommissionRate"], shown["orgRetainRate"], shown["consultantPayoutRate"]
    assert rates == (0.1, 0.0525, 0.8475)
    editor = Editor(provider, "owner", "revenue")
    assert (editor.fields["org_retain_rate"], editor.fields["consultant_payout_rate"]) == ("5.25", "84.75")
    editor.save(org_retain_rate="6", status=422)
    assert "these sum to 100.75 %" in editor.errors["consultant_payout_rate"]
    editor.save(consultant_payout_rate="84", payout_frequency="WEEKLY", auto_approve_consultants="true")
    columns = provider.columns
    assert (columns["org_retain_rate"], columns["consultant_payout_rate"], columns["auto_approve_consultants"]) == (600, 8_400, True)
    assert columns["payout_frequency"].value == "WEEKLY"


@pytest.mark.parametrize("name", ["platform_commission_rate", "org_retain_rate", "consultant_payout_rate"])
def test_a_rate_that_is_left_empty_is_asked_for_and_not_made_up(provider, name):
    provider.set(platform_commission_rate=2_000, org_retain_rate=1_000, consultant_payout_rate=7_000)
    editor = Editor(provider, "owner", "revenue").save(**{name: ""}, status=422)
    assert editor.errors == {name: "Fill this in."}
    assert provider.changes == []


def test_payment_terms_that_are_left_empty_are_asked_for_and_not_made_up(acme):
    acme.set(payment_terms_days=45)
    editor = Editor(acme, "owner", "paying").save(payment_terms_days="", status=422)
    assert editor.errors == {"payment_terms_days": "Fill this in."}
    assert acme.columns["payment_terms_days"] == 45


def test_a_buyer_has_no_rates_and_with_the_flag_off_nobody_has(acme, settings):
    body = {"platformCommissionRate": 0.2, "consultantPayoutRate": 0.75}
    off = acme.patch("owner", **body)
    assert (off.status_code, off.json["flag"]) == (501, "ENABLE_PROVIDER_ORGS")
    config.use(settings.model_copy(update={"enable_provider_orgs": True}))
    try:
        refused = acme.patch("owner", **body)
        controls = acme.patch("owner", enforceOrganizationPlans=True)
    finally:
        config.use(settings)
    assert (refused.status_code, set(refused.json["details"])) == (400, {"platformCommissionRate", "consultantPayoutRate"})
    assert (controls.status_code, list(controls.json["details"])) == (400, ["enforceOrganizationPlans"])
    assert "platformCommissionRate" not in acme.signed_in("owner")("GET", acme.api).json["organization"]


def test_with_the_flag_off_a_provider_changes_anything_but_its_rates(provider, settings):
    config.use(settings)
    assert provider.patch("owner", industry="Coaching").status_code == 200
    assert provider.patch("owner", payoutFrequency="WEEKLY").status_code == 501
    assert provider.columns["payout_frequency"].value == "MONTHLY"


@pytest.mark.parametrize(
    ("who", "old", "new", "status", "code"),
    [
        ("owner", None, 500_000, 200, None),
        ("owner", 500_000, 400_000, 200, None),
        ("owner", 500_000, 0, 200, None),
        ("owner", 500_000, 500_000, 200, None),
        ("owner", 500_000, 500_001, 403, "LIMIT_RAISE_FORBIDDEN"),
        ("owner", 500_000, None, 403, "LIMIT_RAISE_FORBIDDEN"),
        ("owner", 0, 1, 403, "LIMIT_RAISE_FORBIDDEN"),
        ("admin", 500_000, 400_000, 403, "ROLE_TOO_LOW"),
        ("admin", None, 500_000, 403, "ROLE_TOO_LOW"),
        ("admin", 500_000, 600_000, 403, "LIMIT_RAISE_FORBIDDEN"),
        ("admin", 500_000, 500_000, 200, None),
        ("staff", 500_000, 600_000, 200, None),
        ("staff", 500_000, 400_000, 200, None),
        ("staff", 500_000, None, 200, None),
    ],
)
def test_the_credit_limit_is_an_owners_to_lower_and_the_platforms_to_raise(acme, who, old, new, status, code):
    acme.set(credit_limit=old)
    answer = acme.patch(who, creditLimit=new, industry="Steel")
    assert (answer.status_code, answer.json.get("code")) == (status, code)
    assert acme.columns["credit_limit"] == (new if status == 200 else old)
    assert acme.columns["industry"] == ("Steel" if status == 200 else None)
    if who == "staff":
        assert acme.changes[0].via is Via.PLATFORM_ADMIN


def test_the_credit_limit_is_typed_in_rupees_and_its_refusal_stands_beside_it(acme):
    acme.set(credit_limit=500_000)
    owner = Editor(acme, "owner", "paying")
    assert owner.fields["credit_limit"].replace(",", "") in {"5000", "5000.00"}
    owner.save(credit_limit="6,000", status=422)
    assert "Only the platform's staff" in owner.errors["credit_limit"]
    owner.save(credit_limit="₹ 4,999.50")
    assert acme.columns["credit_limit"] == 499_950
    Editor(acme, "admin", "paying").save(credit_limit="100", status=422)
    Editor(acme, "admin", "paying").save(seats_total="50")
    Editor(acme, "staff", "paying").save(credit_limit="")
    assert (acme.columns["credit_limit"], acme.columns["seats_total"]) == (None, 50)


def test_seats_never_fall_below_those_that_are_held(acme):
    for name in ("ann", "ben", "cleo"):
        acme.join(name, Role.ORG_LEARNER)
    refused = acme.patch("owner", seatsTotal=2)
    assert (refused.status_code, refused.json["code"], list(refused.json["details"])) == (409, "SEAT_LIMIT", ["seatsTotal"])
    assert refused.json["details"]["seatsTotal"][0].startswith("3 seats are held now.")
    editor = Editor(acme, "owner", "paying").save(seats_total="2", status=422)
    assert "seats_total" in editor.errors
    assert acme.patch("owner", seatsTotal=3).json["organization"]["seatsUsed"] == 3


@pytest.mark.parametrize("body", [{"contractStart": "2026-04-02", "contractEnd": "2026-04-01"}, {"contractEnd": "2026-03-31"}])
def test_a_contract_ends_no_sooner_than_it_starts(acme, body):
    acme.patch("owner", contractStart="2026-04-01", contractEnd="2026-04-01")
    refused = acme.patch("owner", **body)
    assert (refused.status_code, refused.json["code"], list(refused.json["details"])) == (400, "CONTRACT_ORDER", ["contractEnd"])
    assert acme.columns["contract_end"].isoformat() == "2026-04-01"


@pytest.mark.parametrize(
    ("group", "name", "value"),
    [
        ("profile", "timeZone", "UTC"),
        ("profile", "timeZone", "America/Argentina/Ushuaia"),
        ("profile", "timeZone", "right/Asia/Kolkata"),
        ("invoicing", "country", "GB"),
        ("invoicing", "country", "XX"),
        ("invoicing", "country", "EU"),
    ],
)
def test_what_json_takes_the_form_offers_so_that_a_save_does_not_change_it(acme, group, name, value):
    if acme.patch("owner", **{name: value}).status_code != 200:
        return
    before = acme.columns
    Editor(acme, "owner", group).save()
    assert acme.columns == before


def saving(scene: Scene, changes: dict, *, seen: str | None = None):
    """A save in a transaction of its own."""

    def run():
        with db.unit_of_work():
            actor = world.as_self(scene.users["owner"])
            service.change(scene.organization.id, changes, actor=actor, role=Role.ORG_OWNER, may_raise_limit=False, seen=seen)
            return changes

    return run


@pytest.mark.parametrize("editors", [2, 32])
def test_of_all_who_saw_the_same_one_saves_and_the_others_are_told(acme, editors):
    columns = ["industry", "description"]
    with acme.app.app_context():
        seen = service.fingerprint(db.session.get_one(Organization, acme.organization.id), columns)
    acts = [saving(acme, {"industry": f"I{number}", "description": f"D{number}"}, seen=seen) for number in range(editors)]
    answers, refusals = at_once(acme.app, acts)
    assert (len(answers), [refusal.code for refusal in refusals]) == (1, ["EDIT_CONFLICT"] * (editors - 1))
    assert {name: acme.columns[name] for name in columns} == answers[0]
    assert len(acme.changes) == 1


def test_thirty_two_who_lower_the_limit_at_once_never_raise_it(acme):
    acme.set(credit_limit=10_000)
    amounts = [(number * 7_919) % 10_000 for number in range(32)]
    answers, refusals = at_once(acme.app, [saving(acme, {"credit_limit": amount}) for amount in amounts])
    assert len(answers) + len(refusals) == 32
    assert {refusal.code for refusal in refusals} <= {"LIMIT_RAISE_FORBIDDEN"}
    assert acme.columns["credit_limit"] == min(amounts)
    limits = [10_000, *(row.after["credit_limit"] for row in acme.changes)]
    assert limits == sorted(limits, reverse=True)


@pytest.mark.parametrize("attempt", range(4))
def test_a_first_payment_and_a_change_of_mode_at_once_follow_one_another(rung, app, attempt):
    with app.app_context():
        company = world.make_company()
    scene = Scene(app, company.organization, {"owner": company.owner})

    def book():
        return world.book(company, company.owner, hours=24 + attempt).id

    acts = [saving(scene, {"billing_mode": BillingMode.PREPAID_UNLIMITED}), book]
    answers, refusals = at_once(app, acts if attempt % 2 else acts[::-1])
    assert len(answers) + len(refusals) == 2
    assert {refusal.code for refusal in refusals} <= {"BILLING_MODE_IMMUTABLE"}
    with app.app_context():
        methods = list(db.session.scalars(select(Payment.payment_method)))
        bookings = db.session.scalar(select(func.count()).select_from(Booking))
    assert (len(methods), bookings, scene.columns["first_payment_at"] is not None) == (1, 1, True)
    paid_by = {BillingMode.INVOICED_MONTHLY: "ORG_INVOICED", BillingMode.PREPAID_UNLIMITED: "ORG_PREPAID"}
    assert methods == [paid_by[scene.columns["billing_mode"]]], "the payment is of the mode that stays"
    assert bool(refusals) is (scene.columns["billing_mode"] is BillingMode.INVOICED_MONTHLY)


def test_thirty_two_at_once_never_change_the_mode_under_a_payment(rung, app):
    with app.app_context():
        company = world.make_company()
    scene = Scene(app, company.organization, {"owner": company.owner})

    def book(hours):
        world.book(company, company.owner, hours=hours)
        return "booked"

    paid_by = {BillingMode.TAG_ONLY: "CARD", BillingMode.INVOICED_MONTHLY: "ORG_INVOICED"}
    modes = list(paid_by)
    acts = [saving(scene, {"billing_mode": modes[number % 2]}) for number in range(16)]
    acts += [lambda hours=hours: book(hours) for hours in range(24, 40)]
    answers, refusals = at_once(app, acts)
    assert answers.count("booked") == 16
    assert {refusal.code for refusal in refusals} <= {"BILLING_MODE_IMMUTABLE"}
    with app.app_context():
        methods = list(db.session.scalars(select(Payment.payment_method)))
    assert methods == [paid_by[scene.columns["billing_mode"]]] * 16, "each payment is of the mode that stays"
    assert scene.columns["first_payment_at"] is not None


@pytest.mark.parametrize("attempt", range(4))
def test_a_suspension_at_the_same_moment_comes_before_or_after_a_save_and_never_within(acme, attempt):
    def suspend():
        with db.unit_of_work():
            staff = world.accounts.admin_actor_of(acme.users["staff"], ip=None)
            return orgs.decide(acme.organization.id, Verdict.SUSPEND, reason=None, actor=staff).status

    acts = [saving(acme, {"industry": f"I{number}"}) for number in range(8)]
    acts.insert(attempt * 2, suspend)
    answers, refusals = at_once(acme.app, acts)
    assert {refusal.code for refusal in refusals} <= {"ORGANIZATION_NOT_ACTIVE"}
    assert acme.columns["status"] is Status.SUSPENDED
    saved = [answer for answer in answers if isinstance(answer, dict)]
    assert len(acme.changes) == len(saved)
    assert (acme.columns["industry"] is None) is (saved == [])
    with acme.app.app_context():
        wanted = AuditRow.organization_id == acme.organization.id
        order = db.session.scalars(select(AuditRow.action).where(wanted).order_by(AuditRow.id.desc()).limit(1)).one()
    assert order is Action.ORG_SUSPENDED
