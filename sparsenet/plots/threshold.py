"""Figure 5 of Collins & Kohli (2014): accuracy against nonzeros, thresholded and under l0."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from sparsenet.plots.axes import logarithmic, number, thousands
from sparsenet.plots.results import read_thresholds
from sparsenet.plots.rows import Thresholded
from sparsenet.plots.style import INK, LINES, Line, new_figure, save_png

THRESHOLD_MARK = "sparsenet prune-threshold"
"""What the PNG of `draw_threshold` says it was made by."""


def draw_threshold(table: Path, figure: Path) -> None:
    """Draw the CSV of `prune-threshold` to a PNG. Raises FileError."""
    save_png(threshold_figure(read_thresholds(table)), figure, THRESHOLD_MARK)


def threshold_figure(rows: Sequence[Thresholded]) -> Figure:
    """Accuracy of the pruned networks, of which the first is unpruned: a thin line across.

    The abscissa, logarithmic, are the nonzero weights, with their share of all weights above; what
    has none left is left out and said so.
    """
    unpruned, *pruned = rows
    drawing, axes = new_figure()
    weights = unpruned.weights
    dense = 100 * (unpruned.test_accuracy or 0)
    axes.axhline(dense, color=INK, linewidth=0.8, label=f"unpruned, {dense:.2f} %")
    thresholded = _points((row.nonzeros, row.test_accuracy) for row in pruned)
    _plot(axes, thresholded, LINES[1], "thresholded")
    trained = _points((row.retrained_nonzeros, row.retrained_test_accuracy) for row in pruned)
    if trained:
        _plot(axes, trained, LINES[0], r"trained under $\ell_0$, same counts")
    _scale(axes, weights, [x for x, _ in (*thresholded, *trained)] or [weights])
    axes.set_ylabel("accuracy on TEST (%)")
    left_out = sum(row.nonzeros == 0 for row in pruned)
    words = f" (left out: {left_out} with none)" if left_out else ""
    axes.set_xlabel(f"nonzero weights{words}")
    axes.legend(frameon=False, loc="best")
    return drawing


def _points(rows: Iterable[tuple[int | None, float | None]]) -> list[tuple[int, float]]:
    """(nonzeros, accuracy in %) of the rows that have both, from few nonzeros to many."""
    return sorted((x, 100 * y) for x, y in rows if x and y is not None)


def _plot(axes: Axes, points: Sequence[tuple[int, float]], line: Line, label: str) -> None:
    xs, ys = [x for x, _ in points], [y for _, y in points]
    axes.plot(xs, ys, label=label, **line.keys())


def _scale(axes: Axes, weights: int, counts: Sequence[int]) -> None:
    """A logarithmic abscissa in weights below and in percent above, with few enough numbers."""
    steps = logarithmic(axes, counts)
    share = axes.secondary_xaxis(
        "top", functions=(_multiply_by(100 / weights), _multiply_by(weights / 100))
    )
    share.set_xlabel("share of all weights (%)")
    number(axes.xaxis, steps, FuncFormatter(thousands))
    number(share.xaxis, steps, FuncFormatter(lambda value, _: f"{value:g}"))


def _multiply_by(factor: float) -> Callable[[Any], Any]:
    return lambda values: values * factor
