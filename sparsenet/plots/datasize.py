"""Figure 7 of Collins & Kohli (2014): training and test accuracy against the training samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from matplotlib.artist import Artist
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from sparsenet.plots.axes import accuracy_beside, counts_below
from sparsenet.plots.means import Mean, means_of, plot_means
from sparsenet.plots.rows import (
    CannotDrawError,
    Phase,
    accuracy,
    left_out,
    means_in_words,
    phase_of,
    require_told_apart,
    settings_apart,
)
from sparsenet.plots.style import INK, LINES, legend_below, new_figure, text_of
from sparsenet.results.rows import Trial

_HELD_OUT, _TRAINING = "-", "--"


def datasize_figure(trials: Sequence[Trial]) -> Figure:
    """A colour a method, solid on held-out data and dashed on training data, deviations over seeds.

    Failed trials and those of no known number of samples are left out and counted. Raises
    CannotDrawError where nothing is left, or for too many methods.
    """
    phase = phase_of(trial for trial in trials if not trial.failed)
    sized = [(t.samples, t) for t in trials if t.samples and not t.failed]
    if not sized:
        raise CannotDrawError("it has no number of training samples in a column 'samples'")
    labels = _labels([trial for _, trial in sized])
    methods = list(dict.fromkeys(labels))
    require_told_apart(len(methods), "methods and settings", len(LINES))
    figure, axes = new_figure(6.4, 4.8)
    entries: dict[str, Artist] = {}
    drawn: list[Mean] = []
    for method, line in zip(methods, LINES, strict=False):
        chosen = [pair for pair, label in zip(sized, labels, strict=True) if label == method]
        for style, means in _curves(chosen, phase).items():
            plot_means(axes, means, line, linestyle=style)
            drawn += means
        entries[method] = Line2D([], [], **line.keys() | {"linestyle": ""})
    counts_below(axes, [size for size, _ in sized], "training samples")
    accuracy_beside(axes, "accuracy (%)")
    words = [means_in_words(mean.seeds for mean in drawn), _left_out(trials)]
    legend_below(figure, entries | _styles(phase), "; ".join(filter(None, words)))
    return figure


def _styles(phase: Phase) -> dict[str, Artist]:
    """What the lines are of, by its label."""
    keys: dict[str, Any] = {"color": INK, "linewidth": 1.8}
    styles = {f"on {phase}": _HELD_OUT, "on training data": _TRAINING}
    return {label: Line2D([], [], **keys | {"linestyle": s}) for label, s in styles.items()}


def _left_out(trials: Sequence[Trial]) -> str:
    failed = sum(bool(trial.failed) for trial in trials)
    unsized = sum(not trial.samples and not trial.failed for trial in trials)
    return left_out({"failed": failed, "without a number of samples": unsized})


def _labels(trials: Sequence[Trial]) -> list[str]:
    """Of each trial method and setting, without what says no more than its samples.

    That is a column of the grid as `subset`, which has a value of its own for each number.
    """
    pairs: dict[tuple[str, str], set[tuple[str, int | None]]] = {}
    for trial in trials:
        for key, value in trial.grid.items():
            pairs.setdefault((trial.method, key), set()).add((value, trial.samples))
    sizes = {
        home
        for home, found in pairs.items()
        if len(found) == len({value for value, _ in found}) == len({size for _, size in found})
    }
    bare = [
        replace(trial, grid={k: v for k, v in trial.grid.items() if (trial.method, k) not in sizes})
        for trial in trials
    ]
    return [text_of(label) for label in settings_apart(bare)]


def _curves(trials: Sequence[tuple[int, Trial]], phase: Phase) -> dict[str, list[Mean]]:
    """By line style the means over seeds, from few samples to many."""
    measured = {
        _HELD_OUT: [(size, accuracy(trial, phase)) for size, trial in trials],
        _TRAINING: [(size, trial.train_accuracy) for size, trial in trials],
    }
    return {
        style: means_of((size, size, value) for size, value in rows if value is not None)
        for style, rows in measured.items()
    }
