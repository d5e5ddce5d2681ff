"""What an account's address and password are."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.accounts.rules import PASSWORD_MAX, PASSWORD_MIN, LinkPurpose, check_password, normalize_email
from portal.errors import Invalid

EMAIL = "asha.rao@acme.test"


@pytest.mark.parametrize("password", ["0123456789", "correct horse", "पासवर्ड बहुत लंबा", "🔑" * 9 + "x", "x" * 199 + "y", " " * 9 + "a"])
def test_a_password_is_good_by_its_length(password):
    assert check_password(password, email=EMAIL) == password


@pytest.mark.parametrize(
    ("password", "sentence"),
    [
        ("", "Use at least 10 characters; a few words are easiest to remember."),
        ("012345678", "Use at least 10 characters; a few words are easiest to remember."),
        ("xy" * 100 + "z", "Use at most 200 characters."),
        ("1111111111", "This password is too easy to guess. Choose another."),
        ("          ", "This password is too easy to guess. Choose another."),
        (EMAIL, "This password is too easy to guess. Choose another."),
        (EMAIL.upper(), "This password is too easy to guess. Choose another."),
        ("long.local.part", "This password is too easy to guess. Choose another."),
    ],
)
def test_a_password_that_is_no_good_says_why(password, sentence):
    email = "long.local.part@acme.test" if password.startswith("long") else EMAIL
    with pytest.raises(Invalid) as refused:
        check_password(password, email=email)
    assert (refused.value.message, refused.value.code) == (sentence, "PASSWORD_REFUSED")
    assert refused.value.details == {"password": [sentence]}


@given(st.text(max_size=PASSWORD_MAX + 20))
def test_no_password_of_a_wrong_length_passes(password):
    try:
        check_password(password, email=EMAIL)
    except Invalid:
        return
    assert PASSWORD_MIN <= len(password) <= PASSWORD_MAX


@pytest.mark.parametrize("written", ["asha@acme.test", "ASHA@ACME.TEST", "  Asha@Acme.test\n"])
def test_an_address_is_kept_in_lower_case(written):
    assert normalize_email(written) == "asha@acme.test"


@given(st.emails())
def test_an_address_that_was_normalized_stays_as_it_is(address):
    assert normalize_email(normalize_email(address)) == normalize_email(address)


def test_how_long_a_link_works():
    assert {purpose: purpose.lasts for purpose in LinkPurpose} == {
        LinkPurpose.VERIFY_EMAIL: timedelta(days=7),
        LinkPurpose.RESET_PASSWORD: timedelta(hours=2),
    }
