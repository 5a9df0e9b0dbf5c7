"""Axes with plain numbers: logarithmic ones for counts, accuracies in percent."""

from __future__ import annotations

import math
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.ticker import (
    FuncFormatter,
    LogLocator,
    MaxNLocator,
    NullFormatter,
    NullLocator,
)

from sparsenet.plots.style import TEXT

_NUMBER = 0.62
"""Inches that a number below an axis and the gap to the next take."""
_STEPS = (
    ((1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0), 10 / 9),
    ((1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 7.0), 5 / 4),
    ((1.0, 2.0, 3.0, 5.0), 3 / 2),
    ((1.0, 2.0, 5.0), 2),
)
"""Steps within a decade, and the ratio of those that are nearest to each other."""


def thousands(count: float, _: object = None) -> str:
    """A count as `500`, `5 k` or `1.5 M`."""
    for unit, size in (("M", 1e6), ("k", 1e3)):
        if abs(count) >= size:
            return f"{count / size:g} {unit}"
    return f"{count:g}"


def grouped(number: float, _: object = None) -> str:
    """A number in full, thousands in groups: `0.5`, `20`, `50,000`."""
    return f"{number:,.0f}" if number >= 1 else f"{number:g}"


def logarithmic(axes: Axes, values: Sequence[float], inches: float = 5.4) -> tuple[float, ...]:
    """A logarithmic abscissa, so many inches long, around positive values.

    Returns the steps within a decade at which numbers have room: as many as there are, or 1 alone.
    """
    low, high = min(values), max(values)
    # Four times from end to end at the least, so that there is a number to read.
    margin = max((high / low) ** 0.06, (4 * low / high) ** 0.5)
    axes.set_xscale("log")
    axes.set_xlim(low / margin, high * margin)
    decade = inches / math.log10(high / low * margin**2)
    return next(
        (steps for steps, nearest in _STEPS if decade * math.log10(nearest) >= _NUMBER), (1.0,)
    )


def number(axis: Axis, steps: tuple[float, ...], text: FuncFormatter) -> None:
    """Put numbers on a logarithmic axis at these steps, and nothing between them."""
    axis.set_major_locator(LogLocator(subs=steps))
    axis.set_major_formatter(text)
    axis.set_minor_locator(NullLocator())
    axis.set_minor_formatter(NullFormatter())


def counts_below(axes: Axes, values: Sequence[float], label: str, inches: float = 5.4) -> None:
    """A logarithmic abscissa of counts, numbered as `5 k`."""
    steps = logarithmic(axes, values, inches)
    number(axes.xaxis, steps, FuncFormatter(thousands))
    axes.set_xlabel(label, fontsize=TEXT)


def plain_counts(axis: Axis, most: int = 6) -> None:
    """A linear axis of whole numbers, numbered as `5 k` at no more than so many places."""
    axis.set_major_locator(MaxNLocator(most, integer=True, steps=[1, 2, 5, 10]))
    axis.set_major_formatter(FuncFormatter(thousands))


def accuracy_beside(axes: Axes, label: str) -> None:
    """An ordinate of accuracies in percent, at least one point high: less would magnify noise.

    It ends a little beyond 0 and 100, whatever bars of deviations reach to.
    """
    low, high = axes.get_ylim()
    edge = 0.03 * (min(high, 100) - max(low, 0))
    axes.set_ylim(max(low, -edge), min(high, 100 + edge))
    low, high = axes.get_ylim()
    if high - low < 1:
        middle = (low + high) / 2
        axes.set_ylim(middle - 0.5, middle + 0.5)
    axes.yaxis.set_major_locator(MaxNLocator(7, steps=[1, 2, 2.5, 5, 10]))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.set_ylabel(label, fontsize=TEXT)
