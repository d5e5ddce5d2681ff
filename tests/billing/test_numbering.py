import re
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.billing.rules import credit_note_number, invoice_number
from portal.errors import Invalid

DAY = date(2026, 12, 1)
SERIES = st.from_regex(r"[A-Z0-9]{1,4}", fullmatch=True)
DAYS = st.dates(date(2020, 1, 1), date(2090, 1, 1))


def test_the_numbers_of_the_law():
    assert invoice_number("PF", DAY, 1) == "PF/26-27/0000001"
    assert credit_note_number("PFCN", DAY, 1) == "PFCN/26-27/00001"


def test_the_year_begins_in_april():
    assert invoice_number("PF", date(2027, 3, 31), 42) == "PF/26-27/0000042"
    assert invoice_number("PF", date(2027, 4, 1), 1) == "PF/27-28/0000001"


@given(SERIES, DAYS, st.integers(1, 99_999))
def test_every_number_fits_the_rule(series, day, sequence):
    for number in (invoice_number(series, day, sequence), credit_note_number(series, day, sequence)):
        assert re.fullmatch(r"[A-Z0-9/-]{1,16}", number)


@given(SERIES, DAYS, st.integers(1, 99_998))
def test_numbers_of_a_series_sort_as_they_were_given(series, day, sequence):
    assert invoice_number(series, day, sequence) < invoice_number(series, day, sequence + 1)


@pytest.mark.parametrize(("series", "sequence"), [("PF", 10_000_000), ("pf", 1), ("P F", 1), ("PF", 0), ("LONGSERIES", 1)])
def test_what_breaks_the_rule_is_refused(series, sequence):
    with pytest.raises(Invalid) as refusal:
        invoice_number(series, DAY, sequence)
    assert refusal.value.code == "NUMBER_INVALID"
