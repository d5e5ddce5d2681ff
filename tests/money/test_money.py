from decimal import ROUND_HALF_UP, Decimal

import pytest
from babel.numbers import format_currency
from hypothesis import given
from hypothesis import strategies as st

from portal.errors import Invalid
from portal.money import (
    allocate,
    format_amount,
    format_inr,
    format_rate,
    half_up,
    in_words,
    parse_rupees,
    plain_amount,
    share,
)

AMOUNTS = st.integers(-(10**15), 10**15)


@given(AMOUNTS, st.integers(1, 10**9))
def test_half_up_is_decimals_half_up(numerator, denominator):
    exact = Decimal(numerator) * 10**12 / Decimal(denominator)
    nearest = int((exact / 10**12).quantize(Decimal(1), rounding=ROUND_HALF_UP))
    assert half_up(numerator, denominator) == nearest


@given(AMOUNTS, st.integers(1, 10**6))
def test_a_reversal_rounds_like_what_it_reverses(numerator, denominator):
    assert half_up(-numerator, denominator) == -half_up(numerator, denominator)


def test_halves_go_away_from_zero():
    assert [half_up(n, 2) for n in (-3, -1, 1, 3)] == [-2, -1, 1, 2]
    assert share(1_005, 1_500) == 151
    assert share(-1_005, 1_500) == -151


def test_nothing_is_divided_by_nothing():
    with pytest.raises(ValueError, match="positive"):
        half_up(1, 0)


@given(AMOUNTS, st.lists(st.integers(0, 10**12), min_size=1, max_size=50).filter(sum))
def test_allocation_sums_exactly_and_stays_within_a_paisa_of_the_share(total, weights):
    shares = allocate(total, weights)
    assert sum(shares) == total
    for part, weight in zip(shares, weights, strict=True):
        assert abs(part * sum(weights) - total * weight) < sum(weights)
        assert weight or part == 0


@given(AMOUNTS, st.lists(st.integers(0, 10**6), min_size=1, max_size=20).filter(sum))
def test_a_negative_total_is_shared_like_its_positive_one(total, weights):
    assert allocate(-total, weights) == [-part for part in allocate(total, weights)]


def test_the_earlier_wins_a_tie():
    assert allocate(100, [1, 1, 1]) == [34, 33, 33]
    assert allocate(-100, [1, 1, 1]) == [-34, -33, -33]
    assert allocate(5, [0, 3, 3]) == [0, 3, 2]


def test_what_cannot_be_shared():
    assert allocate(0, []) == []
    assert allocate(0, [0, 0]) == [0, 0]
    with pytest.raises(ValueError, match="no weight"):
        allocate(1, [0, 0])
    with pytest.raises(ValueError, match="negative"):
        allocate(1, [2, -1])


@given(st.integers(0, 10**15))
def test_amounts_look_as_babel_writes_them(paise):
    expected = format_currency(Decimal(paise) / 100, "INR", locale="en_IN")
    assert format_inr(paise) == expected
    assert format_amount(paise) == expected.removeprefix("₹")


def test_amounts_have_indian_groups_and_a_true_minus():
    assert format_inr(123456750) == "₹12,34,567.50"
    assert format_inr(-28800) == "\N{MINUS SIGN}₹288.00"
    assert format_amount(-5) == "\N{MINUS SIGN}0.05"
    assert plain_amount(118000) == "1180.00"
    assert plain_amount(-5) == "-0.05"


@given(st.integers(0, 10**14 - 1))
def test_what_is_shown_can_be_typed(paise):
    assert parse_rupees(format_inr(paise)) == parse_rupees(plain_amount(paise)) == paise


@pytest.mark.parametrize(
    ("text", "paise"),
    [
        ("1,234.50", 123450),
        (" ₹ 500 ", 50000),
        ("0.5", 50),
        ("12,34,567", 123456700),
        ("1,234,567.89", 123456789),
        ("007", 700),
    ],
)
def test_amounts_that_people_type(text, paise):
    assert parse_rupees(text) == paise


@pytest.mark.parametrize("text", ["", "abc", "-5", "1,50", "1.234", "1.", ".5", "12,3456", "1e5", "٣", "9" * 13, "1 000", "1,23,4567"])
def test_what_is_no_amount_is_refused(text):
    with pytest.raises(Invalid) as refusal:
        parse_rupees(text)
    assert refusal.value.code == "AMOUNT_INVALID"
    assert refusal.value.message.endswith(".")


@pytest.mark.parametrize(
    ("paise", "words"),
    [
        (118000, "Rupees One Thousand One Hundred Eighty Only"),
        (0, "Rupees Zero Only"),
        (1, "Rupees Zero and One Paisa Only"),
        (
            123456750,
            "Rupees Twelve Lakh Thirty-Four Thousand Five Hundred Sixty-Seven and Fifty Paise Only",
        ),
        (999_99_99_999_99 + 1, "Rupees One Thousand Crore Only"),
        (10**13 * 100 + 100, "Rupees Ten Lakh Crore One Only"),
        (-28850, "Minus Rupees Two Hundred Eighty-Eight and Fifty Paise Only"),
    ],
)
def test_amounts_in_words(paise, words):
    assert in_words(paise) == words


@given(st.integers(0, 10**17))
def test_every_amount_has_words_and_no_euro(paise):
    words = in_words(paise)
    assert words.startswith("Rupees ")
    assert words.endswith(" Only")
    assert "," not in words


def test_rates_are_exact():
    assert [format_rate(bp) for bp in (1800, 250, 25, 0, 10_000)] == ["18%", "2.5%", "0.25%", "0%", "100%"]
    assert [format_rate(bp, parts=2) for bp in (1800, 500, 25)] == ["9%", "2.5%", "0.125%"]
