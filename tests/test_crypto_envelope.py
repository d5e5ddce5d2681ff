"""What is stored encrypted: nobody reads it without its key, in another row, or changed by a bit; and keys can be replaced."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal import crypto
from portal.crypto import Undecipherable

FIRST, SECOND = "k1:" + "ab" * 32, "k2:" + "cd" * 32
ABOUT = "account 1"


@pytest.fixture(autouse=True)
def _own_keys():
    """Keys of this test's own; the app's come back afterwards."""
    kept = dict(crypto._keys)
    crypto.use_keys(FIRST)
    yield
    crypto._keys.clear()
    crypto._keys.update(kept)


def sealed_in(stored: str) -> bytes:
    """Nonce, ciphertext and tag."""
    return base64.b64decode(stored.partition(".")[2], validate=True)


def changed(stored: str, place: int) -> str:
    """The same with one bit flipped."""
    sealed = bytearray(sealed_in(stored))
    sealed[place] ^= 1
    return f"{stored.partition('.')[0]}.{base64.b64encode(bytes(sealed)).decode()}"


@given(plain=st.binary(max_size=300), about=st.text(max_size=40).filter(lambda text: text.isprintable()))
def test_what_was_encrypted_is_read_again(plain, about):
    assert crypto.decrypt(crypto.encrypt(plain, about=about), about=about) == plain


def test_it_names_its_key_and_shows_nothing_else():
    plain = b"account number 123456789012"
    stored = crypto.encrypt(plain, about=ABOUT)
    assert stored.startswith("k1.")
    assert b"123456789012" not in sealed_in(stored)
    assert ABOUT not in stored
    assert len(sealed_in(stored)) == 12 + len(plain) + 16, "a nonce, as much as there was, and a tag"


def test_the_same_twice_looks_different():
    seen = {crypto.encrypt(b"the same", about=ABOUT) for _time in range(200)}
    assert len(seen) == 200
    assert len({sealed_in(stored)[:12] for stored in seen}) == 200, "no nonce comes twice under one key"


@pytest.mark.parametrize("about", ["account 2", "account", "account 1 ", "", "ACCOUNT 1"])
def test_moved_elsewhere_it_cannot_be_read(about):
    stored = crypto.encrypt(b"secret", about=ABOUT)
    with pytest.raises(Undecipherable):
        crypto.decrypt(stored, about=about)


def test_one_changed_bit_anywhere_is_noticed():
    stored = crypto.encrypt(b"secret", about=ABOUT)
    for place in range(len(sealed_in(stored))):
        with pytest.raises(Undecipherable):
            crypto.decrypt(changed(stored, place), about=ABOUT)


@pytest.mark.parametrize("length", [0, 1, 7, 8, 12, 13, 27, 28])
def test_what_was_cut_off_is_noticed(length):
    sealed = sealed_in(crypto.encrypt(b"secret", about=ABOUT))[:length]
    with pytest.raises(Undecipherable):
        crypto.decrypt(f"k1.{base64.b64encode(sealed).decode()}", about=ABOUT)


@pytest.mark.parametrize("broken", ["", "k1", "k1.", ".", "k1.A", "k1.AAA", "k1.!!!!", "k1.ünïcode", "plain text", "k9.AAAA", ".AAAA"])
def test_what_never_was_encrypted_cannot_be_read(broken):
    with pytest.raises(Undecipherable):
        crypto.decrypt(broken, about=ABOUT)


def test_a_new_key_encrypts_and_the_old_one_still_reads():
    old = crypto.encrypt(b"old", about=ABOUT)
    crypto.use_keys(f"{SECOND}, {FIRST}")
    new = crypto.encrypt(b"new", about=ABOUT)
    assert new.startswith("k2.")
    assert (crypto.decrypt(old, about=ABOUT), crypto.decrypt(new, about=ABOUT)) == (b"old", b"new")
    crypto.use_keys(SECOND)
    assert crypto.decrypt(new, about=ABOUT) == b"new"
    with pytest.raises(Undecipherable, match="'k1' isn't among DATA_ENCRYPTION_KEYS"):
        crypto.decrypt(old, about=ABOUT)


def test_another_key_under_the_same_name_reads_nothing():
    stored = crypto.encrypt(b"secret", about=ABOUT)
    crypto.use_keys("k1:" + "ef" * 32)
    with pytest.raises(Undecipherable):
        crypto.decrypt(stored, about=ABOUT)


def test_what_one_key_sealed_is_not_read_under_anothers_name():
    stored = crypto.encrypt(b"secret", about=ABOUT)
    crypto.use_keys(f"{FIRST},{SECOND}")
    with pytest.raises(Undecipherable):
        crypto.decrypt(stored.replace("k1.", "k2."), about=ABOUT)


def test_a_refusal_tells_nothing_of_what_is_inside():
    stored = crypto.encrypt(b"account number 123456789012", about=ABOUT)
    with pytest.raises(Undecipherable) as refused:
        crypto.decrypt(stored, about="elsewhere")
    said = f"{refused.value!r} {refused.value.__cause__!r}"
    assert "1234" not in said
    assert stored[3:] not in said
