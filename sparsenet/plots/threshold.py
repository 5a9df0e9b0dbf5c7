"""Figure 5 of Collins & Kohli (2014): accuracy against nonzeros, thresholded and under l0."""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from sparsenet.plots.style import INK, LINES, Line, new_figure, save_png

FIGURE_MARK = "sparsenet prune-threshold"
"""What the PNG says it was made by."""

Row = Mapping[str, str]


def draw_threshold(table: Path, figure: Path) -> None:
    """Draw the CSV of `prune-threshold` to a PNG.

    Its first row is the unpruned network, a thin line across. The abscissa, logarithmic, are the
    nonzero weights, with their share of all weights above; what has none left is left out and
    said so. Raises FileError where the PNG cannot be written.
    """
    with table.open(encoding="utf-8", newline="") as stream:
        unpruned, *rows = csv.DictReader(stream)
    drawing, axes = new_figure()
    weights = int(unpruned["weights"])
    dense = 100 * float(unpruned["test_accuracy"])
    axes.axhline(dense, color=INK, linewidth=0.8, label=f"unpruned, {dense:.2f} %")
    thresholded = _points(rows, "nonzeros", "test_accuracy")
    _plot(axes, thresholded, LINES[1], "thresholded")
    trained = _points(rows, "retrained_nonzeros", "retrained_test_accuracy")
    if trained:
        _plot(axes, trained, LINES[0], r"trained under $\ell_0$, same counts")
    _scale(axes, weights, [x for x, _ in (*thresholded, *trained)] or [weights])
    axes.set_ylabel("accuracy on TEST (%)")
    left_out = sum(row["nonzeros"] == "0" for row in rows)
    words = f" (left out: {left_out} with none)" if left_out else ""
    axes.set_xlabel(f"nonzero weights{words}")
    axes.legend(frameon=False, loc="best")
    save_png(drawing, figure, FIGURE_MARK)


def _points(rows: Sequence[Row], x: str, y: str) -> list[tuple[int, float]]:
    """(nonzeros, accuracy in %) of the rows that have both, from few nonzeros to many."""
    return sorted(
        (int(row[x]), 100 * float(row[y])) for row in rows if row[y] and int(row[x] or 0) > 0
    )


def _plot(axes: Axes, points: Sequence[tuple[int, float]], line: Line, label: str) -> None:
    xs, ys = [x for x, _ in points], [y for _, y in points]
    axes.plot(xs, ys, label=label, **line.keys())


def _scale(axes: Axes, weights: int, counts: Sequence[int]) -> None:
    """A logarithmic abscissa in weights below and in percent above, with few enough numbers."""
    low, high = min(counts), max(counts)
    # Four times from end to end at the least, so that there is a number to read on either axis.
    margin = max((high / low) ** 0.06, (4 * low / high) ** 0.5)
    axes.set_xscale("log")
    axes.set_xlim(low / margin, high * margin)
    share = axes.secondary_xaxis(
        "top", functions=(_multiply_by(100 / weights), _multiply_by(weights / 100))
    )
    share.set_xlabel("share of all weights (%)")
    steps = (1.0,) if high > 300 * low else (1.0, 2.0, 5.0)
    for axis, text in ((axes.xaxis, _thousands), (share.xaxis, _percent)):
        axis.set_major_locator(LogLocator(subs=steps))
        axis.set_major_formatter(FuncFormatter(text))
        axis.set_minor_formatter(NullFormatter())


def _multiply_by(factor: float) -> Callable[[Any], Any]:
    return lambda values: values * factor


def _thousands(count: float, _: object) -> str:
    for unit, size in (("M", 1e6), ("k", 1e3)):
        if count >= size:
            return f"{count / size:g} {unit}"
    return f"{count:g}"


def _percent(share: float, _: object) -> str:
    return f"{share:g}"
