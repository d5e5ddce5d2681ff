"""The verdict on each row, and the way of refused rows back."""

import csv
import io

import pytest

from portal.invites.rules import (
    Mapping,
    Verdict,
    counts,
    entries_from_text,
    header_fingerprint,
    judge,
    propose_mapping,
    read_table,
    refused_csv,
    unknown_roles,
)
from portal.orgs.rules import Kind, Role

EVERY_ROLE = frozenset(Role)


def judged(data, *, mapping=None, **around: object):
    table = read_table(data.encode())
    facts = {
        "kind": Kind.HYBRID,
        "default_role": Role.ORG_LEARNER,
        "members": frozenset(),
        "pending": frozenset(),
        "seats_left": None,
        "allowed_roles": EVERY_ROLE,
        **around,
    }
    return list(judge(table, mapping or propose_mapping(table), **facts))


def only(data, **around: object):
    (row,) = judged(data, **around)
    return row


def verdicts(rows):
    return [(row.line, row.verdict) for row in rows]


def test_a_new_person():
    row = only('Name,Email,Role\n" Ann\r  Lee ",ANN@acme.example,Manager\n')
    assert (row.email, row.name, row.role, row.role_text) == (
        "ann@acme.example",
        "Ann Lee",
        Role.ORG_MANAGER,
        "Manager",
    )
    assert (row.verdict, row.message) == (Verdict.NEW, "Will be invited as Manager.")


def test_line_breaks_and_direction_marks_never_reach_a_name():
    row = only('Name,Email\n"Ann\r\nBcc: eve@evil.example\u202e",ann@acme.example\n')
    assert row.name == "Ann Bcc: eve@evil.example"
    assert len(only(f"Name,Email\n{'x' * 500},ann@acme.example\n").name) == 120


def test_first_and_last_name_are_joined_and_a_display_name_stands_in():
    assert only("Surname,Given Name,Email\nLee,Ann,ann@acme.example\n").name == "Ann Lee"
    assert only("Surname,Given Name,Email\nLee,,ann@acme.example\n").name == "Lee"
    assert only("Email\nAnn Lee <ann@acme.example>\n").name == "Ann Lee"
    assert only("Email,Name\nAnn Lee <ann@acme.example>,Annie\n").name == "Annie"


def test_a_duplicate_names_the_line_of_the_first():
    rows = judged(
        'Name,Email\n"Ann\nLee",ann@acme.example\n\nBob,bob@bücher.example\nA,Ann@ACME.example\nB,b <BOB@xn--bcher-kva.example>\n'
    )
    assert verdicts(rows) == [
        (2, Verdict.NEW),
        (5, Verdict.NEW),
        (6, Verdict.DUPLICATE_IN_FILE),
        (7, Verdict.DUPLICATE_IN_FILE),
    ]
    assert rows[2].message == "This address stands in line 2 already."
    assert rows[3].message == "This address stands in line 5 already."


def test_members_and_invited_people_are_reported_whatever_the_case_and_form():
    data = "Email\nann@acme.example\nBob@acme.example\nc@bücher.example\nd@acme.example\n"
    rows = judged(data, members={"Ann@acme.example", "c@xn--bcher-kva.example"}, pending={"bob@acme.example"})
    assert [row.verdict for row in rows] == [
        Verdict.ALREADY_MEMBER,
        Verdict.ALREADY_INVITED,
        Verdict.ALREADY_MEMBER,
        Verdict.NEW,
    ]
    unicode_member = only("Email\nc@xn--bcher-kva.example\n", members={"c@bücher.example"})
    assert unicode_member.verdict is Verdict.ALREADY_MEMBER


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("ann.acme.example", "“ann.acme.example” isn't a valid e-mail address."),
        ("a@b.example / c@d.example", "This isn't one e-mail address. Write each person in a row of their own."),
    ],
)
def test_an_invalid_address_is_shown_as_it_stands(written, message):
    row = only(f"Email,Name\n{written},Ann\n")
    assert (row.verdict, row.email, row.message) == (Verdict.INVALID_EMAIL, written, message)


def test_a_name_without_an_address_is_refused_and_a_blank_row_passed_over():
    rows = judged("Email,Name\n,Ann\n\xa0,\u200b\nbob@acme.example,Bob\n")
    assert verdicts(rows) == [(2, Verdict.MISSING_EMAIL), (4, Verdict.NEW)]
    assert rows[0].message == "There is no e-mail address in this row."


@pytest.mark.parametrize("written", ["ORG_MANAGER", "org_manager", "Manager", "MANAGER", " manager\xa0", "Org Manager"])
def test_a_role_by_code_or_plain_name_in_any_case(written):
    assert only(f"Email,Role\nann@acme.example,{written}\n").role is Role.ORG_MANAGER


def test_no_role_is_the_default():
    row = only("Email,Role\nann@acme.example,\n", default_role=Role.ORG_SUPPORT)
    assert (row.role, row.role_text, row.verdict) == (Role.ORG_SUPPORT, "", Verdict.NEW)


def test_unknown_roles_are_asked_about_once_and_their_meaning_is_used():
    data = "Email,Role\na@acme.example,HRBP\nb@acme.example,hrbp\nc@acme.example,Boss\nd@acme.example,Admin\n"
    rows = judged(data)
    assert [row.verdict for row in rows[:3]] == [Verdict.UNKNOWN_ROLE] * 3
    assert rows[0].role is None
    assert [role.casefold() for role in unknown_roles(rows)] == ["hrbp", "boss"]
    mapped = judged(data, role_mapping={"HrBp": Role.ORG_MANAGER, "boss": Role.ORG_OWNER})
    assert [row.verdict for row in mapped] == [Verdict.NEW, Verdict.NEW, Verdict.ROLE_NOT_ALLOWED, Verdict.NEW]
    assert [row.role for row in mapped[:2]] == [Role.ORG_MANAGER] * 2
    assert unknown_roles(mapped) == []


@pytest.mark.parametrize(
    ("role", "around", "words"),
    [
        ("Owner", {}, "owner"),
        ("ORG_OWNER", {"allowed_roles": EVERY_ROLE}, "owner"),
        ("Consultant", {"kind": Kind.BUYER}, "kind"),
        ("Learner", {"kind": Kind.PROVIDER}, "kind"),
        ("Admin", {"allowed_roles": frozenset({Role.ORG_LEARNER})}, "give out"),
        ("", {"default_role": Role.ORG_OWNER}, "owner"),
    ],
)
def test_a_role_that_is_not_allowed(role, around, words):
    row = only(f"Email,Role\nann@acme.example,{role}\n", **around)
    assert row.verdict is Verdict.ROLE_NOT_ALLOWED
    assert words in row.message


def test_seats_go_to_new_learners_in_the_order_of_the_file():
    data = (
        "Email,Role,Status\nm@acme.example,Learner,\na@acme.example,Learner,\na@acme.example,Learner,\n"
        "p@acme.example,Learner,\ni@acme.example,Learner,Terminated\nx@acme.example,Boss,\nb@acme.example,,\n"
        "c@acme.example,Learner,\nd@acme.example,Admin,\ne@acme.example,Learner,\n"
    )
    rows = judged(data, members={"m@acme.example"}, pending={"p@acme.example"}, seats_left=2)
    assert [row.verdict for row in rows] == [
        Verdict.ALREADY_MEMBER,
        Verdict.NEW,
        Verdict.DUPLICATE_IN_FILE,
        Verdict.ALREADY_INVITED,
        Verdict.INACTIVE,
        Verdict.UNKNOWN_ROLE,
        Verdict.NEW,
        Verdict.OVER_SEAT_LIMIT,
        Verdict.NEW,
        Verdict.OVER_SEAT_LIMIT,
    ]
    assert only("Email\na@acme.example\n", seats_left=-3).verdict is Verdict.OVER_SEAT_LIMIT
    assert only("Email\na@acme.example\n", seats_left=0, default_role=Role.ORG_ADMIN).verdict is Verdict.NEW


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        ("Inactive", Verdict.INACTIVE),
        ("inactive_external_suite", Verdict.INACTIVE),
        ("TERMINATED", Verdict.INACTIVE),
        ("False", Verdict.INACTIVE),
        ("active", Verdict.NEW),
        ("Full-time", Verdict.NEW),
        ("", Verdict.NEW),
    ],
)
def test_whoever_left_is_not_proposed(status, verdict):
    assert only(f"Email,Employment Status\nann@acme.example,{status}\n").verdict is verdict


def test_somebody_who_left_and_came_back_is_invited():
    rows = judged("Email,Status\nann@acme.example,inactive\nann@acme.example,active\n")
    assert [row.verdict for row in rows] == [Verdict.INACTIVE, Verdict.NEW]


def test_typed_addresses_are_judged_like_a_files():
    table = entries_from_text("ann@acme.example, Ann <ANN@acme.example>; nobody")
    found = judge(
        table,
        propose_mapping(table),
        kind=Kind.BUYER,
        default_role=Role.ORG_LEARNER,
        members=set(),
        pending=set(),
        seats_left=None,
        allowed_roles=EVERY_ROLE,
    )
    rows = list(found)
    assert verdicts(rows) == [(1, Verdict.NEW), (2, Verdict.DUPLICATE_IN_FILE), (3, Verdict.INVALID_EMAIL)]


EVERY_VERDICT = (
    "Note;Work Email;Name;Role;Status\n"
    "=1+1;new@acme.example;New;Learner;\n"
    "=1+1;new@acme.example;Twice;Learner;\n"
    "+x;member@acme.example;Member;Learner;\n"
    "-x;invited@acme.example;Invited;Learner;\n"
    "@x;wrong.acme.example;Wrong;Learner;\n"
    '"\tx";;Missing;Learner;\n'
    ";unknown@acme.example;-Unknown;Boss;\n"
    ";owner@acme.example;Owner;Owner;\n"
    ";+gone@acme.example;Gone;Learner;inactive\n"
    ";late@acme.example;=Late;Learner;\n"
)
AROUND = {"members": {"member@acme.example"}, "pending": {"invited@acme.example"}, "seats_left": 1}


def test_every_verdict_is_counted_and_has_a_finished_sentence():
    rows = judged(EVERY_VERDICT, **AROUND)
    assert counts(rows) == dict.fromkeys(Verdict, 1)
    assert list(counts([])) == list(Verdict)
    assert all(row.message[0].isupper() or row.message[0] == "“" for row in rows)
    assert all(row.message.endswith(".") for row in rows)


def test_the_refused_rows_are_a_file_to_mend():
    table = read_table(EVERY_VERDICT.encode())
    data = refused_csv(table, judged(EVERY_VERDICT, **AROUND))
    assert data.startswith(b"\xef\xbb\xbf")
    first, *rows = csv.reader(io.StringIO(data.decode("utf-8-sig"), newline=""))
    assert first == ["Note", "Work Email", "Name", "Role", "Status", "line", "error_code", "error_reason"]
    assert [(row[5], row[6]) for row in rows][:2] == [("3", "DUPLICATE_IN_FILE"), ("4", "ALREADY_MEMBER")]
    assert {row[6] for row in rows} == set(Verdict) - {"NEW"}
    assert [row[0] for row in rows][:5] == ["'=1+1", "'+x", "'-x", "'@x", "'\tx"]
    assert not [cell for row in rows for cell in row if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]


def test_refused_rows_come_back_as_they_were():
    table = read_table(EVERY_VERDICT.encode())
    before = [row for row in judged(EVERY_VERDICT, **AROUND) if row.verdict is not Verdict.NEW]
    again = read_table(refused_csv(table, before))
    assert (again.columns, again.header_line) == (table.columns, 1)
    assert header_fingerprint(again) == header_fingerprint(table)
    after = judged(refused_csv(table, before).decode(), members=set(), pending=set(), seats_left=None)
    assert [(row.email, row.name, row.role_text) for row in after] == [(row.email, row.name, row.role_text) for row in before]
    assert refused_csv(again, before).splitlines()[0] == refused_csv(table, before).splitlines()[0]


def test_mended_rows_are_new():
    table = read_table(EVERY_VERDICT.encode())
    text = refused_csv(table, judged(EVERY_VERDICT, **AROUND)).decode()
    mended = text.replace("wrong.acme", "wrong@acme").replace("Boss", "Admin").replace(",,Missing", ",m@acme.example,Missing")
    found = {row.name: row.verdict for row in judged(mended, **AROUND | {"seats_left": None})}
    assert [found[name] for name in ("Wrong", "-Unknown", "Missing", "=Late")] == [Verdict.NEW] * 4


@pytest.mark.parametrize("first", ["Ann;ann@acme.example", "Wer;Kontakt"])
def test_a_file_that_the_user_mapped_keeps_its_mapping_when_it_comes_back(first):
    data = f"{first}\nBob;bob.acme.example\n"
    table = read_table(data.encode())
    mapping = Mapping.from_indexes(table, email=1, name=0)
    again = read_table(refused_csv(table, judged(data, mapping=mapping)))
    assert header_fingerprint(again) == header_fingerprint(table)
    assert [row.cells for row in again.rows] == [("Bob", "bob.acme.example")]


def test_one_column_without_a_header_comes_back_with_one():
    data = "ann@acme.example\nbob.acme.example\n"
    table = read_table(data.encode())
    again = read_table(refused_csv(table, judged(data)))
    assert (propose_mapping(again), [row.cells for row in again.rows]) == (Mapping(0), [("bob.acme.example",)])
