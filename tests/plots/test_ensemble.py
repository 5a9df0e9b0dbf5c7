"""Accuracy against the number of members: ensembles, their members alone, one dense net."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.container import ErrorbarContainer

from sparsenet.plots.ensemble import ensemble_figure
from sparsenet.plots.rows import CannotDrawError
from sparsenet.results.rows import Member
from tests.plots.pictures import assert_legible, legend_texts


def row(members: int, trial: int, member: int | None, test: float | None, size: int) -> Member:
    key = "0" * 16
    return Member(members, trial, member, member, size, 4 * size, None, test, None, None, key)


def ensemble(members: int, trial: int, alone: float, whole: float | None) -> list[Member]:
    """Members whose accuracies lie two points around their mean, and the whole."""
    shares = [alone + 0.02 * (-1) ** member for member in range(members)]
    own = [row(members, trial, n, share, 100) for n, share in enumerate(shares, start=1)]
    return [*own, row(members, trial, None, whole, 100 * members)]


DENSE = [row(1, n, m, test, 1000) for n, test in ((1, 0.74), (2, 0.76)) for m in (1, None)]
ROWS = [
    *DENSE,
    *ensemble(2, 1, 0.70, 0.75),
    *ensemble(2, 2, 0.70, 0.77),
    *ensemble(4, 1, 0.68, 0.78),
    *ensemble(4, 2, 0.68, 0.78),
]


def curves(axes: Axes) -> list[list[tuple[float, float]]]:
    found = [item for item in axes.containers if isinstance(item, ErrorbarContainer)]
    lines = [np.asarray(item.lines[0].get_xydata()) for item in found]
    return [[(float(x), round(float(y), 6)) for x, y in line] for line in lines]


def title(rows: list[Member]) -> str:
    return ensemble_figure(rows).legends[0].get_title().get_text().replace("\n", " ")


def test_curves_are_of_wholes_and_of_members_and_the_dense_net_is_a_line() -> None:
    figure = ensemble_figure(ROWS)
    [axes] = figure.axes
    assert curves(axes) == [[(2, 76), (4, 78)], [(2, 70), (4, 68)]]
    dense = axes.get_lines()[0]
    assert list(np.asarray(dense.get_ydata())) == pytest.approx([75, 75])
    bar = axes.containers[0].lines[2][0].get_segments()[0]  # type: ignore[attr-defined]
    assert bar[:, 1].tolist() == pytest.approx([76 - 2**0.5, 76 + 2**0.5])
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("members", "accuracy on TEST (%)")
    assert legend_texts(figure) == [
        *(
            "one dense net, 75.00 ± 1.41 %",
            "the whole ensemble",
            "one member alone, over all members",
        )
    ]


def test_trials_and_nonzeros_are_said_in_words() -> None:
    words = "nonzero weights and biases in all members together"
    assert title(ROWS) == f"mean ± standard deviation over 2 trials; 200 to 400 {words}"
    assert title(ensemble(3, 1, 0.6, 0.7)) == f"one trial each; 300 {words}"


def test_what_has_no_accuracy_is_left_out_and_counted() -> None:
    diverged = replace(ROWS[4], test_accuracy=None, nonzeros=0)
    rows = [*ROWS[:4], diverged, ROWS[5], row(2, 1, None, None, 0), *ROWS[7:]]
    assert title(rows).endswith("left out: 2 without accuracy")
    assert curves(ensemble_figure(rows).axes[0])[0] == [(2, 77), (4, 78)]


def test_without_a_single_net_there_is_no_line_of_one() -> None:
    assert legend_texts(ensemble_figure(ROWS[4:]))[0] == "the whole ensemble"


def test_without_an_ensemble_of_several_there_is_nothing_to_draw() -> None:
    with pytest.raises(CannotDrawError, match="no ensemble of several members in it has an acc"):
        ensemble_figure(DENSE)
    with pytest.raises(CannotDrawError, match="no network in it has an accuracy"):
        ensemble_figure([row(2, 1, None, None, 0)])


@pytest.mark.parametrize("counts", [[2], [2, 3, 4], [2, 100], list(range(2, 40))])
def test_it_is_legible(counts: list[int]) -> None:
    rows = [*DENSE, *(one for n in counts for one in ensemble(n, 1, 0.7, 0.7 + n / 1000))]
    assert_legible(ensemble_figure(rows))
