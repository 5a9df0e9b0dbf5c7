"""Curves of means with their deviations, as Figures 6 and 7 have them."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass

from matplotlib.artist import Artist
from matplotlib.axes import Axes

from sparsenet.plots.rows import mean_and_deviation
from sparsenet.plots.style import Line


@dataclass(frozen=True)
class Mean:
    """Several seeds of one setting: mean abscissa; mean and deviation of the accuracy, in %."""

    x: float
    accuracy: float
    deviation: float
    seeds: int


def means_of(rows: Iterable[tuple[Hashable, float, float]]) -> list[Mean]:
    """The mean of each setting's rows (setting, abscissa, accuracy as a fraction), by abscissa."""
    groups: dict[Hashable, list[tuple[float, float]]] = {}
    for setting, x, accuracy in rows:
        groups.setdefault(setting, []).append((x, 100 * accuracy))
    means = []
    for group in groups.values():
        x, _ = mean_and_deviation([x for x, _ in group])
        means.append(Mean(x, *mean_and_deviation([y for _, y in group]), len(group)))
    return sorted(means, key=lambda mean: (mean.x, mean.accuracy))


def plot_means(axes: Axes, means: Sequence[Mean], line: Line, **other: object) -> Artist:
    """A curve through means, with bars of one deviation where there is any; its line."""
    xs, ys = [mean.x for mean in means], [mean.accuracy for mean in means]
    bars = [mean.deviation for mean in means]
    keys = line.keys() | {"capsize": 3, "elinewidth": 1.2} | other
    return axes.errorbar(xs, ys, bars if any(bars) else None, **keys).lines[0]
