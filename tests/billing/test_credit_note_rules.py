"""Credit notes, reminders and ageing as sums and decisions: every order, every number of steps, every day."""

from datetime import date, timedelta
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.billing.rules import (
    Amounts,
    CreditNoteKind,
    Item,
    TaxKind,
    ageing,
    check_items,
    kind_of,
    note_status,
    oldest_first,
    reminder_due,
    reversed_tax,
    shares,
    spread,
)
from portal.billing.rules.gst import tax_of_kind
from portal.errors import Conflict, Invalid

STAGES = (-7, 0, 7, 14, 30)
DUE = date(2026, 12, 12)
kinds = st.sampled_from(TaxKind)
rates = st.sampled_from([1_800, 500, 1_200, 2_800, 25])
amounts = st.one_of(st.integers(1, 60), st.integers(1, 10**9))


def invoice_of(taxable, *, kind, rate) -> Amounts:
    tax = tax_of_kind(kind, taxable, rate=rate)
    return Amounts(taxable, tax.cgst, tax.sgst, tax.igst)


def credit(invoice, notes, taxable, *, kind, rate) -> Amounts:
    """The next note on an invoice after others."""
    before = total(notes)
    tax = reversed_tax(invoice, before, taxable=taxable, kind=kind, rate=rate)
    assert tax.kind is kind
    return Amounts(taxable, tax.cgst, tax.sgst, tax.igst)


def total(notes) -> Amounts:
    return Amounts(*(sum(getattr(note, name) for note in notes) for name in ("taxable", "cgst", "sgst", "igst")))


def assert_within(invoice, notes) -> None:
    """No component of all notes together is above the invoice's, and none of one note is negative."""
    found = total(notes)
    for name in ("taxable", "cgst", "sgst", "igst"):
        assert getattr(found, name) <= getattr(invoice, name), name
    assert all(min(note.cgst, note.sgst, note.igst) >= 0 and note.cgst == note.sgst for note in notes)


@given(parts=st.lists(amounts, min_size=1, max_size=12), kind=kinds, rate=rates)
def test_any_number_of_steps_in_any_order_reverses_exactly_the_tax(parts, kind, rate):
    invoice = invoice_of(sum(parts), kind=kind, rate=rate)
    notes = []
    for part in parts:
        notes.append(credit(invoice, notes, part, kind=kind, rate=rate))
        assert_within(invoice, notes)
        exact = Fraction(total(notes).taxable * (0 if kind is TaxKind.EXPORT else rate), 10_000)
        assert abs(total(notes).tax - exact) <= 1, "half a paisa for each of two heads"
    assert total(notes) == invoice


@given(data=st.data(), taxable=st.integers(1, 400), kind=kinds, rate=rates)
def test_voiding_in_between_never_lets_more_than_the_tax_be_reversed(data, taxable, kind, rate):
    invoice = invoice_of(taxable, kind=kind, rate=rate)
    notes = []
    for _step in range(data.draw(st.integers(1, 16))):
        left = taxable - total(notes).taxable
        if notes and (not left or data.draw(st.booleans())):
            notes.pop(data.draw(st.integers(0, len(notes) - 1)))
        else:
            notes.append(credit(invoice, notes, data.draw(st.integers(1, left)), kind=kind, rate=rate))
        assert_within(invoice, notes)
    if left := taxable - total(notes).taxable:
        notes.append(credit(invoice, notes, left, kind=kind, rate=rate))
    assert total(notes) == invoice


@given(taxable=amounts, credited=amounts, kind=kinds)
def test_more_than_is_left_is_refused_with_what_is_left(taxable, credited, kind):
    whole = invoice_of(taxable + credited, kind=kind, rate=1_800)
    before = credit(whole, [], credited, kind=kind, rate=1_800)
    with pytest.raises(Conflict) as refused:
        credit(whole, [before], taxable + 1, kind=kind, rate=1_800)
    assert (refused.value.code, refused.value.extra) == ("ABOVE_INVOICE", {"left": taxable})


def test_sixty_of_a_hundred_reverses_sixty_hundredths_of_the_tax_and_not_all():
    invoice = invoice_of(10_000, kind=TaxKind.INTRA, rate=1_800)
    first = credit(invoice, [], 6_000, kind=TaxKind.INTRA, rate=1_800)
    assert (first.cgst, first.sgst, first.igst) == (540, 540, 0)
    second = credit(invoice, [first], 4_000, kind=TaxKind.INTRA, rate=1_800)
    assert (second.cgst, second.sgst) == (360, 360)


@given(left=st.lists(st.integers(0, 10**7), min_size=1, max_size=12), share=st.fractions(0, 1))
def test_spread_takes_no_more_than_a_line_has_left_and_sums_exactly(left, share):
    wanted = int(sum(left) * share)
    parts = spread(wanted, left)
    assert sum(parts) == wanted
    assert all(0 <= part <= most for part, most in zip(parts, left, strict=True))
    assert all(abs(part * sum(left) - wanted * most) < max(1, sum(left)) for part, most in zip(parts, left, strict=True)), "in proportion"


@given(left=st.lists(st.integers(0, 10**7), max_size=6), above=st.integers(1, 10**6))
def test_spread_refuses_more_than_all_lines_have_left(left, above):
    with pytest.raises(Conflict) as refused:
        spread(sum(left) + above, left)
    assert (refused.value.code, refused.value.extra) == ("ABOVE_INVOICE", {"left": sum(left)})


@given(parts=st.lists(amounts, min_size=1, max_size=10), kind=kinds)
def test_what_lines_show_of_the_tax_sums_to_it_with_equal_halves(parts, kind):
    items = [Item(f"line {number}", part) for number, part in enumerate(parts)]
    tax = tax_of_kind(kind, sum(parts), rate=1_800)
    found = shares(tax, items)
    assert [share.taxable for share in found] == parts
    assert total(found) == Amounts(sum(parts), tax.cgst, tax.sgst, tax.igst)
    for share in found:
        assert share.cgst == share.sgst
        assert abs(share.cgst * sum(parts) - tax.cgst * share.taxable) < sum(parts)
        assert abs(share.igst * sum(parts) - tax.igst * share.taxable) < sum(parts)


def test_items_are_checked_against_their_lines():
    left = {"a": 500, "b": 0}
    assert check_items([Item("a", 500)], left) is None
    for items, refusal, code in (
        ([Item("a", 1), Item("a", 1)], Invalid, "LINE_TWICE"),
        ([Item("c", 1)], Invalid, "LINE_UNKNOWN"),
        ([Item("a", 501)], Conflict, "ABOVE_LINE"),
        ([Item("a", 500), Item("b", 1)], Conflict, "ABOVE_LINE"),
    ):
        with pytest.raises(refusal) as refused:
            check_items(items, left)
        assert refused.value.code == code


@given(amount=st.integers(0, 10**6), notes=st.lists(st.integers(0, 10**5), max_size=10))
def test_credit_is_taken_from_the_oldest_first_and_only_the_last_one_gives_a_part(amount, notes):
    offered = [(f"note {number}", available) for number, available in enumerate(notes)]
    taken = oldest_first(amount, offered)
    assert sum(part for _note, part in taken) == min(amount, sum(notes))
    assert all(part > 0 for _note, part in taken)
    whole = [(note, available) for note, available in offered if available]
    assert taken[:-1] == whole[: max(0, len(taken) - 1)], "all but the last are used up, in their order"
    if taken:
        note, part = taken[-1]
        assert note == whole[len(taken) - 1][0]
        assert part <= dict(offered)[note]


@pytest.mark.parametrize(
    ("paid", "applied", "kind"),
    [
        (0, 0, CreditNoteKind.ADJUSTMENT),
        (1, 0, CreditNoteKind.CREDIT),
        (0, 1, CreditNoteKind.CREDIT),
        (7, 9, CreditNoteKind.CREDIT),
    ],
)
def test_money_or_credit_on_the_invoice_makes_a_note_a_credit(paid, applied, kind):
    assert kind_of(paid=paid, applied=applied) is kind


@pytest.mark.parametrize(("stored", "left", "seen"), [("ISSUED", 1, "ISSUED"), ("ISSUED", 0, "APPLIED"), ("VOID", 0, "VOID")])
def test_a_note_of_which_nothing_is_open_is_used_up(stored, left, seen):
    assert note_status(stored, left) == seen


def stages_of_all_days(*, terms, stages=STAGES, skipped=frozenset()) -> list[tuple[int, int]]:
    """What a daily job sends from the issue to 60 days after the due date: (days after the due date, stage), each stage once."""
    issued, sent = DUE - timedelta(days=terms), []
    for after in range(-terms, 61):
        if after in skipped:
            continue
        stage = reminder_due(due=DUE, issued=issued, today=DUE + timedelta(days=after), stages=stages)
        if stage is not None and stage not in {done for _day, done in sent}:
            sent.append((after, stage))
    return sent


def test_each_stage_comes_once_and_on_its_day():
    assert stages_of_all_days(terms=30) == [(stage, stage) for stage in STAGES]


@pytest.mark.parametrize(("terms", "stages"), [(7, (0, 7, 14, 30)), (8, STAGES), (1, (0, 7, 14, 30)), (0, (7, 14, 30))])
def test_a_stage_that_falls_on_the_day_of_issue_or_before_never_comes(terms, stages):
    assert stages_of_all_days(terms=terms) == [(stage, stage) for stage in stages]


@pytest.mark.parametrize(
    ("gap", "expected"),
    [
        (range(-7, 10), [(10, 7), (14, 14), (30, 30)]),
        (range(-7, 0), [(0, 0), (7, 7), (14, 14), (30, 30)]),
        (range(-7, 60), [(60, 30)]),
        (range(8, 14), [(-7, -7), (0, 0), (7, 7), (14, 14), (30, 30)]),
    ],
)
def test_after_a_gap_only_the_latest_comes(gap, expected):
    assert stages_of_all_days(terms=30, skipped=frozenset(gap)) == expected


@given(stages=st.lists(st.integers(-40, 60), unique=True, max_size=6), terms=st.integers(0, 45))
def test_without_gaps_every_stage_after_the_issue_comes_on_its_day_whatever_the_setting(stages, terms):
    assert stages_of_all_days(terms=terms, stages=tuple(stages)) == [(stage, stage) for stage in sorted(stages) if stage > -terms]


@given(st.lists(st.tuples(st.integers(-400, 400), st.integers(1, 10**9), st.integers(1, 9)), max_size=20))
def test_the_ageing_sums_to_what_is_owed_and_each_amount_stands_in_its_bucket(owed):
    buckets = ageing([(DUE - timedelta(days=days), amount, number) for days, amount, number in owed], today=DUE)
    assert [bucket.label for bucket in buckets] == ["Not due yet", "1–30 days", "31–60 days", "61–90 days", "Over 90 days"]
    assert sum(bucket.amount for bucket in buckets) == sum(amount for _days, amount, _number in owed)
    assert sum(bucket.invoices for bucket in buckets) == sum(number for _days, _amount, number in owed)
    for bucket, (least, most) in zip(buckets, [(-400, 0), (1, 30), (31, 60), (61, 90), (91, 400)], strict=True):
        assert bucket.amount == sum(amount for days, amount, _number in owed if least <= days <= most)
