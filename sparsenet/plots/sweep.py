"""Figure 6 of Collins & Kohli (2014): accuracy against nonzeros, by method and by layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sparsenet.plots.axes import accuracy_beside, counts_below
from sparsenet.plots.means import Mean, means_of, plot_means
from sparsenet.plots.rows import (
    CannotDrawError,
    Phase,
    Trial,
    accuracy,
    left_out,
    mean_and_deviation,
    phase_of,
    require_told_apart,
    seeds_in_words,
)
from sparsenet.plots.style import INK, LINES, TEXT, legend_below, new_panels, text_of

DENSE = "dense"
"""The method of the trials that the others are compared with."""
LAYERS = "layers"
"""The column that says where a method acts."""
_COLUMNS = 2
Curves = Mapping[tuple[str, str], Sequence[Mean]]


def sweep_figure(trials: Sequence[Trial]) -> Figure:
    """A curve a method with means and deviations over seeds, a panel for each value of `layers`.

    A method that acts on no layers in particular, as fewer units do, is in every panel. Failed
    trials and those of no nonzeros are left out and counted. Raises CannotDrawError where nothing
    is left, or for too many methods.
    """
    phase = phase_of(trials)
    kept = [t for t in trials if not t.failed and t.nonzeros and accuracy(t, phase) is not None]
    references = _references(kept)
    curves = _curves([trial for trial in kept if trial not in references], phase)
    if not curves:
        raise CannotDrawError("no trial but of the dense reference has nonzeros and an accuracy")
    places = list(dict.fromkeys(place for place, _ in curves if place)) or [""]
    figure, panels, inches = _panels(len(places))
    entries = _reference(panels, references, phase)
    entries |= _draw(dict(zip(places, panels, strict=True)), curves, inches)
    for axes in panels[::_COLUMNS]:
        accuracy_beside(axes, f"accuracy on {phase} (%)")
    seeds = seeds_in_words(mean.seeds for means in curves.values() for mean in means)
    legend_below(figure, entries, "; ".join(filter(None, (seeds, _left_out(trials, phase)))))
    return figure


def _references(kept: Sequence[Trial]) -> list[Trial]:
    """The dense networks: none where they differ in more than the seed, which makes a curve."""
    found = [trial for trial in kept if trial.method == DENSE and not trial.grid.get(LAYERS)]
    return found if all(trial.grid == found[0].grid for trial in found) else []


def _curves(kept: Sequence[Trial], phase: Phase) -> dict[tuple[str, str], list[Mean]]:
    """By place and method the means over seeds, from few nonzeros to many."""
    groups: dict[tuple[str, str], list[tuple[str, float, float]]] = {}
    for trial in kept:
        row = (str(trial.grid), trial.nonzeros or 0, accuracy(trial, phase) or 0)
        groups.setdefault((trial.grid.get(LAYERS, ""), trial.method), []).append(row)
    return {home: means_of(rows) for home, rows in groups.items()}


def _panels(count: int) -> tuple[Figure, list[Axes], float]:
    """Axes for so many places, and how long their abscissas are, in inches."""
    columns = min(count, _COLUMNS)
    rows = -(-count // columns)
    size = (6.4, 4.6) if count == 1 else (9.6, 1 + 3.4 * rows)
    figure, panels = new_panels(rows, columns, *size, sharey=True)
    for axes in panels[count:]:
        axes.remove()
    return figure, panels[:count], size[0] / columns - 1


def _reference(
    panels: Sequence[Axes], references: Sequence[Trial], phase: Phase
) -> dict[str, Artist]:
    """The dense networks as a thin line across each panel."""
    found = [100 * (accuracy(trial, phase) or 0) for trial in references]
    if not found:
        return {}
    mean, deviation = mean_and_deviation(found)
    label = f"{DENSE}, {mean:.2f}{f' ± {deviation:.2f}' if len(found) > 1 else ''} %"
    lines = [axes.axhline(mean, color=INK, linewidth=0.8) for axes in panels]
    return {label: lines[0]}


def _draw(panels: Mapping[str, Axes], curves: Curves, inches: float) -> dict[str, Artist]:
    """Draw each curve in the panel of its place; a line of each method by its label."""
    methods = list(dict.fromkeys(method for _, method in curves))
    require_told_apart(len(methods), "methods", len(LINES))
    lines = dict(zip(methods, LINES, strict=False))
    drawn: dict[str, Artist] = {}
    for place, axes in panels.items():
        shown = {method: means for (of, method), means in curves.items() if of in (place, "")}
        for method, means in shown.items():
            drawn[text_of(method)] = plot_means(axes, means, lines[method])
        here = [mean.x for means in shown.values() for mean in means]
        counts_below(axes, here, "nonzero weights", inches)
        if len(panels) > 1:
            axes.set_title(f"{LAYERS}: {text_of(place)}", fontsize=TEXT)
    return drawn


def _left_out(trials: Sequence[Trial], phase: Phase) -> str:
    done = [trial for trial in trials if not trial.failed]
    some = [trial for trial in done if trial.nonzeros]
    return left_out(
        {
            "with no weight left": len(done) - len(some),
            "failed": len(trials) - len(done),
            "without accuracy": sum(accuracy(trial, phase) is None for trial in some),
        }
    )
