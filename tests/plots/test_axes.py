"""Numbers on axes are plain, and there is room for them."""

from __future__ import annotations

import pytest

from sparsenet.plots.axes import accuracy_beside, counts_below, grouped, thousands
from sparsenet.plots.style import new_figure
from tests.plots.pictures import assert_legible, words_on


def test_numbers_are_plain() -> None:
    assert [thousands(n) for n in (0, 500, 5000, 1.5e6, -2000)] == [
        "0",
        "500",
        "5 k",
        "1.5 M",
        "-2 k",
    ]
    assert [grouped(n) for n in (0.5, 20, 50000)] == ["0.5", "20", "50,000"]


@pytest.mark.parametrize(
    "values",
    [[1], [500, 50000], [200, 570], [1, 10**9], [145376], [99, 101], [1, 2**62], [3000, 30000]],
)
@pytest.mark.parametrize("inches", [5.4, 3.8])
def test_a_logarithmic_axis_has_numbers_that_do_not_overlap(
    values: list[int], inches: float
) -> None:
    figure, axes = new_figure(inches + 1, 3)
    axes.plot(values, [1] * len(values))
    counts_below(axes, values, "nonzero weights", inches)
    assert_legible(figure)
    assert axes.get_xlabel() == "nonzero weights"
    low, high = axes.get_xlim()
    assert low < min(values)
    assert max(values) < high
    numbers = [label for label, box in words_on(figure) if box.y1 < 50]
    assert len(numbers) >= 3, "two numbers and the label"


def test_accuracies_that_hardly_differ_are_not_magnified() -> None:
    figure, axes = new_figure()
    axes.plot([1, 2], [75.001, 75.002])
    accuracy_beside(axes, "accuracy (%)")
    low, high = axes.get_ylim()
    assert high - low == pytest.approx(1)
    assert low < 75 < high
    assert_legible(figure)
    assert "75" in [text for text, _ in words_on(figure)]


def test_accuracies_that_differ_keep_their_range() -> None:
    _, axes = new_figure()
    axes.plot([1, 2], [10, 90])
    before = axes.get_ylim()
    accuracy_beside(axes, "accuracy (%)")
    assert axes.get_ylim() == before
