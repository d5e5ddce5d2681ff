from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stdnum import luhn

from portal import india
from portal.errors import Invalid

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def _gstin(state="27", pan="AAPFU0939F", entity="1", kind="Z"):
    body = f"{state}{pan}{entity}{kind}"
    return body + luhn.calc_check_digit(body, ALPHABET)


def test_a_published_gstin_is_taken():
    assert india.check_gstin(" 27aapfu 0939f1zv ") == "27AAPFU0939F1ZV"
    assert india.state_of_gstin("27AAPFU0939F1ZV") == "27"
    assert india.pan_of_gstin("27AAPFU0939F1ZV") == "AAPFU0939F"


@pytest.mark.parametrize("state", sorted(india.STATES))
def test_every_state_is_taken(state):
    gstin = _gstin(state=state)
    assert india.check_gstin(gstin) == gstin


@pytest.mark.parametrize("kind", "ZCD")
def test_collectors_and_deductors_are_taken(kind):
    assert india.check_gstin(_gstin(kind=kind))[13] == kind


WRONG_SHAPES = [
    "",
    "27AAPFU0939F1Z",
    _gstin(kind="X"),
    _gstin(entity="0"),
    _gstin(pan="AAPF10939F"),
    _gstin() + "0",
]


@pytest.mark.parametrize("gstin", WRONG_SHAPES)
def test_other_shapes_are_refused(gstin):
    with pytest.raises(Invalid) as refusal:
        india.check_gstin(gstin)
    assert refusal.value.code == "GSTIN_INVALID"
    assert "15 characters" in refusal.value.details["gstin"][0]


@pytest.mark.parametrize("state", ["00", "25", "28", "39", "96"])
def test_unknown_states_are_named(state):
    with pytest.raises(Invalid, match=f"{state} is none"):
        india.check_gstin(_gstin(state=state))


@given(st.integers(0, 14), st.sampled_from(ALPHABET))
def test_one_wrong_character_is_noticed(position, character):
    right = _gstin()
    wrong = right[:position] + character + right[position + 1 :]
    if wrong == right:
        return
    with pytest.raises(Invalid):
        india.check_gstin(wrong)


def test_pan():
    assert india.check_pan("aagcp4321k") == "AAGCP4321K"
    with pytest.raises(Invalid) as refusal:
        india.check_pan("AAGC4321K")
    assert refusal.value.code == "PAN_INVALID"


def test_state_names():
    assert india.state_name("29") == "Karnataka"
    with pytest.raises(Invalid):
        india.state_name("28")


@given(st.dates(date(2000, 1, 1), date(2098, 12, 31)))
def test_the_financial_year_changes_on_the_first_of_april_alone(day):
    changes = india.financial_year(day) != india.financial_year(day + timedelta(days=1))
    assert changes == ((day.month, day.day) == (3, 31))


def test_financial_years():
    assert india.financial_year(date(2026, 4, 1)) == "26-27"
    assert india.financial_year(date(2027, 3, 31)) == "26-27"
    assert india.financial_year(date(2099, 12, 31)) == "99-00"
