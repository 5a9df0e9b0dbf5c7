"""What several figures do with rows: which accuracy, what curves there are, in which words."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from sparsenet.plots.rows import (
    CannotDrawError,
    Phase,
    Trial,
    in_words,
    left_out,
    mean_and_deviation,
    phase_of,
    seeds_in_words,
    settings_apart,
)


@dataclass(frozen=True)
class Row:
    test_accuracy: float | None
    val_accuracy: float | None


@pytest.mark.parametrize(
    ("rows", "phase"),
    [
        ([(0.5, 0.6), (0.5, None)], "TEST"),
        ([(0.5, 0.6), (None, 0.6)], "VAL"),
        ([(None, 0.6)], "VAL"),
        ([(0.5, 0.6), (None, None)], "TEST"),
    ],
)
def test_accuracies_of_two_phases_are_never_on_one_axis(
    rows: list[tuple[float | None, float | None]], phase: Phase
) -> None:
    assert phase_of([Row(*row) for row in rows]) == phase


def test_no_accuracy_at_all() -> None:
    with pytest.raises(CannotDrawError, match="no network in it has an accuracy"):
        phase_of([Row(None, None)])


def trial(method: str, **grid: str) -> Trial:
    return Trial(method, grid, 0, 1, None, None, 0.5, "", "0" * 16)


def test_settings_are_named_by_what_differs_within_a_method() -> None:
    trials = [
        trial("dense", layers="", t="", samples="1"),
        trial("l0", layers="all", t="5", samples="1"),
        trial("l0", layers="all", t="6", samples="2"),
    ]
    assert settings_apart(trials, ["samples"]) == ["dense", "l0, t=5", "l0, t=6"]
    assert settings_apart(trials[:2]) == ["dense", "l0"]


def test_deviations_are_of_samples() -> None:
    assert mean_and_deviation([1.0, 3.0]) == pytest.approx((2, 2**0.5))
    assert mean_and_deviation([4.0]) == (4, 0)


def test_words() -> None:
    assert [in_words(n, "filter") for n in (1, 2000)] == ["1 filter", "2,000 filters"]
    assert left_out({"failed": 2, "without accuracy": 0}) == "left out: 2 failed"
    assert left_out({"failed": 0}) == ""
    assert seeds_in_words([1, 1]) == "one seed each"
    assert seeds_in_words([5, 3]) == "mean ± standard deviation over 3 to 5 seeds"
