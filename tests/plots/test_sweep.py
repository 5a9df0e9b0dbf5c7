"""Accuracy against nonzeros: curves of means, panels by layers, and what is left out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.container import ErrorbarContainer

from sparsenet.plots.rows import CannotDrawError
from sparsenet.plots.sweep import sweep_figure
from sparsenet.results.rows import Trial
from tests.plots import studies
from tests.plots.pictures import assert_legible, legend_texts


def trial(method: str, nonzeros: int, test: float | None, seed: int = 0, **grid: str) -> Trial:
    return studies.trial(method, grid, test, seed, nonzeros=nonzeros)


def curves(axes: Axes) -> list[list[tuple[float, float]]]:
    """The points of each curve, from left to right."""
    found = [item for item in axes.containers if isinstance(item, ErrorbarContainer)]
    lines = [np.asarray(item.lines[0].get_xydata()) for item in found]
    return [[(round(float(x), 6), round(float(y), 6)) for x, y in line] for line in lines]


SEEDS = [
    *(trial("dense", 1000, value, seed, t="") for seed, value in enumerate((0.7, 0.8))),
    *(trial("l0", 500, value, seed, t="5") for seed, value in enumerate((0.6, 0.7))),
    *(trial("l0", 100, value, seed, t="1") for seed, value in enumerate((0.4, 0.5))),
    *(trial("l1", nonzeros, 0.3, nonzeros, t="9") for nonzeros in (200, 400)),
]


def test_curves_are_means_over_seeds_from_few_nonzeros_to_many() -> None:
    figure = sweep_figure(SEEDS)
    [axes] = figure.axes
    assert curves(axes) == [[(100, 45), (500, 65)], [(300, 30)]]
    bars = axes.containers[0].lines[2][0].get_segments()  # type: ignore[attr-defined]
    deviation = 50**0.5
    assert [bar[:, 1].tolist() for bar in bars] == [
        pytest.approx([mean - deviation, mean + deviation]) for mean in (45, 65)
    ]
    dense = axes.get_lines()[0]
    assert list(np.asarray(dense.get_ydata())) == pytest.approx([75, 75])
    assert axes.get_xscale() == "log"
    assert axes.get_xlabel() == "nonzero weights"
    assert axes.get_ylabel() == "accuracy on TEST (%)"
    assert legend_texts(figure) == ["dense, 75.00 ± 7.07 %", "l0", "l1"]
    words = "mean ± standard deviation over 2 seeds"
    assert figure.legends[0].get_title().get_text() == words


def test_what_is_left_out_is_counted() -> None:
    rows = [
        trial("l0", 500, 0.5),
        trial("l1", 0, 0.1),
        trial("l1", 0, 0.1, 1),
        trial("l1", 7, None),
        replace(trial("l1", 7, None), failed="diverged", nonzeros=None),
    ]
    figure = sweep_figure(rows)
    words = "one seed each; left out: 2 with no weight left, 1 failed, 1 without accuracy"
    assert figure.legends[0].get_title().get_text() == words
    assert legend_texts(figure) == ["l0"]


def test_a_panel_for_each_value_of_layers_with_the_reference_in_all() -> None:
    rows = [
        trial("dense", 1000, 0.75, layers=""),
        trial("l0", 500, 0.6, layers="ip1"),
        trial("l0", 400, 0.5, layers="all"),
        trial("l1", 300, 0.4, layers="all"),
    ]
    figure = sweep_figure(rows)
    one, two = figure.axes
    assert [axes.get_title() for axes in figure.axes] == ["layers: ip1", "layers: all"]
    assert curves(one) == [[(500, 60)]]
    assert curves(two) == [[(400, 50)], [(300, 40)]]
    for axes in (one, two):
        assert list(np.asarray(axes.get_lines()[0].get_ydata())) == [75, 75]
    assert one.get_ylim() == two.get_ylim(), "they are compared"
    assert legend_texts(figure) == ["dense, 75.00 %", "l0", "l1"]


def test_a_panel_counts_the_nonzeros_of_its_layers() -> None:
    def of(method: str, layers: str, conv: int, ip: int, test: float, seed: int = 0) -> Trial:
        made = trial(method, conv + ip, test, seed, layers=layers)
        return replace(made, counts={"conv": conv, "ip": ip})

    rows = [
        of("dense", "", 25, 900, 0.8),
        of("l0", "first", 5, 900, 0.6),
        of("l0", "first", 0, 900, 0.3, 1),
        of("l0", "all", 5, 90, 0.5),
        of("fewer units", "", 25, 300, 0.7),
    ]
    figure = sweep_figure(rows, {"first": ("conv",), "all": ("conv", "ip")})
    one, two = figure.axes
    assert sorted(curves(one)) == [[(5, 60)], [(25, 70)]]
    assert sorted(curves(two)) == [[(95, 50)], [(325, 70)]]
    assert one.get_xlabel() == "nonzero weights of these layers"
    assert two.get_xlabel() == "nonzero weights"
    words = "one seed each; left out: 1 with no weight left"
    assert figure.legends[0].get_title().get_text() == words


def test_bars_do_not_widen_the_axis_beyond_what_accuracies_are() -> None:
    rows = [trial("l0", 5, value, seed) for seed, value in enumerate((0.02, 0.99))]
    low, high = sweep_figure(rows).axes[0].get_ylim()
    assert -5 < low < 0
    assert 100 < high < 105


def test_a_method_looks_the_same_in_every_panel() -> None:
    rows = [trial("a", 5, 0.5, layers="x"), trial("b", 5, 0.5, layers="y"),
            trial("a", 6, 0.5, layers="y")]  # fmt: skip
    one, two = sweep_figure(rows).axes
    color = one.containers[0].lines[0].get_color()  # type: ignore[attr-defined]
    looks = [item.lines[0].get_color() for item in two.containers]  # type: ignore[attr-defined]
    assert color in looks
    assert len(set(looks)) == 2


def test_dense_networks_that_differ_are_a_curve() -> None:
    rows = [trial("dense", 1000, 0.7, units="64"), trial("dense", 500, 0.6, units="32")]
    figure = sweep_figure(rows)
    assert curves(figure.axes[0]) == [[(500, 60), (1000, 70)]]
    assert legend_texts(figure) == ["dense"]


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([trial("dense", 5, 0.5)], "no trial but of the dense reference"),
        ([trial("l0", 0, 0.5)], "has nonzeros and an accuracy"),
        ([trial("l0", 5, None)], "no network in it has an accuracy"),
        ([trial(f"m{n}", 5, 0.5) for n in range(9)], "9 methods are more than the 8"),
    ],
)
def test_what_cannot_be_drawn(rows: list[Trial], words: str) -> None:
    with pytest.raises(CannotDrawError, match=words):
        sweep_figure(rows)


@pytest.mark.parametrize("places", [[""], ["ip1", "all"], ["conv1", "ip1", "all"], ["w" * 99] * 2])
@pytest.mark.parametrize("methods", [["l0"], [f"a long name of a method {n}" for n in range(8)]])
def test_it_is_legible(places: list[str], methods: list[str]) -> None:
    rows = [
        trial(method, 10**power, 0.1 * power, layers=place)
        for method in methods
        for place in places
        for power in range(1, 6)
    ]
    assert_legible(sweep_figure(rows))
    assert_legible(sweep_figure(rows[:1]))
