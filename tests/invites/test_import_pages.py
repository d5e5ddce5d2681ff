"""The component "Upload CSV" in its three places: the invitations page, the wizard's invite step, and a new user's first page."""

import csv
import io
import re
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from sqlalchemy import event, func, select

from portal import clock, db
from portal.accounts.rules import PlatformRole
from portal.invites import tasks
from portal.invites.models import Invitation, InvitationImport, InvitationImportRow
from portal.invites.views import imports as component
from portal.orgs.models import Organization
from portal.orgs.rules import Role
from portal.orgs.rules.lifecycle import Verdict as Decision
from portal.orgs.service import lifecycle
from portal.setup import queries as setup
from portal.setup.models import StagedInvitee
from tests.invites.test_imports import BAD
from tests.support import world
from tests.support.lint import XHTML, problems, text_of
from tests.support.pages import PARTIAL, Visitor

PLACES = ("invitations", "wizard", "onboarding")
INVITATIONS = "/orgs/acme/invitations"
FRESH = {"name": "Fresh", "billing_email": "finance@fresh.test", "billing_mode": "INVOICED_MONTHLY"}
MOST_STATEMENTS = 12
FILE = "E-Mail;Name;Role\nasha@acme.test;Asha;Admin\nnone;Dev;\nowner@acme.test;Olga;\nasha@acme.test;;\nfay@acme.test;Fay;Boss\n"


class Guest(Visitor):
    """A visitor who reads each page once, however often it is looked at."""

    def _tree(self):
        if getattr(self, "_read", None) is not self.answer:
            self._read, self._page = self.answer, super()._tree()
        return self._page


@dataclass
class Place:
    """Where files are uploaded.

    Attributes:
        page: The page that the upload stands on.
        action: Where the upload's form goes.
        fields: What else the form needs.
    """

    app: object
    visitor: Guest
    page: str
    action: str
    fields: dict[str, str]
    bells: list[object]

    def upload(self, content, *, name="hr.csv", status=200, **fields):
        """Uploads a file as the form does; the visitor then stands on its preview, whose path is returned."""
        data = content.encode() if isinstance(content, str) else content
        headers = world.csrf(self.visitor.client)
        answer = self.visitor.client.post(self.action, headers=headers, **multipart({**self.fields, **fields}, name, data))
        return self.visitor._arrive(answer, self.action, status=status).path


def multipart(fields, name, content):
    """A form with a file as a browser sends it; Werkzeug's own client leaves files open for what is larger than 500 KB."""
    parts = [
        f'--x\r\nContent-Disposition: form-data; name="{field}"\r\n\r\n{value}\r\n' for field, value in fields.items() if field != "file"
    ]
    parts.append(f'--x\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\nContent-Type: text/csv\r\n\r\n')
    return {"data": "".join(parts).encode() + content + b"\r\n--x--\r\n", "content_type": "multipart/form-data; boundary=x"}


@pytest.fixture
def owner(rung, app):
    with app.app_context():
        user = world.make_user("owner@acme.test", name="Olga")
        world.make_organization(user)
    del rung[:]
    return user


def place_named(name, app, owner, rung):
    visitor = Guest(app)
    world.sign_in(visitor.client, owner)
    if name == "invitations":
        return Place(app, visitor, INVITATIONS, f"{INVITATIONS}/upload", {}, rung)
    if name == "onboarding":
        return Place(app, visitor, "/welcome", "/welcome", FRESH, rung)
    with app.app_context():
        draft = world.make_draft(owner, name="Draft")
    base = f"/orgs/{draft.id}/setup/invite"
    return Place(app, visitor, base, f"{base}/upload", {}, rung)


@pytest.fixture(params=PLACES)
def place(request, app, owner, rung):
    return place_named(request.param, app, owner, rung)


@pytest.fixture(params=PLACES[:2])
def either(request, app, owner, rung):
    """The two that keep a file in different ways: a running organization and a setup."""
    return place_named(request.param, app, owner, rung)


@pytest.fixture
def desk(app, owner, rung):
    return place_named("invitations", app, owner, rung)


@pytest.fixture
def wizard(app, owner, rung):
    return place_named("wizard", app, owner, rung)


def number_of(app, *models):
    with app.app_context():
        return [db.session.scalar(select(func.count()).select_from(model)) for model in models]


def table(visitor):
    """Line → the other cells' words, of the rows that are shown."""
    found = {}
    for row in visitor._tree().iter(XHTML + "tr"):
        head, *cells = [cell for cell in row if cell.tag in {XHTML + "th", XHTML + "td"}]
        if head.tag == XHTML + "th" and text_of(head).isdecimal():
            found[int(text_of(head))] = [text_of(cell) for cell in cells]
    return found


def verdicts(visitor):
    """Line → the verdict's words, of the rows that are shown."""
    return {line: cells[3] for line, cells in table(visitor).items()}


def tabs(visitor):
    """The verdicts' filters with their counts."""
    [nav] = [nav for nav in visitor._tree().iter(XHTML + "nav") if nav.get("aria-label") == "Verdicts"]
    return [text_of(link) for link in nav.iter(XHTML + "a")]


def link(visitor, words):
    """The address of the link whose words begin so."""
    return next(link.get("href") for link in visitor._tree().iter(XHTML + "a") if text_of(link).startswith(words))


def post(visitor, path, *, status, headers=None, **data):
    """Posts without a form, as somebody does whose page is old; returns the answer."""
    answer = visitor.client.post(path, data=data, headers={**world.csrf(visitor.client), **(headers or {})})
    assert answer.status_code == status, f"{path}: {answer.status_code}"
    return answer


def file_of(*addresses):
    return "\n".join(["Email", *addresses])


def work_off(app, bells):
    with app.app_context():
        return world.work_off(bells)


def invited(app):
    with app.app_context():
        return {row.email: row.role for row in db.session.scalars(select(Invitation))}


# In all three places.


def test_the_upload_stands_on_the_page_with_its_limits(place):
    form = place.visitor.get(place.page).form(place.action)
    [field] = [field for field in form.iter(XHTML + "input") if field.get("name") == "file"]
    assert (form.get("enctype"), field.get("type")) == ("multipart/form-data", "file")
    assert "Upload CSV" in [text_of(button) for button in form.iter(XHTML + "button")]
    assert "up to 5 MiB and 100,000 rows" in text_of(form)
    place.visitor.submit(place.action, **place.fields, file=(io.BytesIO(b"Email\nasha@acme.test\n"), "hr.csv"))
    assert verdicts(place.visitor) == {2: "New"}


def test_a_file_s_rows_are_shown_with_their_verdicts_and_nothing_goes_out(place):
    path = place.upload(FILE, name="<i>&amp;.csv")
    assert re.fullmatch(r"/orgs/[^/]+/(setup/invite|invitations)/imports/[0-9a-f-]{36}", path)
    assert [words.split()[0] for words in verdicts(place.visitor).values()] == ["New", "Invalid", "Already", "Duplicate", "Unknown"]
    assert "UTF-8 · semicolon · header on line 1" in place.visitor.words
    assert "<i>&amp;.csv" in place.visitor.words
    assert "This address stands in line 2 already." in place.visitor.words
    assert tabs(place.visitor) == ["All 5", "New 1", "Duplicate in the file 1", "Already a member 1", "Invalid e-mail 1", "Unknown role 1"]
    place.visitor.submit(f"{path}/rows/3", email="dev@acme.test", name="Dev", role="ORG_LEARNER")
    place.visitor.submit(f"{path}/rows/5/drop")
    assert number_of(place.app, Invitation, StagedInvitee, InvitationImportRow) == [0, 0, 5]
    assert place.bells == []


def test_a_bad_file_has_a_sentence_of_its_own_beside_the_field_and_changes_nothing(place):
    wrong = []
    before = number_of(place.app, Organization)
    headers = world.csrf(place.visitor.client)
    for case, bad in BAD.items():
        answer = place.visitor.client.post(place.action, headers=headers, **multipart(place.fields, "hr.csv", bad.content))
        field = re.search(r'<input[^>]* id="f-file"[^>]*>', answer.text)
        beside = re.search(r'<p class="field-error" id="f-file-error">([^<]*)</p>', answer.text)
        if answer.status_code != 422 or not beside or bad.words not in beside[1] or 'aria-invalid="true"' not in field[0]:
            wrong.append((case, answer.status_code, beside and beside[1]))
    assert wrong == []
    assert problems(answer) == []
    assert (number_of(place.app, InvitationImport, Organization), place.bells) == ([0, *before], [])


def test_no_file_is_said_beside_the_field(place):
    upload = {"upload": "1"} if place.page == "/welcome" else {}
    post(place.visitor, place.action, status=422, **place.fields, **upload)
    answer = post(place.visitor, place.action, status=422, **place.fields, **upload, file=(io.BytesIO(b""), ""))
    assert "Choose a file first." in answer.text
    assert problems(answer) == []
    assert number_of(place.app, InvitationImport) == [0]


def test_columns_are_asked_for_and_then_remembered(place):
    content = "Work Email,Company Email\nasha@old.test,asha@new.test\n"
    path = place.upload(content)
    assert "Which column is which?" in place.visitor.words
    assert "asha@old.test" in place.visitor.words
    assert table(place.visitor) == {}
    post(place.visitor, f"{path}/confirm", status=409)
    place.visitor.get(path).submit(f"{path}/mapping", status=422, email="")
    place.visitor.get(path).submit(f"{path}/mapping", status=422, email="0", name="0")
    assert "One column can't be two things" in place.visitor.words
    place.visitor.get(path).submit(f"{path}/mapping", email="1")
    assert verdicts(place.visitor) == {2: "New"}
    if place.page != "/welcome":
        place.upload(content.replace("asha", "dev"))
        assert (verdicts(place.visitor), table(place.visitor)[2][0]) == ({2: "New"}, "dev@new.test")


def test_a_row_is_mended_left_out_and_taken_in_again(place):
    path = place.upload(file_of("asha@acme.test", "none", "dev@acme.test"))
    place.visitor.submit(f"{path}/rows/3", email="Esha <ESHA@acme.test>")
    assert table(place.visitor)[3][0] == "esha@acme.test"
    assert verdicts(place.visitor)[3] == "New Mended here."
    place.visitor.submit(f"{path}/rows/3", email="asha@acme.test")
    assert verdicts(place.visitor)[3] == "Duplicate in the file This address stands in line 2 already. Mended here."
    place.visitor.submit(f"{path}/rows/2/drop")
    assert (verdicts(place.visitor)[3], 2 in table(place.visitor)) == ("New Mended here.", False)
    assert tabs(place.visitor) == ["All 2", "New 2", "Left out 1"]
    place.visitor.get(link(place.visitor, "Left out"))
    assert verdicts(place.visitor) == {2: "Left out"}
    place.visitor.submit(f"{path}/rows/2/drop")
    assert verdicts(place.visitor.get(path))[2] == "New"


def test_unknown_roles_are_asked_once_each(desk):
    path = desk.upload("Email,Role\na@acme.test,Boss\nb@acme.test,boss\nc@acme.test,Chief\n")
    asked = [field.get("value") for field in desk.visitor.form(f"{path}/roles").iter(XHTML + "input") if field.get("name") == "text"]
    assert [words.lower() for words in asked] == ["boss", "chief"]
    post(desk.visitor, f"{path}/roles", status=303, text=asked, meaning=["ORG_ADMIN", ""])
    desk.visitor.get(path)
    assert [cells[2] for cells in table(desk.visitor).values()] == ["Admin", "Admin", "Chief"]
    post(desk.visitor, f"{path}/roles", status=303, text=["Chief"], meaning=["ORG_OWNER"])
    assert verdicts(desk.visitor.get(path))[4].startswith("Unknown role")


def test_nobody_brings_in_an_owner_or_support(either):
    path = either.upload("Email,Role\na@acme.test,Owner\nb@acme.test,Support\nc@acme.test,\nd@acme.test,Learner\n")
    for role in ("ORG_OWNER", "ORG_SUPPORT"):
        post(either.visitor, f"{path}/rows/4", status=303, email="c@acme.test", role=role)
        assert verdicts(either.visitor.get(path))[4].startswith("Role not allowed")
        answer = post(either.visitor, f"{path}/reading", status=422, role=role)
        assert "You can't invite people as" in text_of_page(answer)
        assert problems(answer) == []
    assert [words.split(".")[0].split()[0] for words in verdicts(either.visitor.get(path)).values()] == ["Role", "Role", "Role", "New"]
    either.visitor.submit(f"{path}/confirm")
    with either.app.app_context():
        staged = {row.email for row in db.session.scalars(select(StagedInvitee))}
    assert staged | invited(either.app).keys() == {"d@acme.test"}


def text_of_page(answer):
    visitor = Guest.__new__(Guest)
    visitor.answer = answer
    return visitor.words


def test_how_the_file_is_read_is_overruled_and_shown(desk):
    path = desk.upload("Email,Name\nzoe@acme.test,Zoë\n")
    desk.visitor.submit(f"{path}/reading", encoding="windows-1252", role="ORG_ADMIN")
    assert "Windows-1252 · comma · header on line 1" in desk.visitor.words
    assert table(desk.visitor)[2][1:3] == ["ZoÃ«", "Admin"]
    desk.visitor.submit(f"{path}/reading", status=422, header_line="99")
    assert "There is no row on line 99." in desk.visitor.words
    desk.visitor.get(path).submit(f"{path}/reading", encoding="", delimiter="semicolon", header_line="0")
    assert table(desk.visitor)[1][0] == "Email,Name"
    post(desk.visitor, f"{path}/reading", status=422, encoding="ebcdic")
    post(desk.visitor, f"{path}/reading", status=422, header_line="-1")


def test_what_was_overruled_stays_when_only_the_role_is_changed(desk):
    path = desk.upload("Email,Name\nzoe@acme.test,Zoë\n")
    desk.visitor.submit(f"{path}/reading", encoding="windows-1252", header_line="1")
    desk.visitor.submit(f"{path}/reading", role="ORG_ADMIN")
    assert "Windows-1252 · comma · header on line 1" in desk.visitor.words
    assert table(desk.visitor)[2][1:3] == ["ZoÃ«", "Admin"]


def test_a_mended_row_outlives_another_default_role(either):
    path = either.upload(file_of("none", "dev@acme.test"))
    either.visitor.submit(f"{path}/rows/2", email="asha@acme.test")
    either.visitor.submit(f"{path}/rows/3/drop")
    either.visitor.submit(f"{path}/reading", role="ORG_ADMIN")
    assert [cells[0] for cells in table(either.visitor).values()] == ["asha@acme.test"]
    assert table(either.visitor)[2][2] == "Admin"


def test_pages_of_rows_lead_on_and_back_and_keep_the_verdict(desk, monkeypatch):
    monkeypatch.setattr(component, "PAGE_SIZE", 3)
    path = desk.upload(file_of(*(f"p{number}@acme.test" if number % 2 else "none" for number in range(10))))
    assert [*table(desk.visitor)] == [2, 3, 4]
    for words, lines in (("Next", [5, 6, 7]), ("Next", [8, 9, 10]), ("Next", [11]), ("Previous", [8, 9, 10]), ("Previous", [5, 6, 7])):
        desk.visitor.get(link(desk.visitor, words))
        assert [*table(desk.visitor)] == lines
    desk.visitor.get(link(desk.visitor, "Previous"))
    assert [*table(desk.visitor)] == [2, 3, 4]
    assert "Previous" not in words_of_links(desk.visitor)
    desk.visitor.get(link(desk.visitor, "Invalid e-mail"))
    assert [*table(desk.visitor)] == [2, 4, 6]
    desk.visitor.get(link(desk.visitor, "Next"))
    assert ([*table(desk.visitor)], words_of_links(desk.visitor) & {"Next", "Previous"}) == ([8, 10], {"Previous"})
    assert parse_qs(urlsplit(desk.visitor.path).query)["verdict"] == ["INVALID_EMAIL"]
    here = desk.visitor.path
    desk.visitor.submit(f"{path}/rows/10/drop")
    assert (desk.visitor.path, [*table(desk.visitor)]) == (here, [8])


def words_of_links(visitor):
    return {text_of(element) for element in visitor._tree().iter(XHTML + "a")}


def test_the_refused_rows_are_downloaded_mended_and_uploaded_again(place):
    path = place.upload("Team;E-Mail;Name\n7;asha@acme.test;Asha\n8;none;=Dev\n")
    answer = place.visitor.client.get(link(place.visitor, "Download the 1 refused row"))
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert re.fullmatch(r'attachment; filename="refused-[0-9a-f]{8}\.csv"', answer.headers["Content-Disposition"])
    assert answer.data.startswith(b"\xef\xbb\xbf")
    assert list(csv.reader(io.StringIO(answer.data.decode("utf-8-sig"), newline=""))) == [
        ["Team", "E-Mail", "Name", "line", "error_code", "error_reason"],
        ["8", "none", "'=Dev", "3", "INVALID_EMAIL", "“none” isn't a valid e-mail address."],
    ]
    if place.page != "/welcome":
        place.upload(answer.data.replace(b"none", b"dev@acme.test"), name="refused.csv")
        assert (place.visitor.path != path, table(place.visitor)[2][:2]) == (True, ["dev@acme.test", "=Dev"])
        assert verdicts(place.visitor) == {2: "New"}


def test_a_file_in_which_everything_is_refused_can_t_be_sent(either):
    path = either.upload(file_of("none", "owner@acme.test"))
    assert "No row of this file is new, so there is nothing to send." in either.visitor.words
    with pytest.raises(AssertionError, match="has no form"):
        either.visitor.form(f"{path}/confirm")
    post(either.visitor, f"{path}/confirm", status=303)
    assert (number_of(either.app, Invitation, StagedInvitee), either.bells) == ([0, 0], [])


def test_a_line_that_is_none_is_not_found(desk):
    path = desk.upload(file_of("asha@acme.test", "dev@acme.test"))
    for line in ("0", "1", "4", "99999999999", "x", "-2", "2.0"):
        for address in (f"{path}/rows/{line}", f"{path}/rows/{line}/drop"):
            assert post(desk.visitor, address, status=404, email="x@acme.test").status_code == 404


def test_a_row_is_left_out_by_htmx_without_leaving_the_page(either):
    path = either.upload(file_of("asha@acme.test", "dev@acme.test"))
    answer = post(either.visitor, f"{path}/rows/2/drop", status=200, headers=PARTIAL)
    assert problems(answer) == []
    assert 'id="import-state"' in answer.text
    assert "<h1" not in answer.text
    assert 'aria-label="Mend line 2"' not in answer.text
    assert 'aria-label="Mend line 3"' in answer.text
    assert "Left out" in answer.text
    either.visitor.fragment(path, block="import-state")


def routes_of(path):
    """Every route of an upload, with what it takes."""
    yield "GET", path, {}
    yield "GET", f"{path}/refused.csv", {}
    yield "POST", f"{path}/reading", {"role": "ORG_LEARNER"}
    yield "POST", f"{path}/mapping", {"email": "0"}
    yield "POST", f"{path}/roles", {"text": "Boss", "meaning": "ORG_ADMIN"}
    yield "POST", f"{path}/rows/2", {"email": "x@acme.test"}
    yield "POST", f"{path}/rows/2/drop", {}
    yield "POST", f"{path}/confirm", {}


def statuses(client, path, *, headers=None):
    headers = headers or world.csrf(client)
    return {(method, url): client.open(url, method=method, data=data, headers=headers).status_code for method, url, data in routes_of(path)}


def test_uploads_of_others_are_not_found_on_any_route(place):
    path = place.upload(file_of("asha@acme.test"))
    import_id = path.rpartition("/")[2]
    with place.app.app_context():
        stranger = world.make_user("stranger@other.test")
        world.make_organization(stranger, name="Other")
        draft = world.make_draft(stranger, name="Others draft")
    client = world.sign_in(place.app.test_client(), stranger)
    for own in ("/orgs/other/invitations/imports", f"/orgs/{draft.id}/setup/invite/imports"):
        for given in (import_id, "nonsense", draft.id):
            found = statuses(client, f"{own}/{given}")
            assert set(found.values()) == {404}, found
    assert set(statuses(client, path).values()) == ({403} if place.page == INVITATIONS else {404})
    assert verdicts(place.visitor.get(path)) == {2: "New"}
    assert (number_of(place.app, Invitation, StagedInvitee), place.bells) == ([0, 0], [])


def test_an_upload_of_one_s_other_setup_is_not_found(wizard, app, owner):
    import_id = wizard.upload(file_of("asha@acme.test")).rpartition("/")[2]
    with app.app_context():
        other = world.make_draft(owner, name="Second")
    for base in (f"/orgs/{other.id}/setup/invite", INVITATIONS):
        assert set(statuses(wizard.visitor.client, f"{base}/imports/{import_id}").values()) == {404}


@pytest.mark.parametrize("role", [Role.ORG_MANAGER, Role.ORG_LEARNER])
def test_only_admins_upload_and_decide(desk, app, role):
    path = desk.upload(file_of("asha@acme.test"))
    with app.app_context():
        organization = db.session.scalars(select(Organization)).one()
        user = world.make_user("member@acme.test")
        world.add_member(organization, user, role)
    client = world.sign_in(app.test_client(), user)
    assert set(statuses(client, path).values()) == {403}
    upload = {"file": (io.BytesIO(b"Email\nx@acme.test\n"), "hr.csv")}
    assert client.post(f"{INVITATIONS}/upload", data=upload, headers=world.csrf(client)).status_code == 403
    assert number_of(app, InvitationImport, Invitation) == [1, 0]


def test_who_is_signed_out_is_led_to_the_sign_in(place):
    path = place.upload(file_of("asha@acme.test"))
    client = place.app.test_client()
    assert set(statuses(client, path, headers=world.csrf(client)).values()) == {303}
    assert number_of(place.app, Invitation, StagedInvitee) == [0, 0]


def test_without_a_csrf_token_nothing_is_uploaded_or_confirmed(desk, app):
    path = desk.upload(file_of("asha@acme.test"))
    upload = {"file": (io.BytesIO(b"Email\nx@acme.test\n"), "hr.csv")}
    assert desk.visitor.client.post(f"{INVITATIONS}/upload", data=upload).status_code == 400
    assert desk.visitor.client.post(f"{path}/confirm").status_code == 400
    assert number_of(app, InvitationImport, Invitation) == [1, 0]


def test_a_page_takes_as_many_statements_for_a_thousand_rows_as_for_ten(either):
    with either.app.app_context():
        engine = db.database.engine
    found, seen = [], []

    def note(_connection, _cursor, statement, _parameters, _context, _many):
        seen.append(statement)

    for number in (10, 1000):
        role = "Boss" if number == 10 else "Chief"
        rows = "".join(f"p{each}@acme.test,{role if each % 2 else ''}\n" for each in range(number))
        headers = world.csrf(either.visitor.client)
        body = multipart(either.fields, "hr.csv", f"Email,Role\n{rows}".encode())
        path = either.visitor.client.post(either.action, headers=headers, **body).location
        for address in (path, f"{path}?verdict=UNKNOWN_ROLE", f"{path}?after=9"):
            event.listen(engine, "before_cursor_execute", note)
            assert either.visitor.client.get(address).status_code == 200
            event.remove(engine, "before_cursor_execute", note)
            found.append(len(seen))
            del seen[:]
    assert found[:3] == found[3:]
    assert max(found) <= MOST_STATEMENTS, found


def test_a_file_that_is_forgotten_is_still_shown_and_says_so(either):
    path = either.upload(file_of("asha@acme.test", "none"))
    with either.app.app_context(), clock.as_of(clock.now() + timedelta(days=31)), db.unit_of_work():
        assert tasks.expire()["forgotten"] == 1
    either.visitor.get(f"{path}/refused.csv", status=409)
    assert "The content of this file was deleted after 30 days. Upload it again." in either.visitor.words
    either.visitor.get(path)
    assert verdicts(either.visitor).keys() == {2, 3}


# The invitations page.


def test_new_rows_are_sent_and_each_shows_whether_its_mail_went_out(desk, app, rung):
    path = desk.upload(FILE)
    desk.visitor.submit(f"{path}/rows/6", email="fay@acme.test", name="Fay", role="ORG_LEARNER")
    assert "Send 2 invitations" in desk.visitor.words
    desk.visitor.submit(f"{path}/confirm")
    assert desk.visitor.path == path
    assert "2 invitations are on the way." in desk.visitor.words
    assert {line: cells[4] for line, cells in table(desk.visitor).items() if line in {2, 3, 4, 6}} == {
        2: "On its way",
        3: "—",
        4: "—",
        6: "On its way",
    }
    assert invited(app) == {"asha@acme.test": Role.ORG_ADMIN, "fay@acme.test": Role.ORG_LEARNER}
    work_off(app, rung)
    desk.visitor.get(path)
    assert [cells[4] for line, cells in table(desk.visitor).items() if line in {2, 6}] == ["Sent", "Sent"]
    assert "2 invitations went out." in desk.visitor.words
    assert len(table(desk.visitor)) == 5
    assert link(desk.visitor, "Download the 3 refused rows") == f"{path}/refused.csv"


def test_a_duplicate_shows_no_mail_of_its_own(desk):
    path = desk.upload(file_of("asha@acme.test", "asha@acme.test"))
    desk.visitor.submit(f"{path}/confirm")
    assert [cells[4] for cells in table(desk.visitor).values()] == ["On its way", "—"]


def test_confirming_twice_invites_once(desk, app, rung):
    path = desk.upload(file_of("asha@acme.test", "dev@acme.test"))
    for _click in range(2):
        assert post(desk.visitor, f"{path}/confirm", status=303).location == path
    assert number_of(app, Invitation) == [2]
    assert [len(bell.ids) for bell in rung] == [2]
    assert desk.visitor.get(path).words.count("2 invitations are on the way.") == 1


def test_after_confirming_nothing_changes_and_the_page_says_why(desk, app):
    path = desk.upload(file_of("asha@acme.test", "none"))
    desk.visitor.submit(f"{path}/confirm")
    for address, data in ((f"{path}/rows/3", {"email": "x@acme.test"}), (f"{path}/reading", {}), (f"{path}/mapping", {"email": "0"})):
        answer = post(desk.visitor, address, status=422, **data)
        assert "This file was confirmed already, so nothing in it can change." in text_of_page(answer), address
    for address in (f"{path}/rows/3/drop", f"{path}/roles"):
        assert "This file was confirmed already" in text_of_page(post(desk.visitor, address, status=409))
    assert verdicts(desk.visitor.get(path))[3].startswith("Invalid e-mail")
    assert number_of(app, Invitation) == [1]


def test_the_same_file_twice_does_no_harm(desk, app, rung):
    content = file_of("asha@acme.test", "dev@acme.test")
    for path in [desk.upload(content) for _upload in range(2)]:
        assert verdicts(desk.visitor) == {2: "New", 3: "New"}
        post(desk.visitor, f"{path}/confirm", status=303)
    desk.upload(content)
    assert set(verdicts(desk.visitor).values()) == {"Already invited This person has an open invitation already."}
    assert (number_of(app, Invitation), sum(len(bell.ids) for bell in rung)) == ([2], 2)


def test_past_uploads_stand_on_the_invitations_page(desk):
    path = desk.upload(file_of("asha@acme.test"), name="first.csv")
    desk.visitor.submit(f"{path}/confirm")
    desk.upload(file_of("dev@acme.test"), name="second.csv")
    words = desk.visitor.get(INVITATIONS).words
    assert re.search(r"second\.csv .* Not confirmed first\.csv .* Confirmed", words)
    assert link(desk.visitor, "first.csv") == path


def test_a_suspended_organization_takes_no_file_and_confirms_none(desk, app, rung):
    path = desk.upload(file_of("asha@acme.test"))
    with app.app_context(), db.unit_of_work():
        admin = world.make_user("admin@portal.test", role=PlatformRole.ADMIN)
        organization = db.session.scalars(select(Organization)).one()
        lifecycle.decide(organization.id, Decision.SUSPEND, reason="It didn't pay.", actor=world.as_self(admin))
    del rung[:]
    for method, address, data in routes_of(path):
        if method == "POST":
            answer = post(desk.visitor, address, status=409, **data)
            assert "is suspended, so nothing in it can be changed" in text_of_page(answer)
    post(desk.visitor, f"{INVITATIONS}/upload", status=409, file=(io.BytesIO(b"Email\nx@acme.test\n"), "hr.csv"))
    assert (number_of(app, InvitationImport, Invitation), rung) == ([1, 0], [])
    assert verdicts(desk.visitor.get(path)) == {2: "New"}


def test_a_default_role_that_can_t_be_given_out_is_refused_with_the_file(desk, app):
    for role in ("ORG_OWNER", "ORG_SUPPORT", "nonsense"):
        file = (io.BytesIO(b"Email\nx@acme.test\n"), "hr.csv")
        answer = post(desk.visitor, f"{INVITATIONS}/upload", status=422, file=file, file_role=role)
        words = "Choose one of the options." if role == "nonsense" else "You can't invite people as"
        assert words in text_of_page(answer), role
        assert problems(answer) == []
    assert number_of(app, InvitationImport) == [0]


def test_the_role_beside_the_file_is_for_rows_without_one(desk, app):
    path = desk.upload(file_of("asha@acme.test"), file_role="ORG_MANAGER")
    desk.visitor.submit(f"{path}/confirm")
    assert invited(app) == {"asha@acme.test": Role.ORG_MANAGER}


def test_an_admin_invites_admins_but_no_owner(desk, app):
    with app.app_context():
        organization = db.session.scalars(select(Organization)).one()
        admin = world.make_user("admin@acme.test")
        world.add_member(organization, admin, Role.ORG_ADMIN)
    desk.visitor = Guest(app)
    world.sign_in(desk.visitor.client, admin)
    path = desk.upload("Email,Role\na@acme.test,Owner\nb@acme.test,Admin\nc@acme.test,King\n")
    assert "An owner is never made from a file. Choose another role here." in desk.visitor.words
    options = {option.get("value") for option in desk.visitor.form(f"{path}/roles").iter(XHTML + "option")}
    assert options == {"", "ORG_ADMIN", "ORG_MANAGER", "ORG_LEARNER"}
    desk.visitor.submit(f"{path}/confirm")
    assert invited(app) == {"b@acme.test": Role.ORG_ADMIN}


def test_a_body_above_what_is_taken_at_all_is_413(desk, app):
    body = multipart({}, "hr.csv", b"x" * (9 * 1024 * 1024))
    answer = desk.visitor.client.post(f"{INVITATIONS}/upload", headers=world.csrf(desk.visitor.client), **body)
    assert (answer.status_code, number_of(app, InvitationImport)) == (413, [0])


def test_filters_that_make_no_sense_are_refused(desk):
    path = desk.upload(file_of("asha@acme.test"))
    for search in ("verdict=NONSENSE", "after=-1", "after=x", "before=99999999999999999999", "page=2"):
        assert desk.visitor.client.get(f"{path}?{search}").status_code == 400, search


# The wizard and the first page.


def test_in_the_wizard_rows_are_staged_and_invited_at_the_launch(wizard, app, rung):
    path = wizard.upload(FILE)
    assert "Add 1 person" in wizard.visitor.words
    wizard.visitor.submit(f"{path}/confirm")
    assert wizard.visitor.path == wizard.page
    assert "1 person is added. They are invited when you launch." in wizard.visitor.words
    assert "asha@acme.test" in wizard.visitor.words
    post(wizard.visitor, f"{path}/confirm", status=303)
    assert number_of(app, StagedInvitee, Invitation) == [1, 0]
    assert rung == []
    wizard.upload(FILE)
    assert verdicts(wizard.visitor)[2].startswith("Already invited")
    base = wizard.page.rpartition("/")[0]
    wizard.visitor.get(f"{base}/review").submit(f"{base}/launch")
    assert invited(app) == {"asha@acme.test": Role.ORG_ADMIN}
    work_off(app, rung)
    with app.app_context():
        assert [row.delivery.value for row in db.session.scalars(select(Invitation))] == ["SENT"]


def test_a_file_of_a_setup_that_was_confirmed_never_says_that_mails_went_out(wizard):
    path = wizard.upload(file_of("asha@acme.test"))
    wizard.visitor.submit(f"{path}/confirm")
    wizard.visitor.get(path)
    assert "went out" not in wizard.visitor.words


def test_a_new_user_s_first_page_keeps_everything_and_leads_to_the_preview(app, owner, rung):
    place = place_named("onboarding", app, owner, rung)
    path = place.upload(file_of("asha@acme.test", "dev@acme.test"), people="dev@acme.test", role="ORG_MANAGER", industry="Steel")
    assert verdicts(place.visitor) == {2: "New", 3: "Already invited This person has an open invitation already."}
    place.visitor.submit(f"{path}/confirm")
    with app.app_context():
        draft = db.session.scalars(select(Organization).where(Organization.name == "Fresh")).one()
        people = {row.email: row.role for row in setup.staged(draft.id)}
    assert draft.industry == "Steel"
    assert people == {"asha@acme.test": Role.ORG_LEARNER, "dev@acme.test": Role.ORG_MANAGER}
    assert (number_of(app, Invitation), rung) == ([0], [])


def test_a_bad_file_on_the_first_page_keeps_what_was_typed_and_makes_no_draft(app, owner, rung):
    place = place_named("onboarding", app, owner, rung)
    before = number_of(app, Organization)
    place.upload(BAD["NULs"].content, status=422, people="dev@acme.test", industry="Steel")
    values = {field.get("name"): field.get("value") for field in place.visitor.form("/welcome").iter(XHTML + "input")}
    assert (values["name"], values["industry"]) == ("Fresh", "Steel")
    assert "dev@acme.test" in place.visitor.words
    assert number_of(app, Organization, StagedInvitee) == [*before, 0]
