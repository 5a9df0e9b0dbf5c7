"""What the figures are drawn from: the rows of the results, typed."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from sparsenet.errors import ConfigError

Phase = Literal["TEST", "VAL"]


class CannotDrawError(ConfigError):
    """The rows of a figure are there, but it cannot be drawn from them."""


@dataclass(frozen=True)
class Candidate:
    """A network of a search; accuracies are fractions, None where not measured.

    `bytes` are those of its best storage formats, `counts` its nonzero weights by layer.
    """

    strategy: str
    accepted: bool
    density: float
    bytes: int
    val_accuracy: float | None
    test_accuracy: float | None
    counts: Mapping[str, int]


@dataclass(frozen=True)
class Search:
    """The candidates of a search in their order, the network it starts from first."""

    name: str
    candidates: tuple[Candidate, ...]


@dataclass(frozen=True)
class Trial:
    """A trained network of a sweep; `grid` holds the values that were varied, as text.

    `failed` is the reason, or empty; what a failed trial has not reached is None.
    """

    method: str
    grid: Mapping[str, str]
    seed: int
    nonzeros: int | None
    train_accuracy: float | None
    val_accuracy: float | None
    test_accuracy: float | None
    failed: str
    key: str


@dataclass(frozen=True)
class Course:
    """How a run went: training loss, and accuracy on a phase, by iteration."""

    losses: Mapping[int, float]
    accuracies: Mapping[int, float]
    phases: frozenset[str]


@dataclass(frozen=True)
class Thresholded:
    """A network after a pruning, and the one trained under l0 with its counts, if any."""

    weights: int
    nonzeros: int
    test_accuracy: float | None
    retrained_nonzeros: int | None
    retrained_test_accuracy: float | None


@dataclass(frozen=True)
class Filters:
    """The weights of a convolution: filters x input channels x height x width, and whose it is."""

    network: str
    layer: str
    weights: NDArray[np.float32]


class Measured(Protocol):
    """What has accuracies as fractions, None where not measured."""

    @property
    def val_accuracy(self) -> float | None:
        """On the validation split."""

    @property
    def test_accuracy(self) -> float | None:
        """On the test set."""


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


def mean_and_deviation(values: Sequence[float]) -> tuple[float, float]:
    """The mean and the standard deviation of a sample, which of one value is 0."""
    return statistics.fmean(values), statistics.stdev(values) if len(values) > 1 else 0.0


def settings_apart(trials: Sequence[Trial], without: Iterable[str] = ()) -> list[str]:
    """A label for each trial: its method, and the grid values that differ within the method."""
    values: dict[tuple[str, str], set[str]] = {}
    for trial in trials:
        for key in trial.grid.keys() - set(without):
            values.setdefault((trial.method, key), set()).add(trial.grid[key])
    return [
        ", ".join(
            [
                trial.method,
                *(
                    f"{key}={value}"
                    for key, value in trial.grid.items()
                    if len(values.get((trial.method, key), ())) > 1
                ),
            ]
        )
        for trial in trials
    ]


def in_words(count: int, one: str, many: str = "") -> str:
    """`1 filter`, `2 filters`."""
    return f"{count:,} {one if count == 1 else many or f'{one}s'}"


def left_out(reasons: Mapping[str, int]) -> str:
    """`left out: 2 failed, 1 without accuracy`, of those counts that are not 0; else nothing."""
    words = [f"{count:,} {reason}" for reason, count in reasons.items() if count]
    return f"left out: {', '.join(words)}" if words else ""


def seeds_in_words(counts: Iterable[int]) -> str:
    """Over how many seeds each mean is: `mean ± standard deviation over 3 to 5 seeds`."""
    least, most = min(found := set(counts)), max(found)
    if most == 1:
        return "one seed each"
    span = str(most) if least == most else f"{least} to {most}"
    return f"mean ± standard deviation over {span} seeds"


def require_told_apart(count: int, what: str, most: int) -> None:
    """Raise CannotDrawError where there are more curves than can be told apart."""
    if count > most:
        raise CannotDrawError(f"{count} {what} are more than the {most} that can be told apart")
