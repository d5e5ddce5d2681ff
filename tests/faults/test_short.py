"""The trial of ``make faults``, short: every kind of fault comes at least once while people are at work."""

from tests.faults.trial import run

SECONDS = 25
SEED = 7
KINDS = 10


def test_nothing_is_lost_doubled_or_stuck_whatever_breaks(tmp_path):
    outcome = run(tmp_path / "home", seconds=SECONDS, seed=SEED)
    print(outcome.report())  # noqa: T201 - pytest shows it when it fails
    assert outcome.findings == []
    assert len(outcome.faults) == KINDS
    assert outcome.notes.acts["sessions booked"] > 0
    assert outcome.invoices > 0
    assert outcome.mails > 0
