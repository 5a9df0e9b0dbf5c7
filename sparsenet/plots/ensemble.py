"""Table 1 of Collins & Kohli (2014) as a picture: ensembles of sparse nets in the memory of one."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sparsenet.plots.axes import accuracy_beside, plain_counts
from sparsenet.plots.means import Mean, means_of, plot_means
from sparsenet.plots.rows import (
    CannotDrawError,
    Phase,
    accuracy,
    left_out,
    means_in_words,
    phase_of,
)
from sparsenet.plots.style import INK, LINES, TEXT, legend_below, new_figure
from sparsenet.results.rows import Member
from sparsenet.results.words import known, spread, whole


def ensemble_figure(rows: Sequence[Member]) -> Figure:
    """A curve of whole ensembles over their trials, and one of each member alone over all members.

    The nets that are alone in the memory of one, which are dense, are a thin line across. What
    has no accuracy is left out and counted. Raises CannotDrawError where there is no ensemble.
    """
    phase = phase_of(rows)
    several = [row for row in rows if row.members > 1]
    wholes = [row for row in several if row.member is None]
    together = _means(wholes, phase)
    if not together:
        raise CannotDrawError(f"no ensemble of several members in it has an accuracy on {phase}")
    alone = _means([row for row in several if row.member is not None], phase)
    figure, axes = new_figure(6.4, 4.6)
    entries = _dense(axes, rows, phase)
    entries["the whole ensemble"] = plot_means(axes, together, LINES[0])
    entries["one member alone, over all members"] = plot_means(axes, alone, LINES[1])
    axes.set_xlim(together[0].x - 0.5, together[-1].x + 0.5)
    plain_counts(axes.xaxis, 10)
    axes.set_xlabel("members", fontsize=TEXT)
    accuracy_beside(axes, f"accuracy on {phase} (%)")
    trials = means_in_words((mean.seeds for mean in together), "trial")
    missing = left_out({"without accuracy": sum(accuracy(row, phase) is None for row in several)})
    legend_below(figure, entries, "; ".join(filter(None, (trials, _size(wholes), missing))))
    return figure


def _means(rows: Sequence[Member], phase: Phase) -> list[Mean]:
    """Of each number of members, from few to many."""
    pairs = [(row.members, accuracy(row, phase)) for row in rows]
    return means_of((members, members, value) for members, value in pairs if value is not None)


def _dense(axes: Axes, rows: Sequence[Member], phase: Phase) -> dict[str, Artist]:
    """A thin line across at the mean accuracy of the nets that are alone, by its label."""
    shares = known(accuracy(row, phase) for row in rows if row.members == 1 and row.member is None)
    if not shares:
        return {}
    line = axes.axhline(100 * fmean(shares), color=INK, linewidth=0.8)
    return {f"one dense net, {spread(shares)} %": line}


def _size(wholes: Sequence[Member]) -> str:
    """The nonzeros of the ensembles; one that diverged has none."""
    counts = [row.nonzeros for row in wholes if row.nonzeros]
    least, most = min(counts, default=0), max(counts, default=0)
    span = whole(most) if least == most else f"{whole(least)} to {whole(most)}"
    return f"{span} nonzero weights and biases in all members together"
