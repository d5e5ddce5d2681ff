"""One trial: everybody at work, everything breaking, and the verdict."""

import statistics
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from tests.faults import verdict
from tests.faults.load import Load, furnish
from tests.faults.people import Notes, Person
from tests.faults.stage import Stage
from tests.faults.weather import Weather


@dataclass(frozen=True)
class Outcome:
    """What a trial found, and its figures.

    Attributes:
        findings: What isn't as it must be; empty when all is.
        copies: How many mails were taken a second time after a kill.
        healed_after: Seconds from the last fault until nothing was left to do.
    """

    seed: int
    seconds: float
    findings: list[str]
    notes: Notes
    faults: Counter[str]
    months: int
    mails: int
    copies: int
    invoices: int
    runs: int
    healed_after: float

    def report(self) -> str:
        """The figures, a line each."""
        statuses = Counter(str(answer.status or "no answer") for answer in self.notes.answers)
        durations = [answer.ended - answer.began for answer in self.notes.answers if answer.status in {200, 201, 303}]
        lines = [
            f"seed {self.seed}, {self.seconds:.0f} s, {self.months} months",
            f"answers: {', '.join(f'{number} × {status}' for status, number in sorted(statuses.items()))}",
            f"seconds: {statistics.median(durations):.3f} at the median, {statistics.quantiles(durations, n=20)[-1]:.3f} for 19 of 20",
            f"acts: {', '.join(f'{number} {act}' for act, number in sorted(self.notes.acts.items()))}",
            f"faults: {', '.join(f'{number} × {name}' for name, number in sorted(self.faults.items()))}",
            f"mails: {self.mails}, of which {self.copies} came twice under their one Message-ID after a kill",
            f"invoices: {self.invoices}, by {self.runs} monthly runs and by hand",
            f"healed after {self.healed_after:.0f} s",
            "PASSED" if not self.findings else f"FAILED: {len(self.findings)} findings",
            *self.findings[:60],
        ]
        return "\n".join(lines)


def run(home: Path, *, seconds: float, seed: int) -> Outcome:
    """Runs one trial below a folder of its own."""
    stage = Stage(home)
    try:
        scene, notes = furnish(stage), Notes()
        stage.open()
        _wait_until_ready(stage)
        load, weather = Load(stage, scene, notes, seed=seed), Weather(stage, seed=seed, seconds=seconds)
        load.begin()
        weather.begin()
        _let_months_pass(load, seconds=seconds)
        weather.end()
        load.late.set()
        load.end()
        left, healed_after = verdict.heal(stage, seconds=max(300, seconds * 1.5))
        found = verdict.findings(stage, load, weather, notes, left=left)
        taken = verdict.copies(stage)
        return Outcome(
            seed=seed,
            seconds=seconds,
            findings=found,
            notes=notes,
            faults=weather.counts,
            months=load.months,
            mails=len(taken),
            copies=sum(len(times) - 1 for times in taken.values()),
            invoices=stage.ask("SELECT count(*) FROM invoices")[0][0],
            runs=stage.ask("SELECT count(*) FROM billing_runs WHERE invoices > 0")[0][0],
            healed_after=healed_after,
        )
    finally:
        stage.close()


def _wait_until_ready(stage: Stage) -> None:
    notes = Notes()
    end = time.monotonic() + 120
    guest = Person(stage.url, notes, "")
    while (found := guest.ask("GET", "/readyz")) is None or found.status_code != 200:
        assert time.monotonic() < end, stage.log.read_text()[-4000:]
        time.sleep(0.3)


def _let_months_pass(load: Load, *, seconds: float) -> None:
    months = 2 if seconds < 300 else 6
    end = time.monotonic() + seconds
    for _ in range(months):
        time.sleep(seconds / (months + 1))
        load.next_month()
    time.sleep(max(0.0, end - time.monotonic()))
