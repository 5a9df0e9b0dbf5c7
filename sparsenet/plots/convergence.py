"""Figure 3 of Collins & Kohli (2014): loss and accuracy as the training goes on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sparsenet.plots.axes import accuracy_beside, plain_counts
from sparsenet.plots.rows import CannotDrawError, Course, in_words, require_told_apart
from sparsenet.plots.style import LINES, TEXT, Line, legend_below, new_panels, text_of

_MARKS = 10
"""About as many marks stand on a curve."""


@dataclass(frozen=True)
class Method:
    """The courses of a method's repetitions."""

    name: str
    courses: tuple[Course, ...]


def convergence_figure(methods: Sequence[Method], note: str = "") -> Figure:
    """Means over repetitions in bands from the least to the greatest, at the iterations all have.

    Training loss on the left, accuracy on the right. Raises CannotDrawError where there is neither,
    or for too many methods.
    """
    require_told_apart(len(methods), "methods and settings", len(LINES))
    losses = [[course.losses for course in method.courses] for method in methods]
    accuracies = [[_percent(course) for course in method.courses] for method in methods]
    if not any(map(_common, losses)) and not any(map(_common, accuracies)):
        raise CannotDrawError("its trials' metrics have no losses and no accuracies")
    figure, (left, right) = new_panels(1, 2, 9.6, 4.4)
    entries: dict[str, Artist] = {}
    for nth, (method, line) in enumerate(zip(methods, LINES, strict=False)):
        label = f"{text_of(method.name)} ({in_words(len(method.courses), 'run')})"
        entries[label] = _draw(left, losses[nth], line, nth / len(methods))
        _draw(right, accuracies[nth], line, nth / len(methods))
    left.set_ylabel("training loss of the batch", fontsize=TEXT)
    phases = sorted({phase for method in methods for c in method.courses for phase in c.phases})
    accuracy_beside(
        right, f"accuracy on {' or '.join(map(text_of, phases)) or 'held-out data'} (%)"
    )
    for axes in (left, right):
        plain_counts(axes.xaxis)
        axes.set_xlabel("iterations", fontsize=TEXT)
    several = any(len(method.courses) > 1 for method in methods)
    words = "mean of the runs in a band from the least to the greatest" if several else ""
    legend_below(figure, entries, "; ".join(filter(None, (words, note))))
    return figure


def _percent(course: Course) -> dict[int, float]:
    return {iteration: 100 * value for iteration, value in course.accuracies.items()}


def _common(runs: Sequence[Mapping[int, float]]) -> list[int]:
    """The iterations that all have, in their order: no mean changes because a run drops out."""
    return sorted(set.intersection(*map(set, runs))) if runs else []


def _draw(axes: Axes, runs: Sequence[Mapping[int, float]], line: Line, shift: float) -> Artist:
    """Draw a method; its marks are shifted by a part of their distance, past the others'."""
    xs = _common(runs)
    values = [[run[x] for run in runs] for x in xs]
    means = [sum(group) / len(group) for group in values]
    lows, highs = [*map(min, values)], [*map(max, values)]
    axes.fill_between(xs, lows, highs, color=line.color, alpha=0.2, linewidth=0)
    every = max(1, len(xs) // _MARKS)
    return axes.plot(xs, means, markevery=(int(shift * every), every), **line.keys())[0]
