"""Accuracy against the pruned fraction: the figures of Khan & Stavness (2020)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from matplotlib.artist import Artist
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from sparsenet.plots.axes import accuracy_beside
from sparsenet.plots.means import means_of, plot_means
from sparsenet.plots.rows import left_out, require_told_apart
from sparsenet.plots.style import LINES, TEXT, legend_below, new_figure, save_png, text_of
from sparsenet.results.rows import PrunedRow
from sparsenet.results.run import read_prunings

PRUNE_MARK = "sparsenet prune"
"""What the PNG of `draw_prune` says it was made by."""
_SERIES: tuple[tuple[str, Callable[[PrunedRow], float | None], dict[str, Any]], ...] = (
    ("", lambda row: row.test_accuracy, {}),
    (", smaller net", lambda row: row.shrunk_test_accuracy, {"linestyle": ":", "alpha": 0.6}),
    (", fine-tuned", lambda row: row.finetuned_test_accuracy, {"markerfacecolor": "white"}),
)


def draw_prune(table: Path, figure: Path) -> None:
    """Draw the CSV of `prune` to a PNG. Raises FileError, or CannotDrawError for too many nets."""
    save_png(prune_figure(read_prunings(table)), figure, PRUNE_MARK)


def prune_figure(rows: Sequence[PrunedRow]) -> Figure:
    """A curve a training, of its colour also the smaller nets without the filters and the tuned.

    Of several seeds it is the mean, with bars of a standard deviation. What has no accuracy is left
    out and counted. Raises CannotDrawError for too many trainings.
    """
    trainings = list(dict.fromkeys(row.training for row in rows))
    require_told_apart(len(trainings), "trainings", len(LINES))
    figure, axes = new_figure(6.4, 4.6)
    entries: dict[str, Artist] = {}
    for training, line in zip(trainings, LINES, strict=False):
        own = [row for row in rows if row.training == training]
        for suffix, accuracy_of, keys in _SERIES:
            means = means_of(
                (row.fraction, 100 * row.fraction, y)
                for row in own
                if (y := accuracy_of(row)) is not None
            )
            if means:
                edge = {"markeredgecolor": line.color} if "markerfacecolor" in keys else {}
                curve = plot_means(axes, means, line, **edge, **keys)
                entries[text_of(training) + suffix] = curve
    axes.set_xlim(-3, max(10, *(100 * row.fraction for row in rows)) + 3)
    axes.xaxis.set_major_locator(MaxNLocator(10, steps=[1, 2, 5, 10]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.set_xlabel(f"{_units(rows[0])} set to zero (%)", fontsize=TEXT)
    accuracy_beside(axes, "accuracy on TEST (%)")
    missing = sum(row.test_accuracy is None for row in rows)
    legend_below(figure, entries, left_out({"without accuracy": missing}))
    return figure


def _units(row: PrunedRow) -> str:
    """What the fraction is of: `filters of each layer, smallest norm first`."""
    kinds = {
        "magnitude": ("weights", "filter", "smallest first"),
        "random": ("filters", "layer", "at random"),
    }
    what, within, order = kinds.get(row.criterion, ("filters", "layer", "smallest norm first"))
    return f"{what} of {'the net' if row.scope == 'net' else f'each {within}'}, {order},"
