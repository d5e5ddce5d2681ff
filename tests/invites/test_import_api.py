"""The JSON import: a dry run that writes nothing, and an import that does exactly what the dry run said."""

import csv
import io
import json
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from portal import clock, db
from portal.accounts.rules import PlatformRole
from portal.invites import tasks
from portal.invites.models import ImportMapping, Invitation, InvitationImport, InvitationImportRow
from portal.invites.rules import header_fingerprint, read_table
from portal.orgs.rules import Role
from portal.orgs.rules.lifecycle import Verdict as Decision
from portal.orgs.service import lifecycle
from tests.invites.test_import_pages import multipart
from tests.invites.test_imports import BAD
from tests.support import world

FILE = "E-Mail;Name;Role\nasha@acme.test;Asha;Admin\nnone;Dev;\nowner@acme.test;Olga;\nasha@acme.test;;\nfay@acme.test;Fay;Boss\n"
SHAPE = {"batchId", "status", "file", "columns", "mapping", "counts", "rows"}
ROW = {"line", "email", "name", "role", "verdict", "message", "delivery"}


class Api:
    """An API client of somebody in an organization."""

    def __init__(self, app, organization, user) -> None:
        self.base = f"/api/organizations/{organization.id}/invitations"
        self.client = world.sign_in(app.test_client(), user)
        self.headers = world.csrf(self.client)

    def post(self, content, *, status=None, **fields):
        """Imports; fields other than texts are written as JSON."""
        data = content.encode() if isinstance(content, str) else content
        said = {name: value if isinstance(value, str) else json.dumps(value) for name, value in fields.items()}
        answer = self.client.post(f"{self.base}/import", headers=self.headers, **multipart(said, "hr.csv", data))
        assert status in (None, answer.status_code), answer.text
        return answer

    def dry(self, content, *, status=200, **fields):
        return self.post(content, status=status, dryRun="true", **fields).json

    def send(self, content, *, status=202, **fields):
        return self.post(content, status=status, **fields).json

    def get(self, path, *, status=200):
        answer = self.client.get(f"{self.base}/{path}")
        assert answer.status_code == status, answer.text
        return answer


@pytest.fixture
def owner(rung, app):
    with app.app_context():
        return world.make_user("owner@acme.test", name="Olga")


@pytest.fixture
def acme(app, owner, rung):
    with app.app_context():
        organization = world.make_organization(owner)
    del rung[:]
    return organization


@pytest.fixture
def api(app, acme, owner):
    return Api(app, acme, owner)


def number_of(app, *models):
    with app.app_context():
        return [db.session.scalar(select(func.count()).select_from(model)) for model in models]


def invited(app):
    with app.app_context():
        return {row.email: row.role for row in db.session.scalars(select(Invitation))}


def verdicts(answer):
    return {row["line"]: row["verdict"] for row in answer["rows"]}


def file_of(*addresses):
    return "\n".join(["Email", *addresses])


def test_a_dry_run_says_everything_and_writes_nothing(app, api, rung):
    said = api.dry(FILE)
    assert said.keys() == SHAPE
    assert (said["batchId"], said["status"]) == (None, "CHECKED")
    assert said["file"] == {"encoding": "utf-8", "delimiter": ";", "headerLine": 1}
    assert said["mapping"] == {"email": 0, "name": [1], "role": 2}
    assert said["columns"][1] == {"name": "Name", "samples": ["Asha", "Dev", "Olga"]}
    assert said["counts"] == {"NEW": 1, "DUPLICATE_IN_FILE": 1, "ALREADY_MEMBER": 1, "INVALID_EMAIL": 1, "UNKNOWN_ROLE": 1}
    assert {frozenset(row) for row in said["rows"]} == {frozenset(ROW)}
    assert said["rows"][0] == {
        "line": 2,
        "email": "asha@acme.test",
        "name": "Asha",
        "role": "ORG_ADMIN",
        "verdict": "NEW",
        "message": "Will be invited as Admin.",
        "delivery": None,
    }
    assert [row["delivery"] for row in said["rows"]] == [None] * 5
    assert (number_of(app, InvitationImport, InvitationImportRow, Invitation), rung) == ([0, 0, 0], [])


def test_an_import_does_what_the_dry_run_said_and_shows_each_row_s_mail(app, api, rung):
    dry = api.dry(FILE)
    said = api.send(FILE)
    assert said.keys() == SHAPE
    assert (said["status"], said["counts"], verdicts(said)) == ("RUNNING", dry["counts"], verdicts(dry))
    assert {row["line"]: row["delivery"] for row in said["rows"]} == {2: "QUEUED", 3: None, 4: None, 5: None, 6: None}
    assert invited(app) == {"asha@acme.test": Role.ORG_ADMIN}
    assert api.get(f"imports/{said['batchId']}").json == said
    with app.app_context():
        world.work_off(rung)
    done = api.get(f"imports/{said['batchId']}").json
    assert (done["status"], [row["delivery"] for row in done["rows"]]) == ("DONE", ["SENT", None, None, None, None])
    assert done["mapping"] == dry["mapping"]
    assert done["file"] == dry["file"]
    assert done["columns"] == dry["columns"]


def test_the_batch_is_the_one_that_stands_in_the_database(app, api):
    said = [api.send(file_of(f"p{number}@acme.test"))["batchId"] for number in range(2)]
    with app.app_context():
        assert sorted(db.session.scalars(select(InvitationImport.id))) == sorted(said)
        assert {row.import_id for row in db.session.scalars(select(Invitation))} == set(said)


def test_the_same_file_twice_does_no_harm(app, api, rung):
    content = file_of("asha@acme.test", "dev@acme.test")
    api.send(content)
    again = api.send(content)
    assert (again["counts"], again["status"]) == ({"ALREADY_INVITED": 2}, "DONE")
    assert number_of(app, Invitation) == [2]
    assert sum(len(bell.ids) for bell in rung) == 2


def test_a_file_in_which_everything_is_refused_invites_nobody(app, api, rung):
    said = api.send(file_of("none", "owner@acme.test"))
    assert (said["counts"], said["status"]) == ({"INVALID_EMAIL": 1, "ALREADY_MEMBER": 1}, "DONE")
    assert (number_of(app, Invitation), rung) == ([0], [])
    assert len(api.get(f"imports/{said['batchId']}/refused.csv").data.decode().splitlines()) == 3


@pytest.mark.parametrize("dry_run", ["true", "false"])
def test_a_file_without_a_usable_column_asks_for_one_and_sends_nothing(app, api, rung, dry_run):
    content = "Work Email,Company Email\nasha@old.test,asha@acme.test\n"
    said = api.post(content, status=200, dryRun=dry_run).json
    assert (said["batchId"], said["mapping"], said["rows"], said["counts"]) == (None, None, [], {})
    assert said["columns"] == [
        {"name": "Work Email", "samples": ["asha@old.test"]},
        {"name": "Company Email", "samples": ["asha@acme.test"]},
    ]
    assert (number_of(app, InvitationImport, Invitation), rung) == ([0, 0], [])
    assert api.send(content, mapping={"email": 1})["rows"][0]["email"] == "asha@acme.test"
    assert invited(app).keys() == {"asha@acme.test"}


def test_a_mapping_says_which_columns_hold_what(api):
    content = "Given,Family,Work Email,Company Email,Level\nAsha,Rao,a@old.test,asha@acme.test,Admin\n"
    [row] = api.dry(content, mapping={"email": 3, "name": [0, 1], "role": 4})["rows"]
    assert (row["email"], row["name"], row["role"]) == ("asha@acme.test", "Asha Rao", "ORG_ADMIN")
    [row] = api.dry(content, mapping={"email": 3, "name": 1})["rows"]
    assert (row["name"], row["role"]) == ("Rao", "ORG_LEARNER")


def test_roles_are_mapped_by_their_text_in_any_case(app, api):
    content = "Email,Role\na@acme.test,Boss\nb@acme.test,BOSS\nc@acme.test,Chief\n"
    said = api.dry(content, roleMapping={"boss": "ORG_ADMIN"})
    assert [(row["role"], row["verdict"]) for row in said["rows"]] == [
        ("ORG_ADMIN", "NEW"),
        ("ORG_ADMIN", "NEW"),
        (None, "UNKNOWN_ROLE"),
    ]
    api.send(content, roleMapping={"boss": "ORG_ADMIN"})
    assert invited(app) == {"a@acme.test": Role.ORG_ADMIN, "b@acme.test": Role.ORG_ADMIN}


def test_encoding_delimiter_header_and_default_role_are_overruled(api):
    content = "Email;Name\nzoe@acme.test;Zoë\n"
    assert api.dry(content.encode("utf-16"))["file"]["encoding"] == "utf-16"
    assert api.dry(content.encode("windows-1252"))["rows"][0]["name"] == "Zoë"
    assert api.dry(content, encoding="windows-1252")["rows"][0]["name"] == "ZoÃ«"
    assert api.dry(content, delimiter=";")["file"]["delimiter"] == ";"
    assert api.dry(content, delimiter=",")["file"] == {"encoding": "utf-8", "delimiter": ",", "headerLine": None}
    assert verdicts(api.dry(file_of("a@acme.test"), headerLine="0")) == {1: "INVALID_EMAIL", 2: "NEW"}
    assert api.dry(content, defaultRole="ORG_MANAGER")["rows"][0]["role"] == "ORG_MANAGER"
    assert api.send(content, encoding="windows-1252", defaultRole="ORG_MANAGER")["rows"][0]["name"] == "ZoÃ«"


def test_a_bad_file_is_refused_with_its_own_code_dry_or_not(app, api, rung):
    wrong = []
    for case, bad in BAD.items():
        for fields in ({"dryRun": "true"}, {}):
            answer = api.post(bad.content, **fields)
            body = answer.json
            if (answer.status_code, body["code"], body["details"]) != (bad.status, bad.code, {"file": [body["error"]]}):
                wrong.append((case, answer.status_code, body))
            if bad.words not in body["error"]:
                wrong.append((case, body["error"]))
    assert wrong == []
    assert (number_of(app, InvitationImport, Invitation), rung) == ([0, 0], [])


def test_no_file_is_said(app, api):
    for data in ({"dryRun": "true"}, {"file": (io.BytesIO(b""), "")}):
        answer = api.client.post(f"{api.base}/import", headers=api.headers, data=data, content_type="multipart/form-data")
        assert (answer.status_code, answer.json["code"], answer.json["details"]) == (
            400,
            "FILE_MISSING",
            {"file": ["Choose a file first."]},
        )
    assert api.post(b"x" * (9 * 1024 * 1024)).status_code == 413
    assert number_of(app, InvitationImport) == [0]


WRONG_FIELDS = [
    ({"mapping": {"email": 9}}, "mapping"),
    ({"mapping": {"email": 0, "name": 0}}, "mapping"),
    ({"mapping": "{"}, "mapping"),
    ({"mapping": {"name": 0}}, "mapping"),
    ({"mapping": {"email": -1}}, "mapping"),
    ({"mapping": {"email": 0, "phone": 1}}, "mapping"),
    ({"roleMapping": "[]"}, "roleMapping"),
    ({"roleMapping": {"Boss": "KING"}}, "roleMapping"),
    ({"encoding": "ebcdic"}, "encoding"),
    ({"delimiter": "x"}, "delimiter"),
    ({"headerLine": "99"}, "headerLine"),
    ({"headerLine": "-1"}, "headerLine"),
    ({"headerLine": "first"}, "headerLine"),
    ({"defaultRole": "KING"}, "defaultRole"),
    ({"dryRun": "perhaps"}, "dryRun"),
    ({"sendNow": "true"}, "sendNow"),
]


def test_fields_that_make_no_sense_are_named_with_a_sentence(app, api):
    wrong = []
    for fields, field in WRONG_FIELDS:
        answer = api.post("Email,Name\nasha@acme.test,Asha\n", **fields)
        details = answer.json.get("details", {})
        are_sentences = all(sentence.endswith(".") for sentences in details.values() for sentence in sentences)
        if answer.status_code != 400 or [name.partition(".")[0] for name in details] != [field] or not are_sentences:
            wrong.append((fields, answer.status_code, answer.json))
    assert (wrong, number_of(app, InvitationImport, ImportMapping, Invitation)) == ([], [0, 0, 0])


@pytest.mark.parametrize("role", ["ORG_OWNER", "ORG_SUPPORT", "ORG_CONSULTANT"])
def test_nobody_becomes_what_can_t_be_given_out(app, api, role):
    content = f"Email,Role\na@acme.test,{role}\nb@acme.test,Boss\n"
    said = api.send(content, roleMapping={"Boss": role})
    assert said["counts"] == {"ROLE_NOT_ALLOWED": 2}
    for dry_run in ("true", "false"):
        answer = api.post(file_of("c@acme.test"), dryRun=dry_run, defaultRole=role)
        assert (answer.status_code, answer.json.get("code")) == (400, "ROLE_NOT_ALLOWED"), f"dryRun={dry_run}"
    assert invited(app) == {}


def test_seats_are_counted_down_the_file(app, owner, rung):
    with app.app_context():
        organization = world.make_organization(owner, name="Small", seats=1)
    api = Api(app, organization, owner)
    said = api.send("Email,Role\na@small.test,\nb@small.test,\nc@small.test,Admin\n")
    assert [row["verdict"] for row in said["rows"]] == ["NEW", "OVER_SEAT_LIMIT", "NEW"]
    assert invited(app).keys() == {"a@small.test", "c@small.test"}


def test_refused_rows_are_downloaded_and_imported_again(app, api):
    said = api.send("Team,Email,Name\n7,asha@acme.test,Asha\n8,none,=Dev\n")
    answer = api.get(f"imports/{said['batchId']}/refused.csv")
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert answer.data.startswith(b"\xef\xbb\xbf")
    table = list(csv.reader(io.StringIO(answer.data.decode("utf-8-sig"), newline="")))
    assert table[0] == ["Team", "Email", "Name", "line", "error_code", "error_reason"]
    assert table[1][:5] == ["8", "none", "'=Dev", "3", "INVALID_EMAIL"]
    again = api.send(answer.data.replace(b"none", b"dev@acme.test"))
    assert [(row["email"], row["name"], row["verdict"]) for row in again["rows"]] == [("dev@acme.test", "=Dev", "NEW")]
    assert [column["name"] for column in again["columns"]] == ["Team", "Email", "Name"]
    assert invited(app).keys() == {"asha@acme.test", "dev@acme.test"}


def test_after_thirty_days_the_refused_rows_say_that_they_are_forgotten(app, api):
    said = api.send(file_of("asha@acme.test", "none"))
    with app.app_context(), clock.as_of(clock.now() + timedelta(days=31)), db.unit_of_work():
        assert tasks.expire()["forgotten"] == 1
    answer = api.get(f"imports/{said['batchId']}/refused.csv", status=409)
    assert (answer.json["code"], "deleted after 30 days" in answer.json["error"]) == ("IMPORT_FORGOTTEN", True)
    later = api.get(f"imports/{said['batchId']}").json
    assert (verdicts(later), [column["samples"] for column in later["columns"]]) == (verdicts(said), [[]])


def test_others_imports_are_not_found(app, api):
    batch_id = api.send(file_of("asha@acme.test"))["batchId"]
    with app.app_context():
        stranger = world.make_user("stranger@other.test")
        organization = world.make_organization(stranger, name="Other")
    other = Api(app, organization, stranger)
    for given in (batch_id, "nonsense", batch_id[:-1], f"{batch_id}0"):
        for path in (f"imports/{given}", f"imports/{given}/refused.csv"):
            assert other.get(path, status=404).json["code"] == "IMPORT_NOT_FOUND"
    other.base = api.base
    assert other.get(f"imports/{batch_id}", status=403).json["code"] == "NOT_A_MEMBER"
    assert other.send(file_of("x@acme.test"), status=403)["code"] == "NOT_A_MEMBER"


@pytest.mark.parametrize("role", [Role.ORG_MANAGER, Role.ORG_LEARNER])
def test_only_admins_import(app, acme, api, role):
    batch_id = api.send(file_of("asha@acme.test"))["batchId"]
    with app.app_context():
        user = world.make_user("member@acme.test")
        world.add_member(acme, user, role)
    member = Api(app, acme, user)
    assert member.dry(file_of("x@acme.test"), status=403)["code"] == "ROLE_TOO_LOW"
    for path in (f"imports/{batch_id}", f"imports/{batch_id}/refused.csv"):
        assert member.get(path, status=403).json["code"] == "ROLE_TOO_LOW"
    assert invited(app).keys() == {"asha@acme.test"}


def test_an_admin_imports_admins_but_no_owner(app, acme, api):
    with app.app_context():
        user = world.make_user("admin@acme.test")
        world.add_member(acme, user, Role.ORG_ADMIN)
    said = Api(app, acme, user).send("Email,Role\na@acme.test,Owner\nb@acme.test,Admin\n")
    assert verdicts(said) == {2: "ROLE_NOT_ALLOWED", 3: "NEW"}
    assert invited(app) == {"b@acme.test": Role.ORG_ADMIN}


def test_signed_out_and_without_a_csrf_header_nothing_is_imported(app, api):
    guest = app.test_client()
    body = multipart({}, "hr.csv", b"Email\nx@acme.test\n")
    answer = guest.post(f"{api.base}/import", headers=world.csrf(guest), **body)
    assert (answer.status_code, answer.json["code"]) == (401, "UNAUTHENTICATED")
    answer = api.client.post(f"{api.base}/import", **body)
    assert (answer.status_code, answer.json["code"]) == (400, "CSRF_FAILED")
    assert number_of(app, InvitationImport) == [0]


def test_a_suspended_organization_imports_nothing_and_still_shows(app, acme, api, rung):
    batch_id = api.send(file_of("asha@acme.test"))["batchId"]
    with app.app_context(), db.unit_of_work():
        admin = world.make_user("admin@portal.test", role=PlatformRole.ADMIN)
        lifecycle.decide(acme.id, Decision.SUSPEND, reason="It didn't pay.", actor=world.as_self(admin))
    assert api.send(file_of("x@acme.test"), status=409)["code"] == "ORGANIZATION_NOT_ACTIVE"
    assert api.dry(file_of("x@acme.test"), status=409)["code"] == "ORGANIZATION_NOT_ACTIVE"
    with app.app_context():
        world.work_off(rung)
    assert api.get(f"imports/{batch_id}").json["rows"][0]["delivery"] == "QUEUED"
    assert number_of(app, InvitationImport) == [1]


def test_columns_that_were_said_on_the_page_count_for_the_api_too(app, acme, api):
    content = "Work Email,Company Email\nasha@old.test,asha@acme.test\n"
    page = f"/orgs/{acme.slug}/invitations"
    path = api.client.post(f"{page}/upload", headers=api.headers, **multipart({}, "hr.csv", content.encode())).location
    assert api.client.post(f"{path}/mapping", data={"email": "1"}, headers=api.headers).status_code == 303
    assert api.dry(content)["mapping"] == {"email": 1, "name": [], "role": None}
    checked = api.get(f"imports/{path.rpartition('/')[2]}").json
    assert (checked["status"], checked["counts"], checked["rows"][0]["delivery"]) == ("CHECKED", {"NEW": 1}, None)
    assert invited(app) == {}


def test_the_provider_tier_is_imported_with_its_flag(app, acme, api, provider_orgs):
    assert api.send("Email,Role\na@acme.test,Support\n")["counts"] == {"NEW": 1}
    assert invited(app) == {"a@acme.test": Role.ORG_SUPPORT}


def test_organizations_learn_their_columns_apart(app, acme, api, owner):
    content = "A,B\nnone,asha@acme.test\n"
    with app.app_context():
        organization = world.make_organization(owner, name="Second")
        with db.unit_of_work():
            fingerprint = header_fingerprint(read_table(content.encode()))
            db.session.add(ImportMapping(organization_id=acme.id, fingerprint=fingerprint, columns={"email": 1}, updated_at=clock.now()))
    assert api.dry(content)["mapping"] == {"email": 1, "name": [], "role": None}
    assert Api(app, organization, owner).dry(content)["mapping"] is None
