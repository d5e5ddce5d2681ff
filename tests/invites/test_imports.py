"""Uploaded files against PostgreSQL: judged, decided about, mended, confirmed once, and forgotten; nothing goes out before."""

import csv
import io
import re
import struct
import time
import zipfile
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

import pytest
from sqlalchemy import func, select, text

from portal import clock, config, db
from portal.audit.models import AuditRow
from portal.audit.rules import Action
from portal.errors import Conflict, DomainError, Invalid, NotFound
from portal.gateways.mail import Delivery
from portal.invites import queries, tasks
from portal.invites.models import Invitation, InvitationImport, InvitationImportRow
from portal.invites.rules import MOST_BYTES, MOST_ROWS, NO_HEADER, Verdict
from portal.invites.rules.choices import Choices, Edit
from portal.invites.rules.states import ImportStatus
from portal.invites.service import changes, imports, invitations, verdicts
from portal.orgs import queries as orgs
from portal.orgs.models import Organization
from portal.orgs.rules import BillingMode, Role, invitable_roles
from portal.setup import service as setup
from portal.setup.models import StagedInvitee
from portal.setup.schemas import OnboardingIn
from tests.support import world
from tests.support.together import at_once

LEARNER, ADMIN, SUPPORT, OWNER = Role.ORG_LEARNER, Role.ORG_ADMIN, Role.ORG_SUPPORT, Role.ORG_OWNER


@dataclass(frozen=True)
class Bad:
    """A file that is refused, with what is said of it."""

    content: bytes
    code: str
    words: str
    status: int = 400


def compound_file(*streams: str) -> bytes:
    """An OLE compound file (MS-CFB) with a stream of 4096 bytes for each name."""
    free, end, fat_mark = 0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFFFD
    header = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(16) + struct.pack("<5H6x", 0x3E, 3, 0xFFFE, 9, 6)
    header += struct.pack("<9I", 0, 1, 1, 0, 4096, end, 0, end, 0) + struct.pack("<109I", 0, *[free] * 108)
    fat = [fat_mark, end]
    for number in range(len(streams)):
        fat += [2 + number * 8 + place for place in range(1, 8)] + [end]
    entries = [_entry("Root Entry", kind=5, child=1, right=free, start=end, size=0)]
    for number, name in enumerate(streams):
        right = number + 2 if number + 1 < len(streams) else free
        entries.append(_entry(name, kind=2, child=free, right=right, start=2 + number * 8, size=4096))
    entries += [bytes(128)] * (4 - len(entries))
    return header + struct.pack("<128I", *fat, *[free] * (128 - len(fat))) + b"".join(entries) + bytes(4096 * len(streams))


def _entry(name: str, *, kind: int, child: int, right: int, start: int, size: int) -> bytes:
    written = name.encode("utf-16-le") + b"\0\0"
    return (
        written.ljust(64, b"\0")
        + struct.pack("<HBB3I", len(written), kind, 1, 0xFFFFFFFF, right, child)
        + bytes(36)
        + struct.pack("<IQ", start, size)
    )


def bomb() -> bytes:
    """A workbook of 30 KB that unpacks to 30 MB."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/workbook.xml", "<workbook/>")
        archive.writestr("xl/worksheets/sheet1.xml", b" " * 30_000_000)
    return made.getvalue()


BAD = {
    "5 MiB and one byte": Bad(b"Email\n".ljust(MOST_BYTES + 1, b"\n"), "CSV_TOO_LARGE", "larger than 5 MB", 413),
    "100 001 rows": Bad(b"Email\n" + b"a@b.example\n" * (MOST_ROWS + 1), "CSV_TOO_MANY_ROWS", "more than 100,000 rows"),
    "201 columns": Bad(b"Email" + b",x" * 200 + b"\na@acme.test" + b",x" * 200, "CSV_TOO_MANY_COLUMNS", "more than 200 columns"),
    "a cell above 32 KiB": Bad(b"Email,Name\na@acme.test," + b"x" * 32_769, "CSV_CELL_TOO_LONG", "A cell in line 2 is longer than 32 KB"),
    "NULs": Bad(b"Email\na@acme.test\x00\n", "CSV_NUL", "NUL characters"),
    "a picture": Bad(world.picture(), "CSV_UNREADABLE", "not a table"),
    "an encrypted workbook": Bad(compound_file("EncryptionInfo", "EncryptedPackage"), "CSV_UNREADABLE", "protected by a password"),
    "a bomb": Bad(bomb(), "CSV_TOO_MUCH_INSIDE", "unpacks to far more than a list of people"),
    "nothing": Bad(b"", "CSV_EMPTY", "There is nothing in this file"),
    "a header alone": Bad(b"Email,Name,Role\n", "CSV_EMPTY", "no row below the header"),
}


@pytest.fixture
def acme(rung, app):
    with app.app_context():
        organization = world.make_organization(world.make_user("owner@acme.test"))
        del rung[:]
        yield organization


def owner_of(organization):
    found = db.session.get(world.User, organization.created_by)
    assert found is not None
    return found


def around(organization, *, inviter=OWNER):
    allowed = invitable_roles(organization.kind, inviter=inviter, provider_orgs=config.current().enable_provider_orgs)
    return verdicts.surroundings(db.session.get_one(Organization, organization.id), allowed_roles=allowed)


def upload(organization, content, *, role=LEARNER, inviter=OWNER):
    """Uploads a file and returns its id."""
    data = content.encode() if isinstance(content, str) else content
    with db.unit_of_work():
        file = imports.Upload("hr.csv", data)
        return imports.stage(file, default_role=role, around=around(organization, inviter=inviter), creator=owner_of(organization)).id


def decide(organization, batch_id, change=lambda choices: choices, **more):
    with db.unit_of_work():
        imports.decide(batch_id, change, around=around(organization), **more)


def mend(organization, batch_id, line, email, name="", role="", *, inviter=OWNER):
    with db.unit_of_work():
        imports.mend(batch_id, line, Edit(email=email, name=name, role=role), around=around(organization, inviter=inviter))


def drop(organization, batch_id, line):
    with db.unit_of_work():
        imports.drop(batch_id, line, around=around(organization))


def say_roles(organization, batch_id, **roles):
    decide(organization, batch_id, lambda choices: Choices.from_json({**choices.to_json(), "roles": roles}))


def confirm(organization, batch_id):
    owner = owner_of(organization)
    with db.unit_of_work():
        return imports.confirm(batch_id, around=around(organization), inviter=owner, actor=world.as_self(owner))


def judged(batch_id):
    """Line → address and verdict, of the rows that weren't left out."""
    db.session.expire_all()
    return {row.line: (row.email, row.verdict) for row in queries.import_rows(batch_id)}


def row_of(batch_id, line):
    db.session.expire_all()
    return queries.require_row(batch_id, line)


def batch_of(batch_id):
    db.session.expire_all()
    return db.session.get_one(InvitationImport, batch_id)


def invited():
    db.session.expire_all()
    return {row.email: row.role for row in db.session.scalars(select(Invitation))}


def number_of(model):
    return db.session.scalar(select(func.count()).select_from(model))


def refused(batch_id):
    """The refused rows as a spreadsheet reads them, and the bytes."""
    content = imports.refused(batch_of(batch_id))
    return list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""))), content


def file_of(*addresses):
    return "\n".join(["Email", *addresses])


# What a preview does: nothing.


def test_a_preview_rings_and_invites_nobody(acme, rung):
    batch_id = upload(acme, "Email,Role\nasha@acme.test,\ndev@acme.test,Boss\n")
    mend(acme, batch_id, 3, "dev@acme.test", "Dev")
    drop(acme, batch_id, 2)
    decide(acme, batch_id, default_role=ADMIN)
    assert (number_of(InvitationImportRow), number_of(Invitation), rung) == (2, 0, [])


def test_a_preview_in_a_setup_stages_and_invites_nobody(acme, rung):
    owner = owner_of(acme)
    draft = world.make_draft(owner, name="Draft")
    with db.unit_of_work():
        setup.stage_upload(imports.Upload("hr.csv", b"Email\nasha@acme.test\n"), draft=draft, creator=owner)
    assert (number_of(InvitationImportRow), number_of(StagedInvitee), number_of(Invitation), rung) == (1, 0, 0, [])


def test_a_preview_of_a_new_user_s_first_page_stages_and_invites_nobody(acme, rung):
    owner = owner_of(acme)
    data = OnboardingIn(name="Fresh", billing_email="f@fresh.test", billing_mode=BillingMode.INVOICED_MONTHLY)
    with db.unit_of_work():
        file = imports.Upload("hr.csv", b"Email\nasha@acme.test\n")
        setup.begin(data, upload=file, creator=owner, actor=world.as_self(owner))
    assert (number_of(InvitationImportRow), number_of(StagedInvitee), number_of(Invitation), rung) == (1, 0, 0, [])


def test_a_bad_file_is_refused_with_a_sentence_of_its_own_and_leaves_nothing(acme):
    wrong = {}
    for case, bad in BAD.items():
        with pytest.raises(DomainError) as refusal:
            upload(acme, bad.content)
        found = refusal.value
        kept = (found.status, found.code, found.details) == (bad.status, bad.code, {"file": [found.message]})
        if not kept or bad.words not in found.message:
            wrong[case] = (found.status, found.code, found.message)
    assert (wrong, number_of(InvitationImport)) == ({}, 0)


def test_the_sentences_of_bad_files_differ():
    assert len({bad.words for bad in BAD.values()}) == len(BAD)


def test_exactly_at_the_limits_a_file_is_read(acme):
    wide = upload(acme, "Email" + ",x" * 199 + "\na@acme.test" + ",x" * 199)
    long = upload(acme, "Email,Name\na@acme.test," + "x" * 32_768)
    large = upload(acme, (b"Email\na@acme.test\n" + (b" " * 999 + b"\n") * 5300)[:MOST_BYTES])
    assert [judged(batch_id) for batch_id in (wide, long, large)] == [{2: ("a@acme.test", Verdict.NEW)}] * 3


def test_a_file_s_name_is_cut_and_never_empty(acme):
    owner, names = owner_of(acme), []
    for name in ("x" * 300, ""):
        with db.unit_of_work():
            file = imports.Upload(name, b"Email\nasha@acme.test\n")
            names.append(imports.stage(file, default_role=LEARNER, around=around(acme), creator=owner).file_name)
    assert names == ["x" * 200, "file"]


# Which column is which.


@pytest.mark.parametrize("header", ["Work Email,Company Email", "Anschrift,Postfach"])
def test_columns_are_said_once_an_organization_and_header_row(acme, header):
    batch_id = upload(acme, f"{header}\nasha@old.test,asha@acme.test\n")
    assert (batch_of(batch_id).mapping, judged(batch_id)) == (None, {})
    with pytest.raises(Conflict) as unsaid:
        confirm(acme, batch_id)
    assert unsaid.value.code == "MAPPING_MISSING"
    assert batch_of(batch_id).samples == [["asha@old.test"], ["asha@acme.test"]]
    with db.unit_of_work():
        imports.map_columns(batch_id, email=1, name=None, role=None, around=around(acme))
    assert judged(batch_id) == {2: ("asha@acme.test", Verdict.NEW)}
    again = upload(acme, f"{header.upper()}\ndev@old.test,dev@acme.test\n")
    other_headers = upload(acme, f"{header},Team\ndev@old.test,dev@acme.test,A\n")
    elsewhere = upload(world.make_organization(world.make_user("owner@other.test"), name="Other"), f"{header}\na@x.test,b@x.test\n")
    assert judged(again) == {2: ("dev@acme.test", Verdict.NEW)}
    assert (batch_of(other_headers).mapping, batch_of(elsewhere).mapping) == (None, None)


def test_the_last_word_about_columns_counts_for_files_to_come(acme):
    content = "Work Email,Company Email\nasha@old.test,asha@acme.test\n"
    batch_id = upload(acme, content)
    for column in (0, 1):
        with db.unit_of_work():
            imports.map_columns(batch_id, email=column, name=None, role=None, around=around(acme))
    assert judged(upload(acme, content)) == {2: ("asha@acme.test", Verdict.NEW)}


@pytest.mark.parametrize("columns", [{"email": 2}, {"email": 0, "name": 0}, {"email": 0, "name": 1, "role": 1}, {"email": 0, "role": 9}])
def test_columns_that_make_no_sense_change_and_teach_nothing(acme, columns):
    content = "Work Email,Company Email\nasha@old.test,asha@acme.test\n"
    batch_id = upload(acme, content)
    with pytest.raises(Invalid) as refusal, db.unit_of_work():
        imports.map_columns(batch_id, **{"name": None, "role": None, **columns}, around=around(acme))
    assert refusal.value.code == "MAPPING_INVALID"
    assert (batch_of(batch_id).mapping, batch_of(upload(acme, content)).mapping) == (None, None)


# Reading the file otherwise.


def read_otherwise(organization, batch_id, *, encoding=None, delimiter=None, header_line=None):
    def change(choices):
        return choices.read_otherwise(encoding=encoding, delimiter=delimiter, header_line=header_line)

    decide(organization, batch_id, change)


def test_the_encoding_is_overruled_and_left_to_the_content_again(acme):
    batch_id = upload(acme, "Email,Name\nzoe@acme.test,Zoë\n")
    read_otherwise(acme, batch_id, encoding="windows-1252")
    assert (batch_of(batch_id).encoding, row_of(batch_id, 2).name) == ("windows-1252", "ZoÃ«")
    read_otherwise(acme, batch_id)
    assert (batch_of(batch_id).encoding, row_of(batch_id, 2).name) == ("utf-8", "Zoë")
    with pytest.raises(Invalid):
        read_otherwise(acme, upload(acme, "Email,Name\nzoe@acme.test,Zoë\n".encode("windows-1252")), encoding="utf-8")


def test_the_delimiter_is_overruled(acme):
    batch_id = upload(acme, "Work Email;Note\nasha@acme.test;a\ndev@acme.test;b\n")
    assert batch_of(batch_id).columns == ["Work Email", "Note"]
    read_otherwise(acme, batch_id, delimiter=",")
    assert batch_of(batch_id).columns == ["Email"]
    assert judged(batch_id)[2] == ("asha@acme.test;a", Verdict.INVALID_EMAIL)
    read_otherwise(acme, batch_id, delimiter=";")
    assert judged(batch_id) == {2: ("asha@acme.test", Verdict.NEW), 3: ("dev@acme.test", Verdict.NEW)}


def test_the_line_of_the_header_is_overruled(acme):
    batch_id = upload(acme, "Mail,Rank\nasha@acme.test,1\nWork Email,Rank\ndev@acme.test,2\n")
    assert [*judged(batch_id)] == [2, 3, 4]
    read_otherwise(acme, batch_id, header_line=3)
    assert (batch_of(batch_id).header_line, judged(batch_id)) == (3, {4: ("dev@acme.test", Verdict.NEW)})
    with pytest.raises(Invalid) as refusal:
        read_otherwise(acme, batch_id, header_line=99)
    assert refusal.value.code == "CSV_HEADER_LINE"
    assert batch_of(batch_id).header_line == 3
    single = upload(acme, file_of("asha@acme.test"))
    read_otherwise(acme, single, header_line=NO_HEADER)
    assert judged(single) == {1: ("Email", Verdict.INVALID_EMAIL), 2: ("asha@acme.test", Verdict.NEW)}


def test_the_default_role_is_for_rows_that_name_none(acme):
    batch_id = upload(acme, "Email,Role\nasha@acme.test,\ndev@acme.test,learner\n")
    decide(acme, batch_id, default_role=ADMIN)
    assert [row_of(batch_id, line).role for line in (2, 3)] == [ADMIN, LEARNER]
    confirm(acme, batch_id)
    assert invited() == {"asha@acme.test": ADMIN, "dev@acme.test": LEARNER}


@pytest.mark.parametrize("role", [OWNER, SUPPORT, Role.ORG_CONSULTANT])
def test_a_default_role_that_nobody_may_give_out_is_refused(acme, role):
    with pytest.raises(Invalid) as at_upload:
        upload(acme, file_of("asha@acme.test"), role=role)
    batch_id = upload(acme, file_of("asha@acme.test"))
    with pytest.raises(Invalid) as later:
        decide(acme, batch_id, default_role=role)
    assert {at_upload.value.code, later.value.code} == {"ROLE_NOT_ALLOWED"}
    assert (batch_of(batch_id).default_role, row_of(batch_id, 2).role) == (LEARNER, LEARNER)


# Roles.


def test_unknown_roles_are_asked_once_whatever_their_case_and_then_judged(acme):
    roles = ("Chief", "Boss", "BOSS", " boss ", "Learner", "")
    batch_id = upload(acme, "Email,Role\n" + "".join(f"p{number}@acme.test,{role}\n" for number, role in enumerate(roles)))
    asked = queries.unknown_role_texts(batch_id, limit=10)
    assert [words.lower() for words in asked] == ["boss", "chief"]
    say_roles(acme, batch_id, **{asked[0]: ADMIN})
    assert [row_of(batch_id, line).role for line in (3, 4, 5, 6, 7)] == [ADMIN, ADMIN, ADMIN, LEARNER, LEARNER]
    assert {verdict for _email, verdict in list(judged(batch_id).values())[1:]} == {Verdict.NEW}
    assert queries.unknown_role_texts(batch_id, limit=10) == ["Chief"]
    assert queries.import_counts(batch_id) == {Verdict.NEW: 5, Verdict.UNKNOWN_ROLE: 1}


def test_a_row_that_is_left_out_asks_for_no_role(acme):
    batch_id = upload(acme, "Email,Role\nasha@acme.test,Boss\n")
    drop(acme, batch_id, 2)
    assert queries.unknown_role_texts(batch_id, limit=10) == []


@pytest.mark.parametrize("inviter", [OWNER, ADMIN])
def test_nobody_brings_in_an_owner(acme, inviter):
    batch_id = upload(acme, "Email,Role\na@acme.test,Owner\nb@acme.test,ORG_OWNER\nc@acme.test,Boss\nd@acme.test,\n", inviter=inviter)
    say_roles(acme, batch_id, Boss=OWNER, boss=OWNER)
    mend(acme, batch_id, 5, "d@acme.test", role=OWNER, inviter=inviter)
    assert {verdict for _email, verdict in judged(batch_id).values()} == {Verdict.ROLE_NOT_ALLOWED}
    assert (confirm(acme, batch_id), invited()) == (0, {})


def test_roles_of_the_provider_tier_need_their_flag(acme):
    batch_id = upload(acme, "Email,Role\na@acme.test,Support\nb@acme.test,Boss\nc@acme.test,\nd@acme.test,Consultant\n")
    say_roles(acme, batch_id, Boss=SUPPORT)
    mend(acme, batch_id, 4, "c@acme.test", role=SUPPORT)
    assert {verdict for _email, verdict in judged(batch_id).values()} == {Verdict.ROLE_NOT_ALLOWED}
    assert confirm(acme, batch_id) == 0


def test_with_the_flag_support_is_invited_and_a_buyer_still_has_no_consultants(acme, provider_orgs):
    batch_id = upload(acme, "Email,Role\na@acme.test,Support\nd@acme.test,Consultant\n")
    assert [verdict for _email, verdict in judged(batch_id).values()] == [Verdict.NEW, Verdict.ROLE_NOT_ALLOWED]
    confirm(acme, batch_id)
    assert invited() == {"a@acme.test": SUPPORT}


def test_a_flag_that_went_off_since_the_preview_counts(acme, provider_orgs, settings):
    batch_id = upload(acme, "Email,Role\na@acme.test,Support\nb@acme.test,Learner\n")
    config.use(settings)
    confirm(acme, batch_id)
    assert invited() == {"b@acme.test": LEARNER}


# Mending and leaving out.


def test_a_row_is_mended_well_badly_and_to_somebody_who_is_there(acme):
    world.invite(acme, owner_of(acme), "esha@acme.test")
    batch_id = upload(acme, "Email,Name\nasha@acme.test,Asha\nnot an address,Dev\n,Fay\n")
    assert judged(batch_id)[3] == ("not an address", Verdict.INVALID_EMAIL)
    for email, verdict in [
        ("Dev <DEV@Acme.test>", Verdict.NEW),
        ("still none", Verdict.INVALID_EMAIL),
        ("", Verdict.MISSING_EMAIL),
        ("ASHA@acme.test", Verdict.DUPLICATE_IN_FILE),
        ("owner@acme.test", Verdict.ALREADY_MEMBER),
        ("esha@acme.test", Verdict.ALREADY_INVITED),
        ("dev@acme.test", Verdict.NEW),
    ]:
        mend(acme, batch_id, 3, email, "Dev Rao")
        row = row_of(batch_id, 3)
        assert (row.verdict, row.is_mended, row.name) == (verdict, True, "Dev Rao"), email
    assert row_of(batch_id, 2).is_mended is False
    assert judged(batch_id) == {2: ("asha@acme.test", Verdict.NEW), 3: ("dev@acme.test", Verdict.NEW), 4: ("", Verdict.MISSING_EMAIL)}


def test_mending_the_first_of_two_makes_the_second_new(acme):
    batch_id = upload(acme, file_of("asha@acme.test", "asha@acme.test"))
    assert row_of(batch_id, 3).message == "This address stands in line 2 already."
    mend(acme, batch_id, 2, "dev@acme.test")
    assert judged(batch_id) == {2: ("dev@acme.test", Verdict.NEW), 3: ("asha@acme.test", Verdict.NEW)}


def test_mending_names_a_role_in_a_file_without_roles(acme):
    batch_id = upload(acme, "Email,Name\nasha@acme.test,Asha\ndev@acme.test,Dev\n")
    mend(acme, batch_id, 2, "asha@acme.test", "Asha", ADMIN)
    assert [row_of(batch_id, line).role for line in (2, 3)] == [ADMIN, LEARNER]


def test_mending_names_a_person_in_a_file_without_names(acme):
    batch_id = upload(acme, file_of("asha@acme.test"))
    mend(acme, batch_id, 2, "asha@acme.test", "Asha Rao")
    assert row_of(batch_id, 2).name == "Asha Rao"


def test_a_mended_name_replaces_first_and_last_name(acme):
    batch_id = upload(acme, "First Name,Last Name,Email\nAsha,Rao,asha@acme.test\n")
    mend(acme, batch_id, 2, "asha@acme.test", "Asha R. Rao")
    assert row_of(batch_id, 2).name == "Asha R. Rao"


def test_a_line_that_is_none_is_not_found(acme):
    batch_id = upload(acme, file_of("asha@acme.test", "dev@acme.test"))
    for line in (0, 1, 4, 10_000_000_000):
        for act in (partial(mend, acme, batch_id, line, "x@acme.test"), partial(drop, acme, batch_id, line)):
            with pytest.raises(NotFound) as refusal:
                act()
            assert refusal.value.code == "ROW_NOT_FOUND"
    assert batch_of(batch_id).choices["edits"] == {}


def test_a_row_is_left_out_and_taken_in_again(acme):
    batch_id = upload(acme, file_of("asha@acme.test", "asha@acme.test", "dev@acme.test"))
    drop(acme, batch_id, 2)
    assert judged(batch_id) == {3: ("asha@acme.test", Verdict.NEW), 4: ("dev@acme.test", Verdict.NEW)}
    assert (queries.import_counts(batch_id), queries.count_dropped(batch_id)) == ({Verdict.NEW: 2}, 1)
    drop(acme, batch_id, 2)
    assert judged(batch_id)[3] == ("asha@acme.test", Verdict.DUPLICATE_IN_FILE)
    assert queries.count_dropped(batch_id) == 0
    drop(acme, batch_id, 4)
    assert confirm(acme, batch_id) == 1
    assert invited().keys() == {"asha@acme.test"}
    assert queries.count_dropped(batch_id) == 1


def test_mending_takes_a_row_in_again_and_what_it_says_outlives_leaving_it_out(acme):
    batch_id = upload(acme, file_of("none", "dev@acme.test"))
    mend(acme, batch_id, 2, "asha@acme.test")
    drop(acme, batch_id, 2)
    drop(acme, batch_id, 2)
    assert judged(batch_id)[2] == ("asha@acme.test", Verdict.NEW)
    drop(acme, batch_id, 2)
    mend(acme, batch_id, 2, "esha@acme.test")
    assert (judged(batch_id)[2], queries.count_dropped(batch_id)) == (("esha@acme.test", Verdict.NEW), 0)


LATER = {
    "leaving another row out": lambda organization, batch_id: drop(organization, batch_id, 3),
    "mending another row": lambda organization, batch_id: mend(organization, batch_id, 3, "fay@acme.test"),
    "saying what a role means": lambda organization, batch_id: say_roles(organization, batch_id, Boss=ADMIN),
    "another default role": lambda organization, batch_id: decide(organization, batch_id, default_role=ADMIN),
}


@pytest.mark.parametrize("later", LATER)
def test_a_mended_row_outlives_a_later_decision(acme, later):
    batch_id = upload(acme, "Email,Role\nnone,Boss\ndev@acme.test,Boss\n")
    mend(acme, batch_id, 2, "asha@acme.test", role=LEARNER)
    LATER[later](acme, batch_id)
    row = row_of(batch_id, 2)
    assert (row.email, row.role, row.verdict, row.is_mended) == ("asha@acme.test", LEARNER, Verdict.NEW, True)


# Pages of rows.


def lines(page):
    rows, has_more = page
    return [row.line for row in rows], has_more


def test_rows_are_paged_by_their_lines_both_ways(acme):
    batch_id = upload(acme, file_of(*(f"p{number}@acme.test" for number in range(7))))

    def page(*, after=0, before=0):
        return lines(queries.import_page(batch_id, verdict=None, dropped=False, after=after, before=before, limit=3))

    assert [page(), page(after=4), page(after=7), page(after=8)] == [([2, 3, 4], True), ([5, 6, 7], True), ([8], False), ([], False)]
    assert [page(before=8), page(before=5), page(before=2)] == [([5, 6, 7], True), ([2, 3, 4], False), ([], False)]


def test_pages_keep_to_a_verdict_and_to_what_was_left_out(acme):
    batch_id = upload(acme, file_of("a@acme.test", "bad", "b@acme.test", "worse", "c@acme.test", "worst"))
    drop(acme, batch_id, 4)

    def page(verdict, *, dropped=False, after=0):
        return lines(queries.import_page(batch_id, verdict=verdict, dropped=dropped, after=after, before=0, limit=2))

    assert [page(Verdict.INVALID_EMAIL), page(Verdict.INVALID_EMAIL, after=5)] == [([3, 5], True), ([7], False)]
    assert [page(Verdict.NEW), page(None, dropped=True), page(Verdict.ALREADY_MEMBER)] == [([2, 6], False), ([4], False), ([], False)]


# The rows that are refused, as a file.


def test_refused_rows_come_back_as_they_were_with_the_reason(acme):
    batch_id = upload(acme, "Team;E-Mail;Name\n7;asha@acme.test;Asha\n8;none;=1+1\n9;owner@acme.test;Olga\n10;;-Fay\n")
    table, content = refused(batch_id)
    assert content.startswith(b"\xef\xbb\xbf")
    assert table == [
        ["Team", "E-Mail", "Name", "line", "error_code", "error_reason"],
        ["8", "none", "'=1+1", "3", "INVALID_EMAIL", "“none” isn't a valid e-mail address."],
        ["9", "owner@acme.test", "Olga", "4", "ALREADY_MEMBER", "This person is a member already."],
        ["10", "", "'-Fay", "5", "MISSING_EMAIL", "There is no e-mail address in this row."],
    ]


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_no_cell_of_the_refused_rows_runs_and_the_guard_never_piles_up(acme, start):
    quoted = f'"{start}SUM(A1)"'
    header = "Team" if start == "@" else quoted  # a row with an @ is no header
    content = f"{header},Email,Name\n{quoted},none,{quoted}\n".encode()
    for _again in range(2):
        table, content = refused(upload(acme, content))
        cells = [cell for row in table for cell in row]
        assert not [cell for cell in cells if cell[:1] in {"=", "+", "-", "@", "\t", "\r"}]
        assert (len(table[0]), table[1][0], table[1][2]) == (6, f"'{start}SUM(A1)", f"'{start}SUM(A1)")


def test_refused_rows_that_were_mended_in_a_spreadsheet_are_uploaded_again(acme):
    batch_id = upload(acme, "Team,Email,Name,Role\n7,asha@acme.test,Asha,\n8,none,=Dev,Boss\n9,@mira@acme.test,+Mira,-\n")
    assert confirm(acme, batch_id) == 1
    table, content = refused(batch_id)
    again = upload(acme, content)
    before = [verdict for line, (_email, verdict) in judged(batch_id).items() if line > 2]
    assert [verdict for _email, verdict in judged(again).values()] == before
    assert batch_of(again).columns == ["Team", "Email", "Name", "Role"]
    mended = content.decode().replace("none", "dev@acme.test").replace("Boss", "Admin").replace("'@mira", "'mira").replace("'-", "Learner")
    last = upload(acme, mended)
    assert judged(last) == {2: ("dev@acme.test", Verdict.NEW), 3: ("mira@acme.test", Verdict.NEW)}
    assert [row_of(last, line).name for line in (2, 3)] == ["=Dev", "+Mira"]
    assert [row_of(last, line).role for line in (2, 3)] == [ADMIN, LEARNER]
    assert table[0][-3:] == ["line", "error_code", "error_reason"]
    assert confirm(acme, last) == 2


def test_only_the_added_columns_are_passed_over(acme):
    table, content = refused(upload(acme, "Email,Line\nnone,A7\n"))
    assert table[0] == ["Email", "Line", "line", "error_code", "error_reason"]
    assert refused(upload(acme, content))[0][1][:2] == ["none", "A7"]


def test_refused_rows_of_a_file_without_header_and_of_one_that_was_mapped_come_back(acme):
    plain = upload(acme, "asha@acme.test\nnone\n")
    assert judged(upload(acme, refused(plain)[1].replace(b"none", b"dev@acme.test"))) == {2: ("dev@acme.test", Verdict.NEW)}
    mapped = upload(acme, "Work Email,Company Email\na@old.test,none\n")
    with db.unit_of_work():
        imports.map_columns(mapped, email=1, name=None, role=None, around=around(acme))
    assert judged(upload(acme, refused(mapped)[1].replace(b"none", b"dev@acme.test"))) == {2: ("dev@acme.test", Verdict.NEW)}


def test_a_mended_row_that_is_still_refused_is_written_as_it_was_judged(acme):
    batch_id = upload(acme, "Email,Name\nasha@acme.test,Asha\nnone,Dev\n")
    mend(acme, batch_id, 3, "asha@acme.test", "Dev Rao")
    [_header, row] = refused(batch_id)[0]
    assert row == ["asha@acme.test", "Dev Rao", "3", "DUPLICATE_IN_FILE", "This address stands in line 2 already."]


def test_rows_that_were_left_out_are_not_refused(acme):
    batch_id = upload(acme, file_of("none", "worse"))
    drop(acme, batch_id, 2)
    assert [row[0] for row in refused(batch_id)[0]] == ["Email", "worse"]


# Confirming.


def test_only_new_rows_are_invited_and_the_rest_stays_listed(acme, rung):
    batch_id = upload(acme, "Email,Name,Role\nasha@acme.test,Asha,Admin\nnone,,\nowner@acme.test,,\nasha@acme.test,,\ndev@acme.test,,\n")
    before = judged(batch_id)
    assert confirm(acme, batch_id) == 2
    assert invited() == {"asha@acme.test": ADMIN, "dev@acme.test": LEARNER}
    assert judged(batch_id) == before
    assert batch_of(batch_id).status is ImportStatus.RUNNING
    sent = [bell for bell in rung if bell.name == "invites-send"]
    assert sum(len(bell.ids) for bell in sent) == 2
    acts = db.session.scalars(select(AuditRow).where(AuditRow.action == Action.INVITATIONS_IMPORTED)).all()
    assert [row.after for row in acts] == [{"invited": 2}]
    names = {row.email: row.name for row in db.session.scalars(select(Invitation))}
    assert names == {"asha@acme.test": "Asha", "dev@acme.test": None}


def test_confirming_twice_invites_once_and_nothing_changes_any_more(acme, rung):
    batch_id = upload(acme, file_of("asha@acme.test", "none"))
    assert [confirm(acme, batch_id), confirm(acme, batch_id)] == [1, 0]
    assert len([bell for bell in rung if bell.name == "invites-send"]) == 1
    for act in (
        lambda: mend(acme, batch_id, 3, "dev@acme.test"),
        lambda: drop(acme, batch_id, 3),
        lambda: decide(acme, batch_id, default_role=ADMIN),
        lambda: imports.map_columns(batch_id, email=0, name=None, role=None, around=around(acme)),
    ):
        with pytest.raises(Conflict) as refusal, db.unit_of_work():
            act()
        assert refusal.value.code == "IMPORT_CONFIRMED"
    assert judged(batch_id)[3] == ("none", Verdict.INVALID_EMAIL)


def test_confirming_many_times_at_once_invites_once(acme, app, rung):
    batch_id = upload(acme, file_of("asha@acme.test", "dev@acme.test"))
    answers, refusals = at_once(app, [lambda: confirm(acme, batch_id)] * 8)
    assert (sorted(answers), refusals) == ([0] * 7 + [2], [])
    assert number_of(Invitation) == 2
    assert sorted(len(bell.ids) for bell in rung if bell.name == "invites-send") == [2]


def test_two_files_with_the_same_people_in_opposite_order_are_confirmed_at_once(acme, app):
    addresses = [f"p{number}@acme.test" for number in range(3000)]
    there, back = upload(acme, file_of(*addresses)), upload(acme, file_of(*reversed(addresses)))
    answers, refusals = at_once(app, [lambda: confirm(acme, there), lambda: confirm(acme, back)])
    assert (sum(answers), refusals) == (3000, [])
    assert number_of(Invitation) == 3000


def test_mending_while_somebody_confirms_ends_in_one_of_both(acme, app):
    batch_id = upload(acme, file_of("asha@acme.test"))

    def mended():
        mend(acme, batch_id, 2, "dev@acme.test")
        return 0

    answers, refusals = at_once(app, [mended, lambda: confirm(acme, batch_id)])
    assert sum(answers) == 1
    assert [refusal.code for refusal in refusals] in ([], ["IMPORT_CONFIRMED"])
    assert [*invited()] == [row_of(batch_id, 2).email]


def test_who_joined_or_was_invited_since_the_preview_is_left_out(acme):
    batch_id = upload(acme, file_of("asha@acme.test", "dev@acme.test", "esha@acme.test"))
    world.add_member(acme, world.make_user("asha@acme.test"), LEARNER)
    world.invite(acme, owner_of(acme), "dev@acme.test", role=ADMIN)
    assert confirm(acme, batch_id) == 1
    assert invited() == {"dev@acme.test": ADMIN, "esha@acme.test": LEARNER}
    assert queries.import_progress(batch_id).total == 1


def test_the_result_says_who_was_left_out_and_why(acme):
    batch_id = upload(acme, file_of("asha@acme.test", "dev@acme.test", "esha@acme.test"))
    world.add_member(acme, world.make_user("asha@acme.test"), LEARNER)
    world.invite(acme, owner_of(acme), "dev@acme.test", role=ADMIN)
    confirm(acme, batch_id)
    assert [verdict for _email, verdict in judged(batch_id).values()] == [Verdict.ALREADY_MEMBER, Verdict.ALREADY_INVITED, Verdict.NEW]
    assert [row[-2] for row in refused(batch_id)[0]] == ["error_code", "ALREADY_MEMBER", "ALREADY_INVITED"]


def test_the_same_file_twice_does_no_harm(acme, rung):
    content = "Email\nasha@acme.test\ndev@acme.test\n"
    first, second = upload(acme, content), upload(acme, content)
    assert judged(first) == judged(second)
    assert [confirm(acme, first), confirm(acme, second)] == [2, 0]
    third = upload(acme, content)
    assert {verdict for _email, verdict in judged(third).values()} == {Verdict.ALREADY_INVITED}
    assert (confirm(acme, third), number_of(Invitation)) == (0, 2)
    assert world.work_off(rung) >= 1
    assert {row.delivery_attempts for row in db.session.scalars(select(Invitation))} == {1}


def test_a_file_in_which_everything_is_refused_is_kept_and_invites_nobody(acme, rung):
    batch_id = upload(acme, file_of("none", "owner@acme.test"))
    assert (confirm(acme, batch_id), invited(), rung) == (0, {}, [])
    assert [row[-2] for row in refused(batch_id)[0][1:]] == ["INVALID_EMAIL", "ALREADY_MEMBER"]


def test_another_organization_s_file_is_not_found(acme):
    other = world.make_organization(world.make_user("owner@other.test"), name="Other")
    batch_id = upload(acme, file_of("asha@acme.test"))
    acts = [
        lambda: confirm(other, batch_id),
        lambda: drop(other, batch_id, 2),
        lambda: mend(other, batch_id, 2, "x@acme.test"),
        lambda: decide(other, batch_id),
        lambda: imports.map_columns(batch_id, email=0, name=None, role=None, around=around(other)),
    ]
    for act in acts:
        with pytest.raises(NotFound) as refusal, db.unit_of_work():
            act()
        assert refusal.value.code == "IMPORT_NOT_FOUND"
    assert (judged(batch_id), number_of(Invitation)) == ({2: ("asha@acme.test", Verdict.NEW)}, 0)


# Seats.


@pytest.fixture
def small(rung, app):
    """An organization with two seats."""
    with app.app_context():
        yield world.make_organization(world.make_user("owner@small.test"), name="Small", seats=2)


def test_rows_above_use_up_the_seats_and_only_learners_do(small):
    world.invite(small, owner_of(small), "open@small.test")
    batch_id = upload(small, "Email,Role\na@small.test,\nb@small.test,Admin\nc@small.test,Learner\nd@small.test,\ne@small.test,Manager\n")
    found = [verdict for _email, verdict in judged(batch_id).values()]
    assert found == [Verdict.NEW, Verdict.NEW, Verdict.NEW, Verdict.OVER_SEAT_LIMIT, Verdict.NEW]
    assert confirm(small, batch_id) == 4
    assert "d@small.test" not in invited()


def test_leaving_a_learner_out_gives_the_seat_to_the_next(small):
    batch_id = upload(small, file_of("a@small.test", "b@small.test", "c@small.test"))
    drop(small, batch_id, 2)
    assert judged(batch_id) == {3: ("b@small.test", Verdict.NEW), 4: ("c@small.test", Verdict.NEW)}


def test_seats_that_are_used_up_between_preview_and_confirm_are_not_invited_for(small):
    batch_id = upload(small, "Email,Role\na@small.test,\nb@small.test,\nc@small.test,Admin\n")
    world.add_member(small, world.make_user("somebody@else.test"), LEARNER)
    assert orgs.seats(db.session.get_one(Organization, small.id)).left == 1
    assert confirm(small, batch_id) == 2
    assert invited() == {"a@small.test": LEARNER, "c@small.test": ADMIN}
    assert row_of(batch_id, 3).verdict is Verdict.OVER_SEAT_LIMIT


# In a setup.


def test_in_a_setup_new_rows_are_staged_once_and_invited_at_the_launch(acme, rung):
    owner = owner_of(acme)
    draft = world.make_draft(owner, name="Draft")
    content = b"Email,Role\nasha@acme.test,Admin\nnone,\nowner@acme.test,\nasha@acme.test,\n"
    with db.unit_of_work():
        batch_id = setup.stage_upload(imports.Upload("hr.csv", content), draft=draft, creator=owner).id
    assert [verdict for _email, verdict in judged(batch_id).values()] == [
        Verdict.NEW,
        Verdict.INVALID_EMAIL,
        Verdict.ALREADY_MEMBER,
        Verdict.DUPLICATE_IN_FILE,
    ]
    staged = []
    for _click in range(2):
        with db.unit_of_work():
            staged.append(setup.stage_import(batch_id, draft=draft, creator=owner))
    assert (staged, number_of(StagedInvitee), number_of(Invitation), rung) == ([1, 0], 1, 0, [])
    with db.unit_of_work():
        again = setup.stage_upload(imports.Upload("hr.csv", content), draft=draft, creator=owner).id
    assert judged(again)[2] == ("asha@acme.test", Verdict.ALREADY_INVITED)
    with db.unit_of_work():
        setup.launch(draft, owner=owner, actor=world.as_self(owner))
    assert invited() == {"asha@acme.test": ADMIN}


def test_staging_many_times_at_once_stages_once(acme, app):
    owner = owner_of(acme)
    draft = world.make_draft(owner, name="Draft")
    with db.unit_of_work():
        batch_id = setup.stage_upload(imports.Upload("hr.csv", b"Email\nasha@acme.test\n"), draft=draft, creator=owner).id

    def stage():
        with db.unit_of_work():
            return setup.stage_import(batch_id, draft=db.session.get_one(Organization, draft.id), creator=owner)

    answers, refusals = at_once(app, [stage] * 8)
    assert (sorted(answers), refusals, number_of(StagedInvitee)) == ([0] * 7 + [1], [], 1)


# Sending, and forgetting.


def test_each_row_s_mail_goes_once_and_the_file_is_done(acme, rung):
    batch_id = upload(acme, file_of(*(f"p{number}@acme.test" for number in range(60))))
    confirm(acme, batch_id)
    assert [len(bell.ids) for bell in rung] == [50, 10]
    assert queries.import_progress(batch_id) == queries.Progress(total=60, sent=0, failed=0)
    bells = list(rung)
    world.work_off(rung)
    world.work_off(bells)
    db.session.expire_all()
    progress = queries.import_progress(batch_id)
    assert (progress.sent, progress.is_done) == (60, True)
    assert set(queries.deliveries(batch_id).values()) == {Delivery.SENT}
    assert {row.delivery_attempts for row in db.session.scalars(select(Invitation))} == {1}


def test_what_is_taken_back_before_its_mail_went_is_not_waited_for(acme, rung):
    batch_id = upload(acme, file_of("asha@acme.test", "dev@acme.test"))
    confirm(acme, batch_id)
    invitation_id = db.session.scalars(select(Invitation.id).where(Invitation.email == "asha@acme.test")).one()
    with db.unit_of_work():
        changes.revoke(invitation_id, organization=acme, actor=world.as_self(owner_of(acme)))
    world.work_off(rung)
    db.session.expire_all()
    progress = queries.import_progress(batch_id)
    assert (progress.sent, progress.failed, progress.is_done) == (1, 0, True)


def test_who_joins_before_the_mail_went_is_not_waited_for(acme, rung):
    batch_id = upload(acme, file_of("asha@acme.test"))
    asha = world.make_user("asha@acme.test")
    confirm(acme, batch_id)
    invitation_id = db.session.scalars(select(Invitation.id)).one()
    with db.unit_of_work():
        invitations.accept_own(invitation_id, user=asha, ip=None)
    world.work_off(rung)
    db.session.expire_all()
    assert queries.import_progress(batch_id).is_done


def test_after_thirty_days_the_content_is_forgotten_and_the_results_stay(acme):
    kept, confirmed, checked = (upload(acme, file_of(f"p{number}@acme.test", "none")) for number in range(3))
    confirm(acme, confirmed)
    before = judged(confirmed)
    at = clock.now()
    with clock.as_of(at + timedelta(days=29)), db.unit_of_work():
        assert tasks.expire()["forgotten"] == 0
    batch_of(kept).created_at = at + timedelta(days=1)
    with clock.as_of(at + timedelta(days=30, seconds=1)), db.unit_of_work():
        assert tasks.expire()["forgotten"] == 2
    assert judged(confirmed) == before
    for batch_id in (confirmed, checked):
        with pytest.raises(Conflict) as forgotten:
            imports.refused(batch_of(batch_id))
        assert forgotten.value.code == "IMPORT_FORGOTTEN"
        assert "deleted after 30 days" in forgotten.value.message
    assert len(refused(kept)[0]) == 2


def test_a_forgotten_file_that_was_not_confirmed_says_that_it_is_forgotten(acme):
    batch_id = upload(acme, file_of("asha@acme.test"))
    with clock.as_of(clock.now() + timedelta(days=31)), db.unit_of_work():
        tasks.expire()
    db.session.expire_all()
    with pytest.raises(Conflict) as refusal:
        mend(acme, batch_id, 2, "dev@acme.test")
    assert (refusal.value.code, "confirmed" in refusal.value.message) == ("IMPORT_FORGOTTEN", False)


# What PostgreSQL and time say.


def test_people_are_invited_one_by_one_on_one_connection(acme):
    owner = owner_of(acme)
    prepared = text("SELECT count(*) FROM pg_prepared_statements WHERE statement ILIKE 'INSERT INTO invitations %'")
    with db.unit_of_work():
        for number in range(12):
            person = invitations.Person(f"p{number}@acme.test", None, LEARNER)
            made = invitations.invite(acme, [person], inviter=owner, actor=world.as_self(owner))
            assert [email for _id, email in made] == [person.email]
        assert db.session.scalar(prepared) == 1, "psycopg prepares what it has sent five times; without that this proves nothing"
    assert number_of(Invitation) == 12


def test_files_of_one_row_are_confirmed_one_by_one_on_one_connection(acme):
    owner = owner_of(acme)
    with db.unit_of_work():
        for number in range(10):
            file = imports.Upload("hr.csv", file_of(f"p{number}@acme.test").encode())
            batch = imports.stage(file, default_role=LEARNER, around=around(acme), creator=owner)
            assert imports.confirm(batch.id, around=around(acme), inviter=owner, actor=world.as_self(owner)) == 1
    assert number_of(Invitation) == 10


def test_a_late_page_of_a_large_file_takes_no_longer_than_one_of_a_small_file(acme):
    """The file isn't read again for each page: rows, counts and samples of 20 000 rows come from the database."""
    columns = "".join(f",c{number}" for number in range(9))
    small, large = (
        upload(acme, f"Email{columns}\n" + "".join(f"p{number}@acme.test{columns}\n" for number in range(size))) for size in (60, 20_000)
    )

    def quickest(batch_id, after):
        taken = []
        for _try in range(5):
            batch = batch_of(batch_id)
            start = time.perf_counter()
            assert batch.sampled_columns
            queries.import_page(batch_id, verdict=None, dropped=False, after=after, before=0, limit=50)
            taken.append(time.perf_counter() - start)
        return min(taken)

    assert quickest(large, 19_900) < 5 * quickest(small, 0)


def test_messages_are_finished_sentences(acme):
    batch_id = upload(acme, "Email,Role\nasha@acme.test,\nnone,\n,Boss\ndev@acme.test,Boss\nesha@acme.test,Owner\nasha@acme.test,\n")
    for row in queries.import_rows(batch_id):
        assert re.fullmatch(r"[A-Z“].*\.", row.explanation), row.line
