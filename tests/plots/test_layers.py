"""Stacks of nonzeros a layer: where they stand, how high they are, which are shown."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from sparsenet.plots.layers import layers_figure, spread
from sparsenet.plots.rows import Candidate, CannotDrawError
from tests.plots.pictures import assert_legible, legend_texts
from tests.plots.studies import DEEP, QUICK

WEIGHTS = {"conv": 100, "ip": 1000}
START = Candidate("greedy", True, 1.0, 4400, None, 0.75, WEIGHTS)
SPARSE = replace(START, density=0.3, test_accuracy=0.70, counts={"conv": 80, "ip": 250})


def boxes(axes: Axes) -> list[tuple[float, float, float]]:
    """(accuracy, bottom, height) of each box."""
    found = [patch for patch in axes.patches if isinstance(patch, Rectangle)]
    return [(box.get_x() + box.get_width() / 2, box.get_y(), box.get_height()) for box in found]


def test_boxes_are_counts_and_shares_of_each_layer_at_their_accuracy() -> None:
    figure = layers_figure([START, SPARSE], WEIGHTS)
    counts, shares = figure.axes
    wanted = [(75, 0, 100), (70, 0, 80), (75, 100, 1000), (70, 80, 250)]
    assert boxes(counts) == [pytest.approx(box) for box in wanted]
    wanted = [(75, 0, 50), (70, 0, 40), (75, 50, 50), (70, 40, 12.5)]
    assert boxes(shares) == [pytest.approx(box) for box in wanted]
    assert legend_texts(figure) == ["ip", "conv"], "as they lie"
    assert counts.get_ylabel() == "nonzero weights"
    assert shares.get_ylabel() == "nonzeros in % of each layer, mean over layers"
    assert {axes.get_xlabel() for axes in figure.axes} == {"accuracy on TEST (%)"}
    assert counts.get_title("left") == "2 of 2 accepted networks shown"


def test_layers_are_told_apart_by_colour_and_hatch() -> None:
    axes = layers_figure([START], WEIGHTS).axes[0]
    looks = {(patch.get_facecolor(), patch.get_hatch()) for patch in axes.patches}
    assert len(looks) == 2


def test_stacks_that_would_overlap_are_left_out_and_that_is_said() -> None:
    path = [replace(START, test_accuracy=0.70 + 0.0005 * n) for n in range(100)]
    figure = layers_figure(path, WEIGHTS)
    centres = sorted({round(x, 6) for x, _, _ in boxes(figure.axes[0])})
    width = figure.axes[0].patches[0].get_width()  # type: ignore[attr-defined]
    assert all(b - a > width for a, b in itertools.pairwise(centres))
    assert 8 <= len(centres) <= 12
    assert {centres[0], centres[-1]} == {70, 74.95}
    title = f"{len(centres)} of 100 accepted networks shown, so that no stack hides another"
    assert figure.axes[0].get_title("left") == title


@pytest.mark.parametrize(
    ("values", "places"),
    [
        ([5], [0]),
        ([5, 5, 5], [2]),
        ([0, 9, 1], [0, 1, 2]),
        ([0, 4, 0.5], [1, 2]),
        ([0, 1, 5, 5.5, 10], [0, 1, 2, 4]),
    ],
)
def test_the_last_the_first_and_then_the_farthest(values: list[float], places: list[int]) -> None:
    assert spread(values, 1) == places


def test_the_smallest_of_many_layers_are_one() -> None:
    weights = {f"block/{n}": 100 + n for n in range(30)}
    row = replace(START, counts=dict.fromkeys(weights, 50))
    figure = layers_figure([row], weights)
    labels = legend_texts(figure)
    assert labels == ["19 smaller layers as one", *(f"block/{n}" for n in range(29, 18, -1))]
    counts, shares = (boxes(axes) for axes in figure.axes)
    assert counts[-1][2] == 19 * 50
    assert sum(height for _, _, height in shares) < 50


@pytest.mark.parametrize(
    ("path", "weights", "words"),
    [
        ([START], {"conv": 100}, "study.json does not say how many weights layer 'ip' has"),
        ([replace(START, counts={})], WEIGHTS, "no columns of its layers' nonzeros"),
        ([replace(START, test_accuracy=None)], WEIGHTS, "no network in it has an accuracy"),
    ],
)
def test_what_cannot_be_drawn(path: list[Candidate], weights: dict[str, int], words: str) -> None:
    with pytest.raises(CannotDrawError, match=words):
        layers_figure(path, weights)


LONG = {"w" * 200: 5, "$x$_{": 3, "_y": 2}


@pytest.mark.parametrize("weights", [QUICK, DEEP, LONG, {f"layer1/{n}/conv": 9 for n in range(60)}])
@pytest.mark.parametrize("accuracies", [[0.75], [0.5] * 4, [0.75, 0.7501, 0.7502], [0.7, 0.9, 0.1]])
def test_it_is_legible(weights: dict[str, int], accuracies: list[float]) -> None:
    path = [replace(START, test_accuracy=value, counts=weights) for value in accuracies]
    assert_legible(layers_figure(path, weights))
