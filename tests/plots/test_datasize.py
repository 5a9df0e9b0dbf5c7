"""Accuracy against training samples: solid on held-out data, dashed on training data."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from matplotlib.container import ErrorbarContainer
from matplotlib.figure import Figure

from sparsenet.plots.datasize import datasize_figure
from sparsenet.plots.rows import CannotDrawError, Trial
from tests.plots.pictures import assert_legible, legend_texts


def trial(method: str, samples: object, test: float, train: float | None, seed: int = 0) -> Trial:
    return Trial(method, {"samples": str(samples)}, seed, 9, train, None, test, "", "0" * 16)


ROWS = [
    *(trial("dense", 500, value, 1.0, seed) for seed, value in enumerate((0.3, 0.4))),
    *(trial("dense", 5000, 0.6, 0.9, seed) for seed in (0, 1)),
    trial("l0", 500, 0.4, None),
]


def curves(figure: Figure) -> list[tuple[str, str, list[tuple[float, float]]]]:
    """(colour, line style, points) of each curve that has points."""
    containers = [i for i in figure.axes[0].containers if isinstance(i, ErrorbarContainer)]
    lines = [container.lines[0] for container in containers]
    return [
        (
            str(line.get_color()),
            str(line.get_linestyle()),
            [(float(x), round(float(y), 6)) for x, y in np.asarray(line.get_xydata())],
        )
        for line in lines
        if len(np.asarray(line.get_xdata()))
    ]


def test_each_method_has_a_colour_solid_for_held_out_and_dashed_for_training_data() -> None:
    figure = datasize_figure(ROWS)
    (one, solid, test), (same, dashed, train), (other, also_solid, sparse) = curves(figure)
    assert (solid, dashed, also_solid) == ("-", "--", "-")
    assert one == same != other
    assert test == [(500, 35), (5000, 60)]
    assert train == [(500, 100), (5000, 90)]
    assert sparse == [(500, 40)]
    [axes] = figure.axes
    assert (axes.get_xscale(), axes.get_xlabel()) == ("log", "training samples")
    assert axes.get_ylabel() == "accuracy (%)"
    assert legend_texts(figure) == ["dense", "l0", "on TEST", "on training data"]
    words = "mean ± standard deviation over 1 to 2 seeds"
    assert figure.legends[0].get_title().get_text() == words


def test_failed_trials_are_left_out_and_counted() -> None:
    figure = datasize_figure([*ROWS, replace(ROWS[-1], failed="diverged", test_accuracy=None)])
    assert "left out: 1 failed" in figure.legends[0].get_title().get_text()
    assert len(curves(figure)) == 3


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([trial("a", "50%", 0.5, 0.5)], "column 'samples': '50%' is not a number of training"),
        ([trial("a", 0, 0.5, 0.5)], "'0' is not a number of training samples"),
        ([trial("a", "\u0665", 0.5, 0.5)], "is not a number of training samples"),
        ([trial("a", "9" * 5000, 0.5, 0.5)], "is not a number of training samples"),
        ([replace(ROWS[0], grid={})], "it has no column 'samples'"),
        ([replace(ROWS[0], failed="diverged")], "no network in it has an accuracy"),
        ([trial(f"m{n}", 5, 0.5, 0.5) for n in range(9)], "9 methods and settings are more"),
    ],
)
def test_what_cannot_be_drawn(rows: list[Trial], words: str) -> None:
    with pytest.raises(CannotDrawError, match=words):
        datasize_figure(rows)


@pytest.mark.parametrize("methods", [["l0"], [f"a long name of a method {n}" for n in range(8)]])
@pytest.mark.parametrize("sizes", [[50000], [500, 1000, 2000, 50000], [49000, 50000]])
def test_it_is_legible(methods: list[str], sizes: list[int]) -> None:
    assert_legible(datasize_figure([trial(m, size, 0.5, 0.5) for m in methods for size in sizes]))
