"""Figure 7 of Collins & Kohli (2014): training and test accuracy against the training samples."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from matplotlib.artist import Artist
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from sparsenet.plots.axes import accuracy_beside, counts_below
from sparsenet.plots.means import Mean, means_of, plot_means
from sparsenet.plots.rows import (
    CannotDrawError,
    Phase,
    Trial,
    accuracy,
    left_out,
    phase_of,
    require_told_apart,
    seeds_in_words,
    settings_apart,
)
from sparsenet.plots.style import INK, LINES, legend_below, new_figure, text_of

SAMPLES = "samples"
"""The column of the number of training samples."""
_HELD_OUT, _TRAINING = "-", "--"


def datasize_figure(trials: Sequence[Trial]) -> Figure:
    """A colour a method, solid on held-out data and dashed on training data, deviations over seeds.

    Failed trials are left out and counted. Raises CannotDrawError where nothing is left, where a
    number of samples is none, or for too many methods.
    """
    done = [trial for trial in trials if not trial.failed]
    phase = phase_of(done)
    sizes = [_samples(trial) for trial in done]
    labels = [text_of(label) for label in settings_apart(done, [SAMPLES])]
    methods = list(dict.fromkeys(labels))
    require_told_apart(len(methods), "methods and settings", len(LINES))
    figure, axes = new_figure(6.4, 4.8)
    entries: dict[str, Artist] = {}
    drawn: list[Mean] = []
    for method, line in zip(methods, LINES, strict=False):
        chosen = [
            (size, trial)
            for size, trial, label in zip(sizes, done, labels, strict=True)
            if label == method
        ]
        for style, means in _curves(chosen, phase).items():
            plot_means(axes, means, line, linestyle=style)
            drawn += means
        entries[method] = Line2D([], [], **line.keys() | {"linestyle": ""})
    for style, words in ((_HELD_OUT, phase), (_TRAINING, "training data")):
        keys: dict[str, Any] = {"color": INK, "linestyle": style, "linewidth": 1.8}
        entries[f"on {words}"] = Line2D([], [], **keys)
    counts_below(axes, sizes, "training samples")
    accuracy_beside(axes, "accuracy (%)")
    seeds = seeds_in_words(mean.seeds for mean in drawn)
    failed = left_out({"failed": len(trials) - len(done)})
    legend_below(figure, entries, "; ".join(filter(None, (seeds, failed))))
    return figure


def _samples(trial: Trial) -> int:
    if SAMPLES not in trial.grid:
        raise CannotDrawError(f"it has no column {SAMPLES!r}")
    text = trial.grid[SAMPLES]
    if not re.fullmatch(r"[1-9][0-9]{0,17}", text):
        words = f"{text[:60]!r} is not a number of training samples"
        raise CannotDrawError(f"column {SAMPLES!r}: {words}")
    return int(text)


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
