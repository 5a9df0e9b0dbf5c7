"""Filters as images: what colour a weight has, which filters are shown, and the zeros."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.axes import Axes
from numpy.typing import NDArray

from sparsenet.plots.filters import filters_figure
from sparsenet.plots.rows import Filters
from tests.plots.pictures import assert_legible
from tests.plots.studies import filters, sparse_filters


def named(weights: NDArray[np.float32], network: str = "run/best.pt") -> Filters:
    return Filters(network, "conv1", weights)


def sheet(axes: Axes) -> NDArray[np.float32]:
    [image] = axes.get_images()
    return np.asarray(image.get_array())


def colours(axes: Axes) -> list[list[int]]:
    """Every colour of a panel in percent, in order, but those of frames and gaps."""
    found = np.unique((100 * sheet(axes)[::9, ::9].reshape(-1, 3)).round().astype(int), axis=0)
    return [color for color in found.tolist() if color not in ([45] * 3, [100] * 3)]


def test_three_input_channels_are_colours_about_grey() -> None:
    weights = np.zeros((1, 3, 2, 2), np.float32)
    weights[0, 0, 0, 0], weights[0, 2, 1, 1] = -2, 1
    left, middle, right = filters_figure(named(weights), named(weights)).axes
    assert colours(left) == colours(middle) == [[0, 50, 50], [50, 50, 50], [50, 50, 75]]
    assert colours(right) == [[0, 0, 0]]
    assert "red, green, blue" in left.get_xlabel()


def test_other_counts_of_input_channels_are_their_mean_in_grey() -> None:
    weights = np.zeros((1, 2, 1, 2), np.float32)
    weights[0, :, 0, 0] = -1, 0
    left, _, right = filters_figure(named(weights), named(weights)).axes
    assert colours(left) == [[0, 0, 0], [50, 50, 50]]
    assert "mean over 2 input channels" in left.get_xlabel()
    assert right.get_xlabel().endswith("black where any of 2 input channels is not")


def test_the_pattern_is_black_where_any_channel_is_not_zero() -> None:
    weights = np.zeros((1, 2, 1, 2), np.float32)
    weights[0, :, 0, 0] = 1, -1  # of mean 0
    pattern = sheet(filters_figure(named(weights), named(weights)).axes[2])
    middle = pattern[len(pattern) // 2]
    width = len(middle)
    assert middle[width // 4].tolist() == [0, 0, 0]
    assert middle[3 * width // 4].tolist() == [1, 1, 1]


def test_filters_that_are_all_zero_are_left_out_and_counted() -> None:
    dense = filters()
    left, middle, right = filters_figure(
        named(dense.numpy(), "dense/best.pt"), named(sparse_filters(dense, 20).numpy())
    ).axes
    assert left.get_xlabel().startswith("32 filters;")
    assert middle.get_xlabel().startswith("12 filters, 20 all-zero filters not shown;")
    assert right.get_xlabel().startswith("350 of 2,400 weights are not zero;")
    assert left.get_title() == "dense/best.pt: conv1"
    assert sheet(middle).shape == sheet(right).shape


def test_of_very_many_filters_the_first_are_shown() -> None:
    weights = np.ones((300, 1, 1, 1), np.float32)
    left, *_ = filters_figure(named(weights), named(weights)).axes
    assert left.get_xlabel() == "256 filters, 44 more not shown;\ngrey is 0"


def test_where_nothing_is_left_that_is_said() -> None:
    weights = filters().numpy()
    _, middle, right = filters_figure(named(weights), named(0 * weights)).axes
    assert [axes.texts[0].get_text() for axes in (middle, right)] == ["all filters are zero"] * 2


@pytest.mark.parametrize("shape", [(32, 3, 5), (96, 3, 11), (512, 512, 1), (1, 1, 3)])
def test_it_is_legible(shape: tuple[int, int, int]) -> None:
    dense = filters(*shape)
    sparse = sparse_filters(dense, shape[0] // 2).numpy()
    figure = filters_figure(named(dense.numpy(), "a-long-name-of-a-run/best.pt"), named(sparse))
    assert_legible(figure)
