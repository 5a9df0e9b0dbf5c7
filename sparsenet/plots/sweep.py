"""Figure 6 of Collins & Kohli (2014): accuracy against nonzeros, by method and by layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

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
)
from sparsenet.plots.style import INK, LINES, TEXT, legend_below, new_panels, text_of
from sparsenet.results.rows import DENSE, Trial
from sparsenet.results.words import spread

LAYERS = "layers"
"""The column that says where a method acts."""
_COLUMNS = 2
Sets = Mapping[str, Sequence[str]]
Curves = Mapping[str, Sequence[Mean]]


@dataclass(frozen=True)
class _Panel:
    """The curves of the methods that act on one set of layers, by their weights' nonzeros."""

    place: str
    curves: Curves
    label: str
    empty: int
    """Trials of its own that leave none of these weights, which a logarithm cannot show."""


def sweep_figure(trials: Sequence[Trial], sets: Sets | None = None) -> Figure:
    """A curve a method with means and deviations over seeds, a panel for each value of `layers`.

    By `sets` a panel counts the nonzeros of its layers alone. A method that acts on no layers in
    particular, as fewer units do, is in every panel. Failed trials and those of no nonzeros are
    left out and counted. Raises CannotDrawError where nothing is left, or for too many methods.
    """
    phase = phase_of(trials)
    kept = [t for t in trials if not t.failed and accuracy(t, phase) is not None]
    references = _references(kept)
    others = [trial for trial in kept if trial not in references]
    places = list(dict.fromkeys(filter(None, (t.grid.get(LAYERS) for t in others)))) or [""]
    panels = [_panel(place, others, (sets or {}).get(place, ()), phase) for place in places]
    if not any(panel.curves for panel in panels):
        raise CannotDrawError("no trial but of the dense reference has nonzeros and an accuracy")
    figure, axes, inches = _panels(len(panels))
    entries = _reference(axes, references, phase)
    entries |= _draw(axes, panels, inches)
    for first in axes[::_COLUMNS]:
        accuracy_beside(first, f"accuracy on {phase} (%)")
    seeds = means_in_words(m.seeds for p in panels for means in p.curves.values() for m in means)
    empty = sum(panel.empty for panel in panels)
    legend_below(figure, entries, "; ".join(filter(None, (seeds, _left_out(trials, empty, phase)))))
    return figure


def _panel(place: str, others: Sequence[Trial], layers: Sequence[str], phase: Phase) -> _Panel:
    """What a set of layers shows: all nonzeros where the set or their counts are not known."""
    own = [trial for trial in others if trial.grid.get(LAYERS, "") in (place, "")]
    known = bool(layers) and all(set(layers) <= set(trial.counts) for trial in own)
    sizes = [
        (sum(trial.counts[name] for name in layers) if known else trial.nonzeros or 0, trial)
        for trial in own
    ]
    partial = known and any(set(trial.counts) > set(layers) for trial in own)
    rows = [(size, trial) for size, trial in sizes if size]
    empty = sum(not size and trial.grid.get(LAYERS, "") == place for size, trial in sizes)
    label = "nonzero weights of these layers" if partial else "nonzero weights"
    return _Panel(place, _curves(rows, phase), label, empty)


def _references(kept: Sequence[Trial]) -> list[Trial]:
    """The dense networks: none where they differ in more than the seed, which makes a curve."""
    found = [trial for trial in kept if trial.method == DENSE and not trial.grid.get(LAYERS)]
    return found if all(trial.grid == found[0].grid for trial in found) else []


def _curves(rows: Sequence[tuple[int, Trial]], phase: Phase) -> dict[str, list[Mean]]:
    """By method the means over seeds, from few nonzeros to many."""
    groups: dict[str, list[tuple[str, float, float]]] = {}
    for size, trial in rows:
        groups.setdefault(trial.method, []).append(
            (str(trial.grid), size, accuracy(trial, phase) or 0)
        )
    return {method: means_of(group) for method, group in groups.items()}


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
    found = [accuracy(trial, phase) or 0 for trial in references]
    if not found:
        return {}
    lines = [axes.axhline(100 * fmean(found), color=INK, linewidth=0.8) for axes in panels]
    return {f"{DENSE}, {spread(found)} %": lines[0]}


def _draw(axes: Sequence[Axes], panels: Sequence[_Panel], inches: float) -> dict[str, Artist]:
    """Draw each panel's curves; a line of each method by its label."""
    methods = list(dict.fromkeys(method for panel in panels for method in panel.curves))
    require_told_apart(len(methods), "methods", len(LINES))
    lines = dict(zip(methods, LINES, strict=False))
    drawn: dict[str, Artist] = {}
    for each, panel in zip(axes, panels, strict=True):
        for method, means in panel.curves.items():
            drawn[text_of(method)] = plot_means(each, means, lines[method])
        here = [mean.x for means in panel.curves.values() for mean in means]
        counts_below(each, here or [1], panel.label, inches)
        if len(panels) > 1:
            each.set_title(f"{LAYERS}: {text_of(panel.place)}", fontsize=TEXT)
    return drawn


def _left_out(trials: Sequence[Trial], empty: int, phase: Phase) -> str:
    done = [trial for trial in trials if not trial.failed]
    return left_out(
        {
            "with no weight left": empty,
            "failed": len(trials) - len(done),
            "without accuracy": sum(accuracy(trial, phase) is None for trial in done),
        }
    )
