"""What a benchmark found, and the table of all."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Result:
    """One row of the table.

    Attributes:
        ours: As measured, with ``unit``.
        floor: The plainest way to do the same, in the same run; None where the target is an absolute figure.
        target: The highest ratio to the floor, or the highest figure, that is good enough.
    """

    name: str
    ours: float
    unit: str
    target: float
    floor: float | None = None

    @property
    def measured(self) -> float:
        """What is compared with the target."""
        return self.ours / self.floor if self.floor else self.ours

    @property
    def is_met(self) -> bool:
        """Whether it is good enough."""
        return self.measured <= self.target


def table(results: Sequence[Result]) -> str:
    """The results as a table of text."""
    rows = [("benchmark", "ours", "floor", "ratio", "target", "")]
    for result in results:
        is_ratio = result.floor is not None
        rows.append(
            (
                result.name,
                f"{result.ours:.3g} {result.unit}",
                f"{result.floor:.3g} {result.unit}" if result.floor is not None else "–",
                f"{result.measured:.2f}×" if is_ratio else "–",
                f"≤ {result.target:g}×" if is_ratio else f"≤ {result.target:g} {result.unit}",
                "met" if result.is_met else "MISSED",
            )
        )
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows)
