"""Rates that share out everything, and colours that people can read: the rules, and what browsers load of them."""

import hashlib
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from portal.errors import Invalid
from portal.orgs.rules.colors import INK, WHITE, check_color, check_primary, contrast, swatch
from portal.orgs.rules.rates import (
    DEFAULT_RATES,
    Rates,
    check_custom_rate,
    check_rates,
    percent_text,
    points_of_fraction,
    points_of_percent,
)
from portal.orgs.schemas.fields import Color, Fraction, Percent
from tests.support import world

FOR_GOOD = "public, max-age=31536000, immutable"


@pytest.mark.parametrize(
    ("one", "other", "ratio"),
    [
        ("#000000", "#ffffff", 21.0),
        ("#ffffff", "#ffffff", 1.0),
        ("#777777", "#ffffff", 4.48),
        ("#767676", "#ffffff", 4.54),
        ("#949494", "#ffffff", 3.03),
        ("#959595", "#ffffff", 3.0),
        ("#ff0000", "#ffffff", 4.00),
        ("#0000ff", "#ffffff", 8.59),
        ("#00ff00", "#ffffff", 1.37),
        ("#ff0000", "#000000", 5.25),
    ],
)
def test_contrast_is_as_wcag_reckons_it_from_both_sides(one, other, ratio):
    assert round(contrast(one, other), 2) == ratio
    assert contrast(other, one) == contrast(one, other)


COLORS = st.from_regex(r"#[0-9a-f]{6}", fullmatch=True)


@given(COLORS)
def test_the_ink_is_the_one_that_is_read_best(color):
    found = swatch(color)
    assert found.contrast == max(contrast(color, WHITE), contrast(color, INK))
    assert found.contrast == contrast(color, found.ink)
    assert 1 <= found.against_white <= 21


@given(COLORS)
def test_a_primary_colour_is_taken_when_it_can_be_seen_and_written_upon(color):
    found = swatch(color)
    if found.against_white >= 3 and found.contrast >= 4.5:
        assert check_primary(color) == color
    else:
        with pytest.raises(Invalid) as refused:
            check_primary(color)
        assert (refused.value.code, list(refused.value.details)) == ("COLOR_CONTRAST", ["primary_color"])


@pytest.mark.parametrize(("color", "words"), [("#ffffff", "too pale"), ("#959595", "too pale"), ("#777777", "Neither white nor dark")])
def test_a_colour_that_people_cannot_read_is_refused_with_the_reason(color, words):
    with pytest.raises(Invalid, match=words):
        check_primary(color)


@pytest.mark.parametrize(("color", "needed"), [("#ffffff", 3.0), ("#959595", 3.0), ("#777777", 4.5)])
def test_a_refused_colour_is_never_said_to_have_the_contrast_that_is_needed(color, needed):
    with pytest.raises(Invalid) as refused:
        check_primary(color)
    [found, *_rest] = re.findall(r"([0-9.]+) : 1", refused.value.message)
    assert float(found) < needed, refused.value.message


@pytest.mark.parametrize(("text", "color"), [(" #1F5FD6 ", "#1f5fd6"), ("#abc", "#aabbcc"), ("#FFF", "#ffffff")])
def test_colours_are_kept_in_one_spelling(text, color):
    assert check_color(text) == color
    assert TypeAdapter(Color).validate_python(text) == color


@pytest.mark.parametrize(
    "text",
    [
        "",
        "#",
        "1f5fd6",
        "#1f5fd",
        "#1f5fd6a",
        "#1f5fd6ff",
        "#gggggg",
        "#ggg",
        "red",
        "#1f5fd6;}",
        "#\N{FULLWIDTH DIGIT ONE}23456",
        "#1f5fd6\n#000000",
        "rgb(0,0,0)",
    ],
)
def test_what_is_no_colour_is_refused(text):
    with pytest.raises(ValidationError, match="Write a colour as"):
        TypeAdapter(Color).validate_python(text)


def test_the_default_rates_share_out_everything():
    assert check_rates(DEFAULT_RATES) == Rates(platform=1_000, organization=500, consultant=8_500)


@pytest.mark.parametrize(
    ("rates", "said"),
    [
        (Rates(1_000, 500, 8_600), "101 %"),
        (Rates(1_000, 500, 8_499), "99.99 %"),
        (Rates(0, 0, 0), "0 %"),
        (Rates(10_000, 10_000, 10_000), "300 %"),
    ],
)
def test_rates_that_do_not_sum_to_a_hundred_are_refused(rates, said):
    with pytest.raises(Invalid, match=said) as refused:
        check_rates(rates)
    assert (refused.value.code, list(refused.value.details)) == ("RATES_SUM", ["consultant_payout_rate"])


@given(st.integers(0, 10_000), st.integers(0, 10_000), st.integers(0, 10_000))
def test_rates_are_taken_exactly_when_they_sum_to_a_hundred(platform, organization, consultant):
    rates = Rates(platform, organization, consultant)
    if platform + organization + consultant == 10_000:
        assert check_rates(rates) == rates
    else:
        with pytest.raises(Invalid):
            check_rates(rates)


def test_a_consultants_own_rate_leaves_the_platform_its_share():
    assert check_custom_rate(9_000, platform=1_000) == 9_000
    with pytest.raises(Invalid, match="can get 90 % at most: the platform keeps 10 %") as refused:
        check_custom_rate(9_001, platform=1_000)
    assert (refused.value.code, list(refused.value.details)) == ("RATES_SUM", ["custom_consultant_payout_rate"])


@pytest.mark.parametrize(("points", "text"), [(0, "0"), (8_500, "85"), (8_525, "85.25"), (8_550, "85.5"), (10_000, "100"), (1, "0.01")])
def test_basis_points_are_written_in_percent(points, text):
    assert percent_text(points) == text


@given(st.integers(0, 10_000))
def test_a_rate_survives_the_form_and_json(points):
    assert points_of_percent(percent_text(points)) == points
    assert points_of_fraction(json.loads(json.dumps(points / 10_000))) == points
    fraction = TypeAdapter(Fraction)
    assert fraction.validate_python(fraction.dump_python(points, mode="json")) == points


@pytest.mark.parametrize(("text", "points"), [("85", 8_500), (" 85.25 % ", 8_525), ("85 %", 8_500), ("0", 0), ("100", 10_000)])
def test_percents_that_people_type(text, points):
    assert TypeAdapter(Percent).validate_python(text) == points


@pytest.mark.parametrize("text", ["", "eighty", "-1", "100.01", "85.255", "NaN", "Infinity", "1e400", "1e999999999", "%", "85,5", "sNaN"])
def test_what_is_no_percent_is_refused(text):
    with pytest.raises(ValidationError, match=r"Write a number|string"):
        TypeAdapter(Percent).validate_python(text)


@pytest.mark.parametrize(("value", "points"), [(0.85, 8_500), ("0.85", 8_500), (0, 0), (1, 10_000), (1.0, 10_000), (1e-4, 1)])
def test_fractions_of_json(value, points):
    assert TypeAdapter(Fraction).validate_python(value) == points


@pytest.mark.parametrize("value", [85, 1.0001, -0.1, 0.85005, "", "x", True, [], {}, float("nan"), float("inf"), "1e999999999", "sNaN"])
def test_what_is_no_fraction_is_refused(value):
    with pytest.raises(ValidationError, match="Write a number"):
        TypeAdapter(Fraction).validate_python(value)


@pytest.mark.parametrize(
    ("colors", "css"),
    [
        ("1f5fd6-0f6b3c", ":root{--brand:#1f5fd6;--brand-ink:#ffffff;--brand-second:#0f6b3c;--brand-second-ink:#ffffff}\n"),
        ("1f5fd6", ":root{--brand:#1f5fd6;--brand-ink:#ffffff;--brand-second:#1f5fd6;--brand-second-ink:#ffffff}\n"),
        ("1f5fd6-ffee00", ":root{--brand:#1f5fd6;--brand-ink:#ffffff;--brand-second:#ffee00;--brand-second-ink:#1c2430}\n"),
    ],
)
def test_colours_are_a_stylesheet_that_browsers_keep_for_good(app, colors, css):
    answer = app.test_client().get(f"/media/brand/{colors}.css")
    assert (answer.status_code, answer.text) == (200, css)
    assert answer.headers["Content-Type"] == "text/css; charset=utf-8"
    assert answer.headers["Cache-Control"] == FOR_GOOD
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "Set-Cookie" not in answer.headers


@pytest.mark.parametrize(
    "colors", ["1F5FD6", "red", "1f5fd6-", "1f5fd", "1f5fd6-0f6b3c-000000", "1f5fd6%7D", "1f5fd6-red", "%231f5fd6", "1f5fd6%0A", ""]
)
def test_no_other_words_get_into_a_stylesheet(app, colors):
    answer = app.test_client().get(f"/media/brand/{colors}.css")
    assert answer.status_code == 404
    assert "immutable" not in answer.headers.get("Cache-Control", "")


@pytest.fixture
def logo(rung, app):
    """The path of Acme's logo, and its owner's sign-in."""
    with app.app_context():
        owner = world.make_user("owner@acme.test")
        organization = world.make_organization(owner)
        name = world.place_logo(organization, owner)
    return f"/media/organizations/{organization.id}/{name}"


def test_a_logo_is_served_to_everybody_with_its_type_for_good(app, logo):
    answer = app.test_client().get(logo)
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "image/png")
    assert answer.headers["Cache-Control"] == FOR_GOOD
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.data.startswith(b"\x89PNG")
    assert hashlib.sha256(answer.data).hexdigest()[:32] in logo
    assert "Set-Cookie" not in answer.headers


def test_an_unknown_picture_is_not_found(app, logo):
    folder, _slash, name = logo.rpartition("/")
    stranger = "0190b4a2-0000-7000-8000-000000000000"
    for path in (
        f"{folder}/logo-{'0' * 32}.png",
        f"{folder}/{name.replace('.png', '.jpg')}",
        f"{folder}/{name.replace('logo', 'banner')}",
        f"/media/organizations/{stranger}/{name}",
        f"/media/organizations/acme/{name}",
        f"/media/organizations/../{name}",
    ):
        answer = app.test_client().get(path)
        assert answer.status_code == 404, path
        assert "immutable" not in answer.headers.get("Cache-Control", ""), path


def test_no_path_leads_out_of_the_folder_of_pictures(app, logo):
    folder, _slash, name = logo.rpartition("/")
    organization_id = folder.rpartition("/")[2]
    for path in (
        f"{folder}/../{organization_id}/{name}",
        f"{folder}/..%2F{organization_id}%2F{name}",
        f"{folder}/%2e%2e%2f%2e%2e%2fsecret",
        f"/media/organizations/..%2Forganizations%2F{organization_id}/{name}",
        f"/media/organizations/{organization_id}%2F..%2F{organization_id}/{name}",
        f"{folder}/{name}%00",
        f"{folder}/{name}%0A",
        f"{folder}/{name}/",
        f"{folder}//{name}",
        f"{folder}/..\\{name}",
        f"{folder}/{name.upper()}",
    ):
        answer = app.test_client().get(path)
        assert answer.status_code in {404, 308}, path
        assert b"PNG" not in answer.data[:8], path
