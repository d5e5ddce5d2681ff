"""Whatever bytes come, the reader answers with a table that can be judged, or with a refusal."""

import csv
import io

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from portal.errors import DomainError
from portal.invites.rules import (
    DELIMITERS,
    ENCODINGS,
    Mapping,
    Verdict,
    entries_from_text,
    header_fingerprint,
    judge,
    parse_address,
    propose_mapping,
    read_table,
    refused_csv,
)
from portal.orgs.rules import Kind, Role
from tests.invites.test_reader import FILES, REFUSED

SEEDS = [file.data for file in FILES.values()] + [data for data, _ in REFUSED.values() if len(data) < 20_000]
SOME_DELIMITER = st.sampled_from([None, *DELIMITERS])
SOME_ENCODING = st.sampled_from([None, "xlsx", *ENCODINGS])
PATIENT = settings(deadline=None, max_examples=300, suppress_health_check=[HealthCheck.too_slow])
BREAKING = st.sampled_from([b'"', b"'", b"\r", b"\n", b";", b"\0", b"@"])


@st.composite
def mutated(draw):
    data = bytearray(draw(st.sampled_from(SEEDS)))
    for _ in range(draw(st.integers(1, 6))):
        at = draw(st.integers(0, len(data)))
        until = draw(st.integers(at, min(len(data), at + 20)))
        data[at:until] = draw(st.one_of(st.binary(max_size=8), BREAKING))
    return bytes(data)


def check(data, *, encoding=None, delimiter=None, header_line=None):
    try:
        table = read_table(data, encoding=encoding, delimiter=delimiter, header_line=header_line)
    except DomainError:
        return
    assert table.rows
    assert {len(row.cells) for row in table.rows} == {len(table.columns)}
    lines = [row.line for row in table.rows]
    assert lines == sorted(set(lines))
    assert all(any(cell.strip() for cell in row.cells) for row in table.rows)
    mapping = propose_mapping(table) or Mapping.from_indexes(table, email=0)
    found = judge(
        table,
        mapping,
        kind=Kind.HYBRID,
        default_role=Role.ORG_LEARNER,
        members=set(),
        pending=set(),
        seats_left=2,
        allowed_roles=frozenset(Role),
    )
    rows = list(found)
    assert len(rows) == len(table.rows)
    assert sum(row.verdict is Verdict.NEW and row.role is Role.ORG_LEARNER for row in rows) <= 2
    assert all(parse_address(row.email) == (row.email, "") for row in rows if row.verdict is Verdict.NEW)
    assert not [row for row in rows if "\0" in row.email + row.name + row.role_text]
    table.samples()
    header_fingerprint(table)
    refused_csv(table, rows).decode("utf-8-sig")


@PATIENT
@given(st.binary(max_size=400), SOME_ENCODING, SOME_DELIMITER, st.sampled_from([None, 0, 1, 2]))
@example(b"\x1d", None, None, None)
@example(b'"\x1d', None, None, None)
@example(b"a\x1fb", None, None, None)
@example(b"sep=", None, None, None)
def test_any_bytes(data, encoding, delimiter, header_line):
    check(data, encoding=encoding, delimiter=delimiter, header_line=header_line)


@PATIENT
@given(mutated(), SOME_DELIMITER)
def test_a_file_with_something_broken_in_it(data, delimiter):
    check(data, delimiter=delimiter)


@PATIENT
@given(st.text(alphabet="ab@.;,|\t\r\n\"' =Email\xa0\u200b", max_size=200))
def test_any_text_of_a_table(text):
    check(text.encode())


WORDS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=12)


@PATIENT
@given(
    st.lists(st.tuples(WORDS, WORDS), min_size=1, max_size=8),
    st.sampled_from(DELIMITERS),
    st.sampled_from(["\r\n", "\n", "\r"]),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
)
def test_what_a_csv_writer_wrote_is_read_as_it_was(people, delimiter, end, encoding):
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter, lineterminator=end, quoting=csv.QUOTE_ALL)
    writer.writerow(["Name", "Work Email", "Note"])
    for number, (name, note) in enumerate(people):
        writer.writerow([name, f"p{number}@acme.example", note])
    table = read_table(text.getvalue().encode(encoding))
    assert table.delimiter == delimiter
    assert [row.cells for row in table.rows] == [(name, f"p{number}@acme.example", note) for number, (name, note) in enumerate(people)]
    assert [row.line for row in table.rows] == list(range(2, len(people) + 2))


@PATIENT
@given(st.text(max_size=200))
def test_any_text_typed_into_the_page(text):
    table = entries_from_text(text)
    assert [row.line for row in table.rows] == list(range(1, len(table.rows) + 1))
    assert all(row.cells[0].strip() for row in table.rows)


@PATIENT
@given(st.text(max_size=100))
@example("a@" + "a-" * 100)
@example("." * 300 + "@a.example")
def test_an_address_is_its_own_comparable_form(text):
    parsed = parse_address(text)
    if parsed:
        assert parse_address(parsed[0]) == (parsed[0], "")
        assert parsed[0] == parsed[0].lower()
        assert parsed[0].isascii()
