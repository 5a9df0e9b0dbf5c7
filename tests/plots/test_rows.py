"""What several figures do with rows: which accuracy, what curves there are, in which words."""

from __future__ import annotations

import pytest

from sparsenet.plots.rows import (
    CannotDrawError,
    Phase,
    left_out,
    means_in_words,
    phase_of,
    settings_apart,
)
from tests.plots.studies import candidate, trial


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
    assert phase_of([candidate(9, val, test) for test, val in rows]) == phase


def test_no_accuracy_at_all() -> None:
    with pytest.raises(CannotDrawError, match="no network in it has an accuracy"):
        phase_of([candidate(9, None, None)])


def test_settings_are_named_by_what_differs_within_a_method() -> None:
    rows = [
        ("dense", {"layers": "", "t": ""}),
        ("l0", {"layers": "all", "t": "5"}),
        ("l0", {"layers": "all", "t": "6"}),
    ]
    trials = [trial(method, grid, 0.5) for method, grid in rows]
    assert settings_apart(trials) == ["dense", "l0, t=5", "l0, t=6"]
    assert settings_apart(trials[:2]) == ["dense", "l0"]


def test_words() -> None:
    assert left_out({"failed": 2, "without accuracy": 0}) == "left out: 2 failed"
    assert left_out({"failed": 0}) == ""
    assert means_in_words([1, 1]) == "one seed each"
    assert means_in_words([5, 3]) == "mean ± standard deviation over 3 to 5 seeds"
    assert means_in_words([2, 2], "trial") == "mean ± standard deviation over 2 trials"
