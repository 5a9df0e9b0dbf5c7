"""Figure 1 of Collins & Kohli (2014): accuracy against memory of the networks of a search."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter

from sparsenet.plots.axes import accuracy_beside, grouped, logarithmic, number
from sparsenet.plots.rows import (
    Candidate,
    CannotDrawError,
    Phase,
    Search,
    accuracy,
    left_out,
    phase_of,
    require_told_apart,
)
from sparsenet.plots.style import INK, LINES, TEXT, Line, legend_below, new_figure, text_of

KIB = 1024
_LIGHT: dict[str, Any] = {"linestyle": "", "alpha": 0.4, "markersize": 4.5, "markeredgewidth": 0}
Point = tuple[float, float]


def tradeoff_figure(searches: Sequence[Search]) -> Figure:
    """Light marks for candidates, a line through the accepted ones of each search.

    The network a search starts from is a thin line across. What has no accuracy or takes no byte
    is left out and counted. Raises CannotDrawError where nothing is left, or for too many searches.
    """
    require_told_apart(len(searches), "searches", len(LINES))
    rows = [row for search in searches for row in search.candidates]
    phase = phase_of(rows)
    points = _points(rows, phase)
    if not points:
        raise CannotDrawError(f"no network in it takes memory and has an accuracy on {phase}")
    figure, axes = new_figure(6.4, 4.6)
    entries = _references(axes, searches, phase)
    for search, line in zip(searches, LINES, strict=False):
        label = text_of(search.name) if len(searches) > 1 else "accepted path"
        entries |= _curve(axes, search, line, label, phase)
    if not all(row.accepted for row in rows):
        color = "#777777" if len(searches) > 1 else LINES[0].color
        entries["other candidates"] = Line2D([], [], color=color, marker="o", **_LIGHT)
    number(axes.xaxis, logarithmic(axes, [x for x, _ in points]), FuncFormatter(grouped))
    axes.set_xlabel("memory (KiB), each layer in its best format", fontsize=TEXT)
    accuracy_beside(axes, f"accuracy on {phase} (%)")
    legend_below(figure, entries, left_out({"without accuracy": len(rows) - len(points)}))
    return figure


def _points(rows: Sequence[Candidate], phase: Phase) -> list[Point]:
    """(KiB, accuracy in %) of the rows that have both."""
    pairs = [(row.bytes / KIB, accuracy(row, phase)) for row in rows if row.bytes]
    return [(x, 100 * y) for x, y in pairs if y is not None]


def _references(axes: Axes, searches: Sequence[Search], phase: Phase) -> dict[str, Artist]:
    """A thin line across for each start there is; with its numbers where all have the same."""
    starts = [search.candidates[0] for search in searches]
    points = sorted(set(_points(starts, phase)))
    if not points:
        return {}
    lines = [axes.axhline(y, color=INK, linewidth=0.8, zorder=1.5) for _, y in points]
    name = "dense start" if all(start.density == 1 for start in starts) else "start"
    (x, y), *others = points
    return {name if others else f"{name}, {y:.2f} % in {grouped(x)} KiB": lines[0]}


def _curve(axes: Axes, search: Search, line: Line, label: str, phase: Phase) -> dict[str, Artist]:
    """Draw a search; the line through what was accepted, by its label."""
    others = _points([row for row in search.candidates if not row.accepted], phase)
    path = _points([row for row in search.candidates if row.accepted], phase)
    axes.plot(*_split(others), color=line.color, marker=line.marker, zorder=2, **_LIGHT)
    return {label: axes.plot(*_split(path), zorder=3, **line.keys())[0]}


def _split(points: Sequence[Point]) -> tuple[list[float], list[float]]:
    return [x for x, _ in points], [y for _, y in points]
