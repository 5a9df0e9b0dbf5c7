"""What several figures do with rows: which accuracy, how curves are named, what is left out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

from sparsenet.errors import ConfigError
from sparsenet.results.rows import Measured, Trial

Phase = Literal["TEST", "VAL"]


class CannotDrawError(ConfigError):
    """The rows of a figure are there, but it cannot be drawn from them."""


def accuracy(row: Measured, phase: Phase) -> float | None:
    """A row's accuracy in a phase, as a fraction."""
    return row.test_accuracy if phase == "TEST" else row.val_accuracy


def phase_of(rows: Iterable[Measured]) -> Phase:
    """TEST where it has been measured on all rows that were measured at all, else VAL.

    Accuracies of both on one axis would be compared. Raises CannotDrawError where there are none.
    """
    measured = [
        row for row in rows if row.test_accuracy is not None or row.val_accuracy is not None
    ]
    if not measured:
        raise CannotDrawError("no network in it has an accuracy")
    return "TEST" if all(row.test_accuracy is not None for row in measured) else "VAL"


def settings_apart(trials: Sequence[Trial]) -> list[str]:
    """A label for each trial: its method, and the grid values that differ within the method."""
    values: dict[tuple[str, str], set[str]] = {}
    for trial in trials:
        for key, value in trial.grid.items():
            values.setdefault((trial.method, key), set()).add(value)
    differing = {home for home, found in values.items() if len(found) > 1}
    return [", ".join([t.method, *(f"{key}={value}" for key, value in t.grid.items()
                                   if (t.method, key) in differing)]) for t in trials]  # fmt: skip


def left_out(reasons: Mapping[str, int]) -> str:
    """`left out: 2 failed, 1 without accuracy`, of those counts that are not 0; else nothing."""
    words = [f"{count:,} {reason}" for reason, count in reasons.items() if count]
    return f"left out: {', '.join(words)}" if words else ""


def means_in_words(counts: Iterable[int], over: str = "seed") -> str:
    """Over how many each mean is: `mean ± standard deviation over 3 to 5 seeds`."""
    least, most = min(found := set(counts)), max(found)
    if most == 1:
        return f"one {over} each"
    span = str(most) if least == most else f"{least} to {most}"
    return f"mean ± standard deviation over {span} {over}s"


def require_told_apart(count: int, what: str, most: int) -> None:
    """Raise CannotDrawError where there are more curves than can be told apart."""
    if count > most:
        raise CannotDrawError(f"{count} {what} are more than the {most} that can be told apart")
