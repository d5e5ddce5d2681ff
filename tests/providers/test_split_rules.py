"""Shares and what refunds take back of them: the domain's worked examples, and any price, rate and order of refunds."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.money import WHOLE
from portal.orgs.rules import EarningsRecipient
from portal.orgs.rules.rates import DEFAULT_RATES, Rates
from portal.providers.rules import TWO_WAY, Party, Terms, hold_for, reversed_so_far, shares_of, three_way

HOST = "01a221e8-0000-7000-8000-000000000001"
ORGANIZATION, CONSULTANT = Party.ORGANIZATION, Party.CONSULTANT


def by_party(gross, terms):
    fee, shares = shares_of(gross, terms)
    return fee, {share.party: share.amount for share in shares}


def hosted(rates=DEFAULT_RATES, *, custom=None, recipient=EarningsRecipient.CONSULTANT):
    return three_way(rates, custom=custom, recipient=recipient, host_organization_id=HOST)


@pytest.mark.parametrize(
    ("gross", "terms", "fee", "shares"),
    [
        (100_000, TWO_WAY, 20_000, {CONSULTANT: 80_000}),
        (100_000, hosted(), 10_000, {ORGANIZATION: 5_000, CONSULTANT: 85_000}),
        (100_000, hosted(custom=9_000), 10_000, {CONSULTANT: 90_000}),
        (100_000, hosted(custom=7_000), 10_000, {ORGANIZATION: 20_000, CONSULTANT: 70_000}),
        (100_000, hosted(recipient=EarningsRecipient.ORGANIZATION), 10_000, {ORGANIZATION: 90_000}),
        (100_000, hosted(Rates(10_000, 0, 0)), 100_000, {}),
        (100_000, hosted(Rates(0, 0, 10_000)), 0, {CONSULTANT: 100_000}),
        (3, TWO_WAY, 1, {CONSULTANT: 2}),  # 0.6 up, 2.4 down
        (5, hosted(Rates(1_000, 0, 9_000)), 1, {CONSULTANT: 4}),  # 0.5 and 4.5 both round up: the consultant gets what is left
        (1, hosted(Rates(5_000, 0, 5_000)), 1, {}),
        (10, hosted(), 1, {CONSULTANT: 9}),  # 8.5 rounds up, and the organization's half paisa is gone
        (0, hosted(), 0, {}),
    ],
)
def test_worked_examples(gross, terms, fee, shares):
    assert by_party(gross, terms) == (fee, shares)


@pytest.mark.parametrize(("plan_type", "hours"), [("CONSULTATION", 24), ("CLASS", 24), ("WEBINAR", 48), ("SUBSCRIPTION", 168)])
def test_holds(plan_type, hours):
    assert hold_for(plan_type) == timedelta(hours=hours)


@st.composite
def terms_of_any_kind(draw):
    if draw(st.booleans()):
        return TWO_WAY
    platform = draw(st.integers(0, WHOLE))
    organization = draw(st.integers(0, WHOLE - platform))
    rates = Rates(platform, organization, WHOLE - platform - organization)
    custom = draw(st.none() | st.integers(0, WHOLE - platform))
    return hosted(rates, custom=custom, recipient=draw(st.sampled_from(EarningsRecipient)))


@given(gross=st.integers(0, 10**11), terms=terms_of_any_kind())
def test_shares_sum_exactly_and_none_is_negative(gross, terms):
    fee, shares = shares_of(gross, terms)
    assert fee + sum(share.amount for share in shares) == gross
    assert fee >= 0
    assert all(share.amount > 0 for share in shares)
    assert {share.party for share in shares} <= ({CONSULTANT} if terms.host_organization_id is None else set(Party))
    if terms.recipient is EarningsRecipient.ORGANIZATION:
        assert CONSULTANT not in {share.party for share in shares}


@given(gross=st.integers(1, 10**9), terms=terms_of_any_kind(), data=st.data())
def test_refunds_in_any_steps_reverse_exactly_and_never_give_back(gross, terms, data):
    fee, shares = shares_of(gross, terms)
    parts = [fee, *(share.amount for share in shares)]
    steps = sorted(data.draw(st.lists(st.integers(0, gross), max_size=6)))
    before = [0] * len(parts)
    for refunded in [*steps, gross]:
        now = reversed_so_far(parts, refunded)
        assert sum(now) == refunded
        assert all(0 <= was <= is_now <= part for was, is_now, part in zip(before, now, parts, strict=True))
        assert all(
            abs(is_now * gross - part * refunded) < 2 * gross for is_now, part in zip(now, parts, strict=True)
        )  # within a paisa or two
        before = now
    assert before == parts


@given(parts=st.lists(st.integers(0, 40), min_size=1, max_size=3))
def test_paisa_by_paisa_each_part_only_grows(parts):
    before = [0] * len(parts)
    for refunded in range(sum(parts) + 1):
        now = reversed_so_far(parts, refunded)
        assert [a - b for a, b in zip(now, before, strict=True) if a < b] == []
        assert sum(now) == refunded
        before = now
    assert before == parts


def test_more_than_there_is_cannot_be_reversed():
    with pytest.raises(ValueError, match="4 of 3"):
        reversed_so_far([1, 2], 4)


def test_terms_without_a_host_are_the_consultants():
    assert by_party(1, Terms(Rates(2_000, 0, 8_000))) == (0, {CONSULTANT: 1})
