import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal import india
from portal.billing.rules import Place, TaxKind, tax
from portal.errors import Invalid

HOME = "29"
AMOUNTS = st.integers(-(10**12), 10**12)
RATES = st.integers(0, 2_800)


def _tax(taxable, *, rate=1_800, buyer_state=HOME, buyer_country="IN", is_sez=False):
    return tax(taxable, rate=rate, supplier_state=HOME, buyer_state=buyer_state, buyer_country=buyer_country, is_sez=is_sez)


def test_within_the_state_it_is_two_halves():
    found = _tax(100_000)
    assert (found.cgst, found.sgst, found.igst, found.total) == (9_000, 9_000, 0, 18_000)
    assert found.kind is TaxKind.INTRA


@pytest.mark.parametrize("state", sorted(set(india.STATES) - {HOME}))
def test_every_other_state_is_integrated_tax(state):
    found = _tax(100_000, buyer_state=state)
    assert (found.cgst, found.sgst, found.igst, found.kind) == (0, 0, 18_000, TaxKind.INTER)


@pytest.mark.parametrize("state", [HOME, "27"])
def test_a_special_economic_zone_is_integrated_tax_at_home_too(state):
    found = _tax(100_000, buyer_state=state, is_sez=True)
    assert (found.total, found.igst, found.kind) == (18_000, 18_000, TaxKind.SEZ)


@pytest.mark.parametrize("is_sez", [False, True])
@pytest.mark.parametrize("state", [None, HOME])
def test_abroad_is_zero_rated(state, is_sez):
    found = _tax(100_000, buyer_state=state, buyer_country="US", is_sez=is_sez)
    assert (found.total, found.rate, found.kind) == (0, 0, TaxKind.EXPORT)


@pytest.mark.parametrize("state", [None, "", "28"])
def test_an_unknown_state_is_not_guessed(state):
    with pytest.raises(Invalid) as refusal:
        _tax(100_000, buyer_state=state)
    assert refusal.value.code == "STATE_REQUIRED"


@given(AMOUNTS, RATES)
def test_the_halves_are_always_equal(taxable, rate):
    found = _tax(taxable, rate=rate)
    assert found.cgst == found.sgst
    assert abs(found.total * 10_000 - taxable * rate) <= 10_000


@given(AMOUNTS, RATES, st.sampled_from([HOME, "27"]))
def test_what_is_taken_back_is_taxed_like_what_was_given(taxable, rate, state):
    there, back = _tax(taxable, rate=rate, buyer_state=state), _tax(-taxable, rate=rate, buyer_state=state)
    assert (back.cgst, back.sgst, back.igst) == (-there.cgst, -there.sgst, -there.igst)


def test_half_a_paisa_goes_up():
    assert _tax(50).cgst == 5  # 4.5
    assert _tax(25, buyer_state="27").igst == 5  # 4.5
    assert _tax(-50).cgst == -5


def test_place_of_supply_and_endorsements():
    home = Place(supplier_state=HOME, buyer_state=HOME)
    zone = Place(supplier_state=HOME, buyer_state="27", is_sez=True)
    abroad = Place(supplier_state=HOME, buyer_state=None, buyer_country="US")
    assert home.place_of_supply == "29 Karnataka"
    assert zone.place_of_supply == "27 Maharashtra"
    assert abroad.place_of_supply == "96 Outside India"
    assert home.endorsement(lut="X") == ""
    assert "on payment of integrated tax" in zone.endorsement()
    assert abroad.endorsement(lut="AD29").endswith("without payment of integrated tax (LUT AD29)")


def test_a_territory_without_a_legislature_has_utgst():
    assert Place(supplier_state=HOME, buyer_state=HOME).state_tax == "SGST"
    assert Place(supplier_state="38", buyer_state="38").state_tax == "UTGST"
    assert Place(supplier_state="07", buyer_state="07").state_tax == "SGST"
